package portal_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"
	"github.com/jackc/pgx/v5"

	"github.com/postern-mail/postern/engine/access"
)

// TestTheAgesOfKeysAndSecrets: what people handed out ages as data keys do, and is shown beside them; what has ended is not.
func TestTheAgesOfKeysAndSecrets(t *testing.T) {
	w := newWorld(t)
	for _, name := range []string{"old", "new", "revoked"} {
		k, _, err := w.Access.CreateKey(ctx, staff, access.Key{Application: w.app.ID, Name: name})
		w.check(err)
		if name == "revoked" {
			_, err = w.Access.RevokeKey(ctx, staff, k.ID)
			w.check(err)
		}
	}
	conn, err := pgx.Connect(ctx, w.dsn)
	w.check(err)
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, `UPDATE api_keys SET created_at = created_at - interval '2 years' WHERE name = 'old'`)
	w.check(err)
	_, err = conn.Exec(ctx, `UPDATE webhook_secrets SET valid_from = valid_from - interval '200 days'`)
	w.check(err)

	chart := w.as("owner").get("/security/encryption").is(http.StatusOK).find("chart-key-ages")
	var rows []string
	chart.Find("tr").Each(func(_ int, row *goquery.Selection) {
		var cells []string
		row.Find("th, td").Each(func(_ int, cell *goquery.Selection) { cells = append(cells, strings.TrimSpace(cell.Text())) })
		rows = append(rows, strings.Join(cells, " | "))
	})
	got, want := strings.Join(rows, "\n"), ""
	for _, line := range []string{"Age | data keys | API keys | webhook secrets", "up to 30 days | %d | 1 | 0", "up to 90 days | 0 | 0 | 0", "up to a year | 0 | 0 | 1", "older | 0 | 1 | 0"} {
		if head, tail, cut := strings.Cut(line, "%d"); cut { // how many data keys the seed needed is no matter here
			if !strings.Contains(got, head) || !strings.Contains(got, tail) {
				want += line + "\n"
			}
		} else if !strings.Contains(got, line) {
			want += line + "\n"
		}
	}
	if want != "" || chart.Find("svg").Length() != 1 {
		t.Errorf("the chart's table is\n%s\nand lacks\n%s", got, want)
	}
	if w.as("customer").get("/security/encryption").is(http.StatusOK).find("chart-key-ages").Find("th").Text() != "" && strings.Contains(w.as("customer").get("/security/encryption").find("chart-key-ages").Text(), "API keys") {
		t.Error("a customer is told of other people's keys")
	}
}
