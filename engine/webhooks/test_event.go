package webhooks

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/secret"
	"github.com/postern-mail/postern/models"
)

const (
	// MockSecret signs the events of SendTest. It is public: the v3 API's documentation names it, and it proves nothing.
	MockSecret     = "mock-webhook-secret"
	defaultTrigger = "message.created"
	testsPerMinute = 10 // of one application
)

// SendTest posts one made-up event to any address, now, signed with MockSecret. Nothing is stored and nothing is retried. Because the
// address needs no proof of ownership here, an application may do this ten times a minute. Faults: webhook_url_invalid,
// webhook_trigger_types_invalid, webhook_test_limited, webhook_test_failed.
func (s *Service) SendTest(ctx context.Context, actor models.Actor, url, trigger string) error {
	if !actor.Platform() && actor.Kind != models.ActorKey {
		return errDenied
	}
	if trigger == "" {
		trigger = defaultTrigger
	}
	if !KnownTrigger(trigger) {
		return errUnknownTrigger(trigger)
	}
	if _, err := s.checkURL(url); err != nil {
		return err
	}
	at := s.now()
	if wait := s.crowded(actor, at); wait > 0 {
		return fault.New(fault.Limited, "webhook_test_limited", "Ten test events a minute can be sent. Wait a moment and try again.").RetryAfter(wait)
	}
	object := mockObject(trigger, actor.Application, at)
	body, err := newEnvelope(mockEvent(trigger, actor.Application, at), 1, object).wire()
	if err != nil {
		return err
	}
	var a answer
	s.post(ctx, url, &a, wire{sent: body, object: object}, spell(sign(secret.New(MockSecret), body)), nil)
	if a.ok() {
		return nil
	}
	said := a.problem
	if a.status != 0 && said == "" {
		said = fmt.Sprintf("The receiver answered %d %s.", a.status, http.StatusText(a.status))
	}
	return fault.New(fault.Upstream, "webhook_test_failed", "The test event was not accepted. %s", said)
}

func errUnknownTrigger(name string) error {
	return fault.New(fault.Invalid, "webhook_trigger_types_invalid", "%s is not a type of event that Postern knows. grant.created is one.", quoted(name)).At("trigger_type")
}

// crowded says how long the actor's application must wait for its next test; 0 counts this one in.
func (s *Service) crowded(actor models.Actor, at time.Time) time.Duration {
	who := actor.Application.String()
	if actor.Platform() {
		who = actor.ID
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	recent := s.tests[who][:0]
	for _, t := range s.tests[who] {
		if at.Sub(t) < time.Minute {
			recent = append(recent, t)
		}
	}
	if len(recent) >= testsPerMinute {
		s.tests[who] = recent
		return time.Minute - at.Sub(recent[0])
	}
	s.tests[who] = append(recent, at)
	return 0
}
