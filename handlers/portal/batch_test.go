package portal_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/postern-mail/postern/models"
)

// TestManyAreEndedTogether walks the pages: choose, look, confirm, follow the progress without scripts, open the receipts.
func TestManyAreEndedTogether(t *testing.T) {
	w := newWorld(t)
	b := w.as("support")
	more := w.grant(w.north.ID, "late.comer@northwind.example")
	page := b.get("/grants?tenant="+w.north.ID.String()).is(200).shows("pick-bar", "Revoke the chosen").page
	if n := page.Find("[data-testid=pick]").Length(); n != 2 {
		t.Fatalf("%d rows can be chosen", n)
	}
	b.get("/grants/revoke-many").goes() // nothing chosen: back to the list, with a word
	pick := "/grants/revoke-many?grant=" + w.northG.ID.String() + "&grant=" + w.southG.ID.String()
	form := b.get(pick).is(200).shows("confirm", "Revoke 2 mailboxes").shows("batch-provider", "IMAP: 2 mailboxes").shows("chosen", w.northG.Email).page
	value := func(name string) string {
		v, _ := form.Find("input[name=" + name + "]").Attr("value")
		return v
	}
	batch, digest := value("batch"), value("digest")
	b.post(pick, "batch", batch, "digest", digest, "reason", strings.Repeat("x", 301)).is(http.StatusUnprocessableEntity).shows("error-summary", "300")
	b.post(pick, "batch", batch, "digest", strings.Repeat("0", 64)).is(http.StatusConflict).shows("error-summary", "not what is there any more")
	there := b.post(pick, "batch", batch, "digest", digest, "reason", "They left.").goes()
	if again := b.post(pick, "batch", batch, "digest", digest, "reason", "They left.").goes(); again != there {
		t.Errorf("sent twice it leads to %s and %s", there, again)
	}
	b.get(there).is(200).shows("batch-sentence", "0 of 2").shows("state-running", "").lacks("batch-receipt")

	running, stop := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() { defer close(ended); _ = w.Run(running) }()
	defer func() { stop(); <-ended }()
	for end := time.Now().Add(30 * time.Second); !strings.Contains(b.get(there).is(200).text, "2 mailboxes are cut off"); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("the page says %s", b.get(there).page.Find("[data-testid=batch-sentence]").Text())
		}
	}
	done := b.get(there).shows("state-done", "").shows("batch-result", "Owner must act").shows("batch-line", w.southG.Email).page
	if n := done.Find("[data-testid=batch-receipt]").Length(); n != 2 {
		t.Errorf("%d receipts", n)
	}
	receipt, _ := done.Find("[data-testid=batch-receipt]").First().Attr("href")
	b.get(receipt).is(200)
	if text := b.get(there + "/progress").is(200).text; !strings.Contains(text, `"cut":{"done":2,"total":2`) {
		t.Errorf("the stream says %q", text)
	}
	b.get("/batches").is(200).shows("batch-row", "Revoke 2 mailboxes")
	b.get("/grants/"+more.ID.String()).is(200).shows("state-valid", "")
	w.as("admin").get("/audit?object="+batch).is(200).shows("audit-row", "grants.revoke")

	// Two organisations: no customer sees it. Reviewers see it without the people.
	for _, who := range []string{"customer", "guest"} {
		w.as(who).get(there).is(http.StatusNotFound)
		w.as(who).get(there + "/progress").is(http.StatusNotFound)
	}
	if text := w.as("reviewer").get(there).is(200).text; strings.Contains(text, w.northG.Email) {
		t.Error("a reviewer reads whose mailboxes they were")
	}
	w.as("reviewer").get("/grants").is(200).lacks("pick-bar").lacks("pick")
}

// TestACustomerEndsTheirOwnTogether: all that match, of one organisation, whatever else is named.
func TestACustomerEndsTheirOwnTogether(t *testing.T) {
	w := newWorld(t)
	c := w.as("customer")
	c.get("/grants/delete-many?grant=" + w.southG.ID.String()).is(http.StatusNotFound)
	c.get("/grants/delete-many?all=1&tenant=" + w.south.ID.String()).is(http.StatusNotFound)
	for _, pick := range []string{"/grants/delete-many?all=1&q=" + url.QueryEscape("ada"), "/grants/delete-many?grant=" + w.northG.ID.String() + "&grant=" + w.southG.ID.String()} {
		c.get(pick).is(200).shows("confirm", "Delete 1 mailbox").shows("chosen", w.northG.Email)
	}
	form := c.get("/grants/delete-many?all=1").is(200).page
	batch, _ := form.Find("input[name=batch]").Attr("value")
	digest, _ := form.Find("input[name=digest]").Attr("value")
	there := c.post("/grants/delete-many?all=1", "batch", batch, "digest", digest).goes()
	c.get(there).is(200).shows("batch-line", w.northG.Email)
	w.as("support").get(there).is(200)
	id, err := models.ParseID[models.BatchID](strings.TrimPrefix(there, "/batches/"))
	w.check(err)
	for more := true; more; {
		if more, _, err = w.Grants.StepBatch(ctx, id); err != nil {
			t.Fatal(err)
		}
	}
	if g, err := w.Grants.Find(ctx, staff, w.southG.ID); err != nil || g.Status != models.GrantValid {
		t.Errorf("the other organisation's grant: %s, %v", g.Status, err)
	}
	if _, err := w.Grants.Find(ctx, staff, w.northG.ID); err == nil {
		t.Error("their own grant is still there")
	}
}
