package evidence

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"strings"
	"time"

	"github.com/postern-mail/postern/engine/audit"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

func (s *Service) packRequirements(ctx context.Context, v *volume) error {
	results, err := s.Evaluate(ctx, v.actor)
	if err != nil {
		return err
	}
	type line struct{ ID, Reference, Requirement, State, Found, Evaluated, At string }
	var lines []line
	var rows [][]string
	for _, r := range results {
		l := line{r.ID, r.Ref, r.Text, string(r.State), r.Detail, r.How, r.At.Format(time.RFC3339)}
		lines = append(lines, l)
		rows = append(rows, []string{l.Reference, l.Requirement, strings.ReplaceAll(l.State, "_", " "), l.Found, l.Evaluated})
	}
	raw, err := json.MarshalIndent(lines, "", "  ")
	if err != nil {
		return err
	}
	v.add("requirements.json", raw)
	if len(results) > 0 {
		v.add("measured.json", results[0].Raw)
	}
	return v.table("requirements.csv", []string{"reference", "requirement", "state", "found", "how it was evaluated"}, rows)
}

func (s *Service) packGrants(ctx context.Context, v *volume) error {
	var rows [][]string
	q := store.GrantQuery{Tenant: v.actor.Tenant, Limit: 500}
	for {
		var page []models.Grant
		err := s.read(ctx, v.actor, "write an evidence pack", func(tx *store.Tx) (err error) {
			page, err = tx.Grants(q)
			return err
		})
		if err != nil {
			return err
		}
		for _, g := range page { // the provider's own id of a person is nobody's business here
			rows = append(rows, []string{g.ID.String(), g.TenantID.String(), g.Provider, g.Email, string(g.Status), strings.Join(g.ScopesRequested, " "), strings.Join(g.ScopesGranted, " "), g.CreatedAt.UTC().Format(time.RFC3339), stamp(g.LastUsedAt), stamp(g.RevokedAt)})
		}
		if len(page) < q.Limit || len(rows) >= mostPacked {
			break
		}
		last := page[len(page)-1]
		q.AfterAt, q.AfterID = last.CreatedAt, last.ID
	}
	return v.table("mailboxes.csv", []string{"id", "organisation", "provider", "address", "state", "requested", "granted", "connected", "last used", "revoked"}, rows)
}

func stamp(t *time.Time) string {
	if t == nil {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

func (s *Service) packReceipts(ctx context.Context, v *volume) error {
	var rows [][]string
	q := store.SeveranceQuery{Tenant: v.actor.Tenant, Limit: 500}
	for {
		var page []models.Receipt
		err := s.read(ctx, v.actor, "write an evidence pack", func(tx *store.Tx) (err error) {
			page, err = tx.Receipts(q)
			return err
		})
		if err != nil {
			return err
		}
		for _, r := range page {
			rows = append(rows, []string{r.ID.String(), r.GrantID.String(), r.TenantID.String(), r.Provider, r.Email, r.Outcome, r.CreatedAt.UTC().Format(time.RFC3339)})
		}
		if len(page) < q.Limit || len(rows) >= mostPacked {
			break
		}
		last := page[len(page)-1]
		q.BeforeAt, q.BeforeID = last.CreatedAt, last.ID.String()
	}
	return v.table("receipts.csv", []string{"receipt", "mailbox", "organisation", "provider", "address", "outcome", "time"}, rows)
}

func (s *Service) packVerifications(ctx context.Context, v *volume) error {
	var counts []store.VerificationCount
	err := s.read(ctx, v.actor, "write an evidence pack", func(tx *store.Tx) (err error) {
		counts, err = tx.VerificationCounts(store.VerificationQuery{Tenant: v.actor.Tenant, Since: v.at.AddDate(0, 0, -90)}, "day")
		return err
	})
	if err != nil {
		return err
	}
	var rows [][]string
	for _, c := range counts {
		rows = append(rows, []string{c.At.UTC().Format("2006-01-02"), c.Verdict, c.Reason, fmt.Sprint(c.Count)})
	}
	return v.table("verifications.csv", []string{"day", "verdict", "reason", "requests"}, rows)
}

func (s *Service) packRights(ctx context.Context, v *volume) error {
	r, err := s.Rights(ctx, v.actor)
	if err != nil {
		return err
	}
	var rows [][]string
	for _, x := range r.Rights {
		rows = append(rows, []string{strings.ReplaceAll(string(x.Capability), "_", " "), fmt.Sprint(x.Granted), fmt.Sprint(x.Used30), fmt.Sprint(x.Used90), fmt.Sprint(x.GrantedIsEstimated)})
	}
	return v.table("rights.csv", []string{"right", "mailboxes that gave it", "used in 30 days", "used in 90 days", "first number is an estimate"}, rows)
}

func (s *Service) packEgress(ctx context.Context, v *volume) error {
	if v.pack.TenantID != nil {
		v.page.WriteString("<p>The hosts of one organisation are not told apart from those of others; they are in the pack of the whole installation.</p>\n")
		return nil
	}
	hosts, err := s.Egress(ctx, v.actor)
	if err != nil {
		return err
	}
	var rows [][]string
	for _, h := range hosts {
		rows = append(rows, []string{h.Host, fmt.Sprint(h.Port), h.Purpose, h.Region, fmt.Sprint(h.Connected), fmt.Sprint(h.Refused), fmt.Sprint(h.Failed), h.FirstAt.UTC().Format(time.RFC3339), h.LastAt.UTC().Format(time.RFC3339)})
	}
	return v.table("egress.csv", []string{"host", "port", "purpose", "region", "connected", "refused by us", "failed", "first", "last"}, rows)
}

func (s *Service) packAudit(ctx context.Context, v *volume) error {
	if !v.pack.Masked { // the bundle proves itself, and names people in full
		var bundle bytes.Buffer
		if _, err := s.Log.Export(ctx, v.actor, v.actor.Tenant, &bundle); err != nil && !errors.Is(err, audit.ErrEmpty) {
			return err
		}
		if bundle.Len() > 0 {
			v.add("audit-bundle.jsonl", bundle.Bytes())
			v.page.WriteString("<p>The whole audit is in audit-bundle.jsonl, which proves itself with <code>postern audit verify</code>.</p>\n")
		}
	}
	var rows [][]string
	f := audit.Filter{Tenant: v.actor.Tenant, Limit: 200}
	for {
		page, err := s.Audit.List(ctx, v.actor, f)
		if err != nil {
			return err
		}
		for _, e := range page.Entries {
			rows = append(rows, []string{e.At.UTC().Format(time.RFC3339), string(e.ActorKind), e.Actor, e.Action, e.ObjectKind, e.Object, e.Outcome})
		}
		if f.Cursor = page.Next; f.Cursor == "" || len(rows) >= 20_000 {
			break
		}
	}
	log, err := s.Log.Standing(ctx)
	if err != nil {
		return err
	}
	v.add("checkpoint.txt", []byte(log.Checkpoint.Note))
	return v.table("audit.csv", []string{"time", "kind of actor", "actor", "act", "kind of object", "object", "outcome"}, rows)
}

func text(t string) string { return html.EscapeString(t) }

// shown is how many rows of a list stand in the readable page; all are in the CSV.
const shown = 200

func (v *volume) show(name string, columns []string, rows [][]string) {
	if len(rows) == 0 {
		v.page.WriteString("<p>None.</p>\n")
		return
	}
	v.page.WriteString("<table><thead><tr>")
	for _, c := range columns {
		v.page.WriteString("<th scope=\"col\">" + text(c) + "</th>")
	}
	v.page.WriteString("</tr></thead><tbody>\n")
	for _, row := range rows[:min(len(rows), shown)] {
		v.page.WriteString("<tr>")
		for _, cell := range row {
			v.page.WriteString("<td>" + text(cell) + "</td>")
		}
		v.page.WriteString("</tr>\n")
	}
	v.page.WriteString("</tbody></table>\n")
	if len(rows) > shown {
		fmt.Fprintf(&v.page, "<p>The first %d of %d rows; all are in %s.</p>\n", shown, len(rows), text(name))
	}
}

// readable is the page that a person opens and prints: black on white, no script, nothing from elsewhere.
func (s *Service) readable(v *volume) string {
	masked := "Mail addresses are shown whole."
	if v.pack.Masked {
		masked = "Of each mail address the first letter and the domain are shown."
	}
	return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Postern evidence pack</title><style>
@page { size: A4; margin: 16mm; @bottom-right { content: counter(page) " / " counter(pages); } }
body { font: 10.5pt/1.45 system-ui, sans-serif; color: #000; background: #fff; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 20pt; } h2 { font-size: 13pt; margin-top: 2rem; border-bottom: 1px solid #999; break-after: avoid; }
table { width: 100%; border-collapse: collapse; font-size: 8.5pt; } th, td { text-align: left; vertical-align: top; padding: .25rem .5rem .25rem 0; border-bottom: 1px solid #ccc; overflow-wrap: anywhere; }
thead { display: table-header-group; } tr { break-inside: avoid; } code { font-family: ui-monospace, monospace; } footer { margin-top: 2rem; border-top: 1px solid #999; }
</style></head><body>
<h1>Evidence pack</h1>
<p>` + text(s.Company) + `, Postern at ` + text(s.BaseURL.String()) + `, region ` + text(strings.ToUpper(s.Region)) + `. About ` + text(v.about()) + `. Made ` + v.at.Format("2 January 2006, 15:04:05 UTC") + `. ` + masked + `</p>
` + v.page.String() + `<footer><p>The pack is signed as a whole. It is checked without a network by <code>postern audit verify --key KEY PACK.zip</code>; the key is<br><code>` + text(s.Log.Key()) + `</code><br>and is published at ` + text(s.BaseURL.String()) + `/.well-known/postern-audit-key. SHA-256 of every file is in manifest.json.</p></footer>
</body></html>
`
}
