package v3_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden transcripts anew; read the difference before committing it")

// transcript notes requests and their answers. What differs from run to run is named, the same thing by the same name.
type transcript struct {
	w     *world
	text  strings.Builder
	names map[string]string
	count map[string]int
}

func (w *world) transcript() *transcript {
	return &transcript{w: w, names: map[string]string{}, count: map[string]int{}}
}

var changing = []struct {
	kind string
	is   *regexp.Regexp
}{
	{"jwt", regexp.MustCompile(`eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+`)},
	{"token", regexp.MustCompile(`\b(?:pat|prt)_[A-Za-z0-9_-]{20,}`)},
	{"key", regexp.MustCompile(`\bpostern_eu_[A-Za-z0-9_-]{43}`)},
	{"id", regexp.MustCompile(`\b[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}\b`)},
	{"receiver", regexp.MustCompile(`https?://127\.0\.0\.1:\d+`)},
	{"port", regexp.MustCompile(`"imap_port": \d+`)},
}

var (
	unixTime  = regexp.MustCompile(`("(?:\w+_at|date|close_time|iat|exp|time|grant_updated_at)": )1[789]\d{8}\b`)
	secretRow = regexp.MustCompile(`("webhook_secret": )"[^"]+"`)
	messageID = regexp.MustCompile(`("(?:id|thread_id|message_id|next_cursor)": |"reply_to_message_id":|message_id=|page_token=|messages/|drafts/)"?[A-Za-z0-9_-]{12,}"?`)
	idInList  = regexp.MustCompile(`(?m)^(\s+)"[A-Za-z0-9_-]{12,}"(,?)$`)
)

func (tr *transcript) name(text string) string {
	for _, c := range changing {
		text = c.is.ReplaceAllStringFunc(text, func(found string) string {
			if tr.names[found] == "" {
				tr.count[c.kind]++
				tr.names[found] = fmt.Sprintf("<%s %d>", c.kind, tr.count[c.kind])
			}
			return tr.names[found]
		})
	}
	text = unixTime.ReplaceAllString(text, "${1}<time>")
	text = secretRow.ReplaceAllString(text, "${1}<secret>")
	text = idInList.ReplaceAllString(text, "${1}<opaque>${2}")
	return messageID.ReplaceAllString(text, "${1}<opaque>")
}

// call makes the request, notes it and gives the answer.
func (tr *transcript) call(c call) answer {
	tr.w.t.Helper()
	a := tr.w.do(c)
	fmt.Fprintf(&tr.text, "> %s %s\n", c.method, tr.name(c.path))
	if c.body != "" {
		fmt.Fprintf(&tr.text, "> %s\n", tr.name(c.body))
	}
	fmt.Fprintf(&tr.text, "< %d %s\n", a.status, a.header.Get("Content-Type"))
	for _, name := range []string{"Location", "Allow", "Retry-After", "WWW-Authenticate", "Access-Control-Allow-Origin"} {
		if v := a.header.Get(name); v != "" {
			fmt.Fprintf(&tr.text, "< %s: %s\n", name, tr.name(v))
		}
	}
	if a.json != nil {
		shown := map[string]any{}
		for k, v := range a.json {
			shown[k] = v
		}
		if id, there := shown["request_id"].(string); there {
			if id != a.header.Get("X-Request-Id") {
				tr.w.t.Errorf("%s %s: request_id %q, X-Request-Id %q", c.method, c.path, id, a.header.Get("X-Request-Id"))
			}
			shown["request_id"] = "<request>"
		}
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		if err := e.Encode(shown); err != nil {
			tr.w.t.Fatal(err)
		}
		tr.text.WriteString(tr.name(b.String()))
	} else if a.text != "" {
		tr.text.WriteString(tr.name(a.text) + "\n")
	}
	tr.text.WriteString("\n")
	return a
}

// matches compares with the golden file.
func (tr *transcript) matches(t *testing.T, file string) {
	t.Helper()
	path := filepath.Join("testdata", file)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(tr.text.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := tr.text.String(); got != string(want) {
		g, w := strings.Split(got, "\n"), strings.Split(string(want), "\n")
		for i := range g {
			if i >= len(w) || g[i] != w[i] {
				t.Fatalf("%s, line %d:\n got %s\nwant %s\n(go test -update writes it anew)", path, i+1, g[i], w[min(i, len(w)-1)])
			}
		}
		t.Fatalf("%s: the answer ends after line %d of %d", path, len(g), len(w))
	}
}
