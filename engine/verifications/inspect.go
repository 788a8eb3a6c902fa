package verifications

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/postern-mail/postern/engine/secret"
)

// Finding is what the checker found out about a call that somebody pasted.
type Finding struct {
	Genuine bool
	Scheme  string // KindV3 or KindStandard; empty: neither matched
	Body    string // which bytes the signature covers, in words
	Secret  string // how the secret had to be read, in words
	Header  string // the header in which the signature stood
	Mistake string // one word for programs; empty when genuine
	Title   string
	Meaning string
	Do      string // empty: nothing
}

// The mistakes that Inspect tells apart, beside MissingSignature, MalformedSignature, WrongSecret, Stale and Oversize.
const (
	MistakeReencoded    = "reencoded_json"
	MistakeDecompressed = "decompressed_body"
	MistakeNotOpened    = "signed_other_representation"
	MistakeNewline      = "trailing_newline"
	MistakeLines        = "line_endings"
	MistakeSpelling     = "signature_spelling"
	MistakeSecretForm   = "secret_form"
	MistakeHeader       = "wrong_header"
)

// mostPresented bounds the signatures that are tried of one call.
const mostPresented = 16

// Inspect says which representation of body, and which reading of the secret, a signature in header covers; or else the likeliest mistake. It is
// pure: nothing that is pasted is kept, logged or sent.
func Inspect(body []byte, header http.Header, text secret.Text, now time.Time) Finding {
	if len(body) > MaxBody {
		return say(Finding{Mistake: Oversize})
	}
	signatures := findSignatures(header)
	if len(signatures) == 0 {
		if len(header.Values(signatureHeader))+len(header.Values(standardSignature)) > 0 {
			return say(Finding{Mistake: MalformedSignature})
		}
		return say(Finding{Mistake: MissingSignature})
	}
	values := make([][]byte, len(signatures))
	for i, g := range signatures {
		values[i] = g.value
	}
	keys := readings(text)
	standard := standardPrefix(header)
	for _, b := range representations(body) {
		for _, of := range []string{KindV3, KindStandard} {
			signed := b.bytes
			if of == KindStandard {
				if standard == nil {
					continue
				}
				signed = append(bytes.Clone(standard), b.bytes...)
			}
			if i, _ := matching(signed, values, keys.keys); i < 0 { // one pass over the bytes for all of them
				continue
			}
			for _, g := range signatures {
				if i, _ := matching(signed, [][]byte{g.value}, keys.keys); i >= 0 {
					return judge(Finding{Scheme: of, Body: b.words, Secret: keys.words[i], Header: g.header}, b, g, keys.mistake(i, of), header, now)
				}
			}
		}
	}
	f := Finding{Mistake: WrongSecret}
	if strings.ToLower(header.Get("Content-Encoding")) == compressed && !packed(body) {
		f.Mistake = MistakeDecompressed
	}
	return say(f)
}

// judge says what stood between a signature that matches in some way and one that a receiver accepts. The first thing found is named.
func judge(f Finding, b representation, g given, secretMistake string, header http.Header, now time.Time) Finding {
	wanted := signatureHeader
	if f.Scheme == KindStandard {
		wanted = standardSignature
	}
	switch {
	case b.mistake != "":
		f.Mistake = b.mistake
	case secretMistake != "":
		f.Mistake = secretMistake
	case g.header != wanted:
		f.Mistake = MistakeHeader
	case g.form != wanted:
		f.Mistake = MistakeSpelling
	case len(header.Values(wanted)) > 1:
		f.Mistake = MalformedSignature
	case f.Scheme == KindStandard:
		p, reason := presentStandard(callOf(header, KindStandard))
		if reason != "" {
			f.Mistake = reason
		} else if age := now.Sub(p.at); age > tolerance || age < -tolerance {
			f.Mistake = Stale
		}
	}
	f.Genuine = f.Mistake == ""
	return say(f)
}

// given is a signature somewhere in the headers. form is the header whose spelling it has; empty: none's.
type given struct {
	value        []byte
	header, form string
}

// findSignatures reads everything in the headers that can be 32 bytes of HMAC-SHA256, in any spelling, the right headers first.
func findSignatures(header http.Header) []given {
	names := make([]string, 0, len(header))
	for name := range header {
		names = append(names, name)
	}
	rank := func(name string) int { return slices.Index([]string{standardSignature, signatureHeader}, name) }
	slices.SortFunc(names, func(a, b string) int {
		if d := rank(b) - rank(a); d != 0 {
			return d
		}
		return cmp.Compare(a, b)
	})
	var out []given
	for _, name := range names {
		for _, line := range header[name] {
			for _, word := range strings.FieldsFunc(line, func(r rune) bool { return r == ' ' || r == ';' || r == '\t' }) {
				if g, ok := readGiven(word); ok && len(out) < mostPresented {
					g.header = name
					out = append(out, g)
				}
			}
		}
	}
	return out
}

func readGiven(word string) (given, bool) {
	if raw, err := hex.DecodeString(word); err == nil && len(raw) == 32 {
		return given{value: raw, form: signatureHeader}, true
	}
	version, rest, versioned := strings.Cut(word, ",")
	if raw, ok := anyBase64(rest); versioned && version == "v1" && ok {
		g := given{value: raw}
		if base64.StdEncoding.EncodeToString(raw) == rest {
			g.form = standardSignature
		}
		return g, true
	}
	// sha256=..., v1=..., and signatures without anything before them.
	if _, after, found := strings.Cut(word, "="); found && after != "" && strings.Trim(after, "=") != "" {
		if g, ok := readGiven(after); ok {
			g.form = ""
			return g, true
		}
	}
	raw, ok := anyBase64(strings.TrimPrefix(word, "v1,"))
	return given{value: raw}, ok
}

// anyBase64 reads 32 bytes in either alphabet, padded or not.
func anyBase64(text string) ([]byte, bool) {
	text = strings.TrimRight(strings.NewReplacer("-", "+", "_", "/").Replace(text), "=")
	raw, err := base64.RawStdEncoding.DecodeString(text)
	return raw, err == nil && len(raw) == 32
}

// standardPrefix is what Standard Webhooks signs before the body; nil where the call does not say it.
func standardPrefix(header http.Header) []byte {
	id, stamp := header.Get(standardID), header.Get(standardTimestamp)
	if id == "" || stamp == "" {
		return nil
	}
	return []byte(id + "." + stamp + ".")
}

// ring is the ways to read a secret.
type ring struct {
	keys   []Key
	words  []string
	right  []string // the scheme for which this reading is the right one; empty: none
	either []bool   // right for both
}

func (r *ring) add(value []byte, words, right string, either bool) {
	if len(value) > 0 {
		r.keys = append(r.keys, Key{Generation: 1, Secret: secret.New(string(value))})
		r.words, r.right, r.either = append(r.words, words), append(r.right, right), append(r.either, either)
	}
}

// mistake says whether reading i is wrong in the scheme. Postern's own secrets are one key in two spellings, so both are right there.
func (r *ring) mistake(i int, scheme string) string {
	if r.either[i] || r.right[i] == scheme {
		return ""
	}
	return MistakeSecretForm
}

// readings lists the ways to read a secret. matching prefers the last that matches, so the plainest one comes last.
func readings(text secret.Text) *ring {
	r := &ring{}
	value := text.Reveal()
	trimmed := strings.TrimSpace(value)
	if raw, err := hex.DecodeString(trimmed); err == nil {
		r.add(raw, "as hexadecimal", "", false)
	}
	if raw, err := base64.StdEncoding.DecodeString(trimmed); err == nil {
		r.add(raw, "as base64", KindStandard, false)
	}
	encoded, prefixed := strings.CutPrefix(trimmed, secretPrefix)
	if prefixed {
		r.add([]byte(encoded), "without whsec_, as text", "", false)
		if raw, err := base64.StdEncoding.DecodeString(encoded); err == nil {
			r.add(raw, "as a secret of Standard Webhooks", KindStandard, true)
		}
	}
	if value != trimmed {
		r.add([]byte(value), "with the space or line break around it", "", false)
	}
	r.add([]byte(trimmed), "as it is", KindV3, !prefixed)
	return r
}

func packed(body []byte) bool { return len(body) > 2 && body[0] == 0x1f && body[1] == 0x8b }
