package evidence

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

// State is what a row says.
type State string

// The states. NotClaimed is said of what cannot be looked at from here, and of what there is nothing to judge by yet.
const (
	Met        State = "met"
	NotMet     State = "not_met"
	NotClaimed State = "not_claimed"
)

// Requirement is a row of the map: what is asked, and by whom.
type Requirement struct {
	ID        string // in addresses
	Group     string // primitive, asvs, casa, assessment
	Ref       string // "ASVS 5.0, 8.4.1"; empty: the seed's own
	Text      string // the question
	Primitive string // what of Postern meets it
	How       string // how it is evaluated, for whoever wants to do it again
	Evidence  string // address of the page behind it
	Documents bool   // people attach a document to it
	judge     func(facts) (State, string)
}

// Result is a row with what was found.
type Result struct {
	Requirement
	State  State
	Detail string
	At     time.Time
	Raw    json.RawMessage // what was measured
}

// facts is everything that rows are judged by.
type facts struct {
	store.InstallationFacts
	store.TenantFacts
	Keys       KeyFacts
	Accepted   int  `json:"events_accepted_30_days"`
	Refused    int  `json:"events_refused_30_days"`
	PlainHTTP  bool `json:"plain_http"`
	OpenEgress bool `json:"egress_opened_to_public_addresses"`
	LogHolds   bool `json:"checkpoint_holds"`
	LogEmpty   bool `json:"no_checkpoint_yet"`
	Region     string
	Rights     Rights   `json:"-"`
	IdleRights []string `json:"rights_unused_for_90_days"`
	now        time.Time
}

// KeyFacts is how the keys stand, from engine/keys: deeds do not know each other, so the engine brings it.
type KeyFacts struct {
	Settled         bool
	Sealed, Current int64
	Oldest          time.Time
	CountedAt       time.Time
}

// longest is the longest life of any session (engine/access, lifetimes).
const longest = 12 * time.Hour

// Evaluate looks at everything and judges every row, in the order of the map.
func (s *Service) Evaluate(ctx context.Context, actor models.Actor) ([]Result, error) {
	keys, err := s.Keys(ctx, actor)
	if err != nil {
		return nil, fmt.Errorf("ask how the keys stand: %w", err)
	}
	f, err := s.facts(ctx, actor, keys)
	if err != nil {
		return nil, fmt.Errorf("evaluate the requirements: %w", err)
	}
	raw, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write what was measured: %w", err)
	}
	var out []Result
	for _, r := range requirements() {
		state, detail := r.judge(f)
		out = append(out, Result{Requirement: r, State: state, Detail: detail, At: f.now, Raw: raw})
	}
	return out, nil
}

// Residency judges the one row about where the data lives, for its own page: the others cost far more to look at.
func (s *Service) Residency(ctx context.Context) (Result, error) {
	f := facts{Region: s.Region, now: s.Now().UTC()}
	err := s.Store.OnPlatform(ctx, "look for organisations of other regions", func(tx *store.Tx) (err error) {
		f.Elsewhere, err = tx.TenantsElsewhere(s.Region)
		return err
	})
	if err != nil {
		return Result{}, fmt.Errorf("look for organisations of other regions: %w", err)
	}
	for _, r := range primitives() {
		if r.ID == "region" {
			state, detail := r.judge(f)
			return Result{Requirement: r, State: state, Detail: detail, At: f.now}, nil
		}
	}
	return Result{}, store.ErrNotFound
}

func (s *Service) facts(ctx context.Context, actor models.Actor, keys KeyFacts) (facts, error) {
	f := facts{Keys: keys, now: s.Now().UTC(), PlainHTTP: s.BaseURL.Scheme != "https", Region: s.Region}
	for _, p := range s.Allow {
		a := p.Addr()
		f.OpenEgress = f.OpenEgress || p.Bits() == 0 || !a.IsPrivate() && !a.IsLoopback() && !a.IsLinkLocalUnicast() && p != netip.PrefixFrom(a, a.BitLen())
	}
	var err error
	if f.Rights, err = s.Rights(ctx, actor); err != nil {
		return f, err
	}
	for _, r := range f.Rights.Rights {
		if r.Granted > 0 && r.Used90 == 0 && r.Capability != "know_identity" {
			f.IdleRights = append(f.IdleRights, string(r.Capability))
		}
	}
	err = s.Store.OnPlatform(ctx, "evaluate the requirements of the installation", func(tx *store.Tx) (err error) {
		f.InstallationFacts, err = tx.InstallationFacts(s.Region, longest, f.now)
		return err
	})
	if err != nil {
		return f, err
	}
	err = s.read(ctx, actor, "evaluate the requirements", func(tx *store.Tx) (err error) {
		if f.TenantFacts, err = tx.TenantFacts(scope(actor), f.now); err != nil {
			return err
		}
		counts, err := tx.VerificationCounts(store.VerificationQuery{Tenant: scope(actor), Since: f.now.AddDate(0, 0, -30)}, "day")
		for _, c := range counts {
			if c.Verdict == "accepted" {
				f.Accepted += c.Count
			} else {
				f.Refused += c.Count
			}
		}
		return err
	})
	if err != nil {
		return f, err
	}
	log, err := s.Log.Standing(ctx)
	f.LogHolds, f.LogEmpty = log.Holds, log.Checkpoint.Size == 0
	return f, err
}

// Documents lists what people attached, and Attach below adds to it.
func (s *Service) Documents(ctx context.Context, requirement string) ([]models.EvidenceDocument, error) {
	var rows []models.EvidenceDocument
	err := s.Store.OnPlatform(ctx, "list attached documents", func(tx *store.Tx) (err error) {
		rows, err = tx.EvidenceDocuments(requirement)
		return err
	})
	return rows, err
}

// Find gives one row by its id.
func Find(results []Result, id string) (Result, bool) {
	for _, r := range results {
		if r.ID == id {
			return r, true
		}
	}
	return Result{}, false
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// none judges a count that must be zero.
func none(n int, good, one, many string) (State, string) {
	if n == 0 {
		return Met, good
	}
	return NotMet, plural(n, one, many) + "."
}

func join(words []string) string { return strings.ReplaceAll(strings.Join(words, ", "), "_", " ") }
