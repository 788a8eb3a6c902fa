package tenants

import (
	"context"
	"encoding/base64"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/postern-mail/postern/engine/audit"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

// Service does the deeds. It is safe for concurrent use.
type Service struct {
	store  *store.Store
	audit  *audit.Keeper
	region string
	others map[string]string // region to base URL
	clock  func() time.Time
}

// New makes the service. region is where this installation keeps its data: tenants of another region live in another installation, whose base URL siblings may name.
func New(s *store.Store, a *audit.Keeper, region string, siblings map[string]string, now func() time.Time) *Service {
	return &Service{store: s, audit: a, region: region, others: siblings, clock: now}
}

// Filter narrows the list. Cursor is the Next of the page before.
type Filter struct {
	Search string // part of the name, or the whole id
	Cursor string
	Limit  int  // 0: 50; at most 200
	Names  bool // without the counts of grants, which read every grant of the page: for a list to choose from
}

// Listed is a tenant with what the list shows of its grants.
type Listed struct {
	models.Tenant
	Counts store.TenantCounts
}

// Page is one page of tenants, by name.
type Page struct {
	Tenants []Listed
	Next    string
}

// List gives the tenants the actor may know of: staff all, everybody else their own.
func (s *Service) List(ctx context.Context, actor models.Actor, f Filter) (Page, error) {
	if !actor.Platform() {
		own, err := s.Find(ctx, actor, actor.Tenant)
		return Page{Tenants: []Listed{{Tenant: own}}}, err
	}
	if f.Limit <= 0 {
		f.Limit = 50
	}
	q := store.TenantQuery{Search: f.Search, Limit: min(f.Limit, 200) + 1}
	if f.Cursor != "" {
		raw, err := base64.RawURLEncoding.DecodeString(f.Cursor)
		id, name, ok := strings.Cut(string(raw), " ")
		if err != nil || !ok || !utf8.ValidString(name) {
			return Page{}, store.ErrCursor
		}
		if q.AfterID, err = models.ParseID[models.TenantID](id); err != nil {
			return Page{}, store.ErrCursor
		}
		q.AfterName = name
	}
	var p Page
	err := s.store.OnPlatform(ctx, "list tenants for staff", func(tx *store.Tx) error {
		rows, err := tx.Tenants(q)
		if err != nil || len(rows) == 0 {
			return err
		}
		if len(rows) == q.Limit {
			rows = rows[:q.Limit-1]
			last := rows[len(rows)-1]
			p.Next = base64.RawURLEncoding.EncodeToString([]byte(last.ID.String() + " " + last.Name))
		}
		p.Tenants = make([]Listed, len(rows))
		for i, r := range rows {
			p.Tenants[i].Tenant = r
		}
		if f.Names {
			return nil
		}
		return count(tx, p.Tenants)
	})
	if err != nil {
		return Page{}, fmt.Errorf("list tenants: %w", err)
	}
	return p, nil
}

// count fills in what the list shows of grants.
func count(tx *store.Tx, list []Listed) error {
	ids, at := make([]models.TenantID, len(list)), map[models.TenantID]int{}
	for i, t := range list {
		ids[i], at[t.ID] = t.ID, i
	}
	counts, err := tx.CountTenantGrants(ids)
	for _, c := range counts {
		list[at[c.TenantID]].Counts = c
	}
	return err
}

// Find gives one tenant. A foreign one is store.ErrNotFound; one that another region keeps is a fault that says where (fault.Elsewhere).
func (s *Service) Find(ctx context.Context, actor models.Actor, id models.TenantID) (models.Tenant, error) {
	if !actor.Sees(id) || id.IsZero() {
		return models.Tenant{}, store.ErrNotFound
	}
	var row models.Tenant
	err := s.store.InTenant(ctx, id, func(tx *store.Tx) (err error) {
		row, err = tx.Tenant(id)
		return err
	})
	if err != nil {
		return row, fmt.Errorf("find a tenant: %w", err)
	}
	if row.Region != s.region {
		return models.Tenant{}, fault.Elsewhere(fault.NotFound, "This organisation", row.Region, s.region, s.others[row.Region])
	}
	return row, nil
}

// Names gives the names of some tenants, for lists that show them beside their own rows. Staff only; others get their own.
func (s *Service) Names(ctx context.Context, actor models.Actor, ids []models.TenantID) (map[models.TenantID]string, error) {
	if !actor.Platform() {
		own, err := s.Find(ctx, actor, actor.Tenant)
		return map[models.TenantID]string{own.ID: own.Name}, err
	}
	names := map[models.TenantID]string{}
	if len(ids) == 0 {
		return names, nil
	}
	err := s.store.OnPlatform(ctx, "name tenants beside their rows", func(tx *store.Tx) (err error) {
		names, err = tx.TenantNames(ids)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("name tenants: %w", err)
	}
	return names, nil
}

// Create adds a tenant in this installation's region.
func (s *Service) Create(ctx context.Context, actor models.Actor, name, region string) (models.Tenant, error) {
	name, err := checkName(name)
	if err != nil {
		return models.Tenant{}, err
	}
	if region == "" {
		region = s.region
	}
	if region != s.region {
		return models.Tenant{}, fault.Elsewhere(fault.Invalid, "This organisation", region, s.region, s.others[region]).At("region")
	}
	now := s.clock().UTC()
	row := models.Tenant{ID: models.NewID[models.TenantID](now), Name: name, Region: region, State: models.TenantActive, CreatedAt: now, UpdatedAt: now}
	err = s.store.OnPlatform(ctx, "add a tenant", func(tx *store.Tx) error {
		if err := tx.InsertTenant(row); err != nil {
			return err
		}
		return s.audit.Append(ctx, tx, actor, audit.Entry{Action: "tenant.create", Tenant: row.ID, ObjectKind: "tenant", ObjectID: row.ID.String(), Object: name, Detail: map[string]string{"region": region}})
	})
	if err != nil {
		return models.Tenant{}, fmt.Errorf("create a tenant: %w", err)
	}
	return row, nil
}

// Rename changes a tenant's name.
func (s *Service) Rename(ctx context.Context, actor models.Actor, id models.TenantID, name string) error {
	name, err := checkName(name)
	if err != nil {
		return err
	}
	if !actor.Sees(id) {
		return store.ErrNotFound
	}
	err = s.store.OnPlatform(ctx, "rename a tenant", func(tx *store.Tx) error {
		before, err := tx.RenameTenant(id, s.region, name, s.clock().UTC())
		if err != nil {
			return err
		}
		return s.audit.Append(ctx, tx, actor, audit.Entry{Action: "tenant.rename", Tenant: id, ObjectKind: "tenant", ObjectID: id.String(), Object: name, Detail: map[string]string{"before": before}})
	})
	if err != nil {
		return fmt.Errorf("rename a tenant: %w", err)
	}
	return nil
}

func checkName(name string) (string, error) {
	name = strings.TrimSpace(name)
	if name == "" || utf8.RuneCountInString(name) > 200 || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f }) || !utf8.ValidString(name) {
		return "", fault.New(fault.Invalid, "name_invalid", "Type the organisation's name, at most 200 characters on one line.").At("name")
	}
	return name, nil
}
