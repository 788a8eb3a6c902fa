package portal

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/postern-mail/postern/engine/keys"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/views/layout"
	"github.com/postern-mail/postern/views/pages"
	"github.com/postern-mail/postern/views/ui"
	"github.com/postern-mail/postern/web"
)

// securityTabs are the pages beside the requirement map.
func (p *Portal) securityTabs(c echo.Context) []ui.TabView {
	actor, path := web.Actor(c), c.Request().URL.Path
	var out []ui.TabView
	for _, t := range []struct{ label, url string }{
		{"Requirements", "/security"}, {"Encryption", "/security/encryption"}, {"Residency", "/security/residency"}, {"Egress", "/security/egress"}, {"Least privilege", "/security/rights"},
		{"Evidence packs", "/security/packs"}, {"Guest passes", "/security/passes"},
	} {
		if p.opens(actor, t.url) {
			out = append(out, ui.TabView{Label: t.label, URL: t.url, Current: path == t.url || t.url != "/security" && strings.HasPrefix(path, t.url+"/")})
		}
	}
	return out
}

// report renders a page of evidence under Security.
func (p *Portal) report(c echo.Context, title, lede string, view pages.ReportView) error {
	page, err := p.frame(c, title)
	if err != nil {
		return err
	}
	page.Lede, page.Breadcrumbs = lede, []layout.Crumb{{Label: "Security", URL: "/security"}}
	view.Tabs = p.securityTabs(c)
	return web.Render(c, http.StatusOK, pages.Report(page, view))
}

func (p *Portal) encryption(c echo.Context) error {
	ctx, actor := c.Request().Context(), web.Actor(c)
	s, err := p.Keys.Standing(ctx, actor)
	if err != nil {
		return err
	}
	view := pages.ReportView{Checked: s.CountedAt, Answer: p.encryptionAnswer(s)}
	view.Stats = []ui.StatView{{Label: "On the key in use", Value: share(s.Current, s.Sealed), Detail: fmt.Sprintf("%s of %s sealed values", ui.Number(int(s.Current)), ui.Number(int(s.Sealed)))},
		{Label: "Data keys", Value: ui.Number(s.Keys), Detail: "one for each organisation"}}
	if actor.Platform() {
		view.Stats[1].Detail = "one for each organisation, and Postern's own"
		view.Stats = append(view.Stats, ui.StatView{Label: "Wrapped under an older key", Value: ui.Number(s.OtherKEK)})
	}
	facts := []ui.FactView{{Label: "At rest", Text: keys.Algorithm}, {Label: "On the way", Text: p.transport()},
		{Label: "What is sealed", Text: "provider tokens and passwords, client secrets, webhook secrets, the payload of events"},
		{Label: "What each value is bound to", Text: "installation, organisation, kind, owner, field and version: a copy opens nowhere else"},
		{Label: "Key-encryption key", Text: s.KEKID, Mono: true}, {Label: "Where that key is", Text: s.Source + ", never in the database"}}
	if !s.Oldest.IsZero() {
		facts = append(facts, ui.FactView{Label: "The oldest data key in use", Text: ui.Relative(s.Oldest, p.Now()) + " (" + ui.UTC(s.Oldest) + ")"})
	}
	view.Sections = append(view.Sections, pages.ReportSectionView{ID: "how", Title: "How it is encrypted", Facts: facts})
	if s.Keys > 0 || len(s.Secrets) > 0 {
		view.Sections = append(view.Sections, pages.ReportSectionView{ID: "ages", Title: "Ages of the keys and secrets in use", Lede: "What is older than a year asks to be replaced.", Charts: []ui.ChartView{keyAges(s)}})
	}
	if actor.Platform() {
		view.Sections = append(view.Sections, p.rotation(actor, s))
	}
	return p.report(c, "Encryption", "What everything is sealed with, how old the keys are, and how much is under the ones in use.", view)
}

func (p *Portal) encryptionAnswer(s keys.Standing) pages.AnswerView {
	switch {
	case s.Sealed > 0 && s.Settled():
		return pages.AnswerView{State: "met", Text: "Everything that is secret is sealed under the keys in use."}
	case s.Sealed == 0:
		return pages.AnswerView{State: "not_claimed", Text: "Nothing is sealed yet, so there is nothing to judge by."}
	case s.Missing > 0:
		return pages.AnswerView{State: "not_claimed", Text: ui.Count(s.Missing, "organisation was", "organisations were") + " not counted yet. The count runs every ten minutes."}
	default:
		return pages.AnswerView{State: "not_met", Text: "Something is still sealed under an older key.", Detail: "A rotation is under way, or was stopped before its end; starting it again goes on with it."}
	}
}

func (p *Portal) transport() string {
	if strings.HasPrefix(p.Server.Origin(), "http://") {
		return "plain http on this machine, as a demo is; to providers and receivers TLS 1.2 or later"
	}
	return "TLS 1.2 or later, to people and programs as to providers and receivers"
}

func share(part, whole int64) string {
	switch {
	case whole == 0:
		return "none"
	case part == whole:
		return "100 %"
	default:
		return fmt.Sprintf("%.1f %%", min(99.9, float64(part)/float64(whole)*100)) // never round a leftover away
	}
}

// secretKinds are the kinds of store.SecretAge, by name and by the state whose colour they have in a chart.
var secretKinds = map[string]ui.SeriesView{"api_keys": {Label: "API keys", State: "severing"}, "webhook_secrets": {Label: "webhook secrets", State: "revoked"},
	"client_secrets": {Label: "client secrets", State: "idle"}, "service_accounts": {Label: "service accounts", State: "paused"}}

func keyAges(s keys.Standing) ui.ChartView {
	c := ui.ChartView{ID: "key-ages", Title: "Keys and secrets by age", Unit: "in use", Over: "Age", Series: []ui.SeriesView{{Label: "data keys", State: "valid"}}}
	for i, label := range []string{"up to 30 days", "up to 90 days", "up to a year", "older"} {
		c.Bars = append(c.Bars, ui.BarView{Label: label, Values: []int{s.Ages[i]}})
	}
	for _, a := range s.Secrets {
		c.Series = append(c.Series, secretKinds[a.Kind])
		for i, n := range []int{a.Month, a.Quarter, a.Year, a.Longer} {
			c.Bars[i].Values = append(c.Bars[i].Values, n)
		}
	}
	return c
}

func (p *Portal) rotation(actor models.Actor, s keys.Standing) pages.ReportSectionView {
	out := pages.ReportSectionView{ID: "rotation", Title: "Rotation", Lede: "Every organisation gets a new data key, and everything sealed is sealed anew, in small steps beside the running work. It can be stopped anywhere and goes on."}
	label := "Rotate the keys"
	if r := s.Last; r != nil {
		done := r.FinishedAt != nil
		v := &pages.ProgressView{Done: r.Done, Of: r.Tenants, Since: r.StartedAt, Over: done}
		v.Text = fmt.Sprintf("%s of at most %s keys, %s values sealed anew, begun by %s", ui.Number(r.Done), ui.Number(r.Tenants), ui.Number(int(r.Resealed)), r.StartedBy)
		if done {
			v.Done, v.Since = v.Of, *r.FinishedAt
			v.Text = fmt.Sprintf("Finished: %s keys, %s values sealed anew, begun by %s;", ui.Number(r.Done), ui.Number(int(r.Resealed)), r.StartedBy)
		} else {
			label = "Go on with the rotation"
		}
		out.Progress = v
	}
	out.Code = "postern keys status\npostern keys rotate\npostern keys verify    # opens everything; exit 2 when anything is left under an older key"
	if actor.May(models.RotateKeys) {
		out.Acts = []pages.ReportActView{{Label: label, URL: "/security/encryption/rotate", Icon: "rotate", Kind: "primary", Post: true}}
	}
	return out
}

func (p *Portal) keysRotate(c echo.Context) error {
	if _, err := p.Keys.Start(c.Request().Context(), web.Actor(c)); err != nil {
		return err
	}
	if err := web.Flash(c, "info", "The rotation is under way."); err != nil {
		return err
	}
	return web.SeeOther(c, "/security/encryption")
}
