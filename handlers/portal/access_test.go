package portal_test

import (
	"strings"
	"testing"

	"github.com/postern-mail/postern/models"
)

// TestTheGrantsPageTellsWhoReachedIt follows an access from the ledger to the grant's page, the list and the file, for staff, the customer and a reviewer.
func TestTheGrantsPageTellsWhoReachedIt(t *testing.T) {
	w := newWorld(t)
	key := models.Actor{Kind: models.ActorKey, ID: "0190a3c5-0000-7000-8000-000000000001", Label: "=CRM (postern_eu_abc…)", Application: w.app.ID}
	w.Ledger.Note(ctx, key, w.northG, "messages.list", "ok")
	w.Ledger.Note(ctx, key, w.northG, "messages.send", "insufficient_scopes")
	w.Ledger.Note(ctx, models.Actor{Kind: models.ActorToken, ID: "t1", Label: "Access token for " + w.northG.Email}, w.northG, "attachments.download", "ok")
	w.Ledger.Note(ctx, key, w.southG, "messages.read", "ok")
	w.check(w.Ledger.Flush(ctx))
	for _, who := range []string{"support", "customer", "reviewer", "guest"} {
		b := w.as(who)
		page := b.get("/grants/" + w.northG.ID.String())
		for _, want := range []string{"CRM (postern_eu_abc…)", "listed messages", "Access tokens of this mailbox", "downloaded an attachment", "/grants/accesses?grant=" + w.northG.ID.String()} {
			if !strings.Contains(page.text, want) {
				t.Errorf("the grant's page for %s lacks %q", who, want)
			}
		}
		list := b.get("/grants/accesses?grant=" + w.northG.ID.String())
		for _, want := range []string{"Listed messages", "messages.send", "insufficient_scopes", "Downloaded an attachment"} {
			if !strings.Contains(list.text, want) {
				t.Errorf("the ledger for %s lacks %q", who, want)
			}
		}
		if n := strings.Count(list.text, `data-testid="access-row"`); n != 3 {
			t.Errorf("the ledger of one mailbox has %d rows for %s", n, who)
		}
		file := b.get("/grants/accesses/export.csv")
		if strings.Contains(file.text, ",=CRM") || !strings.Contains(file.text, "messages.list") {
			t.Errorf("the file for %s: %s", who, file.text)
		}
		if foreign := strings.Contains(file.text, w.southG.ID.String()); foreign != (who == "support" || who == "reviewer") {
			t.Errorf("the file for %s shows the other tenant: %v", who, foreign)
		}
		if whole := strings.Contains(file.text+list.text+page.text, w.northG.Email); whole != (who == "support" || who == "customer") {
			t.Errorf("%s sees the whole address: %v", who, whole)
		}
		if r := b.get("/grants/accesses?outcome=refused"); strings.Count(r.text, `data-testid="access-row"`) != 1 {
			t.Errorf("refused calls for %s: %s", who, r.text)
		}
		if r := b.get("/grants/accesses?grant=x"); r.status != 404 {
			t.Errorf("a broken id is %d", r.status)
		}
	}
}
