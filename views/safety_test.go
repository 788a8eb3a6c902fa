package views_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/a-h/templ"
	"golang.org/x/net/html"

	"github.com/postern-mail/postern/views/consent"
	"github.com/postern-mail/postern/views/layout"
	"github.com/postern-mail/postern/views/pages"
)

// Every page, with a function that takes a frame and a view model. Poisoned by reflection, so that a field added later is poisoned too.
var constructors = map[string]any{
	"SignIn": pages.SignIn, "Enrol": pages.Enrol, "HomeStaff": pages.HomeStaff, "HomeReviewer": pages.HomeReviewer, "HomeCustomer": pages.HomeCustomer,
	"TenantList": pages.TenantList, "TenantCreate": pages.TenantCreate, "TenantShow": pages.TenantShow, "GrantList": pages.GrantList, "GrantShow": pages.GrantShow, "AccessList": pages.AccessList,
	"GrantRevoke": pages.GrantRevoke, "GrantDelete": pages.GrantDelete, "GrantRevokeTokens": pages.GrantRevokeTokens, "Receipt": pages.Receipt, "ReceiptList": pages.ReceiptList, "LiveList": pages.LiveList, "OffboardingList": pages.OffboardingList, "OffboardingPlan": pages.OffboardingPlan, "OffboardingShow": pages.OffboardingShow, "OffboardingApprove": pages.OffboardingApprove, "Certificate": pages.Certificate, "LiveConfirm": pages.LiveConfirm,
	"LinkCreate": pages.LinkCreate, "LinkCreated": pages.LinkCreated, "WebhookList": pages.WebhookList, "WebhookForm": pages.WebhookForm, "SecretShown": pages.SecretShown,
	"WebhookShow": pages.WebhookShow, "DeliveryList": pages.DeliveryList, "WebhookRotate": pages.WebhookRotate, "WebhookDelete": pages.WebhookDelete, "DeliveryShow": pages.DeliveryShow,
	"VerificationList": pages.VerificationList, "VerificationShow": pages.VerificationShow, "VerificationCheck": pages.VerificationCheck, "SourceList": pages.SourceList, "SourceShow": pages.SourceShow,
	"SourceForm": pages.SourceForm, "SourceRotate": pages.SourceRotate, "SourceAddresses": pages.SourceAddresses, "SourceDelete": pages.SourceDelete, "AuditList": pages.AuditList, "AuditShow": pages.AuditShow,
	"ApplicationList": pages.ApplicationList, "ApplicationShow": pages.ApplicationShow, "ConnectorList": pages.ConnectorList, "ConnectorShow": pages.ConnectorShow,
	"ConnectorEdit": pages.ConnectorEdit, "APIKeyList": pages.APIKeyList, "APIKeyCreate": pages.APIKeyCreate, "Revoke": pages.Revoke, "MemberList": pages.MemberList,
	"MemberInvite": pages.MemberInvite, "MemberShow": pages.MemberShow, "Account": pages.Account, "Report": pages.Report, "GuestEnter": pages.GuestEnter, "Settings": pages.Settings, "Search": pages.Search,
	"Begin": consent.Begin, "Password": consent.Password, "Partial": consent.Partial, "WrongAccount": consent.WrongAccount, "Done": consent.Done, "End": consent.End, "Approval": consent.Approval, "Approve": consent.Approve,
	"BatchConfirm": pages.BatchConfirm, "BatchList": pages.BatchList, "BatchShow": pages.BatchShow, "ServiceAccountList": pages.ServiceAccountList, "ServiceAccountCreate": pages.ServiceAccountCreate,
	"Reference": pages.Reference, "ReferenceNylas": pages.ReferenceNylas, "ReferenceChapter": func(p layout.Page, v pages.ReferenceView) templ.Component {
		return pages.ReferenceChapter(p, v, append(v.Groups, pages.RefGroup{})[0])
	},
	"Error": layout.Error, "PlainError": layout.PlainError,
}

// Three ways to break out: of text, of an attribute, of an address.
var poisons = []string{
	`</title></script><script>alert("postern")</script>`,
	`" onmouseover="alert(1)" style="color:red" x='`,
	`javascript:alert("postern")`,
}

func poisoned(kind reflect.Type, text string, depth int) reflect.Value {
	v := reflect.New(kind).Elem()
	switch {
	case kind == reflect.TypeFor[time.Time]():
		v.Set(reflect.ValueOf(now))
	case kind.Kind() == reflect.String:
		v.SetString(text)
	case kind.Kind() == reflect.Bool:
		v.SetBool(true)
	case kind.Kind() == reflect.Int:
		v.SetInt(int64(depth) + 1)
	case kind.Kind() == reflect.Slice:
		for range 2 {
			v.Set(reflect.Append(v, poisoned(kind.Elem(), text, depth+1)))
		}
	case kind.Kind() == reflect.Pointer:
		v.Set(reflect.New(kind.Elem()))
		v.Elem().Set(poisoned(kind.Elem(), text, depth+1))
	case kind.Kind() == reflect.Struct:
		for i := range kind.NumField() {
			v.Field(i).Set(poisoned(kind.Field(i).Type, text, depth+1))
		}
	}
	return v
}

func TestEveryPageHasItsConstructorTested(t *testing.T) {
	for _, folder := range []string{"pages", "consent"} {
		files, err := filepath.Glob(filepath.Join(folder, "*.templ"))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			raw, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range regexp.MustCompile(`(?m)^templ ([A-Z]\w*)\(`).FindAllStringSubmatch(string(raw), -1) {
				if constructors[m[1]] == nil {
					t.Errorf("%s: %s is not in the list of constructors", f, m[1])
				}
			}
		}
	}
}

func TestHostileTextStaysText(t *testing.T) {
	for name, build := range constructors {
		for i, poison := range poisons {
			fn := reflect.ValueOf(build)
			args := []reflect.Value{poisoned(fn.Type().In(0), poison, 0), poisoned(fn.Type().In(1), poison, 0)}
			page := fn.Call(args)[0].Interface().(templ.Component)
			inspect(t, name+"/"+strconv.Itoa(i), render(t, page))
		}
	}
}

func TestEmptyModelsRender(t *testing.T) {
	for name, build := range constructors {
		fn := reflect.ValueOf(build)
		page := fn.Call([]reflect.Value{reflect.Zero(fn.Type().In(0)), reflect.Zero(fn.Type().In(1))})[0].Interface().(templ.Component)
		inspect(t, name+"/empty", render(t, page))
	}
}

func TestSamplesAreSound(t *testing.T) {
	for _, s := range samples() {
		out := render(t, s.page)
		inspect(t, s.name, out)
		structure(t, s.name, out)
	}
}

func attribute(n *html.Node, key string) (string, bool) {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val, true
		}
	}
	return "", false
}

func walk(n *html.Node, visit func(*html.Node)) {
	visit(n)
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		walk(c, visit)
	}
}

// inspect parses a page as a browser would and refuses whatever the content security policy would have to stop.
func inspect(t *testing.T, name, out string) {
	t.Helper()
	root, err := html.Parse(strings.NewReader(out))
	if err != nil {
		t.Fatal(err)
	}
	walk(root, func(n *html.Node) {
		if n.Type != html.ElementNode {
			return
		}
		switch n.Data {
		case "script":
			nonce, _ := attribute(n, "nonce")
			src, _ := attribute(n, "src")
			if nonce != "n0nce" || !strings.HasPrefix(src, "/static/") || n.FirstChild != nil {
				t.Errorf("%s: a script without nonce, from elsewhere, or inline: %v", name, n.Attr)
			}
		case "style", "iframe", "object", "embed", "base", "img":
			t.Errorf("%s: <%s> stands in the page", name, n.Data)
		}
		for _, a := range n.Attr {
			switch {
			case strings.HasPrefix(a.Key, "on"), a.Key == "style", a.Key == "srcdoc":
				t.Errorf("%s: <%s %s=%q>", name, n.Data, a.Key, a.Val)
			case (a.Key == "href" || a.Key == "action" || a.Key == "src" || a.Key == "formaction") && strings.HasPrefix(strings.ToLower(strings.TrimSpace(a.Val)), "javascript:"):
				t.Errorf("%s: <%s %s=%q>", name, n.Data, a.Key, a.Val)
			}
		}
	})
}

// structure checks what a screen reader and a phone rely on.
func structure(t *testing.T, name, out string) {
	t.Helper()
	root, err := html.Parse(strings.NewReader(out))
	if err != nil {
		t.Fatal(err)
	}
	ids, refs, labelled := map[string]bool{}, []string{}, map[string]bool{}
	h1, mains := 0, 0
	walk(root, func(n *html.Node) {
		if n.Type != html.ElementNode {
			return
		}
		if id, ok := attribute(n, "id"); ok {
			if ids[id] {
				t.Errorf("%s: two elements have the id %s", name, id)
			}
			ids[id] = true
		}
		for _, key := range []string{"aria-labelledby", "aria-describedby"} {
			if v, ok := attribute(n, key); ok {
				refs = append(refs, strings.Fields(v)...)
			}
		}
		switch n.Data {
		case "h1":
			h1++
		case "main":
			mains++
		case "label":
			if v, ok := attribute(n, "for"); ok {
				refs, labelled[v] = append(refs, v), true
			}
		case "td":
			class, _ := attribute(n, "class")
			if _, ok := attribute(n, "data-label"); !ok && class != "acts" && !inside(n, "details") {
				t.Errorf("%s: a cell without the name that a phone shows beside it", name)
			}
		case "a":
			if href, _ := attribute(n, "href"); strings.HasPrefix(href, "#") && href != "#" {
				refs = append(refs, href[1:])
			}
		}
	})
	for _, r := range refs {
		if !ids[r] {
			t.Errorf("%s: something refers to the id %s, which is not there", name, r)
		}
	}
	if h1 != 1 || mains != 1 {
		t.Errorf("%s: %d <h1>, %d <main>", name, h1, mains)
	}
	walk(root, func(n *html.Node) {
		if n.Type != html.ElementNode || n.Data != "input" && n.Data != "select" && n.Data != "textarea" {
			return
		}
		kind, _ := attribute(n, "type")
		id, _ := attribute(n, "id")
		_, named := attribute(n, "aria-label")
		if kind != "hidden" && !named && !labelled[id] && !inside(n, "label") {
			t.Errorf("%s: a control without a label: %v", name, n.Attr)
		}
		if _, has := attribute(n, "value"); kind == "password" && has {
			t.Errorf("%s: a password is handed back", name)
		}
	})
}

func inside(n *html.Node, element string) bool {
	for p := n.Parent; p != nil; p = p.Parent {
		if p.Data == element {
			return true
		}
	}
	return false
}

// The ways around templ's escaping are not to be used at all, and the views look only to their left.
func TestSourcesStayInside(t *testing.T) {
	allowed := map[string][]string{
		"ui": {}, "layout": {"views/ui", "static"}, "pages": {"views/ui", "views/layout"}, "consent": {"views/ui", "views/layout"},
	}
	raw := regexp.MustCompile(`templ\.Raw|templ\.SafeURL|templ\.SafeCSS|templ\.SafeScript|templ\.JSUnsafe|templ\.OnceHandle|unsafe|html/template`)
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		switch filepath.Ext(path) {
		case ".templ":
			if hit := raw.Find(text); hit != nil {
				t.Errorf("%s uses %s", path, hit)
			}
		case ".go":
			file, err := parser.ParseFile(token.NewFileSet(), path, text, parser.ImportsOnly)
			if err != nil {
				return err
			}
			for _, imported := range file.Imports {
				name, _ := strconv.Unquote(imported.Path.Value)
				ours, isOurs := strings.CutPrefix(name, "github.com/postern-mail/postern/")
				ok := !isOurs && (name == "github.com/a-h/templ" || name == "github.com/a-h/templ/runtime" || !strings.Contains(strings.Split(name, "/")[0], "."))
				for _, left := range allowed[filepath.Dir(path)] {
					ok = ok || isOurs && ours == left
				}
				if !ok || name == "net/http" || name == "database/sql" {
					t.Errorf("%s imports %s", path, name)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
