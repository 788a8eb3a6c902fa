package grants

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/postern-mail/postern/engine/audit"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/outbox"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

// MostInBatch bounds one batch: more than this is an organisation's end, or asks for a narrower filter.
const MostInBatch = 20_000

// Selection says which grants a batch is to end: those of some ids, or all that a filter lists.
type Selection struct {
	IDs    []models.GrantID
	Filter Filter // used where IDs is empty; its paging is not
}

// Chosen is what a selection comes to, before anything is done.
type Chosen struct {
	Grants      []models.Grant // to be cut, by id
	Already     int            // revoked before: a revocation leaves them as they are
	Offboarding int            // they end with their organisation, by that plan
	Digest      string         // stands for the ids of Grants: what was confirmed is what is done
}

// ProviderCount is how many grants of one provider a choice holds.
type ProviderCount struct {
	Provider string
	Count    int
}

// Providers counts by provider, the most first.
func (c Chosen) Providers() []ProviderCount {
	n := map[string]int{}
	for _, g := range c.Grants {
		n[g.Provider]++
	}
	out := make([]ProviderCount, 0, len(n))
	for code, count := range n {
		out = append(out, ProviderCount{code, count})
	}
	slices.SortFunc(out, func(a, b ProviderCount) int {
		if a.Count != b.Count {
			return b.Count - a.Count
		}
		return strings.Compare(a.Provider, b.Provider)
	})
	return out
}

// Tenants counts the organisations that a choice touches.
func (c Chosen) Tenants() int {
	seen := map[models.TenantID]bool{}
	for _, g := range c.Grants {
		seen[g.TenantID] = true
	}
	return len(seen)
}

// The faults of a batch.
var (
	ErrNothingChosen   = fault.New(fault.Invalid, "nothing_chosen", "Choose at least one mailbox whose access can still be ended.").At("grant")
	ErrTooMany         = fault.New(fault.Invalid, "too_many_chosen", "That is more than 20,000 mailboxes. Narrow the filter, or offboard the organisation.").At("grant")
	ErrSelectionMoved  = fault.New(fault.Conflict, "selection_changed", "What you chose is not what is there any more: somebody connected or ended a mailbox meanwhile. Nothing was changed. Look at it once more.").At("digest")
	errBatchOfSomebody = fault.New(fault.Conflict, "batch_exists", "This form was used before. Start again from the list.")
)

// Choose says what a batch would cut, and changes nothing. Ids that are not the actor's to see are left out, like ids that never were; where none is left it is store.ErrNotFound.
func (s *Service) Choose(ctx context.Context, actor models.Actor, act string, sel Selection) (Chosen, error) {
	f := sel.Filter
	if len(sel.IDs) > 0 {
		f = Filter{WithPending: true}
	}
	f.Cursor, f.Offset, f.Limit, f.Sort, f.Ascending = "", 0, 0, "", false
	q, err := s.query(actor, f)
	if err != nil {
		return Chosen{}, err
	}
	q.IDs, q.Limit = sel.IDs, MostInBatch+1
	found, err := s.seen(ctx, actor, "choose grants to end", q)
	switch {
	case err != nil:
		return Chosen{}, fmt.Errorf("choose grants: %w", err)
	case len(found) > MostInBatch:
		return Chosen{}, ErrTooMany
	}
	c := Chosen{}
	seen := 0
	for _, g := range found {
		if !knows(actor, g) {
			continue
		}
		seen++
		switch {
		case g.StatusReason == doorClosed:
			c.Offboarding++
		case g.Status == models.GrantRevoked && act == actRevoke:
			c.Already++
		default:
			c.Grants = append(c.Grants, g)
		}
	}
	if len(sel.IDs) > 0 && seen == 0 {
		return Chosen{}, store.ErrNotFound
	}
	slices.SortFunc(c.Grants, func(a, b models.Grant) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	sum := sha256.New()
	for _, g := range c.Grants {
		sum.Write(g.ID[:])
	}
	c.Digest = hex.EncodeToString(sum.Sum([]byte{}))
	return c, nil
}

// Together is a batch as somebody confirmed it.
type Together struct {
	ID        models.BatchID // made with the form: sent twice, the form does one thing
	Act       string         // revoke or delete
	Selection Selection
	Digest    string // of the choice that was shown
	Ending
}

// EndTogether begins a batch: the selection is frozen and a durable job cuts each grant as Revoke or Delete would. Sent again, it gives the batch that is there.
func (s *Service) EndTogether(ctx context.Context, actor models.Actor, t Together) (models.Batch, error) {
	if actor.Kind != models.ActorMember || t.ID.IsZero() || t.Act != actRevoke && t.Act != actDelete {
		return models.Batch{}, store.ErrNotFound
	}
	if before, err := s.ownBatch(ctx, actor, t.ID); !absent(err) {
		return before, err
	}
	c, err := s.Choose(ctx, actor, t.Act, t.Selection)
	switch {
	case err != nil:
		return models.Batch{}, err
	case len(c.Grants) == 0:
		return models.Batch{}, ErrNothingChosen
	case c.Digest != t.Digest:
		return models.Batch{}, ErrSelectionMoved
	}
	if t.Reach == "" {
		t.Reach = models.ReachEverywhere
	}
	now := s.now()
	b := models.Batch{ID: t.ID, Act: t.Act, Reach: t.Reach, Reason: t.Reason, RequestedBy: actor.Label, RequestedByID: actor.ID, RequestedAt: now, Total: len(c.Grants), BeatAt: now}
	if c.Tenants() == 1 {
		b.TenantID = &c.Grants[0].TenantID
	}
	err = s.read(ctx, actor, "end many grants together", func(tx *store.Tx) error {
		if err := tx.InsertBatch(b); err != nil {
			return err
		}
		if err := tx.InsertBatchItems(b.ID, c.Grants); err != nil {
			return err
		}
		entry := audit.Entry{Action: "grants." + t.Act, ObjectKind: "batch", ObjectID: b.ID.String(), Object: fmt.Sprintf("%d mailboxes", b.Total), Detail: map[string]string{"reason": t.Reason, "reach": string(t.Reach), "selection": c.Digest}}
		if b.TenantID != nil {
			entry.Tenant = *b.TenantID
		}
		for _, n := range c.Providers() {
			entry.Detail[n.Provider] = fmt.Sprint(n.Count)
		}
		if err := s.audit.Append(ctx, tx, actor, entry); err != nil {
			return err
		}
		return s.outbox.Job(ctx, tx, EndBatch{Batch: b.ID}, outbox.LongWork())
	})
	if errors.Is(err, store.ErrTaken) { // the same form, twice at once
		return s.ownBatch(ctx, actor, t.ID)
	}
	if err != nil {
		return b, fmt.Errorf("end grants together: %w", err)
	}
	return b, nil
}

// ownBatch reads a batch that this actor began.
func (s *Service) ownBatch(ctx context.Context, actor models.Actor, id models.BatchID) (models.Batch, error) {
	b, err := s.batch(ctx, actor, id)
	if err == nil && b.RequestedByID != actor.ID {
		return models.Batch{}, errBatchOfSomebody
	}
	return b, err
}

func (s *Service) batch(ctx context.Context, actor models.Actor, id models.BatchID) (models.Batch, error) {
	var b models.Batch
	err := s.read(ctx, actor, "read a batch for staff", func(tx *store.Tx) (err error) {
		b, err = tx.Batch(id)
		return err
	})
	if err != nil {
		return models.Batch{}, fmt.Errorf("read a batch: %w", err)
	}
	if !actor.Tenant.IsZero() && (b.TenantID == nil || *b.TenantID != actor.Tenant) {
		return models.Batch{}, store.ErrNotFound
	}
	return b, nil
}

// BatchCount is how many mailboxes of a batch stand alike; BatchLine is one of them.
type (
	BatchCount = store.BatchCount
	BatchLine  = store.BatchLine
)

// BatchStanding is a batch and how far it got.
type BatchStanding struct {
	models.Batch
	Counts []BatchCount
	Lines  []BatchLine
	Next   int // the place to go on after; 0: no more lines
}

// Done is how many grants have an outcome.
func (b BatchStanding) Done() int {
	return b.count(func(c BatchCount) bool { return c.Outcome != models.BatchWaiting })
}

// Cut is how many grants this batch cut itself.
func (b BatchStanding) Cut() int {
	return b.count(func(c BatchCount) bool { return c.Outcome == models.BatchCut })
}

// Open is how many of those wait for the answer of a provider.
func (b BatchStanding) Open() int {
	return b.count(func(c BatchCount) bool { return c.Outcome == models.BatchCut && c.Severed == "" })
}

// Failed is how many could not be cut here so far; they are tried again.
func (b BatchStanding) Failed() int { return b.count(func(c BatchCount) bool { return c.Failed }) }

// Severed is how many severances of this batch have one outcome.
func (b BatchStanding) Severed(outcome string) int {
	return b.count(func(c BatchCount) bool { return c.Outcome == models.BatchCut && c.Severed == outcome })
}

// Ended is how many have one outcome here.
func (b BatchStanding) Ended(outcome models.BatchOutcome) int {
	return b.count(func(c BatchCount) bool { return c.Outcome == outcome })
}

func (b BatchStanding) count(is func(BatchCount) bool) int {
	n := 0
	for _, c := range b.Counts {
		if is(c) {
			n += c.Count
		}
	}
	return n
}

// FindBatch gives a batch, its counts, and its lines past one place. most 0: no lines. A foreign one is store.ErrNotFound.
func (s *Service) FindBatch(ctx context.Context, actor models.Actor, id models.BatchID, after, most int) (BatchStanding, error) {
	var out BatchStanding
	var err error
	if out.Batch, err = s.batch(ctx, actor, id); err != nil {
		return out, err
	}
	err = s.read(ctx, actor, "read a batch for staff", func(tx *store.Tx) error {
		if out.Counts, err = tx.CountBatch(id); err != nil || most == 0 {
			return err
		}
		out.Lines, err = tx.BatchLines(id, after, most+1)
		return err
	})
	if err != nil {
		return out, fmt.Errorf("read a batch: %w", err)
	}
	if most > 0 && len(out.Lines) > most {
		out.Lines = out.Lines[:most]
		out.Next = out.Lines[most-1].Place
	}
	return out, nil
}

// Batches lists the batches that the actor may know of, the newest first, and the cursor of the next page.
func (s *Service) Batches(ctx context.Context, actor models.Actor, cursor string, limit int) ([]models.Batch, string, error) {
	q := store.BatchQuery{Tenant: actor.Tenant, Limit: min(max(limit, 1), 200) + 1}
	var err error
	if q.BeforeAt, q.BeforeID, err = store.ReadCursor[models.BatchID](cursor); err != nil {
		return nil, "", err
	}
	var rows []models.Batch
	err = s.read(ctx, actor, "list batches for staff", func(tx *store.Tx) (err error) {
		rows, err = tx.Batches(q)
		return err
	})
	if err != nil {
		return nil, "", fmt.Errorf("list batches: %w", err)
	}
	if len(rows) < q.Limit {
		return rows, "", nil
	}
	rows = rows[:q.Limit-1]
	last := rows[len(rows)-1]
	return rows, store.Cursor(last.RequestedAt, last.ID), nil
}
