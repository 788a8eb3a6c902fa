package inbound_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/verifications"
	"github.com/postern-mail/postern/engine/webhooks"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/webhook"
)

// TestAReceiverReports: a receiver that verifies with the public package tells the log what it found, and Postern then knows which secret it has.
func TestAReceiverReports(t *testing.T) {
	ctx, w := context.Background(), newWorld(t)
	calls := make(chan http.Header, 8)
	bodies := make(chan []byte, 8)
	receiver := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, in *http.Request) {
		if in.Method == http.MethodGet {
			_, _ = out.Write([]byte(in.URL.Query().Get("challenge")))
			return
		}
		body := make([]byte, in.ContentLength)
		_, _ = io.ReadFull(in.Body, body)
		calls <- in.Header.Clone()
		bodies <- body
	}))
	t.Cleanup(receiver.Close)
	hook, key, err := w.webhooks.Create(ctx, w.staff, webhooks.Draft{Application: w.app, URL: receiver.URL, TriggerTypes: []string{"grant.created"}, Standard: true})
	if err != nil {
		t.Fatal(err)
	}
	w.run()
	id := w.happen(w.tenant, map[string]string{"email": "canary-payload@example.com"})
	header, body := <-calls, <-bodies
	if err := webhook.VerifyStandard(body, header, key.Reveal()); err != nil {
		t.Fatal(err)
	}
	program := models.Actor{Kind: models.ActorKey, ID: "k", Application: w.app}
	bound := models.Actor{Kind: models.ActorKey, ID: "k", Application: w.app, Tenant: w.other}
	good := verifications.Report{EventID: header.Get("webhook-id"), Verdict: "accepted", Generation: 1, Representation: "raw", Size: int64(len(body)), Address: "::ffff:192.0.2.1"}
	if good.EventID != id.String() {
		t.Fatalf("event %s came as %s", id, good.EventID)
	}
	w.eventually("the delivery", func() bool { return w.count(`SELECT count(*) FROM deliveries WHERE status = 'delivered'`) == 1 })
	w.exec(`UPDATE webhook_secrets SET last_accepted_at = NULL`)
	v, err := w.verifications.Report(ctx, program, hook.ID, good)
	if err != nil {
		t.Fatal(err)
	}
	found, err := w.verifications.Find(ctx, program, v.ID)
	if err != nil || found.Source != "receiver" || found.Reason != "ok" || found.EventType != "grant.created" || found.TenantID == nil || *found.TenantID != w.tenant || found.Address != "192.0.2.1" || *found.WebhookID != hook.ID {
		t.Errorf("%+v, %v", found, err)
	}
	if secrets, err := w.webhooks.Secrets(ctx, w.staff, hook.ID); err != nil || secrets[0].LastAcceptedAt == nil {
		t.Errorf("the report proved nothing about the secret: %+v, %v", secrets, err)
	}
	if v, err := w.verifications.Report(ctx, program, hook.ID, verifications.Report{Verdict: "refused", Reason: "wrong_secret"}); err != nil || v.TenantID != nil || v.EventID != "" {
		t.Errorf("a forged call at the receiver: %+v, %v", v, err)
	}
	for name, r := range map[string]verifications.Report{
		"no verdict":              {EventID: good.EventID},
		"another verdict":         {EventID: good.EventID, Verdict: "ok"},
		"a refusal as acceptance": {EventID: good.EventID, Verdict: "accepted", Reason: "wrong_secret"},
		"an acceptance refused":   {EventID: good.EventID, Verdict: "refused", Reason: "ok"},
		"no reason":               {EventID: good.EventID, Verdict: "refused"},
		"ours alone":              {Verdict: "refused", Reason: "unknown_endpoint"},
		"words":                   {Verdict: "refused", Reason: "=cmd()"},
		"no event":                {Verdict: "accepted"},
		"no id":                   {EventID: "evt", Verdict: "accepted"},
		"another event":           {EventID: models.NewID[models.EventID](time.Now()).String(), Verdict: "accepted"},
		"generation":              {EventID: good.EventID, Verdict: "accepted", Generation: -1},
		"representation":          {EventID: good.EventID, Verdict: "accepted", Representation: "br"},
		"size":                    {EventID: good.EventID, Verdict: "accepted", Size: -1},
		"address":                 {EventID: good.EventID, Verdict: "accepted", Address: "example.com"},
	} {
		if _, err := w.verifications.Report(ctx, program, hook.ID, r); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, c := range map[string]struct {
		actor models.Actor
		hook  models.WebhookID
		want  fault.Kind
	}{
		"another application":    {models.Actor{Kind: models.ActorKey, Application: models.NewID[models.ApplicationID](time.Now())}, hook.ID, fault.NotFound},
		"another tenant's key":   {bound, hook.ID, fault.NotFound},
		"no such webhook":        {program, models.NewID[models.WebhookID](time.Now()), fault.NotFound},
		"staff, no such webhook": {w.staff, models.NewID[models.WebhookID](time.Now()), fault.NotFound},
		"a customer":             {models.Actor{Kind: models.ActorMember, Role: models.Customer, Tenant: w.tenant}, hook.ID, fault.Denied},
		"nobody":                 {models.Actor{}, hook.ID, fault.Denied},
	} {
		if _, err := w.verifications.Report(ctx, c.actor, c.hook, good); fault.KindOf(err) != c.want {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := w.count(`SELECT count(*) FROM verifications WHERE source = 'receiver'`); n != 2 {
		t.Errorf("%d reports in the log, want 2", n)
	}
}
