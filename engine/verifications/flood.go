package verifications

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

// rowsPerMinute is how many refusals for one reason at one endpoint get a row of their own each minute, in each process. What comes beyond it is
// counted. Accepted calls always get their row: only who has the secret can make one.
const rowsPerMinute = 60

// refusal is what is kept of a call that is counted.
type refusal struct {
	minute              time.Time
	endpoint            models.EndpointID // zero: unknown
	reason, source      string
	application, tenant string // ids as text; empty: none
	webhook             string
}

// quota says which refusals are written out. Its size is bounded: keys are known endpoints and our own words.
type quota struct {
	most int // a minute

	mu     sync.Mutex
	minute time.Time
	used   map[quotaKey]int
}

type quotaKey struct {
	endpoint models.EndpointID
	reason   string
}

// take says whether the refusal gets a row of its own.
func (q *quota) take(endpoint models.EndpointID, reason string, at time.Time) bool {
	minute := at.Truncate(time.Minute)
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.used == nil || !q.minute.Equal(minute) {
		q.minute, q.used = minute, map[quotaKey]int{}
	}
	k := quotaKey{endpoint, reason}
	q.used[k]++
	return q.used[k] <= q.most
}

// refuse writes down a refused call: its row where the quota has room, else one more in the count. Whoever may be making ids up gets no row at
// all. The call is answered when its count is committed, so the numbers are exact whatever happens to this process.
func (s *Service) refuse(ctx context.Context, row models.Verification, signature []byte) (models.Verification, error) {
	if row.EndpointID != nil && s.quota.take(*row.EndpointID, row.Reason, row.At) {
		return s.note(ctx, row, signature)
	}
	r := refusal{minute: row.At.Truncate(time.Minute), reason: row.Reason, source: row.Source,
		application: spell(row.ApplicationID), tenant: spell(row.TenantID), webhook: spell(row.WebhookID)}
	if row.EndpointID != nil {
		r.endpoint = *row.EndpointID
	}
	row.ID = models.VerificationID{}
	if _, _, err := s.refusals.ask(ctx, r); err != nil {
		return row, fmt.Errorf("count a refused call: %w", err)
	}
	return row, nil
}

// count adds a load of refusals in one transaction.
func (s *Service) count(ctx context.Context, asked map[refusal]int) (map[refusal]struct{}, error) {
	at := s.now()
	return nil, s.store.OnPlatform(ctx, "count refused calls", func(tx *store.Tx) error {
		for r, n := range asked {
			c := models.RefusalCount{Minute: r.minute, EndpointID: r.endpoint, Reason: r.reason, Source: r.source, Count: int64(n), LastAt: at,
				ApplicationID: read[models.ApplicationID](r.application), TenantID: read[models.TenantID](r.tenant), WebhookID: read[models.WebhookID](r.webhook)}
			if err := tx.AddRefusals(c); err != nil {
				return err
			}
		}
		return nil
	})
}

// read is the other way of spell.
func read[I ~[16]byte](text string) *I {
	id, err := models.ParseID[I](text)
	if err != nil {
		return nil
	}
	return &id
}

// Counted lists the refusals that have no rows of their own, per minute, endpoint and reason, the newest minute first, at most 200. They are
// part of Counts.
func (s *Service) Counted(ctx context.Context, actor models.Actor, f Filter) ([]models.RefusalCount, error) {
	var out []models.RefusalCount
	err := s.scoped(ctx, actor, f, func(tx *store.Tx, q store.VerificationQuery) (err error) {
		q.Limit = 200
		out, err = tx.Refusals(q)
		return err
	})
	return out, err
}
