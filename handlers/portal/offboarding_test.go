package portal_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/postern-mail/postern/engine/audit"
	"github.com/postern-mail/postern/engine/offboardings"
	"github.com/postern-mail/postern/models"
)

// TestOffboardingByTwoPeople walks the pages: one plans, another approves, and the paper is checked.
func TestOffboardingByTwoPeople(t *testing.T) {
	w := newWorld(t)
	one, two := w.as("support"), w.as("admin")
	tenant := "/tenants/" + w.north.ID.String()
	one.get(tenant).is(200).shows("offboard", "Offboard")
	one.get(tenant+"/offboard").is(200).shows("plan-total", "1").shows("plan-row", "IMAP")
	one.post(tenant+"/offboard", "reason", "", "wait", "72h").is(http.StatusUnprocessableEntity).shows("error-summary", "Say why")
	one.post(tenant+"/offboard", "reason", "It left.", "wait", "1s").is(http.StatusUnprocessableEntity)
	one.post(tenant+"/offboard", "reason", "It left.", "wait", "72h", "start_at", "soon").is(http.StatusUnprocessableEntity).shows("error-summary", "UTC")
	url := one.post(tenant+"/offboard", "reason", "It left.", "ticket", "OPS-1", "wait", "72h").goes()
	one.get(url).is(200).shows("offboarding-sentence", "waits for a second person").lacks("approve")
	one.get(url + "/approve").is(http.StatusForbidden)
	two.get("/").is(200)
	plan, _ := two.get(url + "/approve").is(200).page.Find("input[name=plan]").Attr("value")
	one.post(url+"/approve", "plan", plan).is(http.StatusForbidden).shows("error-text", "Somebody else")
	w.as("reviewer").get(url).is(200).lacks("approve")
	w.as("customer").get(url).is(200).lacks("approve")
	two.post(url+"/approve", "plan", plan).goes()
	two.get(url).is(200).shows("offboarding-sentence", "Nobody reaches a mailbox")
	one.get("/grants/"+w.northG.ID.String()).is(200).shows("state-revoked", "")
	one.get(url + "/certificate").is(http.StatusNotFound)
	one.post(url + "/withdraw").is(http.StatusConflict)

	running, stop := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() { defer close(ended); _ = w.Run(running) }()
	defer func() { stop(); <-ended }()
	id, err := models.ParseID[models.OffboardingID](strings.TrimPrefix(url, "/offboardings/"))
	w.check(err)
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		o, err := w.Offboardings.Find(ctx, staff, id)
		w.check(err)
		if o.State == models.OffboardingDone {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("it is still %s at %+v", o.State, o.Steps)
		}
	}
	if text := one.get(url + "/progress").is(200).text; !strings.Contains(text, "event: progress") || !strings.Contains(text, `"grants":{"done":1,"total":1`) {
		t.Errorf("the stream says %q", text)
	}
	two.get(url+"/certificate").is(200).shows("certificate-sentence", "data key is destroyed").shows("certificate-row", "IMAP").shows("state-matches", "")
	var paper reply
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		if paper = two.get(url + "/certificate.json"); paper.status == 200 {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("the certificate is not in the log: %d", paper.status)
		}
	}
	key := strings.TrimSpace(w.stranger().get("/.well-known/postern-audit-key").is(200).text)
	if v, err := audit.VerifyDocument([]byte(paper.text), key); err != nil || !v.Proven {
		t.Errorf("the certificate does not hold: %+v, %v", v, err)
	}
	one.get("/offboardings").is(200).shows("offboarding-row", "Northwind")
	one.get("/receipts/live?tenant="+w.north.ID.String()).is(200).shows("live-row", w.northG.Email)
	if _, _, err := w.Offboardings.List(ctx, models.Actor{Kind: models.ActorMember, Role: models.Customer, Tenant: w.south.ID}, offboardings.Filter{Tenant: w.north.ID}); err == nil {
		t.Error("another organisation lists it")
	}
}

// TestStillLiveIsConfirmedByName: what only the owner can end stays on the list until somebody writes down that they did.
func TestStillLiveIsConfirmedByName(t *testing.T) {
	w := newWorld(t)
	b := w.as("support")
	b.post("/grants/"+w.northG.ID.String()+"/revoke", "reason", "left").goes()
	row := b.get("/receipts/live").is(200).shows("live-row", w.northG.Email).page.Find("[data-testid=live-row] a.btn")
	url, _ := row.Attr("href")
	b.get(url).is(200).shows("live-confirm", w.northG.Email)
	b.post(url, "note", strings.Repeat("x", 301)).is(http.StatusUnprocessableEntity)
	w.as("reviewer").get("/receipts/live").is(200).shows("live-row", "a…@")
	b.post(url, "note", "Seen on a call with Ada.").goes()
	b.get("/receipts/live").is(200).lacks("live-row")
	b.post(url, "note", "again").is(http.StatusConflict)
	b.get("/grants/"+w.northG.ID.String()+"/receipt").is(200).shows("confirmed", "Support Person wrote down")
}
