package audit

import (
	"context"
	"fmt"
	"time"

	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

// Whoever reads the audit is in it. Turning pages is not an act of its own: one entry stands for one person, one view and one hour.

// readHour is how long one entry about reading stands for all reading of that view by that person. Hours are those of the clock, in UTC.
const readHour = time.Hour

// The views of the audit, as entries about reading name them. Files are never coalesced.
const (
	viewList  = "list"
	viewEntry = "entry"
)

// Read lists as List does, for a page that shows the audit itself: that it was read is an entry, written in the transaction that reads. No entry, no page.
func (k *Keeper) Read(ctx context.Context, actor models.Actor, f Filter) (Page, error) {
	return k.list(ctx, actor, f, func(tx *store.Tx, tenant models.TenantID) error {
		return k.noteReading(ctx, tx, actor, viewList, tenant)
	})
}

// Open finds as Find does, for the page of that one entry: that it was opened is an entry.
func (k *Keeper) Open(ctx context.Context, actor models.Actor, id models.AuditID) (models.AuditEntry, error) {
	return k.find(ctx, actor, id, func(tx *store.Tx, row models.AuditEntry) error {
		var tenant models.TenantID
		if row.TenantID != nil {
			tenant = *row.TenantID
		}
		return k.noteReading(ctx, tx, actor, viewEntry, tenant)
	})
}

// NoteExport writes that actor takes a file of the entries that f lists: each file is an entry. It comes before the first byte. format is "csv" or "json".
func (k *Keeper) NoteExport(ctx context.Context, actor models.Actor, f Filter, format string) error {
	return k.within(ctx, actor, f.Tenant, "export the audit for staff", func(tx *store.Tx, tenant models.TenantID) error {
		return k.Append(ctx, tx, actor, Entry{Action: "audit.export", Tenant: tenant, ObjectKind: "audit", ObjectID: viewList, Object: "audit log", Detail: map[string]string{"format": format}})
	})
}

// noteReading writes that actor reads a view, once an hour. Two processes that get there at once wait for each other, so that there is one entry and not two.
func (k *Keeper) noteReading(ctx context.Context, tx *store.Tx, actor models.Actor, view string, tenant models.TenantID) error {
	since := k.now().UTC().Truncate(readHour)
	q := store.ReadingQuery{ActorID: actor.ID, View: view, Tenant: tenant, Since: since}
	noted, err := tx.AuditReadingNoted(q)
	if err != nil || noted {
		return err
	}
	if err := tx.LockAuditReading(q); err != nil {
		return err
	}
	if noted, err = tx.AuditReadingNoted(q); err != nil || noted {
		return err
	}
	return k.Append(ctx, tx, actor, Entry{Action: "audit.read", Tenant: tenant, ObjectKind: "audit", ObjectID: view, Object: readWords[view]})
}

var readWords = map[string]string{viewList: "audit log", viewEntry: "audit entries"}

// within runs fn in the widest scope that the actor has: staff over all tenants, everybody else in their own. tenant is the one asked for; fn is given the one that it is about.
func (k *Keeper) within(ctx context.Context, actor models.Actor, tenant models.TenantID, reason string, fn func(*store.Tx, models.TenantID) error) error {
	if actor.Platform() {
		return k.store.OnPlatform(ctx, reason, func(tx *store.Tx) error { return fn(tx, tenant) })
	}
	if actor.Tenant.IsZero() || !tenant.IsZero() && tenant != actor.Tenant {
		return store.ErrNotFound
	}
	if err := k.store.InTenant(ctx, actor.Tenant, func(tx *store.Tx) error { return fn(tx, actor.Tenant) }); err != nil {
		return fmt.Errorf("within the tenant: %w", err)
	}
	return nil
}
