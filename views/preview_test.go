package views_test

import (
	"bytes"
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/a-h/templ"

	"github.com/postern-mail/postern/static"
)

// TestPreview writes every sample with its assets into artifacts/preview, to be looked at in a browser. It runs only when asked for.
func TestPreview(t *testing.T) {
	if os.Getenv("POSTERN_PREVIEW") == "" {
		t.Skip("POSTERN_PREVIEW=1 writes the pages to artifacts/preview")
	}
	folder := filepath.Join("..", "artifacts", "preview")
	if err := os.MkdirAll(filepath.Join(folder, "static"), 0o750); err != nil {
		t.Fatal(err)
	}
	assets := static.FS()
	files, err := fs.Glob(assets, "*")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		raw, err := fs.ReadFile(assets, name)
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(folder, "static", name), raw)
	}
	for _, s := range samples() {
		var out bytes.Buffer
		if err := s.page.Render(templ.WithNonce(context.Background(), "preview"), &out); err != nil {
			t.Fatal(err)
		}
		light := regexp.MustCompile(`(src|href)="/static/`).ReplaceAllString(out.String(), `$1="static/`)
		write(t, filepath.Join(folder, s.name+".html"), []byte(light))
		write(t, filepath.Join(folder, s.name+".dark.html"), []byte(strings.Replace(light, `<html lang="en">`, `<html lang="en" data-theme="ink">`, 1)))
	}
}

func write(t *testing.T, path string, raw []byte) {
	t.Helper()
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
}
