package offboardings

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

// planLife is how long a plan can be approved.
const planLife = 24 * time.Hour

// Plan is a dry run: everything that an offboarding would end. Frozen is what the hash stands for; the rest changes by itself and is for information.
type Plan struct {
	Frozen
	Sessions int       `json:"sessions"`
	Keys     []string  `json:"keys"`
	Webhooks []string  `json:"webhooks"`
	Apps     []PlanApp `json:"apps"` // shared registrations at providers: they stay
	Seconds  int       `json:"seconds"`
	Slowest  string    `json:"slowest,omitempty"` // the provider whose quota decides that
	MadeAt   time.Time `json:"made_at"`
}

// Frozen is what is approved. Whatever changes in it makes the plan another.
type Frozen struct {
	Tenant        string      `json:"tenant"`
	Name          string      `json:"name"`
	Grants        []PlanGrant `json:"grants"`
	GrantsDigest  string      `json:"grants_digest"`
	KeyCount      int         `json:"key_count"`
	KeysDigest    string      `json:"keys_digest"`
	Links         int         `json:"links"`
	LinksDigest   string      `json:"links_digest"`
	WebhookCount  int         `json:"webhook_count"`
	HooksDigest   string      `json:"webhooks_digest"`
	Members       int         `json:"members"`
	MembersDigest string      `json:"members_digest"`
}

// PlanGrant is how many grants of one provider there are.
type PlanGrant struct {
	Provider string `json:"provider"`
	Live     int    `json:"live"`    // to be severed
	Revoked  int    `json:"revoked"` // cut before; only their record goes
}

// PlanApp is a registration at a provider.
type PlanApp struct {
	Provider    string `json:"provider"`
	Application string `json:"application"`
	ClientID    string `json:"client_id,omitempty"`
}

// Total is how many grants are to be severed, and how many records of earlier ones go with them.
func (f Frozen) Total() (live, revoked int) {
	for _, g := range f.Grants {
		live, revoked = live+g.Live, revoked+g.Revoked
	}
	return live, revoked
}

// hash is SHA-256 over the frozen part, length by its JSON.
func (f Frozen) hash() ([]byte, error) {
	text, err := json.Marshal(f)
	if err != nil {
		return nil, fmt.Errorf("write a plan: %w", err)
	}
	sum := sha256.Sum256(append([]byte("postern offboarding plan 1\n"), text...))
	return sum[:], nil
}

func readPlan(text models.JSON) (Plan, error) {
	var p Plan
	if err := json.Unmarshal(text, &p); err != nil {
		return p, fmt.Errorf("read a plan: %w", err)
	}
	return p, nil
}

// DryRun says what an offboarding of a tenant would end, and changes nothing.
func (s *Service) DryRun(ctx context.Context, actor models.Actor, tenant models.TenantID) (Plan, error) {
	if !actor.Platform() {
		return Plan{}, store.ErrNotFound
	}
	var p Plan
	err := s.Store.OnPlatform(ctx, "plan an offboarding", func(tx *store.Tx) error {
		t, err := tx.Tenant(tenant)
		if err != nil {
			return err
		}
		p, err = s.plan(tx, t)
		return err
	})
	if err != nil {
		return p, fmt.Errorf("plan an offboarding: %w", err)
	}
	return p, nil
}

func (s *Service) plan(tx *store.Tx, t models.Tenant) (Plan, error) {
	v, err := tx.Inventory(t.ID, s.now())
	if err != nil {
		return Plan{}, err
	}
	p := Plan{Sessions: v.Sessions, Keys: v.Keys, Webhooks: v.Webhooks, MadeAt: s.now()}
	p.Frozen = Frozen{Tenant: t.ID.String(), Name: t.Name, GrantsDigest: v.GrantsDigest, KeyCount: len(v.Keys), KeysDigest: v.KeysDigest, Links: v.Links, LinksDigest: v.LinksDigest,
		WebhookCount: len(v.Webhooks), HooksDigest: v.HooksDigest, Members: v.Members, MembersDigest: v.MembersDigest}
	seconds := 2.0
	for _, g := range v.Grants {
		p.Grants = append(p.Grants, PlanGrant{g.Provider, g.Live, g.Revoked})
		took := float64(g.Live) / cutsPerSecond
		if asked := float64(g.Live) / provider.RevocationsPerSecond(g.Provider); asked > took {
			took = asked
		}
		if took > seconds {
			seconds, p.Slowest = took, g.Provider
		}
	}
	p.Seconds = int(seconds + 0.5)
	for _, a := range v.Apps {
		p.Apps = append(p.Apps, PlanApp{a.Provider, a.Application, a.ClientID})
	}
	return p, nil
}

// cutsPerSecond is how many grants Postern severs itself, measured low.
const cutsPerSecond = 200

// Request is what somebody asks for with a plan.
type Request struct {
	Reason  string
	Ticket  string
	Wait    time.Duration // how long a provider that is down is asked; 0: 72 hours
	StartAt time.Time     // zero: with the approval
}

var (
	errReason   = fault.New(fault.Invalid, "reason_missing", "Say why this organisation is offboarded, in 3 to 300 characters.").At("reason")
	errTicket   = fault.New(fault.Invalid, "ticket_too_long", "Give the ticket in at most 100 characters.").At("ticket")
	errWait     = fault.New(fault.Invalid, "wait_invalid", "Providers can be waited for from one minute to 72 hours.").At("wait")
	errStart    = fault.New(fault.Invalid, "start_invalid", "Choose a time within the next 90 days, or leave it empty to start with the approval.").At("start_at")
	errOneOpen  = fault.New(fault.Conflict, "offboarding_open", "An offboarding of this organisation is open already. Withdraw it first, or go on with it.")
	errNotOpen  = fault.New(fault.Conflict, "tenant_not_active", "This organisation is being offboarded, or was.")
	longestWait = 72 * time.Hour
)

func (r *Request) check(now time.Time) error {
	r.Reason, r.Ticket = strings.TrimSpace(r.Reason), strings.TrimSpace(r.Ticket)
	if r.Wait == 0 {
		r.Wait = longestWait
	}
	switch {
	case len([]rune(r.Reason)) < 3 || len([]rune(r.Reason)) > 300:
		return errReason
	case len([]rune(r.Ticket)) > 100:
		return errTicket
	case r.Wait < time.Minute || r.Wait > longestWait:
		return errWait
	case !r.StartAt.IsZero() && (r.StartAt.Before(now.Add(-time.Minute)) || r.StartAt.After(now.Add(90*24*time.Hour))):
		return errStart
	}
	return nil
}

// Plan freezes a dry run. It waits for a second person's approval for a day, and changes nothing until then.
func (s *Service) Plan(ctx context.Context, actor models.Actor, tenant models.TenantID, r Request) (models.Offboarding, error) {
	if !actor.Platform() || actor.Kind != models.ActorMember {
		return models.Offboarding{}, store.ErrNotFound
	}
	now := s.now()
	if err := r.check(now); err != nil {
		return models.Offboarding{}, err
	}
	o := models.Offboarding{TenantID: tenant, ID: models.NewID[models.OffboardingID](now), State: models.OffboardingPlanned, Reason: r.Reason, Ticket: r.Ticket, WaitSeconds: int(r.Wait / time.Second),
		RequestedBy: actor.Label, RequestedByID: actor.ID, RequestedAt: now, ExpiresAt: now.Add(planLife)}
	if !r.StartAt.IsZero() {
		at := r.StartAt.UTC()
		o.StartAt = &at
		if at.After(now) {
			o.ExpiresAt = now.Add(planLife)
		}
	}
	err := s.Store.OnPlatform(ctx, "plan an offboarding", func(tx *store.Tx) error {
		t, err := tx.Tenant(tenant)
		if err != nil {
			return err
		}
		if t.State != models.TenantActive {
			return errNotOpen
		}
		p, err := s.plan(tx, t)
		if err != nil {
			return err
		}
		if o.PlanHash, err = p.hash(); err != nil {
			return err
		}
		text, err := json.Marshal(p)
		if err != nil {
			return fmt.Errorf("write a plan: %w", err)
		}
		o.Plan = text
		if err := s.clearExpired(tx, tenant, now); err != nil {
			return err
		}
		if err := tx.InsertOffboarding(o); errors.Is(err, store.ErrTaken) {
			return errOneOpen
		} else if err != nil {
			return err
		}
		return s.Audit.Append(ctx, tx, actor, object(o, t.Name, "offboarding.plan", map[string]string{"reason": o.Reason, "ticket": o.Ticket, "plan": hex.EncodeToString(o.PlanHash)}))
	})
	if err != nil {
		return o, fmt.Errorf("plan an offboarding: %w", err)
	}
	return o, nil
}

// clearExpired takes a plan whose day is over out of the way of a new one.
func (s *Service) clearExpired(tx *store.Tx, tenant models.TenantID, now time.Time) error {
	open, err := tx.Offboardings(store.OffboardingQuery{Tenant: tenant, State: models.OffboardingPlanned, Limit: 1})
	if err != nil || len(open) == 0 || now.Before(open[0].ExpiresAt) {
		return err
	}
	return tx.EndOffboarding(tenant, open[0].ID, models.OffboardingStale, "time", now)
}

// same says whether what is there is still what was planned.
func (s *Service) same(tx *store.Tx, o models.Offboarding) (models.Tenant, bool, error) {
	t, err := tx.Tenant(o.TenantID)
	if err != nil {
		return t, false, err
	}
	p, err := s.plan(tx, t)
	if err != nil {
		return t, false, err
	}
	hash, err := p.hash()
	return t, t.State == models.TenantActive && bytes.Equal(hash, o.PlanHash), err
}
