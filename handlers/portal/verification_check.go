package portal

import (
	"encoding/base64"
	"encoding/hex"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/secret"
	"github.com/postern-mail/postern/engine/verifications"
	"github.com/postern-mail/postern/views/pages"
	"github.com/postern-mail/postern/views/ui"
	"github.com/postern-mail/postern/web"
)

const (
	checksPerMinute = 30 // of one person: each tries some fifty readings of up to 1 MiB
	mostShownAgain  = 64 << 10
	checkBody       = 6 << 20 // of the form: a body of 1 MiB in hexadecimal, with every byte escaped, is three times as long
)

var (
	errChecks   = fault.New(fault.Limited, "checks_limited", "The checker takes %d requests a minute from one person. Wait a minute.", checksPerMinute).RetryAfter(time.Minute)
	bodyForms   = []choice{{"text", "The text itself"}, {"base64", "Base64 of the bytes"}, {"hex", "Hexadecimal digits of the bytes"}}
	errUnshaped = ui.ErrorView{Field: "body", Text: "This is not what the choice below it says. Choose how the body was written down, or take a file."}
)

// meter counts what each person asked for in this minute. It is emptied every minute, so its size is bounded by who signs in.
type meter struct {
	mu     sync.Mutex
	minute time.Time
	used   map[string]int
}

func (m *meter) take(who string, most int, now time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if minute := now.Truncate(time.Minute); m.used == nil || !m.minute.Equal(minute) {
		m.minute, m.used = minute, map[string]int{}
	}
	m.used[who]++
	return m.used[who] <= most
}

func (p *Portal) verificationCheckForm(c echo.Context) error {
	return p.renderCheck(c, http.StatusOK, pages.VerificationCheckView{Forms: options(bodyForms, "text")})
}

// verificationCheck answers what was pasted and forgets it: it is in no log, no audit entry, no session and no address. The answer to it
// repeats headers and a short body to whoever pasted them, and never a secret.
func (p *Portal) verificationCheck(c echo.Context) error {
	if !p.checks.take(web.Actor(c).ID, checksPerMinute, p.Now()) {
		return errChecks
	}
	// In memory alone: beyond its limit the standard library would put a file on the disk.
	if err := c.Request().ParseMultipartForm(checkBody); err != nil && !strings.Contains(c.Request().Header.Get("Content-Type"), "urlencoded") {
		return fault.New(fault.Invalid, "form_unreadable", "The form could not be read. Send it again; a body may be 1 MiB at most.")
	}
	form := field(c, "form")
	view := pages.VerificationCheckView{Forms: options(bodyForms, form), Headers: c.FormValue("headers")}
	if text := c.FormValue("body"); len(text) <= mostShownAgain {
		view.Body = text
	}
	body, pasted, wrong := checkedBody(c, form)
	header := readHeaders(c.FormValue("headers"))
	var secrets []secret.Text
	for _, name := range []string{"secret", "previous"} {
		if text := c.FormValue(name); text != "" {
			secrets = append(secrets, secret.New(text))
		}
	}
	switch {
	case wrong != nil:
		view.Errors = append(view.Errors, *wrong)
	case len(body) == 0:
		view.Errors = append(view.Errors, ui.ErrorView{Field: "body", Text: "Paste the request's body, or choose a file with its bytes."})
	}
	if len(header) == 0 {
		view.Errors = append(view.Errors, ui.ErrorView{Field: "headers", Text: "Paste the headers of the request, the signature's above all."})
	}
	if len(secrets) == 0 {
		view.Errors = append(view.Errors, ui.ErrorView{Field: "secret", Text: "Paste the secret that the receiver has."})
	}
	if len(view.Errors) > 0 {
		return p.renderCheck(c, unprocessable, view)
	}
	inspect := verifications.InspectAll
	if pasted {
		inspect = verifications.InspectPasted
	}
	view.Result = checkResult(inspect(body, header, secrets, p.Now()), len(body), len(secrets))
	return p.renderCheck(c, http.StatusOK, view)
}

// checkedBody reads the bytes: a file where there is one, else what was pasted, in the form that was chosen. pasted says that a text box may have changed line breaks.
func checkedBody(c echo.Context, form string) (body []byte, pasted bool, wrong *ui.ErrorView) {
	if file, _, err := c.Request().FormFile("file"); err == nil {
		defer file.Close() //nolint:errcheck // read only
		body, err := io.ReadAll(io.LimitReader(file, verifications.MaxBody+1))
		if err == nil && len(body) > 0 {
			return body, false, nil
		}
	}
	text := c.FormValue("body")
	var err error
	switch bare := strings.Join(strings.Fields(text), ""); form {
	case "base64":
		if body, err = base64.StdEncoding.DecodeString(bare); err != nil {
			body, err = base64.RawURLEncoding.DecodeString(strings.TrimRight(bare, "="))
		}
	case "hex":
		body, err = hex.DecodeString(bare)
	default:
		return []byte(text), true, nil
	}
	if err != nil {
		return nil, false, &errUnshaped
	}
	return body, false, nil
}

// readHeaders reads headers as tools print them, a line each. A line that is a signature alone stands for X-Nylas-Signature.
func readHeaders(text string) http.Header {
	out := http.Header{}
	for line := range strings.Lines(text) {
		line = strings.TrimLeft(strings.TrimSpace(line), "<>* ") // as curl -v prints them
		name, value, found := strings.Cut(line, ":")
		switch {
		case line == "":
		case found && !strings.ContainsAny(name, " \t"):
			out.Add(strings.TrimSpace(name), strings.TrimSpace(value))
		case !found && !strings.ContainsAny(line, " \t/"):
			out.Add("X-Nylas-Signature", line)
		}
	}
	return out
}

func checkResult(f verifications.Checked, size, secrets int) *pages.CheckResultView {
	r := &pages.CheckResultView{State: "refused", Title: f.Title, Means: f.Meaning, Do: f.Do, Size: ui.Number(size) + " bytes"}
	if f.Genuine {
		r.State = "accepted"
	}
	if f.Scheme != "" {
		r.Matched, r.Read, r.Header = f.Body, f.Secret, f.Header
		r.Scheme = "X-Nylas-Signature (v3)"
		if f.Scheme == verifications.KindStandard {
			r.Scheme = "Standard Webhooks"
		}
		if secrets > 1 {
			r.Which = "The first"
			if f.Which == 2 {
				r.Which = "The second"
			}
		}
	}
	return r
}

func (p *Portal) renderCheck(c echo.Context, status int, view pages.VerificationCheckView) error {
	page, err := p.frame(c, "Check a signature")
	if err != nil {
		return err
	}
	page.Lede = "Paste one request as your receiver got it. The answer says what its signature covers, or the likeliest mistake. Nothing is kept."
	page.Breadcrumbs = crumbs("Verifications", "/verifications")
	view.Action, view.Tabs = "/verifications/check", p.verificationTabs(c, "check")
	c.Response().Header().Set("Cache-Control", "no-store")
	return web.Render(c, status, pages.VerificationCheck(page, view))
}
