// Package views_test looks at every page from outside: its exact HTML, what may never stand in it, and how large it is.
package views_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/a-h/templ"
)

var update = flag.Bool("update", false, "write the golden files instead of comparing with them")

func render(t *testing.T, page templ.Component) string {
	t.Helper()
	var out bytes.Buffer
	if err := page.Render(templ.WithNonce(context.Background(), "n0nce"), &out); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// hashed assets change with every change of the style sheet; the golden files are about the pages.
var asset = regexp.MustCompile(`/static/(?:missing/)?([a-z]+)(?:-[0-9a-f]{12})?\.(css|js|svg)`)

// lines puts each element on a line of its own, so that a changed golden file can be read.
func lines(html string) string {
	html = asset.ReplaceAllString(html, "/static/$1.$2")
	return strings.ReplaceAll(html, "><", ">\n<") + "\n"
}

func TestGolden(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range samples() {
		t.Run(s.name, func(t *testing.T) {
			if seen[s.name] {
				t.Fatal("two samples have this name")
			}
			seen[s.name] = true
			got := lines(render(t, s.page))
			path := filepath.Join("testdata", s.name+".html")
			if *update {
				write(t, path, []byte(got))
				return
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("%s differs from what was agreed on, first at\n%s\nIf that is meant: go test ./views -run Golden -update", path, firstDifference(string(want), got))
			}
		})
	}
	files, err := filepath.Glob(filepath.Join("testdata", "*.html"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !seen[strings.TrimSuffix(filepath.Base(f), ".html")] {
			t.Errorf("%s belongs to no sample", f)
		}
	}
}

func firstDifference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range min(len(w), len(g)) {
		if w[i] != g[i] {
			return "- " + w[i] + "\n+ " + g[i]
		}
	}
	return "the end: one of them is longer"
}

func TestPageBudget(t *testing.T) {
	const limit = 30 << 10
	largest, name := 0, ""
	for _, s := range samples() {
		var out bytes.Buffer
		zip := gzip.NewWriter(&out)
		if _, err := zip.Write([]byte(render(t, s.page))); err != nil {
			t.Fatal(err)
		}
		if err := zip.Close(); err != nil {
			t.Fatal(err)
		}
		if out.Len() > limit {
			t.Errorf("%s is %d B compressed, %d B are allowed", s.name, out.Len(), limit)
		}
		if out.Len() > largest {
			largest, name = out.Len(), s.name
		}
	}
	t.Logf("the largest is %s: %d B compressed", name, largest)
}
