package ledger

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

var (
	errDenied = fault.New(fault.Denied, "accesses_denied", "The access ledger is for the company's staff, its reviewers and its customers.")
)

// Latest is how many accesses of a mailbox are summed up.
const Latest = 1000

// Filter narrows the ledger. Empty fields do not narrow; Cursor is Page.Next of the list before.
type Filter struct {
	Tenant    models.TenantID
	Grant     models.GrantID
	Actor     string // id of a key or token
	Operation string
	Refused   bool
	Since     time.Time
	Cursor    string
	Limit     int // 0: 50; at most 500
}

// Page is one page of the ledger, the newest first. Next is empty at the end.
type Page struct {
	Accesses []store.AccessSeen
	Next     string
}

// List lists what the actor may see: staff all, a customer or guest their own tenant.
func (s *Service) List(ctx context.Context, actor models.Actor, f Filter) (Page, error) {
	limit := f.Limit
	if limit <= 0 {
		limit = 50
	}
	q := store.AccessQuery{Tenant: f.Tenant, Grant: f.Grant, Actor: strings.TrimSpace(f.Actor), Operation: f.Operation, Refused: f.Refused, Since: f.Since, Limit: min(limit, 500) + 1}
	var err error
	if q.BeforeAt, q.BeforeID, err = store.ReadCursor[models.AccessID](f.Cursor); err != nil {
		return Page{}, err
	}
	var p Page
	read := func(tx *store.Tx) (err error) {
		p.Accesses, err = tx.Accesses(q)
		return err
	}
	switch {
	case actor.Platform():
		err = s.store.OnPlatform(ctx, "read the access ledger for staff", read)
	case (actor.Kind == models.ActorMember || actor.Kind == models.ActorGuest) && !actor.Tenant.IsZero():
		if !q.Tenant.IsZero() && q.Tenant != actor.Tenant {
			return p, nil // another tenant's ledger is empty, like that of one that does not exist
		}
		q.Tenant = actor.Tenant
		err = s.store.InTenant(ctx, actor.Tenant, read)
	default:
		return p, errDenied
	}
	if err != nil {
		return Page{}, fmt.Errorf("list the access ledger: %w", err)
	}
	if len(p.Accesses) == q.Limit {
		p.Accesses = p.Accesses[:q.Limit-1]
		last := p.Accesses[len(p.Accesses)-1]
		p.Next = store.Cursor(last.At, last.ID)
	}
	return p, nil
}

// Who sums up who reached the grant's mailbox, among its Latest accesses: one line for each key or token and what it did. The caller has found the grant for the actor.
func (s *Service) Who(ctx context.Context, actor models.Actor, g models.Grant) ([]store.Accessor, error) {
	if actor.Kind != models.ActorMember && actor.Kind != models.ActorGuest && !actor.Platform() || !actor.Sees(g.TenantID) {
		return nil, errDenied
	}
	var who []store.Accessor
	err := s.store.InTenant(ctx, g.TenantID, func(tx *store.Tx) (err error) {
		who, err = tx.Accessors(g.TenantID, g.ID, Latest)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("sum up the accesses to a grant: %w", err)
	}
	return who, nil
}

// Header names the columns of Record.
func Header() []string {
	return []string{"time", "id", "tenant_id", "application_id", "grant_id", "mailbox", "actor_kind", "actor_id", "actor", "operation", "outcome", "address", "request_id"}
}

// Record writes an access for a file.
func Record(a store.AccessSeen) []string {
	return []string{a.At.UTC().Format(time.RFC3339Nano), a.ID.String(), a.TenantID.String(), a.ApplicationID.String(), a.GrantID.String(), a.Email, string(a.ActorKind), a.ActorID, a.Actor,
		a.Operation, a.Outcome, a.Address, a.RequestID}
}
