package access_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/postern-mail/postern/engine/access"
	"github.com/postern-mail/postern/engine/audit"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/secret"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
	"github.com/postern-mail/postern/models/store/storetest"
)

const origin = "https://postern.example"

type world struct {
	*access.Service
	t     *testing.T
	db    *storetest.Database
	audit *audit.Keeper
	at    time.Time
	log   *bytes.Buffer
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, at: time.Now().UTC().Truncate(time.Millisecond), log: &bytes.Buffer{}}
	now := func() time.Time { return w.at }
	w.db = storetest.New(t, now)
	w.audit = audit.New(w.db.Store, now)
	base, _ := url.Parse(origin)
	var err error
	w.Service, err = access.New(access.Config{Store: w.db.Store, Audit: w.audit, BaseURL: base, Region: "eu", Demo: true, Now: now, Logger: slog.New(slog.NewTextHandler(w.log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) fatal(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) wants(err error, kind fault.Kind, code string) {
	w.t.Helper()
	f, ok := fault.As(err)
	if !ok || f.Kind != kind || f.Code != code {
		w.t.Errorf("got %v (%v), want %v %s", err, fault.KindOf(err), kind, code)
	}
}

var (
	ctx     = context.Background()
	visitor = access.Visitor{Addr: netip.MustParseAddr("198.51.100.7"), UserAgent: "a browser", RequestID: "r1"}
)

// member makes a member with a passkey, signed in.
func (w *world) member(role models.Role, tenant models.TenantID) (models.Actor, secret.Text, *authenticator) {
	w.t.Helper()
	n := models.NewID[models.MemberID](w.at).String()[30:]
	m, token, _, err := w.Invite(ctx, models.Actor{Kind: models.ActorSystem, Label: "test", Role: models.Owner}, access.Invitation{Name: "M " + n, Email: n + "@example.com", Role: role, Tenant: tenant})
	w.fatal(err)
	key := newAuthenticator(w.t, origin, "postern.example")
	id, actor := w.enrol(token, key)
	if actor.ID != m.ID.String() || actor.Role != role || actor.Tenant != tenant {
		w.t.Fatalf("enrolled as %+v", actor)
	}
	return actor, id, key
}

func (w *world) enrol(token secret.Text, key *authenticator) (secret.Text, models.Actor) {
	w.t.Helper()
	options, session, err := w.BeginEnrol(ctx, token, "Laptop", secret.Text{}, visitor)
	w.fatal(err)
	id, actor, err := w.FinishEnrol(ctx, token, session, key.create(options), visitor)
	w.fatal(err)
	return id, actor
}

func (w *world) signIn(key *authenticator, session secret.Text) (secret.Text, models.Actor, error) {
	w.t.Helper()
	options, session, err := w.BeginSignIn(ctx, session, visitor)
	w.fatal(err)
	key.count++
	return w.FinishSignIn(ctx, session, key.get(options), visitor)
}

func (w *world) tenant(name string) models.TenantID {
	w.t.Helper()
	id := models.NewID[models.TenantID](w.at)
	w.fatal(w.db.OnPlatform(ctx, "test", func(tx *store.Tx) error {
		return tx.InsertTenant(models.Tenant{ID: id, Name: name, Region: "eu", State: models.TenantActive, CreatedAt: w.at, UpdatedAt: w.at})
	}))
	return id
}

func (w *world) application() models.ApplicationID {
	w.t.Helper()
	id := models.NewID[models.ApplicationID](w.at)
	w.fatal(w.db.OnPlatform(ctx, "test", func(tx *store.Tx) error {
		return tx.InsertApplication(models.Application{ID: id, Name: "CRM", Environment: "production", CreatedAt: w.at, UpdatedAt: w.at})
	}))
	return id
}

func (w *world) entries(action string) []models.AuditEntry {
	w.t.Helper()
	page, err := w.audit.List(ctx, models.System("test"), audit.Filter{Action: action})
	w.fatal(err)
	return page.Entries
}

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

func TestKeysArePrograms(t *testing.T) {
	w := newWorld(t)
	app, tenant := w.application(), w.tenant("Northwind")
	owner := models.Actor{Kind: models.ActorMember, Role: models.Owner, ID: "o", Label: "Olga", Permissions: models.Owner.Permissions()}
	key, value, err := w.CreateKey(ctx, owner, access.Key{Application: app, Tenant: tenant, Name: "crm", Permissions: []models.Permission{models.ReadGrants}, Addresses: []string{"198.51.100.0/24", "2001:db8::1"}, Life: time.Hour})
	w.fatal(err)
	if !strings.HasPrefix(value.Reveal(), "postern_eu_") || len(value.Reveal()) != len("postern_eu_")+43 || !strings.HasPrefix(value.Reveal(), key.Prefix) || len(key.Prefix) > 20 {
		t.Errorf("the key has another form, prefix %s", key.Prefix)
	}
	actor, err := w.Program(ctx, value, visitor.Addr)
	w.fatal(err)
	if actor.Application != app || actor.Tenant != tenant || !actor.May(models.ReadGrants) || actor.May(models.DeleteGrants) || actor.May(models.ManageKeys) {
		t.Errorf("the key is %+v", actor)
	}
	used, err := w.Key(ctx, owner, key.ID)
	w.fatal(err)
	if used.LastUsedAt == nil || !used.LastUsedAt.Equal(w.at) {
		t.Errorf("last used %v", used.LastUsedAt)
	}
	w.at = w.at.Add(59 * time.Second)
	_, err = w.Program(ctx, value, visitor.Addr)
	w.fatal(err)
	if again, _ := w.Key(ctx, owner, key.ID); !again.LastUsedAt.Equal(*used.LastUsedAt) {
		t.Error("the last use was written twice within a minute")
	}
	for _, addr := range []string{"203.0.113.1", "2001:db8::2"} {
		_, err = w.Program(ctx, value, netip.MustParseAddr(addr))
		w.wants(err, fault.Denied, "address_not_allowed")
	}
	_, err = w.Program(ctx, value, netip.Addr{})
	w.wants(err, fault.Denied, "address_not_allowed")
	w.at = w.at.Add(time.Hour)
	_, err = w.Program(ctx, value, visitor.Addr)
	w.wants(err, fault.Unproven, "unauthorized")

	wide, all, err := w.CreateKey(ctx, owner, access.Key{Application: app, Name: "all"})
	w.fatal(err)
	actor, err = w.Program(ctx, all, netip.Addr{})
	w.fatal(err)
	for _, p := range models.KeyPermissions() {
		if !actor.May(p) {
			t.Errorf("a key without a list lacks %s", p)
		}
	}
	if actor.May(models.ManageMembers) || !actor.Tenant.IsZero() {
		t.Errorf("a key without a list is %+v", actor)
	}
	_, err = w.RevokeKey(ctx, owner, wide.ID)
	w.fatal(err)
	_, err = w.Program(ctx, all, visitor.Addr)
	w.wants(err, fault.Unproven, "unauthorized")
	_, err = w.RevokeKey(ctx, owner, wide.ID)
	w.wants(err, fault.Conflict, "key_already_revoked")

	for _, bad := range []string{"", "postern_eu_", value.Reveal() + "x", value.Reveal()[:30], "postern_eu_" + strings.Repeat("A", 43), "pat_" + strings.Repeat("A", 43), strings.Repeat("x", 1<<20), "postern_eu_\x00" + strings.Repeat("A", 42)} {
		_, err = w.Program(ctx, secret.New(bad), visitor.Addr)
		w.wants(err, fault.Unproven, "unauthorized")
	}
	for code, k := range map[string]access.Key{
		"name_invalid": {Application: app}, "permission_invalid": {Application: app, Name: "x", Permissions: []models.Permission{models.ManageMembers}},
		"addresses_invalid": {Application: app, Name: "x", Addresses: []string{"::ffff:0:0/95"}}, "application_unknown": {Name: "x"},
		"expiry_invalid": {Application: app, Name: "x", Life: -1}, "tenant_unknown": {Application: app, Name: "x", Tenant: models.NewID[models.TenantID](w.at)},
	} {
		_, _, err := w.CreateKey(ctx, owner, k)
		w.wants(err, fault.Invalid, code)
	}
	_, _, err = w.CreateKey(ctx, models.Actor{Kind: models.ActorMember, Role: models.Support, Permissions: models.Support.Permissions()}, access.Key{Application: app, Name: "x"})
	w.wants(err, fault.Denied, "keys_denied")
	if len(w.entries("api_key.create")) != 2 || len(w.entries("api_key.revoke")) != 1 {
		t.Error("the audit of keys is incomplete")
	}
}

// A36: a database that is away is never "unauthorized", for keys and for sessions.
func TestDatabaseAwayIsNotARefusal(t *testing.T) {
	w := newWorld(t)
	app := w.application()
	_, value, err := w.CreateKey(ctx, models.System("test"), access.Key{Application: app, Name: "x"})
	w.fatal(err)
	id, err := w.BeginSession(ctx, nil, visitor.Addr, "")
	w.fatal(err)
	w.fatal(w.db.Close())
	for what, err := range map[string]error{
		"program": func() error { _, err := w.Program(ctx, value, visitor.Addr); return err }(),
		"session": func() error { _, _, err := w.OpenSession(ctx, id); return err }(),
	} {
		if err == nil || fault.KindOf(err) == fault.Unproven || fault.KindOf(err) == fault.Denied || fault.KindOf(err) == fault.NotFound {
			t.Errorf("%s: %v (%v)", what, err, fault.KindOf(err))
		}
	}
}

// Nothing that opens anything is in the database or the log: not the id of a session, nor a key, nor an invite's token.
func TestOnlyHashesAreKept(t *testing.T) {
	w := newWorld(t)
	app := w.application()
	_, value, err := w.CreateKey(ctx, models.System("test"), access.Key{Application: app, Name: "x"})
	w.fatal(err)
	_, token, _, err := w.Invite(ctx, models.Actor{Kind: models.ActorSystem, Role: models.Owner}, access.Invitation{Name: "Ada", Email: "ada@example.com", Role: models.Support})
	w.fatal(err)
	_, session, _ := w.member(models.Support, models.TenantID{})
	conn, err := pgx.Connect(ctx, w.db.DSN)
	w.fatal(err)
	defer conn.Close(ctx)                                //nolint:errcheck // a test's end
	_, err = conn.Exec(ctx, `SET ROLE postern_platform`) // the owner itself is held by the walls
	w.fatal(err)
	for _, table := range []string{"sessions", "invites", "api_keys", "audit_entries", "members", "passkeys"} {
		var rows int
		var text string
		w.fatal(conn.QueryRow(ctx, `SELECT count(*), COALESCE(string_agg(t::text, ' '), '') FROM `+table+` t`).Scan(&rows, &text))
		if rows == 0 {
			t.Errorf("%s is empty: the test has lost its subject", table)
		}
		for what, s := range map[string]secret.Text{"key": value, "invite": token, "session": session} {
			if strings.Contains(text, s.Reveal()) || strings.Contains(w.log.String(), s.Reveal()) {
				t.Errorf("the %s itself is in %s or the log", what, table)
			}
		}
	}
}
