package webhooks

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/postern-mail/postern/engine/secret"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
	"github.com/postern-mail/postern/webhook"
)

// TestStandardWebhooksBesideV3 sends over real HTTP to a receiver that verifies with the package made for receivers: both schemes, compressed
// and not, both secrets of an overlap, the public key.
func TestStandardWebhooksBesideV3(t *testing.T) {
	ctx, w := context.Background(), newWorld(t)
	w.signing = ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	r := newReceiver(t)
	d := draft(w.app, r.URL)
	d.Standard, d.Compressed = true, true
	hook, key, err := w.Create(ctx, w.staff, d)
	if err != nil || !hook.Standard {
		t.Fatalf("%+v, %v", hook, err)
	}
	public, err := w.PublicKey(ctx, w.staff, hook.ID)
	if err != nil {
		t.Fatal(err)
	}
	send := func() received {
		t.Helper()
		w.clock.turn(time.Minute)
		w.happen(w.a, "grant.created", map[string]string{"grant_id": "g"})
		w.work()
		calls := r.calls()
		return calls[len(calls)-1]
	}
	verify := func(what string, c received, keys ...string) {
		t.Helper()
		if err := webhook.VerifyAt(w.clock.now(), c.body, c.header, keys...); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		only := http.Header{webhook.SignatureHeader: c.header[webhook.SignatureHeader]}
		if keys[0] != public {
			if err := webhook.Verify(c.body, only, keys...); err != nil {
				t.Errorf("%s, the v3 header: %v", what, err)
			}
		}
	}
	first := send()
	verify("the secret", first, key.Reveal())
	verify("the secret spelled whsec_", first, StandardSecret(key).Reveal())
	verify("the public key", first, public)
	if opened, err := webhook.Open(first.body, first.header); err != nil || !bytes.Contains(opened, []byte(`"specversion"`)) {
		t.Errorf("the body opens to %.40q, %v", opened, err)
	}
	if id, at := first.header.Get(StandardID), first.header.Get(StandardTimestamp); id == "" || !strings.Contains(fmt.Sprint(w.deliveries(hook)[0].Delivery.EventID), id) || at != strconv.FormatInt(w.clock.now().Unix(), 10) {
		t.Errorf("id %q, time %q", id, at)
	}
	if err := webhook.VerifyAt(w.clock.now(), append(bytes.Clone(first.body), ' '), first.header, key.Reveal(), public); !errors.Is(err, webhook.ErrWrong) {
		t.Errorf("an altered body: %v", err)
	}

	day := 24 * time.Hour
	_, fresh, err := w.Rotate(ctx, w.staff, hook.ID, &day)
	if err != nil {
		t.Fatal(err)
	}
	during := send()
	for _, k := range []secret.Text{key, fresh} {
		if err := webhook.VerifyAt(w.clock.now(), during.body, during.header, k.Reveal()); err != nil {
			t.Errorf("one of two secrets in an overlap: %v", err)
		}
	}
	// The call was taken, and nobody can say which of the two secrets the receiver checked: neither counts as proven.
	secrets, err := w.Secrets(ctx, w.staff, hook.ID)
	if err != nil || secrets[0].LastAcceptedAt != nil {
		t.Errorf("an unproven secret counts as accepted: %+v, %v", secrets, err)
	}
	// A test is signed with the newest alone, so that it proves.
	if _, err := w.Test(ctx, w.staff, hook.ID, "grant.created"); err != nil {
		t.Fatal(err)
	}
	w.work()
	calls := r.calls()
	probe := calls[len(calls)-1]
	if err := webhook.VerifyAt(w.clock.now(), probe.body, probe.header, key.Reveal()); !errors.Is(err, webhook.ErrWrong) {
		t.Errorf("the probe is signed by the older secret too: %v", err)
	}
	if secrets, _ = w.Secrets(ctx, w.staff, hook.ID); secrets[0].LastAcceptedAt == nil {
		t.Error("the probe proved nothing")
	}
	if err := w.EndOverlap(ctx, w.staff, hook.ID); err != nil {
		t.Fatal(err)
	}
	after := send()
	if err := webhook.VerifyAt(w.clock.now(), after.body, after.header, key.Reveal()); !errors.Is(err, webhook.ErrWrong) {
		t.Errorf("an ended secret still signs: %v", err)
	}
	verify("after the overlap", after, fresh.Reveal())
	w.absent(first.header.Get(StandardSignature), strings.TrimPrefix(strings.Fields(first.header.Get(StandardSignature))[0], "v1,"))

	// Another webhook has another key pair: what it gets cannot be handed on to this receiver.
	d.Compressed = false
	second, _, err := w.Create(ctx, w.staff, d)
	if err != nil {
		t.Fatal(err)
	}
	if other, err := w.PublicKey(ctx, w.staff, second.ID); err != nil || other == public {
		t.Errorf("two webhooks, one public key: %v", err)
	}
	if _, err := w.PublicKey(ctx, models.Actor{Kind: models.ActorKey, Application: w.other}, hook.ID); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("another application's key: %v", err)
	}
	off := false
	if hook, err = w.Update(ctx, w.staff, hook.ID, Change{Standard: &off}); err != nil || hook.Standard {
		t.Fatalf("%+v, %v", hook, err)
	}
	if _, err := w.Update(ctx, w.staff, second.ID, Change{Status: "pause"}); err != nil {
		t.Fatal(err)
	}
	if c := send(); c.header.Get(StandardID)+c.header.Get(StandardTimestamp)+c.header.Get(StandardSignature) != "" {
		t.Errorf("a v3 webhook gets the headers of Standard Webhooks: %v", c.header)
	}
}

// TestAnEchoedSignatureIsMasked: with its version and without it.
func TestAnEchoedSignatureIsMasked(t *testing.T) {
	w := newWorld(t)
	r := newReceiver(t)
	d := draft(w.app, r.URL)
	d.Standard = true
	hook, _, err := w.Create(context.Background(), w.staff, d)
	if err != nil {
		t.Fatal(err)
	}
	r.mu.Lock()
	r.reply = func(o http.ResponseWriter, c received) {
		o.WriteHeader(400)
		fmt.Fprintf(o, "%s / %s", c.header.Get(StandardSignature), strings.TrimPrefix(c.header.Get(StandardSignature), "v1,"))
	}
	r.mu.Unlock()
	w.happen(w.a, "grant.created", map[string]string{"grant_id": "g"})
	w.work()
	if got := w.deliveries(hook)[0].Attempts[0].Response; got != "v1,[signature] / [signature]" {
		t.Errorf("kept: %q", got)
	}
}

// A75: what is signed can be read in one way only.
func TestSignedText(t *testing.T) {
	for _, c := range [][2]string{{"a.b", "1"}, {"a", "1.2"}, {"", "1"}, {"a", ""}} {
		if _, err := signedText(c[0], c[1], nil); err == nil {
			t.Errorf("%q at %q is signed", c[0], c[1])
		}
	}
	// The published vector of the Standard Webhooks libraries.
	key, _ := base64.StdEncoding.DecodeString("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	text, err := signedText("msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", []byte(`{"test": 2432232314}`))
	if got := base64.StdEncoding.EncodeToString(sign(secret.New(string(key)), text)); err != nil || got != "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=" {
		t.Errorf("signature %s, %v", got, err)
	}
}
