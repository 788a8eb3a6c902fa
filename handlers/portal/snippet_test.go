package portal_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"
)

// delivery is one call of a receiver, as a test hands it to another program: Body is base64 there.
type delivery struct {
	Body    []byte            `json:"body"`
	Headers map[string]string `json:"headers"`
	Secrets []string          `json:"secrets"`
}

func signed(secret string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}

// deliveries are genuine and forged ones, each with the id that a receiver must read, or nothing where it must refuse.
func deliveries(t *testing.T) (names []string, all []delivery, want []string) {
	t.Helper()
	body := []byte("{\"specversion\":\"1.0\",\"id\":\"event-1\",\"data\":{\"object\":{\"subject\":\"Gr\u00fc\u00dfe <&> \u2028\"}}}\n")
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	_, _ = z.Write(body)
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	add := func(name, id string, d delivery) {
		names, all, want = append(names, name), append(all, d), append(want, id)
	}
	header := func(signature string, more ...string) map[string]string {
		h := map[string]string{"x-nylas-signature": signature, "content-type": "application/json"}
		for i := 0; i+1 < len(more); i += 2 {
			h[more[i]] = more[i+1]
		}
		return h
	}
	right := signed("secret one", body)
	add("genuine", "event-1", delivery{body, header(right), []string{"secret one"}})
	add("genuine, compressed", "event-1", delivery{zipped.Bytes(), header(signed("secret one", zipped.Bytes()), "content-encoding", "gzip"), []string{"secret one"}})
	add("during a rotation", "event-1", delivery{body, header(right), []string{"the new one", "secret one"}})
	add("another secret", "", delivery{body, header(right), []string{"secret two"}})
	add("no secret", "", delivery{body, header(signed("", body)), []string{""}})
	add("no secrets at all", "", delivery{body, header(right), []string{}})
	add("one byte changed", "", delivery{bytes.Replace(body, []byte("event-1"), []byte("event-2"), 1), header(right), []string{"secret one"}})
	add("written anew", "", delivery{bytes.TrimSpace(body), header(right), []string{"secret one"}})
	add("signed before it was compressed", "", delivery{zipped.Bytes(), header(right, "content-encoding", "gzip"), []string{"secret one"}})
	add("half a signature", "", delivery{body, header(right[:32]), []string{"secret one"}})
	add("no signature", "", delivery{body, map[string]string{}, []string{"secret one"}})
	add("an empty signature", "", delivery{body, header(""), []string{"secret one"}})
	add("not in hexadecimal", "", delivery{body, header("Gr\u00fc\u00dfe" + right[6:]), []string{"secret one"}})
	return names, all, want
}

// The snippets of the reference are run as they are shown: each opens what is genuine and nothing else.
func TestSnippetsOfTheReference(t *testing.T) {
	names, all, want := deliveries(t)
	input, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	copyOf := func(name, as string) {
		text, err := os.ReadFile(filepath.Join("snippets", name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, as), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	copyOf("verify.mjs", "verify.mjs")
	copyOf("verify.py", "verify.py")
	copyOf("verify.go.txt", "verify.go")
	write("run.mjs", `import { open } from "./verify.mjs";
import { readFileSync } from "node:fs";
console.log(JSON.stringify(JSON.parse(readFileSync(0)).map((d) => open(Buffer.from(d.body, "base64"), d.headers, ...d.secrets)?.id ?? "")));
`)
	write("run.py", `import base64, json, sys
from verify import open_event
print(json.dumps([(open_event(base64.b64decode(d["body"]), d["headers"], *d["secrets"]) or {}).get("id", "") for d in json.load(sys.stdin)]))
`)
	write("run.go", `package main

import (
	"encoding/json"
	"net/http"
	"os"
)

func main() {
	var all []struct {
		Body    []byte
		Headers map[string]string
		Secrets []string
	}
	if err := json.NewDecoder(os.Stdin).Decode(&all); err != nil {
		panic(err)
	}
	out := []string{}
	for _, d := range all {
		header := http.Header{}
		for name, value := range d.Headers {
			header.Set(name, value)
		}
		event, err := open(d.Body, header, d.Secrets...)
		id, _ := event["id"].(string)
		if err != nil {
			id = ""
		}
		out = append(out, id)
	}
	_ = json.NewEncoder(os.Stdout).Encode(out)
}
`)
	for language, command := range map[string][]string{"Node.js": {"node", filepath.Join(folder, "run.mjs")}, "Python": {"python3", "-B", filepath.Join(folder, "run.py")}, "Go": {"go", "run", filepath.Join(folder, "run.go"), filepath.Join(folder, "verify.go")}} {
		t.Run(language, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute) // a busy machine may have to compile
			defer cancel()
			run := exec.CommandContext(ctx, command[0], command[1:]...)
			run.Stdin = bytes.NewReader(input)
			var said bytes.Buffer
			run.Stderr = &said
			out, err := run.Output()
			if err != nil {
				t.Fatalf("%s is needed to run the tests (make test installs what is missing): %v\n%s", command[0], err, said.String())
			}
			var got []string
			if err := json.Unmarshal(out, &got); err != nil || len(got) != len(want) {
				t.Fatalf("%v: %s", err, out)
			}
			for i, name := range names {
				if got[i] != want[i] {
					t.Errorf("%s: %q, not %q", name, got[i], want[i])
				}
			}
		})
	}
	// And they stand in the reference, letter by letter.
	page, err := goquery.NewDocumentFromReader(strings.NewReader(newWorld(t).as("admin").get("/reference/webhooks").is(200).text))
	if err != nil {
		t.Fatal(err)
	}
	var shown []string
	page.Find(`[data-testid=snippets] pre`).Each(func(_ int, pre *goquery.Selection) { shown = append(shown, pre.Text()) })
	for _, name := range []string{"verify.mjs", "verify.py", "verify.go.txt"} {
		if text, err := os.ReadFile(filepath.Join("snippets", name)); err != nil || !slices.Contains(shown, string(text)) {
			t.Errorf("%s is not in the reference: %v", name, err)
		}
	}
}
