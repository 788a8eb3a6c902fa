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
	Tenant      models.TenantID
	Application models.ApplicationID
	Grant       models.GrantID // zero: none
	Type        string         // grant.created
	Source      string         // "/nylas/system" for grants: the word that v3 receivers know
	Object      any
}

// FanOut is the job that makes a delivery of an event for each webhook that wants it.
type FanOut struct {
	Tenant models.TenantID `json:"tenant"`
	Event  models.EventID  `json:"event"`
}

// Kind names the job.
func (FanOut) Kind() string { return "fan_out" }

// Keeper writes events and jobs. It is safe for concurrent use.
type Keeper struct {
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

// Event writes the event, its sealed payload and the job that fans it out, in the caller's transaction.
func (k *Keeper) Event(ctx context.Context, tx *store.Tx, e Event) (models.EventID, error) {
	at := k.now().UTC()
	row := models.Event{TenantID: e.Tenant, ID: models.NewID[models.EventID](at), ApplicationID: e.Application, Type: e.Type, Source: e.Source, OccurredAt: at}
	if !e.Grant.IsZero() {
		row.GrantID = &e.Grant
	}
	payload, err := json.Marshal(e.Object)
	if err != nil {
		return row.ID, fmt.Errorf("write the payload of %s: %w", e.Type, err)
	}
	if err := tx.InsertEvent(row); err != nil {
		return row.ID, fmt.Errorf("write the event %s: %w", e.Type, err)
	}
	owner := sealed.Owner{Kind: sealed.EventOwner, ID: row.ID.String()}
	if err := k.safe.Put(ctx, tx, e.Tenant, owner, "payload", secret.New(string(payload))); err != nil {
		return row.ID, err
	}
	return row.ID, k.Job(ctx, tx, FanOut{Tenant: e.Tenant, Event: row.ID}, nil)
}

// Job enqueues work in the caller's transaction: it exists exactly if the change does. args must hold ids and nothing else.
func (k *Keeper) Job(ctx context.Context, tx *store.Tx, args river.JobArgs, opts *river.InsertOpts) error {
	if _, err := k.river.InsertTx(ctx, tx.SQL(), args, opts); err != nil {
		return fmt.Errorf("enqueue %s: %w", args.Kind(), err)
	}
	return nil
}
