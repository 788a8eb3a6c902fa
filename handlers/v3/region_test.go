package v3_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/postern-mail/postern/engine/access"
	"github.com/postern-mail/postern/models"
)

// sibling is where the test's installation in the other region is said to be.
const sibling = "https://us.postern.example"

// TestAKeyOfAnotherRegionIsSentThere: the region of a key stands in the key, so one of another region is refused before anything is looked up, and told where it belongs.
func TestAKeyOfAnotherRegionIsSentThere(t *testing.T) {
	w := newWorld(t)
	foreign := "postern_us_" + strings.TrimPrefix(w.key, "postern_eu_")
	for _, path := range []string{"/v3/grants", "/v3/webhooks", "/v3/applications", "/v3/grants/" + models.NewID[models.GrantID](w.clock()).String() + "/messages"} {
		a := w.do(call{method: "GET", path: path, key: foreign})
		if a.status != http.StatusUnauthorized || a.text1("error", "type") != "api.authentication_error" || !strings.Contains(a.text1("error", "message"), sibling) {
			t.Errorf("GET %s with a key of another region: %d %s", path, a.status, a.text)
		}
	}
	if strings.Contains(w.logged(), foreign[len("postern_us_"):]) {
		t.Error("the key is in the log")
	}
	if a := w.do(call{method: "GET", path: "/v3/grants"}); a.status != http.StatusOK {
		t.Errorf("the same key with its own region: %d %s", a.status, a.text)
	}
}

// TestATenantOfAnotherRegionIsSentThere: an organisation that has moved leaves its row here. What is bound to it answers 401 with the other base URL, nothing new begins for it, and it
// cannot move while a mailbox is connected here.
func TestATenantOfAnotherRegionIsSentThere(t *testing.T) {
	w := newWorld(t)
	conn, err := pgx.Connect(ctx, w.dsn) // as the owner of the database: no runtime role changes a region
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	move := func() error {
		_, err := conn.Exec(ctx, `UPDATE tenants SET region = 'us' WHERE id = $1`, w.second.ID.String())
		return err
	}
	bound := w.keyFor(access.Key{Application: w.app.ID, Tenant: w.second.ID})
	g := w.grant(w.app.ID, w.second.ID, "grace@second.example")
	token := w.token(g, time.Hour)

	var refused *pgconn.PgError
	if err := move(); !errors.As(err, &refused) || refused.Code != "PO002" {
		t.Fatalf("it moves with a connected mailbox: %v", err)
	}
	// The wall of the database is one; what the program answers is another, and is tried behind it.
	if _, err := conn.Exec(ctx, `ALTER TABLE tenants DISABLE TRIGGER tenant_may_move`); err != nil {
		t.Fatal(err)
	}
	if err := move(); err != nil {
		t.Fatal(err)
	}
	for what, credential := range map[string]string{"its key": bound, "a token of its mailbox": token} {
		a := w.do(call{method: "GET", path: "/v3/grants/me", key: credential})
		if a.status != http.StatusUnauthorized || !strings.Contains(a.text1("error", "message"), sibling) {
			t.Errorf("%s: %d %s", what, a.status, a.text)
		}
	}
	if a := w.do(call{method: "GET", path: "/v3/grants"}); a.status != http.StatusOK {
		t.Errorf("a key of the whole application: %d %s", a.status, a.text)
	}
	if _, _, err := w.Access.CreateKey(ctx, staff, access.Key{Application: w.app.ID, Tenant: w.second.ID, Name: "another"}); err == nil || !strings.Contains(err.Error(), "tenant_closed") {
		t.Errorf("a new key for it: %v", err)
	}
}
