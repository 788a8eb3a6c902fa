package views_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/a-h/templ"

	"github.com/postern-mail/postern/static"
)

// policy is the content security policy of the portal, as web sends it.
const policy = "default-src 'none'; script-src 'nonce-n0nce' 'strict-dynamic'; style-src 'self' 'nonce-n0nce'; img-src 'self'; connect-src 'self'; form-action 'self'; " +
	"base-uri 'none'; object-src 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"

func serve(t *testing.T) *httptest.Server {
	t.Helper()
	mux := http.NewServeMux()
	mux.Handle(static.Prefix, http.StripPrefix(static.Prefix, http.FileServerFS(static.FS())))
	for _, s := range samples() {
		mux.HandleFunc("GET /"+s.name, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			w.Header().Set("Content-Security-Policy", policy)
			if err := s.page.Render(templ.WithNonce(r.Context(), "n0nce"), w); err != nil {
				t.Error(err)
			}
		})
	}
	for _, work := range []string{"offboardings", "batches"} {
		mux.HandleFunc("GET /"+work+"/1/progress", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }) // nothing moves in a sample
	}
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server
}

// absent skips a test for want of something that is no part of the source, and fails it in CI, which has everything.
func absent(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(what)
	}
	t.Skip(what)
}

// browser starts one headless browser for the test. Without one, or without the built assets, there is nothing to look with.
func browser(t *testing.T) context.Context {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		absent(t, "chromium is not installed")
	}
	if _, err := fs.Stat(static.FS(), "manifest.json"); err != nil {
		absent(t, "the assets are not built; `npm run build` makes them")
	}
	ctx, stop := chromedp.NewExecAllocator(context.Background(), chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.Headless)
	t.Cleanup(stop)
	ctx, cancel := chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil { // starts the browser: its life must not hang on the time limit below
		t.Fatal(err)
	}
	ctx, timeout := context.WithTimeout(ctx, 20*time.Minute)
	t.Cleanup(timeout)
	return ctx
}

// complaints collects what the browser writes into its log: a violated policy, a missing file, a broken script.
func complaints(t *testing.T, ctx context.Context) func() []string {
	t.Helper()
	var mu sync.Mutex
	var list []string
	if err := chromedp.Listen(ctx, func(event any) {
		if e, ok := event.(*cdplog.EventEntryAdded); ok {
			mu.Lock()
			defer mu.Unlock()
			list = append(list, fmt.Sprintf("%s: %s", e.Entry.Source, e.Entry.Text))
		}
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := chromedp.Call(ctx, cdplog.Enable, cdp.Empty{}); err != nil {
		t.Fatal(err)
	}
	return func() []string {
		mu.Lock()
		defer mu.Unlock()
		out := list
		list = nil
		return out
	}
}

// TestPagesInABrowser opens every page under the real policy, wide and dark, then narrow and light, and looks for violations, for anything that
// runs over the edge, and for what axe finds.
func TestPagesInABrowser(t *testing.T) {
	if testing.Short() {
		t.Skip("opens every page twice")
	}
	server, ctx := serve(t), browser(t)
	logged := complaints(t, ctx)
	axe, err := os.ReadFile(filepath.Join("..", "node_modules", "axe-core", "axe.min.js"))
	if err != nil {
		t.Log("axe-core is not installed (`npm ci`): accessibility is not checked")
	}
	for _, view := range []struct {
		width, height int64
		theme         string
	}{{1280, 900, "dark"}, {320, 700, "light"}} {
		if _, err := chromedp.Call(ctx, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: view.width, Height: view.height, DeviceScaleFactor: 1, Mobile: view.width < 500}); err != nil {
			t.Fatal(err)
		}
		if _, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
			{Name: "prefers-color-scheme", Value: view.theme}, {Name: "prefers-reduced-motion", Value: "reduce"},
		}}); err != nil {
			t.Fatal(err)
		}
		for _, s := range samples() {
			if err := chromedp.Do(ctx, chromedp.Navigate(server.URL+"/"+s.name)); err != nil {
				t.Fatal(err)
			}
			if over := evaluate[int](t, ctx, `document.documentElement.scrollWidth - document.documentElement.clientWidth`); over > 0 {
				t.Errorf("%s at %d: runs over by %d pixels", s.name, view.width, over)
			}
			for _, c := range logged() {
				t.Errorf("%s: %s", s.name, c)
			}
			if axe == nil {
				continue
			}
			evaluate[int](t, ctx, string(axe)+";0")
			found := evaluate[string](t, ctx, `axe.run(document, {resultTypes: ["violations"]}).then(
				r => JSON.stringify(r.violations.map(v => v.id + ": " + v.nodes.slice(0, 2).map(n => n.html.slice(0, 160) + " (" + n.failureSummary.slice(0, 200) + ")").join(" | "))))`)
			var violations []string
			if err := json.Unmarshal([]byte(found), &violations); err != nil {
				t.Fatal(err)
			}
			for _, v := range violations {
				t.Errorf("%s at %d, %s: %s", s.name, view.width, view.theme, v)
			}
		}
	}
}

// TestScripts plays what the small modules add: the theme at once, "/" to the search, the error summary in focus, the open menu closed by Escape.
func TestScripts(t *testing.T) {
	server, ctx := serve(t), browser(t)
	do := func(steps ...chromedp.Action[chromedp.Void]) {
		t.Helper()
		if err := chromedp.Do(ctx, steps...); err != nil {
			t.Fatal(err)
		}
	}
	do(chromedp.EmulateViewport(1280, 900), chromedp.Navigate(server.URL+"/grant_show"),
		chromedp.Click(chromedp.CSS(`[data-testid=who]`)), chromedp.Click(chromedp.CSS(`button[name=theme][value=ink]`)))
	theme, cookie := evaluate[string](t, ctx, `document.documentElement.dataset.theme`), evaluate[string](t, ctx, `document.cookie`)
	do(chromedp.KeyEvent(kb.Escape))
	open, copyHidden := evaluate[bool](t, ctx, `document.querySelector("details.who").open`), evaluate[bool](t, ctx, `document.querySelector("button[data-copy]").hidden`)
	do(chromedp.KeyEvent("/"))
	focused := evaluate[string](t, ctx, `document.activeElement.name`)
	do(chromedp.Navigate(server.URL + "/link_create"))
	summary := evaluate[string](t, ctx, `document.activeElement.dataset.testid`)
	if theme != "ink" || !strings.Contains(cookie, "theme=ink") {
		t.Errorf("the theme was not switched: %q, %q", theme, cookie)
	}
	if open {
		t.Error("Escape leaves the menu open")
	}
	if copyHidden {
		t.Error("the copy button stays hidden where scripts run")
	}
	if focused != "q" {
		t.Errorf("/ went to %q", focused)
	}
	if summary != "error-summary" {
		t.Errorf("the focus is on %q, not on the error summary", summary)
	}
}

func evaluate[T any](t *testing.T, ctx context.Context, expression string) T {
	t.Helper()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		t.Fatal(err)
	}
	return v
}
