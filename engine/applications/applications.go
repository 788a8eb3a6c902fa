package applications

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/postern-mail/postern/engine/audit"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/sealed"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

// Config is what the deeds need.
type Config struct {
	Store     *store.Store
	Safe      *sealed.Safe
	Audit     *audit.Keeper
	Providers *provider.Set // a provider outside the wire's own list may have a connector when it is in the set: the sandbox
	Now       func() time.Time
}

// Service is the deeds. It is safe for concurrent use.
type Service struct {
	store     *store.Store
	safe      *sealed.Safe
	audit     *audit.Keeper
	providers *provider.Set
	now       func() time.Time
	// sealing lets one change of a client secret through at a time: it holds two connections, and two such changes each waiting for
	// the other's second connection would stand still.
	sealing sync.Mutex
}

// New makes the deeds.
func New(c Config) *Service {
	return &Service{store: c.Store, safe: c.Safe, audit: c.Audit, providers: c.Providers, now: c.Now}
}

var (
	errDenied = fault.New(fault.Denied, "permission_missing", "This key or account may not do that. Ask an administrator for the permission.")
	errNarrow = fault.New(fault.Denied, "tenant_bound", "This key works for one tenant only and cannot change what all tenants share.")
	errName   = fault.New(fault.Invalid, "name_invalid", "A name has 1 to 200 characters, without line breaks.").At("name")
	errTenant = fault.New(fault.Invalid, "tenant_unknown", "There is no such tenant.").At("default_tenant_id")
	errURL    = fault.New(fault.Invalid, "url_invalid", "A link starts with https:// and has at most 2000 characters.")
	errText   = fault.New(fault.Invalid, "text_invalid", "A text has at most 1000 characters.")
)

// Branding is how an application presents itself to the people who are asked for consent. Nothing here is loaded by our own pages.
type Branding struct {
	IconURL     string `json:"icon_url,omitempty"`
	WebsiteURL  string `json:"website_url,omitempty"`
	Description string `json:"description,omitempty"`
}

// HostedAuth is how the hosted consent page is dressed.
type HostedAuth struct {
	BackgroundImageURL string `json:"background_image_url,omitempty"`
	Alignment          string `json:"alignment,omitempty"` // left, center, right
	ColorPrimary       string `json:"color_primary,omitempty"`
	ColorSecondary     string `json:"color_secondary,omitempty"`
	Title              string `json:"title,omitempty"`
	Subtitle           string `json:"subtitle,omitempty"`
	BackgroundColor    string `json:"background_color,omitempty"`
	Spacing            int    `json:"spacing,omitempty"` // pixels
	TermsURL           string `json:"terms_of_service_url,omitempty"`
	PrivacyURL         string `json:"privacy_policy_url,omitempty"`
}

// BrandingOf reads what an application's row holds; the zero Branding when it holds none.
func BrandingOf(a models.Application) Branding {
	var b Branding
	_ = json.Unmarshal(a.Branding, &b) // written by Update alone; what cannot be read is as good as absent
	return b
}

// HostedAuthOf reads what an application's row holds; the zero HostedAuth when it holds none.
func HostedAuthOf(a models.Application) HostedAuth {
	var h HostedAuth
	_ = json.Unmarshal(a.HostedAuth, &h)
	return h
}

// Draft is an application to be made.
type Draft struct {
	Name          string
	Environment   string // empty: production
	DefaultTenant models.TenantID
}

// Change is what to alter of an application. A nil field stays as it is; branding and hosted authentication are replaced whole.
type Change struct {
	Name          *string
	Environment   *string
	DefaultTenant *models.TenantID // the zero id: none
	Branding      *Branding
	HostedAuth    *HostedAuth
}

// List is every application for staff, the one of a key for a key.
func (s *Service) List(ctx context.Context, actor models.Actor) ([]models.Application, error) {
	if !actor.May(models.ReadApps) {
		return nil, errDenied
	}
	var list []models.Application
	read := func(tx *store.Tx) (err error) { list, err = tx.Applications(); return err }
	if actor.Platform() {
		return list, s.store.OnPlatform(ctx, "list applications", read)
	}
	if actor.Application.IsZero() {
		return []models.Application{}, nil
	}
	return list, s.store.InApplication(ctx, actor.Application, read)
}

// Find is one application. A key's own only; every other is store.ErrNotFound.
func (s *Service) Find(ctx context.Context, actor models.Actor, id models.ApplicationID) (models.Application, error) {
	var a models.Application
	err := s.in(ctx, actor, models.ReadApps, id, func(tx *store.Tx) (err error) { a, err = tx.Application(id); return err })
	return a, err
}

// Create makes an application. Staff only.
func (s *Service) Create(ctx context.Context, actor models.Actor, d Draft) (models.Application, error) {
	if !actor.May(models.WriteApps) || !actor.Platform() {
		return models.Application{}, errDenied
	}
	at := s.now().UTC()
	a := models.Application{ID: models.NewID[models.ApplicationID](at), Name: strings.TrimSpace(d.Name), Environment: d.Environment, CreatedAt: at, UpdatedAt: at}
	if a.Environment == "" {
		a.Environment = "production"
	}
	if !d.DefaultTenant.IsZero() {
		a.DefaultTenantID = &d.DefaultTenant
	}
	if err := checkApplication(a); err != nil {
		return models.Application{}, err
	}
	err := s.store.OnPlatform(ctx, "create an application", func(tx *store.Tx) error {
		if err := checkTenant(tx, a.DefaultTenantID); err != nil {
			return err
		}
		if err := tx.InsertApplication(a); err != nil {
			return err
		}
		return s.audit.Append(ctx, tx, actor, entry("application.create", a.ID, "application", a.ID.String(), a.Name))
	})
	if err != nil {
		return models.Application{}, fmt.Errorf("create an application: %w", err)
	}
	return a, nil
}

// Update alters an application and answers it as it then is. Faults of kind Invalid name the field.
func (s *Service) Update(ctx context.Context, actor models.Actor, id models.ApplicationID, c Change) (models.Application, error) {
	if c.DefaultTenant != nil && !actor.Platform() {
		return models.Application{}, errDenied.At("default_tenant_id")
	}
	var a models.Application
	err := s.change(ctx, actor, models.WriteApps, id, func(tx *store.Tx) (err error) {
		if a, err = tx.ApplicationForUpdate(id); err != nil {
			return err
		}
		said := entry("application.update", id, "application", id.String(), a.Name)
		if err := c.apply(&a, said.Detail); err != nil {
			return err
		}
		if err := checkApplication(a); err != nil {
			return err
		}
		if c.DefaultTenant != nil {
			if err := checkTenant(tx, a.DefaultTenantID); err != nil {
				return err
			}
		}
		if len(said.Detail) == 0 {
			return nil // nothing was asked for: no change, no entry
		}
		a.UpdatedAt = s.now().UTC()
		if err := tx.ChangeApplication(a); err != nil {
			return err
		}
		return s.audit.Append(ctx, tx, actor, said)
	})
	return a, err
}

// apply writes the change into a and notes in detail which parts it touched.
func (c Change) apply(a *models.Application, detail map[string]string) error {
	if c.Name != nil {
		a.Name = strings.TrimSpace(*c.Name)
		detail["name"] = a.Name
	}
	if c.Environment != nil {
		a.Environment = *c.Environment
		detail["environment"] = a.Environment
	}
	if c.DefaultTenant != nil {
		a.DefaultTenantID, detail["default_tenant"] = nil, "none"
		if !c.DefaultTenant.IsZero() {
			a.DefaultTenantID, detail["default_tenant"] = c.DefaultTenant, c.DefaultTenant.String()
		}
	}
	if c.Branding != nil {
		if err := c.Branding.check(); err != nil {
			return err
		}
		a.Branding, detail["branding"] = marshal(c.Branding), "replaced"
	}
	if c.HostedAuth != nil {
		if err := c.HostedAuth.check(); err != nil {
			return err
		}
		a.HostedAuth, detail["hosted_authentication"] = marshal(c.HostedAuth), "replaced"
	}
	return nil
}

func marshal(v any) models.JSON {
	b, err := json.Marshal(v)
	if err != nil {
		panic("plain structs of texts and numbers always marshal: " + err.Error())
	}
	return b
}

func checkApplication(a models.Application) error {
	if !oneLine(a.Name, 1, 200) {
		return errName
	}
	if !oneLine(a.Environment, 1, 50) {
		return errText.At("environment")
	}
	return nil
}

func checkTenant(tx *store.Tx, id *models.TenantID) error {
	if id == nil {
		return nil
	}
	if _, err := tx.Tenant(*id); err != nil {
		if fault.KindOf(err) == fault.NotFound {
			return errTenant
		}
		return err
	}
	return nil
}

func (b Branding) check() error {
	if !webLink(b.IconURL) {
		return errURL.At("branding.icon_url")
	}
	if !webLink(b.WebsiteURL) {
		return errURL.At("branding.website_url")
	}
	if utf8.RuneCountInString(b.Description) > 1000 {
		return errText.At("branding.description")
	}
	return nil
}

func (h HostedAuth) check() error {
	for _, link := range []struct{ field, url string }{{"background_image_url", h.BackgroundImageURL}, {"terms_of_service_url", h.TermsURL}, {"privacy_policy_url", h.PrivacyURL}} {
		if !webLink(link.url) {
			return errURL.At("hosted_authentication." + link.field)
		}
	}
	for _, text := range []struct{ field, value string }{{"title", h.Title}, {"subtitle", h.Subtitle}, {"color_primary", h.ColorPrimary},
		{"color_secondary", h.ColorSecondary}, {"background_color", h.BackgroundColor}} {
		if !oneLine(text.value, 0, 1000) {
			return errText.At("hosted_authentication." + text.field)
		}
	}
	switch h.Alignment {
	case "", "left", "center", "right":
	default:
		return fault.New(fault.Invalid, "alignment_invalid", "alignment is left, center or right.").At("hosted_authentication.alignment")
	}
	if h.Spacing < 0 || h.Spacing > 1000 {
		return fault.New(fault.Invalid, "spacing_invalid", "spacing is a number of pixels between 0 and 1000.").At("hosted_authentication.spacing")
	}
	return nil
}

// oneLine: between least and most characters, no control characters.
func oneLine(s string, least, most int) bool {
	n := utf8.RuneCountInString(s)
	return n >= least && n <= most && utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
}

// in reads for the actor: staff on the platform, a program in its own application.
func (s *Service) in(ctx context.Context, actor models.Actor, p models.Permission, id models.ApplicationID, fn func(*store.Tx) error) error {
	switch {
	case !actor.May(p):
		return errDenied
	case actor.Platform():
		return s.store.OnPlatform(ctx, string(p), fn)
	case actor.Application.IsZero() || actor.Application != id:
		return store.ErrNotFound
	default:
		return s.store.InApplication(ctx, id, fn)
	}
}

// change is in for what all tenants of the application share: a key of one tenant reads it and does not write it.
func (s *Service) change(ctx context.Context, actor models.Actor, p models.Permission, id models.ApplicationID, fn func(*store.Tx) error) error {
	if actor.May(p) && !actor.Tenant.IsZero() && actor.Application == id {
		return errNarrow
	}
	return s.in(ctx, actor, p, id, fn)
}

func entry(action string, application models.ApplicationID, kind, id, name string) audit.Entry {
	return audit.Entry{Action: action, Application: application, ObjectKind: kind, ObjectID: id, Object: name, Detail: map[string]string{}}
}
