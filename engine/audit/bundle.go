package audit

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

// Head is the first line of a bundle: what it holds, and the signed checkpoint that its proofs lead to. Its length does not depend on the log's.
type Head struct {
	Format     string `json:"format"` // "postern audit bundle 2"
	Origin     string `json:"origin"`
	Key        string `json:"key"`              // of the signer. A reader who has it from elsewhere compares
	Tenant     string `json:"tenant,omitempty"` // of the entries; empty: the whole log
	Size       int64  `json:"size"`
	Checkpoint string `json:"checkpoint"`
}

// Record is every further line of a bundle but the checkpoints: an entry's leaf, what its commitments stand for, and in a tenant's bundle the proof that the leaf is in the log.
type Record struct {
	Index int64           `json:"index"`
	Leaf  json.RawMessage `json:"leaf"`            // as it was hashed, byte for byte
	Open  *Opened         `json:"open,omitempty"`  // version 1. Absent where the personal fields were erased
	Shown Shown           `json:"shown,omitempty"` // version 2. Fields that were erased are missing
	Proof []tlog.Hash     `json:"proof,omitempty"`
}

// mark is a line between the entries of a whole log: the checkpoint that was signed when the log held the entries before it and no more.
type mark struct {
	Checkpoint string `json:"checkpoint"`
}

const bundleFormat = "postern audit bundle 2"

// ErrEmpty says that nothing was sequenced yet.
var ErrEmpty = errors.New("the audit log has no checkpoint yet; try again in a second")

// Export writes a bundle to w: one tenant's entries with their proofs, or with the zero tenant the whole log. It holds no connection while w is slow: it reads a page at a time.
// The export itself is recorded.
func (l *Log) Export(ctx context.Context, actor models.Actor, tenant models.TenantID, w io.Writer) (int, error) {
	if !actor.Sees(tenant) || tenant.IsZero() && !actor.Platform() {
		return 0, store.ErrNotFound
	}
	head := Head{Format: bundleFormat, Origin: l.signer.name, Key: l.signer.public()}
	err := l.store.OnPlatform(ctx, "export the audit", func(tx *store.Tx) error {
		if err := l.keeper.Append(ctx, tx, actor, Entry{Action: "audit.export", Tenant: tenant, ObjectKind: "audit", ObjectID: "log", Object: "audit log"}); err != nil {
			return err
		}
		last, err := tx.LatestCheckpoint()
		if errors.Is(err, store.ErrNotFound) {
			return ErrEmpty
		}
		head.Size, head.Checkpoint = last.Size, last.Note
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("export the audit: %w", err)
	}
	if !tenant.IsZero() {
		head.Tenant = tenant.String()
	}
	out := bufio.NewWriter(w)
	enc := json.NewEncoder(out)
	if err := enc.Encode(head); err != nil {
		return 0, fmt.Errorf("write the bundle: %w", err)
	}
	n := 0
	for from := int64(0); from < head.Size; {
		lines, next, err := l.lines(ctx, tenant, from, head.Size)
		if err != nil {
			return n, err
		}
		for _, line := range lines {
			if err := enc.Encode(line); err != nil {
				return n, fmt.Errorf("write the bundle: %w", err)
			}
			if _, ok := line.(Record); ok {
				n++
			}
		}
		from = next
	}
	if err := out.Flush(); err != nil {
		return n, fmt.Errorf("write the bundle: %w", err)
	}
	return n, nil
}

// lines reads one page of the log, and where the next one begins.
func (l *Log) lines(ctx context.Context, tenant models.TenantID, from, size int64) ([]any, int64, error) {
	const page = 500
	var out []any
	next := size
	err := l.store.OnPlatform(ctx, "export the audit", func(tx *store.Tx) error {
		out, next = nil, size
		rows, err := tx.SequencedEntries(tenant, from, size, page)
		if err != nil {
			return err
		}
		if len(rows) == page {
			next = rows[page-1].Index + 1
		}
		var marks []models.Checkpoint
		if tenant.IsZero() {
			if marks, err = tx.Checkpoints(from, next); err != nil {
				return err
			}
		}
		t := &tree{tx: tx, first: 1 << 62}
		for _, row := range rows {
			text, err := Leaf(row.AuditEntry, row.Version)
			if err != nil {
				return err
			}
			r := Record{Index: row.Index, Leaf: text}
			r.Open, r.Shown = openings(row.AuditEntry, row.Version)
			if !tenant.IsZero() {
				if r.Proof, err = tlog.ProveRecord(size, row.Index, t); err != nil {
					return fmt.Errorf("prove entry %d: %w", row.Index, err)
				}
			}
			out = append(out, r)
			for len(marks) > 0 && marks[0].Size <= row.Index+1 {
				out, marks = append(out, mark{marks[0].Note}), marks[1:]
			}
		}
		return nil
	})
	if err != nil {
		return nil, 0, fmt.Errorf("read the audit log: %w", err)
	}
	return out, next, nil
}

// Standing is where the log is: for pages.
type Standing struct {
	Checkpoint models.Checkpoint // zero Size: none yet
	Waiting    int               // entries that the sequencer has not taken
	Key        string            // with which anybody checks a checkpoint
	Holds      bool              // the checkpoint's signature is ours, and its root is that of the stored tree. Entries are not read: that is Verify's
}

// Standing tells the newest checkpoint and what waits.
func (l *Log) Standing(ctx context.Context) (Standing, error) {
	s := Standing{Key: l.signer.public()}
	err := l.store.OnPlatform(ctx, "show the state of the audit log", func(tx *store.Tx) (err error) {
		if s.Waiting, _, err = tx.CountPendingAudit(); err != nil {
			return err
		}
		s.Checkpoint, err = tx.LatestCheckpoint()
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err == nil {
			s.Holds, err = l.holds(tx, s.Checkpoint)
		}
		return err
	})
	if err != nil {
		return s, fmt.Errorf("read the state of the audit log: %w", err)
	}
	return s, nil
}

func (l *Log) holds(tx *store.Tx, c models.Checkpoint) (bool, error) {
	verifier, err := note.NewVerifier(l.signer.public())
	if err != nil {
		return false, err
	}
	size, root, err := openNote(c.Note, verifier)
	if err != nil || size != c.Size {
		return false, nil //nolint:nilerr // a note that does not open is the answer
	}
	grown, err := tlog.TreeHash(c.Size, &tree{tx: tx, first: 1 << 62})
	return err == nil && grown == root && bytes.Equal(root[:], c.Root), err
}
