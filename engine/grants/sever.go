package grants

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/riverqueue/river"

	"github.com/postern-mail/postern/engine/audit"
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
	Act             string    `json:"act"`                 // revoke or delete
	Reach           string    `json:"reach,omitempty"`     // everywhere, or here: this organisation only
	Delegated       bool      `json:"delegated,omitempty"` // a service account opened the mailbox: no person consented
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
func (*severWorker) Timeout(*river.Job[Sever]) time.Duration { return tryTakes }

// tryTakes bounds one try; for that long, and a little more, the severance belongs to whoever took it.
const (
	tryTakes = 45 * time.Second
	tryHeld  = 60 * time.Second
)

func (s *Service) severAtProvider(ctx context.Context, tenant models.TenantID, id models.SeveranceID) error {
	var v models.Severance
	var c tokens.Credential
	err := s.store.InTenant(ctx, tenant, func(tx *store.Tx) (err error) {
		if v, err = tx.TakeSeverance(tenant, id, s.now(), s.now().Add(tryHeld)); absent(err) {
			v, err = tx.Severance(tenant, id) // closed, or not this one's turn
			return err
		}
		if err != nil {
			return err
		}
		v.NextTryAt = nil
		if c, err = s.tokens.Load(ctx, tx, tenant, tokens.Severance(id)); errors.Is(err, sealed.ErrAbsent) {
			return nil // a grant that never got that far
		}
		return err
	})
	switch {
	case absent(err) || err == nil && v.ClosedAt != nil:
		return nil
	case err != nil:
		return fmt.Errorf("read a severance: %w", err)
	case v.NextTryAt != nil: // another process asks just now
		return river.JobSnooze(max(v.NextTryAt.Sub(s.now()), time.Second))
	}
	answer, err := s.askProvider(ctx, v, c)
	if err != nil && s.now().Sub(v.CutAt) < giveUp {
		return s.tryLater(ctx, v, err)
	}
	if err != nil {
		answer = provider.Revocation{Outcome: provider.DeletedHereOnly, Answer: "no answer within 72 hours"}
	}
	if answer.Outcome != provider.SeveredVerified && answer.AccessUntil.IsZero() {
		answer.AccessUntil = accessUntil(v, c)
	}
	return s.close(ctx, v, answer)
}

// untold gives the answer for a severance of which nobody is to be told: the provider has no such call, or this organisation alone was meant.
func (s *Service) untold(v models.Severance) (provider.Revocation, bool) {
	if v.Reach == models.ReachHere {
		return provider.Revocation{Outcome: provider.DeletedHereOnly, Answer: "not told, as asked for: this organisation only"}, true
	}
	connector, err := s.providers.Connector(v.Provider)
	if err != nil {
		return provider.Revocation{}, false
	}
	_, told := connector.(provider.Revoker)
	return provider.Revocation{Outcome: provider.UserActionNeeded}, !told
}

// longestAccess is how long an access token lives at most where its end is not known: Microsoft issues them for 60 to 90 minutes.
const longestAccess = 90 * time.Minute

// accessUntil is the latest moment at which an access token that was issued before the cut can work. Zero: there was none.
func accessUntil(v models.Severance, c tokens.Credential) time.Time {
	switch {
	case c.Access.Empty():
		return time.Time{}
	case c.ExpiresAt.IsZero():
		return v.CutAt.UTC().Add(longestAccess)
	default:
		return c.ExpiresAt.UTC()
	}
}

// askProvider tells the provider, where there is somebody to tell.
func (s *Service) askProvider(ctx context.Context, v models.Severance, c tokens.Credential) (provider.Revocation, error) {
	silence, err := s.silence(ctx, v, c)
	if err != nil {
		return provider.Revocation{}, err
	}
	if answer, known := s.untold(v); known {
		answer.Silence = silence
		return answer, nil
	}
	connector, err := s.providers.Connector(v.Provider)
	if err != nil {
		return provider.Revocation{Outcome: provider.DeletedHereOnly, Answer: "this provider is not set up here any more"}, nil
	}
	revoker, ok := connector.(provider.Revoker)
	if !ok {
		return provider.Revocation{Outcome: provider.UserActionNeeded}, nil
	}
	if c.Access.Empty() && c.Refresh.Empty() {
		return provider.Revocation{Outcome: provider.DeletedHereOnly, Answer: "there was no token to revoke"}, nil
	}
	app, err := s.tokens.App(ctx, v.ApplicationID, v.Provider, v.CredentialID)
	if absent(err) {
		return provider.Revocation{Outcome: provider.DeletedHereOnly, Answer: "the connector or its credential was deleted, so the provider could not be told"}, nil
	}
	if err != nil {
		return provider.Revocation{}, err
	}
	return revoker.Revoke(ctx, app, provider.Token{Access: c.Access, Refresh: c.Refresh, ExpiresAt: c.ExpiresAt})
}

// silenceTakes is how long a provider is asked to end its pushes. The credential is kept for it so long and no longer: they end by themselves within 70 hours, and wake nobody.
const silenceTakes = time.Hour

// pushed notes that the provider may have been asked for pushes: while a mailbox is watched it is.
func (s *Service) pushed(tx *store.Tx, v *models.Severance) (err error) {
	connector, unknown := s.providers.Connector(v.Provider)
	_, asks := connector.(provider.Silencer)
	if unknown != nil || !asks || s.push == nil || s.push(v.GrantID) == nil {
		return nil
	}
	v.Pushed, err = tx.Watched(v.TenantID, v.GrantID)
	return err
}

// silence ends the provider's pushes. An error: it is to be tried again.
func (s *Service) silence(ctx context.Context, v models.Severance, c tokens.Credential) (provider.Silence, error) {
	connector, err := s.providers.Connector(v.Provider)
	silencer, ok := connector.(provider.Silencer)
	if !v.Pushed || err != nil || !ok {
		return "", nil
	}
	to := s.push(v.GrantID)
	if to == nil {
		return provider.SilenceOpen, nil // this installation's public address has changed since
	}
	app, err := s.tokens.App(ctx, v.ApplicationID, v.Provider, v.CredentialID)
	if err == nil {
		err = silencer.Silence(ctx, app, provider.Token{Access: c.Access, Refresh: c.Refresh, ExpiresAt: c.ExpiresAt}, to.Address)
	}
	switch {
	case err == nil:
		return provider.SilenceKept, nil
	case errors.Is(err, provider.ErrInvalidGrant), absent(err), s.now().Sub(v.CutAt) >= silenceTakes:
		return provider.SilenceOpen, nil
	}
	return "", err
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

// Requeue finds severances and batches whose job was lost with the process that had it, and enqueues another. It is safe to run in every process: of two jobs one asks the provider, or cuts.
func (s *Service) Requeue(ctx context.Context) (int, error) {
	n := 0
	err := s.store.OnPlatform(ctx, "find severances without a job", func(tx *store.Tx) error {
		lost, err := tx.OverdueSeverances(s.now().Add(-overdue), 100)
		for _, v := range lost {
			if err := s.outbox.Job(ctx, tx, Sever{Tenant: v.TenantID, Severance: v.ID}, &river.InsertOpts{MaxAttempts: severTries, UniqueOpts: river.UniqueOpts{ByArgs: true, ByPeriod: time.Minute}}); err != nil {
				return err
			}
		}
		if err != nil {
			return err
		}
		n = len(lost)
		return s.requeueBatches(ctx, tx)
	})
	if err != nil {
		return 0, fmt.Errorf("requeue severances: %w", err)
	}
	return n, nil
}

// overdue is how late a try is when its job counts as lost.
const overdue = 15 * time.Second

// close settles a severance in a transaction of its own.
func (s *Service) close(ctx context.Context, v models.Severance, answer provider.Revocation) error {
	err := s.store.InTenant(ctx, v.TenantID, func(tx *store.Tx) error { return s.settle(ctx, tx, v, answer, tokens.Severance(v.ID)) })
	if absent(err) {
		return nil // another process closed it
	}
	if err != nil {
		return fmt.Errorf("close a severance: %w", err)
	}
	return nil
}

// settle destroys the credential that owner holds, closes the severance and writes the receipt with its audit entry, which commits to the receipt's every word.
func (s *Service) settle(ctx context.Context, tx *store.Tx, v models.Severance, answer provider.Revocation, owner sealed.Owner) error {
	now := s.now()
	if err := tx.CloseSeverance(v.TenantID, v.ID, string(answer.Outcome), answer.Answer, now); err != nil {
		return err
	}
	n, err := s.tokens.Destroy(ctx, tx, v.TenantID, owner)
	if err != nil {
		return err
	}
	facts := provider.SeveranceFacts{Address: v.Email, AccessUntil: answer.AccessUntil, HereOnly: v.Reach == models.ReachHere, Delegated: v.Delegated}
	b := ReceiptBody{Act: v.Act, Reach: string(v.Reach), Delegated: v.Delegated, Actor: v.Actor, Reason: v.Reason, CutAt: v.CutAt.UTC(), DestroyedAt: now, FieldsDestroyed: n, Attempts: v.Attempts + 1,
		Answer: answer.Answer, Status: answer.Status, Probe: answer.ProbeAnswer, AccessUntil: answer.AccessUntil, Sentences: provider.AfterRevocation(v.Provider, facts, answer, now)}
	if _, untold := s.untold(v); untold && !v.Pushed {
		b.Attempts = 0
	}
	if b.AccessUntil = answer.AccessUntil.UTC(); answer.AccessUntil.IsZero() {
		b.AccessUntil = time.Time{}
	}
	body, err := json.Marshal(b)
	if err != nil {
		return fmt.Errorf("write a receipt: %w", err)
	}
	entryID := models.NewID[models.AuditID](now)
	receipt := models.Receipt{TenantID: v.TenantID, ID: models.NewID[models.ReceiptID](now), ApplicationID: v.ApplicationID, SeveranceID: v.ID, GrantID: v.GrantID,
		Email: v.Email, Provider: v.Provider, Outcome: string(answer.Outcome), Body: body, CreatedAt: now, EntryID: &entryID}
	digest, err := audit.Digest(documentOf(receipt, b))
	if err != nil {
		return err
	}
	if err := tx.InsertReceipt(receipt); err != nil {
		return err
	}
	entry := objectOf(models.Grant{TenantID: v.TenantID, ApplicationID: v.ApplicationID, ID: v.GrantID, Email: v.Email})
	entry.ID, entry.Action = entryID, "grant.sever"
	entry.Detail = map[string]string{"outcome": receipt.Outcome, "provider": v.Provider, "receipt": receipt.ID.String(), audit.DigestField: digest}
	return s.audit.Append(ctx, tx, models.System("severance"), entry)
}
