package watch_test

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/postern-mail/postern/engine"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/provider/gmail"
	"github.com/postern-mail/postern/engine/provider/graph"
	"github.com/postern-mail/postern/engine/provider/providertest"
	"github.com/postern-mail/postern/engine/tokens"
	"github.com/postern-mail/postern/engine/vault"
	"github.com/postern-mail/postern/engine/verifications"
	"github.com/postern-mail/postern/handlers/inbound"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/web"
)

const (
	pushAudience = "https://postern.example/push/google"
	pushAccount  = "push@project.iam.gserviceaccount.example"
	topic        = "projects/postern-test/topics/mail"
)

// outside is what a process that watches is told of the world: it comes as JSON in an environment variable.
type outside struct {
	DSN, Key             string
	Google, GoogleKeys   string
	MicrosoftAt, GraphAt string
}

// outsideKey makes this test program a process that watches.
const outsideKey = "POSTERN_TEST_WATCHER"

func (o outside) connectors() []provider.Connector {
	return []provider.Connector{
		gmail.New(gmail.Config{Guard: guard(), AuthURL: o.Google + "/o/oauth2/v2/auth", TokenURL: o.Google + "/token", RevokeURL: o.Google + "/revoke", UserinfoURL: o.Google + "/v1/userinfo", APIURL: o.Google + "/"}),
		graph.New(graph.Config{Guard: guard(), Now: time.Now, AuthURL: o.MicrosoftAt + "/{tenant}/oauth2/v2.0/authorize", TokenURL: o.MicrosoftAt + "/{tenant}/oauth2/v2.0/token", GraphURL: o.GraphAt}),
	}
}

// TestWatcherProcess is not a test of its own: it is a process that watches and takes pushes, until it is killed.
func TestWatcherProcess(t *testing.T) {
	text := os.Getenv(outsideKey)
	if text == "" {
		t.Skip("this is the child of other tests")
	}
	var o outside
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		t.Fatal(err)
	}
	kek, err := vault.ReadFileKEK(o.Key)
	if err != nil {
		t.Fatal(err)
	}
	c := configOf(o.DSN, kek, provider.NewSet(nil, o.connectors()...))
	c.Push = verifications.PushConfig{GoogleAudience: pushAudience, GoogleAccount: pushAccount, GoogleKeysURL: o.GoogleKeys}
	e, err := engine.New(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	quiet := slog.New(slog.DiscardHandler)
	server := httptest.NewUnstartedServer(nil)
	srv := web.New(web.Config{BaseURL: &url.URL{Scheme: "http", Host: server.Listener.Addr().String()}, Now: time.Now, Logger: quiet})
	srv.Mount(inbound.New(e.Verifications, quiet).PushWeb())
	server.Config.Handler = srv.Handler()
	server.Start()
	fmt.Println(server.URL)
	e.Watch.Run(context.Background()) // until killed
}

// abroad is a world with Google and Microsoft around it, and a process that watches.
type abroad struct {
	*world
	google    *providertest.GoogleServer
	microsoft *providertest.MicrosoftServer
	key       *rsa.PrivateKey
	outside   outside
	at        atomic.Pointer[string] // where the process that watches listens
}

func newAbroad(t *testing.T) *abroad {
	t.Helper()
	a := &abroad{google: providertest.Google(t), microsoft: providertest.Microsoft(t)}
	var err error
	if a.key, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		t.Fatal(err)
	}
	keys := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]any{"keys": []map[string]string{{"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "k1",
			"n": base64.RawURLEncoding.EncodeToString(a.key.N.Bytes()), "e": base64.RawURLEncoding.EncodeToString(big.NewInt(int64(a.key.E)).Bytes())}}})
	}))
	t.Cleanup(keys.Close)
	a.outside = outside{Google: a.google.URL, GoogleKeys: keys.URL, MicrosoftAt: a.microsoft.URL(), GraphAt: a.microsoft.GraphURL()}
	a.world = newWorld(t, a.outside.connectors()...)
	a.outside.DSN, a.outside.Key = a.dsn, a.world.key
	a.microsoft.Reach = func(address string) string {
		at := a.at.Load()
		rest, ours := strings.CutPrefix(address, "https://postern.example")
		if at == nil || !ours {
			return "http://127.0.0.1:1"
		}
		return *at + rest
	}
	return a
}

// spawn starts a process that watches.
func (a *abroad) spawn() *exec.Cmd {
	a.Helper()
	text, err := json.Marshal(a.outside)
	a.must(err)
	cmd := exec.Command(os.Args[0], "-test.run=^TestWatcherProcess$", "-test.timeout=5m")
	cmd.Env = append(os.Environ(), outsideKey+"="+string(text))
	out, err := cmd.StdoutPipe()
	a.must(err)
	a.must(cmd.Start())
	a.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "http://") {
		a.Fatalf("the process that watches says %q: %v", line, err)
	}
	line = strings.TrimSpace(line)
	a.at.Store(&line)
	return cmd
}

func (a *abroad) atGoogle() (provider.Account, models.Grant) {
	a.Helper()
	app := a.google.App("https://postern.example/v3/connect/callback/google")
	app.Settings = map[string]string{"topic_name": topic}
	a.offerApp("google", app)
	account, u, t := a.google.Account(app)
	return account, a.connectAs("google", u.Sub, account, tokens.Credential{Access: t.Access, Refresh: t.Refresh, ExpiresAt: t.ExpiresAt})
}

func (a *abroad) atMicrosoft() (*providertest.MicrosoftAccount, models.Grant) {
	a.Helper()
	a.offerApp("microsoft", a.microsoft.App("https://postern.example/v3/connect/callback/microsoft"))
	m := a.microsoft.Account("6d9b8c3e-1c0c-4c3a-9a0e-5b3f1f6f7a11", "ada@contoso.test", "Ada")
	t := m.Tokens("openid", "profile", "User.Read", "Mail.ReadWrite", "Mail.Send")
	return m, a.connectAs("microsoft", m.Tenant+"/"+m.Object, provider.Account{Address: m.Address, Login: m.Login}, tokens.Credential{Access: t.Access, Refresh: t.Refresh, ExpiresAt: t.ExpiresAt})
}

// pubsub pushes as Gmail does through Cloud Pub/Sub.
func (a *abroad) pubsub(address string) {
	a.Helper()
	now := time.Now()
	token := jwt.NewWithClaims(jwt.SigningMethodRS256, jwt.MapClaims{"iss": "https://accounts.google.com", "aud": pushAudience, "sub": "1", "email": pushAccount, "email_verified": true, "iat": now.Add(-time.Minute).Unix(), "exp": now.Add(time.Hour).Unix()})
	token.Header["kid"] = "k1"
	signed, err := token.SignedString(a.key)
	a.must(err)
	data := base64.StdEncoding.EncodeToString([]byte(`{"emailAddress":"` + address + `","historyId":7}`))
	r, err := http.NewRequest(http.MethodPost, *a.at.Load()+"/push/google", strings.NewReader(fmt.Sprintf(`{"message":{"data":"%s","messageId":"%d","publishTime":"%s"},"subscription":"s"}`, data, now.UnixNano(), now.UTC().Format(time.RFC3339))))
	a.must(err)
	r.Header.Set("Authorization", "Bearer "+signed)
	res, err := http.DefaultClient.Do(r)
	a.must(err)
	_ = res.Body.Close()
	if res.StatusCode != http.StatusNoContent {
		a.Fatalf("the push was answered %d", res.StatusCode)
	}
}

// A push over HTTP makes the process that watches look: by itself it would have asked ten minutes later.
func TestAPushFromGoogleWakesALook(t *testing.T) {
	a := newAbroad(t)
	account, g := a.atGoogle()
	a.ask(everything()...)
	a.spawn()
	a.learned(g)
	if a.google.Seen("/watch") == 0 {
		t.Fatal("Google was not asked for pushes")
	}
	a.google.Deliver(t, account, "INBOX", letter("pushed"))
	a.pubsub(strings.ToUpper(account.Address))
	a.await("the event", func() bool { return a.events("message.created") == 1 })
}

// The same with Microsoft, where we ask for the pushes: made, believed, made anew when they end, and gone when the grant is cut.
func TestAPushFromMicrosoftWakesALook(t *testing.T) {
	a := newAbroad(t)
	m, g := a.atMicrosoft()
	a.ask(everything()...)
	child := a.spawn()
	a.learned(g)
	a.await("a subscription", func() bool { return len(m.Subscriptions()) == 1 })
	m.Deliver("INBOX", letter("pushed"))
	a.await("the event of a push", func() bool { return a.events("message.created") == 1 })

	a.microsoft.Mute(true)
	m.Deliver("Projects", letter("missed"))
	a.microsoft.Mute(false)
	m.Lifecycle("missed")
	a.await("what Microsoft says it did not push", func() bool { return a.events("message.created") == 2 })

	before := m.Subscriptions()
	m.Lifecycle("subscriptionRemoved")
	a.await("another subscription", func() bool {
		for id := range m.Subscriptions() {
			return before[id].IsZero()
		}
		return false
	})
	m.Deliver("Archive", letter("after the removal"))
	a.await("the event of the new subscription's push", func() bool { return a.events("message.created") == 3 })

	// What nobody can prove wakes nobody.
	forged := fmt.Sprintf(`{"value":[{"subscriptionId":"x","changeType":"created","clientState":"%s.AAAA","resource":"Users/x/Messages/y"}]}`, g.ID)
	pokes := a.count(`SELECT pokes FROM watches`)
	res, err := http.Post(*a.at.Load()+"/push/microsoft?grant="+g.ID.String(), "application/json", strings.NewReader(forged))
	a.must(err)
	_ = res.Body.Close()
	if res.StatusCode < 400 || a.count(`SELECT count(*) FROM verifications WHERE source = 'microsoft' AND reason = 'wrong_secret'`) != 1 {
		t.Fatalf("a forged push was answered %d", res.StatusCode)
	}

	// Cutting the grant ends the subscription, and the receipt says so.
	a.must(child.Process.Kill())
	_ = child.Wait()
	_, err = a.engine.Grants.Revoke(a.ctx, models.System("test"), g.ID, "test")
	a.must(err)
	if n := len(m.Subscriptions()); n != 1 {
		t.Fatalf("%d subscriptions before the job", n)
	}
	a.background(func(ctx context.Context) { _ = a.engine.Run(ctx) })
	a.await("the end of the subscription", func() bool { return len(m.Subscriptions()) == 0 })
	a.await("the receipt", func() bool {
		return a.count(`SELECT count(*) FROM receipts WHERE body::text LIKE '%told to send no more notifications%' AND outcome = 'user-action-needed'`) == 1
	})
	if n := a.count(`SELECT count(*) FROM sealed WHERE owner_kind IN ('grant', 'severance', 'watch')`); n != 0 {
		t.Fatalf("%d sealed values are left", n)
	}
	if n := a.count(`SELECT coalesce(max(pokes), 0) FROM watches`); n > pokes {
		t.Fatalf("a forged push woke the mailbox")
	}
}

// A process that is killed without a word is taken over by another, and each message is told once.
func TestAKilledProcessIsTakenOver(t *testing.T) {
	a := newAbroad(t)
	m, g := a.atMicrosoft()
	account, g2 := a.atGoogle()
	a.ask("message.created")
	a.send()
	first := a.spawn()
	a.learned(g)
	a.learned(g2)
	const many = 60
	for i := range many {
		if i == many/2 {
			a.await("the first events", func() bool { return a.events("message.created") > 0 })
			a.must(first.Process.Kill()) // SIGKILL: it gives nothing back
			_ = first.Wait()
		}
		m.Deliver("INBOX", letter(fmt.Sprintf("m%02d", i)))
		a.google.Deliver(t, account, "INBOX", letter(fmt.Sprintf("g%02d", i)))
		if i == 0 {
			a.pubsub(account.Address)
		}
	}
	a.spawn()
	a.await("all events, at the receiver", func() bool { return len(a.hooks.of("message.created")) >= 2*many })
	told := map[any]int{}
	for _, e := range a.hooks.of("message.created") {
		told[e.Data.Object["subject"]]++
	}
	for subject, n := range told {
		if n != 1 {
			t.Errorf("%v was told %d times", subject, n)
		}
	}
	if len(told) != 2*many || a.events("message.created") != 2*many {
		t.Errorf("%d messages were told by %d events, of %d", len(told), a.events("message.created"), 2*many)
	}
	if n := a.count(`SELECT min(fence) FROM watches`); n != 2 {
		t.Errorf("the fence is %d after two processes", n)
	}
}
