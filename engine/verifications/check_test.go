package verifications

import (
	"bytes"
	"compress/gzip"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postern-mail/postern/engine/secret"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

const event = `{"specversion":"1.0","type":"grant.created","source":"/nylas/system","id":"evt-1","time":1763899200,"webhook_delivery_attempt":1,"data":{"application_id":"a","object":{"x":[1,{"y":null}]}}}`

func sum(key string, body []byte) []byte {
	h := hmac.New(sha256.New, []byte(key))
	h.Write(body)
	return h.Sum(nil)
}

func signature(key string, body []byte) []string { return []string{hex.EncodeToString(sum(key, body))} }

func zipped(t testing.TB, body []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w, _ := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if _, err := w.Write(body); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// keys: generation 3 in force, 2 in its overlap, 1 ended.
func keys() []Key {
	later, earlier := noon.Add(time.Hour), noon.Add(-time.Hour)
	return []Key{{Generation: 3, Secret: secret.New("current")}, {Generation: 2, Secret: secret.New("previous"), Until: &later}, {Generation: 1, Secret: secret.New("ended"), Until: &earlier}}
}

// A68: bytes other than those that were signed are refused, re-serialised and decompressed ones too; the compressed bytes themselves, signed, are accepted.
func TestCheck(t *testing.T) {
	body := []byte(event)
	packed := zipped(t, body)
	bomb := zipped(t, make([]byte, 32<<20))
	ratio := zipped(t, append([]byte(`{"id":"e","type":"t","pad":"`+strings.Repeat(" ", 900_000)), `"}`...))
	gz := []string{"gzip"}
	with := func(b []byte, key string, encodings ...string) Call {
		return Call{Body: b, Signatures: signature(key, b), Encodings: encodings}
	}
	upper := with(body, "current")
	upper.Signatures = []string{strings.ToUpper(upper.Signatures[0])}
	last := signature("current", body)[0]
	flipped := last[:63] + map[bool]string{true: "0", false: "1"}[last[63] != '0']
	b64 := base64.StdEncoding.EncodeToString(sum("current", body))
	for name, c := range map[string]struct {
		call       Call
		reason     string
		accepted   bool
		generation int
	}{
		"good":                          {with(body, "current"), OK, true, 3},
		"upper case":                    {upper, OK, true, 3},
		"identity":                      {with(body, "current", "identity"), OK, true, 3},
		"previous":                      {with(body, "previous"), OKPreviousSecret, true, 2},
		"gzip, compressed bytes signed": {with(packed, "current", "gzip"), OK, true, 3},
		"GZIP":                          {with(packed, "current", "GZIP"), OK, true, 3},
		"ended":                         {with(body, "ended"), OldSecret, false, 1},
		"wrong":                         {with(body, "wrong"), WrongSecret, false, 0},
		"empty secret":                  {with(body, ""), WrongSecret, false, 0},
		"altered":                       {Call{Body: []byte(event + " "), Signatures: signature("current", body)}, WrongSecret, false, 0},
		"one digit off":                 {Call{Body: body, Signatures: []string{flipped}}, WrongSecret, false, 0},
		"decompressed bytes signed":     {Call{Body: packed, Signatures: signature("current", body), Encodings: gz}, SignedOtherRepresentation, false, 0},
		"decompressed, previous":        {Call{Body: packed, Signatures: signature("previous", body), Encodings: gz}, SignedOtherRepresentation, false, 0},
		"decompressed, wrong":           {Call{Body: packed, Signatures: signature("wrong", body), Encodings: gz}, WrongSecret, false, 0},
		"gzip without saying so":        {with(packed, "current"), NotJSON, false, 3},
		"plain that says gzip":          {with(body, "current", "gzip"), BadEncoding, false, 3},
		"deflate":                       {with(body, "current", "deflate"), BadEncoding, false, 3},
		"twice gzip":                    {with(packed, "current", "gzip", "gzip"), BadEncoding, false, 3},
		"cut gzip":                      {with(packed[:len(packed)-5], "current", "gzip"), BadEncoding, false, 3},
		"damaged gzip":                  {with(append(slices.Clone(packed[:len(packed)-8]), 0, 0, 0, 0, packed[len(packed)-4], 0, 0, 0), "current", "gzip"), BadEncoding, false, 3},
		"two members":                   {with(append(slices.Clone(packed), packed...), "current", "gzip"), BadEncoding, false, 3},
		"more behind the member":        {with(append(slices.Clone(packed), 'x'), "current", "gzip"), BadEncoding, false, 3},
		"bomb":                          {with(bomb, "current", "gzip"), DecompressionBomb, false, 3},
		"over the ratio":                {with(ratio, "current", "gzip"), DecompressionBomb, false, 3},
		"bomb with a bad signature":     {with(bomb, "wrong", "gzip"), WrongSecret, false, 0},
		"no header":                     {Call{Body: body}, MissingSignature, false, 0},
		"blank header":                  {Call{Body: body, Signatures: []string{" "}}, MissingSignature, false, 0},
		"base64":                        {Call{Body: body, Signatures: []string{b64}}, MalformedSignature, false, 0},
		"prefixed":                      {Call{Body: body, Signatures: []string{"sha256=" + last}}, MalformedSignature, false, 0},
		"short":                         {Call{Body: body, Signatures: []string{last[:62]}}, MalformedSignature, false, 0},
		"not hexadecimal":               {Call{Body: body, Signatures: []string{strings.Repeat("g", 64)}}, MalformedSignature, false, 0},
		"twice":                         {Call{Body: body, Signatures: []string{last, last}}, MalformedSignature, false, 0},
		"two in one":                    {Call{Body: body, Signatures: []string{last + "," + last}}, MalformedSignature, false, 0},
		"said to be oversize":           {Call{Oversize: true, Signatures: []string{last}}, Oversize, false, 0},
		"oversize":                      {with(make([]byte, MaxBody+1), "current"), Oversize, false, 0},
		"nothing":                       {with(nil, "current"), NotJSON, false, 3},
		"a list":                        {with([]byte("[]"), "current"), NotJSON, false, 3},
		"more behind":                   {with([]byte(event+"{}"), "current"), NotJSON, false, 3},
		"cut":                           {with(body[:len(body)-1], "current"), NotJSON, false, 3},
		"a name twice":                  {with([]byte(`{"id":"a","id":"b","type":"t"}`), "current"), NotJSON, false, 3},
		"a name twice below":            {with([]byte(`{"id":"a","type":"t","data":[{"x":1,"x":2}]}`), "current"), NotJSON, false, 3},
		"a name twice, escaped":         {with([]byte(`{"id":"a","\u0069d":"b","type":"t"}`), "current"), NotJSON, false, 3},
		"names in another case":         {with([]byte(`{"ID":"a","Type":"t"}`), "current"), NotJSON, false, 3},
		"no id":                         {with([]byte(`{"type":"t"}`), "current"), NotJSON, false, 3},
		"id is a number":                {with([]byte(`{"id":1,"type":"t"}`), "current"), NotJSON, false, 3},
		"id with a line break":          {with([]byte(`{"id":"a\nb","type":"t"}`), "current"), NotJSON, false, 3},
		"id with NUL":                   {with([]byte(`{"id":"a\u0000b","type":"t"}`), "current"), NotJSON, false, 3},
		"long id":                       {with([]byte(`{"id":"`+strings.Repeat("a", 201)+`","type":"t"}`), "current"), NotJSON, false, 3},
		"not UTF-8":                     {with([]byte("{\"id\":\"a\",\"type\":\"\xff\"}"), "current"), NotJSON, false, 3},
		"deep":                          {with([]byte(`{"id":"a","type":"t","d":`+strings.Repeat("[", 70)+strings.Repeat("]", 70)+`}`), "current"), NotJSON, false, 3},
		"time in words":                 {with([]byte(`{"id":"a","type":"t","time":"2026-11-23T12:00:00Z"}`), "current"), OK, true, 3},
		"no time":                       {with([]byte(`{"id":"a","type":"t"}`), "current"), OK, true, 3},
		"a time out of reach":           {with([]byte(`{"id":"a","type":"t","time":99999999999999999999}`), "current"), OK, true, 3},
		"signed JSON, re-serialised":    {Call{Body: []byte(strings.ReplaceAll(event, ":", ": ")), Signatures: signature("current", body)}, WrongSecret, false, 0},
		"signature of the empty body":   {Call{Body: body, Signatures: signature("current", nil)}, WrongSecret, false, 0},
		"signature all zeroes":          {Call{Body: body, Signatures: []string{strings.Repeat("0", 64)}}, WrongSecret, false, 0},
	} {
		v := Check(c.call, keys(), noon)
		if v.Reason != c.reason || v.Accepted != c.accepted || v.Generation != c.generation {
			t.Errorf("%s: %+v, want %s", name, v, c.reason)
		}
		if !v.Accepted && (v.EventID != "" || v.EventType != "" || !v.Time.IsZero()) {
			t.Errorf("%s: a refused verdict tells of the body: %+v", name, v)
		}
		if AdviceFor(v.Reason).Title == v.Reason || AdviceFor(v.Reason).Meaning == "" {
			t.Errorf("%s: no words for %s", name, v.Reason)
		}
	}
	v := Check(with(packed, "current", "gzip"), keys(), noon)
	if v.EventID != "evt-1" || v.EventType != "grant.created" || v.Representation != "gzip" || v.Time.Unix() != 1763899200 {
		t.Errorf("what is told of a genuine event: %+v", v)
	}
}

// TestNothingIsGenuineWithoutASecret (A67): no key, or only blank ones, lets nobody in.
func TestNothingIsGenuineWithoutASecret(t *testing.T) {
	body := []byte(event)
	for _, k := range [][]Key{nil, {}, {{Generation: 1, Secret: secret.Text{}}}, {{Generation: 1, Secret: secret.New("")}, {Generation: 2, Secret: secret.Text{}}}} {
		for _, s := range [][]string{signature("", body), signature("current", body), {strings.Repeat("0", 64)}} {
			if v := Check(Call{Body: body, Signatures: s}, k, noon); v.Accepted || v.Reason != WrongSecret {
				t.Errorf("%d keys: %+v", len(k), v)
			}
		}
	}
}

// TestTheEndIsExact (A73): a secret counts until its end and not at it.
func TestTheEndIsExact(t *testing.T) {
	until := noon
	k := []Key{{Generation: 1, Secret: secret.New("k"), Until: &until}}
	call := Call{Body: []byte(event), Signatures: signature("k", []byte(event))}
	if v := Check(call, k, noon.Add(-time.Nanosecond)); v.Reason != OKPreviousSecret {
		t.Errorf("just before: %s", v.Reason)
	}
	if v := Check(call, k, noon); v.Reason != OldSecret {
		t.Errorf("at the end: %s", v.Reason)
	}
}

// TestABombCostsLittle (A70): with a bad signature it is not opened at all, with a good one only to the cap.
func TestABombCostsLittle(t *testing.T) {
	bomb := zipped(t, make([]byte, 128<<20)) // opens to 128 MiB
	if len(bomb) > MaxBody {
		t.Fatalf("the bomb is %d bytes, larger than what is read", len(bomb))
	}
	if n := diagnosable(bomb); n != 0 {
		t.Errorf("a bomb with a bad signature would be opened to %d bytes", n)
	}
	lying := slices.Clone(bomb)
	copy(lying[len(lying)-4:], []byte{0, 4, 0, 0}) // it says: 1024 bytes
	for name, c := range map[string]struct {
		call   Call
		reason string
	}{
		"bad signature":            {Call{Body: bomb, Signatures: signature("wrong", bomb), Encodings: []string{"gzip"}}, WrongSecret},
		"bad signature and a lie":  {Call{Body: lying, Signatures: signature("wrong", lying), Encodings: []string{"gzip"}}, WrongSecret},
		"good signature":           {Call{Body: bomb, Signatures: signature("current", bomb), Encodings: []string{"gzip"}}, DecompressionBomb},
		"good signature and a lie": {Call{Body: lying, Signatures: signature("current", lying), Encodings: []string{"gzip"}}, BadEncoding},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		v := Check(c.call, keys(), noon)
		runtime.ReadMemStats(&after)
		if grown := after.TotalAlloc - before.TotalAlloc; v.Reason != c.reason || grown > 32<<20 {
			t.Errorf("%s: %s, %d bytes allocated", name, v.Reason, grown)
		}
	}
}

// TestSignaturesAreComparedInConstantTime (A72) reads the source, because time cannot be tested: wherever a MAC or a signature is compared it is by
// crypto/subtle or crypto/hmac, the loop over the keys has no early way out, and no == touches either.
func TestSignaturesAreComparedInConstantTime(t *testing.T) {
	sources := map[string]string{}
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if strings.HasSuffix(file.Name(), ".go") && !strings.HasSuffix(file.Name(), "_test.go") {
			text, err := os.ReadFile(file.Name())
			if err != nil {
				t.Fatal(err)
			}
			sources[file.Name()] = string(text)
		}
	}
	// Pushes carry a token, whose signature golang-jwt checks, or a word of ours, which is compared below: no MAC is in those files.
	if push := sources["push_microsoft.go"]; strings.Count(push, "subtle.ConstantTimeCompare(")+strings.Count(push, "hmac.Equal(") != 1 {
		t.Error("push_microsoft.go: clientState is not compared in constant time")
	}
	for name := range sources {
		if strings.HasPrefix(name, "push") {
			delete(sources, name)
		}
	}
	for _, complaint := range unsteady(t, sources) {
		t.Error(complaint)
	}
	// The same source, each time with one control taken out, must be complained about.
	for name, c := range map[string][2]string{
		"== instead":   {"subtle.ConstantTimeCompare(sums[i], signature)", "map[bool]int{true: 1}[string(sums[i]) == string(signature)]"},
		"bytes.Equal":  {"subtle.ConstantTimeCompare(sums[i], signature)", "map[bool]int{true: 1}[bytes.Equal(sums[i], signature)]"},
		"a way out":    {"\t\th.Write(text)\n", "\t\th.Write(text)\n\t\tif match >= 0 {\n\t\t\treturn match, nil\n\t\t}\n"},
		"a break":      {"\t\th.Write(text)\n", "\t\th.Write(text)\n\t\tif match >= 0 {\n\t\t\tbreak\n\t\t}\n"},
		"hmac's == in": {"hmac.Equal(h.Sum(nil), signature)", "string(h.Sum(nil)) == string(signature)"},
	} {
		damaged, changed := map[string]string{}, false
		for file, text := range sources {
			damaged[file] = strings.Replace(text, c[0], c[1], 1)
			changed = changed || damaged[file] != text
		}
		if !changed || len(unsteady(t, damaged)) == 0 {
			t.Errorf("%s: nothing is said about it", name)
		}
	}
}

// unsteady lists what in the sources compares a signature in another than constant time.
func unsteady(t *testing.T, sources map[string]string) (complaints []string) {
	t.Helper()
	set := token.NewFileSet()
	compared, loops := 0, 0
	for name, text := range sources {
		tree, err := parser.ParseFile(set, name, text, 0)
		if err != nil {
			t.Fatal(err)
		}
		complain := func(n ast.Node, what string) {
			complaints = append(complaints, fmt.Sprintf("%s: %s", set.Position(n.Pos()), what))
		}
		ast.Inspect(tree, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.BinaryExpr:
				if (n.Op == token.EQL || n.Op == token.NEQ) && (touches(n.X) || touches(n.Y)) && !isNil(n.Y) {
					complain(n, "== on a signature")
				}
			case *ast.SelectorExpr:
				switch path := fmt.Sprintf("%v.%s", n.X, n.Sel.Name); path {
				case "bytes.Equal", "bytes.Compare", "strings.EqualFold", "strings.Compare", "slices.Equal", "reflect.DeepEqual":
					complain(n, path+" in the package that compares signatures")
				case "subtle.ConstantTimeCompare", "hmac.Equal":
					compared++
				}
			case *ast.FuncDecl:
				if n.Name.Name != "matching" {
					break
				}
				ast.Inspect(n, func(n ast.Node) bool {
					loop, ok := n.(*ast.RangeStmt)
					if !ok {
						return true
					}
					loops++
					ast.Inspect(loop, func(n ast.Node) bool {
						switch n := n.(type) {
						case *ast.ReturnStmt:
							complain(n, "a way out of the loop over the keys")
						case *ast.BranchStmt:
							if n.Tok != token.CONTINUE {
								complain(n, n.Tok.String()+" in the loop over the keys")
							}
						}
						return true
					})
					return false
				})
			}
			return true
		})
	}
	if compared != 2 || loops != 1 {
		complaints = append(complaints, fmt.Sprintf("%d comparisons in constant time and %d loops over the keys; want that of the check, that of the diagnosis, and one loop", compared, loops))
	}
	return complaints
}

func touches(e ast.Expr) bool {
	found := false
	ast.Inspect(e, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.Ident:
			found = found || n.Name == "signature"
		case *ast.CallExpr:
			if s, ok := n.Fun.(*ast.SelectorExpr); ok && (s.Sel.Name == "Sum" || s.Sel.Name == "Reveal") {
				found = true
			}
			name, ok := n.Fun.(*ast.Ident)
			return !ok || name.Name != "len" // a length is no secret
		}
		return true
	})
	return found
}

func isNil(e ast.Expr) bool {
	id, ok := e.(*ast.Ident)
	return ok && id.Name == "nil"
}

func FuzzSignatureHeader(f *testing.F) {
	for _, s := range []string{"", " ", strings.Repeat("0", 64), strings.Repeat("F", 64), "sha256=", "v1,abc", "\x00"} {
		f.Add(s, "")
		f.Add(s, s)
	}
	body := []byte(event)
	f.Fuzz(func(t *testing.T, first, second string) {
		values := []string{first}
		if second != "" {
			values = append(values, second)
		}
		if v := Check(Call{Body: body, Signatures: values}, keys(), noon); v.Accepted && (len(values) > 1 || !strings.EqualFold(first, signature("current", body)[0]) && !strings.EqualFold(first, signature("previous", body)[0])) {
			t.Errorf("accepted %q", values)
		}
	})
}

func FuzzGunzip(f *testing.F) {
	f.Add(zipped(f, []byte(event)))
	f.Add(zipped(f, nil))
	f.Add([]byte("\x1f\x8b\x08"))
	f.Fuzz(func(t *testing.T, body []byte) {
		opened, reason := gunzip(body)
		if int64(len(opened)) > openedLimit(len(body)) || reason != "" && opened != nil {
			t.Errorf("%d bytes opened to %d, %q", len(body), len(opened), reason)
		}
		signsOpened(nil, body, [][]byte{make([]byte, 32)}, keys())
	})
}
