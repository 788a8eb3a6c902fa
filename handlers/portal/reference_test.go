package portal_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"
	"go.yaml.in/yaml/v3"

	v3 "github.com/postern-mail/postern/handlers/v3"
)

// Every call of the document stands in the reference, once, on a page that is small enough, and every example of a body or an answer is JSON.
func TestReferenceTellsEveryCall(t *testing.T) {
	w := newWorld(t)
	b := w.as("admin")
	index := b.get("/reference")
	if index.status != http.StatusOK {
		t.Fatalf("status %d", index.status)
	}
	page, err := goquery.NewDocumentFromReader(strings.NewReader(index.text))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	page.Find(`[data-testid=reference-nav] a`).Each(func(_ int, a *goquery.Selection) {
		to, _ := a.Attr("href")
		r := b.get(to)
		if r.status != http.StatusOK {
			t.Errorf("%s: status %d", to, r.status)
		}
		if folder := os.Getenv("POSTERN_PREVIEW"); folder != "" && folder != "1" {
			_ = os.WriteFile(folder+"/"+strings.ReplaceAll(strings.Trim(to, "/"), "/", "-")+".html", []byte(r.text), 0o600)
		}
		var small bytes.Buffer
		z := gzip.NewWriter(&small)
		_, _ = z.Write([]byte(r.text))
		_ = z.Close()
		if small.Len() > 30<<10 {
			t.Errorf("%s: %d bytes compressed", to, small.Len())
		}
		chapter, err := goquery.NewDocumentFromReader(strings.NewReader(r.text))
		if err != nil {
			t.Fatal(err)
		}
		chapter.Find(`[data-testid=operation]`).Each(func(_ int, op *goquery.Selection) {
			seen[op.Find(".ref-path span").First().Text()+" "+op.Find(".ref-path span").Last().Text()]++
			op.Find("pre").Each(func(i int, pre *goquery.Selection) {
				if text := pre.Text(); i > 0 && !json.Valid([]byte(text)) {
					t.Errorf("%s: no JSON: %s", to, text)
				}
			})
		})
	})
	var document struct {
		Paths map[string]map[string]any `yaml:"paths"`
	}
	if err := yaml.Unmarshal(v3.Document(), &document); err != nil {
		t.Fatal(err)
	}
	calls := 0
	for path, methods := range document.Paths {
		for method := range methods {
			calls++
			if name := strings.ToUpper(method) + " " + path; seen[name] != 1 {
				t.Errorf("%s stands %d times in the reference", name, seen[name])
			}
		}
	}
	if len(seen) != calls || calls < 50 {
		t.Errorf("%d of %d calls", len(seen), calls)
	}
	anchors := regexp.MustCompile(`href="(/reference/[a-z]+)#([^"]+)"`).FindAllStringSubmatch(index.text, -1)
	if len(anchors) != calls || !strings.Contains(b.get(anchors[0][1]).text, `id="`+anchors[0][2]+`"`) {
		t.Errorf("%d links for %d calls", len(anchors), calls)
	}
	if r := b.get("/reference/no-such"); r.status != http.StatusNotFound {
		t.Errorf("an absent chapter: %d", r.status)
	}
}
