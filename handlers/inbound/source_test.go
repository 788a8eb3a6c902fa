package inbound_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/secret"
	"github.com/postern-mail/postern/engine/verifications"
	"github.com/postern-mail/postern/models"
)

const firstSecret, secondSecret, thirdSecret = "the-first-secret-of-a-sender", "the-second-secret-of-a-sender", "the-third-secret-of-a-sender"

func (w *world) source(kind, value string, addresses ...string) models.InboundEndpoint {
	w.t.Helper()
	e, err := w.verifications.CreateSource(context.Background(), w.staff, verifications.SourceDraft{Application: w.app, Tenant: w.tenant, Name: "Upstream", Kind: kind, Secret: secret.New(value), Addresses: addresses})
	if err != nil {
		w.t.Fatal(err)
	}
	return e
}

var serial atomic.Int64

func event() []byte {
	return fmt.Appendf(nil, `{"specversion":"1.0","type":"message.created","id":"evt-%d","time":%d,"data":{"object":{"email":"canary-payload@example.com"}}}`, serial.Add(1), time.Now().Unix())
}

// signed posts a new event under a secret and gives status and reason.
func (w *world) signed(e models.InboundEndpoint, key string) (int, string) {
	w.t.Helper()
	body := event()
	resp, _ := w.post(e.ID.String(), call{body: body, signature: sign(secret.New(key), body)})
	if resp.StatusCode == 503 && resp.Header.Get("Retry-After") == "" {
		w.t.Error("503 without Retry-After")
	}
	return resp.StatusCode, w.newest().Reason
}

func (w *world) expect(what string, e models.InboundEndpoint, key string, status int, reason string) {
	w.t.Helper()
	if code, why := w.signed(e, key); code != status || why != reason {
		w.t.Errorf("%s: %d %s, want %d %s", what, code, why, status, reason)
	}
}

// TestAForeignSender: Nylas' cloud, or another Postern. Its secret ends the moment a new one is made, and not one event is refused for good.
func TestAForeignSender(t *testing.T) {
	ctx, w := context.Background(), newWorld(t)
	e := w.source(verifications.KindV3, firstSecret)
	w.expect("the first secret", e, firstSecret, 200, "ok")
	if v := w.newest(); v.TenantID == nil || *v.TenantID != w.tenant || v.Source != "v3" || v.Generation != 1 || *v.EndpointID != e.ID {
		t.Errorf("the log says %+v", v)
	}
	w.expect("an unknown secret", e, secondSecret, 401, "wrong_secret")

	// The sender rotates first, and we learn the secret after it.
	if _, err := w.verifications.OpenWindow(ctx, w.staff, e.ID, 10*time.Minute); err != nil {
		t.Fatal(err)
	}
	w.expect("an unknown secret in the window", e, secondSecret, 503, "rotation_window")
	if resp, _ := w.post(e.ID.String(), call{body: event()}); resp.StatusCode != 401 || w.newest().Reason != "missing_signature" {
		t.Errorf("no secret explains a call without a signature, and the window answers %d %s", resp.StatusCode, w.newest().Reason)
	}
	w.expect("the known secret in the window", e, firstSecret, 200, "ok")
	if _, err := w.verifications.RotateSource(ctx, w.staff, e.ID, verifications.Rotation{Secret: secret.New(secondSecret), Overlap: time.Hour}); err != nil {
		t.Fatal(err)
	}
	w.expect("the new secret", e, secondSecret, 200, "ok")
	w.expect("the one before, in its overlap", e, firstSecret, 200, "ok_previous_secret")
	w.expect("the window has ended", e, thirdSecret, 401, "wrong_secret")

	// We know the next secret before the sender uses it.
	if _, err := w.verifications.RotateSource(ctx, w.staff, e.ID, verifications.Rotation{Secret: secret.New(thirdSecret), Staged: true}); err != nil {
		t.Fatal(err)
	}
	w.expect("the present one while the next is staged", e, secondSecret, 200, "ok")
	w.expect("the staged one, seen first", e, thirdSecret, 200, "ok")
	w.expect("the one before ends with no overlap", e, secondSecret, 401, "old_secret")
	w.expect("the one before that, still in its overlap, ends too", e, firstSecret, 401, "old_secret")
	d, err := w.verifications.FindSource(ctx, w.staff, e.ID)
	if err != nil || len(d.Secrets) != 3 || d.Secrets[0].Staged || d.Secrets[0].LastAcceptedAt == nil || d.Secrets[1].ValidUntil == nil {
		t.Errorf("%+v, %v", d, err)
	}

	for name, r := range map[string]verifications.Rotation{"empty": {}, "in use": {Secret: secret.New(thirdSecret)}, "short": {Secret: secret.New("short")}, "spaces": {Secret: secret.New("a secret with some spaces")},
		"overlap": {Secret: secret.New(firstSecret), Overlap: 8 * 24 * time.Hour}} {
		if _, err := w.verifications.RotateSource(ctx, w.staff, e.ID, r); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := w.verifications.OpenWindow(ctx, w.staff, e.ID, 11*time.Minute); fault.KindOf(err) != fault.Invalid {
		t.Errorf("a window of 11 minutes: %v", err)
	}
	if _, err := w.verifications.DisableSource(ctx, w.staff, e.ID); err != nil {
		t.Fatal(err)
	}
	if resp, _ := w.post(e.ID.String(), call{body: event(), signature: "x"}); resp.StatusCode != 404 {
		t.Errorf("a disabled source answers %d", resp.StatusCode)
	}
	if n := w.count(`SELECT (SELECT count(*) FROM sealed) + (SELECT count(*) FROM inbound_secrets)`); n != 0 {
		t.Errorf("%d secrets of a disabled source are left", n)
	}
	if _, err := w.verifications.UpdateSource(ctx, w.staff, e.ID, verifications.SourceChange{Name: "x"}); fault.KindOf(err) != fault.Gone {
		t.Errorf("a disabled source was changed: %v", err)
	}
	for action, want := range map[string]int{"source.create": 1, "source.rotation_window": 1, "source.rotate_secret": 2, "source.secret_in_use": 1, "source.disable": 1} {
		if n := w.count(`SELECT count(*) FROM audit_entries WHERE action = $1`, action); n != want {
			t.Errorf("%d audit entries of %s, want %d", n, action, want)
		}
	}
	w.absent("canary-payload", firstSecret, secondSecret, thirdSecret)
}

// TestSourcesAreForStaff: and self-check endpoints are nobody's to change.
func TestSourcesAreForStaff(t *testing.T) {
	ctx, w := context.Background(), newWorld(t)
	e := w.source(verifications.KindV3, firstSecret, "192.0.2.7", "2001:db8::/32", "192.0.2.7/32")
	if fmt.Sprint(e.Addresses) != "[192.0.2.7/32 2001:db8::/32]" {
		t.Errorf("addresses %v", e.Addresses)
	}
	w.expect("from an address outside the list", e, firstSecret, 403, "not_allowlisted")
	none := []string{"127.0.0.0/8"}
	if _, err := w.verifications.UpdateSource(ctx, w.staff, e.ID, verifications.SourceChange{Addresses: &none}); err != nil {
		t.Fatal(err)
	}
	w.expect("from an address on it", e, firstSecret, 200, "ok")
	for name, d := range map[string]verifications.SourceDraft{
		"kind": {Kind: "self"}, "name": {Name: "\n"}, "address": {Addresses: []string{"example.com"}}, "secret": {Secret: secret.New("")}, "whsec_": {Kind: verifications.KindStandard}, "short whsec_": {Kind: verifications.KindStandard, Secret: secret.New("whsec_AAAA")}} {
		full := verifications.SourceDraft{Application: w.app, Name: "Upstream", Kind: verifications.KindV3, Secret: secret.New(firstSecret)}
		if d.Kind != "" {
			full.Kind = d.Kind
		}
		if d.Name != "" {
			full.Name = d.Name
		}
		if !d.Secret.Empty() || name == "secret" {
			full.Secret = d.Secret
		}
		full.Addresses = d.Addresses
		if _, err := w.verifications.CreateSource(ctx, w.staff, full); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := w.count(`SELECT count(*) FROM sealed`); n != 1 {
		t.Errorf("%d sealed secrets, want that of the one source", n)
	}
	foreign := verifications.SourceDraft{Application: models.NewID[models.ApplicationID](time.Now()), Name: "x", Kind: verifications.KindV3, Secret: secret.New(firstSecret)}
	if _, err := w.verifications.CreateSource(ctx, w.staff, foreign); fault.KindOf(err) != fault.NotFound {
		t.Errorf("a source of no application: %v", err)
	}
	if n := w.count(`SELECT count(*) FROM sealed`); n != 1 {
		t.Error("a secret whose source did not come about stays sealed")
	}
	_, self, _ := w.selfCheck()
	if _, err := w.verifications.DisableSource(ctx, w.staff, self.ID); fault.KindOf(err) != fault.Conflict {
		t.Errorf("the self-check's endpoint was disabled: %v", err)
	}
	for _, actor := range []models.Actor{{}, {Kind: models.ActorKey, Application: w.app}, {Kind: models.ActorMember, Role: models.Customer, Tenant: w.tenant}} {
		_, create := w.verifications.CreateSource(ctx, actor, foreign)
		_, list := w.verifications.ListSources(ctx, actor, w.app)
		_, find := w.verifications.FindSource(ctx, actor, e.ID)
		_, update := w.verifications.UpdateSource(ctx, actor, e.ID, verifications.SourceChange{})
		_, rotate := w.verifications.RotateSource(ctx, actor, e.ID, verifications.Rotation{Secret: secret.New(secondSecret)})
		_, open := w.verifications.OpenWindow(ctx, actor, e.ID, 0)
		_, disable := w.verifications.DisableSource(ctx, actor, e.ID)
		for name, err := range map[string]error{"create": create, "list": list, "find": find, "update": update, "rotate": rotate, "open": open, "disable": disable} {
			if fault.KindOf(err) != fault.Denied {
				t.Errorf("%s as %q: %v", name, actor.Kind, err)
			}
		}
	}
	if list, err := w.verifications.ListSources(ctx, w.staff, w.app); err != nil || len(list) != 2 {
		t.Errorf("%d sources, %v", len(list), err)
	}
}

// standardCall posts by Standard Webhooks.
func (w *world) standardCall(e models.InboundEndpoint, key []byte, id string, at time.Time, body []byte, change func(http.Header)) (int, models.Verification) {
	w.t.Helper()
	stamp := strconv.FormatInt(at.Unix(), 10)
	h := hmac.New(sha256.New, key)
	h.Write([]byte(id + "." + stamp + "."))
	h.Write(body)
	req, err := http.NewRequest(http.MethodPost, w.server.URL+"/hooks/"+e.ID.String(), bytes.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header.Set("webhook-id", id)
	req.Header.Set("webhook-timestamp", stamp)
	req.Header.Set("webhook-signature", "v1a,AAAA v1,AAAA v1,"+base64.StdEncoding.EncodeToString(h.Sum(nil)))
	if change != nil {
		change(req.Header)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	_ = resp.Body.Close()
	return resp.StatusCode, w.newest()
}

// TestAStandardSender: age, replay and retry are three things.
func TestAStandardSender(t *testing.T) {
	w := newWorld(t)
	key := []byte("a key of thirty-two bytes or so.")
	e := w.source(verifications.KindStandard, "whsec_"+base64.StdEncoding.EncodeToString(key))
	body, now := []byte(`{"type":"contact.created","timestamp":"2026-01-01T00:00:00Z","data":{}}`), time.Now()
	check := func(what string, status int, reason, id string, code int, v models.Verification) {
		t.Helper()
		if code != status || v.Reason != reason || v.EventID != id {
			t.Errorf("%s: %d %s %q, want %d %s %q", what, code, v.Reason, v.EventID, status, reason, id)
		}
	}
	do := func(id string, at time.Time, body []byte, change func(http.Header)) (int, models.Verification) {
		return w.standardCall(e, key, id, at, body, change)
	}
	code, v := do("msg_1", now, body, nil)
	check("genuine", 200, "ok", "msg_1", code, v)
	if v.EventType != "contact.created" || v.Source != "standard" || v.Generation != 1 {
		t.Errorf("%+v", v)
	}
	code, v = do("msg_1", now, body, nil)
	check("the very same call", 200, "replayed", "msg_1", code, v)
	if v.Verdict != "refused" {
		t.Error("a replayed call counts as accepted")
	}
	code, v = do("msg_1", now.Add(-time.Second), body, nil)
	check("another attempt", 200, "duplicate", "msg_1", code, v)
	code, v = do("msg_2", now.Add(-6*time.Minute), body, nil)
	check("old", 401, "stale", "", code, v)
	code, v = do("msg_2", now.Add(6*time.Minute), body, nil)
	check("from the future", 401, "stale", "", code, v)
	code, v = do("msg_2", now, body, func(h http.Header) { h.Set("webhook-id", "msg_3") })
	check("another id", 401, "wrong_secret", "", code, v)
	code, v = do("msg.2", now, body, nil)
	check("a dot", 401, "malformed_signature", "", code, v)
	code, v = do("msg_2", now, body, func(h http.Header) { h.Del("webhook-timestamp") })
	check("no time", 401, "missing_signature", "", code, v)
	code, v = do("msg_2", now, body, func(h http.Header) {
		h.Set("webhook-signature", strings.TrimPrefix(h.Get("webhook-signature"), "v1a,AAAA v1,AAAA v1,"))
	})
	check("no version", 401, "malformed_signature", "", code, v)
	code, v = do("msg_2", now, []byte("[]"), nil)
	check("no object", 400, "not_json", "", code, v)
	code, v = do("msg_2", now, zip(body), func(h http.Header) { h.Set("Content-Encoding", "gzip") })
	check("compressed", 200, "ok", "msg_2", code, v)

	var wg sync.WaitGroup
	for range 40 {
		wg.Go(func() {
			if code, _ := do("msg_once", now, body, nil); code != 200 {
				t.Errorf("%d", code)
			}
		})
	}
	wg.Wait()
	if n := w.count(`SELECT count(*) FROM verifications WHERE event_id = 'msg_once' AND verdict = 'accepted'`); n != 1 {
		t.Errorf("%d of 40 equal calls had an effect", n)
	}
}

// TestAFloodNeitherFillsTheLogNorStarvesTheGenuine: the numbers are exact, and what is genuine gets through meanwhile.
func TestAFloodNeitherFillsTheLogNorStarvesTheGenuine(t *testing.T) {
	w := newWorld(t)
	e := w.source(verifications.KindV3, firstSecret)
	begun := time.Now()
	const forged, unknown, genuine = 1500, 500, 60
	body := event()
	var slowest atomic.Int64
	var wg sync.WaitGroup
	for worker := range 30 {
		wg.Go(func() {
			for range forged / 30 {
				if resp, _ := w.post(e.ID.String(), call{body: body, signature: sign(secret.New("forged"), body)}); resp.StatusCode != 401 {
					t.Errorf("forged: %d", resp.StatusCode)
				}
			}
			for i := range unknown / 30 {
				if resp, _ := w.post(fmt.Sprintf("made-up-%d-%d", worker, i), call{body: body}); resp.StatusCode != 404 {
					t.Errorf("unknown: %d", resp.StatusCode)
				}
			}
		})
	}
	for range genuine {
		good, start := event(), time.Now()
		if resp, _ := w.post(e.ID.String(), call{body: good, signature: sign(secret.New(firstSecret), good)}); resp.StatusCode != 200 {
			t.Errorf("genuine: %d", resp.StatusCode)
		}
		slowest.Store(max(slowest.Load(), int64(time.Since(start))))
	}
	wg.Wait()
	minutes := int(time.Now().Truncate(time.Minute).Sub(begun.Truncate(time.Minute))/time.Minute) + 1 // touched: a slow machine takes several
	rows := w.count(`SELECT count(*) FROM verifications WHERE reason = 'wrong_secret'`)
	counted := w.count(`SELECT COALESCE(sum(count), 0) FROM verification_counts WHERE reason = 'wrong_secret'`)
	if rows+counted != forged || rows == 0 || rows > minutes*60 {
		t.Errorf("%d rows and %d counted of %d forged calls", rows, counted, forged)
	}
	if n := w.count(`SELECT sum(count) FROM verification_counts WHERE reason = 'unknown_endpoint'`); n != unknown/30*30 {
		t.Errorf("%d calls to endpoints that do not exist were counted, want %d", n, unknown/30*30)
	}
	if n := w.count(`SELECT count(*) FROM verifications WHERE verdict = 'accepted'`); n != genuine {
		t.Errorf("%d of %d genuine calls in the log", n, genuine)
	}
	t.Logf("the slowest genuine call took %s", time.Duration(slowest.Load()))
	if n := w.count(`SELECT count(*) FROM verification_counts`); n > 2*minutes {
		t.Errorf("a flood of %d made %d rows of counts in %d minutes", forged+unknown, n, minutes)
	}
	counts, err := w.verifications.Counts(context.Background(), w.staff, verifications.Filter{Verdict: "refused"})
	sum := 0
	for _, c := range counts {
		sum += c.Count
	}
	if err != nil || sum != forged+unknown/30*30 {
		t.Errorf("the chart says %d refused, %v", sum, err)
	}
}
