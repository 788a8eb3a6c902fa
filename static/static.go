package static

import (
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"sync"
)

// all: keeps dist/.keep in, so that the package compiles before the assets were ever built.
//
//go:embed all:dist
var dist embed.FS

// Prefix is the path below which web serves FS.
const Prefix = "/static/"

// CacheControl is right for every file whose name is in the manifest: the name changes with the content.
const CacheControl = "public, max-age=31536000, immutable"

// names are the assets that the views ask for; Ready checks each.
var names = []string{"app.css", "app.js", "passkey.js", "icon.svg"}

// ErrNotBuilt says that the program was compiled without its assets.
var ErrNotBuilt = errors.New("the assets are not built: run `npm ci && npm run build`, then build the program again")

// FS holds the built files under their hashed names. It holds nothing but .keep when the assets were not built.
func FS() fs.FS {
	sub, err := fs.Sub(dist, "dist")
	if err != nil { // only for an invalid name, and "dist" is valid
		panic(err)
	}
	return sub
}

// URL gives the address of an asset by its plain name: URL("app.css") is "/static/app-<hash>.css". A name that is not in the
// manifest gives "/static/missing/<name>", which no server answers; Ready reports it before anything is served.
// It is safe for concurrent use.
func URL(name string) string {
	if hashed, ok := manifest().files[name]; ok {
		return Prefix + hashed
	}
	return Prefix + "missing/" + name
}

// Hashed tells whether a file of FS carries its hash in its name, and may be sent with CacheControl.
func Hashed(file string) bool {
	for _, hashed := range manifest().files {
		if hashed == file {
			return true
		}
	}
	return false
}

// Ready says whether every asset that the views need is inside the program. It is called once, at start.
func Ready() error {
	m := manifest()
	if m.err != nil {
		return m.err
	}
	for _, name := range names {
		hashed, ok := m.files[name]
		if !ok {
			return fmt.Errorf("%s is not in the manifest: %w", name, ErrNotBuilt)
		}
		if _, err := fs.Stat(FS(), path.Clean(hashed)); err != nil {
			return fmt.Errorf("%s: %w", name, errors.Join(ErrNotBuilt, err))
		}
	}
	return nil
}

type manifestFile struct {
	files map[string]string
	err   error
}

// manifest is read once: the embedded files cannot change while the program runs.
var manifest = sync.OnceValue(func() manifestFile {
	raw, err := fs.ReadFile(FS(), "manifest.json")
	if errors.Is(err, fs.ErrNotExist) {
		return manifestFile{err: ErrNotBuilt}
	}
	if err != nil {
		return manifestFile{err: fmt.Errorf("read manifest: %w", err)}
	}
	m := manifestFile{files: map[string]string{}}
	if err := json.Unmarshal(raw, &m.files); err != nil {
		return manifestFile{err: fmt.Errorf("manifest.json does not parse: %w", errors.Join(ErrNotBuilt, err))}
	}
	return m
})
