package ledger

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

const (
	every     = 250 * time.Millisecond // how long an entry waits at most while the database answers
	batch     = 500                    // entries of one statement
	most      = 8192                   // entries that may wait
	patience  = 2 * time.Second        // how long a caller is held up when they are that many
	keptDays  = 180
	daysAhead = 7
	turnEvery = time.Hour
)

// Service writes and reads the ledger. It is safe for concurrent use.
type Service struct {
	store   *store.Store
	now     func() time.Time
	log     *slog.Logger
	waiting chan models.Access
	writing sync.Mutex // one writer at a time: the loop, or a flush
	held    []models.Access
	lost    atomic.Int64
}

// New makes the service. It starts no work; see Run.
func New(s *store.Store, now func() time.Time, log *slog.Logger) *Service {
	return &Service{store: s, now: now, log: log, waiting: make(chan models.Access, most)}
}

// Note records that actor reached the grant's mailbox. outcome is "ok" or the code of what was answered instead. It returns at once, except when thousands of entries
// wait for a database that does not take them.
func (s *Service) Note(ctx context.Context, actor models.Actor, g models.Grant, operation, outcome string) {
	at := s.now().UTC()
	a := models.Access{At: at, ID: models.NewID[models.AccessID](at), TenantID: g.TenantID, ApplicationID: g.ApplicationID, GrantID: g.ID, ActorKind: actor.Kind, ActorID: actor.ID,
		Actor: actor.Label, Operation: operation, Outcome: outcome, RequestID: actor.RequestID}
	if actor.Addr.IsValid() {
		a.Address = actor.Addr.String()
	}
	select {
	case s.waiting <- a:
		return
	default:
	}
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case s.waiting <- a:
	case <-late.C:
		n := s.lost.Add(1)
		s.log.ErrorContext(ctx, "an access to a mailbox was not recorded: the database takes no entries", "grant", g.ID.String(), "operation", operation, "request", a.RequestID, "lost", n)
	}
}

// Lost counts the entries that were dropped since the start.
func (s *Service) Lost() int64 { return s.lost.Load() }

// Run writes what is noted until ctx ends, and then what is left; it also turns the ledger's days.
func (s *Service) Run(ctx context.Context) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	turn := time.NewTicker(turnEvery)
	defer turn.Stop()
	s.turn(ctx)
	for {
		select {
		case <-ctx.Done():
			return // the doors are still answering; Flush writes what they note
		case <-turn.C:
			s.turn(ctx)
		case <-tick.C:
			if err := s.write(ctx); err != nil && ctx.Err() == nil {
				s.log.WarnContext(ctx, "the access ledger cannot be written; its entries wait", "waiting", len(s.waiting), "error", err.Error())
			}
		}
	}
}

// Flush writes everything that waits. It is called when no more is noted.
func (s *Service) Flush(ctx context.Context) error { return s.write(ctx) }

// write takes what waits, in batches, until nothing does. A batch that is refused is held and comes first the next time.
func (s *Service) write(ctx context.Context) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	for {
		s.take()
		if len(s.held) == 0 {
			return nil
		}
		if err := s.store.OnPlatform(ctx, "write the access ledger", func(tx *store.Tx) error { return tx.InsertAccesses(s.held) }); err != nil {
			return err
		}
		s.held = s.held[:0]
	}
}

func (s *Service) take() {
	for len(s.held) < batch {
		select {
		case a := <-s.waiting:
			s.held = append(s.held, a)
		default:
			return
		}
	}
}

// turn makes the coming days and drops those past their time.
func (s *Service) turn(ctx context.Context) {
	err := s.store.OnPlatform(ctx, "turn the access ledger's days", func(tx *store.Tx) error {
		made, dropped, err := tx.TurnAccessLedger(keptDays, daysAhead)
		if err == nil && made+dropped > 0 {
			s.log.InfoContext(ctx, "the access ledger's days were turned", "made", made, "dropped", dropped)
		}
		return err
	})
	if err != nil && ctx.Err() == nil {
		s.log.WarnContext(ctx, "the access ledger's days were not turned; it goes on in the rest", "error", err.Error())
	}
}
