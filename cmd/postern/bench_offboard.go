package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/postern-mail/postern/engine/dial"
	"github.com/postern-mail/postern/engine/offboardings"
	"github.com/postern-mail/postern/engine/sealed"
	"github.com/postern-mail/postern/engine/secret"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

// benchOffboard offboards one organisation with many mailboxes, and holds to the figures: refused everywhere within a second of the approval, every local credential destroyed within
// 60 seconds, the data key gone within 5. The mailboxes are of passwords, of which no provider is to be told: what a provider takes is its own quota, not this machine's.
func benchOffboard(ctx context.Context, b *bench) error {
	const name = "offboard"
	w, err := b.world(ctx)
	if err != nil {
		return err
	}
	n, e := min(b.grants, 10_000), w.process.engine
	tenant, err := e.Tenants.Create(ctx, system, "Leaving", w.process.config.Region)
	if err != nil {
		return err
	}
	list, err := w.seedPasswords(ctx, tenant.ID, n)
	if err != nil {
		return err
	}
	person := func(id string) models.Actor {
		return models.Actor{Kind: models.ActorMember, ID: id, Label: id, Role: models.Owner, Permissions: models.Owner.Permissions()}
	}
	began := time.Now()
	o, err := e.Offboardings.Plan(ctx, person("bench one"), tenant.ID, offboardings.Request{Reason: "measured"})
	if err != nil {
		return err
	}
	b.note(figure{Measure: name, What: fmt.Sprintf("dry run over %d mailboxes, frozen", n), Value: ms(time.Since(began)), Unit: "ms"})
	if status, err := w.asks(ctx, list[n/2]); err != nil || status != http.StatusOK {
		return errors.Join(fmt.Errorf("before the approval a grant answers %d", status), err)
	}

	began = time.Now()
	refused := make(chan error, 1)
	var at time.Time
	go func() { // a program that goes on calling, as fast as it is answered
		for i := 0; ; i++ {
			status, err := w.asks(ctx, list[i*7919%n])
			if err != nil || gone(status) {
				at = time.Now()
				refused <- err
				return
			}
		}
	}()
	if _, err := e.Offboardings.Approve(ctx, person("bench two"), o.ID, hex.EncodeToString(o.PlanHash)); err != nil {
		return err
	}
	approved := time.Since(began)
	if err := <-refused; err != nil {
		return err
	}
	for i := range min(n, 50) { // the one transaction closed them all: no sample may still be open
		if status, err := w.asks(ctx, list[i*n/min(n, 50)]); err != nil || !gone(status) {
			return errors.Join(fmt.Errorf("after the approval a grant answers %d", status), err)
		}
	}
	b.note(figure{Measure: name, What: fmt.Sprintf("refused everywhere after the approval's click, %d mailboxes", n), Value: ms(max(approved, at.Sub(began))), Unit: "ms", Goal: 1000, AtMost: true,
		Note: "the approval returns when all are shut; a program that calls all the while saw it too"})

	steps, err := waitOffboarded(ctx, e.Offboardings, person("bench one"), o.ID)
	if err != nil {
		return err
	}
	left, err := w.sealedOf(ctx, tenant.ID)
	if err != nil || left > 0 {
		return errors.Join(fmt.Errorf("%d sealed values are left", left), err)
	}
	cut := steps[offboardings.StepGrants].EndedAt.Sub(began)
	b.note(figure{Measure: name, What: fmt.Sprintf("all %d local credentials destroyed, receipts written", n), Value: cut.Seconds(), Unit: "s", Goal: 60, AtMost: true, Note: fmt.Sprintf("%.0f a second", float64(n)/cut.Seconds())})
	b.note(figure{Measure: name, What: "what is left sealed destroyed, and the data key", Value: steps[offboardings.StepKey].EndedAt.Sub(*steps[offboardings.StepProviders].EndedAt).Seconds(), Unit: "s", Goal: 5, AtMost: true})
	b.note(figure{Measure: name, What: "from the click to the certificate", Value: steps[offboardings.StepCertificate].EndedAt.Sub(began).Seconds(), Unit: "s"})
	return nil
}

// gone says whether an answer refuses a grant: 401 while it is shut, 404 once its record is gone too.
func gone(status int) bool { return status == http.StatusUnauthorized || status == http.StatusNotFound }

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// seedPasswords makes n valid grants of a tenant, each with a sealed password.
func (w *world) seedPasswords(ctx context.Context, tenant models.TenantID, n int) ([]models.GrantID, error) {
	columns := []string{"tenant_id", "id", "application_id", "provider", "subject", "email", "name", "login", "status", "status_reason", "status_at", "settings",
		"scopes_requested", "scopes_granted", "state", "address", "user_agent", "credential", "created_at", "updated_at", "authenticated_at"}
	at := time.Now().UTC()
	list := make([]models.GrantID, n)
	if _, err := w.copyRows(ctx, "grants", columns, n, func(i int) ([]any, error) {
		list[i] = models.NewID[models.GrantID](at)
		address := fmt.Sprintf("leaving%06d@example.test", i)
		return []any{tenant.String(), list[i].String(), w.application.String(), "imap", address, address, "", address, "valid", "connected", at, map[string]string{"imap_host": "mail.example.test"},
			[]string{}, []string{}, "", "192.0.2.7", "Mozilla/5.0", 1, at, at, at}, nil
	}); err != nil {
		return nil, err
	}
	safe := sealed.New(w.process.engine.Vault, time.Now)
	for from := 0; from < n; from += 1000 {
		part := list[from:min(from+1000, n)]
		owners, values := make([]string, len(part)), make([]secret.Text, len(part))
		for i, id := range part {
			owners[i], values[i] = id.String(), secret.New("a password of some length")
		}
		if err := w.process.engine.Store.InTenant(ctx, tenant, func(tx *store.Tx) error {
			return safe.PutNew(ctx, tx, tenant, sealed.GrantOwner, "password", owners, values)
		}); err != nil {
			return nil, fmt.Errorf("seal passwords: %w", err)
		}
	}
	return list, nil
}

// asks asks the API for one grant and gives the status.
func (w *world) asks(ctx context.Context, id models.GrantID) (int, error) {
	r, err := w.request(ctx, http.MethodGet, "http://"+w.addr+"/v3/grants/"+id.String(), nil)
	if err != nil {
		return 0, fmt.Errorf("make a request: %w", err)
	}
	res, err := w.client().Do(r)
	if err != nil {
		return 0, fmt.Errorf("ask for a grant: %w", err)
	}
	return res.StatusCode, res.Body.Close()
}

// client asks the API as a program would: over loopback, which is all that it reaches.
func (w *world) client() *http.Client {
	if w.asking == nil {
		w.asking = dial.New(dial.Config{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}).HTTPClient(dial.Provider, 0)
	}
	return w.asking
}

// sealedOf counts what is still sealed of a tenant, past every wall.
func (w *world) sealedOf(ctx context.Context, tenant models.TenantID) (n int, err error) {
	conn, err := pgx.Connect(ctx, w.dsn)
	if err != nil {
		return 0, fmt.Errorf("connect to count: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // read only
	err = conn.QueryRow(ctx, `SELECT count(*) FROM sealed WHERE tenant_id = $1`, tenant.String()).Scan(&n)
	return n, err
}

// waitOffboarded waits for the certificate and gives the steps by name.
func waitOffboarded(ctx context.Context, s *offboardings.Service, actor models.Actor, id models.OffboardingID) (map[string]models.OffboardingStep, error) {
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for {
		o, err := s.Find(ctx, actor, id)
		if err != nil {
			return nil, err
		}
		if o.State == models.OffboardingDone {
			steps := map[string]models.OffboardingStep{}
			for _, step := range o.Steps {
				steps[step.Name] = step
			}
			if c, _, err := s.Certificate(ctx, actor, id); err != nil || !c.MatchesPlan {
				return nil, errors.Join(errors.New("the certificate does not match the plan"), err)
			}
			return steps, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-look.C:
		}
	}
}
