package grants_test

import (
	"testing"

	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/grants"
	"github.com/postern-mail/postern/engine/secret"
	"github.com/postern-mail/postern/models"
)

// That it connects is shown where there is a mail server: handlers/v3, TestConnectCustom.
func TestCustomRefuses(t *testing.T) {
	w := newWorld(t)
	reader := w.key
	reader.Permissions = []models.Permission{models.ReadGrants}
	bound := w.key
	bound.Tenant = w.a
	for what, c := range map[string]struct {
		actor models.Actor
		r     grants.CustomRequest
		kind  fault.Kind
		field string
	}{
		"a key that may not":       {reader, grants.CustomRequest{Provider: "sandbox"}, fault.Denied, ""},
		"a member":                 {w.support, grants.CustomRequest{Provider: "sandbox"}, fault.Denied, ""},
		"a provider with consent":  {w.key, grants.CustomRequest{Provider: "sandbox"}, fault.Invalid, "provider"},
		"a provider nobody knows":  {w.key, grants.CustomRequest{Provider: "toaster"}, fault.Invalid, "provider"},
		"a tenant that is not its": {bound, grants.CustomRequest{Provider: "sandbox", Tenant: w.b}, fault.Invalid, "workspace_id"},
		"a tenant nobody knows":    {w.key, grants.CustomRequest{Provider: "sandbox", Tenant: models.NewID[models.TenantID](w.clock.now())}, fault.Invalid, "workspace_id"},
	} {
		c.r.Address, c.r.Password = "ada@sandbox.test", secret.New("a password")
		_, err := w.grants.Custom(w.ctx, c.actor, c.r)
		f, ok := fault.As(err)
		if !ok || f.Kind != c.kind || f.Field != c.field {
			t.Errorf("%s: %v (%+v)", what, err, f)
		}
	}
	page, err := w.grants.List(w.ctx, w.support, grants.Filter{WithPending: true})
	if err != nil || len(page.Grants) != 0 {
		t.Errorf("grants: %+v, %v", page, err)
	}
}
