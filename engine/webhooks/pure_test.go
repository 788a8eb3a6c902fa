package webhooks

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/postern-mail/postern/engine/secret"
	"github.com/postern-mail/postern/models"
)

// TestSignatureVectors: HMAC-SHA256 as in RFC 4231, test cases 1 to 4, 6 and 7.
func TestSignatureVectors(t *testing.T) {
	raw := func(text string) string {
		b, err := hex.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	aa := strings.Repeat("\xaa", 131)
	for _, c := range []struct{ key, data, want string }{
		{strings.Repeat("\x0b", 20), "Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
		{"Jefe", "what do ya want for nothing?", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
		{strings.Repeat("\xaa", 20), strings.Repeat("\xdd", 50), "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"},
		{raw("0102030405060708090a0b0c0d0e0f10111213141516171819"), strings.Repeat("\xcd", 50), "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"},
		{aa, "Test Using Larger Than Block-Size Key - Hash Key First", "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
		{aa, "This is a test using a larger than block-size key and a larger than block-size data. The key needs to be hashed before being used by the HMAC algorithm.", "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"},
	} {
		if got := spell(sign(secret.New(c.key), []byte(c.data))); got != c.want {
			t.Errorf("%.20q: %s, want %s", c.data, got, c.want)
		}
	}
}

// TestEveryTriggerHasASample: a whole envelope, with ids that name nothing, and the fields that its receivers look for.
func TestEveryTriggerHasASample(t *testing.T) {
	app, at := models.NewID[models.ApplicationID](time.Unix(1_700_000_000, 0)), time.Unix(1_700_000_000, 0)
	names := map[string]bool{}
	for _, trigger := range Triggers() {
		if names[trigger.Name] {
			t.Errorf("%s twice", trigger.Name)
		}
		names[trigger.Name] = true
		body, ok := Mock(trigger.Name, app, at)
		var e struct {
			SpecVersion, Type, Source, ID string
			Time                          int64
			Attempt                       int `json:"webhook_delivery_attempt"`
			Data                          struct {
				Application string         `json:"application_id"`
				Grant       string         `json:"grant_id"`
				Object      map[string]any `json:"object"`
			}
		}
		dec := json.NewDecoder(bytes.NewReader(body))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&e); !ok || err != nil {
			t.Errorf("%s: %v\n%s", trigger.Name, err, body)
			continue
		}
		if e.SpecVersion != "1.0" || e.Type != trigger.Name || e.Source == "" || e.ID == "" || e.Time != at.Unix() || e.Attempt != 1 || e.Data.Application != app.String() || len(e.Data.Object) < 3 {
			t.Errorf("%s: %s", trigger.Name, body)
		}
		if _, has := e.Data.Object["grant_id"]; !has && e.Data.Grant == "" {
			t.Errorf("%s names no grant", trigger.Name)
		}
		for _, v := range []string{"null", "mock-webhook-secret"} {
			if bytes.Contains(body, []byte(v)) {
				t.Errorf("%s holds %s", trigger.Name, v)
			}
		}
	}
	for _, unknown := range []string{"", "calendar.created", "grant.created.truncated", "GRANT.CREATED"} {
		if _, ok := Mock(unknown, app, at); ok || KnownTrigger(unknown) {
			t.Errorf("%q is a trigger", unknown)
		}
	}
}

func TestSubscription(t *testing.T) {
	for kind, want := range map[string]string{"message.created": "message.created", "message.created.truncated": "message.created", "message.created.cleaned.truncated": "message.created.cleaned",
		"message.created.metadata.transformed": "message.created", "grant.updated": "grant.updated", ".truncated": ""} {
		if got := subscription(kind); got != want {
			t.Errorf("%s belongs to %q, want %q", kind, got, want)
		}
	}
}

func TestEchoes(t *testing.T) {
	object := []byte(`{"email":"ada@example.com","subject":"quarterly figures, not for the press","n":1}`)
	for text, want := range map[string]bool{"": false, "ok": false, string(object): true, "x" + string(object[3:60]) + "y": true, string(object[:23]): false,
		`{"error":"unknown event"}`: false, strings.Repeat("z", 5000) + string(object[30:]): true} {
		if got := echoes([]byte(text), object); got != want {
			t.Errorf("%.30q: %v", text, got)
		}
	}
	for start := range len(object) - 47 {
		if !echoes(object[start:start+47], object) {
			t.Errorf("47 bytes from %d on were missed", start)
		}
	}
}

// TestNoSignatureIsComparedOrKept reads the source: sending makes signatures and never compares one, and no statement passes one to a log or error.
func TestNoSignatureIsComparedOrKept(t *testing.T) {
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	read := 0
	for _, file := range files {
		if !strings.HasSuffix(file.Name(), ".go") || strings.HasSuffix(file.Name(), "_test.go") {
			continue
		}
		read++
		tree, err := parser.ParseFile(token.NewFileSet(), file.Name(), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(tree, func(n ast.Node) bool {
			if b, ok := n.(*ast.BinaryExpr); ok && (b.Op == token.EQL || b.Op == token.NEQ) && (mentions(b.X, "signature") || mentions(b.Y, "signature")) {
				t.Errorf("%s compares a signature with %s", file.Name(), b.Op)
			}
			if c, ok := n.(*ast.CallExpr); ok && (calls(c, "log") || calls(c, "fmt") || calls(c, "fault")) {
				for _, a := range c.Args {
					if mentions(a, "signature") || mentions(a, "Reveal") {
						t.Errorf("%s passes a signature or secret to a message", file.Name())
					}
				}
			}
			return true
		})
	}
	if read < 10 {
		t.Errorf("only %d files were read", read)
	}
}

func mentions(e ast.Expr, name string) bool {
	found := false
	ast.Inspect(e, func(n ast.Node) bool {
		if id, ok := n.(*ast.Ident); ok && id.Name == name {
			found = true
		}
		return true
	})
	return found
}

func calls(c *ast.CallExpr, pkg string) bool {
	s, ok := c.Fun.(*ast.SelectorExpr)
	return ok && mentions(s.X, pkg)
}
