package v3_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/postern-mail/postern/engine/access"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/web"
)

// service is a service account with its private key, as a client holds it.
type service struct {
	id      string
	private *rsa.PrivateKey
	made    int
}

func (w *world) service(a access.ServiceAccount) *service {
	w.t.Helper()
	if a.Name == "" {
		a.Name = "provisioning"
	}
	row, file, err := w.Access.CreateServiceAccount(ctx, staff, a)
	if err != nil {
		w.t.Fatal(err)
	}
	var credentials struct {
		PrivateKey   string `json:"private_key"`
		PrivateKeyID string `json:"private_key_id"`
	}
	if err := json.Unmarshal([]byte(file.Reveal()), &credentials); err != nil || credentials.PrivateKeyID != row.ID.String() {
		w.t.Fatalf("the credentials: %v, for %s", err, credentials.PrivateKeyID)
	}
	block, _ := pem.Decode([]byte(credentials.PrivateKey))
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		w.t.Fatal(err)
	}
	return &service{id: row.ID.String(), private: key.(*rsa.PrivateKey)}
}

// sign signs a call as Nylas' SDKs do. The text is written here by hand, so that it does not share a mistake with the server.
func (s *service) sign(t *testing.T, c call, at time.Time) call {
	t.Helper()
	s.made++
	nonce := fmt.Sprintf("nonce-%d-of-%s", s.made, s.id[24:])
	payload := ""
	if c.body != "" {
		payload = `"payload":"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\r", `\r`, "\t", `\t`, "\x01", `\u0001`).Replace(c.body) + `",`
	}
	path, _, _ := strings.Cut(c.path, "?")
	sum := sha256.Sum256([]byte(fmt.Sprintf(`{"method":"%s","nonce":"%s","path":"%s",%s"timestamp":%d}`, strings.ToLower(c.method), nonce, path, payload, at.Unix())))
	signature, err := rsa.SignPKCS1v15(rand.Reader, s.private, crypto.SHA256, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	c.key = "-"
	c.header = map[string]string{"X-Nylas-Kid": s.id, "X-Nylas-Nonce": nonce, "X-Nylas-Timestamp": fmt.Sprint(at.Unix()), "X-Nylas-Signature": base64.StdEncoding.EncodeToString(signature)}
	return c
}

func TestServiceAccounts(t *testing.T) {
	w := newWorld(t)
	s := w.service(access.ServiceAccount{Application: w.app.ID})
	keys := "/v3/admin/applications/" + w.app.ID.String() + "/api-keys"
	signed := func(c call) call { t.Helper(); return s.sign(t, c, w.clock()) }
	tr := w.transcript()

	made := tr.call(signed(call{method: "POST", path: keys, body: `{"expires_in":120,"name":"crm <é \"x\"> \\ "}`}))
	key, id := made.text1("data", "api_key"), made.text1("data", "id")
	if a := w.do(call{method: "GET", path: "/v3/grants", key: key}); a.status != 200 {
		t.Errorf("the key: %d %s", a.status, a.text)
	}
	narrow := tr.call(signed(call{method: "POST", path: keys, body: `{"addresses":["127.0.0.0/8","192.0.2.7"],"name":"narrow","permissions":["grants.read"],"workspace_id":"` + w.second.ID.String() + `"}`}))
	mine := w.grant(w.app.ID, w.tenant.ID, "a@example.com")
	w.do(call{method: "GET", path: "/v3/grants/" + mine.ID.String(), key: narrow.text1("data", "api_key")}).refused(t, "another tenant's grant", 404, "api.not_found_error")
	w.do(call{method: "GET", path: "/v3/webhooks", key: narrow.text1("data", "api_key")}).refused(t, "webhooks", 403, "insufficient_scopes")
	tr.call(signed(call{method: "POST", path: keys, body: `{"name":"all","permissions":["all"]}`}))
	for _, wrong := range []string{`{}`, `[]`, `{"name":""}`, `{"name":1}`, `{"name":"x","expires_in":0}`, `{"name":"x","expires_in":"120"}`, `{"name":"x","expires_in":99999}`, `{"name":"x","permissions":[]}`, `{"name":"x","permissions":["members.manage"]}`,
		`{"name":"x","permissions":["apikey.create"]}`, `{"name":"x","permissions":"all"}`, `{"name":"x","addresses":["::ffff:0.0.0.0/95"]}`, `{"name":"x","workspace_id":"x"}`, `{"name":"x","workspace_id":"01234567-89ab-7cde-8f01-23456789abcd"}`} {
		tr.call(signed(call{method: "POST", path: keys, body: wrong}))
	}
	list := tr.call(signed(call{method: "GET", path: keys + "?limit=5"}))
	if strings.Contains(list.text, key) || !strings.Contains(list.text, id) {
		t.Errorf("the list: %s", list.text)
	}
	tr.call(signed(call{method: "GET", path: keys + "/" + id}))
	tr.call(signed(call{method: "DELETE", path: keys + "/" + id}))
	tr.call(signed(call{method: "DELETE", path: keys + "/" + id}))
	tr.call(signed(call{method: "GET", path: keys + "/" + id}))
	w.do(call{method: "GET", path: "/v3/grants", key: key}).refused(t, "a deleted key", 401, "api.authentication_error")
	if again := w.do(signed(call{method: "GET", path: keys})); strings.Contains(again.text, id) {
		t.Errorf("a deleted key is listed: %s", again.text)
	}
	tr.matches(t, "api-keys.txt")

	// Another application's keys are not there, by its path or by theirs.
	foreign, _, err := w.Access.CreateKey(ctx, staff, access.Key{Application: w.other.ID, Name: "theirs"})
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{keys + "/" + foreign.ID.String(), "/v3/admin/applications/" + w.other.ID.String() + "/api-keys/" + foreign.ID.String(), keys + "/x", keys + "/01234567-89ab-7cde-8f01-23456789abcd"} {
		for _, method := range []string{"GET", "DELETE"} {
			w.do(signed(call{method: method, path: path})).refused(t, method+" "+path, 404, "api.not_found_error")
		}
	}
	w.do(signed(call{method: "GET", path: "/v3/admin/applications/" + w.other.ID.String() + "/api-keys"})).refused(t, "another application's keys", 404, "api.not_found_error")
	if k, err := w.Access.Key(ctx, staff, foreign.ID); err != nil || k.RevokedAt != nil {
		t.Errorf("the foreign key: %+v, %v", k, err)
	}
	// What a service account holds is that and nothing else.
	reader := w.service(access.ServiceAccount{Application: w.app.ID, Permissions: []models.Permission{models.ReadAPIKeys}})
	if a := w.do(reader.sign(t, call{method: "GET", path: keys}, w.clock())); a.status != 200 {
		t.Errorf("one that may read: %d %s", a.status, a.text)
	}
	w.do(reader.sign(t, call{method: "POST", path: keys, body: `{"name":"x"}`}, w.clock())).refused(t, "one that may read makes a key", 403, "insufficient_scopes")
	for _, r := range w.routes {
		if r.Door != "v3" || r.Permission == web.Public || strings.HasPrefix(r.Path, "/v3/admin/") {
			continue
		}
		w.do(signed(call{method: r.Method, path: fill(r.Path)})).refused(t, r.Method+" "+r.Path+" signed by a service account", 401, "api.authentication_error")
	}
	entries := w.count(`SELECT count(*) FROM audit_entries WHERE actor_kind = 'service' AND actor_id = $1 AND action IN ('api_key.create', 'api_key.revoke')`, s.id)
	if entries != 4 {
		t.Errorf("%d audit entries", entries)
	}
	for _, value := range []string{key, "PRIVATE KEY"} {
		if strings.Contains(w.log.String(), value) || w.count(`SELECT count(*) FROM audit_entries e WHERE strpos(e::text, $1) > 0`, value)+w.count(`SELECT count(*) FROM service_accounts a WHERE strpos(a::text, $1) > 0`, value) > 0 {
			t.Errorf("%.12s… is in the log or the database", value)
		}
	}
}

func TestASignatureHoldsForOneRequestOnly(t *testing.T) {
	w := newWorld(t)
	s := w.service(access.ServiceAccount{Application: w.app.ID})
	keys := "/v3/admin/applications/" + w.app.ID.String() + "/api-keys"
	get := call{method: "GET", path: keys}
	post := call{method: "POST", path: keys, body: `{"name":"x"}`}
	first := s.sign(t, get, w.clock())
	if a := w.do(first); a.status != 200 {
		t.Fatalf("%d %s", a.status, a.text)
	}
	w.do(first).refused(t, "the same request again", 401, "api.authentication_error")
	again := s.sign(t, get, w.clock())
	for name, value := range map[string]string{"X-Nylas-Kid": "01234567-89ab-7cde-8f01-23456789abcd", "X-Nylas-Nonce": "another-nonce", "X-Nylas-Timestamp": fmt.Sprint(w.clock().Unix() + 7), "X-Nylas-Signature": base64.StdEncoding.EncodeToString(make([]byte, 256))} {
		for what, v := range map[string]string{"another": value, "an empty": "", "a broken": "\x80", "a long": strings.Repeat("7", 5000)} {
			c := s.sign(t, get, w.clock())
			c.header[name] = v
			w.do(c).refused(t, what+" "+name, 401, "api.authentication_error")
		}
		c := s.sign(t, get, w.clock())
		delete(c.header, name)
		w.do(c).refused(t, "no "+name, 401, "api.authentication_error")
	}
	if a := w.do(again); a.status != 200 { // what was refused spent nobody's nonce
		t.Errorf("%d %s", a.status, a.text)
	}
	one := s.sign(t, call{method: "GET", path: keys + "/01234567-89ab-7cde-8f01-23456789abcd"}, w.clock())
	one.method = "DELETE"
	w.do(one).refused(t, "another method", 401, "api.authentication_error")
	elsewhere := s.sign(t, get, w.clock())
	elsewhere.path += "/01234567-89ab-7cde-8f01-23456789abcd"
	w.do(elsewhere).refused(t, "another path", 401, "api.authentication_error")
	for what, change := range map[string]func(*call){
		"another body":                     func(c *call) { c.body = `{"name":"y"}` },
		"the same body, spelled otherwise": func(c *call) { c.body = `{"name": "x"}` }, "no body": func(c *call) { c.body = "" }, "bytes that are no text": func(c *call) { c.body = "{\"name\":\"\xff\"}" },
	} {
		c := s.sign(t, post, w.clock())
		change(&c)
		w.do(c).refused(t, what, 401, "api.authentication_error")
	}
	unsure := s.sign(t, call{method: "POST", path: keys, body: "{\"name\":\"\uFFFD\"}"}, w.clock())
	unsure.body = "{\"name\":\"\xff\"}"
	w.do(unsure).refused(t, "bytes that read as another text", 401, "api.authentication_error")
	for what, ahead := range map[string]time.Duration{"six minutes ago": -6 * time.Minute, "in six minutes": 6 * time.Minute, "in milliseconds, or so": 200 * 365 * 24 * time.Hour} {
		w.do(s.sign(t, get, w.clock().Add(ahead))).refused(t, what, 401, "api.authentication_error")
	}
	for what, ahead := range map[string]time.Duration{"four minutes ago": -4 * time.Minute, "in four minutes": 4 * time.Minute} {
		c := s.sign(t, get, w.clock().Add(ahead))
		if a := w.do(c); a.status != 200 {
			t.Errorf("%s: %d %s", what, a.status, a.text)
		}
		w.pass(30 * time.Second) // as long as the time in it can be taken, so long is its nonce remembered
		w.do(c).refused(t, what+", again", 401, "api.authentication_error")
	}
	other := w.service(access.ServiceAccount{Application: w.app.ID})
	mixed := other.sign(t, get, w.clock())
	mixed.header["X-Nylas-Kid"] = s.id
	w.do(mixed).refused(t, "signed by another account", 401, "api.authentication_error")
	twice := s.sign(t, get, w.clock())
	twice.key = w.key // some clients send their key with every request
	if a := w.do(twice); a.status != 200 {
		t.Errorf("with a key beside the signature: %d %s", a.status, a.text)
	}
	w.do(call{method: "GET", path: keys}).refused(t, "a key alone", 403, "insufficient_scopes")
	w.do(call{method: "GET", path: keys, key: w.token(w.grant(w.app.ID, w.tenant.ID, "a@example.com"), time.Hour)}).refused(t, "a token alone", 403, "insufficient_scopes")
	w.do(call{method: "GET", path: keys, key: "-"}).refused(t, "nothing", 401, "api.authentication_error")
	big := s.sign(t, call{method: "POST", path: keys, body: `{"name":"` + strings.Repeat("x", 65<<10) + `"}`}, w.clock())
	w.do(big).refused(t, "65 KiB", 413, "api.invalid_request_error")

	away := w.service(access.ServiceAccount{Application: w.app.ID, Addresses: []string{"192.0.2.0/24"}})
	if a := w.do(away.sign(t, get, w.clock())); a.status != 403 && a.status != 401 {
		t.Errorf("an account for another address: %d %s", a.status, a.text)
	}
	short := w.service(access.ServiceAccount{Application: w.app.ID, Life: time.Hour})
	w.pass(61 * time.Minute)
	w.do(short.sign(t, get, w.clock())).refused(t, "an account that ended", 401, "api.authentication_error")
	id, _ := models.ParseID[models.ServiceAccountID](s.id)
	if _, err := w.Access.RevokeServiceAccount(ctx, staff, id); err != nil {
		t.Fatal(err)
	}
	w.do(s.sign(t, get, w.clock())).refused(t, "an account that was revoked", 401, "api.authentication_error")
	if n := w.count(`SELECT count(*) FROM api_keys WHERE name = 'x' OR name = 'y'`); n != 0 {
		t.Errorf("%d keys were made by requests that were refused", n)
	}
	w.do(other.sign(t, get, w.clock()))
	if n := w.count(`SELECT count(*) FROM service_nonces`); n != 1 {
		t.Errorf("%d nonces are kept an hour later", n)
	}
}
