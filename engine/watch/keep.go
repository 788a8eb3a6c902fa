package watch

import (
	"context"
	"time"

	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

const (
	addPage    = 5000            // grants looked through at once for such that are to be watched
	takeMost   = 500             // watches taken at once
	tidyEvery  = 5 * time.Second // between two looks for watches that nobody asks for
	tidyMost   = 200
	forget     = 72 * time.Hour // a grant that was not valid for so long begins anew: what came meanwhile is not told
	endTakes   = 10 * time.Second
	sayEvery   = time.Minute
	shareSlack = 10 // one in so many mailboxes more than its share may a process keep, before it gives some to another
)

// Run watches until ctx ends. Any number of processes may run on one database: they share the mailboxes evenly, and take over those of one that dies.
func (s *Service) Run(ctx context.Context) {
	defer s.end(context.WithoutCancel(ctx))
	tick := time.NewTicker(s.Every)
	defer tick.Stop()
	for {
		if err := s.keep(ctx); err != nil && ctx.Err() == nil {
			s.complain(ctx, err)
			if s.real().After(s.goodTill) {
				s.adjust(ctx, nil) // others have them by now
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// keep says that this process is alive, adds and ends watches, takes this process's share, and starts and stops its mailboxes accordingly.
func (s *Service) keep(ctx context.Context) error {
	asked, kinds := s.real(), triggers()
	tidy := asked.Sub(s.tidied) >= tidyEvery
	var held, idle []models.Watch
	var hooks []models.Webhook
	var next place
	share, hints := 0, s.takeHints()
	err := s.Store.OnPlatform(ctx, "share the watched mailboxes of all tenants among processes", func(tx *store.Tx) error {
		living, err := tx.KeepWatchKeeper(s.id, s.Hold)
		if err != nil {
			return err
		}
		if hooks, err = tx.WatchingWebhooks(kinds); err != nil {
			return err
		}
		if len(hooks) > 0 {
			if next.tenant, next.grant, err = tx.AddWatches(s.place.tenant, s.place.grant, kinds, addPage, s.now()); err != nil {
				return err
			}
		}
		if tidy {
			if idle, err = tx.IdleWatches(kinds, s.now().Add(-forget), tidyMost); err != nil {
				return err
			}
		}
		if err := tx.PokeWatches(ctx, hints); err != nil {
			return err
		}
		all, err := tx.CountWatches()
		if err != nil {
			return err
		}
		share = (all + max(living, 1) - 1) / max(living, 1)
		if held, err = tx.HeldWatches(s.id); err != nil || len(held) >= share {
			return err
		}
		if n, err := tx.TakeWatches(s.id, s.now(), min(share-len(held), takeMost)); err != nil || n == 0 {
			return err
		}
		held, err = tx.HeldWatches(s.id)
		return err
	})
	if err != nil {
		return err
	}
	s.goodTill, s.place = asked.Add(s.Hold), next
	s.hooks.Store(&hooks)
	if most := share + max(share/shareSlack, 1); len(held) > most {
		s.leave(ctx, held[share:])
		held = held[:share]
	}
	s.adjust(ctx, held)
	if !tidy {
		return nil
	}
	s.tidied = asked
	for _, w := range idle {
		if err := s.Store.InTenant(ctx, w.TenantID, func(tx *store.Tx) error { return tx.EndWatches(w.TenantID, []models.GrantID{w.GrantID}) }); err != nil {
			return err
		}
	}
	return nil
}

// now is the time as the database keeps it.
func (s *Service) now() time.Time { return s.Now().UTC().Truncate(time.Microsecond) }

// adjust stops the mailboxes that are not among those held, or are held anew, and starts the others.
func (s *Service) adjust(ctx context.Context, held []models.Watch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := make(map[models.GrantID]models.Watch, len(held))
	for _, w := range held {
		now[w.GrantID] = w
	}
	for id, m := range s.mailbox {
		w, still := now[id]
		switch {
		case !still || w.Fence != m.row.Fence || m.ended():
			m.stop()
			delete(s.mailbox, id)
		case w.Pokes != m.pokes:
			m.pokes = w.Pokes
			if w.Lapses != m.lapses {
				m.lapses = w.Lapses
				m.lapsed.Store(true)
			}
			m.poke()
		}
	}
	for id, w := range now {
		if s.mailbox[id] != nil {
			continue
		}
		own, stop := context.WithCancel(ctx)
		m := &mailbox{Service: s, row: w, pokes: w.Pokes, lapses: w.Lapses, poked: make(chan struct{}, 1), over: make(chan struct{}), stop: stop}
		s.mailbox[id] = m
		s.group.Go(func() {
			defer stop()
			defer close(m.over)
			m.run(own)
		})
	}
}

// leave gives mailboxes to other processes: first they are not looked at any more here, then others may take them.
func (s *Service) leave(ctx context.Context, rows []models.Watch) {
	for _, w := range rows {
		s.Stop(w.GrantID)
		if err := s.Store.OnPlatform(ctx, "give a watched mailbox to another process", func(tx *store.Tx) error { return tx.LeaveWatch(w) }); err != nil {
			s.complain(ctx, err)
			return // they are held still, and given away at the next turn
		}
	}
}

// end stops all and gives it back, so that others go on at once.
func (s *Service) end(ctx context.Context) {
	s.adjust(ctx, nil)
	over := make(chan struct{})
	go func() { s.group.Wait(); close(over) }()
	select {
	case <-over:
	case <-time.After(endTakes):
	}
	if s.frozen {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, endTakes)
	defer cancel()
	if err := s.Store.OnPlatform(ctx, "give back the mailboxes of a process that ends", func(tx *store.Tx) error { return tx.EndWatchKeeper(s.id) }); err != nil {
		s.complain(ctx, err) // they are taken when its time has run out
	}
}

// complain says what is wrong, once a minute.
func (s *Service) complain(ctx context.Context, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.real().Sub(s.said) > sayEvery {
		s.said = s.real()
		s.Log.WarnContext(ctx, "mailboxes cannot be watched at the moment; what changes in them is told later", "error", err)
	}
}
