package portal

import (
	"embed"

	"github.com/postern-mail/postern/views/pages"
)

// snippetFiles are what the reference shows to those who write a receiver. The tests run the same files.
//
//go:embed snippets
var snippetFiles embed.FS

func snippets() []pages.RefSnippet {
	var out []pages.RefSnippet
	for _, s := range []struct{ language, file string }{{"Node.js", "verify.mjs"}, {"Python", "verify.py"}, {"Go", "verify.go.txt"}} {
		text, err := snippetFiles.ReadFile("snippets/" + s.file)
		if err != nil { // only for a name that is not embedded
			panic(err)
		}
		out = append(out, pages.RefSnippet{Language: s.language, Text: string(text)})
	}
	return out
}
