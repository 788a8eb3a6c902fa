package grants

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/riverqueue/river"

	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/sealed"
	"github.com/postern-mail/postern/engine/tokens"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

// giveUp is how long a provider that does not answer is asked again before the severance is closed as unconfirmed.
const giveUp = 72 * time.Hour

// severTries bounds the tries of one job; with the pauses below they reach past giveUp.
const severTries = 100

// Sever is the job that ends a grant at its provider.
type Sever struct {
	Tenant    models.TenantID    `json:"tenant"`
	Severance models.SeveranceID `json:"severance"`
}

// Kind names the job.
func (Sever) Kind() string { return "sever_at_provider" }

// ReceiptBody is what a receipt says, beside its columns. It is kept as JSON and holds no secret.
type ReceiptBody struct {
	Act             string    `json:"act"` // revoke or delete
	Actor           string    `json:"actor"`
	Reason          string    `json:"reason,omitempty"`
	CutAt           time.Time `json:"cut_at"`           // from here our API refused the grant
	DestroyedAt     time.Time `json:"destroyed_at"`     // the credential's ciphertext was deleted
	FieldsDestroyed int       `json:"fields_destroyed"` // how many sealed values that were
	Attempts        int       `json:"attempts"`         // at the provider
	Answer          string    `json:"answer,omitempty"` // the provider's
	Status          int       `json:"status,omitempty"` // HTTP
	Probe           string    `json:"probe,omitempty"`  // what the old refresh token got afterwards
	AccessUntil     time.Time `json:"access_until,omitzero"`
	Sentences       []string  `json:"sentences"` // the whole in words
}

type severWorker struct {
	river.WorkerDefaults[Sever]
	s *Service
}

// Work does one try. It is safe to run twice, and at the same time in two processes: only one closes the severance.
func (w *severWorker) Work(ctx context.Context, job *river.Job[Sever]) error {
	return w.s.severAtProvider(ctx, job.Args.Tenant, job.Args.Severance)
}

// Timeout bounds one try.
func (*severWorker) Timeout(*river.Job[Sever]) time.Duration { return 2 * time.Minute }

func (s *Service) severAtProvider(ctx context.Context, tenant models.TenantID, id models.SeveranceID) error {
	var v models.Severance
	var c tokens.Credential
	err := s.store.InTenant(ctx, tenant, func(tx *store.Tx) (err error) {
		if v, err = tx.Severance(tenant, id); err != nil {
			return err
		}
		if c, err = s.tokens.Load(ctx, tx, tenant, tokens.Severance(id)); errors.Is(err, sealed.ErrAbsent) {
			return nil // a grant that never got that far, or a second run
		}
		return err
	})
	if absent(err) || err == nil && v.ClosedAt != nil {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read a severance: %w", err)
	}
	answer, err := s.askProvider(ctx, v, c)
	if err != nil && s.now().Sub(v.CutAt) < giveUp {
		return s.tryLater(ctx, v, err)
	}
	if err != nil {
		answer = provider.Revocation{Outcome: provider.DeletedHereOnly, Answer: "no answer within 72 hours", AccessUntil: c.ExpiresAt}
	}
	return s.close(ctx, v, answer)
}

// askProvider tells the provider, where there is somebody to tell.
func (s *Service) askProvider(ctx context.Context, v models.Severance, c tokens.Credential) (provider.Revocation, error) {
	connector, err := s.providers.Connector(v.Provider)
	if err != nil {
		return provider.Revocation{Outcome: provider.DeletedHereOnly, Answer: "this provider is not set up here any more", AccessUntil: c.ExpiresAt}, nil
	}
	revoker, ok := connector.(provider.Revoker)
	if !ok {
		return provider.Revocation{Outcome: provider.UserActionNeeded, AccessUntil: c.ExpiresAt}, nil
	}
	if c.Access.Empty() && c.Refresh.Empty() {
		return provider.Revocation{Outcome: provider.DeletedHereOnly, Answer: "there was no token to revoke"}, nil
	}
	app, err := s.tokens.App(ctx, v.ApplicationID, v.Provider)
	if absent(err) {
		return provider.Revocation{Outcome: provider.DeletedHereOnly, Answer: "the connector was deleted, so the provider could not be told", AccessUntil: c.ExpiresAt}, nil
	}
	if err != nil {
		return provider.Revocation{}, err
	}
	return revoker.Revoke(ctx, app, provider.Token{Access: c.Access, Refresh: c.Refresh, ExpiresAt: c.ExpiresAt})
}

// tryLater notes the try and puts the job off: after 10 s, 20 s, 40 s and so on, at most an hour.
func (s *Service) tryLater(ctx context.Context, v models.Severance, cause error) error {
	pause := min(10*time.Second<<min(v.Attempts, 12), time.Hour)
	next := s.now().Add(pause)
	err := s.store.InTenant(ctx, v.TenantID, func(tx *store.Tx) error {
		return tx.MarkSeveranceTried(v.TenantID, v.ID, "no usable answer", next)
	})
	if err != nil && !absent(err) {
		return fmt.Errorf("note a try: %w", err)
	}
	s.log.WarnContext(ctx, "a provider did not answer a revocation", "severance", v.ID, "provider", v.Provider, "attempt", v.Attempts+1, "next_try", next, "error", cause)
	return river.JobSnooze(pause)
}

// close destroys the credential, settles the severance and writes the receipt, in one transaction.
func (s *Service) close(ctx context.Context, v models.Severance, answer provider.Revocation) error {
	now := s.now()
	err := s.store.InTenant(ctx, v.TenantID, func(tx *store.Tx) error {
		if err := tx.CloseSeverance(v.TenantID, v.ID, string(answer.Outcome), answer.Answer, now); err != nil {
			return err
		}
		n, err := s.tokens.Destroy(ctx, tx, v.TenantID, tokens.Severance(v.ID))
		if err != nil {
			return err
		}
		body, err := json.Marshal(ReceiptBody{Act: v.Act, Actor: v.Actor, Reason: v.Reason, CutAt: v.CutAt, DestroyedAt: now, FieldsDestroyed: n, Attempts: v.Attempts + 1,
			Answer: answer.Answer, Status: answer.Status, Probe: answer.ProbeAnswer, AccessUntil: answer.AccessUntil,
			Sentences: provider.AfterRevocation(v.Provider, provider.SeveranceFacts{Address: v.Email, AccessUntil: answer.AccessUntil}, answer, now)})
		if err != nil {
			return fmt.Errorf("write a receipt: %w", err)
		}
		receipt := models.Receipt{TenantID: v.TenantID, ID: models.NewID[models.ReceiptID](now), ApplicationID: v.ApplicationID, SeveranceID: v.ID, GrantID: v.GrantID,
			Email: v.Email, Provider: v.Provider, Outcome: string(answer.Outcome), Body: body, CreatedAt: now}
		if err := tx.InsertReceipt(receipt); err != nil {
			return err
		}
		entry := objectOf(models.Grant{TenantID: v.TenantID, ApplicationID: v.ApplicationID, ID: v.GrantID, Email: v.Email})
		entry.Action, entry.Detail = "grant.sever", map[string]string{"outcome": receipt.Outcome, "provider": v.Provider, "receipt": receipt.ID.String()}
		return s.audit.Append(ctx, tx, models.System("severance"), entry)
	})
	if absent(err) {
		return nil // another process closed it
	}
	if err != nil {
		return fmt.Errorf("close a severance: %w", err)
	}
	return nil
}
