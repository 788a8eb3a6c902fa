package inbound_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/secret"
	"github.com/postern-mail/postern/engine/verifications"
	"github.com/postern-mail/postern/models"
)

// TestSelfCheck: an event written in a tenant's transaction comes back over real HTTP, verified, under that tenant.
func TestSelfCheck(t *testing.T) {
	ctx, w := context.Background(), newWorld(t)
	var wg sync.WaitGroup
	hooks := make([]models.Webhook, 6)
	for i := range hooks {
		wg.Go(func() {
			hook, _, err := w.webhooks.EnsureSelfCheck(ctx, w.app, w.server.URL)
			if err != nil {
				t.Errorf("process %d: %v", i, err)
			}
			hooks[i] = hook
		})
	}
	wg.Wait()
	for _, hook := range hooks {
		if hook.ID != hooks[0].ID {
			t.Fatal("processes that start at once made different self-checks")
		}
	}
	if n := w.count(`SELECT (SELECT count(*) FROM webhooks) * 100 + (SELECT count(*) FROM inbound_endpoints) * 10 + (SELECT count(*) FROM sealed)`); n != 111 {
		t.Errorf("webhooks, endpoints, sealed secrets: %d, want one of each", n)
	}
	w.run()
	id := w.happen(w.tenant, map[string]string{"email": "canary-payload@example.com"})
	w.eventually("a delivery", func() bool { return w.count(`SELECT count(*) FROM deliveries WHERE status = 'delivered'`) == 1 })
	v := w.newest()
	if v.Verdict != "accepted" || v.Reason != verifications.OK || v.EventID != id.String() || v.EventType != "grant.created" || v.TenantID == nil || *v.TenantID != w.tenant ||
		v.Source != "self" || v.Generation != 1 || v.Representation != "raw" || v.Size == 0 || len(v.Digest) != 32 || v.Address != "127.0.0.1" || v.WebhookID == nil || *v.WebhookID != hooks[0].ID {
		t.Errorf("the log says %+v", v)
	}
	// Sent and verified stand on one line: the attempt knows the body by the digest that the log has.
	if n := w.count(`SELECT count(*) FROM attempts a JOIN verifications v ON a.request->>'body_digest' = encode(v.digest, 'hex')`); n != 1 {
		t.Error("the attempt and the verification do not name the same body")
	}
	w.absent("canary-payload")
	// It is Postern's own: programs do not see it and nobody deletes it.
	if err := w.webhooks.Delete(ctx, w.staff, hooks[0].ID); fault.KindOf(err) != fault.Conflict {
		t.Errorf("the self-check was deleted: %v", err)
	}
	moved := strings.Replace(w.server.URL, "127.0.0.1", "127.0.0.2", 1)
	if _, _, err := w.webhooks.EnsureSelfCheck(ctx, w.app, moved); err == nil {
		t.Error("it moved to an address that does not answer")
	}
}

// TestTheEightCases is the list of what the log must tell apart, over real HTTP, and what it must not hold.
func TestTheEightCases(t *testing.T) {
	ctx, w := context.Background(), newWorld(t)
	hook, endpoint, key := w.selfCheck()
	at := endpoint.ID.String()
	event := func(id string) []byte {
		return fmt.Appendf(nil, `{"specversion":"1.0","type":"grant.updated","source":"/nylas/system","id":%q,"time":%d,"webhook_delivery_attempt":1,"data":{"object":{"email":"canary-payload@example.com"}}}`, id, time.Now().Unix())
	}
	good, packed := event("evt-good"), zip(event("evt-gzip"))
	altered := bytes.Replace(good, []byte("canary"), []byte("Canary"), 1)
	large := bytes.Repeat([]byte("canary-payload "), 1<<17)
	expect := func(name string, c call, status int, verdict, reason string, generation int) models.Verification {
		t.Helper()
		before := w.count(`SELECT count(*) FROM verifications`)
		resp, answer := w.post(at, c)
		v := w.newest()
		if resp.StatusCode != status || v.Verdict != verdict || v.Reason != reason || v.Generation != generation || w.count(`SELECT count(*) FROM verifications`) != before+1 {
			t.Errorf("%s: %d, %s, %s, generation %d; want %d, %s, %s, %d", name, resp.StatusCode, v.Verdict, v.Reason, v.Generation, status, verdict, reason, generation)
		}
		if strings.Contains(answer, "canary") || strings.Contains(answer, reason) {
			t.Errorf("%s: the answer tells %q", name, answer)
		}
		if verdict == "refused" && (v.EventID != "" || v.EventType != "" || v.TenantID != nil) {
			t.Errorf("%s: a refused call's row believes its body: %+v", name, v)
		}
		return v
	}
	expect("good", call{body: good, signature: sign(key, good)}, 200, "accepted", "ok", 2)
	expect("good, again", call{body: good, signature: sign(key, good)}, 200, "accepted", "duplicate", 2)
	expect("wrong secret", call{body: event("evt-2"), signature: sign(secret.New("wrong"), event("evt-2"))}, 401, "refused", "wrong_secret", 0)
	expect("missing header", call{body: event("evt-3")}, 401, "refused", "missing_signature", 0)
	expect("malformed header", call{body: event("evt-3"), signature: "sha256=" + sign(key, good)}, 401, "refused", "malformed_signature", 0)
	expect("altered body", call{body: altered, signature: sign(key, good)}, 401, "refused", "altered_body", 0)
	gz := expect("gzip signed over compressed bytes", call{body: packed, signature: sign(key, packed), gzip: true}, 200, "accepted", "ok", 2)
	if gz.Representation != "gzip" || gz.EventID != "evt-gzip" {
		t.Errorf("gzip: %+v", gz)
	}
	expect("gzip signed over the wrong bytes", call{body: zip(event("evt-4")), signature: sign(key, event("evt-4")), gzip: true}, 401, "refused", "signed_other_representation", 0)
	expect("not an event", call{body: []byte(`{"id":"a"}`), signature: sign(key, []byte(`{"id":"a"}`))}, 400, "refused", "not_json", 2)
	bomb := zip(make([]byte, 100<<20))
	expect("bomb", call{body: bomb, signature: sign(key, bomb), gzip: true}, 413, "refused", "decompression_bomb", 2)
	over := expect("oversize, announced", call{body: large, signature: sign(key, large)}, 413, "refused", "oversize", 0)
	if over.Size != int64(len(large)) {
		t.Errorf("oversize: %d bytes noted", over.Size)
	}
	expect("oversize, unannounced", call{body: large, signature: sign(key, large), chunked: true}, 413, "refused", "oversize", 0)

	hour, none := time.Hour, time.Duration(0)
	_, second, err := w.webhooks.Rotate(ctx, w.staff, hook.ID, &hour)
	if err != nil {
		t.Fatal(err)
	}
	expect("previous secret in the overlap", call{body: event("evt-5"), signature: sign(key, event("evt-5"))}, 200, "accepted", "ok_previous_secret", 2)
	expect("new secret in the overlap", call{body: event("evt-6"), signature: sign(second, event("evt-6"))}, 200, "accepted", "ok", 3)
	if err := w.webhooks.EndOverlap(ctx, w.staff, hook.ID); err != nil {
		t.Fatal(err)
	}
	expect("old secret after the overlap", call{body: event("evt-7"), signature: sign(key, event("evt-7"))}, 401, "refused", "old_secret", 2)
	_, third, err := w.webhooks.Rotate(ctx, w.staff, hook.ID, &none)
	if err != nil {
		t.Fatal(err)
	}
	expect("old secret after a rotation at once", call{body: event("evt-8"), signature: sign(second, event("evt-8"))}, 401, "refused", "old_secret", 3)
	expect("new secret", call{body: event("evt-8"), signature: sign(third, event("evt-8"))}, 200, "accepted", "ok", 4)

	for name, path := range map[string]string{"unknown": models.NewID[models.EndpointID](time.Now()).String(), "no id": "nonsense", "upper case": strings.ToUpper(at)} {
		before := w.count(`SELECT COALESCE(sum(count), 0) FROM verification_counts WHERE reason = 'unknown_endpoint' AND source = 'unknown'`)
		resp, _ := w.post(path, call{body: good, signature: sign(key, good)})
		after := w.count(`SELECT sum(count) FROM verification_counts WHERE reason = 'unknown_endpoint' AND source = 'unknown'`)
		if rows := w.count(`SELECT count(*) FROM verifications WHERE endpoint_id IS NULL`); resp.StatusCode != 404 || after != before+1 || rows != 0 {
			t.Errorf("%s: %d, counted %d, %d rows", name, resp.StatusCode, after-before, rows)
		}
	}
	w.absent("canary-payload", "Canary-payload", key.Reveal(), second.Reveal(), third.Reveal(), sign(key, good), sign(third, event("evt-8")))
	listAndCount(t, w)
}

// listAndCount: every filter, pages that join without gap, counts that agree with the rows, an export of all.
func listAndCount(t *testing.T, w *world) {
	t.Helper()
	ctx := context.Background()
	total := w.count(`SELECT count(*) FROM verifications`)
	seen := map[models.VerificationID]bool{}
	f := verifications.Filter{Limit: 4}
	for {
		page, err := w.verifications.List(ctx, w.staff, f)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range page.Verifications {
			seen[v.ID] = true
		}
		if f.Cursor = page.Next; f.Cursor == "" {
			break
		}
	}
	if len(seen) != total {
		t.Errorf("pages hold %d of %d rows", len(seen), total)
	}
	for name, c := range map[string]struct {
		f    verifications.Filter
		want string
	}{
		"verdict": {verifications.Filter{Verdict: "refused"}, `verdict = 'refused'`}, "reason": {verifications.Filter{Reason: "old_secret"}, `reason = 'old_secret'`},
		"source": {verifications.Filter{Source: "unknown"}, `source = 'unknown'`}, "event": {verifications.Filter{Search: "evt-8"}, `event_id = 'evt-8'`},
		"since": {verifications.Filter{Since: time.Now().Add(time.Hour)}, `false`}, "until": {verifications.Filter{Until: time.Now().Add(-time.Hour)}, `false`},
		"tenant": {verifications.Filter{Tenant: w.tenant}, `false`}, "webhook": {verifications.Filter{Webhook: models.NewID[models.WebhookID](time.Now())}, `false`},
	} {
		c.f.Limit = 200
		page, err := w.verifications.List(ctx, w.staff, c.f)
		if want := w.count(`SELECT count(*) FROM verifications WHERE ` + c.want); err != nil || len(page.Verifications) != want {
			t.Errorf("%s: %d rows, want %d, %v", name, len(page.Verifications), want, err)
		}
	}
	counts, err := w.verifications.Counts(ctx, w.staff, verifications.Filter{})
	sum := 0
	for _, c := range counts {
		sum += c.Count
		if c.At != c.At.Truncate(24*time.Hour) || time.Since(c.At) > 48*time.Hour {
			t.Errorf("a count for %s", c.At)
		}
	}
	total += w.count(`SELECT COALESCE(sum(count), 0) FROM verification_counts`)
	if err != nil || sum != total {
		t.Errorf("counts add up to %d of %d, %v", sum, total, err)
	}
	if _, err := w.verifications.Counts(ctx, w.staff, verifications.Filter{Since: time.Now().Add(-93 * 24 * time.Hour)}); fault.KindOf(err) != fault.Invalid {
		t.Errorf("a window of 93 days: %v", err)
	}
	exported, total := 0, w.count(`SELECT count(*) FROM verifications`)
	if cut, err := w.verifications.Export(ctx, w.staff, verifications.Filter{}, func(v models.Verification) error {
		exported++
		if len(verifications.Record(v)) != len(verifications.Header()) {
			t.Error("a record of another width than its header")
		}
		return nil
	}); cut || err != nil || exported != total {
		t.Errorf("exported %d of %d, %v", exported, total, err)
	}
	for _, bad := range []string{"x", "bm9uc2Vuc2U", "%"} {
		if _, err := w.verifications.List(ctx, w.staff, verifications.Filter{Cursor: bad}); fault.KindOf(err) != fault.Invalid {
			t.Errorf("cursor %q: %v", bad, err)
		}
	}
}

// TestWhoSeesTheLog: staff all, a customer only what is their tenant's, by list, count and id.
func TestWhoSeesTheLog(t *testing.T) {
	ctx, w := context.Background(), newWorld(t)
	_, _, key := w.selfCheck()
	w.run()
	ours, theirs := w.happen(w.tenant, 1), w.happen(w.other, 2)
	w.eventually("both deliveries", func() bool { return w.count(`SELECT count(*) FROM deliveries WHERE status = 'delivered'`) == 2 })
	w.post("nonsense", call{body: []byte("x"), signature: sign(key, []byte("x"))})
	var foreign models.VerificationID
	page, err := w.verifications.List(ctx, w.staff, verifications.Filter{})
	if err != nil || len(page.Verifications) != 2 {
		t.Fatalf("staff see %d, %v", len(page.Verifications), err)
	}
	if counted, err := w.verifications.Counted(ctx, w.staff, verifications.Filter{}); err != nil || len(counted) != 1 || counted[0].Count != 1 || !counted[0].EndpointID.IsZero() {
		t.Errorf("staff see counted %+v, %v", counted, err)
	}
	for _, v := range page.Verifications {
		if v.EventID == theirs.String() {
			foreign = v.ID
		}
	}
	customer := models.Actor{Kind: models.ActorMember, Role: models.Customer, Tenant: w.tenant}
	guest := models.Actor{Kind: models.ActorMember, Role: models.Reviewer, Tenant: w.tenant}
	program := models.Actor{Kind: models.ActorKey, Application: w.app, Tenant: w.tenant}
	for name, actor := range map[string]models.Actor{"customer": customer, "guest reviewer": guest, "key of the tenant": program} {
		page, err := w.verifications.List(ctx, actor, verifications.Filter{Tenant: w.other})
		if err != nil || len(page.Verifications) != 1 || page.Verifications[0].EventID != ours.String() {
			t.Errorf("%s sees %+v, %v", name, page.Verifications, err)
		}
		if _, err := w.verifications.Find(ctx, actor, foreign); fault.KindOf(err) != fault.NotFound {
			t.Errorf("%s finds a foreign row: %v", name, err)
		}
		counts, err := w.verifications.Counts(ctx, actor, verifications.Filter{})
		if err != nil || len(counts) != 1 || counts[0].Count != 1 {
			t.Errorf("%s counts %+v, %v", name, counts, err)
		}
	}
	for _, actor := range []models.Actor{{}, {Kind: models.ActorToken, Tenant: w.tenant, Application: w.app}, {Kind: models.ActorLink, Tenant: w.tenant}, {Kind: models.ActorMember, Role: models.Customer}} {
		if _, err := w.verifications.List(ctx, actor, verifications.Filter{}); fault.KindOf(err) != fault.Denied {
			t.Errorf("%q reads the log: %v", actor.Kind, err)
		}
	}
}

// TestOneEventAHundredTimes: one effect, and 200 for each, so that no sender tries again. A69: and still one when it comes again six days later.
func TestOneEventAHundredTimes(t *testing.T) {
	w := newWorld(t)
	_, endpoint, key := w.selfCheck()
	body := []byte(`{"id":"evt-once","type":"grant.created"}`)
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			if resp, _ := w.post(endpoint.ID.String(), call{body: body, signature: sign(key, body)}); resp.StatusCode != 200 {
				t.Errorf("%d", resp.StatusCode)
			}
		})
	}
	wg.Wait()
	if ok, dup := w.count(`SELECT count(*) FROM verifications WHERE reason = 'ok'`), w.count(`SELECT count(*) FROM verifications WHERE reason = 'duplicate'`); ok != 1 || dup != 99 {
		t.Errorf("%d accepted, %d duplicates", ok, dup)
	}
	w.exec(`UPDATE inbound_seen SET seen_at = seen_at - interval '6 days'`)
	w.exec(`UPDATE known_signatures SET seen_at = seen_at - interval '6 days'`)
	if err := w.verifications.Prune(t.Context()); err != nil {
		t.Fatal(err)
	}
	if resp, _ := w.post(endpoint.ID.String(), call{body: body, signature: sign(key, body)}); resp.StatusCode != 200 || w.newest().Reason != "duplicate" {
		t.Errorf("six days later: %d, %s", resp.StatusCode, w.newest().Reason)
	}
}

// TestAlteredOnTheWay: a proxy between sender and receiver changes a digit. The log names it, although the secret never left Postern.
func TestAlteredOnTheWay(t *testing.T) {
	ctx, w := context.Background(), newWorld(t)
	target, _ := url.Parse(w.server.URL)
	pass := httputil.NewSingleHostReverseProxy(target)
	proxy := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, in *http.Request) {
		if in.Method == http.MethodPost {
			body, _ := io.ReadAll(in.Body)
			body = bytes.Replace(body, []byte("grant.created"), []byte("grant.deleted"), 1)
			in.Body, in.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		}
		pass.ServeHTTP(out, in)
	}))
	t.Cleanup(proxy.Close)
	if _, _, err := w.webhooks.EnsureSelfCheck(ctx, w.app, proxy.URL); err != nil {
		t.Fatal(err)
	}
	w.run()
	w.happen(w.tenant, map[string]string{"a": "b"})
	w.eventually("the first attempt", func() bool { return w.count(`SELECT count(*) FROM attempts WHERE status = 401`) == 1 })
	if v := w.newest(); v.Reason != "altered_body" || v.Verdict != "refused" || v.EventID != "" {
		t.Errorf("the log says %+v", v)
	}
}

// TestOurOwnFaultIs503: the sender must try again, and learns nothing.
func TestOurOwnFaultIs503(t *testing.T) {
	w := newWorld(t)
	_, endpoint, key := w.selfCheck()
	body := []byte(`{"id":"evt","type":"grant.created"}`)
	w.exec(`ALTER TABLE inbound_seen RENAME TO elsewhere`)
	resp, answer := w.post(endpoint.ID.String(), call{body: body, signature: sign(key, body)})
	if resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" || answer != "" {
		t.Errorf("%d, %q", resp.StatusCode, answer)
	}
	if n := w.count(`SELECT count(*) FROM verifications`); n != 0 {
		t.Error("a row without its event")
	}
	w.exec(`ALTER TABLE elsewhere RENAME TO inbound_seen`)
	if resp, _ := w.post(endpoint.ID.String(), call{body: body, signature: sign(key, body)}); resp.StatusCode != 200 {
		t.Errorf("afterwards: %d", resp.StatusCode)
	}
	_ = w.Store.Close()
	for _, path := range []string{endpoint.ID.String(), models.NewID[models.EndpointID](time.Now()).String()} {
		if resp, _ := w.post(path, call{body: body, signature: sign(key, body)}); resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" {
			t.Errorf("without a database: %d", resp.StatusCode)
		}
	}
}

// A71: a challenge comes back as text that no browser runs, or not at all.
func TestChallenge(t *testing.T) {
	w := newWorld(t)
	for query, want := range map[string]int{"challenge=aB3._~-": 200, "challenge=" + strings.Repeat("x", 256): 200, "": 400, "challenge=": 400, "challenge=" + strings.Repeat("x", 257): 400,
		"challenge=%3Cscript%3E": 400, "challenge=a&challenge=b": 400, "challenge=a%20b": 400, "challenge=a%00": 400, "challenge=%C3%A4": 400, "x=1": 400} {
		resp, err := http.Get(w.server.URL + "/hooks/" + models.NewID[models.EndpointID](time.Now()).String() + "?" + query)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		values, _ := url.ParseQuery(query)
		if resp.StatusCode != want || want == 200 && string(text) != values.Get("challenge") || want == 400 && strings.Contains(string(text), "script") ||
			!strings.HasPrefix(resp.Header.Get("Content-Type"), "text/plain") || resp.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%.30s: %d %s %q", query, resp.StatusCode, resp.Header.Get("Content-Type"), text)
		}
	}
	for _, method := range []string{http.MethodPut, http.MethodDelete, http.MethodPatch} {
		req, _ := http.NewRequest(method, w.server.URL+"/hooks/x", nil)
		resp, err := http.DefaultClient.Do(req)
		if err != nil || resp.StatusCode != 405 {
			t.Errorf("%s: %v, %v", method, resp.StatusCode, err)
		}
		_ = resp.Body.Close()
	}
}

// TestRotationWhileEventsFlow: a rotation under load refuses not one event. A second one inside the grace ends the oldest secret: a delivery that
// had read its secrets before may meet that end, is tried again and arrives. Nothing else may be refused, and no event is lost or taken twice.
func TestRotationWhileEventsFlow(t *testing.T) {
	ctx, w := context.Background(), newWorld(t)
	hook, _, _ := w.selfCheck()
	w.run()
	hour := time.Hour
	const events = 75
	refused := func() []string {
		reasons := []string{}
		page, err := w.verifications.List(ctx, w.staff, verifications.Filter{Verdict: "refused"})
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range page.Verifications {
			reasons = append(reasons, v.Reason)
		}
		return reasons
	}
	for rotation := 1; rotation <= 2; rotation++ {
		for i := range events {
			w.happen(w.tenant, map[string]int{"n": i})
			if i == events/2 {
				if _, _, err := w.webhooks.Rotate(ctx, w.staff, hook.ID, &hour); err != nil {
					t.Fatal(err)
				}
			}
		}
		w.eventually("all deliveries", func() bool {
			return w.count(`SELECT count(*) FROM deliveries WHERE status = 'delivered'`) == rotation*events
		})
		if n := w.count(`SELECT count(DISTINCT event_id) FROM verifications WHERE verdict = 'accepted'`); n != rotation*events {
			t.Errorf("%d events were accepted, want %d", n, rotation*events)
		}
		for _, reason := range refused() {
			if rotation == 1 || reason != verifications.OldSecret {
				t.Errorf("rotation %d: refused: %s", rotation, reason)
			}
		}
	}
}

func TestAdviceIsComplete(t *testing.T) {
	for _, reason := range verifications.Reasons() {
		a := verifications.AdviceFor(reason)
		if a.Title == "" || a.Meaning == "" || a.Title == reason {
			t.Errorf("%s has no words", reason)
		}
		if text, _ := json.Marshal(a); bytes.Contains(text, []byte("successfully")) {
			t.Errorf("%s: %s", reason, text)
		}
	}
}
