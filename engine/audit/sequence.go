package audit

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

// Log is the audit as a Merkle log: entries become leaves, and signed checkpoints say what the log was. It is safe for concurrent use.
type Log struct {
	store     *store.Store
	keeper    *Keeper
	signer    signer
	now       func() time.Time
	log       *slog.Logger
	version   int // of the leaves that are written
	client    *http.Client
	local     func(ctx context.Context, path string) (net.Conn, error)
	witnesses []Witness
}

// LogConfig is what the log works with.
type LogConfig struct {
	Store  *store.Store
	Keeper *Keeper
	Origin string             // names the log in its checkpoints: "postern/" and the installation's id
	Key    ed25519.PrivateKey // signs checkpoints
	Now    func() time.Time
	Logger *slog.Logger

	Witnesses []Witness                                                // where checkpoints are published
	Client    *http.Client                                             // guarded, for witnesses that are called; may be nil without any
	Local     func(ctx context.Context, path string) (net.Conn, error) // to a socket of this machine; likewise
}

// NewLog makes the log. It starts no work; see Sequence.
func NewLog(c LogConfig) *Log {
	return &Log{store: c.Store, keeper: c.Keeper, signer: newSigner(c.Origin, c.Key), now: c.Now, log: c.Logger, version: LeafVersion, client: c.Client, local: c.Local, witnesses: c.Witnesses}
}

const (
	sequenceEvery = 200 * time.Millisecond
	sequenceBatch = 1000
)

// Sequence turns committed entries into leaves until ctx ends. Every process runs it; an advisory lock lets one work at a time, and another takes over when it dies.
// A failure is logged once and tried again: entries wait, they are not lost.
func (l *Log) Sequence(ctx context.Context) {
	tick := time.NewTicker(sequenceEvery)
	defer tick.Stop()
	failing := false
	for {
		n, err := l.SequenceOnce(ctx)
		if err != nil && ctx.Err() == nil && !failing {
			l.log.ErrorContext(ctx, "the audit is not being sequenced", "error", err)
		}
		failing = err != nil
		if n == sequenceBatch {
			continue // a backlog: no pause
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// SequenceOnce does one batch and says how many entries it took; none when another process is the sequencer.
func (l *Log) SequenceOnce(ctx context.Context) (int, error) {
	taken := 0
	err := l.store.OnPlatform(ctx, "sequence the audit", func(tx *store.Tx) error {
		taken = 0
		mine, err := tx.TakeSequencer()
		if err != nil || !mine {
			return err
		}
		entries, err := tx.PendingAuditEntries(sequenceBatch)
		if err != nil || len(entries) == 0 {
			return err
		}
		taken = len(entries)
		return l.grow(ctx, tx, entries)
	})
	if err != nil {
		return 0, fmt.Errorf("sequence the audit: %w", err)
	}
	return taken, nil
}

// grow adds entries to the tree and signs its new head.
func (l *Log) grow(ctx context.Context, tx *store.Tx, entries []models.AuditEntry) error {
	size := int64(0)
	last, err := tx.LatestCheckpoint()
	if err == nil {
		size = last.Size
	} else if !errors.Is(err, store.ErrNotFound) {
		return err
	}
	tree := &tree{tx: tx, first: tlog.StoredHashIndex(0, size)}
	leaves := make([]store.Leaf, len(entries))
	for i, e := range entries {
		text, err := Leaf(e, l.version)
		if err != nil {
			return err
		}
		hash := hashOf(text)
		stored, err := tlog.StoredHashesForRecordHash(size+int64(i), hash, tree)
		if err != nil {
			return fmt.Errorf("grow the tree: %w", err)
		}
		tree.fresh = append(tree.fresh, stored...)
		leaves[i] = store.Leaf{Index: size + int64(i), EntryID: e.ID, Hash: hash[:], Version: l.version}
	}
	size += int64(len(entries))
	root, err := tlog.TreeHash(size, tree)
	if err != nil {
		return fmt.Errorf("hash the tree: %w", err)
	}
	hashes := make([][]byte, len(tree.fresh))
	for i, h := range tree.fresh {
		hashes[i] = h[:]
	}
	if err := tx.InsertLeaves(ctx, leaves, tree.first, hashes); err != nil {
		return err
	}
	signed, err := l.signer.checkpoint(size, root)
	if err != nil {
		return err
	}
	return tx.InsertCheckpoint(models.Checkpoint{Size: size, Root: root[:], Note: signed, At: l.now().UTC()})
}

// tree reads hashes from the database, and those that are not written yet from memory.
type tree struct {
	tx    *store.Tx
	first int64       // index of fresh[0]
	fresh []tlog.Hash // new in this batch
	known map[int64]tlog.Hash
}

// ReadHashes implements tlog.HashReader.
func (t *tree) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	if t.known == nil {
		t.known = map[int64]tlog.Hash{}
	}
	out := make([]tlog.Hash, len(indexes))
	var missing []int64
	for i, index := range indexes {
		switch hash, ok := t.known[index]; {
		case index >= t.first && index-t.first < int64(len(t.fresh)):
			out[i] = t.fresh[index-t.first]
		case ok:
			out[i] = hash
		default:
			missing = append(missing, index)
		}
	}
	read, err := t.tx.AuditHashes(missing)
	if err != nil {
		return nil, err
	}
	for i, h := range read {
		t.known[missing[i]] = tlog.Hash(h)
	}
	if len(missing) > 0 {
		return t.ReadHashes(indexes)
	}
	return out, nil
}

// signer signs checkpoints: notes in the form of golang.org/x/mod/sumdb/note, with Ed25519.
type signer struct {
	key  ed25519.PrivateKey
	name string
	hash uint32
}

// algEd25519 names the algorithm in a note's key (golang.org/x/mod/sumdb/note, "Signing and verifying").
const algEd25519 = 1

func newSigner(name string, key ed25519.PrivateKey) signer {
	public, _ := key.Public().(ed25519.PublicKey)
	sum := sha256.Sum256(append([]byte(name+"\n"), append([]byte{algEd25519}, public...)...))
	return signer{key: key, name: name, hash: binary.BigEndian.Uint32(sum[:])}
}

// Name implements note.Signer.
func (s signer) Name() string { return s.name }

// KeyHash implements note.Signer.
func (s signer) KeyHash() uint32 { return s.hash }

// Sign implements note.Signer.
func (s signer) Sign(text []byte) ([]byte, error) { return ed25519.Sign(s.key, text), nil }

// public is the key with which anybody checks a checkpoint, in note's own form.
func (s signer) public() string {
	public, _ := s.key.Public().(ed25519.PublicKey)
	return fmt.Sprintf("%s+%08x+%s", s.name, s.hash, base64.StdEncoding.EncodeToString(append([]byte{algEd25519}, public...)))
}

// checkpoint writes and signs "origin, size, root", a line each.
func (s signer) checkpoint(size int64, root tlog.Hash) (string, error) {
	signed, err := note.Sign(&note.Note{Text: fmt.Sprintf("%s\n%d\n%s\n", s.name, size, root)}, s)
	if err != nil {
		return "", fmt.Errorf("sign a checkpoint: %w", err)
	}
	return string(signed), nil
}
