package audit

import (
	"context"
	"encoding/base64"
	"fmt"
	"strings"
	"time"

	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

// Entry is what a deed says of itself. Zero ids are left empty; an empty Outcome means done.
type Entry struct {
	ID          models.AuditID // zero: one is made. A caller that points at its entry from elsewhere makes it
	Action      string         // what was asked: grant.revoke
	Tenant      models.TenantID
	Application models.ApplicationID
	ObjectKind  string
	ObjectID    string
	Object      string // its name for people
	Outcome     string
	Detail      map[string]string // no secret, no mail content
}

// Keeper writes and lists entries. It is safe for concurrent use.
type Keeper struct {
	store *store.Store
	now   func() time.Time
}

// New makes the keeper.
func New(s *store.Store, now func() time.Time) *Keeper { return &Keeper{store: s, now: now} }

// Append writes the entry in the caller's transaction. Its error must end that transaction.
func (k *Keeper) Append(_ context.Context, tx *store.Tx, actor models.Actor, e Entry) error {
	at := k.now().UTC()
	if e.ID.IsZero() {
		e.ID = models.NewID[models.AuditID](at)
	}
	row := models.AuditEntry{
		ID: e.ID, At: at, ActorKind: actor.Kind, ActorID: actor.ID, Actor: actor.Label,
		Action: e.Action, ObjectKind: e.ObjectKind, ObjectID: e.ObjectID, Object: e.Object, Outcome: e.Outcome,
		Detail: e.Detail, RequestID: actor.RequestID,
	}
	if row.Outcome == "" {
		row.Outcome = models.OutcomeDone
	}
	if !e.Tenant.IsZero() {
		row.TenantID = &e.Tenant
	}
	if !e.Application.IsZero() {
		row.ApplicationID = &e.Application
	}
	if actor.Addr.IsValid() {
		row.Address = actor.Addr.String()
	}
	if err := tx.InsertAuditEntry(row); err != nil {
		return fmt.Errorf("write the audit entry %s: %w", e.Action, err)
	}
	return nil
}

// Filter narrows a list. Cursor is Page.Next or Page.Prev of the list before.
type Filter struct {
	Tenant               models.TenantID
	Actor, Action        string
	ObjectKind, ObjectID string
	Outcome              string
	Since, Until         time.Time
	Cursor               string
	Limit                int // 0: 50; at most 200
}

// Page is one page of the list, the newest first. Next leads to older entries, Prev to newer ones; empty where there are none.
type Page struct {
	Entries    []models.AuditEntry
	Next, Prev string
}

// store.ErrCursor says that a cursor is not one of ours.

// List gives entries the actor may know of: staff see all, everybody else their own tenant's. It is for lines on the page of something else; a page of the audit itself calls Read.
func (k *Keeper) List(ctx context.Context, actor models.Actor, f Filter) (Page, error) {
	return k.list(ctx, actor, f, func(*store.Tx, models.TenantID) error { return nil })
}

// list reads a page and then runs also in the same transaction.
func (k *Keeper) list(ctx context.Context, actor models.Actor, f Filter, also func(*store.Tx, models.TenantID) error) (Page, error) {
	if f.Limit <= 0 {
		f.Limit = 50
	}
	f.Limit = min(f.Limit, 200)
	q := store.AuditQuery{Actor: f.Actor, Action: f.Action, ObjectKind: f.ObjectKind, ObjectID: f.ObjectID, Outcome: f.Outcome, Since: f.Since, Until: f.Until, Limit: f.Limit + 1}
	back, err := readCursor(f.Cursor, &q)
	if err != nil {
		return Page{}, err
	}
	var rows []models.AuditEntry
	err = k.within(ctx, actor, f.Tenant, "list the audit for staff", func(tx *store.Tx, tenant models.TenantID) (err error) {
		q.Tenant = tenant
		if rows, err = tx.AuditEntries(q); err != nil {
			return err
		}
		return also(tx, tenant)
	})
	if err != nil {
		return Page{}, fmt.Errorf("list the audit: %w", err)
	}
	return paged(rows, f, back), nil
}

// Find gives one entry, or store.ErrNotFound where the actor may not know of it. The page of the entry calls Open.
func (k *Keeper) Find(ctx context.Context, actor models.Actor, id models.AuditID) (models.AuditEntry, error) {
	return k.find(ctx, actor, id, func(*store.Tx, models.AuditEntry) error { return nil })
}

func (k *Keeper) find(ctx context.Context, actor models.Actor, id models.AuditID, also func(*store.Tx, models.AuditEntry) error) (models.AuditEntry, error) {
	var row models.AuditEntry
	err := k.within(ctx, actor, models.TenantID{}, "read an audit entry for staff", func(tx *store.Tx, _ models.TenantID) (err error) {
		if row, err = tx.AuditEntry(id); err != nil {
			return err
		}
		return also(tx, row)
	})
	return row, err
}

// paged cuts the row too many and makes the cursors. back says that the rows came from the newer side.
func paged(rows []models.AuditEntry, f Filter, back bool) Page {
	more := len(rows) > f.Limit
	if more && back {
		rows = rows[1:]
	} else if more {
		rows = rows[:f.Limit]
	}
	p := Page{Entries: rows}
	if len(rows) == 0 {
		return p
	}
	if more || back {
		p.Next = cursor("o", rows[len(rows)-1])
	}
	if f.Cursor != "" && (more || !back) {
		p.Prev = cursor("n", rows[0])
	}
	return p
}

func cursor(way string, e models.AuditEntry) string {
	return base64.RawURLEncoding.EncodeToString([]byte(way + " " + e.At.UTC().Format(time.RFC3339Nano) + " " + e.ID.String()))
}

func readCursor(text string, q *store.AuditQuery) (back bool, err error) {
	if text == "" {
		return false, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return false, store.ErrCursor
	}
	part := strings.Split(string(raw), " ")
	if len(part) != 3 {
		return false, store.ErrCursor
	}
	at, errTime := time.Parse(time.RFC3339Nano, part[1])
	id, errID := models.ParseID[models.AuditID](part[2])
	if errTime != nil || errID != nil {
		return false, store.ErrCursor
	}
	switch part[0] {
	case "o":
		q.BeforeAt, q.BeforeID = at, id
		return false, nil
	case "n":
		q.AfterAt, q.AfterID = at, id
		return true, nil
	default:
		return false, store.ErrCursor
	}
}
