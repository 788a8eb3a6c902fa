package postern

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// SECURITY.md promises that a test proves each control. A promise must name a test that exists, in the folder it names.
func TestSECURITYNamesRealTests(t *testing.T) {
	page, err := os.ReadFile("SECURITY.md")
	if err != nil {
		t.Fatal(err)
	}
	folder := regexp.MustCompile("`([a-z0-9/]+)`:")
	name := regexp.MustCompile("`((?:Test|Fuzz)[A-Za-z0-9_]+)`")
	rows := 0
	for line := range strings.Lines(string(page)) {
		cells := strings.Split(line, "|")
		if len(cells) != 5 || !folder.MatchString(cells[3]) {
			continue
		}
		rows++
		for group := range strings.SplitSeq(cells[3], ";") {
			in := folder.FindStringSubmatch(group)
			tests := name.FindAllStringSubmatch(group, -1)
			if in == nil || len(tests) == 0 {
				t.Errorf("no folder and test in %q", group)
				continue
			}
			sources := testSources(t, filepath.FromSlash("."+strings.TrimSuffix("/"+in[1], "/")))
			for _, test := range tests {
				if !strings.Contains(sources, "\nfunc "+test[1]+"(") {
					t.Errorf("%s has no test %s", in[1], test[1])
				}
			}
		}
	}
	if rows < 10 {
		t.Errorf("only %d rows of the table were understood", rows)
	}
}

func testSources(t *testing.T, dir string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	return all.String()
}
