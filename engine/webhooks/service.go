package webhooks

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/binary"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/riverqueue/river"

	"github.com/postern-mail/postern/engine/audit"
	"github.com/postern-mail/postern/engine/dial"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/mailer"
	"github.com/postern-mail/postern/engine/outbox"
	"github.com/postern-mail/postern/engine/sealed"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

const (
	answerTimeout    = 15 * time.Second // a receiver's whole answer
	challengeTimeout = 10 * time.Second
	mostWebhooks     = 100 // of one application
	maxOverlap       = 7 * 24 * time.Hour
)

// Config is what the service works with. All fields but SigningKey, Addresses, AddressesAt and PlainHTTP must be set.
type Config struct {
	Store       *store.Store
	Safe        *sealed.Safe
	Audit       *audit.Keeper
	Outbox      *outbox.Keeper
	Guard       *dial.Guard
	DigestKey   []byte             // keys the digests of bodies and signatures; verifications gets the same
	SigningKey  ed25519.PrivateKey // each webhook's Ed25519 key derives from it; nil: no v1a signatures
	Addresses   []string           // where deliveries come from, for receivers' allowlists
	AddressesAt time.Time          // when that list was last changed
	PlainHTTP   bool               // take http:// URLs too; the guard still lets them only to addresses that the operator opened
	Now         func() time.Time
	Logger      *slog.Logger
	Hold        time.Duration  // how long a webhook stays a dead process's; 0: 10 s
	Mail        *mailer.Mailer // nil: nobody is told by mail
	BaseURL     string         // of the portal, for links in mails
	PayloadDays int            // how long an event's content is kept sealed; 0: 14
	LogDays     int            // how long deliveries are listed; 0: 90
}

// Service is the deeds on webhooks. It is safe for concurrent use.
type Service struct {
	store     *store.Store
	safe      *sealed.Safe
	audit     *audit.Keeper
	outbox    *outbox.Keeper
	client    *http.Client // for deliveries
	prober    *http.Client // for challenges
	digestKey []byte
	signing   ed25519.PrivateKey
	addresses []string
	since     time.Time
	plain     bool
	clock     func() time.Time
	real      func() time.Time // the machine's, for leases, pauses and how long something took to come back
	log       *slog.Logger
	jitter    func() float64 // in [0, 1)
	hold      time.Duration
	waking    chan struct{}

	payloadDays, logDays int

	mail    *mailer.Mailer
	baseURL string

	mu    sync.Mutex
	tests map[string][]time.Time // application to its latest test calls
}

// New makes the service. It starts no work.
func New(c Config) *Service {
	s := &Service{
		store: c.Store, safe: c.Safe, audit: c.Audit, outbox: c.Outbox,
		client: c.Guard.HTTPClient(dial.Webhook, answerTimeout), prober: c.Guard.HTTPClient(dial.Webhook, challengeTimeout),
		digestKey: c.DigestKey, signing: c.SigningKey, addresses: c.Addresses, since: c.AddressesAt, plain: c.PlainHTTP,
		clock: c.Now, real: time.Now, log: c.Logger, jitter: fraction, tests: map[string][]time.Time{},
		hold: cmp.Or(c.Hold, laneHold), waking: make(chan struct{}, 1),
		mail: c.Mail, baseURL: c.BaseURL, payloadDays: cmp.Or(c.PayloadDays, DefaultPayloadDays), logDays: cmp.Or(c.LogDays, DefaultLogDays),
	}
	c.Outbox.Waking = s.wake
	return s
}

// Workers registers the jobs: destroying and removing what is over. Sending is no job; see Send.
func (s *Service) Workers(w *river.Workers) {
	river.AddWorker(w, &removeWorker{service: s})
	river.AddWorker(w, &pruneWorker{service: s})
	river.AddWorker(w, &replayWorker{service: s})
	river.AddWorker(w, &noticeWorker{service: s})
	river.AddWorker(w, &destroyWorker{service: s})
}

// IPAddresses says where deliveries come from and since when. The list is empty where the operator gave none.
func (s *Service) IPAddresses() ([]string, time.Time) {
	return append([]string{}, s.addresses...), s.since
}

// ago is how long ago that was, by the machine's clock.
func (s *Service) ago(t time.Time) time.Duration { return s.real().Sub(t) }

// now is the time as the database keeps it, so that what is written and what is read back compare equal.
func (s *Service) now() time.Time { return s.clock().UTC().Truncate(time.Microsecond) }

// What callers are told. Codes are part of the API's contract with handlers/v3.
var (
	errDenied      = fault.New(fault.Denied, "webhooks_denied", "Webhooks are for the company's staff and its API keys.")
	errApplication = fault.New(fault.Invalid, "application_required", "Say which application the webhook is for.").At("application")
	errFull        = fault.New(fault.Limited, "webhooks_full", "This application has %d webhooks, the most there can be. Delete one that is no longer used.", mostWebhooks)
	errSelfCheck   = fault.New(fault.Conflict, "webhook_self_check", "This is Postern's own webhook, with which it checks its signatures. It can be paused; its address and its being there are Postern's.")
	errOverlap     = fault.New(fault.Invalid, "webhook_overlap_invalid", "An overlap lasts from 0 seconds to 7 days.").At("overlap")
	errNoOverlap   = fault.New(fault.Conflict, "webhook_no_overlap", "Only one secret signs for this webhook, so there is no overlap to change.")
	errPaused      = fault.New(fault.Conflict, "webhook_paused", "Nothing is sent to this webhook now. Set it to active first.")
	errSpent       = fault.New(fault.Gone, "delivery_spent", "This event's content is no longer kept, so it cannot be sent again.")
)

// reach says in which application's scope the actor finds the webhook. For staff that is wherever it is.
func (s *Service) reach(ctx context.Context, actor models.Actor, id models.WebhookID) (models.ApplicationID, error) {
	switch {
	case actor.Platform():
		var w models.Webhook
		err := s.store.OnPlatform(ctx, "find a webhook's application for staff", func(tx *store.Tx) (err error) {
			w, err = tx.WebhookOnPlatform(id)
			return err
		})
		return w.ApplicationID, err
	case actor.Kind == models.ActorKey && !actor.Application.IsZero():
		return actor.Application, nil
	default:
		return models.ApplicationID{}, errDenied
	}
}

// visible says whether the actor may know of w at all. Programs do not see Postern's self-check: it is not theirs.
func visible(actor models.Actor, w models.Webhook) bool {
	if actor.Platform() {
		return true
	}
	return !w.SelfCheck && w.ApplicationID == actor.Application && (actor.Tenant.IsZero() || w.TenantID != nil && *w.TenantID == actor.Tenant)
}

// within runs fn in the webhook's application with its row locked. What the actor may not see is not found.
func (s *Service) within(ctx context.Context, actor models.Actor, id models.WebhookID, fn func(*store.Tx, models.Webhook) error) error {
	application, err := s.reach(ctx, actor, id)
	if err != nil {
		return err
	}
	return s.store.InApplication(ctx, application, func(tx *store.Tx) error {
		w, err := tx.WebhookForUpdate(application, id)
		if err != nil {
			return err
		}
		if !visible(actor, w) {
			return store.ErrNotFound
		}
		return fn(tx, w)
	})
}

// look is within for reading: nothing is locked.
func (s *Service) look(ctx context.Context, actor models.Actor, id models.WebhookID, fn func(*store.Tx, models.Webhook) error) error {
	application, err := s.reach(ctx, actor, id)
	if err != nil {
		return err
	}
	return s.store.InApplication(ctx, application, func(tx *store.Tx) error {
		w, err := tx.Webhook(application, id)
		if err != nil {
			return err
		}
		if !visible(actor, w) {
			return store.ErrNotFound
		}
		return fn(tx, w)
	})
}

// entry is the audit entry of an act on w. Its name for people is the URL without the query, where receivers put keys.
func entry(action string, w models.Webhook, detail map[string]string) audit.Entry {
	e := audit.Entry{Action: action, Application: w.ApplicationID, ObjectKind: "webhook", ObjectID: w.ID.String(), Object: withoutQuery(w.URL), Detail: detail}
	if w.TenantID != nil {
		e.Tenant = *w.TenantID
	}
	return e
}

func withoutQuery(url string) string {
	bare, _, _ := strings.Cut(url, "?")
	return bare
}

// fraction is a random number in [0, 1).
func fraction() float64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // crypto/rand.Read never fails; it ends the process instead
	return float64(binary.BigEndian.Uint64(b[:])>>11) / (1 << 53)
}

// limited keeps a page's size in bounds.
func limited(n int) int {
	if n <= 0 {
		return 50
	}
	return min(n, 200)
}
