package audit

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Verdict is what checking a bundle found.
type Verdict struct {
	Origin      string
	Key         string // of the signer
	Tenant      string // empty: the whole log
	Entries     int
	Size        int64
	Root        tlog.Hash
	Checkpoints int // earlier ones that agree
}

// Broken is a bundle that does not hold. Index is the first entry at fault; -1: the bundle as a whole.
type Broken struct {
	Index  int64
	Reason string
}

// Error implements error.
func (b *Broken) Error() string {
	if b.Index < 0 {
		return b.Reason
	}
	return fmt.Sprintf("entry %d: %s", b.Index, b.Reason)
}

const longestLine = 1 << 20

// Verify checks a bundle with nothing but key, the signer's public key from a source that the reader trusts (empty: the one that the bundle names), and, when given, one checkpoint kept from earlier: the log must contain it. It
// needs no network and no database, and memory that does not grow with the bundle.
//
// In the whole log every entry must be there, in order, unaltered, and every earlier checkpoint must agree with it. In a tenant's bundle every entry shown must be in the log; that none was left
// out is not checked, and cannot be without the others' entries.
func Verify(r io.Reader, key, earlier string) (Verdict, error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 64<<10), longestLine)
	var head Head
	if !lines.Scan() || strict(lines.Bytes(), &head) != nil || head.Format != bundleFormat {
		return Verdict{}, &Broken{-1, "this is not an audit bundle, or its first line is damaged"}
	}
	if key == "" {
		key = head.Key
	}
	verifier, err := note.NewVerifier(key)
	if err != nil {
		return Verdict{}, &Broken{-1, "the key is not one that Postern prints"}
	}
	if head.Key != key || head.Origin != verifier.Name() {
		return Verdict{}, &Broken{-1, "the bundle was signed with another key than the one given"}
	}
	size, root, err := open(head.Checkpoint, verifier)
	if err != nil || size != head.Size {
		return Verdict{}, &Broken{-1, "the checkpoint's signature does not hold"}
	}
	v := Verdict{Origin: head.Origin, Key: key, Tenant: head.Tenant, Size: size, Root: root}
	if head.Tenant != "" {
		return v, v.tenant(lines)
	}
	marks, err := openAll(head.Checkpoints, earlier, verifier)
	if err != nil {
		return v, err
	}
	return v, v.whole(lines, marks)
}

// openAll checks the earlier checkpoints' signatures: size to root.
func openAll(notes []string, earlier string, verifier note.Verifier) (map[int64]tlog.Hash, error) {
	marks := map[int64]tlog.Hash{}
	if earlier != "" {
		notes = append(notes, earlier)
	}
	for _, text := range notes {
		size, root, err := open(text, verifier)
		if err != nil {
			return nil, &Broken{-1, "an earlier checkpoint's signature does not hold"}
		}
		if before, ok := marks[size]; ok && before != root {
			return nil, &Broken{-1, fmt.Sprintf("two checkpoints of size %d disagree: the log was rewritten", size)}
		}
		marks[size] = root
	}
	return marks, nil
}

// tenant checks entry by entry, each by its own proof.
func (v *Verdict) tenant(lines *bufio.Scanner) error {
	last := int64(-1)
	for lines.Scan() {
		r, err := readRecord(lines.Bytes(), last)
		if err != nil {
			return err
		}
		if err := tlog.CheckRecord(r.Proof, v.Size, v.Root, r.Index, hashOf([]byte(r.Leaf))); err != nil {
			return &Broken{r.Index, "it is not in the log, or was altered"}
		}
		if l, _ := readLeaf(r.Leaf); l.Tenant != v.Tenant {
			return &Broken{r.Index, "it belongs to another tenant"}
		}
		last = r.Index
		v.Entries++
	}
	return lineError(lines)
}

// whole grows the tree anew and compares it with every checkpoint on the way.
func (v *Verdict) whole(lines *bufio.Scanner, marks map[int64]tlog.Hash) error {
	grown := &frontier{}
	for next := int64(0); lines.Scan(); next++ {
		r, err := readRecord(lines.Bytes(), next-1)
		if err != nil {
			return err
		}
		if r.Index != next {
			return &Broken{next, "it is missing"}
		}
		if err := grown.add(next, hashOf([]byte(r.Leaf))); err != nil {
			return err
		}
		v.Entries++
		if want, ok := marks[next+1]; ok {
			if grown.root() != want {
				return &Broken{next, "the log up to here is not the one that was signed"}
			}
			v.Checkpoints++
			delete(marks, next+1)
		}
	}
	if err := lineError(lines); err != nil {
		return err
	}
	if int64(v.Entries) != v.Size {
		return &Broken{int64(v.Entries), fmt.Sprintf("the bundle ends here, and the checkpoint counts %d entries", v.Size)}
	}
	if v.Size > 0 && grown.root() != v.Root {
		return &Broken{-1, "the entries are not those that were signed"}
	}
	for size := range marks {
		return &Broken{-1, fmt.Sprintf("the log is shorter than a checkpoint of size %d that was signed earlier: entries were cut off", size)}
	}
	return nil
}

func readRecord(line []byte, last int64) (Record, error) {
	var r Record
	if err := strict(line, &r); err != nil {
		return r, &Broken{last + 1, "its line is damaged"}
	}
	if r.Index <= last {
		return r, &Broken{r.Index, "it is out of order"}
	}
	l, err := readLeaf(r.Leaf)
	if err != nil {
		return r, &Broken{r.Index, "its leaf is damaged"}
	}
	if r.Open != nil {
		if !r.Open.matches(l) {
			return r, &Broken{r.Index, "what is shown is not what the leaf commits to"}
		}
	}
	return r, nil
}

func readLeaf(text string) (leaf, error) {
	var l leaf
	err := strict([]byte(text), &l)
	return l, err
}

// strict reads what Export wrote and nothing else: a text that means the same and is spelled otherwise was altered.
func strict(text []byte, into any) error {
	if err := json.Unmarshal(text, into); err != nil {
		return err
	}
	again, err := json.Marshal(into)
	if err != nil {
		return err
	}
	if !bytes.Equal(text, again) {
		return errors.New("not as it was written")
	}
	return nil
}

func lineError(lines *bufio.Scanner) error {
	if err := lines.Err(); err != nil {
		return &Broken{-1, "the bundle cannot be read to its end: " + err.Error()}
	}
	return nil
}

// open checks a checkpoint's signature and reads its size and root.
func open(text string, verifier note.Verifier) (int64, tlog.Hash, error) {
	n, err := note.Open([]byte(text), note.VerifierList(verifier))
	if err != nil {
		return 0, tlog.Hash{}, err
	}
	if _, err := base64.StdEncoding.Strict().DecodeString(n.Sigs[0].Base64); err != nil || len(n.Sigs) != 1 || len(n.UnverifiedSigs) != 0 {
		return 0, tlog.Hash{}, errors.New("not the one signature")
	}
	part := strings.Split(n.Text, "\n")
	if len(part) != 4 || part[0] != verifier.Name() {
		return 0, tlog.Hash{}, errors.New("not a checkpoint")
	}
	size, err := strconv.ParseInt(part[1], 10, 64)
	raw, errRoot := base64.StdEncoding.DecodeString(part[2])
	if err != nil || errRoot != nil || len(raw) != tlog.HashSize {
		return 0, tlog.Hash{}, errors.New("not a checkpoint")
	}
	return size, tlog.Hash(raw), nil
}

// frontier is a growing tree of which only the right edge is kept: one hash for each complete subtree, the largest first.
type frontier struct {
	size  int64
	edges []tlog.Hash
}

func (f *frontier) add(index int64, hash tlog.Hash) error {
	if index != f.size {
		return &Broken{index, "it is out of order"}
	}
	f.edges = append(f.edges, hash)
	f.size++
	for n := f.size; n&1 == 0; n >>= 1 {
		last := len(f.edges) - 1
		f.edges[last-1] = tlog.NodeHash(f.edges[last-1], f.edges[last])
		f.edges = f.edges[:last]
	}
	return nil
}

// root joins the subtrees from the right (RFC 9162 section 2.1.1).
func (f *frontier) root() tlog.Hash {
	last := len(f.edges) - 1
	if last < 0 {
		return tlog.Hash{}
	}
	hash := f.edges[last]
	for i := last - 1; i >= 0; i-- {
		hash = tlog.NodeHash(f.edges[i], hash)
	}
	return hash
}
