package evidence

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/postern-mail/postern/engine/audit"
	"github.com/postern-mail/postern/engine/dial"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

type egressKey struct {
	purpose dial.Purpose
	host    string
	port    uint16
}

// countEvery is how often what the guard saw is written down.
const countEvery = 10 * time.Second

// KeepEgress writes what the guard saw into the ledger until ctx ends, and once more then.
func (s *Service) KeepEgress(ctx context.Context) {
	tick := time.NewTicker(countEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if err := s.CountEgress(ctx); err != nil && ctx.Err() == nil {
				s.Logger.WarnContext(ctx, "the egress ledger could not be written; its counts are kept for the next time", "error", err)
			}
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
			defer cancel()
			_ = s.CountEgress(last) // the process ends; what it reached since the last time is lost if this fails
			return
		}
	}
}

// CountEgress writes down what the guard saw since the last time, in one transaction. A host that the ledger did not know is audited. One goroutine calls it.
func (s *Service) CountEgress(ctx context.Context) error {
	if s.Guard == nil {
		return nil
	}
	var grown []models.EgressHost
	now := map[egressKey]dial.Entry{}
	for _, e := range s.Guard.Ledger() {
		k := egressKey{e.Purpose, e.Host, e.Port}
		before := s.counted[k]
		now[k] = e
		h := models.EgressHost{Purpose: string(e.Purpose), Host: e.Host, Port: int(e.Port), Connected: int64(e.Connected - before.Connected), Refused: int64(e.Refused - before.Refused),
			Failed: int64(e.Failed - before.Failed), FirstAt: e.First.UTC(), LastAt: e.Last.UTC()}
		if h.Connected+h.Refused+h.Failed > 0 {
			grown = append(grown, h)
		}
	}
	if len(grown) == 0 {
		return nil
	}
	err := s.Store.OnPlatform(ctx, "write the egress ledger", func(tx *store.Tx) error {
		for _, h := range grown {
			fresh, err := tx.CountEgress(h)
			if err != nil {
				return err
			}
			if fresh {
				entry := audit.Entry{Action: "egress.new_host", ObjectKind: "egress_host", ObjectID: h.Host, Object: h.Host, Detail: map[string]string{"purpose": h.Purpose, "port": fmt.Sprint(h.Port)}}
				if err := s.Audit.Append(ctx, tx, models.System("egress"), entry); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err == nil {
		s.counted = now
	}
	return err
}

// Host is a line of the ledger, with what is known of where the host is.
type Host struct {
	models.EgressHost
	Region string
	New    bool
}

// mostHosts bounds the page of the ledger.
const mostHosts = 500

// Egress lists the outside hosts, the new ones first, at most 500. Staff and reviewers of the whole installation only: the hosts of one tenant are not told apart.
func (s *Service) Egress(ctx context.Context, actor models.Actor) ([]Host, error) {
	if !actor.Platform() || !actor.May(models.ReadSecurity) {
		return nil, store.ErrNotFound
	}
	var out []Host
	err := s.Store.OnPlatform(ctx, "show the egress ledger", func(tx *store.Tx) error {
		rows, err := tx.EgressHosts(mostHosts)
		for _, r := range rows {
			out = append(out, Host{EgressHost: r, Region: RegionOf(r.Host), New: r.SeenAt == nil})
		}
		return err
	})
	return out, err
}

// NewHosts counts hosts that nobody has looked at: what needs a person today.
func (s *Service) NewHosts(ctx context.Context) (int, error) {
	var n int
	err := s.Store.OnPlatform(ctx, "count new outside hosts", func(tx *store.Tx) (err error) {
		n, err = tx.CountNewEgressHosts()
		return err
	})
	return n, err
}

var errEgress = fault.New(fault.Denied, "egress_denied", "Only an owner or admin says that a new host is known.")

// SeenEgress notes that the actor has looked at the hosts that were new at upTo.
func (s *Service) SeenEgress(ctx context.Context, actor models.Actor, upTo time.Time) error {
	if !actor.Platform() || !actor.May(models.ManageEvidence) {
		return errEgress
	}
	return s.Store.OnPlatform(ctx, "note who looked at new hosts", func(tx *store.Tx) error {
		n, err := tx.MarkEgressSeen(actor.Label, upTo, s.Now().UTC())
		if err != nil || n == 0 {
			return err
		}
		return s.Audit.Append(ctx, tx, actor, audit.Entry{Action: "egress.seen", ObjectKind: "egress_host", Object: "new outside hosts", Detail: map[string]string{"hosts": fmt.Sprint(n)}})
	})
}

// regions are hosts whose operator says where they are. Big providers answer from wherever is near: that is said as it is.
var regions = []struct{ suffix, words string }{
	{"api.us.nylas.com", "US"}, {"api.eu.nylas.com", "EU"}, {"nylas.com", "said by the address"},
	{"googleapis.com", "Google, worldwide"}, {"google.com", "Google, worldwide"}, {"gmail.com", "Google, worldwide"},
	{"graph.microsoft.us", "US government"}, {"login.microsoftonline.us", "US government"}, {"microsoftgraph.chinacloudapi.cn", "China"},
	{"microsoft.com", "Microsoft, by the customer's own region"}, {"microsoftonline.com", "Microsoft, worldwide"}, {"office365.com", "Microsoft, by the customer's own region"}, {"outlook.com", "Microsoft, worldwide"},
	{"yahoo.com", "Yahoo, worldwide"}, {"mail.me.com", "Apple, worldwide"}, {"icloud.com", "Apple, worldwide"},
	{"localhost", "this machine"}, {"127.0.0.1", "this machine"}, {"::1", "this machine"},
}

// RegionOf says what is known of where a host is; mostly nothing.
func RegionOf(host string) string {
	for _, r := range regions {
		if host == r.suffix || strings.HasSuffix(host, "."+r.suffix) {
			return r.words
		}
	}
	return "not known"
}
