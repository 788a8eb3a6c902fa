package webhooks

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/postern-mail/postern/engine/secret"
	"github.com/postern-mail/postern/models"
)

// TestBadReceivers (A48, A76): what a receiver sends back is capped and made harmless, a redirect is a failure, the event never comes back into the database.
func TestBadReceivers(t *testing.T) {
	w := newWorld(t)
	r := newReceiver(t)
	hook, _ := w.create(r.URL)
	try := func(reply func(http.ResponseWriter, received)) models.Attempt {
		t.Helper()
		r.mu.Lock()
		r.reply = reply
		r.mu.Unlock()
		w.clock.turn(time.Millisecond)
		w.happen(w.a, "grant.created", map[string]string{"email": "canary-payload-that-must-not-come-back@example.com"})
		w.work()
		return w.deliveries(hook)[0].Attempts[0]
	}
	echo := try(func(o http.ResponseWriter, c received) { o.WriteHeader(400); _, _ = o.Write(c.body) })
	if echo.Status != 400 || !strings.Contains(echo.Response, "left out") {
		t.Errorf("an echo was kept: %q", echo.Response)
	}
	part := try(func(o http.ResponseWriter, c received) {
		o.WriteHeader(400)
		fmt.Fprintf(o, "bad event: %s", c.body[len(c.body)/2:])
	})
	if !strings.Contains(part.Response, "left out") {
		t.Errorf("half an echo was kept: %q", part.Response)
	}
	mirror := try(func(o http.ResponseWriter, c received) {
		o.WriteHeader(403)
		fmt.Fprintf(o, "bad signature %s", c.header.Get(SignatureHeader))
	})
	if mirror.Response != "bad signature [signature]" {
		t.Errorf("the signature was kept: %q", mirror.Response)
	}
	hostile := try(func(o http.ResponseWriter, _ received) {
		o.WriteHeader(500)
		fmt.Fprint(o, "<script>\x00\xff", strings.Repeat("x", 1<<20))
	})
	if len(hostile.Response) > keptResponse+8 || !strings.HasPrefix(hostile.Response, "<script>\uFFFD\uFFFD") {
		t.Errorf("a hostile answer: %d bytes, %.20q", len(hostile.Response), hostile.Response)
	}
	moved := try(func(o http.ResponseWriter, _ received) {
		o.Header().Set("Location", r.URL+"/other")
		o.WriteHeader(307)
	})
	if moved.Status != 307 || !strings.Contains(moved.Problem, "redirect") {
		t.Errorf("a redirect: %+v", moved)
	}
	before := len(r.calls())
	r.CloseClientConnections()
	r.Close()
	gone := try(nil)
	if gone.Status != 0 || gone.Problem == "" || len(r.calls()) != before {
		t.Errorf("no receiver: %+v", gone)
	}
	w.absent("canary-payload")
	w.exec(`UPDATE webhooks SET url = 'http://10.0.0.1/'`)
	if inside := try(nil); !strings.Contains(inside.Problem, "may connect to") {
		t.Errorf("a private address: %+v", inside)
	}
}

// TestSlowReceivers (A76): one that does not answer is given up, one whose answer never ends is taken at its status and read to the cap, and of neither are headers kept.
func TestSlowReceivers(t *testing.T) {
	w := newWorld(t)
	r := newReceiver(t)
	hook, _ := w.create(r.URL)
	over := make(chan struct{})
	t.Cleanup(func() { close(over) })
	try := func(timeout time.Duration, reply func(http.ResponseWriter)) (string, models.Attempt) {
		t.Helper()
		r.mu.Lock()
		r.reply = func(o http.ResponseWriter, _ received) { reply(o) }
		r.mu.Unlock()
		w.client.Timeout = timeout
		w.clock.turn(time.Millisecond)
		w.happen(w.a, "grant.created", 1)
		w.work()
		d := w.deliveries(hook)[0]
		return d.Delivery.Status, d.Attempts[0]
	}
	if status, a := try(time.Second, func(http.ResponseWriter) { <-over }); status != waiting || a.Status != 0 || !strings.Contains(a.Problem, "No answer within") {
		t.Errorf("a silent receiver: %s, %+v", status, a)
	}
	// Two seconds bound what is read after the status; the status itself comes at once, and had better on a busy machine too: it is tried again until it did.
	drip := func(piece string, pause time.Duration) func(http.ResponseWriter) {
		return func(o http.ResponseWriter) {
			o.Header().Set("Set-Cookie", "session=canary-cookie")
			o.Header().Set("X-Evil", "canary-header")
			flush := http.NewResponseController(o)
			for flush.Flush() == nil {
				if _, err := fmt.Fprint(o, piece); err != nil {
					return
				}
				select {
				case <-over:
					return
				case <-time.After(pause):
				}
			}
		}
	}
	for name, reply := range map[string]func(http.ResponseWriter){"a trickle": drip("y", 10*time.Millisecond), "a flood": drip(strings.Repeat("z", 32<<10), 0)} {
		for n := 1; ; n++ {
			status, a := try(time.Duration(2*n)*time.Second, reply)
			if a.Status == 0 && n < 6 {
				continue
			}
			if status != delivered || a.Status != 200 || len(a.Response) > keptResponse {
				t.Errorf("%s: %s, %d, %d bytes kept", name, status, a.Status, len(a.Response))
			}
			break
		}
	}
	w.absent("canary-cookie", "canary-header")
}

func TestSendTest(t *testing.T) {
	ctx, w := context.Background(), newWorld(t)
	r := newReceiver(t)
	if err := w.SendTest(ctx, w.key(w.a), r.URL, ""); err != nil {
		t.Fatal(err)
	}
	if c := r.calls(); len(c) != 1 || !signedBy(secret.New("mock-webhook-secret"), c[0]) || !bytes.Contains(c[0].body, []byte(`"message.created"`)) {
		t.Errorf("%v", c)
	}
	r.say(func(received) int { return 404 })
	if err := w.SendTest(ctx, w.key(w.a), r.URL, "grant.created"); code(err) != "webhook_test_failed" {
		t.Errorf("%v", err)
	}
	if err := w.SendTest(ctx, w.key(w.a), r.URL, "no.such"); code(err) != "webhook_trigger_types_invalid" {
		t.Errorf("%v", err)
	}
	if err := w.SendTest(ctx, w.key(w.a), "http://10.0.0.1/", ""); code(err) != "webhook_test_failed" {
		t.Errorf("%v", err)
	}
	for range testsPerMinute {
		_ = w.SendTest(ctx, w.key(w.a), r.URL, "")
	}
	if err := w.SendTest(ctx, w.key(w.a), r.URL, ""); code(err) != "webhook_test_limited" {
		t.Errorf("%v", err)
	}
	w.clock.turn(time.Minute)
	r.say(nil)
	if err := w.SendTest(ctx, w.key(w.a), r.URL, ""); err != nil {
		t.Errorf("a minute later: %v", err)
	}
	if err := w.SendTest(ctx, models.Actor{Kind: models.ActorToken, Application: w.app}, r.URL, ""); code(err) != "webhooks_denied" {
		t.Errorf("an access token: %v", err)
	}
}

func TestRetryAfterAndJitter(t *testing.T) {
	w := newWorld(t)
	p := &parcel{number: 1, delivery: models.Delivery{TenantID: &w.a}}
	for jitter, want := range map[float64]time.Duration{0: 4 * time.Second, 0.5: 5 * time.Second, 1: 6 * time.Second} {
		w.jitter = func() float64 { return jitter }
		if got, more := w.next(p, answer{status: 503}); got.Round(time.Millisecond) != want || !more {
			t.Errorf("jitter %v: %s", jitter, got)
		}
	}
	if got, _ := w.next(p, answer{status: 429, retryAfter: time.Hour}); got != time.Hour {
		t.Errorf("Retry-After of an hour: %s", got)
	}
	if _, more := w.next(p, answer{status: 410}); more {
		t.Error("410 is tried again")
	}
	for text, want := range map[string]time.Duration{"": 0, "120": 2 * time.Minute, "-5": 0, "999999999999": 24 * time.Hour, "99999999999999999999999": 0, "soon": 0,
		w.now().Add(90 * time.Second).Format(http.TimeFormat): 90 * time.Second, w.now().Add(-time.Hour).Format(http.TimeFormat): 0, w.now().Add(1000 * time.Hour).Format(http.TimeFormat): 24 * time.Hour} {
		if got := w.retryAfter(text); got < want-time.Second || got > want+time.Second {
			t.Errorf("Retry-After %q: %s, want %s", text, got, want)
		}
	}
}
