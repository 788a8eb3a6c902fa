package access_test

import (
	"log/slog"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/postern-mail/postern/engine/access"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/secret"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

func TestSessionsEnd(t *testing.T) {
	for role, times := range map[models.Role][2]time.Duration{
		models.Owner: {15 * time.Minute, 8 * time.Hour}, models.Support: {15 * time.Minute, 8 * time.Hour},
		models.Reviewer: {30 * time.Minute, 12 * time.Hour}, models.Customer: {30 * time.Minute, 12 * time.Hour},
	} {
		t.Run(string(role), func(t *testing.T) {
			w := newWorld(t)
			var tenant models.TenantID
			if role == models.Customer {
				tenant = w.tenant("Northwind")
			}
			_, id, key := w.member(role, tenant)
			begun := w.at
			for w.at.Sub(begun) < times[1]-times[0] {
				w.at = w.at.Add(times[0] - time.Second)
				if _, _, err := w.OpenSession(ctx, id); err != nil {
					t.Fatalf("used in time, it ended after %v: %v", w.at.Sub(begun), err)
				}
			}
			w.at = begun.Add(times[1])
			_, _, err := w.OpenSession(ctx, id)
			w.wants(err, fault.Unproven, "session_ended")

			id, _, err = w.signIn(key, secret.Text{})
			w.fatal(err)
			w.at = w.at.Add(times[0])
			_, _, err = w.OpenSession(ctx, id)
			w.wants(err, fault.Unproven, "session_ended")
		})
	}
}

func TestMostFiveSessions(t *testing.T) {
	w := newWorld(t)
	actor, first, key := w.member(models.Support, models.TenantID{})
	var last secret.Text
	for range 5 {
		w.at = w.at.Add(time.Second)
		var err error
		last, _, err = w.signIn(key, secret.Text{})
		w.fatal(err)
	}
	_, _, err := w.OpenSession(ctx, first)
	w.wants(err, fault.Unproven, "session_ended")
	account, err := w.Account(ctx, actor, last)
	w.fatal(err)
	if len(account.Sessions) != 5 || !account.Sessions[0].Current {
		t.Errorf("sessions: %+v", account.Sessions)
	}
	w.fatal(w.EndOneSession(ctx, actor, account.Sessions[1].Handle))
	if err := w.EndOneSession(ctx, actor, "0000000000000000"); fault.KindOf(err) != fault.NotFound {
		t.Error(err)
	}
	w.fatal(w.SignOut(ctx, last, visitor))
	_, _, err = w.OpenSession(ctx, last)
	w.wants(err, fault.Unproven, "session_ended")
	w.fatal(w.EndSession(ctx, last))
	if n := len(w.entries("session.end")); n != 2 {
		t.Errorf("%d session.end in the audit, want 2", n)
	}
}

func TestChangesReachLiveSessions(t *testing.T) {
	w := newWorld(t)
	owner, ownerSession, _ := w.member(models.Owner, models.TenantID{})
	victim, session, key := w.member(models.Support, models.TenantID{})
	id, _ := models.ParseID[models.MemberID](victim.ID)

	w.fatal(w.EndSessions(ctx, owner, id))
	_, _, err := w.OpenSession(ctx, session)
	w.wants(err, fault.Unproven, "session_ended")

	session, _, err = w.signIn(key, secret.Text{})
	w.fatal(err)
	w.fatal(w.ChangeRole(ctx, owner, id, models.Reviewer))
	_, _, err = w.OpenSession(ctx, session)
	w.wants(err, fault.Unproven, "session_ended")
	session, actor, err := w.signIn(key, secret.Text{})
	w.fatal(err)
	if actor.Role != models.Reviewer || actor.May(models.RevokeGrants) {
		t.Errorf("after the change: %+v", actor)
	}

	w.fatal(w.Disable(ctx, owner, id))
	_, _, err = w.OpenSession(ctx, session)
	w.wants(err, fault.Unproven, "session_ended")
	_, _, err = w.signIn(key, secret.Text{})
	w.wants(err, fault.Unproven, "sign_in_refused")
	w.wants(w.Disable(ctx, owner, id), fault.Conflict, "member_disabled")
	w.fatal(w.Enable(ctx, owner, id))
	if _, _, err = w.signIn(key, secret.Text{}); err != nil {
		t.Error(err)
	}

	self, _ := models.ParseID[models.MemberID](owner.ID)
	w.wants(w.Disable(ctx, owner, self), fault.Conflict, "last_owner")
	w.wants(w.ChangeRole(ctx, owner, self, models.Admin), fault.Conflict, "last_owner")
	if _, _, err := w.OpenSession(ctx, ownerSession); err != nil {
		t.Error("a refused change ended the owner's session")
	}
	admin, _, _ := w.member(models.Admin, models.TenantID{})
	w.wants(w.Disable(ctx, admin, self), fault.Denied, "owners_only")
	w.wants(w.ChangeRole(ctx, admin, id, models.Owner), fault.Denied, "owners_only")
	_, _, _, err = w.Invite(ctx, admin, access.Invitation{Name: "x", Email: "x@example.com", Role: models.Owner})
	w.wants(err, fault.Denied, "owners_only")
	_, _, _, err = w.Invite(ctx, actor, access.Invitation{Name: "x", Email: "x@example.com", Role: models.Support})
	w.wants(err, fault.Denied, "members_denied")
	if n := len(w.entries("member.change_role")); n != 1 {
		t.Errorf("%d member.change_role in the audit, want 1", n)
	}
}

// The rows of ended sessions are deleted; should one survive on the way, epoch and lock still shut it.
func TestEpochAndLockShutSessions(t *testing.T) {
	w := newWorld(t)
	actor, session, key := w.member(models.Support, models.TenantID{})
	id, err := models.ParseID[models.MemberID](actor.ID)
	w.fatal(err)
	w.fatal(w.db.OnPlatform(ctx, "test", func(tx *store.Tx) error { return tx.RaiseSessionEpoch(id) }))
	_, _, err = w.OpenSession(ctx, session)
	w.wants(err, fault.Unproven, "session_ended")

	session, _, err = w.signIn(key, secret.Text{})
	w.fatal(err)
	w.fatal(w.db.OnPlatform(ctx, "test", func(tx *store.Tx) error { return tx.MarkMemberDisabled(id, w.at) }))
	_, _, err = w.OpenSession(ctx, session)
	w.wants(err, fault.Unproven, "session_ended")
}

func TestPasskeysOfTheAccount(t *testing.T) {
	w := newWorld(t)
	actor, session, key := w.member(models.Support, models.TenantID{})
	other, _, err := w.signIn(key, secret.Text{})
	w.fatal(err)
	w.at = w.at.Add(time.Second)
	options, err := w.BeginPasskey(ctx, actor, "Phone", session)
	w.fatal(err)
	phone := newAuthenticator(t, origin, "postern.example")
	w.fatal(w.FinishPasskey(ctx, actor, session, phone.create(options)))
	_, _, err = w.OpenSession(ctx, other)
	w.wants(err, fault.Unproven, "session_ended")
	if _, _, err := w.OpenSession(ctx, session); err != nil {
		t.Error("the session that added the passkey ended too")
	}
	account, err := w.Account(ctx, actor, session)
	w.fatal(err)
	if len(account.Passkeys) != 2 || account.Passkeys[1].Name != "Phone" {
		t.Fatalf("%d passkeys, or in another order", len(account.Passkeys))
	}
	_, _, err = w.signIn(phone, secret.Text{})
	w.fatal(err)
	w.fatal(w.RemovePasskey(ctx, actor, account.Passkeys[0].ID, session))
	_, _, err = w.signIn(key, secret.Text{})
	w.wants(err, fault.Unproven, "sign_in_refused")
	w.wants(w.RemovePasskey(ctx, actor, account.Passkeys[1].ID, session), fault.Conflict, "last_passkey")
}

func TestSignInLinksAreForTheDemoOnLoopback(t *testing.T) {
	w := newWorld(t)
	m, err := w.EnsureMember(ctx, access.Invitation{Name: "Sam", Email: "sam@example.com", Role: models.Support})
	w.fatal(err)
	again, err := w.EnsureMember(ctx, access.Invitation{Name: "Sam", Email: "sam@example.com", Role: models.Support})
	w.fatal(err)
	if again.ID != m.ID {
		t.Error("the demo's member was made twice")
	}
	link := w.SignInLink(m.ID).Reveal()
	token := secret.New(strings.TrimPrefix(link, origin+access.SignInPath))
	_, _, err = w.FollowSignInLink(ctx, token, secret.Text{}, visitor)
	w.wants(err, fault.NotFound, "not_found")
	here := access.Visitor{Addr: netip.MustParseAddr("127.0.0.1")}
	if people, err := w.DemoPeople(ctx, visitor); err != nil || len(people) != 0 {
		t.Errorf("the links are shown to another machine: %d, %v", len(people), err)
	}
	people, err := w.DemoPeople(ctx, here)
	w.fatal(err)
	if len(people) != 1 || people[0].Role != models.Support || people[0].Path.Reveal() != access.SignInPath+token.Reveal() {
		t.Errorf("%d people on the sign-in page, or another path", len(people))
	}
	for range 2 {
		if _, actor, err := w.FollowSignInLink(ctx, token, secret.Text{}, here); err != nil || actor.Role != models.Support {
			t.Errorf("%v, %v", actor, err)
		}
	}
	_, _, err = w.FollowSignInLink(ctx, secret.New("unknown"), secret.Text{}, here)
	w.wants(err, fault.NotFound, "not_found")
	if n := len(w.entries("session.begin")); n != 2 {
		t.Errorf("%d uses in the audit, want 2", n)
	}
	base, _ := url.Parse(origin)
	serve, err := access.New(access.Config{Store: w.db.Store, Audit: w.audit, BaseURL: base, Region: "eu", Now: func() time.Time { return w.at }, Logger: slog.New(slog.DiscardHandler)})
	w.fatal(err)
	defer func() {
		if recover() == nil {
			t.Error("serve makes sign-in links")
		}
	}()
	serve.SignInLink(m.ID)
}
