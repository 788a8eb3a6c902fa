package evidence

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/postern-mail/postern/models"
)

const (
	// fresh is how old a check may be before a page that shows it begins another, behind itself.
	fresh = 5 * time.Minute
	// stalest is how old one may be to be shown at all: with nobody looking for a while, the next one waits.
	stalest = time.Hour
	// checkTime bounds a check that nobody waits for.
	checkTime = 2 * time.Minute
	// mostChecked bounds the organisations whose check is remembered; above it all are forgotten.
	mostChecked = 1000
)

// latest remembers the last check of each organisation, and of all together under the zero id. Looking at everything costs with the number of mailboxes and receipts; a page must not.
type latest struct {
	mu     sync.Mutex
	of     map[models.TenantID][]Result
	flight singleflight.Group
}

func (l *latest) recall(id models.TenantID) []Result {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.of[id]
}

func (l *latest) keep(id models.TenantID, found []Result) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if before := l.of[id]; len(before) > 0 && before[0].At.After(found[0].At) {
		return // a check that began later was faster
	}
	if l.of == nil || len(l.of) >= mostChecked {
		l.of = map[models.TenantID][]Result{}
	}
	l.of[id] = found
}

// Latest gives the last check of what the actor may see; each row says when it was. One older than five minutes is given too, and another is begun behind it; where there is none, or
// none of the last hour, the caller waits for it. Packs and receipts never use it: they Evaluate.
func (s *Service) Latest(ctx context.Context, actor models.Actor) ([]Result, error) {
	found := s.latest.recall(scope(actor))
	if len(found) == 0 {
		return s.Check(ctx, actor)
	}
	switch age := s.Now().Sub(found[0].At); {
	case age >= stalest || age < 0:
		return s.Check(ctx, actor)
	case age >= fresh:
		behind := context.WithoutCancel(ctx)
		go func() {
			behind, stop := context.WithTimeout(behind, checkTime)
			defer stop()
			if _, err := s.Check(behind, actor); err != nil {
				s.Logger.WarnContext(behind, "the requirements were not checked again", "error", err)
			}
		}()
	}
	return found, nil
}

// Check evaluates now, and remembers what it found for Latest. Several who ask for the same at once share one check.
func (s *Service) Check(ctx context.Context, actor models.Actor) ([]Result, error) {
	id := scope(actor)
	if id.IsZero() && !actor.Platform() {
		return s.Evaluate(ctx, actor) // refuses
	}
	shared := s.latest.flight.DoChan(id.String(), func() (any, error) {
		alone, stop := context.WithTimeout(context.WithoutCancel(ctx), checkTime) // others wait for it: it does not end with whoever came first
		defer stop()
		found, err := s.Evaluate(alone, actor)
		if err == nil && len(found) > 0 {
			s.latest.keep(id, found)
		}
		return found, err
	})
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case r := <-shared:
		if r.Err != nil {
			return nil, r.Err
		}
		return r.Val.([]Result), nil
	}
}
