package portal

import (
	"sync"
	"time"

	"github.com/postern-mail/postern/engine/access"
	"github.com/postern-mail/postern/engine/applications"
	"github.com/postern-mail/postern/engine/audit"
	"github.com/postern-mail/postern/engine/evidence"
	"github.com/postern-mail/postern/engine/grants"
	"github.com/postern-mail/postern/engine/keys"
	"github.com/postern-mail/postern/engine/ledger"
	"github.com/postern-mail/postern/engine/offboardings"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/tenants"
	"github.com/postern-mail/postern/engine/verifications"
	"github.com/postern-mail/postern/engine/webhooks"
	"github.com/postern-mail/postern/views/pages"
	"github.com/postern-mail/postern/web"
)

// Config is what the portal is made of. Everything is required but Providers and AuditLog.
type Config struct {
	Server        *web.Server
	Access        *access.Service
	Applications  *applications.Service
	Tenants       *tenants.Service
	Grants        *grants.Service
	Ledger        *ledger.Service
	Webhooks      *webhooks.Service
	Verifications *verifications.Service
	Keys          *keys.Service
	Evidence      *evidence.Service
	Siblings      map[string]string // region to base URL
	Offboardings  *offboardings.Service
	Audit         *audit.Keeper
	AuditLog      *audit.Log    // nil: the audit page says nothing of its proof
	Providers     *provider.Set // which providers can be set up; nil: all that are known
	Company       string        // who runs this Postern
	Region        string        // us or eu
	Demo          bool
	Document      []byte // the API's OpenAPI document, for its reference
	Now           func() time.Time
}

// Portal is the door. It is safe for concurrent use.
type Portal struct {
	Config
	checks        meter // of the checker
	readReference sync.Once
	refGroups     []pages.RefGroup
	refErr        error
}

// New makes the door. Mount what Web gives.
func New(c Config) *Portal { return &Portal{Config: c} }

// Web gives the routes and how errors look.
func (p *Portal) Web() web.Door {
	routes := p.routes()
	for i := range routes {
		routes[i].Handler = p.noted(routes[i].Handler)
	}
	return web.Door{Name: "portal", Routes: routes, Sessions: true, Fail: p.fail}
}
