package webhooks

import (
	"context"
	"time"

	"github.com/postern-mail/postern/engine/sealed"
	"github.com/postern-mail/postern/engine/secret"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

const (
	laneBatch = 500                    // deliveries read at once, of a receiver that answers
	laneFresh = 250 * time.Millisecond // for how long webhook and secrets are good for calls, once they have been read
	lanePoll  = 50 * time.Millisecond  // another process may have fanned out
	mostKept  = 2000                   // outcomes that wait for a database that is away, before nothing more is sent
)

// lane sends to one webhook. Its loop owns all that it knows; reading, calling and writing go on beside it and report to it. So a batch is read while the
// one before it is under way and the one before that is written.
type lane struct {
	*Service
	due   store.DueWebhook
	stay  time.Duration // without work, before it ends
	poked chan struct{}

	hook    models.Webhook
	keys    []key
	fresh   time.Time // when webhook and secrets were read
	opened  map[models.WebhookSecretID]secret.Text
	inHand  map[models.DeliveryID]struct{} // read, and its outcome not written yet
	ready   []*parcel
	settled []outcome
	calls   int
	pace    pace
	handled int // attempts, in all
}

// outcome is what came of one attempt; err is a failure of ours, after which the delivery stays as it was.
type outcome struct {
	parcel *parcel
	answer answer
	err    error
}

func (s *Service) newLane(due store.DueWebhook, stay time.Duration) *lane {
	return &lane{Service: s, due: due, stay: stay, poked: make(chan struct{}, 1), opened: map[models.WebhookSecretID]secret.Text{}, inHand: map[models.DeliveryID]struct{}{}}
}

// poke says that something may be due.
func (l *lane) poke() {
	select {
	case l.poked <- struct{}{}:
	default:
	}
}

// run sends what is due until there was nothing for a while, or ctx ends. Calls under way are finished and their outcomes written in both cases.
func (l *lane) run(ctx context.Context) {
	answered, read, written := make(chan outcome, laneBatch), make(chan reading, 1), make(chan error, 1)
	isReading, isWriting, more := false, false, true
	var writing []outcome
	var held time.Time // no reading before: something of ours failed
	var hush time.Time // no writing before
	worked := l.real()
	for {
		ending := ctx.Err() != nil
		stale := l.ago(l.fresh) >= laneFresh
		for !ending && !stale && len(l.ready) > 0 && l.calls < l.pace.room(l.real()) && len(l.settled) < mostKept {
			l.start(ctx, answered)
		}
		if want := l.want(); !isReading && !ending && l.real().After(held) && (more && len(l.ready) <= want/2 || len(l.ready) > 0 && stale) {
			if len(l.ready) > want/2 {
				want = 0 // only webhook and secrets
			}
			isReading, more = true, false
			go func(inHand []models.DeliveryID, known map[models.WebhookSecretID]secret.Text) {
				read <- l.read(ctx, inHand, known, want)
			}(l.hands(), l.opened)
		}
		if !isWriting && len(l.settled) > 0 && l.real().After(hush) {
			isWriting, writing, l.settled = true, l.settled, nil
			go func(hook models.Webhook, batch []outcome) { written <- l.record(ctx, hook, batch) }(l.hook, writing)
		}
		busy := isReading || isWriting || l.calls > 0 || len(l.settled) > 0
		if busy || len(l.ready) > 0 {
			worked = l.real()
		}
		if ending && !busy || !busy && len(l.ready) == 0 && !more && l.ago(worked) >= l.stay {
			return
		}
		stopping := ctx.Done()
		if ending {
			stopping = nil
			if isReading && l.calls == 0 && len(l.settled) == 0 && !isWriting {
				<-read // it fails at once: its context has ended
				return
			}
		}
		timer := time.NewTimer(lanePoll)
		select {
		case o := <-answered:
			l.take(o)
			for range len(answered) {
				l.take(<-answered)
			}
		case r := <-read:
			isReading = false
			more = l.got(r) || more
			if r.err != nil {
				held, more = l.real().Add(troubled), true
				l.log.DebugContext(ctx, "a lane cannot read", "webhook", l.due.Webhook, "error", r.err)
			}
		case err := <-written:
			isWriting = false
			if err != nil {
				// What the receivers answered is kept, and written when the database is back.
				l.settled, hush = append(writing, l.settled...), l.real().Add(troubled/2)
				if ending {
					timer.Stop()
					return // it is sent again, by whoever takes the lane
				}
			} else {
				for _, o := range writing {
					delete(l.inHand, o.parcel.delivery.ID)
				}
			}
			writing = nil
		case <-l.poked:
			more = true
		case <-timer.C:
			more = more || l.stay > 0
		case <-stopping:
		}
		timer.Stop()
	}
}

// want is how many deliveries to have at hand: few for a receiver of which little is known, so that another process need not send them again.
func (l *lane) want() int {
	if room := l.pace.room(l.real()); room <= coldCalls {
		return 2 * room
	}
	return laneBatch
}

func (l *lane) hands() []models.DeliveryID {
	ids := make([]models.DeliveryID, 0, len(l.inHand))
	for id := range l.inHand {
		ids = append(ids, id)
	}
	return ids
}

// start makes the next attempt beside the loop. It is finished when the program stops: the receiver may have taken the event.
func (l *lane) start(ctx context.Context, answered chan<- outcome) {
	p := l.ready[0]
	l.ready = l.ready[1:]
	p.hook, p.keys = l.hook, l.keys
	if p.test() {
		p.keys = p.keys[:1] // the newest, which stands first before any ordering
		for _, k := range l.keys {
			if k.row.Generation > p.keys[0].row.Generation {
				p.keys = []key{k}
			}
		}
	}
	l.calls++
	go func() { answered <- l.attempt(context.WithoutCancel(ctx), p) }()
}

// take notes an answer. During an overlap it decides at once which secret the next calls try first.
func (l *lane) take(o outcome) {
	l.calls--
	if o.err != nil {
		delete(l.inHand, o.parcel.delivery.ID) // it is due still, and read again
		l.log.Debug("an attempt could not be made", "delivery", o.parcel.delivery.ID, "error", o.err)
		return
	}
	l.handled++
	l.pace.after(o.answer, l.real())
	if at := o.answer.started.Add(o.answer.latency); o.answer.accepted != 0 && len(l.keys) > 1 {
		keys := make([]key, len(l.keys)) // the calls under way hold the old list
		for i, k := range l.keys {
			if keys[i] = k; k.row.Generation == o.answer.accepted && (k.row.LastAcceptedAt == nil || k.row.LastAcceptedAt.Before(at)) {
				keys[i].row.LastAcceptedAt = &at
			}
		}
		order(keys)
		l.keys = keys
	}
	l.settled = append(l.settled, o)
}

// reading is what one look into the database gave.
type reading struct {
	hook    models.Webhook
	sends   bool
	keys    []key
	parcels []*parcel
	full    bool // there may be more
	err     error
}

// got takes what was read in, and says whether there may be more.
func (l *lane) got(r reading) bool {
	if r.err != nil {
		return true
	}
	if !r.sends {
		for _, p := range l.ready {
			delete(l.inHand, p.delivery.ID)
		}
		l.ready, l.keys = nil, nil
		return r.full
	}
	// Counted from here, not from when the reading began: where one takes longer than that, on a machine out of breath, nothing would ever be fresh enough to be sent.
	l.hook, l.fresh = r.hook, l.real()
	known := map[models.WebhookSecretID]secret.Text{}
	for i, k := range r.keys {
		known[k.row.ID] = k.value
		for _, old := range l.keys { // what was learned here and is not written yet
			if old.row.ID == k.row.ID && old.row.LastAcceptedAt != nil && (k.row.LastAcceptedAt == nil || k.row.LastAcceptedAt.Before(*old.row.LastAcceptedAt)) {
				r.keys[i].row.LastAcceptedAt = old.row.LastAcceptedAt
			}
		}
	}
	order(r.keys)
	l.keys, l.opened = r.keys, known
	for _, p := range r.parcels {
		l.inHand[p.delivery.ID] = struct{}{}
		l.ready = append(l.ready, p)
	}
	return r.full
}

// read looks up the webhook, its secrets, and up to want deliveries that are due, with what they carry. A webhook that is not sent to has its deliveries
// given up, in pieces; those whose content is gone are given up one by one.
func (l *lane) read(ctx context.Context, inHand []models.DeliveryID, known map[models.WebhookSecretID]secret.Text, want int) reading {
	var r reading
	work, err := l.store.LaneWork(ctx, l.due.Application, l.due.Webhook, l.now(), inHand, want)
	r.hook = work.Webhook
	if err == nil {
		at := l.now()
		for _, row := range work.Secrets {
			if row.Signs(at) {
				r.keys = append(r.keys, key{row, known[row.ID]})
			}
		}
		if r.sends = r.hook.Sends() && len(r.keys) > 0; r.sends { // a deleted one is the zero webhook, which is not sent to
			err = l.open(ctx, r.keys)
		}
	}
	if err != nil {
		r.err = err
		return r
	}
	if !r.sends {
		r.full, r.err = l.giveUpAll(ctx)
		return r
	}
	r.full = want > 0 && len(work.Due) == want
	r.parcels, r.err = l.load(ctx, work.Due)
	return r
}

// giveUpAll gives up a piece of what waits for a webhook that is not sent to, and says whether there is more.
func (l *lane) giveUpAll(ctx context.Context) (bool, error) {
	const piece = 1000
	n := 0
	err := l.store.InApplication(ctx, l.due.Application, func(tx *store.Tx) (err error) {
		at := l.now()
		if n, err = tx.DropDeliveries(l.due.Webhook, at, piece); err != nil || n == 0 {
			return err
		}
		return tx.AddDeliveryHours(l.due.Application, l.due.Webhook, at, map[string]int{dropped: n})
	})
	return n == piece, err
}

// load reads what the deliveries carry. It leaves for the next time what is too much at once.
func (l *lane) load(ctx context.Context, list []store.DueDelivery) ([]*parcel, error) {
	var out, sealedOnes []*parcel
	var spent []models.DeliveryID
	owners := map[models.TenantID][]string{}
	for _, due := range list {
		p := &parcel{delivery: due.Delivery, event: due.Event, number: due.Delivery.Attempts + 1}
		switch {
		case p.test():
			out = append(out, p)
		case due.Event.ID.IsZero():
			spent = append(spent, due.Delivery.ID)
		default:
			sealedOnes = append(sealedOnes, p)
			owners[due.Event.TenantID] = append(owners[due.Event.TenantID], due.Event.ID.String())
		}
	}
	if len(sealedOnes) > 0 {
		opened, err := l.safe.OpenAcross(ctx, l.store, sealed.EventOwner, "payload", owners)
		if err != nil {
			return nil, err
		}
		for _, p := range sealedOnes {
			of, id := opened[p.event.TenantID], p.event.ID.String()
			value, found := of.Values[id]
			switch {
			case found:
				p.payload = value
				out = append(out, p)
			case !of.Later[id]:
				spent = append(spent, p.delivery.ID)
			}
		}
	}
	if len(spent) == 0 {
		return out, nil
	}
	return out, l.store.InApplication(ctx, l.due.Application, func(tx *store.Tx) error {
		at := l.now()
		n, err := tx.DropSpent(l.due.Application, spent, at)
		if err != nil {
			return err
		}
		return tx.AddDeliveryHours(l.due.Application, l.due.Webhook, at, map[string]int{dropped: n})
	})
}
