package grants

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

// ReceiptFilter narrows a list of receipts or severances. Cursor is the Next of the list before.
type ReceiptFilter struct {
	Tenant  models.TenantID
	Grant   models.GrantID
	Outcome string
	Search  string // part of the mailbox's address
	Open    bool   // severances only: still live at a provider, or not known
	Cursor  string
	Limit   int // 0: 50; at most 200
}

func (f ReceiptFilter) query(actor models.Actor) (store.SeveranceQuery, error) {
	if f.Limit <= 0 {
		f.Limit = 50
	}
	q := store.SeveranceQuery{Tenant: f.Tenant, Grant: f.Grant, Outcome: f.Outcome, Search: f.Search, Open: f.Open, Limit: min(f.Limit, 200) + 1}
	if !actor.Tenant.IsZero() {
		if !f.Tenant.IsZero() && f.Tenant != actor.Tenant {
			return q, store.ErrNotFound
		}
		q.Tenant = actor.Tenant
	}
	if f.Cursor != "" {
		raw, err := base64.RawURLEncoding.DecodeString(f.Cursor)
		at, id, ok := strings.Cut(string(raw), " ")
		if err != nil || !ok {
			return q, errCursor
		}
		if q.BeforeAt, err = time.Parse(time.RFC3339Nano, at); err != nil {
			return q, errCursor
		}
		if _, err = models.ParseID[models.ReceiptID](id); err != nil {
			return q, errCursor
		}
		q.BeforeID = id
	}
	return q, nil
}

func nextCursor(at time.Time, id fmt.Stringer) string {
	return base64.RawURLEncoding.EncodeToString([]byte(at.UTC().Format(time.RFC3339Nano) + " " + id.String()))
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
	return rows, nextCursor(last.CreatedAt, last.ID), nil
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
	return rows, nextCursor(last.CutAt, last.ID), nil
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
