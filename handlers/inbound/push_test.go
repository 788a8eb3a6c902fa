package inbound_test

import (
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"context"

	"github.com/postern-mail/postern/engine/audit"
	"github.com/postern-mail/postern/engine/dial"
	"github.com/postern-mail/postern/engine/secret"
	"github.com/postern-mail/postern/engine/verifications"
	"github.com/postern-mail/postern/handlers/inbound"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/web"
)

const (
	pushAudience = "https://mail.example.com/push/google"
	pushAccount  = "push@project.iam.gserviceaccount.example"
	riscClient   = "1234-abc.apps.googleusercontent.example"
	graphState   = "a-state-that-nobody-guesses"
)

// google is the issuer: a key, and a place where it is published.
type google struct {
	key    *rsa.PrivateKey
	server *httptest.Server
	asked  atomic.Int64
	down   atomic.Bool
}

func newGoogle(t *testing.T) *google {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	g := &google{key: key}
	g.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		g.asked.Add(1)
		if g.down.Load() {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"keys": []map[string]string{{"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "k1",
			"n": base64.RawURLEncoding.EncodeToString(key.N.Bytes()), "e": base64.RawURLEncoding.EncodeToString(big.NewInt(int64(key.E)).Bytes())}}})
	}))
	t.Cleanup(g.server.Close)
	return g
}

func b64(value any) string {
	switch v := value.(type) {
	case string:
		return base64.RawURLEncoding.EncodeToString([]byte(v))
	default:
		text, _ := json.Marshal(v)
		return base64.RawURLEncoding.EncodeToString(text)
	}
}

// sign makes a token of header and claims: maps, or texts as they are to stand there.
func (g *google) sign(header, claims any) string {
	text := b64(header) + "." + b64(claims)
	sum := sha256.Sum256([]byte(text))
	signature, err := rsa.SignPKCS1v15(rand.Reader, g.key, crypto.SHA256, sum[:])
	if err != nil {
		panic(err)
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(signature)
}

type object = map[string]any

func goodHeader() object { return object{"alg": "RS256", "kid": "k1", "typ": "JWT"} }

func goodClaims() object {
	now := time.Now()
	return object{"iss": "https://accounts.google.com", "aud": pushAudience, "sub": "1", "azp": "1", "email": pushAccount, "email_verified": true, "iat": now.Add(-time.Minute).Unix(), "exp": now.Add(time.Hour).Unix()}
}

// with is the object with pairs of names and values changed; a nil value takes the name out.
func with(o object, pairs ...any) object {
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] == nil {
			delete(o, pairs[i].(string))
		} else {
			o[pairs[i].(string)] = pairs[i+1]
		}
	}
	return o
}

func pubsub(id string) string {
	data := base64.StdEncoding.EncodeToString([]byte(`{"emailAddress":"Ada@Example.com","historyId":7}`))
	return fmt.Sprintf(`{"message":{"data":"%s","messageId":"%s","publishTime":"%s"},"subscription":"projects/p/subscriptions/s"}`, data, id, time.Now().UTC().Format(time.RFC3339))
}

// pushes is a world whose door takes pushes, and what they did.
type pushes struct {
	*world
	google *google
	woken  chan string
	cut    chan string
	fail   atomic.Bool
	state  func(models.GrantID) string // the clientState of a grant's subscription
}

func newPushes(t *testing.T) *pushes {
	t.Helper()
	w := newWorld(t)
	p := &pushes{world: w, google: newGoogle(t), woken: make(chan string, 100), cut: make(chan string, 100)}
	log := slog.New(slog.NewTextHandler(w.logged, nil))
	v := verifications.New(verifications.Config{Store: w.Store, Audit: audit.New(w.Store, time.Now), DigestKey: []byte("a key for digests in the tests..."), Now: time.Now, Logger: log,
		Guard: dial.New(dial.Config{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}),
		Push: verifications.PushConfig{GoogleAudience: pushAudience, GoogleAccount: pushAccount, GoogleKeysURL: p.google.server.URL, RISCAudiences: []string{riscClient}, MicrosoftState: secret.New(graphState),
			StateKey: []byte("a key for states in the tests......"), Base: &url.URL{Scheme: "https", Host: "mail.example.com"},
			Wake: func(_ context.Context, provider, mailbox string) { p.woken <- provider + " " + mailbox },
			Lapse: func(_ context.Context, provider string, grant models.GrantID) {
				p.woken <- "lapse " + provider + " " + grant.String()
			},
			Cut: func(_ context.Context, provider, subject, cause string, _ time.Time) error {
				if p.fail.Load() {
					return fmt.Errorf("the database is away")
				}
				p.cut <- provider + " " + subject + " " + cause
				return nil
			}}})
	p.state = func(g models.GrantID) string { return v.MicrosoftPush(g).State.Reveal() }
	server := httptest.NewUnstartedServer(nil)
	base, _ := url.Parse("http://" + server.Listener.Addr().String())
	srv := web.New(web.Config{BaseURL: base, Now: time.Now, Logger: log})
	srv.Mount(inbound.New(v, log).PushWeb())
	server.Config.Handler = srv.Handler()
	server.Start()
	t.Cleanup(server.Close)
	w.server = server
	return p
}

func (p *pushes) send(path, token, body string) int {
	p.t.Helper()
	r, err := http.NewRequest(http.MethodPost, p.server.URL+path, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	if token != "" {
		r.Header.Set("Authorization", token)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	return resp.StatusCode
}

func (p *pushes) reason(source string) string {
	p.t.Helper()
	var reason string
	if err := p.owner.QueryRow(context.Background(), `SELECT reason FROM verifications WHERE source = $1 ORDER BY at DESC, id DESC LIMIT 1`, source).Scan(&reason); err != nil {
		p.t.Fatal(err)
	}
	return reason
}

// TestHostileTokens sends forty tokens that must not get in, each beside what makes it hostile, and then a good one.
func TestHostileTokens(t *testing.T) {
	p := newPushes(t)
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	foreign := &google{key: other}
	now := time.Now()
	good := p.google.sign(goodHeader(), goodClaims())
	parts := strings.Split(good, ".")
	public := p.google.key.N.Bytes()
	confused := func() string { // the public key taken for an HMAC secret
		text := b64(object{"alg": "HS256", "kid": "k1", "typ": "JWT"}) + "." + b64(goodClaims())
		h := hmac.New(sha256.New, public)
		h.Write([]byte(text))
		return text + "." + base64.RawURLEncoding.EncodeToString(h.Sum(nil))
	}
	claims := func(pairs ...any) string {
		return "Bearer " + p.google.sign(goodHeader(), with(goodClaims(), pairs...))
	}
	header := func(pairs ...any) string {
		return "Bearer " + p.google.sign(with(goodHeader(), pairs...), goodClaims())
	}
	cases := []struct{ name, authorization, want string }{
		{"01 no header", "", verifications.MissingSignature},
		{"02 another scheme", "Basic " + good, verifications.MalformedSignature},
		{"03 no token", "Bearer ", verifications.MalformedSignature},
		{"04 two tokens", "Bearer " + good + ", " + good, verifications.MalformedSignature},
		{"05 no signature part", "Bearer " + parts[0] + "." + parts[1], verifications.MalformedSignature},
		{"06 empty signature", "Bearer " + parts[0] + "." + parts[1] + ".", verifications.MalformedSignature},
		{"07 four parts", "Bearer " + good + ".x", verifications.MalformedSignature},
		{"08 five parts, encrypted", "Bearer a.b.c.d.e", verifications.MalformedSignature},
		{"09 alg none", "Bearer " + b64(object{"alg": "none", "kid": "k1"}) + "." + parts[1] + ".", verifications.MalformedSignature},
		{"10 alg none with the signature kept", "Bearer " + b64(object{"alg": "none", "kid": "k1"}) + "." + parts[1] + "." + parts[2], verifications.MalformedSignature},
		{"11 alg nOnE", header("alg", "nOnE"), verifications.MalformedSignature},
		{"12 HS256 over the public key", "Bearer " + confused(), verifications.MalformedSignature},
		{"13 RS384", header("alg", "RS384"), verifications.MalformedSignature},
		{"14 PS256", header("alg", "PS256"), verifications.MalformedSignature},
		{"15 ES256", header("alg", "ES256"), verifications.MalformedSignature},
		{"16 rs256 in lower case", header("alg", "rs256"), verifications.MalformedSignature},
		{"17 alg a list", header("alg", []string{"RS256"}), verifications.MalformedSignature},
		{"18 no alg", header("alg", nil), verifications.MalformedSignature},
		{"19 no kid", header("kid", nil), verifications.MalformedSignature},
		{"20 an unknown kid", header("kid", "k2"), verifications.WrongSecret},
		{"21 a kid that is a path", header("kid", "../../etc/passwd"), verifications.WrongSecret},
		{"22 crit", header("crit", []string{"b64"}, "b64", false), verifications.MalformedSignature},
		{"23 another typ", header("typ", "at+jwt"), verifications.MalformedSignature},
		{"24 another key, the same kid", "Bearer " + foreign.sign(goodHeader(), goodClaims()), verifications.WrongSecret},
		{"25 another key, brought along as jwk", "Bearer " + foreign.sign(with(goodHeader(), "jwk", object{"kty": "RSA", "kid": "k1", "n": base64.RawURLEncoding.EncodeToString(other.N.Bytes()), "e": "AQAB"}), goodClaims()), verifications.WrongSecret},
		{"26 another key, by jku", "Bearer " + foreign.sign(with(goodHeader(), "jku", "https://evil.example/keys"), goodClaims()), verifications.WrongSecret},
		{"27 another key, by x5u", "Bearer " + foreign.sign(with(goodHeader(), "x5u", "https://evil.example/cert"), goodClaims()), verifications.WrongSecret},
		{"28 claims changed after signing", "Bearer " + parts[0] + "." + b64(with(goodClaims(), "email", "x@y.example")) + "." + parts[2], verifications.WrongSecret},
		{"29 padded base64", "Bearer " + parts[0] + "=." + parts[1] + "." + parts[2], verifications.MalformedSignature},
		{"30 standard base64 signs", "Bearer " + parts[0] + "." + parts[1] + "." + "+/" + parts[2][2:], verifications.MalformedSignature},
		{"31 header no JSON", "Bearer " + p.google.sign("nonsense", goodClaims()), verifications.MalformedSignature},
		{"32 alg named twice", "Bearer " + p.google.sign(`{"alg":"none","alg":"RS256","kid":"k1"}`, goodClaims()), verifications.MalformedSignature},
		{"33 claims no object", "Bearer " + p.google.sign(goodHeader(), `["iss"]`), verifications.NotJSON},
		{"34 aud named twice", "Bearer " + p.google.sign(goodHeader(), fmt.Sprintf(`{"iss":"https://accounts.google.com","aud":"x","aud":%q,"email":%q,"email_verified":true,"iat":%d,"exp":%d}`, pushAudience, pushAccount, now.Unix()-9, now.Unix()+900)), verifications.NotJSON},
		{"35 another issuer", claims("iss", "https://accounts.google.com.evil.example"), verifications.WrongClaims},
		{"36 no issuer", claims("iss", nil), verifications.WrongClaims},
		{"37 another audience", claims("aud", "https://other.example/push"), verifications.WrongClaims},
		{"38 our audience among others", claims("aud", []string{pushAudience, "https://other.example"}), verifications.WrongClaims},
		{"39 another service account", claims("email", "other@project.iam.gserviceaccount.example"), verifications.WrongClaims},
		{"40 the address not verified", claims("email_verified", false), verifications.WrongClaims},
		{"41 verified as a text", claims("email_verified", "true"), verifications.WrongClaims},
		{"42 expired", claims("iat", now.Add(-2*time.Hour).Unix(), "exp", now.Add(-time.Hour).Unix()), verifications.Stale},
		{"43 no expiry", claims("exp", nil), verifications.Stale},
		{"44 issued in the future", claims("iat", now.Add(time.Hour).Unix(), "exp", now.Add(2*time.Hour).Unix()), verifications.Stale},
		{"45 not issued", claims("iat", nil), verifications.Stale},
		{"46 not before later", claims("nbf", now.Add(time.Hour).Unix()), verifications.Stale},
		{"47 expiry a text", claims("exp", "4102444800"), verifications.NotJSON},
		{"48 expiry negative", claims("exp", -1), verifications.NotJSON},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			code := p.send("/push/google", c.authorization, pubsub("hostile"))
			if got := p.reason("google"); code < 400 || code >= 500 || got != c.want {
				t.Errorf("status %d, reason %s, want %s", code, got, c.want)
			}
		})
	}
	if code := p.send("/push/google", "Bearer "+strings.Repeat("a", 15<<10), pubsub("hostile")); code < 400 {
		t.Errorf("a token of 15 KiB: status %d", code)
	}
	if len(p.woken) > 0 {
		t.Errorf("somebody was woken: %s", <-p.woken)
	}
	if n := p.google.asked.Load(); n > 2 {
		t.Errorf("the issuer was asked %d times: whoever makes key ids up must not make it busy", n)
	}
	if code := p.send("/push/google", "Bearer "+good, pubsub("m1")); code != http.StatusNoContent || <-p.woken != "google ada@example.com" {
		t.Errorf("a good one: status %d", code)
	}
	if strings.Contains(p.logged.String(), parts[2]) {
		t.Error("a token is in the log")
	}
}

func TestGooglePush(t *testing.T) {
	p := newPushes(t)
	token := "Bearer " + p.google.sign(goodHeader(), goodClaims())
	// While the keys cannot be had nothing can be judged: the sender must try again.
	p.google.down.Store(true)
	if code := p.send("/push/google", token, pubsub("m1")); code != http.StatusServiceUnavailable {
		t.Errorf("without keys: status %d", code)
	}
	if n := p.count(`SELECT count(*) FROM verifications WHERE source = 'google'`); n != 0 {
		t.Errorf("%d rows of what could not be judged", n)
	}
	p2 := newPushes(t)
	token = "Bearer " + p2.google.sign(goodHeader(), goodClaims())
	for i, want := range []string{"ok", "duplicate"} {
		if code := p2.send("/push/google", token, pubsub("m1")); code != http.StatusNoContent || p2.reason("google") != want {
			t.Errorf("%d: status %d, reason %s", i, code, p2.reason("google"))
		}
	}
	for name, body := range map[string]string{"no JSON": "x", "no message": `{}`, "twice": `{"message":{},"message":{}}`, "no id": `{"message":{"data":""}}`, "data no base64": `{"message":{"messageId":"1","data":"%"}}`, "behind it": pubsub("9") + "x"} {
		if code := p2.send("/push/google", token, body); code != http.StatusBadRequest || p2.reason("google") != "not_json" {
			t.Errorf("%s: status %d, %s", name, code, p2.reason("google"))
		}
	}
	if code := p2.send("/push/google", token, strings.Repeat("x", verifications.MaxBody+1)); code != http.StatusRequestEntityTooLarge {
		t.Errorf("too large: status %d", code)
	}
	// A Postern that was told of no provider knows none of the addresses.
	w := newWorld(t)
	log := slog.New(slog.DiscardHandler)
	srv := web.New(web.Config{BaseURL: &url.URL{Scheme: "http", Host: "localhost"}, Now: time.Now, Logger: log})
	srv.Mount(inbound.New(w.verifications, log).PushWeb())
	for _, path := range []string{"/push/google", "/push/google/risc", "/push/microsoft"} {
		rec := httptest.NewRecorder()
		srv.Handler().ServeHTTP(rec, httptest.NewRequest(http.MethodPost, path, strings.NewReader("{}")))
		if rec.Code != http.StatusNotFound {
			t.Errorf("%s unconfigured: status %d", path, rec.Code)
		}
	}
}

func TestSecurityEvents(t *testing.T) {
	p := newPushes(t)
	event := func(name string, pairs ...any) string {
		return p.google.sign(object{"alg": "RS256", "kid": "k1", "typ": "secevent+jwt"}, with(object{"iss": "https://accounts.google.com/", "aud": riscClient, "iat": time.Now().Unix(), "jti": "set-" + models.NewID[models.EventID](time.Now()).String(),
			"events": object{"https://schemas.openid.net/secevent/" + name: object{"subject": object{"subject_type": "iss-sub", "iss": "https://accounts.google.com/", "sub": "7375626A656374"}}}}, pairs...))
	}
	set := event("oauth/event-type/tokens-revoked")
	p.fail.Store(true)
	if code := p.send("/push/google/risc", "", set); code != http.StatusServiceUnavailable || p.count(`SELECT count(*) FROM verifications WHERE source = 'google'`) != 0 {
		t.Errorf("while the effect fails: status %d", code)
	}
	p.fail.Store(false)
	if code := p.send("/push/google/risc", "", set); code != http.StatusAccepted || <-p.cut != "google 7375626A656374 tokens_revoked" || p.reason("google") != "ok" {
		t.Errorf("tokens-revoked: status %d, %s", code, p.reason("google"))
	}
	if code := p.send("/push/google/risc", "", event("risc/event-type/verification")); code != http.StatusAccepted || len(p.cut) != 0 {
		t.Errorf("verification: status %d", code)
	}
	if code := p.send("/push/google/risc", "", event("risc/event-type/sessions-revoked")); code != http.StatusAccepted || len(p.cut) != 0 {
		t.Errorf("sessions-revoked: status %d", code)
	}
	for name, c := range map[string]struct{ set, want string }{
		"another app":         {event("oauth/event-type/tokens-revoked", "aud", "another"), "wrong_claims"},
		"another issuer":      {event("oauth/event-type/tokens-revoked", "iss", "https://evil.example/"), "wrong_claims"},
		"years old":           {event("oauth/event-type/tokens-revoked", "iat", time.Now().Add(-15*24*time.Hour).Unix()), "stale"},
		"from the future":     {event("oauth/event-type/tokens-revoked", "iat", time.Now().Add(time.Hour).Unix()), "stale"},
		"no id":               {event("oauth/event-type/tokens-revoked", "jti", nil), "not_json"},
		"no events":           {event("oauth/event-type/tokens-revoked", "events", nil), "not_json"},
		"an id token":         {p.google.sign(goodHeader(), with(goodClaims(), "aud", riscClient)), "not_json"},
		"another's signature": {set[:len(set)-6] + "AAAAAA", ""},
	} {
		code, got := p.send("/push/google/risc", "", c.set), p.reason("google")
		if code < 400 || code >= 500 || c.want != "" && got != c.want {
			t.Errorf("%s: status %d, reason %s, want %s", name, code, got, c.want)
		}
	}
	if len(p.cut) != 0 {
		t.Errorf("cut: %s", <-p.cut)
	}
}

// A subscription of ours is proven by a state of its own: it speaks for its grant alone, whatever mailbox the notification names.
func TestMicrosoftPushOfOurs(t *testing.T) {
	p := newPushes(t)
	a, b := models.NewID[models.GrantID](time.Now()), models.NewID[models.GrantID](time.Now())
	send := func(state, more string) int {
		return p.send("/push/microsoft?grant="+a.String(), "", `{"value":[{"clientState":"`+state+`","changeType":"created","resource":"Users/somebody/Messages/1"`+more+`}]}`)
	}
	if code := send(p.state(a), ""); code != http.StatusAccepted || <-p.woken != "microsoft "+a.String() {
		t.Fatalf("a push of ours: %d", code)
	}
	for event, want := range map[string]string{"missed": "microsoft ", "reauthorizationRequired": "lapse microsoft ", "subscriptionRemoved": "lapse microsoft "} {
		if code := send(p.state(a), `,"lifecycleEvent":"`+event+`"`); code != http.StatusAccepted {
			t.Fatalf("%s: %d", event, code)
		}
		if got := <-p.woken; got != want+a.String() {
			t.Errorf("%s: %s", event, got)
		}
	}
	good := p.state(a)
	for name, state := range map[string]string{"another grant's proof": b.String() + strings.TrimPrefix(good, a.String()), "no proof": a.String(), "an empty proof": a.String() + ".", "cut short": good[:len(good)-1], "in capitals": strings.ToUpper(good),
		"no grant": "." + strings.TrimPrefix(good, a.String()+"."), "more": good + "A"} {
		if code := send(state, ""); code < 400 || p.reason("microsoft") != "wrong_secret" {
			t.Errorf("%s: %d %s", name, code, p.reason("microsoft"))
		}
	}
	select {
	case got := <-p.woken:
		t.Errorf("a push without proof did something: %s", got)
	default:
	}
}

func TestMicrosoftPush(t *testing.T) {
	p := newPushes(t)
	notice := func(state, more string) string {
		return fmt.Sprintf(`{"subscriptionId":"s","clientState":"%s","changeType":"created","resource":"Users/ADA-1/Messages/m"%s}`, state, more)
	}
	list := func(n ...string) string { return `{"value":[` + strings.Join(n, ",") + `]}` }
	if code := p.send("/push/microsoft", "", list(notice(graphState, ""))); code != http.StatusAccepted || p.reason("microsoft") != "ok" || <-p.woken != "microsoft ada-1" {
		t.Errorf("status %d, %s", code, p.reason("microsoft"))
	}
	for _, event := range []string{"reauthorizationRequired", "subscriptionRemoved", "missed"} {
		if code := p.send("/push/microsoft", "", list(notice(graphState, `,"lifecycleEvent":"`+event+`"`))); code != http.StatusAccepted || p.count(`SELECT count(*) FROM verifications WHERE event_type = 'graph.' || $1`, event) != 1 {
			t.Errorf("%s: status %d", event, code)
		}
		<-p.woken
	}
	for name, c := range map[string]struct{ body, want string }{
		"another state":           {list(notice(graphState+"x", "")), "wrong_secret"},
		"no state":                {list(`{"changeType":"created"}`), "missing_signature"},
		"one good, one forged":    {list(notice(graphState, ""), notice("forged", "")), "wrong_secret"},
		"a prefix":                {list(notice(graphState[:5], "")), "wrong_secret"},
		"state named twice":       {list(`{"clientState":"x","clientState":"` + graphState + `"}`), "not_json"},
		"nothing":                 {`{"value":[]}`, "not_json"},
		"unknown lifecycle":       {list(notice(graphState, `,"lifecycleEvent":"exploded"`)), "not_json"},
		"tokens are not believed": {`{"validationTokens":["a.b.c"],"value":[{"changeType":"created"}]}`, "missing_signature"},
	} {
		if code := p.send("/push/microsoft", "", c.body); code < 400 || code >= 500 || p.reason("microsoft") != c.want {
			t.Errorf("%s: status %d, reason %s, want %s", name, code, p.reason("microsoft"), c.want)
		}
	}
	if len(p.woken) != 0 {
		t.Errorf("woken: %s", <-p.woken)
	}
	resp, err := http.Post(p.server.URL+"/push/microsoft?validationToken="+url.QueryEscape("Validation: <script>1</script> é"), "text/plain", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != 200 || string(text) != "Validation: <script>1</script> é" || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/plain") || resp.Header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("validation: status %d %q %v", resp.StatusCode, text, resp.Header)
	}
	for _, token := range []string{"", "a%0d%0ab", strings.Repeat("a", 2049), "a&validationToken=b"} {
		if code := p.send("/push/microsoft?validationToken="+token, "", ""); code != http.StatusBadRequest {
			t.Errorf("%.20q: status %d", token, code)
		}
	}
}
