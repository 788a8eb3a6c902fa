package grants

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

// ReceiptFilter narrows a list of receipts or severances. Cursor is the Next of the list before.
type ReceiptFilter struct {
	Tenant   models.TenantID
	Grant    models.GrantID
	Outcome  string
	Search   string // part of the mailbox's address
	Provider string
	Open     bool // severances only: the work at the provider is under way
	Live     bool // severances only: the permission may still stand at the provider
	Cursor   string
	Limit    int // 0: 50; at most 200
}

func (f ReceiptFilter) query(actor models.Actor) (store.SeveranceQuery, error) {
	if f.Limit <= 0 {
		f.Limit = 50
	}
	q := store.SeveranceQuery{Tenant: f.Tenant, Grant: f.Grant, Outcome: f.Outcome, Search: f.Search, Provider: f.Provider, Open: f.Open, Live: f.Live, Limit: min(f.Limit, 200) + 1}
	if !actor.Tenant.IsZero() {
		if !f.Tenant.IsZero() && f.Tenant != actor.Tenant {
			return q, store.ErrNotFound
		}
		q.Tenant = actor.Tenant
	}
	if f.Cursor != "" {
		at, id, err := store.ReadCursor[models.ReceiptID](f.Cursor)
		if err != nil {
			return q, err
		}
		q.BeforeAt, q.BeforeID = at, id.String()
	}
	return q, nil
}

// Receipts lists receipts the actor may see, the newest first, and the cursor of the next page.
func (s *Service) Receipts(ctx context.Context, actor models.Actor, f ReceiptFilter) ([]models.Receipt, string, error) {
	q, err := f.query(actor)
	if err != nil {
		return nil, "", err
	}
	var rows []models.Receipt
	err = s.read(ctx, actor, "list receipts for staff", func(tx *store.Tx) error {
		rows, err = tx.Receipts(q)
		return err
	})
	if err != nil {
		return nil, "", fmt.Errorf("list receipts: %w", err)
	}
	if len(rows) < q.Limit {
		return rows, "", nil
	}
	rows = rows[:q.Limit-1]
	last := rows[len(rows)-1]
	return rows, store.Cursor(last.CreatedAt, last.ID), nil
}

// Severances lists the work of ending access, the newest first, and the cursor of the next page. With Open it is the list of what may still be live
// at a provider.
func (s *Service) Severances(ctx context.Context, actor models.Actor, f ReceiptFilter) ([]models.Severance, string, error) {
	q, err := f.query(actor)
	if err != nil {
		return nil, "", err
	}
	var rows []models.Severance
	err = s.read(ctx, actor, "list severances for staff", func(tx *store.Tx) error {
		rows, err = tx.Severances(q)
		return err
	})
	if err != nil {
		return nil, "", fmt.Errorf("list severances: %w", err)
	}
	if len(rows) < q.Limit {
		return rows, "", nil
	}
	rows = rows[:q.Limit-1]
	last := rows[len(rows)-1]
	return rows, store.Cursor(last.CutAt, last.ID), nil
}

// Receipt gives one receipt and its body. A foreign one is store.ErrNotFound.
func (s *Service) Receipt(ctx context.Context, actor models.Actor, id models.ReceiptID) (models.Receipt, ReceiptBody, error) {
	var row models.Receipt
	var body ReceiptBody
	err := s.read(ctx, actor, "read a receipt for staff", func(tx *store.Tx) (err error) {
		row, err = tx.Receipt(id)
		return err
	})
	if err != nil {
		return row, body, fmt.Errorf("read a receipt: %w", err)
	}
	if !actor.Sees(row.TenantID) || !actor.Application.IsZero() && actor.Application != row.ApplicationID {
		return models.Receipt{}, body, store.ErrNotFound
	}
	if err := json.Unmarshal(row.Body, &body); err != nil {
		return row, body, fmt.Errorf("read a receipt's body: %w", err)
	}
	return row, body, nil
}

// Outcomes counts severances by day and outcome since a time, for charts. "open" stands for those not closed yet.
func (s *Service) Outcomes(ctx context.Context, actor models.Actor, since time.Time) ([]store.OutcomeCount, error) {
	var rows []store.OutcomeCount
	err := s.read(ctx, actor, "count severances for staff", func(tx *store.Tx) (err error) {
		rows, err = tx.CountOutcomes(actor.Tenant, since)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("count severances: %w", err)
	}
	return rows, nil
}

// ReceiptDocument is a receipt as it is signed: the whole of it, for somebody who has nothing else.
type ReceiptDocument struct {
	Receipt     string    `json:"receipt"`
	Tenant      string    `json:"tenant"`
	Application string    `json:"application"`
	Grant       string    `json:"grant"`
	Mailbox     string    `json:"mailbox"`
	Provider    string    `json:"provider"`
	Outcome     string    `json:"outcome"`
	WrittenAt   time.Time `json:"written_at"`
	ReceiptBody
}

// documentOf gives the same document for the same receipt for ever: its digest stands in the audit log.
func documentOf(r models.Receipt, b ReceiptBody) ReceiptDocument {
	return ReceiptDocument{Receipt: r.ID.String(), Tenant: r.TenantID.String(), Application: r.ApplicationID.String(), Grant: r.GrantID.String(), Mailbox: r.Email, Provider: r.Provider,
		Outcome: r.Outcome, WrittenAt: r.CreatedAt.UTC(), ReceiptBody: b}
}

// Document gives what is signed of a receipt, and the audit entry that commits to it; the zero id where none does.
func Document(r models.Receipt, b ReceiptBody) (ReceiptDocument, models.AuditID) {
	var entry models.AuditID
	if r.EntryID != nil {
		entry = *r.EntryID
	}
	return documentOf(r, b), entry
}

var (
	errNothingLive = fault.New(fault.Conflict, "nothing_to_confirm", "There is nothing to confirm: the provider confirmed the end itself, or somebody wrote it down before.")
	errNoteLong    = fault.New(fault.Invalid, "note_too_long", "Say in at most 300 characters who confirmed it, and how.").At("note")
)

// Confirm writes down that the customer saw the permission gone at the provider: by whom it was written, when, and what they said. It is the one way off the list of what
// is still live that does not come from a provider. The work at the provider, where it is under way, goes on.
func (s *Service) Confirm(ctx context.Context, actor models.Actor, id models.SeveranceID, note string) (models.Severance, error) {
	if len([]rune(note)) > 300 {
		return models.Severance{}, errNoteLong
	}
	v, err := s.Severance(ctx, actor, id)
	if err != nil {
		return v, err
	}
	err = s.store.InTenant(ctx, v.TenantID, func(tx *store.Tx) error {
		if err := tx.ConfirmSeverance(v.TenantID, v.ID, actor.Label, actor.ID, note, s.now()); absent(err) {
			return errNothingLive
		} else if err != nil {
			return err
		}
		entry := objectOf(models.Grant{TenantID: v.TenantID, ApplicationID: v.ApplicationID, ID: v.GrantID, Email: v.Email})
		entry.Action, entry.Detail = "grant.confirm_severed", map[string]string{"provider": v.Provider, "note": note}
		return s.audit.Append(ctx, tx, actor, entry)
	})
	if err != nil {
		return v, fmt.Errorf("confirm a severance: %w", err)
	}
	return v, nil
}

// Severance reads one. A foreign one is store.ErrNotFound.
func (s *Service) Severance(ctx context.Context, actor models.Actor, id models.SeveranceID) (models.Severance, error) {
	var v models.Severance
	err := s.read(ctx, actor, "read a severance for staff", func(tx *store.Tx) (err error) {
		v, err = tx.AnySeverance(id)
		return err
	})
	if err != nil {
		return v, fmt.Errorf("read a severance: %w", err)
	}
	if !actor.Sees(v.TenantID) || !actor.Application.IsZero() && actor.Application != v.ApplicationID {
		return models.Severance{}, store.ErrNotFound
	}
	return v, nil
}

// StillLive counts what may still stand at a provider, as far as the actor may know.
func (s *Service) StillLive(ctx context.Context, actor models.Actor) (int, error) {
	return s.StillLiveOf(ctx, actor, actor.Tenant)
}

// StillLiveOf is StillLive for one tenant; the zero id counts all.
func (s *Service) StillLiveOf(ctx context.Context, actor models.Actor, tenant models.TenantID) (int, error) {
	if !actor.Sees(tenant) {
		return 0, store.ErrNotFound
	}
	n := 0
	err := s.read(ctx, actor, "count what is still live for staff", func(tx *store.Tx) (err error) {
		n, err = tx.CountLiveSeverances(tenant)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("count what is still live: %w", err)
	}
	return n, nil
}
