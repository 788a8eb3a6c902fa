package main

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	cdpruntime "github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// album is where the pictures of a journey are kept: a folder that git ignores.
var album = filepath.Join("..", "..", "artifacts", "journey")

// portraits are the pictures of the README, by the page they show. POSTERN_PICTURES=docs takes them anew.
var portraits = map[string][]portrait{
	"mailbox-owner-consent":  {{"consent", "light", 1280, 800}, {"consent-phone", "light", 390, 844}},
	"owner-tenant":           {{"tenant", "light", 1280, 800}},
	"support-grant":          {{"grant", "light", 1280, 800}},
	"support-revoke":         {{"revoke", "light", 1280, 800}},
	"support-receipt":        {{"receipt", "dark", 1280, 800}},
	"reviewer-verifications": {{"verifications", "light", 1280, 800}},
}

type portrait struct {
	file, scheme  string
	width, height int64
}

// browser starts one headless Chromium for the test, with a profile of its own. Without one there is nothing to look with: the test is skipped, or fails where
// CI=true.
func browser(t *testing.T) context.Context {
	t.Helper()
	if testing.Short() {
		t.Skip("walks through the whole product in a browser")
	}
	path, err := exec.LookPath("chromium")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("chromium is not installed; apt-get install chromium")
		}
		t.Skip("chromium is not installed; apt-get install chromium")
	}
	ctx, stop := chromedp.NewExecAllocator(context.Background(), chromedp.ExecPath(path), chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun,
		chromedp.UserDataDir(t.TempDir()), chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true),
		chromedp.Flag("disable-dev-shm-usage", true))
	t.Cleanup(stop)
	ctx, end := chromedp.NewContext(ctx)
	t.Cleanup(end)
	if err := chromedp.Do(ctx); err != nil { // starts the browser: its life must not hang on a time limit
		t.Fatal(err)
	}
	return ctx
}

// person is somebody at a browser of their own: no cookie is shared with anybody else.
type person struct {
	t    *testing.T
	ctx  context.Context
	base string // of the Postern that the person works with
	name string // begins the names of the pictures

	mu         sync.Mutex
	complaints []string
}

// newPerson opens a browser context. Whatever the browser complains about, and every request that leaves this machine, fails the test when the person looks.
func newPerson(t *testing.T, in context.Context, base, name string) *person {
	t.Helper()
	ctx, leave := chromedp.NewContext(in, chromedp.WithNewBrowserContext())
	t.Cleanup(leave)
	ctx, late := context.WithTimeout(ctx, 8*time.Minute)
	t.Cleanup(late)
	p := &person{t: t, ctx: ctx, base: base, name: name}
	if err := chromedp.Listen(ctx, p.listen); err != nil {
		t.Fatal(err)
	}
	p.do(chromedp.EmulateViewport(1280, 800))
	for _, enable := range []func() error{
		func() error { _, err := chromedp.Call(ctx, cdplog.Enable, cdp.Empty{}); return err },
		func() error { _, err := chromedp.Call(ctx, network.Enable, network.EnableParams{}); return err },
		func() error { _, err := chromedp.Call(ctx, cdpruntime.Enable, cdp.Empty{}); return err },
	} {
		if err := enable(); err != nil {
			t.Fatal(err)
		}
	}
	p.scheme("light")
	return p
}

func (p *person) listen(event any) {
	said := ""
	switch e := event.(type) {
	case *cdplog.EventEntryAdded:
		if e.Entry.Level == cdplog.EntryLevelVerbose || e.Entry.Level == cdplog.EntryLevelInfo {
			return
		}
		said = fmt.Sprintf("%s: %s", e.Entry.Source, e.Entry.Text)
	case *cdpruntime.EventExceptionThrown:
		said = "script: " + e.ExceptionDetails.Text
	case *cdpruntime.EventConsoleAPICalled:
		if e.Type != cdpruntime.ConsoleAPICalledTypeError && e.Type != cdpruntime.ConsoleAPICalledTypeWarning {
			return
		}
		said = "console: " + string(e.Type)
	case *network.EventRequestWillBeSent:
		if u, err := url.Parse(e.Request.URL); err != nil || !slices.Contains([]string{"127.0.0.1", "localhost", ""}, u.Hostname()) {
			said = "a request to another host: " + e.Request.URL
		}
	}
	if said != "" {
		p.mu.Lock()
		p.complaints = append(p.complaints, said)
		p.mu.Unlock()
	}
}

// calm fails the test for everything that the browser complained about since the last look, but for what was expected.
func (p *person) calm(expected ...string) {
	p.t.Helper()
	p.mu.Lock()
	list := p.complaints
	p.complaints = nil
	p.mu.Unlock()
	for _, c := range list {
		if !slices.ContainsFunc(expected, func(e string) bool { return strings.Contains(c, e) }) {
			p.t.Errorf("%s at %s: %s", p.name, p.where(), c)
		}
	}
}

func (p *person) do(steps ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, 40*time.Second)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		p.stuck(err)
	}
}

// stuck ends the test and leaves a picture of where the person stood.
func (p *person) stuck(err error) {
	p.t.Helper()
	if b, shot := chromedp.Run(p.ctx, chromedp.CaptureScreenshot()); shot == nil {
		p.keep(p.name+"-stuck", "png", b)
	}
	p.calm()
	p.t.Fatalf("%s at %s: %v\n%s", p.name, p.where(), err, evaluate[string](p, `(document.querySelector("main") || document.body).innerText.slice(0, 1500)`))
}

func evaluate[T any](p *person, expression string) T {
	p.t.Helper()
	v, err := chromedp.Run(p.ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		p.t.Fatalf("%s: %s: %v", p.name, expression, err)
	}
	return v
}

func (p *person) where() string {
	at, err := chromedp.Run(p.ctx, chromedp.Location())
	if err != nil {
		return "?"
	}
	return at
}

// testid selects by the name that views give their parts for tests.
func testid(id string) chromedp.CSS { return chromedp.CSS(fmt.Sprintf("[data-testid=%q]", id)) }

// visit opens an address, a path of Postern or a whole one, and wants a page.
func (p *person) visit(address string) {
	p.t.Helper()
	p.arrive(200, chromedp.Navigate(p.absolute(address)))
}

func (p *person) absolute(address string) string {
	if strings.HasPrefix(address, "/") {
		return p.base + address
	}
	return address
}

// arrive does something that loads a page, wants a status, and checks that the page is clean.
func (p *person) arrive(status int64, steps ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, 40*time.Second)
	defer cancel()
	answer, err := chromedp.RunResponse(ctx, steps...)
	if err != nil {
		p.stuck(err)
	}
	if answer == nil || answer.Status != status {
		p.stuck(fmt.Errorf("wanted a page with status %d, got %+v", status, answer))
	}
	if status >= 400 {
		p.calm(fmt.Sprintf("status of %d", status)) // Chromium notes the status of a page in its log
	} else {
		p.calm()
	}
}

// click follows a link or sends a form, and arrives at a page.
func (p *person) click(selector string) {
	p.t.Helper()
	p.arrive(200, p.clicking(selector))
}

// clicking is a click on what chosen finds.
func (p *person) clicking(selector string) chromedp.Action[chromedp.Void] {
	return chromedp.Click(chosen(selector), chromedp.NodeVisible)
}

// chosen is a part of the page by its test id, or by a CSS selector where it looks like one.
func chosen(selector string) chromedp.CSS {
	if selector == "main" || strings.ContainsAny(selector, "[.#> ") {
		return chromedp.CSS(selector)
	}
	return testid(selector)
}

// tick puts a box or a radio button into a state.
func (p *person) tick(name, value string, on bool) {
	p.t.Helper()
	box := fmt.Sprintf("document.querySelector('input[name=%q][value=%q]')", name, value)
	if evaluate[bool](p, "!"+box) {
		p.stuck(fmt.Errorf("there is no box %s=%s", name, value))
	}
	if evaluate[bool](p, box+".checked") != on {
		p.do(chromedp.Click(chromedp.CSS(fmt.Sprintf("input[name=%q][value=%q]", name, value)), chromedp.NodeVisible))
	}
}

// fill types into a field by its name, over what stood there.
func (p *person) fill(name, value string) {
	p.t.Helper()
	field := chromedp.CSS(fmt.Sprintf("input[name=%q], textarea[name=%q]", name, name))
	p.do(chromedp.Clear(field, chromedp.NodeVisible), chromedp.SendKeys(field, value, chromedp.NodeVisible))
}

func (p *person) choose(name, value string) {
	p.t.Helper()
	p.do(chromedp.SetValue(chromedp.CSS(fmt.Sprintf("select[name=%q]", name)), value))
}

// text is what a person reads in a part of the page.
func (p *person) text(selector string) string {
	p.t.Helper()
	if !p.has(selector) {
		p.stuck(fmt.Errorf("there is no %s on the page", selector))
	}
	return evaluate[string](p, fmt.Sprintf("document.querySelector(%q).innerText", string(chosen(selector))))
}

// sees wants words on the page.
func (p *person) sees(selector string, words ...string) {
	p.t.Helper()
	text := p.text(selector)
	for _, w := range words {
		if !strings.Contains(strings.ToLower(text), strings.ToLower(w)) {
			p.stuck(fmt.Errorf("%s does not say %q, it says:\n%s", selector, w, text))
		}
	}
}

// has says whether a part is on the page.
func (p *person) has(selector string) bool {
	p.t.Helper()
	return evaluate[bool](p, fmt.Sprintf("!!document.querySelector(%q)", string(chosen(selector))))
}

// rowWith is the address behind the first link of the table row that holds a text.
func (p *person) rowWith(text string) string {
	p.t.Helper()
	at := evaluate[string](p, fmt.Sprintf(`([...document.querySelectorAll("tbody tr")].find(r => r.innerText.includes(%q))?.querySelector("a")?.href) || ""`, text))
	if at == "" {
		p.stuck(fmt.Errorf("no row has %q", text))
	}
	return at
}

// await reloads the page until a part says something, as a person would who waits for it.
func (p *person) await(limit time.Duration, selector, words string) {
	p.t.Helper()
	for end := time.Now().Add(limit); ; time.Sleep(250 * time.Millisecond) { // between two looks, as a person's hand would; each is a whole page
		if p.has(selector) && strings.Contains(strings.ToLower(p.text(selector)), strings.ToLower(words)) {
			return
		}
		if time.Now().After(end) {
			p.sees(selector, words)
			return
		}
		p.arrive(200, chromedp.Reload())
	}
}

func (p *person) scheme(light string) {
	p.t.Helper()
	if _, err := chromedp.Call(p.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: light}, {Name: "prefers-reduced-motion", Value: "reduce"},
	}}); err != nil {
		p.t.Fatal(err)
	}
}

// pictures keeps the page as it looks on a desk in daylight and on a phone at night, whole; with POSTERN_PICTURES=all the other two as well. A page that runs over the
// edge of a phone fails the test.
func (p *person) pictures(name string) {
	p.t.Helper()
	all := os.Getenv("POSTERN_PICTURES") == "all"
	for _, view := range []struct {
		name, scheme string
		width        int64
		always       bool
	}{{"wide-light", "light", 1280, true}, {"wide-dark", "dark", 1280, false}, {"narrow-light", "light", 390, false}, {"narrow-dark", "dark", 390, true}} {
		if !view.always && !all {
			continue
		}
		p.do(chromedp.EmulateViewport(view.width, 800))
		p.scheme(view.scheme)
		if over := evaluate[int](p, `document.documentElement.scrollWidth - document.documentElement.clientWidth`); over > 0 {
			p.t.Errorf("%s, %s, %s: runs over by %d pixels", p.name, name, view.name, over)
		}
		p.keep(fmt.Sprintf("%s-%s-%s", p.name, name, view.name), "jpg", p.shot())
	}
	if os.Getenv("POSTERN_PICTURES") == "docs" {
		for _, x := range portraits[p.name+"-"+name] {
			p.do(chromedp.EmulateViewport(x.width, x.height))
			p.scheme(x.scheme)
			b, err := chromedp.Run(p.ctx, chromedp.CaptureScreenshot())
			if err != nil {
				p.t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join("..", "..", "docs", "pictures", x.file+".png"), b, 0o644); err != nil {
				p.t.Fatal(err)
			}
		}
	}
	p.do(chromedp.EmulateViewport(1280, 800))
	p.scheme("light")
	p.calm()
}

func (p *person) shot() []byte {
	p.t.Helper()
	yes, quality := true, int64(80)
	r, err := chromedp.Call(p.ctx, page.CaptureScreenshot, page.CaptureScreenshotParams{Format: page.CaptureScreenshotFormatJpeg, Quality: &quality, CaptureBeyondViewport: &yes, FromSurface: &yes, OptimizeForSpeed: &yes})
	if err != nil {
		p.t.Fatal(err)
	}
	return r.Data
}

func (p *person) keep(name, kind string, b []byte) {
	p.t.Helper()
	if err := os.MkdirAll(album, 0o755); err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(album, name+"."+kind), b, 0o600); err != nil {
		p.t.Fatal(err)
	}
}
