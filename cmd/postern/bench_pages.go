package main

import (
	"context"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/postern-mail/postern/cmd/postern/load"
	"github.com/postern-mail/postern/engine/access"
	"github.com/postern-mail/postern/engine/dial"
	"github.com/postern-mail/postern/models"
)

// The limits of a page, at the 99th percentile.
const (
	listLimit = 150 * time.Millisecond
	homeLimit = 300 * time.Millisecond
)

// pageShots is how often a page is asked for, one after the other, after two that are not counted.
const pageShots = 40

// nextPage finds the way to the next page of a list (views/ui/table.templ).
var nextPage = regexp.MustCompile(`href="([^"]+)" rel="next"`)

// benchPages fills the database and asks for each list, the home and the security pages through the real server, signed in as the owner.
func benchPages(ctx context.Context, b *bench) error {
	w, err := b.world(ctx)
	if err != nil {
		return err
	}
	if err := w.seedGrants(ctx, b.grants); err != nil {
		return err
	}
	if err := w.seedAudit(ctx, b.entries); err != nil {
		return err
	}
	visit, err := w.visitor(ctx)
	if err != nil {
		return err
	}
	tenant := w.tenants[len(w.tenants)/2].String()
	lists := []string{"/tenants", "/tenants?q=tenant", "/tenants/" + tenant, "/grants", "/grants?status=valid&provider=google", "/grants?status=revoked", "/grants?q=person0000", "/grants?tenant=" + tenant, "/grants/" + w.grants[len(w.grants)/2].String(),
		"/audit", "/audit?action=grant.revoke", "/audit?q=Person+7", "/audit?q=nobody+by+that+name", "/audit?outcome=failed", "/audit?tenant=" + tenant, "/verifications", "/verifications?verdict=refused", "/webhooks", "/receipts", "/receipts/live", "/offboardings",
		"/applications", "/connectors", "/api-keys", "/members", "/search?q=person000042"}
	homes := []string{"/", "/security", "/security/encryption", "/security/residency", "/security/egress", "/security/rights", "/security/packs", "/security/passes"}
	within := 0
	for i, path := range append(slices.Clone(lists), homes...) {
		limit := listLimit
		if i >= len(lists) {
			limit = homeLimit
		}
		ok, next, err := b.page(ctx, visit, path, limit)
		if err != nil {
			return err
		}
		if ok {
			within++
		}
		if next != "" && (path == "/grants" || path == "/audit") { // and further in
			if _, _, err := b.page(ctx, visit, next, limit); err != nil {
				return err
			}
		}
	}
	b.note(figure{Measure: "pages", What: "pages within their limit", Value: float64(within), Unit: "pages", Goal: float64(len(lists) + len(homes)),
		Note: fmt.Sprintf("%d tenants, %d grants, %d audit entries; every page beyond its limit stands above", len(w.tenants), b.grants, b.entries)})
	return nil
}

// page asks for one page again and again. A page beyond its limit is noted; the others are only shown.
func (b *bench) page(ctx context.Context, visit func(context.Context, string) ([]byte, error), path string, limit time.Duration) (ok bool, next string, err error) {
	var took []time.Duration
	var body []byte
	for i := range pageShots + 2 {
		began := time.Now()
		if body, err = visit(ctx, path); err != nil {
			return false, "", err
		}
		if i >= 2 {
			took = append(took, time.Since(began))
		}
	}
	slices.Sort(took)
	p50, p99 := load.Percentile(took, 50), load.Percentile(took, 99)
	shown, _, _ := strings.Cut(path, "cursor=")
	if ok = p99 <= limit; ok {
		fmt.Fprintf(b.out, "  %s: p50 %s, p99 %s\n", shown, short(p50), short(p99))
	} else {
		b.note(figure{Measure: "pages", What: shown + ", p99", Value: float64(p99) / float64(time.Millisecond), Unit: "ms", Goal: float64(limit) / float64(time.Millisecond), AtMost: true, Note: "p50 " + short(p50)})
	}
	if found := nextPage.FindSubmatch(body); found != nil {
		next = html.UnescapeString(string(found[1]))
	}
	return ok, next, nil
}

// visitor signs in as an owner, by the link that a demo gives, and gives what asks for a page.
func (w *world) visitor(ctx context.Context) (func(context.Context, string) ([]byte, error), error) {
	e := w.process.engine
	owner, err := e.Access.EnsureMember(ctx, access.Invitation{Name: "Bench Owner", Email: "bench@example.test", Role: models.Owner})
	if err != nil {
		return nil, err
	}
	link, err := url.Parse(e.Access.SignInLink(owner.ID).Reveal())
	if err != nil {
		return nil, err
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	client := dial.New(dial.Config{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}}).HTTPClient(dial.Webhook, time.Minute)
	client.Jar = jar
	visit := func(ctx context.Context, path string) ([]byte, error) {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, link.Scheme+"://"+link.Host+path, nil)
		if err != nil {
			return nil, err
		}
		answer, err := client.Do(request)
		if err != nil {
			return nil, fmt.Errorf("ask for %s: %w", path, err)
		}
		defer answer.Body.Close() //nolint:errcheck // read to its end
		body, err := io.ReadAll(answer.Body)
		if err == nil && answer.StatusCode >= 400 || answer.StatusCode == http.StatusSeeOther && strings.HasPrefix(answer.Header.Get("Location"), "/signin") {
			err = fmt.Errorf("%s answers %d", path, answer.StatusCode)
		}
		return body, err
	}
	_, err = visit(ctx, link.RequestURI())
	return visit, err
}
