package audit

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

// The kinds of documents, as their first line names them.
const (
	ReceiptFormat     = "postern receipt 1"
	CertificateFormat = "postern certificate 1"
)

// Document is a signed statement about one act, with the proof that the audit log has the entry that commits to it. It is written by one
// program and read by another without network or database.
type Document struct {
	Format    string          `json:"format"`
	Origin    string          `json:"origin"`
	Key       string          `json:"key"` // of the signer. A reader who has it from elsewhere compares
	Body      json.RawMessage `json:"body"`
	Proof     *Inclusion      `json:"proof,omitempty"` // absent on documents that were written before the log committed to them
	Signature string          `json:"signature"`       // Ed25519 over everything above, base64
}

// Inclusion proves that one entry is in the log: its leaf, what the commitments stand for, and the way up to a signed checkpoint (RFC 9162 section 2.1.3).
type Inclusion struct {
	Index      int64       `json:"index"`
	Leaf       string      `json:"leaf"`
	Open       *Opened     `json:"open,omitempty"`  // version 1. Absent where the personal fields were erased
	Shown      Shown       `json:"shown,omitempty"` // version 2. Fields that were erased are missing
	Checkpoint string      `json:"checkpoint"`
	Path       []tlog.Hash `json:"path"`
}

// DigestField is the detail of an audit entry that commits to a document's body.
const DigestField = "digest"

// errUnsequenced says that an entry is written and not yet in the log: the sequencer takes it within a second.
var errUnsequenced = fault.New(fault.Unavailable, "not_in_log_yet", "The audit log does not have this yet. It takes a second: try again.")

// Digest is what an audit entry keeps of a document's body: SHA-256 over its JSON, hexadecimal. The same body gives the same bytes for ever: times must be in UTC.
func Digest(body any) (string, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return "", fmt.Errorf("write a document's body: %w", err)
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:]), nil
}

// Key is the public key with which anybody checks checkpoints and documents, in the form of golang.org/x/mod/sumdb/note.
func (l *Log) Key() string { return l.signer.public() }

// Prove gives the proof that an entry is in the log. The caller has found the entry for its reader. An entry that waits for the sequencer is a fault of kind Unavailable.
func (l *Log) Prove(ctx context.Context, entry models.AuditID) (Inclusion, error) {
	var p Inclusion
	err := l.store.OnPlatform(ctx, "prove an audit entry", func(tx *store.Tx) error {
		place, err := tx.LeafOf(entry)
		if errors.Is(err, store.ErrNotFound) {
			return errUnsequenced
		}
		if err != nil {
			return err
		}
		row, err := tx.AuditEntry(entry)
		if err != nil {
			return err
		}
		last, err := tx.LatestCheckpoint()
		if err != nil {
			return err
		}
		p.Index, p.Checkpoint = place.Index, last.Note
		text, err := Leaf(row, place.Version)
		if err != nil {
			return err
		}
		p.Leaf = string(text)
		p.Open, p.Shown = openings(row, place.Version)
		p.Path, err = tlog.ProveRecord(last.Size, place.Index, &tree{tx: tx, first: 1 << 62})
		return err
	})
	if err != nil {
		return p, fmt.Errorf("prove an audit entry: %w", err)
	}
	return p, nil
}

// Inclusion proves an entry as Prove does, checks the proof, and tells how many entries the log had at the checkpoint that it leads to.
func (l *Log) Inclusion(ctx context.Context, entry models.AuditID) (Inclusion, int64, error) {
	p, err := l.Prove(ctx, entry)
	if err != nil {
		return p, 0, err
	}
	verifier, err := note.NewVerifier(l.signer.public())
	if err != nil {
		return p, 0, fmt.Errorf("read our own key: %w", err)
	}
	size, err := p.check(verifier)
	return p, size, err
}

// Document writes and signs a document. entry is the audit entry that holds the body's digest; the zero id makes a document without proof.
func (l *Log) Document(ctx context.Context, format string, body any, entry models.AuditID) ([]byte, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return nil, fmt.Errorf("write a document's body: %w", err)
	}
	d := Document{Format: format, Origin: l.signer.name, Key: l.signer.public(), Body: text}
	if !entry.IsZero() {
		proof, err := l.Prove(ctx, entry)
		if err != nil {
			return nil, err
		}
		d.Proof = &proof
	}
	signed, err := d.signed()
	if err != nil {
		return nil, err
	}
	d.Signature = base64.StdEncoding.EncodeToString(ed25519.Sign(l.signer.key, signed))
	return d.file()
}

// signed gives the bytes under the signature. Their first line keeps them apart from a checkpoint's, which begins with the log's name.
func (d Document) signed() ([]byte, error) {
	d.Signature = ""
	text, err := json.Marshal(d)
	if err != nil {
		return nil, fmt.Errorf("write a document: %w", err)
	}
	return append([]byte("postern document 1\n"), text...), nil
}

// file is the one spelling of a document: a text that means the same and is spelled otherwise was altered.
func (d Document) file() ([]byte, error) {
	text, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write a document: %w", err)
	}
	return append(text, '\n'), nil
}

// IsDocument says whether a file's first bytes are those of a document rather than of a bundle.
func IsDocument(start []byte) bool {
	for _, format := range []string{ReceiptFormat, CertificateFormat} {
		if bytes.HasPrefix(start, []byte("{\n  \"format\": \""+format+"\"")) {
			return true
		}
	}
	return false
}

// DocumentVerdict is what checking a document found.
type DocumentVerdict struct {
	Format, Origin, Key string
	Body                json.RawMessage
	Proven              bool  // the audit log has the entry that commits to the body
	Index               int64 // of that entry
	Size                int64 // of the log that the proof leads to
}

// VerifyDocument checks a receipt or certificate with nothing but the file and the signer's public key from a source that the reader trusts. An empty key takes the
// one that the document names: then it is proven to be whole, not by whom it was written. Every fault is a *Broken.
func VerifyDocument(text []byte, key string) (DocumentVerdict, error) {
	bad := func(reason string) (DocumentVerdict, error) { return DocumentVerdict{}, &Broken{-1, reason} }
	var d Document
	if err := json.Unmarshal(text, &d); err != nil {
		return bad("this is not a document of Postern, or it is damaged or cut off")
	}
	if d.Format != ReceiptFormat && d.Format != CertificateFormat {
		return bad("this is not a document of Postern, or its first line is damaged")
	}
	again, err := d.file()
	if err != nil || !bytes.Equal(again, text) {
		return bad("the document is not spelled as it was written: it was altered")
	}
	if key == "" {
		key = d.Key
	}
	verifier, err := note.NewVerifier(key)
	if err != nil {
		return bad("the key is not one that Postern prints")
	}
	if d.Key != key || d.Origin != verifier.Name() {
		return bad("the document was signed with another key than the one given")
	}
	signed, err := d.signed()
	signature, errText := base64.StdEncoding.DecodeString(d.Signature)
	public, ok := publicOf(key)
	if err != nil || errText != nil || !ok || !ed25519.Verify(public, signed, signature) {
		return bad("the signature does not hold: the document was altered")
	}
	v := DocumentVerdict{Format: d.Format, Origin: d.Origin, Key: key, Body: d.Body}
	if d.Proof == nil {
		return v, nil
	}
	if v.Size, err = d.Proof.check(verifier); err != nil {
		return v, err
	}
	var body bytes.Buffer
	if err := json.Compact(&body, d.Body); err != nil {
		return bad("the document's body is damaged")
	}
	sum := sha256.Sum256(body.Bytes())
	committed := detail(d.Proof.Open, d.Proof.Shown, DigestField)
	if (d.Proof.Open != nil || committed != "") && committed != hex.EncodeToString(sum[:]) {
		return bad("the audit log has another document than this one")
	}
	v.Proven, v.Index = committed != "", d.Proof.Index
	return v, nil
}

// check follows the proof up to the checkpoint and gives the log's size there.
func (p Inclusion) check(verifier note.Verifier) (int64, error) {
	size, root, err := openNote(p.Checkpoint, verifier)
	if err != nil {
		return 0, &Broken{p.Index, "the signature of the checkpoint that proves it does not hold"}
	}
	if err := tlog.CheckRecord(p.Path, size, root, p.Index, hashOf([]byte(p.Leaf))); err != nil {
		return size, &Broken{p.Index, "it is not in the log, or was altered"}
	}
	if reason := agree([]byte(p.Leaf), p.Open, p.Shown); reason != "" {
		return size, &Broken{p.Index, reason}
	}
	return size, nil
}

func (o Opened) matches(l leaf) bool {
	actor, object, detail, address := o.commitments()
	return actor == l.Actor && object == l.Object && detail == l.Detail && address == l.Address
}

// publicOf takes the key out of note's form, which NewVerifier has read already.
func publicOf(key string) (ed25519.PublicKey, bool) {
	part := strings.SplitN(key, "+", 3)
	raw, err := base64.StdEncoding.DecodeString(part[len(part)-1])
	if err != nil || len(raw) != 1+ed25519.PublicKeySize || raw[0] != algEd25519 {
		return nil, false
	}
	return raw[1:], true
}
