package portal_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/postern-mail/postern/models"
)

// TestGuestPass makes a pass as an owner does, looks around with it, and ends it: by revoking, by time, by the organisation's leaving.
func TestGuestPass(t *testing.T) {
	w := newWorld(t)
	owner := w.as("owner")
	owner.post("/security/passes", "tenant", "", "name", "", "expires", "7").is(http.StatusUnprocessableEntity)
	made := owner.post("/security/passes", "tenant", w.north.ID.String(), "name", "Auditor of Northwind", "expires", "7").is(http.StatusOK)
	link := strings.TrimPrefix(made.page.Find("[data-testid=secret-value]").Text(), "http://localhost:8400")
	if !strings.HasPrefix(link, "/guest/") || len(link) != len("/guest/")+43 {
		t.Fatalf("the link is %q", link)
	}
	if strings.Contains(owner.get("/security/passes").text, link) {
		t.Error("the link is shown again")
	}
	enter := func() *browser {
		b := w.stranger()
		b.get(link).is(http.StatusOK).shows("guest-enter", "Look around")
		if len(b.cookies) > 0 && b.get("/grants").status == http.StatusOK {
			t.Error("opening the link lets somebody in: mail scanners open links")
		}
		b.post(link).is(http.StatusSeeOther)
		b.get("/").is(http.StatusOK)
		return b
	}
	guest := enter()
	guest.get("/grants/" + w.northG.ID.String()).is(http.StatusOK)
	guest.get("/grants/" + w.southG.ID.String()).is(http.StatusNotFound)
	guest.get("/account").is(http.StatusForbidden)

	passes, err := w.Access.Passes(ctx, staff, w.north.ID)
	w.check(err)
	var pass models.GuestPass
	for _, p := range passes {
		if p.Name == "Auditor of Northwind" {
			pass = p
		}
	}
	_, seen, err := w.Access.Pass(ctx, staff, pass.ID)
	w.check(err)
	var paths []string
	for _, v := range seen {
		paths = append(paths, v.Path)
	}
	for _, want := range []string{"GET /", "GET /grants/" + w.northG.ID.String(), "GET /grants/" + w.southG.ID.String()} {
		if !strings.Contains(strings.Join(paths, "\n")+"\n", want+"\n") {
			t.Errorf("the visit of %s was not noted: %v", want, paths)
		}
	}
	owner.get("/security/passes/"+pass.ID.String()).is(http.StatusOK).shows("views", w.northG.ID.String())

	owner.post("/security/passes/" + pass.ID.String() + "/revoke").is(http.StatusSeeOther)
	guest.get("/").is(http.StatusSeeOther) // to the sign-in page
	w.stranger().get(link).is(http.StatusNotFound)
	w.stranger().post(link).is(http.StatusNotFound)

	// The organisation leaves: its passes end with it.
	link = w.links["guest"]
	guest = enter()
	conn, err := pgx.Connect(ctx, w.dsn)
	w.check(err)
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, `UPDATE tenants SET state = 'offboarding' WHERE id = $1`, w.north.ID.String())
	w.check(err)
	guest.get("/").is(http.StatusSeeOther)
	w.stranger().get(link).is(http.StatusNotFound)
	_, err = conn.Exec(ctx, `UPDATE tenants SET state = 'active' WHERE id = $1`, w.north.ID.String())
	w.check(err)
	guest = enter()
	w.mu.Lock()
	w.at = w.at.Add(25 * time.Hour)
	w.mu.Unlock()
	guest.get("/").is(http.StatusSeeOther)
	w.stranger().get(link).is(http.StatusNotFound)
}
