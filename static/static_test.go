package static_test

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/postern-mail/postern/static"
)

func built(t *testing.T) {
	t.Helper()
	if err := static.Ready(); errors.Is(err, static.ErrNotBuilt) && os.Getenv("CI") != "true" { // CI has built them
		t.Skip("the assets are not built; `npm run build` makes them")
	} else if err != nil {
		t.Fatal(err)
	}
}

func TestURLIsHashed(t *testing.T) {
	built(t)
	for _, name := range []string{"app.css", "app.js", "passkey.js", "icon.svg"} {
		file := strings.TrimPrefix(static.URL(name), static.Prefix)
		raw, err := fs.ReadFile(static.FS(), file)
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(raw)
		if !strings.Contains(file, hex.EncodeToString(sum[:6])) {
			t.Errorf("%s is served as %s, which does not name its content", name, file)
		}
		if !static.Hashed(file) {
			t.Errorf("%s may be cached for ever, Hashed says no", file)
		}
	}
	if static.Hashed("manifest.json") || static.Hashed(".keep") {
		t.Error("a file without a hash in its name is said to be cacheable")
	}
}

func TestUnknownNameIsNoFile(t *testing.T) {
	file := strings.TrimPrefix(static.URL("nothing.css"), static.Prefix)
	if _, err := fs.Stat(static.FS(), file); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("stat %s: %v", file, err)
	}
}

func TestBudgets(t *testing.T) {
	built(t)
	for _, b := range []struct {
		limit int
		names []string
	}{{20 << 10, []string{"app.css"}}, {10 << 10, []string{"app.js", "passkey.js"}}} {
		total := 0
		for _, name := range b.names {
			raw, err := fs.ReadFile(static.FS(), strings.TrimPrefix(static.URL(name), static.Prefix))
			if err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			zip, _ := gzip.NewWriterLevel(&out, gzip.BestCompression)
			_, _ = zip.Write(raw)
			_ = zip.Close()
			total += out.Len()
		}
		if total > b.limit {
			t.Errorf("%v are %d B compressed, %d B are allowed", b.names, total, b.limit)
		}
		t.Logf("%v: %d B compressed", b.names, total)
	}
}

// Trusted types forbid these sinks in the browser; this forbids them before a browser sees them.
func TestScriptsUseNoSink(t *testing.T) {
	built(t)
	for _, name := range []string{"app.js", "passkey.js"} {
		raw, err := fs.ReadFile(static.FS(), strings.TrimPrefix(static.URL(name), static.Prefix))
		if err != nil {
			t.Fatal(err)
		}
		for _, sink := range []string{"innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", "postMessage", "http://", "https://"} {
			if bytes.Contains(raw, []byte(sink)) {
				t.Errorf("%s contains %s", name, sink)
			}
		}
	}
}
