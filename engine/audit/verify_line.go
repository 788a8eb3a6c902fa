package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"hash"
	"unicode/utf8"

	"golang.org/x/mod/sumdb/tlog"
)

// worker checks lines by themselves. Nearly all lines of a bundle have one simple spelling, which quick reads without copying; whatever is spelled otherwise goes to slow, which reads it as JSON
// and decides. quick never says that a line is wrong, only that it is not simple.
type worker struct {
	c     *checker
	sum   hash.Hash
	names [][]byte
	stand [][]byte // commitments, beside names
	room  []byte
}

func newWorker(c *checker) *worker { return &worker{c: c, sum: sha256.New()} }

func (w *worker) block(b *block) {
	for text := b.text; len(text) > 0; {
		line := text
		if end := bytes.IndexByte(text, '\n'); end >= 0 {
			line, text = text[:end], text[end+1:]
		} else {
			text = nil
		}
		b.found = append(b.found, w.line(line))
	}
}

func (w *worker) line(line []byte) finding {
	if f, ok := w.quick(line); ok {
		return f
	}
	return w.slow(line)
}

// slow reads a line as JSON.
func (w *worker) slow(line []byte) finding {
	var r Record
	if strict(line, &r) != nil {
		var m mark
		if len(w.c.tenant) > 0 || strict(line, &m) != nil {
			return finding{kind: foundDamage}
		}
		size, root, err := openNote(m.Checkpoint, w.c.verifier)
		if err != nil {
			return finding{kind: foundMark, reason: "the signature of a checkpoint on the way does not hold"}
		}
		return finding{kind: foundMark, index: size, hash: root}
	}
	f := finding{index: r.Index, hash: hashOf(r.Leaf), reason: agree(r.Leaf, r.Open, r.Shown)}
	if len(w.c.tenant) == 0 || f.reason != "" {
		return f
	}
	l, _ := readLeaf(r.Leaf)
	f.reason = w.proven(f, r.Proof, l.Tenant == string(w.c.tenant))
	return f
}

// proven checks that the log has a tenant's entry.
func (w *worker) proven(f finding, proof []tlog.Hash, own bool) string {
	switch {
	case tlog.CheckRecord(proof, w.c.verdict.Size, w.c.verdict.Root, f.index, f.hash) != nil:
		return "it is not in the log, or was altered"
	case !own:
		return "it belongs to another tenant"
	default:
		return ""
	}
}

// quick reads a line with a leaf of version 2. It takes exactly the spelling of encoding/json, in the order of the fields, and only texts that need no escape; ok is false for all else.
func (w *worker) quick(line []byte) (f finding, ok bool) {
	p := reader{text: line}
	p.word(`{"index":`)
	f.index = p.number()
	p.word(`,"leaf":`)
	start := p.at
	tenant := w.leaf(&p)
	if p.failed {
		return f, false
	}
	leaf := line[start:p.at]
	matches := true
	if p.has(`,"shown":{`) {
		matches = w.shown(&p)
	}
	var proof []tlog.Hash
	if p.has(`,"proof":[`) {
		proof = p.hashes()
	}
	p.word(`}`)
	if p.failed || p.at != len(line) {
		return f, false
	}
	w.sum.Reset()
	w.sum.Write([]byte{0}) // RFC 9162 section 2.1.1
	w.sum.Write(leaf)
	w.sum.Sum(f.hash[:0])
	switch {
	case !matches:
		f.reason = "what is shown is not what the leaf commits to"
	case len(w.c.tenant) > 0:
		f.reason = w.proven(f, proof, bytes.Equal(tenant, w.c.tenant))
	}
	return f, true
}

// leaf reads a leaf of version 2, keeps its commitments and gives its tenant.
func (w *worker) leaf(p *reader) (tenant []byte) {
	w.names, w.stand = w.names[:0], w.stand[:0]
	p.word(`{"v":2,"id":`)
	p.string()
	p.word(`,"at":`)
	p.string()
	if p.has(`,"tenant":`) {
		tenant = p.filled()
	}
	if p.has(`,"application":`) {
		p.filled()
	}
	for _, name := range [...]string{`,"actor_kind":`, `,"actor_id":`, `,"action":`, `,"object_kind":`, `,"object_id":`, `,"outcome":`} {
		p.word(name)
		p.string()
	}
	if p.has(`,"request_id":`) {
		p.filled()
	}
	if p.has(`,"personal":{`) {
		for more := true; more && !p.failed; more = p.has(`,`) {
			name := p.string()
			if n := len(w.names); n > 0 && bytes.Compare(w.names[n-1], name) >= 0 {
				p.failed = true
			}
			p.word(`:`)
			w.names, w.stand = append(w.names, name), append(w.stand, p.string())
		}
		p.word(`}`)
	}
	p.word(`}`)
	return tenant
}

// shown reads what the commitments stand for, and says whether they do.
func (w *worker) shown(p *reader) bool {
	matches, next := true, 0
	var before []byte
	for more := true; more && !p.failed; more = p.has(`,`) {
		name := p.string()
		if before != nil && bytes.Compare(before, name) >= 0 {
			p.failed = true
		}
		before = name
		p.word(`:{"value":`)
		value := p.string()
		p.word(`,"salt":`)
		salt := p.string()
		p.word(`}`)
		for next < len(w.names) && !bytes.Equal(w.names[next], name) {
			next++
		}
		if next == len(w.names) {
			matches = false
			continue
		}
		w.room = appendCommitment(w.room[:0], salt, name, value)
		sum := sha256.Sum256(w.room)
		var text [2 * sha256.Size]byte
		hex.Encode(text[:], sum[:])
		matches = matches && bytes.Equal(text[:], w.stand[next])
	}
	p.word(`}`)
	return matches
}

// reader walks over a line. Once something is not as expected it has failed and stands still.
type reader struct {
	text   []byte
	at     int
	failed bool
}

// has takes a word when it is next.
func (p *reader) has(word string) bool {
	if p.failed || len(p.text)-p.at < len(word) || string(p.text[p.at:p.at+len(word)]) != word {
		return false
	}
	p.at += len(word)
	return true
}

func (p *reader) word(word string) {
	if !p.has(word) {
		p.failed = true
	}
}

// number reads a whole number as encoding/json writes it, of at most 18 digits.
func (p *reader) number() (n int64) {
	start := p.at
	for !p.failed && p.at < len(p.text) && p.text[p.at] >= '0' && p.text[p.at] <= '9' {
		n = n*10 + int64(p.text[p.at]-'0')
		p.at++
		if p.at-start > 18 {
			p.failed = true
		}
	}
	if p.at == start || p.text[start] == '0' && p.at-start > 1 {
		p.failed = true
	}
	return n
}

// plain are the bytes that stand for themselves in a JSON text as encoding/json writes it; 2: part of a character beyond ASCII.
var plain = func() (t [256]byte) {
	for b := 0x20; b < 0x7f; b++ {
		t[b] = 1
	}
	for _, b := range []byte(`"\<>&`) {
		t[b] = 0
	}
	for b := 0x80; b < 0x100; b++ {
		t[b] = 2
	}
	return t
}()

// lineSeparators are escaped by encoding/json: U+2028 and U+2029 begin so.
var lineSeparators = []byte{0xe2, 0x80}

// string reads a text without escapes.
func (p *reader) string() []byte {
	p.word(`"`)
	if p.failed {
		return nil
	}
	start, beyond := p.at, false
	for p.at < len(p.text) && plain[p.text[p.at]] != 0 {
		beyond = beyond || plain[p.text[p.at]] == 2
		p.at++
	}
	out := p.text[start:p.at]
	if beyond && (!utf8.Valid(out) || bytes.Contains(out, lineSeparators)) {
		p.failed = true
	}
	p.word(`"`)
	return out
}

// filled reads a text that would be left out when it is empty.
func (p *reader) filled() []byte {
	out := p.string()
	if len(out) == 0 {
		p.failed = true
	}
	return out
}

// hashes reads the rest of a list of hashes.
func (p *reader) hashes() (out []tlog.Hash) {
	for more := true; more && !p.failed; more = p.has(`,`) {
		text := p.string()
		var h tlog.Hash
		if len(text) != base64.StdEncoding.EncodedLen(tlog.HashSize) {
			p.failed = true
			return nil
		}
		var raw [tlog.HashSize + 1]byte
		if n, err := base64.StdEncoding.Strict().Decode(raw[:], text); err != nil || n != tlog.HashSize {
			p.failed = true
			return nil
		}
		copy(h[:], raw[:])
		out = append(out, h)
	}
	p.word(`]`)
	return out
}
