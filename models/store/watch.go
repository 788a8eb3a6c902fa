package store

import (
	"context"
	"errors"
	"time"

	"github.com/postern-mail/postern/models"
)

// WatchOwner is the owner kind under which the position of a watch is sealed; its id is the grant's.
const WatchOwner = "watch"

// KeepWatchKeeper says that a process is alive for the time given, forgets those that are not, and counts the living.
func (t *Tx) KeepWatchKeeper(id models.KeeperID, hold time.Duration) (int, error) {
	err := t.db.Exec(`INSERT INTO watch_keepers (id, until) VALUES (?, clock_timestamp() + make_interval(secs => ?)) ON CONFLICT (id) DO UPDATE SET until = excluded.until`, id, hold.Seconds()).Error
	if err != nil {
		return 0, wrap(err)
	}
	if err := t.db.Exec(`DELETE FROM watch_keepers WHERE until < clock_timestamp() - interval '1 minute'`).Error; err != nil {
		return 0, wrap(err)
	}
	var n int
	err = t.db.Raw(`SELECT count(*) FROM watch_keepers WHERE until > clock_timestamp()`).Scan(&n).Error
	return n, wrap(err)
}

// EndWatchKeeper gives back all that a process watches: others take it at once.
func (t *Tx) EndWatchKeeper(id models.KeeperID) error {
	if err := t.db.Exec(`UPDATE watches SET holder = NULL WHERE holder = ?`, id).Error; err != nil {
		return wrap(err)
	}
	return wrap(t.db.Exec(`DELETE FROM watch_keepers WHERE id = ?`, id).Error)
}

// WatchingWebhooks lists, of all applications, what sending webhooks ask for that has to be watched for. Postern's own are left out.
func (t *Tx) WatchingWebhooks(triggers []string) ([]models.Webhook, error) {
	return all[models.Webhook](t.db.Raw(`SELECT * FROM webhooks WHERE status IN ('active', 'failing') AND deleted_at IS NULL AND NOT self_check AND trigger_types && ?::text[] ORDER BY id`, models.Strings(triggers)))
}

// wanted is the WHERE of a grant g that a sending webhook asks to be watched.
const wanted = `EXISTS (SELECT FROM webhooks h WHERE h.application_id = g.application_id AND (h.tenant_id IS NULL OR h.tenant_id = g.tenant_id)
	AND h.status IN ('active', 'failing') AND h.deleted_at IS NULL AND NOT h.self_check AND h.trigger_types && ?::text[])`

// AddWatches looks at up to most grants after a place and adds the watches that are missing. It gives the place where it ended; zero ids: there are no more.
func (t *Tx) AddWatches(afterTenant models.TenantID, afterGrant models.GrantID, triggers []string, most int, at time.Time) (models.TenantID, models.GrantID, error) {
	err := t.db.Exec(`INSERT INTO watches (tenant_id, grant_id, application_id, since)
		SELECT g.tenant_id, g.id, g.application_id, ? FROM (SELECT tenant_id, id, application_id, status FROM grants WHERE (tenant_id, id) > (?, ?) ORDER BY tenant_id, id LIMIT ?) g
		WHERE g.status = 'valid' AND NOT EXISTS (SELECT FROM watches w WHERE w.tenant_id = g.tenant_id AND w.grant_id = g.id) AND `+wanted+`
		ON CONFLICT DO NOTHING`, at, afterTenant, afterGrant, most, models.Strings(triggers)).Error
	if err != nil {
		return afterTenant, afterGrant, wrap(err)
	}
	last, err := one[models.Grant](t.db.Raw(`SELECT tenant_id, id FROM grants WHERE (tenant_id, id) > (?, ?) ORDER BY tenant_id, id OFFSET ? LIMIT 1`, afterTenant, afterGrant, most-1))
	if errors.Is(err, ErrNotFound) {
		return models.TenantID{}, models.GrantID{}, nil
	}
	return last.TenantID, last.ID, err
}

// IdleWatches lists up to most watches that nobody asks for any more, or whose grant has not been valid since before forget.
func (t *Tx) IdleWatches(triggers []string, forget time.Time, most int) ([]models.Watch, error) {
	return all[models.Watch](t.db.Raw(`SELECT w.* FROM watches w JOIN grants g ON g.tenant_id = w.tenant_id AND g.id = w.grant_id
		WHERE NOT `+wanted+` OR g.status <> 'valid' AND g.status_at < ? LIMIT ?`, models.Strings(triggers), forget, most))
}

// TakeWatches gives a process up to most watches that are free: those nobody holds, and those of processes that are not alive any more.
func (t *Tx) TakeWatches(keeper models.KeeperID, at time.Time, most int) (int, error) {
	done := t.db.Exec(`UPDATE watches SET holder = ?, fence = watches.fence + 1, since = ? FROM (
			SELECT w.tenant_id, w.grant_id FROM watches w JOIN grants g ON g.tenant_id = w.tenant_id AND g.id = w.grant_id
			WHERE g.status = 'valid' AND (w.holder IS NULL OR NOT EXISTS (SELECT FROM watch_keepers k WHERE k.id = w.holder AND k.until > clock_timestamp()))
			ORDER BY w.tenant_id, w.grant_id LIMIT ? FOR UPDATE OF w SKIP LOCKED) free
		WHERE watches.tenant_id = free.tenant_id AND watches.grant_id = free.grant_id`, keeper, at, most)
	return int(done.RowsAffected), wrap(done.Error)
}

// CountWatches counts the watches of valid grants, whoever holds them.
func (t *Tx) CountWatches() (int, error) {
	var n int
	err := t.db.Raw(`SELECT count(*) FROM watches w JOIN grants g ON g.tenant_id = w.tenant_id AND g.id = w.grant_id WHERE g.status = 'valid'`).Scan(&n).Error
	return n, wrap(err)
}

// HeldWatches lists what a process watches. A grant that is not valid any more is not among it.
func (t *Tx) HeldWatches(keeper models.KeeperID) ([]models.Watch, error) {
	return all[models.Watch](t.db.Raw(`SELECT w.* FROM watches w JOIN grants g ON g.tenant_id = w.tenant_id AND g.id = w.grant_id WHERE w.holder = ? AND g.status = 'valid' ORDER BY w.tenant_id, w.grant_id`, keeper))
}

// LeaveWatch gives one watch back. One that another process has taken since stays.
func (t *Tx) LeaveWatch(w models.Watch) error {
	return wrap(t.db.Exec(`UPDATE watches SET holder = NULL WHERE tenant_id = ? AND grant_id = ? AND holder = ? AND fence = ?`, w.TenantID, w.GrantID, w.Holder, w.Fence).Error)
}

// Watch reads a watch that its holder still holds, of a grant that is still valid. ErrNotFound: it is not.
func (t *Tx) Watch(w models.Watch) (models.Watch, error) {
	return one[models.Watch](t.db.Raw(`SELECT w.* FROM watches w JOIN grants g ON g.tenant_id = w.tenant_id AND g.id = w.grant_id
		WHERE w.tenant_id = ? AND w.grant_id = ? AND w.holder = ? AND w.fence = ? AND g.status = 'valid'`, w.TenantID, w.GrantID, w.Holder, w.Fence))
}

// AdvanceWatch moves a watch on to its next version. ErrNotFound: it was taken by another process, was moved on before, or its grant is not valid any more. It locks
// the row, so that whoever ends the watch waits until the transaction is over, or is waited for.
func (t *Tx) AdvanceWatch(w models.Watch, at time.Time) error {
	return changed(t.db.Exec(`UPDATE watches SET version = version + 1, since = ? WHERE tenant_id = ? AND grant_id = ? AND holder = ? AND fence = ? AND version = ?
		AND EXISTS (SELECT FROM grants g WHERE g.tenant_id = watches.tenant_id AND g.id = watches.grant_id AND g.status = 'valid')`,
		at, w.TenantID, w.GrantID, w.Holder, w.Fence, w.Version))
}

// TouchWatch moves the time of a quiet watch on.
func (t *Tx) TouchWatch(w models.Watch, at time.Time) error {
	return changed(t.db.Exec(`UPDATE watches SET since = ? WHERE tenant_id = ? AND grant_id = ? AND holder = ? AND fence = ? AND version = ?`, at, w.TenantID, w.GrantID, w.Holder, w.Fence, w.Version))
}

// EndWatches ends the watching of some grants and destroys how far they were looked at. None is no error.
func (t *Tx) EndWatches(tenant models.TenantID, grants []models.GrantID) error {
	if err := t.db.Exec(`DELETE FROM watches WHERE tenant_id = ? AND grant_id IN ?`, tenant, grants).Error; err != nil {
		return wrap(err)
	}
	return wrap(t.db.Exec(`DELETE FROM sealed WHERE tenant_id = ? AND owner_kind = ? AND owner_id IN ?`, tenant, WatchOwner, grants).Error)
}

// Watched says whether a grant's mailbox is watched, or waits for it.
func (t *Tx) Watched(tenant models.TenantID, grant models.GrantID) (bool, error) {
	var found bool
	err := t.db.Raw(`SELECT EXISTS (SELECT FROM watches WHERE tenant_id = ? AND grant_id = ?)`, tenant, grant).Scan(&found).Error
	return found, wrap(err)
}

// KnownEvents says which of these events are there already.
func (t *Tx) KnownEvents(ctx context.Context, tenant models.TenantID, ids []models.EventID) (map[models.EventID]bool, error) {
	rows, err := t.sql.QueryContext(ctx, `SELECT id FROM events WHERE tenant_id = $1 AND id = ANY ($2::uuid[])`, tenant, texts(ids))
	if err != nil {
		return nil, wrap(err)
	}
	defer rows.Close() //nolint:errcheck // read to its end, or failed with an error of its own
	known := map[models.EventID]bool{}
	for rows.Next() {
		var id models.EventID
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		known[id] = true
	}
	return known, wrap(rows.Err())
}

// Hint names a mailbox as a provider's push does, in lower case: by its address, by the provider's own id of the person, or by our id of the grant where we asked for the push.
// Lapsed: the provider says that its pushes end.
type Hint struct {
	Provider, Who string
	Lapsed        bool
}

// PokeWatches makes whoever watches these mailboxes look soon.
func (t *Tx) PokeWatches(ctx context.Context, hints []Hint) error {
	if len(hints) == 0 {
		return nil
	}
	names, who, lapsed := make([]string, len(hints)), make([]string, len(hints)), make([]bool, len(hints))
	for i, h := range hints {
		names[i], who[i], lapsed[i] = h.Provider, h.Who, h.Lapsed
	}
	_, err := t.sql.ExecContext(ctx, `UPDATE watches SET pokes = pokes + 1, lapses = lapses + hinted.lapsed FROM (
			SELECT w.tenant_id, w.grant_id, max(u.lapsed::int) AS lapsed FROM watches w JOIN grants g ON g.tenant_id = w.tenant_id AND g.id = w.grant_id
			JOIN unnest($1::text[], $2::text[], $3::boolean[]) AS u (provider, who, lapsed) ON u.provider = g.provider
				AND u.who IN (g.id::text, lower(g.email), lower(g.subject), lower(split_part(g.subject, '/', 2)))
			WHERE g.status = 'valid' GROUP BY w.tenant_id, w.grant_id) hinted
		WHERE watches.tenant_id = hinted.tenant_id AND watches.grant_id = hinted.grant_id`, names, who, lapsed)
	return wrap(err)
}
