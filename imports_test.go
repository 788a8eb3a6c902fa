// Package postern has no code, only the tests that look at the whole house: what stands where, and whether what is written about it is true.
package postern

// The test reads the sources itself: the go tool would answer from the test cache and miss a new violation. What may import
// what stands in house_test.go.

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// matches says whether folder is one of the patterns.
func matches(patterns []string, folder string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		if p == "*" {
			return true
		}
		if parent, ok := strings.CutSuffix(p, "/*"); ok {
			return path.Dir(folder) == parent
		}
		return p == folder
	})
}

// inspect reads every source file below root that is no test, and lists what it does against the map.
func inspect(root string) ([]string, error) {
	var found []string
	err := filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := entry.Name()
		if entry.IsDir() {
			if file != root && (name == "node_modules" || name == "testdata" || name == "bin" || name == "artifacts" || strings.HasPrefix(name, ".")) {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		relative, err := filepath.Rel(root, file)
		if err != nil {
			return err
		}
		violations, err := inspectFile(file, filepath.ToSlash(relative))
		found = append(found, violations...)
		return err
	})
	slices.Sort(found)
	return found, err
}

func inspectFile(file, relative string) ([]string, error) {
	folder := path.Dir(relative)
	set := token.NewFileSet()
	source, err := parser.ParseFile(set, file, nil, parser.SkipObjectResolution)
	if err != nil {
		return nil, fmt.Errorf("parse %s: %w", relative, err)
	}
	var found []string
	complain := func(pos token.Pos, format string, args ...any) {
		found = append(found, fmt.Sprintf("%s:%d: ", relative, set.Position(pos).Line)+fmt.Sprintf(format, args...))
	}
	here := slices.IndexFunc(house(), func(r room) bool { return matches(r.folders, folder) })
	if here < 0 {
		complain(source.Name.Pos(), "the folder %s is in no row of house(): say in the table where it belongs", folder)
		return found, nil
	}
	named := map[string]string{} // how the file calls a package -> its path
	for _, spec := range source.Imports {
		target, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return nil, err
		}
		called := path.Base(target)
		if spec.Name != nil {
			called = spec.Name.Name
		}
		if called == "." {
			complain(spec.Pos(), "imports %s with a dot, which hides where a name comes from", target)
		}
		named[called] = target
		if ours, ok := strings.CutPrefix(target, module+"/"); ok {
			if why := forbidden(house()[here], folder, ours); why != "" {
				complain(spec.Pos(), "%s must not import %s: %s", folder, ours, why)
			}
			continue
		}
		if (folder == "models" || folder == "engine/fault" || folder == "engine/secret") && strings.Contains(strings.Split(target, "/")[0], ".") {
			complain(spec.Pos(), "%s must not import %s: a word knows nothing but the standard library", folder, target)
		}
		for _, f := range foreigners() {
			if len(f.names) == 0 && covers(f.pkg, target) && !matches(f.only, folder) && !matches(testKits, folder) {
				complain(spec.Pos(), "%s must not import %s: %s", folder, target, f.why)
			}
		}
	}
	ast.Inspect(source, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			if n.Recv == nil && n.Name.Name == "init" {
				complain(n.Pos(), "func init runs before anybody asked for it; wire it in a constructor")
			}
		case *ast.Ident:
			if n.Name == "InsecureSkipVerify" {
				complain(n.Pos(), "InsecureSkipVerify: a certificate that is not checked is none; trust a private authority by POSTERN_EGRESS_ROOTS")
			}
		case *ast.CallExpr:
			s, ok := n.Fun.(*ast.SelectorExpr)
			if ok && s.Sel.Name == "AutoMigrate" {
				complain(n.Pos(), "AutoMigrate: the schema is what migrations/*.sql say; it is never derived from types")
			}
			if ok && isName(named, s, "time", "Now") && matches(timeNowFree, folder) && !matches(testKits, folder) {
				complain(n.Pos(), "time.Now() decides by a clock that no test can set: take the time from the clock that is passed in")
			}
		case *ast.SelectorExpr:
			if f, ok := banned(named, n, folder, ""); ok {
				complain(n.Pos(), "%s must not use %s.%s: %s", folder, f.pkg, n.Sel.Name, f.why)
			}
		case *ast.CompositeLit:
			if s, ok := n.Type.(*ast.SelectorExpr); ok {
				if f, ok := banned(named, s, folder, "{}"); ok {
					complain(n.Pos(), "%s must not make a %s.%s: %s", folder, f.pkg, s.Sel.Name, f.why)
				}
			}
		}
		return true
	})
	return found, nil
}

// isName says whether the expression is pkg.name, however the file calls pkg.
func isName(named map[string]string, s *ast.SelectorExpr, pkg, name string) bool {
	x, ok := s.X.(*ast.Ident)
	return ok && s.Sel.Name == name && named[x.Name] == pkg
}

// banned finds the row that keeps folder from the name; use is "{}" where a value of the type is made.
func banned(named map[string]string, s *ast.SelectorExpr, folder, use string) (foreign, bool) {
	if matches(testKits, folder) { // never part of the program, as the arrows see to
		return foreign{}, false
	}
	for _, f := range foreigners() {
		for _, name := range f.names {
			plain := strings.TrimSuffix(name, "{}")
			if plain+use == name && isName(named, s, f.pkg, plain) && !matches(f.only, folder) {
				return f, true
			}
		}
	}
	return foreign{}, false
}

func covers(pkg, target string) bool {
	return target == strings.TrimSuffix(pkg, "/") || strings.HasPrefix(target, strings.TrimSuffix(pkg, "/")+"/") && strings.HasSuffix(pkg, "/") ||
		strings.HasPrefix(target, pkg+"/") && strings.Contains(pkg, ".")
}

// forbidden gives the reason why folder may not import target, empty when it may.
func forbidden(r room, folder, target string) string {
	if matches(everywhere, target) {
		return ""
	}
	if !matches(testKits, folder) {
		for _, a := range arrows() {
			if matches(a.from, folder) && matches(a.to, target) {
				return a.why
			}
		}
	}
	if matches(r.may, target) {
		return ""
	}
	return r.why
}

func TestTheHouseStands(t *testing.T) {
	found, err := inspect(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range found {
		t.Error(f)
	}
}

// Each forbidden arrow, drawn once in a tiny house, must turn the test red; each allowed one must not.
func TestTheGuardTurnsRed(t *testing.T) {
	ours := func(folder string) string { return `import _ "` + module + "/" + folder + `"` }
	for _, c := range []struct{ file, code, want string }{
		{"engine/brand_new/x.go", ``, "say in the table where it belongs"},
		{"util/x.go", ``, "say in the table where it belongs"},
		{"x.go", ``, "say in the table where it belongs"},
		{"models/store/x.go", ours("engine/vault"), "must not be able to open it"},
		{"models/x.go", ours("engine/fault"), "rows and rules are pure"},
		{"models/x.go", `import _ "golang.org/x/text/cases"`, "nothing but the standard library"},
		{"engine/fault/x.go", ours("models"), "nothing but the standard library"},
		{"engine/email/x.go", ours("models"), "words of mail"},
		{"engine/dial/x.go", ours("models/store"), "way out"},
		{"engine/vault/x.go", ours("models/store"), "plain text"},
		{"engine/audit/x.go", ours("engine/outbox"), "keepers stand on one floor"},
		{"engine/tokens/x.go", ours("engine/grants"), "keeper"},
		{"engine/grants/x.go", ours("engine/webhooks"), "deeds stand on one floor"},
		{"engine/grants/x.go", ours("engine/provider/imap"), "never one of them"},
		{"engine/grants/x.go", ours("web"), "without anybody looking"},
		{"engine/x.go", ours("handlers/v3"), "without anybody looking"},
		{"engine/provider/imap/x.go", ours("engine/provider/sandbox"), "another connector"},
		{"engine/provider/imap/x.go", ours("models"), "neither rows"},
		{"engine/provider/imapmail/x.go", ours("engine/provider/imap"), "knows no connector"},
		{"handlers/portal/x.go", ours("handlers/v3"), "doors stand on one floor"},
		{"handlers/portal/x.go", ours("models/store"), "passes by scopes"},
		{"handlers/v3/x.go", ours("engine/tokens"), "provider's token"},
		{"views/pages/x.go", ours("models"), "a row in a view"},
		{"views/ui/x.go", ours("views/layout"), "knows no domain"},
		{"web/x.go", ours("engine/access"), "plumbing"},
		{"static/x.go", ours("models"), "cellar"},
		{"engine/x.go", ours("models/store/storetest"), "test kit"},
		{"cmd/postern/x.go", ours("engine/provider/providertest"), "test kit"},
		{"engine/grants/x.go", `import _ "github.com/labstack/echo/v4"`, "one sweep"},
		{"engine/grants/x.go", `import _ "gorm.io/gorm"`, "all SQL"},
		{"handlers/v3/x.go", `import _ "gorm.io/gorm/clause"`, "all SQL"},
		{"engine/grants/x.go", `import _ "github.com/a-h/templ"`, "HTML"},
		{"engine/grants/x.go", `import _ "github.com/tink-crypto/tink-go/v2/aead"`, "encryption"},
		{"engine/grants/x.go", `import _ "os/exec"`, "no other program"},
		{"handlers/v3/x.go", `import _ "github.com/riverqueue/river"`, "never by a door"},
		{"engine/vault/x.go", `import _ "math/rand/v2"`, "guessed"},
		{"web/x.go", `import _ "testing"`, "for tests"},
		{"engine/grants/x.go", "import \"net/http\"\nvar _ http.ResponseWriter", "over HTTP only"},
		{"engine/grants/x.go", "import h \"net/http\"\nvar _ = h.DefaultClient", "goes through engine/dial"},
		{"engine/webhooks/x.go", "import \"net/http\"\nvar _ = &http.Client{}", "goes through engine/dial"},
		{"engine/provider/imap/x.go", "import \"net\"\nvar _ = net.Dial", "goes through engine/dial"},
		{"engine/provider/imap/x.go", "import \"crypto/tls\"\nvar _ = tls.Dial", "goes through engine/dial"},
		{"engine/provider/imap/x.go", "import \"crypto/tls\"\nvar _ = tls.Config{InsecureSkipVerify: true}", "POSTERN_EGRESS_ROOTS"},
		{"models/store/x.go", "func f(db interface{ AutoMigrate() }) { db.AutoMigrate() }", "migrations"},
		{"views/ui/x.go", "import \"github.com/a-h/templ\"\nvar _ = templ.Raw", "script injection"},
		{"web/x.go", "import . \"strings\"", "with a dot"},
		{"web/x.go", "func init() {}", "func init"},
		{"web/x.go", "import \"os\"\nvar _ = os.Getenv", "read once"},
		{"web/x.go", "import \"log/slog\"\nvar _ = slog.Default()", "handed in"},
		{"engine/grants/x.go", "import \"time\"\nvar _ = time.Now()", "clock"},

		{"engine/grants/x.go", "import \"time\"\nvar now = time.Now", ""},
		{"engine/webhooks/x.go", "import \"net/http\"\nvar _ *http.Client", ""},
		{"engine/grants/x.go", ours("engine/audit"), ""},
		{"engine/grants/x.go", ours("engine/secret"), ""},
		{"engine/provider/imap/x.go", ours("engine/provider/imapmail"), ""},
		{"engine/x.go", ours("engine/provider/imap"), ""},
		{"handlers/v3/x.go", `import _ "github.com/labstack/echo/v4"`, ""},
		{"models/store/x.go", `import _ "gorm.io/gorm"`, ""},
		{"models/store/storetest/x.go", ours("models/store/cluster") + "\n" + `import _ "testing"`, ""},
		{"engine/grants/x_test.go", ours("models/store/storetest"), ""},
		{"cmd/postern/x.go", ours("handlers/v3"), ""},
	} {
		root := t.TempDir()
		file := filepath.Join(root, filepath.FromSlash(c.file))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte("package x\n"+c.code+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		found, err := inspect(root)
		if err != nil {
			t.Fatalf("%s: %v", c.file, err)
		}
		all := strings.Join(found, "\n")
		if c.want == "" && all != "" {
			t.Errorf("%s with %q is refused: %s", c.file, c.code, all)
		}
		if c.want != "" && (len(found) == 0 || !strings.Contains(all, c.want)) {
			t.Errorf("%s with %q: got %q, want %q", c.file, c.code, all, c.want)
		}
	}
}

// Every folder of the map but the roof must refuse something of ours, and have its reason.
func TestEveryRoomHasAReason(t *testing.T) {
	for _, r := range house() {
		if r.why == "" && !slices.Contains(r.may, "*") {
			t.Errorf("%v has no reason", r.folders)
		}
	}
	for _, a := range arrows() {
		if a.why == "" {
			t.Errorf("%v -> %v has no reason", a.from, a.to)
		}
	}
	for _, f := range foreigners() {
		if f.why == "" || len(f.only) == 0 {
			t.Errorf("%s has no reason or no home", f.pkg)
		}
	}
}
