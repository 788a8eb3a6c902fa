package portal

import (
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/postern-mail/postern/engine/secret"
	"github.com/postern-mail/postern/engine/verifications"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/views/pages"
	"github.com/postern-mail/postern/views/ui"
	"github.com/postern-mail/postern/web"
)

var (
	newSourceKinds = []choice{{verifications.KindV3, sourceKinds[verifications.KindV3]}, {verifications.KindStandard, sourceKinds[verifications.KindStandard]}}
	kindHelp       = map[string]string{verifications.KindV3: "HMAC-SHA256 over the bytes, in X-Nylas-Signature.", verifications.KindStandard: "Webhook-Id, Webhook-Timestamp and Webhook-Signature; safe against replay."}
	rotationWhens  = []choice{{"staged", "Not yet: it is entered ahead"}, {"now", "Already"}}
	whenHelp       = map[string]string{"staged": "Both count until the first genuine call under the new one. Then the overlap begins.", "now": "The overlap begins now, and a declared rotation ends."}
	sourceOverlaps = []choice{{"24h", "24 hours"}, {"1h", "1 hour"}, {"168h", "7 days"}, {"0s", "None"}}
	windows        = []choice{{"10m", ""}, {"0s", ""}}
)

// sourceForm is what stands in the form of a source. The secret is never in it.
type sourceForm struct{ name, kind, application, tenant, addresses string }

func helped(list []choice, chosen string, help map[string]string) []ui.OptionView {
	out := options(list, chosen)
	for i := range out {
		out[i].Help = help[out[i].Value]
	}
	return out
}

func (p *Portal) sourceCreateForm(c echo.Context) error {
	return p.renderSourceForm(c, http.StatusOK, sourceForm{kind: verifications.KindV3}, nil)
}

func (p *Portal) renderSourceForm(c echo.Context, status int, f sourceForm, faults []ui.ErrorView) error {
	ctx := c.Request().Context()
	_, apps, err := p.applicationNames(ctx)
	if err != nil {
		return err
	}
	tenants, err := p.tenantChoices(ctx, web.Actor(c))
	if err != nil {
		return err
	}
	page, err := p.frame(c, "Add a source")
	if err != nil {
		return err
	}
	page.Breadcrumbs = crumbs("Verifications", "/verifications", "Sources", sourcesURL)
	return web.Render(c, status, pages.SourceForm(page, pages.SourceFormView{Action: sourcesURL, CancelURL: sourcesURL, Name: f.name, Addresses: f.addresses, Kinds: helped(newSourceKinds, f.kind, kindHelp),
		Applications: options(apps, f.application), Tenants: options(append([]choice{{"", "None in particular"}}, tenants...), f.tenant), Errors: faults}))
}

// givenSecret is what was typed, or a new one where nothing was: made says that it must be shown.
func givenSecret(c echo.Context, kind string) (value secret.Text, made bool) {
	if text := strings.TrimSpace(c.FormValue("secret")); text != "" {
		return secret.New(text), false
	}
	return verifications.NewSecret(kind), true
}

func (p *Portal) sourceCreate(c echo.Context) error {
	f := sourceForm{name: field(c, "name"), kind: field(c, "kind"), application: field(c, "application"), tenant: field(c, "tenant"), addresses: c.FormValue("addresses")}
	draft := verifications.SourceDraft{Name: f.name, Kind: f.kind, Addresses: lines(f.addresses)}
	wrong := func(name, text string) error {
		return p.renderSourceForm(c, unprocessable, f, []ui.ErrorView{{Field: name, Text: text}})
	}
	var err error
	if draft.Application, err = models.ParseID[models.ApplicationID](f.application); err != nil {
		return wrong("application", "Choose one of the applications.")
	}
	if f.tenant != "" {
		if draft.Tenant, err = models.ParseID[models.TenantID](f.tenant); err != nil {
			return wrong("tenant", "Choose one of the organisations.")
		}
	}
	value, made := givenSecret(c, f.kind)
	draft.Secret = value
	e, err := p.Verifications.CreateSource(c.Request().Context(), web.Actor(c), draft)
	if faults, ok := formErrors(err, nil); ok {
		return p.renderSourceForm(c, unprocessable, f, faults)
	}
	if err != nil {
		return err
	}
	if made {
		return p.renderSourceSecret(c, e, value)
	}
	return done(c, sourcesURL+"/"+e.ID.String(), "good", "The source is ready. Give its address to the sender.")
}

// renderSourceSecret shows a secret that was made here, once.
func (p *Portal) renderSourceSecret(c echo.Context, e models.InboundEndpoint, value secret.Text) error {
	page, err := p.frame(c, e.Name)
	if err != nil {
		return err
	}
	url := sourcesURL + "/" + e.ID.String()
	page.Kind, page.Breadcrumbs = "Source", crumbs("Verifications", "/verifications", "Sources", sourcesURL, e.Name, url)
	return web.Render(c, http.StatusOK, pages.SecretShown(page, pages.SecretShownView{Label: "Secret for " + e.Name, Secret: value.Reveal(), DoneURL: url,
		Text: []string{"Enter it at the sender, as the secret that it signs with. It is never shown again."}, Facts: []ui.FactView{{Label: "Address for the sender", Text: p.Server.URL("/hooks/" + e.ID.String()), Mono: true}}}))
}

func (p *Portal) sourceEditForm(c echo.Context) error {
	d, base, err := p.source(c)
	if err != nil {
		return err
	}
	return p.renderSourceEdit(c, http.StatusOK, base, d.Endpoint.Name, d.Endpoint.Name, strings.Join(d.Endpoint.Addresses, "\n"), nil)
}

func (p *Portal) renderSourceEdit(c echo.Context, status int, base, title, name, addresses string, faults []ui.ErrorView) error {
	page, err := p.frame(c, "Change "+title)
	if err != nil {
		return err
	}
	page.Breadcrumbs = crumbs("Verifications", "/verifications", "Sources", sourcesURL, title, base)
	return web.Render(c, status, pages.SourceForm(page, pages.SourceFormView{Action: base + "/edit", CancelURL: base, Edit: true, Name: name, Addresses: addresses, Errors: faults}))
}

func (p *Portal) sourceEdit(c echo.Context) error {
	d, base, err := p.source(c)
	if err != nil {
		return err
	}
	name, text := field(c, "name"), c.FormValue("addresses")
	if name == "" {
		return p.renderSourceEdit(c, unprocessable, base, d.Endpoint.Name, name, text, []ui.ErrorView{{Field: "name", Text: "Give the source a name."}})
	}
	addresses := lines(text)
	if addresses == nil {
		addresses = []string{}
	}
	_, err = p.Verifications.UpdateSource(c.Request().Context(), web.Actor(c), d.Endpoint.ID, verifications.SourceChange{Name: name, Addresses: &addresses})
	if faults, ok := formErrors(err, nil); ok {
		return p.renderSourceEdit(c, unprocessable, base, d.Endpoint.Name, name, text, faults)
	}
	if err != nil {
		return err
	}
	return done(c, base, "good", "The source was changed.")
}

func (p *Portal) sourceRotateForm(c echo.Context) error {
	d, base, err := p.source(c)
	if err != nil {
		return err
	}
	return p.renderSourceRotate(c, http.StatusOK, base, d.Endpoint.Name, "staged", "24h", nil)
}

func (p *Portal) renderSourceRotate(c echo.Context, status int, base, name, when, overlap string, faults []ui.ErrorView) error {
	page, err := p.frame(c, "A new secret of "+name)
	if err != nil {
		return err
	}
	page.Breadcrumbs = crumbs("Verifications", "/verifications", "Sources", sourcesURL, name, base)
	return web.Render(c, status, pages.SourceRotate(page, pages.SourceRotateView{Action: base + "/rotate", CancelURL: base, Whens: helped(rotationWhens, when, whenHelp), Overlaps: options(sourceOverlaps, overlap), Errors: faults}))
}

func (p *Portal) sourceRotate(c echo.Context) error {
	d, base, err := p.source(c)
	if err != nil {
		return err
	}
	when, overlap := field(c, "when"), field(c, "overlap")
	wrong := func(faults ...ui.ErrorView) error {
		return p.renderSourceRotate(c, unprocessable, base, d.Endpoint.Name, when, overlap, faults)
	}
	span, ok := life(overlap, sourceOverlaps)
	if !ok {
		return wrong(ui.ErrorView{Field: "overlap", Text: "Choose one of the times."})
	}
	if when != "staged" && when != "now" {
		return wrong(ui.ErrorView{Field: "when", Text: "Say whether the sender uses it already."})
	}
	value, made := givenSecret(c, d.Endpoint.Kind)
	if made && when == "now" {
		return wrong(ui.ErrorView{Field: "secret", Text: "A secret that is made here is not in use at the sender yet. Enter the sender's, or choose that it is entered ahead."})
	}
	e, err := p.Verifications.RotateSource(c.Request().Context(), web.Actor(c), d.Endpoint.ID, verifications.Rotation{Secret: value, Overlap: span, Staged: when == "staged"})
	if faults, ok := formErrors(err, nil); ok {
		return wrong(faults...)
	}
	if err != nil {
		return err
	}
	if made {
		return p.renderSourceSecret(c, e, value)
	}
	return done(c, base, "good", "The new secret counts from now on.")
}

func (p *Portal) sourceWindow(c echo.Context) error {
	d, base, err := p.source(c)
	if err != nil {
		return err
	}
	span, ok := life(field(c, "window"), windows)
	if !ok {
		span = 10 * time.Minute
	}
	if _, err := p.Verifications.OpenWindow(c.Request().Context(), web.Actor(c), d.Endpoint.ID, span); err != nil {
		return err
	}
	if span == 0 {
		return done(c, base, "info", "The window is closed. Calls that no known secret explains are refused again.")
	}
	return done(c, base, "info", "The window is open for 10 minutes. Rotate at the sender now, then enter the new secret here.")
}

func (p *Portal) sourceAddressesForm(c echo.Context) error {
	d, base, err := p.source(c)
	if err != nil {
		return err
	}
	return p.renderSourceAddresses(c, http.StatusOK, base, d.Endpoint.Name, "", nil)
}

func (p *Portal) renderSourceAddresses(c echo.Context, status int, base, name, server string, faults []ui.ErrorView) error {
	page, err := p.frame(c, "Where "+name+" sends from")
	if err != nil {
		return err
	}
	page.Breadcrumbs = crumbs("Verifications", "/verifications", "Sources", sourcesURL, name, base)
	return web.Render(c, status, pages.SourceAddresses(page, pages.SourceAddressesView{Action: base + "/addresses", CancelURL: base, Server: server, Errors: faults}))
}

func (p *Portal) sourceAddresses(c echo.Context) error {
	d, base, err := p.source(c)
	if err != nil {
		return err
	}
	server := field(c, "server")
	e, err := p.Verifications.FetchAddresses(c.Request().Context(), web.Actor(c), d.Endpoint.ID, server, secret.New(strings.TrimSpace(c.FormValue("key"))))
	if faults, ok := formErrors(err, nil); ok {
		return p.renderSourceAddresses(c, unprocessable, base, d.Endpoint.Name, server, faults)
	}
	if err != nil {
		return err
	}
	return done(c, base, "good", "The sender named "+ui.Count(len(e.Addresses), "address", "addresses")+". Calls from elsewhere are refused from now on.")
}

func (p *Portal) sourcePause(c echo.Context) error {
	return p.setSourcePaused(c, true, "The source is paused: calls are put off, and the sender tries again.")
}

func (p *Portal) sourceResume(c echo.Context) error {
	return p.setSourcePaused(c, false, "Calls are taken again.")
}

func (p *Portal) setSourcePaused(c echo.Context, paused bool, text string) error {
	d, base, err := p.source(c)
	if err != nil {
		return err
	}
	if _, err := p.Verifications.PauseSource(c.Request().Context(), web.Actor(c), d.Endpoint.ID, paused); err != nil {
		return err
	}
	return done(c, base, "good", text)
}

func (p *Portal) sourceDeleteConfirm(c echo.Context) error {
	d, base, err := p.source(c)
	if err != nil {
		return err
	}
	name := d.Endpoint.Name
	page, err := p.frame(c, "Delete "+name)
	if err != nil {
		return err
	}
	page.Breadcrumbs = crumbs("Verifications", "/verifications", "Sources", sourcesURL, name, base)
	return web.Render(c, http.StatusOK, pages.SourceDelete(page, pages.SourceDeleteView{Name: name, Action: base + "/delete", CancelURL: base,
		Ends: []string{"Calls to its address are answered as if there were nothing.", "Its secrets are destroyed. To take its events again, make a new source."}, Stays: []string{"What the log says of its calls, and the audit entries."}}))
}

func (p *Portal) sourceDelete(c echo.Context) error {
	d, _, err := p.source(c)
	if err != nil {
		return err
	}
	if _, err := p.Verifications.DisableSource(c.Request().Context(), web.Actor(c), d.Endpoint.ID); err != nil {
		return err
	}
	return done(c, sourcesURL, "good", d.Endpoint.Name+" was deleted.")
}
