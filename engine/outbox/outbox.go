package outbox

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverdatabasesql"

	"github.com/postern-mail/postern/engine/sealed"
	"github.com/postern-mail/postern/engine/secret"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

// Event is something that happened, to be told to webhooks. Object is the JSON of the v3 envelope's data.object.
type Event struct {
	ID          models.EventID // zero: a new one. One that is there already is not written a second time
	Tenant      models.TenantID
	Application models.ApplicationID
	Grant       models.GrantID // zero: none
	Type        string         // grant.created
	Source      string         // "/nylas/system" for grants: the word that v3 receivers know
	Object      any
}

// Keeper writes events and jobs. It is safe for concurrent use.
type Keeper struct {
	// Digest keys what stays of a payload when it is destroyed; nil: nothing stays. Waking is called when an event was written, before it is
	// committed: a hint for the sender of this process to look soon. Both are set before the first use.
	Digest []byte
	Waking func()

	safe  *sealed.Safe
	now   func() time.Time
	river *river.Client[*sql.Tx]
}

// New makes the keeper. It starts no work.
func New(safe *sealed.Safe, now func() time.Time) (*Keeper, error) {
	client, err := river.NewClient(riverdatabasesql.New(nil), &river.Config{Schema: store.JobsSchema, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, fmt.Errorf("make the job writer: %w", err)
	}
	return &Keeper{safe: safe, now: now, river: client}, nil
}

// Event writes the event, its sealed payload and its place in the senders' queue, in the caller's transaction.
func (k *Keeper) Event(ctx context.Context, tx *store.Tx, e Event) (models.EventID, error) {
	ids, err := k.Events(ctx, tx, []Event{e})
	if err != nil {
		return models.EventID{}, err
	}
	if len(ids) == 0 {
		return e.ID, nil
	}
	return ids[0], nil
}

// Events is Event for many at once, in the same few statements. All are of one tenant. It gives the ids of those that it wrote.
func (k *Keeper) Events(ctx context.Context, tx *store.Tx, list []Event) ([]models.EventID, error) {
	if len(list) == 0 {
		return nil, nil
	}
	at, tenant := k.now().UTC(), list[0].Tenant
	list, err := k.unknown(ctx, tx, tenant, list)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	n := len(list)
	ids, owners, rows, payloads := make([]models.EventID, n), make([]string, n), make([]models.Event, n), make([]secret.Text, n)
	for i, e := range list {
		if e.Tenant != tenant {
			return nil, fmt.Errorf("events of two tenants cannot be written together")
		}
		payload, err := json.Marshal(e.Object)
		if err != nil {
			return nil, fmt.Errorf("write the payload of %s: %w", e.Type, err)
		}
		if ids[i] = e.ID; e.ID.IsZero() {
			ids[i] = models.NewID[models.EventID](at)
		}
		rows[i] = models.Event{TenantID: tenant, ID: ids[i], ApplicationID: e.Application, Type: e.Type, Source: e.Source, OccurredAt: at}
		if !e.Grant.IsZero() {
			rows[i].GrantID = &list[i].Grant
		}
		if k.Digest != nil {
			rows[i].Digest = models.BodyDigest(k.Digest, payload)
		}
		owners[i], payloads[i] = ids[i].String(), secret.New(string(payload))
	}
	if err = k.safe.PutNew(ctx, tx, tenant, sealed.EventOwner, "payload", owners, payloads); err != nil {
		return nil, err
	}
	if err = tx.InsertEvents(ctx, rows); err != nil {
		return nil, fmt.Errorf("write %d events, the first %s: %w", n, list[0].Type, err)
	}
	if k.Waking != nil {
		k.Waking()
	}
	return ids, nil
}

// unknown leaves out events that name an id which is there already. Whoever names ids sees to it that no two transactions write the same ones at once.
func (k *Keeper) unknown(ctx context.Context, tx *store.Tx, tenant models.TenantID, list []Event) ([]Event, error) {
	var named []models.EventID
	for _, e := range list {
		if !e.ID.IsZero() {
			named = append(named, e.ID)
		}
	}
	if len(named) == 0 {
		return list, nil
	}
	known, err := tx.KnownEvents(ctx, tenant, named)
	if err != nil {
		return nil, fmt.Errorf("look for events that are there: %w", err)
	}
	out := make([]Event, 0, len(list))
	for _, e := range list {
		if e.ID.IsZero() || !known[e.ID] {
			out = append(out, e)
			known[e.ID] = !e.ID.IsZero() // named twice in one list, it is one
		}
	}
	return out, nil
}

// Job enqueues work in the caller's transaction: it exists exactly if the change does. args must hold ids and nothing else.
func (k *Keeper) Job(ctx context.Context, tx *store.Tx, args river.JobArgs, opts *river.InsertOpts) error {
	if _, err := k.river.InsertTx(ctx, tx.SQL(), args, opts); err != nil {
		return fmt.Errorf("enqueue %s: %w", args.Kind(), err)
	}
	return nil
}
