package webhooks

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/postern-mail/postern/engine/secret"
	"github.com/postern-mail/postern/models"
)

// signedBy computes the signature anew, as a receiver does, with nothing of the code under test.
func signedBy(key secret.Text, c received) bool {
	h := hmac.New(sha256.New, []byte(key.Reveal()))
	h.Write(c.body)
	values := c.header["X-Nylas-Signature"]
	return len(values) == 1 && values[0] == hex.EncodeToString(h.Sum(nil))
}

// accepts is a receiver that knows these secrets.
func accepts(keys ...secret.Text) func(received) int {
	return func(c received) int {
		for _, k := range keys {
			if signedBy(k, c) {
				return 200
			}
		}
		return 401
	}
}

func (w *world) deliveries(hook models.Webhook) []DeliveryDetail {
	w.t.Helper()
	page, err := w.Deliveries(context.Background(), w.staff, hook.ID, DeliveryFilter{})
	if err != nil {
		w.t.Fatal(err)
	}
	out := []DeliveryDetail{}
	for _, d := range page.Deliveries {
		detail, err := w.Delivery(context.Background(), w.staff, hook.ID, d.ID)
		if err != nil {
			w.t.Fatal(err)
		}
		out = append(out, detail)
	}
	return out
}

// TestAnEventArrivesSigned: the envelope of the contract, the signature over the bytes as sent, compressed or not, and only where it belongs.
func TestAnEventArrivesSigned(t *testing.T) {
	ctx, w := context.Background(), newWorld(t)
	plain, zipped, paused, foreign := newReceiver(t), newReceiver(t), newReceiver(t), newReceiver(t)
	hook, key := w.create(plain.URL)
	d := draft(w.app, zipped.URL)
	d.Compressed, d.Tenant = true, w.a
	_, zipKey, err := w.Create(ctx, w.staff, d)
	if err != nil {
		t.Fatal(err)
	}
	off, _ := w.create(paused.URL)
	if _, err := w.Update(ctx, w.staff, off.ID, Change{Status: "pause"}); err != nil {
		t.Fatal(err)
	}
	for _, other := range []Draft{draft(w.other, foreign.URL), {Application: w.app, URL: foreign.URL, TriggerTypes: []string{"message.created"}}, {Application: w.app, URL: foreign.URL, Tenant: w.b, TriggerTypes: []string{"grant.created"}}} {
		if _, _, err := w.Create(ctx, w.staff, other); err != nil {
			t.Fatal(err)
		}
	}
	id := w.happen(w.a, "grant.created", map[string]any{"email": "canary-payload@example.com", "html": "<b>&"})
	w.work()
	if n := len(paused.calls()) + len(foreign.calls()); n != 0 {
		t.Errorf("%d events went where they do not belong", n)
	}
	if n := w.count(`SELECT count(*) FROM deliveries`); n != 2 {
		t.Errorf("%d deliveries, want those of the two webhooks that asked", n)
	}
	sent := plain.calls()
	if len(sent) != 1 || !signedBy(key, sent[0]) || sent[0].header.Get("Content-Type") != "application/json" || sent[0].header.Get("Content-Encoding") != "" {
		t.Fatalf("sent %d, %v", len(sent), sent)
	}
	var got map[string]any
	if err := json.Unmarshal(sent[0].body, &got); err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf(`{"specversion":"1.0","type":"grant.created","source":"/nylas/system","id":%q,"time":%d,"webhook_delivery_attempt":1,"data":{"application_id":%q,"object":{"email":"canary-payload@example.com","html":"<b>&"}}}`,
		id.String(), w.clock.now().Unix(), w.app.String())
	var wanted map[string]any
	_ = json.Unmarshal([]byte(want), &wanted)
	if fmt.Sprint(got) != fmt.Sprint(wanted) {
		t.Errorf("envelope %s\nwant     %s", sent[0].body, want)
	}
	sent = zipped.calls()
	if len(sent) != 1 || sent[0].header.Get("Content-Encoding") != "gzip" || !signedBy(zipKey, sent[0]) {
		t.Fatalf("compressed: %v", sent)
	}
	r, err := gzip.NewReader(bytes.NewReader(sent[0].body))
	if err != nil {
		t.Fatal(err)
	}
	if opened, err := io.ReadAll(r); err != nil || !bytes.Contains(opened, []byte(id.String())) {
		t.Errorf("compressed body: %s, %v", opened, err)
	}
	list := w.deliveries(hook)
	if len(list) != 1 || list[0].Delivery.Status != delivered || len(list[0].Attempts) != 1 || list[0].Attempts[0].Status != 200 || list[0].Attempts[0].Generations[0] != 1 {
		t.Errorf("delivery %+v", list)
	}
	secrets, err := w.Secrets(ctx, w.staff, hook.ID)
	if err != nil || len(secrets) != 1 || secrets[0].LastAcceptedAt == nil {
		t.Errorf("the secret's last acceptance: %+v, %v", secrets, err)
	}
	w.absent("canary-payload", key.Reveal(), plain.calls()[0].header.Get(SignatureHeader))
	// An event that comes out of the queue twice adds nothing: it was fanned out.
	w.exec(`INSERT INTO event_queue (tenant_id, event_id) VALUES ($1, $2)`, w.a.String(), id.String())
	if n := w.work(); n != 0 || len(plain.calls()) != 1 || len(zipped.calls()) != 1 {
		t.Errorf("%d attempts sent the event again", n)
	}
}

// TestAReceiverMaySwitchAtAnyTimeOfTheOverlap: one signature header, two secrets, and never a refused event.
func TestAReceiverMaySwitchAtAnyTimeOfTheOverlap(t *testing.T) {
	ctx, w := context.Background(), newWorld(t)
	r := newReceiver(t)
	hook, old := w.create(r.URL)
	r.say(accepts(old))
	attempt := func(what string, want ...int) {
		t.Helper()
		w.clock.turn(time.Minute)
		w.happen(w.a, "grant.updated", map[string]string{"grant_id": "g"})
		w.work()
		last := w.deliveries(hook)[0]
		if last.Delivery.Status != delivered || fmt.Sprint([]int(last.Attempts[0].Generations)) != fmt.Sprint(want) || len(last.Attempts) != 1 {
			t.Errorf("%s: %s, signed by %v in %d attempts, want %v", what, last.Delivery.Status, last.Attempts[0].Generations, len(last.Attempts), want)
		}
	}
	attempt("before", 1)
	day := 24 * time.Hour
	_, fresh, err := w.Rotate(ctx, w.staff, hook.ID, &day)
	if err != nil {
		t.Fatal(err)
	}
	attempt("receiver still on the old one", 1)
	r.say(accepts(fresh))
	attempt("receiver just switched", 1, 2)
	attempt("the answer was learned", 2)
	r.say(accepts(old))
	attempt("receiver went back", 2, 1)
	r.say(accepts(old, fresh))
	attempt("receiver takes both", 1)
	// The page's test is signed with the newest alone, so it says whether the receiver knows that one.
	r.say(accepts(old))
	for _, c := range []struct {
		answer func(received) int
		want   string
	}{{accepts(old), failed}, {accepts(fresh), delivered}} {
		r.say(c.answer)
		w.clock.turn(time.Second)
		if _, err := w.Test(ctx, w.staff, hook.ID, "message.created"); err != nil {
			t.Fatal(err)
		}
		w.work()
		last := w.deliveries(hook)[0]
		if last.Delivery.Status != c.want || fmt.Sprint([]int(last.Attempts[0].Generations)) != "[2]" {
			t.Errorf("test: %s signed by %v, want %s by [2]", last.Delivery.Status, last.Attempts[0].Generations, c.want)
		}
	}
	r.say(accepts(old))
	w.clock.turn(day)
	w.happen(w.a, "grant.updated", 1)
	w.work()
	if last := w.deliveries(hook)[0]; last.Delivery.Status != waiting || fmt.Sprint([]int(last.Attempts[0].Generations)) != "[2]" {
		t.Errorf("after the end the old secret still signs: %s, %v", last.Delivery.Status, last.Attempts[0].Generations)
	}
}

// TestRotations (A73): at once by default, an overlap as asked, a second rotation drops the oldest at once, and an old end never leaks into the next overlap.
func TestRotations(t *testing.T) {
	ctx, w := context.Background(), newWorld(t)
	hook, _ := w.create(newReceiver(t).URL)
	signing := func() string {
		t.Helper()
		rows, err := w.Secrets(ctx, w.staff, hook.ID)
		if err != nil {
			t.Fatal(err)
		}
		out := []string{}
		for _, s := range rows {
			if s.Signs(w.now()) && s.ValidUntil == nil {
				out = append(out, fmt.Sprint(s.Generation))
			} else if s.Signs(w.now()) {
				out = append(out, fmt.Sprintf("%d for %s", s.Generation, s.ValidUntil.Sub(w.now())))
			}
		}
		return strings.Join(out, ", ")
	}
	rotate := func(overlap *time.Duration) {
		t.Helper()
		if _, _, err := w.Rotate(ctx, w.staff, hook.ID, overlap); err != nil {
			t.Fatal(err)
		}
	}
	expect := func(want string) {
		t.Helper()
		if got := signing(); got != want {
			t.Errorf("signing: %s, want %s", got, want)
		}
	}
	hour, week, long, minus := time.Hour, 7*24*time.Hour, 7*24*time.Hour+time.Second, -time.Second
	rotate(nil)
	expect("2")
	if err := w.EndOverlap(ctx, w.staff, hook.ID); code(err) != "webhook_no_overlap" {
		t.Errorf("an overlap that is not there was ended: %v", err)
	}
	rotate(&hour)
	expect("3, 2 for 1h0m0s")
	rotate(&week)
	expect("4, 3 for 168h0m0s")
	if err := w.ExtendOverlap(ctx, w.staff, hook.ID, hour); err != nil {
		t.Fatal(err)
	}
	expect("4, 3 for 1h0m0s")
	w.clock.turn(hour)
	expect("4")
	rotate(&week)
	if err := w.EndOverlap(ctx, w.staff, hook.ID); err != nil {
		t.Fatal(err)
	}
	expect("5")
	if _, err := w.Update(ctx, w.staff, hook.ID, Change{Overlap: &hour}); err != nil {
		t.Fatal(err)
	}
	rotate(nil)
	expect("6, 5 for 1h0m0s")
	for _, bad := range []*time.Duration{&long, &minus} {
		if _, _, err := w.Rotate(ctx, w.staff, hook.ID, bad); code(err) != "webhook_overlap_invalid" {
			t.Errorf("an overlap of %s: %v", bad, err)
		}
	}
	if n := w.count(`SELECT count(*) FROM audit_entries WHERE action IN ('webhook.rotate_secret', 'webhook.end_overlap', 'webhook.extend_overlap')`); n != 7 {
		t.Errorf("%d audit entries, want 7", n)
	}
	// Ended secrets stay sealed for a week, to name the mistake of a sender, and are then destroyed; an extended one is not destroyed by the older job.
	w.work()
	if n := w.count(`SELECT count(*) FROM sealed`); n != 6 {
		t.Errorf("%d sealed secrets, want 6", n)
	}
	w.clock.turn(afterlife)
	w.work()
	if n := w.count(`SELECT count(*) FROM sealed`); n != 2 {
		t.Errorf("%d sealed secrets a week later, want those of generations 5 and 6", n)
	}
	w.clock.turn(hour)
	w.work()
	if n := w.count(`SELECT count(*) FROM sealed`); n != 1 {
		t.Errorf("%d sealed secrets in the end, want the one in force", n)
	}
}

// TestRetries: ten attempts over about four days with one event id, each body naming its attempt; Retry-After lengthens a pause; then failed.
func TestRetries(t *testing.T) {
	ctx, w := context.Background(), newWorld(t)
	r := newReceiver(t)
	r.say(func(received) int { return 500 })
	hook, _ := w.create(r.URL)
	id := w.happen(w.a, "grant.created", map[string]string{"a": "b"})
	w.work()
	pauses := []time.Duration{}
	for range 20 {
		d := w.deliveries(hook)[0].Delivery
		if d.NextAttemptAt == nil {
			break
		}
		pause := d.NextAttemptAt.Sub(w.now())
		pauses = append(pauses, pause)
		w.clock.turn(pause - time.Millisecond)
		if n := w.work(); n != 0 {
			t.Fatal("an attempt came early")
		}
		w.clock.turn(time.Millisecond)
		w.exec(`UPDATE webhooks SET status_at = $1`, w.clock.now()) // keep it from being given up after 72 h of failing: that is another test
		w.work()
	}
	want := "[5s 5m0s 30m0s 2h0m0s 5h0m0s 10h0m0s 14h0m0s 20h0m0s 24h0m0s]"
	if fmt.Sprint(pauses) != want {
		t.Errorf("pauses %v, want %s", pauses, want)
	}
	last := w.deliveries(hook)[0]
	if last.Delivery.Status != failed || last.Delivery.Attempts != 10 || len(last.Attempts) != 10 || len(r.calls()) != 10 {
		t.Errorf("%s after %d attempts, %d calls", last.Delivery.Status, last.Delivery.Attempts, len(r.calls()))
	}
	bodies := map[string]bool{}
	for i, c := range r.calls() {
		if !bytes.Contains(c.body, []byte(id.String())) || !bytes.Contains(c.body, fmt.Appendf(nil, `"webhook_delivery_attempt":%d,`, i+1)) {
			t.Errorf("attempt %d: %s", i+1, c.body)
		}
		bodies[string(c.body)] = true
	}
	if len(bodies) != 10 {
		t.Errorf("%d different bodies", len(bodies))
	}
	// Replay: one more, with the same id, and audited.
	r.say(nil)
	if _, err := w.Replay(ctx, w.staff, hook.ID, last.Delivery.ID); err != nil {
		t.Fatal(err)
	}
	w.work()
	if last = w.deliveries(hook)[0]; last.Delivery.Status != delivered || len(last.Attempts) != 11 || w.count(`SELECT count(*) FROM audit_entries WHERE action = 'webhook.replay'`) != 1 {
		t.Errorf("replayed: %s, %d attempts", last.Delivery.Status, len(last.Attempts))
	}
	w.exec(`DELETE FROM sealed WHERE owner_kind = 'event'`)
	if _, err := w.Replay(ctx, w.staff, hook.ID, last.Delivery.ID); code(err) != "delivery_spent" {
		t.Errorf("replay without content: %v", err)
	}
}

// TestStatuses: failing after 15 minutes without success, active again at the first one, failed after 72 hours of failing or at 410.
func TestStatuses(t *testing.T) {
	ctx, w := context.Background(), newWorld(t)
	r := newReceiver(t)
	hook, _ := w.create(r.URL)
	status := func(want models.WebhookStatus) {
		t.Helper()
		w.clock.turn(time.Millisecond)
		w.happen(w.a, "grant.created", 1)
		w.work()
		if got, err := w.Find(ctx, w.staff, hook.ID); err != nil || got.Status != want {
			t.Errorf("status %s, want %s, %v", got.Status, want, err)
		}
	}
	bad := func(received) int { return 503 }
	status(models.WebhookActive)
	r.say(bad)
	status(models.WebhookActive)
	w.clock.turn(14 * time.Minute)
	status(models.WebhookActive)
	w.clock.turn(2 * time.Minute)
	status(models.WebhookFailing)
	if h, err := w.Health(ctx, w.staff, hook.ID); err != nil || h.FailingSince == nil || h.LastSuccessAt == nil {
		t.Errorf("health %+v, %v", h, err)
	}
	r.say(nil)
	status(models.WebhookActive)
	r.say(bad)
	status(models.WebhookActive)
	w.clock.turn(16 * time.Minute)
	status(models.WebhookFailing)
	w.clock.turn(71 * time.Hour)
	status(models.WebhookFailing)
	w.clock.turn(2 * time.Hour)
	status(models.WebhookFailed)
	calls := len(r.calls())
	w.clock.turn(100 * time.Hour)
	status(models.WebhookFailed)
	if len(r.calls()) != calls {
		t.Error("a webhook that was given up is still sent to")
	}
	if n := w.count(`SELECT count(*) FROM audit_entries WHERE action = 'webhook.disable'`); n != 1 {
		t.Errorf("%d entries of giving up", n)
	}
	if n := w.count(`SELECT count(*) FROM deliveries WHERE status = 'waiting'`); n != 0 {
		t.Errorf("%d deliveries still wait", n)
	}
	r.say(nil)
	if _, err := w.Update(ctx, w.staff, hook.ID, Change{Status: "active"}); err != nil {
		t.Fatal(err)
	}
	status(models.WebhookActive)
	r.say(func(received) int { return 410 })
	status(models.WebhookFailed)
	if d := w.deliveries(hook)[0]; d.Delivery.Status != failed || d.Delivery.NextAttemptAt != nil {
		t.Errorf("after 410: %+v", d.Delivery)
	}
	if _, err := w.Test(ctx, w.staff, hook.ID, ""); code(err) != "webhook_paused" {
		t.Errorf("a test to a webhook that is given up: %v", err)
	}
	if _, err := w.Replay(ctx, w.staff, hook.ID, w.deliveries(hook)[0].Delivery.ID); code(err) != "webhook_paused" {
		t.Errorf("a replay to a webhook that is given up: %v", err)
	}
}
