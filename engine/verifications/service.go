package verifications

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/riverqueue/river"

	"github.com/postern-mail/postern/engine/audit"
	"github.com/postern-mail/postern/engine/dial"
	"github.com/postern-mail/postern/engine/sealed"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

// Config is what the service works with. All fields but Guard and Push must be set.
type Config struct {
	Store     *store.Store
	Safe      *sealed.Safe
	Audit     *audit.Keeper
	Push      PushConfig
	Guard     *dial.Guard // the way out, to ask a sender for its addresses and a provider for its keys; nil: nobody is asked
	DigestKey []byte      // keys the digests of bodies and signatures; webhooks gets the same
	Now       func() time.Time
	Logger    *slog.Logger
}

// Service receives signed requests and lists the log. It is safe for concurrent use.
type Service struct {
	store     *store.Store
	safe      *sealed.Safe
	audit     *audit.Keeper
	guard     *dial.Guard
	digestKey []byte
	clock     func() time.Time
	log       *slog.Logger

	push       PushConfig
	googleKeys *keySet

	lookups  *conveyor[models.EndpointID, source]
	refusals *conveyor[refusal, struct{}]
	notes    *conveyor[*noting, models.Verification]
	marked   map[store.Used]time.Time // when this process last noted that a secret was proven; the log's one writer alone touches it
	quota    quota
	reports  quota
}

// New makes the service. It starts no work.
func New(c Config) *Service {
	s := &Service{store: c.Store, safe: c.Safe, audit: c.Audit, guard: c.Guard, digestKey: c.DigestKey, marked: map[store.Used]time.Time{}, clock: c.Now, log: c.Logger, quota: quota{most: rowsPerMinute}, reports: quota{most: reportsPerMinute}}
	s.push = c.Push
	address := c.Push.GoogleKeysURL
	if address == "" {
		address = GoogleKeys
	}
	s.googleKeys = &keySet{address: address, guard: c.Guard, now: s.now}
	s.lookups = &conveyor[models.EndpointID, source]{work: s.lookup, pace: lookupPace}
	s.refusals = &conveyor[refusal, struct{}]{work: s.count, pace: notePace}
	s.notes = &conveyor[*noting, models.Verification]{work: s.write, pace: notePace}
	return s
}

// now is the time as the database keeps it.
func (s *Service) now() time.Time { return s.clock().UTC().Truncate(time.Microsecond) }

const (
	seenFor      = 30 * 24 * time.Hour // an event that comes again within it counts once
	signatureFor = 8 * 24 * time.Hour
	keptDays     = 400 // of the log
	countsFor    = keptDays * 24 * time.Hour
	daysAhead    = 14 // made before they come, so that a night without workers changes nothing
	pruneBatch   = 5000
	// How far apart reads of endpoints, and commits, begin at least. A call under load waits for half of each, on average, and a sender allows seconds.
	lookupPace = 10 * time.Millisecond
	notePace   = 5 * time.Millisecond
)

// prune is the job that forgets old events and signatures.
type prune struct{}

// Kind names the job.
func (prune) Kind() string { return "prune_inbound" }

type pruneWorker struct {
	river.WorkerDefaults[prune]
	service *Service
}

// Work forgets what is due to be forgotten.
func (w *pruneWorker) Work(ctx context.Context, _ *river.Job[prune]) error {
	return w.service.Prune(ctx)
}

// Prune forgets events, signatures and days that are past their time, in small batches, so that no lock is held long. It runs every hour by itself.
func (s *Service) Prune(ctx context.Context) error {
	for {
		most := 0
		err := s.store.OnPlatform(ctx, "forget what no event can repeat any more", func(tx *store.Tx) error {
			events, err := tx.ForgetSeen(s.now().Add(-seenFor), pruneBatch)
			if err != nil {
				return err
			}
			signatures, err := tx.ForgetSignatures(s.now().Add(-signatureFor), pruneBatch)
			if err != nil {
				return err
			}
			most = max(events, signatures)
			return errors.Join(tx.ForgetRefusals(s.now().Add(-countsFor)), tx.ForgetHours(s.now().Add(-countsFor)))
		})
		if err != nil {
			return fmt.Errorf("prune: %w", err)
		}
		if most < pruneBatch {
			return errors.Join(s.turn(ctx), s.sweep(ctx))
		}
	}
}

// turn makes the log's coming days and drops the old ones.
func (s *Service) turn(ctx context.Context) error {
	return s.store.OnPlatform(ctx, "the verification log's days", func(tx *store.Tx) error {
		made, dropped, err := tx.TurnVerifications(keptDays, daysAhead)
		if made+dropped > 0 {
			s.log.InfoContext(ctx, "the verification log turned", "days_made", made, "days_dropped", dropped)
		}
		return err
	})
}

// Workers registers the jobs.
func (s *Service) Workers(w *river.Workers) { river.AddWorker(w, &pruneWorker{service: s}) }

// Periodic lists the jobs that come round by themselves.
func (s *Service) Periodic() []*river.PeriodicJob {
	return []*river.PeriodicJob{river.NewPeriodicJob(river.PeriodicInterval(time.Hour),
		func() (river.JobArgs, *river.InsertOpts) { return prune{}, nil }, &river.PeriodicJobOpts{RunOnStart: true})}
}
