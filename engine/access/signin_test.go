package access_test

import (
	"bytes"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postern-mail/postern/engine/access"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/secret"
	"github.com/postern-mail/postern/models"
)

func TestSetupMakesTheFirstOwner(t *testing.T) {
	w := newWorld(t)
	link, err := w.Setup(ctx, "")
	w.fatal(err)
	text, ok := strings.CutPrefix(link.Reveal(), origin+access.EnrolPath)
	if !ok || len(text) != 43 {
		t.Fatalf("the link is not on the configured origin, or its token is short: %d", len(text))
	}
	token := secret.New(text)
	shown, err := w.Invited(ctx, token)
	w.fatal(err)
	if !shown.FirstOwner || shown.Role != models.Owner || !shown.ExpiresAt.Equal(w.at.Add(30*time.Minute)) {
		t.Errorf("invited as %+v", shown)
	}
	key := newAuthenticator(t, origin, "postern.example")
	id, actor := w.enrol(token, key)
	if actor.Role != models.Owner || !actor.May(models.ManageMembers) {
		t.Errorf("the first owner is %+v", actor)
	}
	if _, _, err := w.OpenSession(ctx, id); err != nil {
		t.Error(err)
	}
	_, err = w.Invited(ctx, token)
	w.wants(err, fault.Gone, "invite_spent")
	_, _, err = w.BeginEnrol(ctx, token, "x", secret.Text{}, visitor)
	w.wants(err, fault.Gone, "invite_spent")

	// A locked-out owner gets another link; the sessions of before end with it.
	link, err = w.Setup(ctx, "")
	w.fatal(err)
	second := newAuthenticator(t, origin, "postern.example")
	w.enrol(secret.New(strings.TrimPrefix(link.Reveal(), origin+access.EnrolPath)), second)
	_, _, err = w.OpenSession(ctx, id)
	w.wants(err, fault.Unproven, "session_ended")
	if len(w.entries("passkey.add")) != 2 || len(w.entries("member.create")) != 1 {
		t.Error("set-up was not audited")
	}

	link, err = w.Setup(ctx, "")
	w.fatal(err)
	w.at = w.at.Add(30 * time.Minute)
	_, err = w.Invited(ctx, secret.New(strings.TrimPrefix(link.Reveal(), origin+access.EnrolPath)))
	w.wants(err, fault.Gone, "invite_spent")
}

func TestInviteIsSpentOnce(t *testing.T) {
	w := newWorld(t)
	owner := models.Actor{Kind: models.ActorSystem, Role: models.Owner, Label: "test"}
	_, token, _, err := w.Invite(ctx, owner, access.Invitation{Name: "Ada", Email: "ada@example.com", Role: models.Support})
	w.fatal(err)
	type try struct {
		session secret.Text
		answer  []byte
	}
	var tries []try
	for range 8 {
		options, session, err := w.BeginEnrol(ctx, token, "", secret.Text{}, visitor)
		w.fatal(err)
		tries = append(tries, try{session, newAuthenticator(t, origin, "postern.example").create(options)})
	}
	var wait sync.WaitGroup
	var mu sync.Mutex
	won := 0
	for _, one := range tries {
		wait.Go(func() {
			if _, _, err := w.FinishEnrol(ctx, token, one.session, one.answer, visitor); err == nil {
				mu.Lock()
				won++
				mu.Unlock()
			}
		})
	}
	wait.Wait()
	if won != 1 {
		t.Errorf("%d of 8 registered with one invite", won)
	}
	_, _, _, err = w.Invite(ctx, owner, access.Invitation{Name: "Ada again", Email: "ADA@example.com", Role: models.Support})
	w.wants(err, fault.Conflict, "member_exists")
}

func TestSignIn(t *testing.T) {
	w := newWorld(t)
	_, first, key := w.member(models.Support, models.TenantID{})

	// A30: the id from before sign-in is unknown after it.
	planted, err := w.BeginSession(ctx, map[string]string{"flash.text": "hello"}, visitor.Addr, "a browser")
	w.fatal(err)
	id, actor, err := w.signIn(key, planted)
	w.fatal(err)
	if id.Equal(planted) || actor.Role != models.Support {
		t.Error("the session id did not change, or the wrong member is in")
	}
	_, _, err = w.OpenSession(ctx, planted)
	w.wants(err, fault.Unproven, "session_ended")
	opened, _, err := w.OpenSession(ctx, id)
	w.fatal(err)
	if opened.ID != actor.ID || opened.Label == "" {
		t.Errorf("the session is %+v", opened)
	}
	if _, _, err := w.OpenSession(ctx, first); err != nil {
		t.Error("another sign-in ended the first session")
	}

	t.Run("a challenge is answered once", func(t *testing.T) {
		options, session, err := w.BeginSignIn(ctx, secret.Text{}, visitor)
		w.fatal(err)
		key.count++
		answer := key.get(options)
		_, _, err = w.FinishSignIn(ctx, session, answer, visitor)
		w.fatal(err)
		_, _, err = w.FinishSignIn(ctx, session, answer, visitor)
		w.wants(err, fault.Gone, "ceremony_over")
	})
	t.Run("a page loaded meanwhile does not bring the challenge back", func(t *testing.T) {
		options, session, err := w.BeginSignIn(ctx, secret.Text{}, visitor)
		w.fatal(err)
		_, data, err := w.OpenSession(ctx, session)
		w.fatal(err)
		_, _, err = w.FinishSignIn(ctx, session, []byte("{}"), visitor)
		w.wants(err, fault.Invalid, "passkey_refused")
		w.fatal(w.SaveSession(ctx, session, data))
		_, _, err = w.FinishSignIn(ctx, session, key.get(options), visitor)
		w.wants(err, fault.Gone, "ceremony_over")
	})
	t.Run("a challenge ends after five minutes", func(t *testing.T) {
		options, session, err := w.BeginSignIn(ctx, secret.Text{}, visitor)
		w.fatal(err)
		w.at = w.at.Add(5 * time.Minute)
		_, _, err = w.FinishSignIn(ctx, session, key.get(options), visitor)
		w.wants(err, fault.Gone, "ceremony_over")
	})
	for name, spoil := range map[string]func(*authenticator){
		"without user verification": func(a *authenticator) { a.unverified = true },
		"from another origin":       func(a *authenticator) { a.origin = "https://postern.example.evil.example" },
		"for another site":          func(a *authenticator) { a.rp = "evil.example" },
		"signed by another key": func(a *authenticator) {
			a.key = newAuthenticator(t, origin, "postern.example").key
		},
		"with a counter that went backwards": func(a *authenticator) { a.count = 0 },
		"of an unknown user":                 func(a *authenticator) { a.user = bytes.Repeat([]byte{1}, 32) },
	} {
		t.Run("refused "+name, func(t *testing.T) {
			w := newWorld(t)
			_, _, key := w.member(models.Support, models.TenantID{})
			_, _, err := w.signIn(key, secret.Text{})
			w.fatal(err)
			spoil(key)
			_, _, err = w.signIn(key, secret.Text{})
			w.wants(err, fault.Unproven, "sign_in_refused")
			refused := 0
			for _, e := range w.entries("session.begin") {
				if e.Outcome == models.OutcomeRefused {
					refused++
				}
			}
			if refused != 1 {
				t.Errorf("%d refused sign-ins in the audit", refused)
			}
		})
	}
}

// A33: failures count although their transaction is rolled back.
func TestFailuresAreLimited(t *testing.T) {
	w := newWorld(t)
	_, _, key := w.member(models.Support, models.TenantID{})
	good := *key
	key.rp = "evil.example"
	for range 10 {
		_, _, err := w.signIn(key, secret.Text{})
		w.wants(err, fault.Unproven, "sign_in_refused")
	}
	_, _, err := w.BeginSignIn(ctx, secret.Text{}, visitor)
	w.wants(err, fault.Limited, "too_many_attempts")
	elsewhere := visitor
	elsewhere.Addr = netip.MustParseAddr("198.51.100.8")
	if _, _, err := w.BeginSignIn(ctx, secret.Text{}, elsewhere); err != nil {
		t.Error("another address is shut out too")
	}
	w.at = w.at.Add(15 * time.Minute)
	if _, _, err := w.signIn(&good, secret.Text{}); err != nil {
		t.Errorf("after the wait: %v", err)
	}
}
