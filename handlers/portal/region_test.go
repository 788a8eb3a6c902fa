package portal_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// sibling is where the test's installation in the other region is said to be.
const sibling = "https://us.postern.example"

// TestThePeopleOfAnotherRegionAreSentThere: who comes to the wrong region finds the way, at the sign-in and with every page, and nothing of an organisation that is kept elsewhere is shown.
func TestThePeopleOfAnotherRegionAreSentThere(t *testing.T) {
	w := newWorld(t)
	if to, _ := w.stranger().get("/signin").is(http.StatusOK).find("signin-elsewhere").Attr("href"); to != sibling+"/signin" {
		t.Errorf("the way in elsewhere is %q", to)
	}
	customer, guest, owner := w.as("customer"), w.as("guest"), w.as("owner")
	customer.get("/").is(http.StatusOK)
	north := "/tenants/" + w.north.ID.String()
	owner.get(north).is(http.StatusOK)

	conn, err := pgx.Connect(ctx, w.dsn) // as the owner of the database: no runtime role changes a region
	w.check(err)
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, `ALTER TABLE tenants DISABLE TRIGGER tenant_may_move`)
	w.check(err)
	_, err = conn.Exec(ctx, `UPDATE tenants SET region = 'us' WHERE id = $1`, w.north.ID.String())
	w.check(err)

	for who, b := range map[string]*browser{"a customer": customer, "a guest": guest} {
		for _, path := range []string{"/", "/audit", "/grants/" + w.northG.ID.String()} {
			if to := b.get(path).goes(); to != sibling+"/signin" {
				t.Errorf("%s at %s is sent to %q", who, path, to)
			}
		}
		if r := b.post("/grants/"+w.northG.ID.String()+"/revoke", "reason", "x"); r.status != http.StatusForbidden || !strings.Contains(r.error(), sibling) {
			t.Errorf("%s who acts: %d %s", who, r.status, r.error())
		}
	}
	if to := w.stranger().get(w.links["customer"]).goes(); to != sibling+"/signin" {
		t.Errorf("signing in leads to %q", to)
	}
	if to := owner.get(north).goes(); to != sibling+north {
		t.Errorf("staff at the organisation's page are sent to %q", to)
	}
	owner.get("/tenants/" + w.south.ID.String()).is(http.StatusOK)
	if r := owner.post("/tenants", "name", "Westwind", "region", "us").is(unprocessable); !strings.Contains(r.find("error-region").Text()+r.text, sibling) {
		t.Error("creating one of another region does not say where to do it")
	}
}
