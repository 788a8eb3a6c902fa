package v3

import (
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/postern-mail/postern/engine/access"
	"github.com/postern-mail/postern/engine/applications"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/grants"
	"github.com/postern-mail/postern/engine/ledger"
	"github.com/postern-mail/postern/engine/mailbox"
	"github.com/postern-mail/postern/engine/secret"
	"github.com/postern-mail/postern/engine/verifications"
	"github.com/postern-mail/postern/engine/webhooks"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/web"
)

// maxBody is the most a JSON body may hold.
const maxBody = 3 << 20

// Config is what the door is made of. All fields but Limits are required.
type Config struct {
	Access        *access.Service
	Applications  *applications.Service
	Grants        *grants.Service
	Mailbox       *mailbox.Service
	Ledger        *ledger.Service
	Webhooks      *webhooks.Service
	Verifications *verifications.Service
	URL           func(path string) string // makes an absolute address on our own origin: web.Server.URL
	Region        string                   // us or eu
	Organization  string                   // the installation's id, a UUID
	Limits        Limits
	Now           func() time.Time
}

// Door answers /v3. It is safe for concurrent use.
type Door struct {
	Config
	perApplication, perGrant, perKey, detects, perAddress *buckets
}

// New makes the door.
func New(c Config) *Door {
	l := c.Limits.orDefaults()
	return &Door{Config: c,
		perApplication: newBuckets(l.Application, 5*time.Second, c.Now), perGrant: newBuckets(l.Grant, 5*time.Second, c.Now), perKey: newBuckets(l.Key, 5*time.Second, c.Now),
		detects: newBuckets(l.Detect/60, time.Minute, c.Now), perAddress: newBuckets(l.Address, 5*time.Second, c.Now)}
}

// Web is the door as web mounts it.
func (d *Door) Web() web.Door {
	return web.Door{Name: "v3", Prefix: "/v3", Routes: d.routes(), Authenticate: d.authenticate, Fail: d.fail, BodyLimit: maxBody}
}

var (
	errBearer   = fault.New(fault.Unproven, "bearer_malformed", "Send the key as one header of the form Authorization: Bearer <key>.")
	errNoCaller = fault.New(fault.Unproven, "credential_missing", "This needs an API key or an access token: Authorization: Bearer <key>.")
	errKeyOnly  = fault.New(fault.Denied, "key_required", "This takes an API key of the application. An access token reaches /v3/grants/me and the mailbox behind it, and nothing else.")
)

// authenticate tells who calls. The OAuth endpoints are left out: they have their own rules about who must prove what, and their own
// shape for saying no.
func (d *Door) authenticate(c echo.Context) (models.Actor, error) {
	if oauthPath(c.Request().URL.Path) || c.Request().Method == http.MethodOptions {
		return models.Actor{}, nil
	}
	if adminPath(c.Request().URL.Path) {
		return d.signer(c)
	}
	return d.caller(c)
}

// caller proves the bearer, where there is one, and counts the request against its limit.
func (d *Door) caller(c echo.Context) (models.Actor, error) {
	bearer, err := bearerOf(c.Request())
	if err != nil || bearer.Empty() {
		return models.Actor{}, err
	}
	return d.prove(c, bearer)
}

func (d *Door) prove(c echo.Context, credential secret.Text) (models.Actor, error) {
	actor, err := d.Access.Program(c.Request().Context(), credential, address(c))
	if err != nil {
		// Somebody who guesses is slowed down by address; somebody with a good key from the same address is not.
		if limited := d.perAddress.take(address(c).String()); limited != nil {
			return models.Actor{}, limited
		}
		return models.Actor{}, err
	}
	return actor, d.perKey.take(actor.ID)
}

// bearerOf reads the one place where a credential may stand (RFC 6750 section 2.1). Basic and everything else is refused, not ignored:
// a caller who shows something expects it to count. Nothing at all is the empty text.
func bearerOf(r *http.Request) (secret.Text, error) {
	values := r.Header.Values("Authorization")
	if len(values) == 0 {
		return secret.Text{}, nil
	}
	scheme, credential, found := strings.Cut(values[0], " ")
	credential = strings.TrimSpace(credential)
	if len(values) > 1 || !found || !strings.EqualFold(scheme, "Bearer") || credential == "" || len(credential) > 1024 || strings.ContainsAny(credential, " \t,") {
		return secret.Text{}, errBearer
	}
	return secret.New(credential), nil
}

// keyed refuses access tokens on a route that is the application's.
func (d *Door) keyed(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		actor := web.Actor(c)
		if actor.Kind != models.ActorKey {
			return errKeyOnly
		}
		if err := d.perApplication.take(actor.Application.String()); err != nil {
			return err
		}
		return next(c)
	}
}

// open slows down a route that anybody may call, by address.
func (d *Door) open(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if err := d.perAddress.take(address(c).String()); err != nil {
			return err
		}
		return next(c)
	}
}

// address is where the request came from. web.Addr knows it only once the caller is known.
func address(c echo.Context) netip.Addr {
	addr, err := netip.ParseAddr(c.RealIP())
	if err != nil {
		return netip.Addr{}
	}
	return addr
}
