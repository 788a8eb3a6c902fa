package grants

import (
	"context"
	"fmt"
	"time"

	"github.com/postern-mail/postern/models/store"
)

// heldEvery is how often a process looks whether the mailboxes that it keeps connections to may still be reached. Every call asks before it goes out; this ends what lies in
// the pools, and what is on its way, after a grant was cut in another process.
const heldEvery = 500 * time.Millisecond

// KeepClosed closes what this process keeps open for grants that may not be used any more, until ctx ends.
func (s *Service) KeepClosed(ctx context.Context) {
	tick := time.NewTicker(heldEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := s.closeCut(ctx); err != nil && ctx.Err() == nil {
			s.log.WarnContext(ctx, "whether open connections may stay open is not known", "error", err)
		}
	}
}

// closeCut looks once. It costs nothing while nothing is open.
func (s *Service) closeCut(ctx context.Context) error {
	held := s.providers.Held()
	if len(held) == 0 {
		return nil
	}
	var usable map[string]bool
	err := s.store.OnPlatform(ctx, "see which open mailboxes may stay open", func(tx *store.Tx) (err error) {
		usable, err = tx.GrantsUsable(held)
		return err
	})
	if err != nil {
		return fmt.Errorf("look for grants that were cut: %w", err)
	}
	for _, id := range held {
		if !usable[id] {
			s.providers.Close(id)
		}
	}
	return nil
}
