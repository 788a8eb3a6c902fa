package grants

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

// Filter narrows a list of grants. Empty fields do not narrow. Cursor is for pages, Offset for the v3 API; not both.
type Filter struct {
	Application models.ApplicationID
	Tenant      models.TenantID
	Provider    string
	Status      string // valid, invalid, revoked, pending; empty: all but pending
	Email       string // the whole address, any case
	Address     string // of the person who connected
	Search      string // part of the mailbox's address, or a grant's id
	Since       time.Time
	Before      time.Time
	Sort        string // created_at (default) or updated_at
	Ascending   bool
	Limit       int // 0: 50; at most 200
	Offset      int
	Cursor      string
	WithPending bool
}

// Page is one page of grants. Total counts at most CountedUpTo; Next is empty on the last page.
type Page struct {
	Grants []models.Grant
	Next   string
	Total  int
}

// CountedUpTo is where counting stops: a person needs to know "many", and counting all would cost with the table.
const CountedUpTo = 10_000

// List gives the grants the actor may know of. It counts only when no cursor and no offset is given.
func (s *Service) List(ctx context.Context, actor models.Actor, f Filter) (Page, error) {
	q, err := s.query(actor, f)
	if err != nil {
		return Page{}, err
	}
	var p Page
	if f.Cursor == "" && f.Offset == 0 && (actor.Kind == models.ActorMember || actor.Kind == models.ActorGuest) {
		err = s.read(ctx, actor, "list grants for staff", func(tx *store.Tx) error {
			if p.Grants, err = tx.Grants(q); err != nil {
				return err
			}
			p.Total, err = tx.CountGrants(q, CountedUpTo)
			return err
		})
	} else {
		p.Grants, err = s.seen(ctx, actor, "list grants for staff", q)
	}
	if err != nil {
		return Page{}, fmt.Errorf("list grants: %w", err)
	}
	if len(p.Grants) == q.Limit {
		p.Grants = p.Grants[:q.Limit-1]
		last := p.Grants[len(p.Grants)-1]
		at := last.CreatedAt
		if q.Sort == "updated_at" {
			at = last.UpdatedAt
		}
		p.Next = store.Cursor(at, last.ID)
	}
	return p, nil
}

func (s *Service) query(actor models.Actor, f Filter) (store.GrantQuery, error) {
	if f.Limit <= 0 {
		f.Limit = 50
	}
	q := store.GrantQuery{Application: f.Application, Tenant: f.Tenant, Provider: f.Provider, Email: f.Email, Address: f.Address, Search: f.Search,
		Since: f.Since, Before: f.Before, Sort: f.Sort, Ascending: f.Ascending, Limit: min(f.Limit, 200) + 1, Offset: max(f.Offset, 0)}
	if !actor.Application.IsZero() {
		q.Application = actor.Application
	}
	if !actor.Tenant.IsZero() {
		if !f.Tenant.IsZero() && f.Tenant != actor.Tenant {
			return q, store.ErrNotFound
		}
		q.Tenant = actor.Tenant
	}
	switch {
	case f.Status == string(models.GrantInvalid) && actor.Kind == models.ActorKey:
		q.Status = []models.GrantStatus{models.GrantInvalid, models.GrantRevoked} // a program knows two words: what is not valid is invalid
	case f.Status != "":
		q.Status = []models.GrantStatus{models.GrantStatus(f.Status)}
	case !f.WithPending:
		q.Status = []models.GrantStatus{models.GrantValid, models.GrantInvalid, models.GrantRevoked}
	}
	var err error
	q.AfterAt, q.AfterID, err = store.ReadCursor[models.GrantID](f.Cursor)
	return q, err
}

// Find gives one grant in any status. A foreign one is store.ErrNotFound, like one that never was.
func (s *Service) Find(ctx context.Context, actor models.Actor, id models.GrantID) (models.Grant, error) {
	q, err := s.query(actor, Filter{Limit: 1, WithPending: true})
	if err != nil {
		return models.Grant{}, err
	}
	q.ID = id
	found, err := s.seen(ctx, actor, "find a grant for staff", q)
	if err != nil {
		return models.Grant{}, fmt.Errorf("find a grant: %w", err)
	}
	if len(found) == 0 || !knows(actor, found[0]) {
		return models.Grant{}, store.ErrNotFound
	}
	return found[0], nil
}

// seen lists in the widest scope the actor has, in one round trip.
func (s *Service) seen(ctx context.Context, actor models.Actor, reason string, q store.GrantQuery) ([]models.Grant, error) {
	scope, err := scopeOf(actor, reason)
	if err != nil {
		return nil, err
	}
	return s.store.GrantsSeen(ctx, scope, q)
}

var errMe = fault.New(fault.Invalid, "me_needs_a_token", "\"me\" stands for the grant of an access token. Name the grant when you use an API key.")

// Locate resolves what stands for a grant in a path of the v3 API, already decoded once: an id, an address, "me", or one of these with the prefix
// "grant:" or "email:". It answers ErrRevoked for a grant that was cut, and store.ErrNotFound for everything that the actor may not know of,
// pending grants included.
func (s *Service) Locate(ctx context.Context, actor models.Actor, locator string) (models.Grant, error) {
	g, err := s.locate(ctx, actor, locator)
	if err != nil {
		return models.Grant{}, err
	}
	switch g.Status {
	case models.GrantPending:
		return models.Grant{}, store.ErrNotFound
	case models.GrantRevoked:
		return g, ErrRevoked
	default:
		return g, nil
	}
}

func (s *Service) locate(ctx context.Context, actor models.Actor, locator string) (models.Grant, error) {
	locator = strings.TrimPrefix(locator, "grant:")
	if locator == "me" {
		if actor.Grant.IsZero() {
			return models.Grant{}, errMe
		}
		return s.Find(ctx, actor, actor.Grant)
	}
	if id, err := models.ParseID[models.GrantID](strings.ToLower(locator)); err == nil {
		return s.Find(ctx, actor, id)
	}
	address := strings.TrimPrefix(locator, "email:")
	if !strings.Contains(address, "@") {
		return models.Grant{}, store.ErrNotFound
	}
	p, err := s.List(ctx, actor, Filter{Email: address, Limit: 10})
	if err != nil {
		return models.Grant{}, err
	}
	// An address may stand for several grants: one lives in each tenant. A living one goes before one that was cut.
	best := -1
	for i, g := range p.Grants {
		if knows(actor, g) && (best < 0 || p.Grants[best].Status == models.GrantRevoked && g.Status != models.GrantRevoked) {
			best = i
		}
	}
	if best < 0 {
		return models.Grant{}, store.ErrNotFound
	}
	return p.Grants[best], nil
}

// Uses tells when each right of a grant was last used through Postern, by the name of the capability. A right that never was is absent.
func (s *Service) Uses(ctx context.Context, actor models.Actor, g models.Grant) (map[string]time.Time, error) {
	if !knows(actor, g) {
		return nil, store.ErrNotFound
	}
	last := map[string]time.Time{}
	err := s.store.InTenant(ctx, g.TenantID, func(tx *store.Tx) error {
		rows, err := tx.CapabilityUses(g.TenantID, g.ID)
		for _, r := range rows {
			last[r.Capability] = r.LastAt
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the uses of a grant: %w", err)
	}
	return last, nil
}

// Change is what PATCH of a grant may replace. Nil fields stay.
type Change struct {
	Settings models.Settings
	Scopes   []string
}

// Update changes the record. It does not change what the provider granted.
func (s *Service) Update(ctx context.Context, actor models.Actor, id models.GrantID, c Change) (models.Grant, error) {
	g, err := s.Find(ctx, actor, id)
	if err != nil {
		return g, err
	}
	err = s.store.InTenant(ctx, g.TenantID, func(tx *store.Tx) error {
		if g, err = tx.GrantForUpdate(g.TenantID, id); err != nil {
			return err
		}
		if g.Status == models.GrantRevoked {
			return ErrRevoked
		}
		if c.Settings != nil {
			if g.Settings, err = settle(g.Settings, c.Settings); err != nil {
				return err
			}
		}
		if c.Scopes != nil {
			g.ScopesRequested = c.Scopes
		}
		g.UpdatedAt = s.now()
		if err := tx.ChangeGrant(g.TenantID, id, g.Settings, g.ScopesRequested, g.UpdatedAt); err != nil {
			return err
		}
		entry := objectOf(g)
		entry.Action = "grant.update"
		if err := s.audit.Append(ctx, tx, actor, entry); err != nil {
			return err
		}
		again := false
		return s.tell(ctx, tx, g, "grant.updated", Notice{Code: codeUpdated, Reauthentication: &again})
	})
	if err != nil {
		return g, fmt.Errorf("update a grant: %w", err)
	}
	return g, nil
}

// servers are the settings that say where a stored credential is sent. They change by a new consent only: whoever could edit them would have the password sent to a server of
// their own.
var servers = []string{provider.IMAPHost, provider.IMAPPort, provider.IMAPTLS, provider.SMTPHost, provider.SMTPPort, provider.SMTPTLS, provider.SMTPUser, "ews_host", "ews_port", "ews_path", "ews_auth",
	"imap_username"}

var errServers = fault.New(fault.Invalid, "servers_are_fixed", "The mail servers of a connection cannot be edited. Reconnect the mailbox to change them.").At("settings")

// settle replaces settings, all but the servers.
func settle(before, after models.Settings) (models.Settings, error) {
	out := models.Settings{}
	for name, value := range after {
		if slices.Contains(servers, name) && before[name] != value {
			return before, errServers
		}
		out[name] = value
	}
	for _, name := range servers {
		if value, ok := before[name]; ok {
			out[name] = value
		}
	}
	return out, nil
}

// unlessAbsent lets "there is no such row" pass.
func unlessAbsent(err error) error {
	if absent(err) {
		return nil
	}
	return err
}

// absent says whether err means that there is no such row.
func absent(err error) bool { return errors.Is(err, store.ErrNotFound) }
