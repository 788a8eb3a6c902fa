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

// longestHead bounds the first line, whose length depends on nothing.
const longestHead = 64 << 10

// Verify checks a bundle with nothing but key, the signer's public key from a source that the reader trusts (empty: the one that the bundle names), and, when given, checkpoints kept from earlier, such as a witness's file: the log must contain each. It
// needs no network and no database, works on all processors, and takes memory that does not grow with the bundle.
//
// In the whole log every entry must be there, in order, unaltered, and every checkpoint on the way must agree with it. In a tenant's bundle every entry shown must be in the log; that none was left
// out is not checked, and cannot be without the others' entries. Every fault is a *Broken; the first one in the order of the bundle is told.
func Verify(r io.Reader, key, earlier string) (Verdict, error) {
	lines := bufio.NewReaderSize(r, 64<<10)
	var head Head
	first, err := readHead(lines)
	if err != nil || strict(first, &head) != nil || head.Format != bundleFormat {
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
	size, root, err := openNote(head.Checkpoint, verifier)
	if err != nil || size != head.Size {
		return Verdict{}, &Broken{-1, "the checkpoint's signature does not hold"}
	}
	v := Verdict{Origin: head.Origin, Key: key, Tenant: head.Tenant, Size: size, Root: root}
	marks, err := openAll(earlier, verifier)
	if err != nil {
		return v, err
	}
	check := &checker{verdict: &v, verifier: verifier, tenant: []byte(head.Tenant), marks: marks}
	return v, check.run(lines)
}

// readHead reads the first line.
func readHead(r *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		line = append(line, part...)
		if len(line) > longestHead {
			return nil, errors.New("the first line is too long")
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return bytes.TrimSuffix(line, []byte("\n")), nil
		}
	}
}

// openAll checks the earlier checkpoints' signatures: size to root.
func openAll(earlier string, verifier note.Verifier) (map[int64]tlog.Hash, error) {
	marks := map[int64]tlog.Hash{}
	for _, text := range SplitNotes(earlier) {
		size, root, err := openNote(text, verifier)
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

func readLeaf(text []byte) (leaf, error) {
	var l leaf
	err := strict(text, &l)
	if err == nil && !l.wellFormed() {
		err = errors.New("not a leaf of its version")
	}
	return l, err
}

// agree says what is wrong with a leaf and what is shown of it; empty: nothing.
func agree(text []byte, o *Opened, s Shown) (reason string) {
	l, err := readLeaf(text)
	switch {
	case err != nil:
		return "its leaf is damaged"
	case l.Version == 1 && s != nil || l.Version != 1 && o != nil || o != nil && !o.matches(l) || !s.matches(l):
		return "what is shown is not what the leaf commits to"
	default:
		return ""
	}
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

// openNote checks a checkpoint's signature and reads its size and root.
func openNote(text string, verifier note.Verifier) (int64, tlog.Hash, error) {
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
