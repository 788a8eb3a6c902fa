package sandbox

import (
	"context"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
)

var (
	flowField  = regexp.MustCompile(`name="flow" value="([0-9a-f]+)"`)
	scopeField = regexp.MustCompile(`name="scope" value="([^"]+)"`)
)

// GiveConsent walks through the sandbox's own pages over HTTP, as a browser would: signs in as user, unticks some scopes, allows. It
// answers the address that the browser is sent back to. It is for tests and examples.
func (s *Server) GiveConsent(ctx context.Context, authURL, user string, untick ...string) (string, error) {
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	body, back, err := step(ctx, client, http.MethodGet, authURL, nil)
	if err != nil || back != "" {
		return back, err
	}
	flow := flowField.FindStringSubmatch(body)
	if flow == nil {
		return "", fmt.Errorf("sandbox: no sign-in page")
	}
	body, _, err = step(ctx, client, http.MethodPost, s.URL()+"/signin", url.Values{"flow": {flow[1]}, "address": {user}, "password": {s.Password()}})
	if err != nil {
		return "", err
	}
	form := url.Values{"flow": {flow[1]}, "answer": {"allow"}}
	for _, m := range scopeField.FindAllStringSubmatch(body, -1) {
		keep := true
		for _, u := range untick {
			keep = keep && html.UnescapeString(m[1]) != u
		}
		if keep {
			form.Add("scope", html.UnescapeString(m[1]))
		}
	}
	_, back, err = step(ctx, client, http.MethodPost, s.URL()+"/consent", form)
	if err == nil && back == "" {
		err = fmt.Errorf("sandbox: consent led nowhere")
	}
	return back, err
}

func step(ctx context.Context, client *http.Client, method, to string, form url.Values) (body, back string, err error) {
	r, err := http.NewRequestWithContext(ctx, method, to, strings.NewReader(form.Encode()))
	if err != nil {
		return "", "", err
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	res, err := client.Do(r)
	if err != nil {
		return "", "", err
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		return "", "", err
	}
	if res.StatusCode == http.StatusSeeOther {
		return "", res.Header.Get("Location"), nil
	}
	if res.StatusCode != http.StatusOK {
		return "", "", fmt.Errorf("sandbox: %s answered %d", r.URL.Path, res.StatusCode)
	}
	return string(b), "", nil
}
