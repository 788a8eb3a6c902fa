package webhooks

import (
	"context"
	"sync"
	"time"

	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

const (
	brisk    = 10 * time.Millisecond  // between looks into the queue while there is work
	calm     = 100 * time.Millisecond // and when there was none for a while
	briskFor = 2 * time.Second
	laneHold = 10 * time.Second // how long a lane stays a dead process's
	troubled = time.Second      // after an error of ours
	sayEvery = time.Minute
	sendEnd  = 20 * time.Second // for the calls under way when the program stops
	laneStay = time.Second      // a lane without work stays, because the next event is often near
)

// sender is one process's part of the sending: it fans out, and runs the lanes that it holds.
type sender struct {
	*Service
	id   models.AttemptID // of this process, for the lanes' table
	said time.Time

	mu     sync.Mutex
	lanes  map[models.WebhookID]*running
	others map[models.WebhookID]time.Time // held by another process: when to ask again
	group  sync.WaitGroup
}

type running struct {
	lane *lane
	stop context.CancelFunc
}

// Send fans out and delivers until ctx ends, and then lets the calls under way finish, for 20 seconds at most. Several processes may send at once; a webhook is
// sent to by one at a time, and by another some seconds after that one died.
func (s *Service) Send(ctx context.Context) {
	d := &sender{Service: s, id: models.NewID[models.AttemptID](s.real()), lanes: map[models.WebhookID]*running{}, others: map[models.WebhookID]time.Time{}}
	ctx, cancel := context.WithCancel(ctx)
	defer d.end()
	defer cancel()
	go d.keep(ctx)
	var busy, looked time.Time
	for ctx.Err() == nil {
		n, touched, err := s.fanOut(ctx)
		if err == nil && d.ago(looked) >= calm {
			var due []store.DueWebhook
			if due, err = s.due(ctx); err == nil {
				touched, looked = append(touched, due...), d.real()
			}
		}
		for _, hook := range touched {
			if err == nil {
				err = d.drive(ctx, hook)
			}
		}
		pause := calm
		switch {
		case err != nil:
			d.complain(ctx, err)
			pause = troubled
		case n == fanBatch:
			pause = 0
		case n > 0:
			busy = d.real()
			pause = brisk
		case d.ago(busy) < briskFor:
			pause = brisk
		}
		if pause == 0 {
			continue
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		case <-s.waking:
			busy = d.real()
			select { // whoever wakes us has not committed yet
			case <-ctx.Done():
			case <-time.After(brisk / 2):
			}
		}
	}
}

// wake makes the sender of this process look soon.
func (s *Service) wake() {
	select {
	case s.waking <- struct{}{}:
	default:
	}
}

func (s *Service) due(ctx context.Context) ([]store.DueWebhook, error) {
	var list []store.DueWebhook
	err := s.store.OnPlatform(ctx, "find the webhooks with something due", func(tx *store.Tx) (err error) {
		list, err = tx.DueWebhooks(s.now())
		return err
	})
	return list, err
}

// drive wakes the lane of a webhook, or takes it and starts it.
func (d *sender) drive(ctx context.Context, due store.DueWebhook) error {
	d.mu.Lock()
	r, until := d.lanes[due.Webhook], d.others[due.Webhook]
	d.mu.Unlock()
	if r != nil {
		r.lane.poke()
		return nil
	}
	if d.real().Before(until) {
		return nil
	}
	mine := false
	err := d.store.OnPlatform(ctx, "take a webhook's lane", func(tx *store.Tx) (err error) {
		mine, err = tx.TakeLane(due.Webhook, d.id, d.hold)
		return err
	})
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if !mine {
		d.others[due.Webhook] = d.real().Add(d.hold / 4)
		return nil
	}
	delete(d.others, due.Webhook)
	own, stop := context.WithCancel(ctx)
	l := d.newLane(due, laneStay)
	d.lanes[due.Webhook] = &running{l, stop}
	d.group.Go(func() {
		defer stop()
		l.run(own)
		d.leave(context.WithoutCancel(ctx), due.Webhook)
	})
	return nil
}

func (d *sender) leave(ctx context.Context, id models.WebhookID) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	// Given back before it is forgotten here: the other way round, the lane could be taken anew in between and be given back under its new run.
	err := d.store.OnPlatform(ctx, "give a webhook's lane back", func(tx *store.Tx) error { return tx.LeaveLane(id, d.id) })
	d.mu.Lock()
	delete(d.lanes, id)
	d.mu.Unlock()
	if err != nil {
		d.complain(ctx, err) // it runs out by itself
	}
}

// keep prolongs the leases. A lane that another process took meanwhile, or that could not be prolonged in time, stops: sending twice is allowed, and better avoided.
func (d *sender) keep(ctx context.Context) {
	tick := time.NewTicker(d.hold / 3)
	defer tick.Stop()
	good := d.real()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		d.mu.Lock()
		held := make(map[models.WebhookID]*running, len(d.lanes))
		for id, r := range d.lanes {
			held[id] = r
		}
		d.mu.Unlock()
		if len(held) == 0 {
			good = d.real()
			continue
		}
		var kept []models.WebhookID
		err := d.store.OnPlatform(ctx, "keep the lanes of this process", func(tx *store.Tx) (err error) {
			kept, err = tx.KeepLanes(d.id, d.hold)
			return err
		})
		if err == nil {
			good = d.real()
			for _, id := range kept {
				delete(held, id)
			}
		} else if d.ago(good) < d.hold {
			continue
		}
		for _, r := range held {
			r.stop()
		}
	}
}

// end waits for the lanes, whose context has ended.
func (d *sender) end() {
	over := make(chan struct{})
	go func() { d.group.Wait(); close(over) }()
	select {
	case <-over:
	case <-time.After(sendEnd):
	}
}

// complain says what is wrong, once a minute.
func (d *sender) complain(ctx context.Context, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if ctx.Err() == nil && d.ago(d.said) > sayEvery {
		d.said = d.real()
		d.log.WarnContext(ctx, "events are not sent at the moment; they are kept, and sent later", "error", err)
	}
}
