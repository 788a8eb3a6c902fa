package access_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/postern-mail/postern/engine/access"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/secret"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

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

func TestAccessTokensArePrograms(t *testing.T) {
	w := newWorld(t)
	app, tenant := w.application(), w.tenant("Northwind")
	g := models.Grant{TenantID: tenant, ID: models.NewID[models.GrantID](w.at), ApplicationID: app, Provider: "imap", Subject: "s", Email: "ada@example.com", Status: models.GrantPending,
		StatusReason: "consented", StatusAt: w.at, Settings: models.Settings{}, CreatedAt: w.at, UpdatedAt: w.at}
	family := models.TokenFamily{TenantID: tenant, ID: models.NewID[models.FamilyID](w.at), ApplicationID: app, GrantID: g.ID, CreatedAt: w.at}
	access, refresh := models.NewToken(models.AccessTokenPrefix), models.NewToken(models.AccessTokenPrefix)
	ends := w.at.Add(time.Hour)
	w.fatal(w.db.InTenant(ctx, tenant, func(tx *store.Tx) (err error) {
		if g, err = tx.InsertGrant(g); err != nil {
			return err
		}
		g.StatusReason = "connected"
		if err := tx.MarkGrantConnected(g, w.at.Add(time.Microsecond)); err != nil {
			return err
		}
		if err := tx.InsertTokenFamily(family); err != nil {
			return err
		}
		for kind, value := range map[string]string{"access": access, "refresh": refresh} {
			token := models.IssuedToken{TenantID: tenant, ID: models.NewID[models.TokenID](w.at), ApplicationID: app, GrantID: g.ID, FamilyID: family.ID, Kind: kind, Hash: models.HashToken(value), CreatedAt: w.at}
			if kind == "access" {
				token.ExpiresAt = &ends
			}
			if err := tx.InsertIssuedToken(token); err != nil {
				return err
			}
		}
		g, err = tx.Grant(tenant, g.ID)
		return err
	}))
	held := func(want int) {
		t.Helper()
		if n, err := w.TokensHeld(ctx, models.System("test"), g); err != nil || n != want {
			t.Errorf("%d tokens held, want %d; %v", n, want, err)
		}
	}
	actor, err := w.Program(ctx, secret.New(access), visitor.Addr)
	w.fatal(err)
	if actor.Kind != models.ActorToken || actor.Grant != g.ID || actor.Tenant != tenant || actor.Application != app || !actor.May(models.ReadMessages) || actor.May(models.DeleteGrants) || actor.May(models.WriteWebhooks) {
		t.Errorf("the token is %+v", actor)
	}
	_, err = w.Program(ctx, secret.New(refresh), visitor.Addr) // a refresh token opens nothing by itself
	w.wants(err, fault.Unproven, "unauthorized")
	held(2)
	w.at = ends
	_, err = w.Program(ctx, secret.New(access), visitor.Addr)
	w.wants(err, fault.Unproven, "unauthorized")
	held(1)
	w.at = ends.Add(-time.Minute)
	w.fatal(w.db.InTenant(ctx, tenant, func(tx *store.Tx) error {
		_, err := tx.RevokeTokenFamily(tenant, family.ID, w.at, "test")
		return err
	}))
	_, err = w.Program(ctx, secret.New(access), visitor.Addr)
	w.wants(err, fault.Unproven, "unauthorized")
	held(0)
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
	defer conn.Close(ctx)
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
