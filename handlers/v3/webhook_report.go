package v3

import (
	"github.com/labstack/echo/v4"

	"github.com/postern-mail/postern/engine/verifications"
	"github.com/postern-mail/postern/web"
)

// webhookReport takes what a receiver of ours found when it checked a delivery, so that sent, answered and verified stand on one line.
func (d *Door) webhookReport(c echo.Context) error {
	id, err := webhookID(c)
	if err != nil {
		return err
	}
	b, err := bodyOf(c, false)
	if err != nil {
		return err
	}
	report := verifications.Report{EventID: b.text("event_id"), Verdict: b.must("verdict"), Reason: b.text("reason"), Generation: b.number("secret_generation", 0, 1_000_000),
		Representation: b.text("representation"), Size: int64(b.number("size", 0, 1<<30)), Address: b.text("address")}
	if b.err != nil {
		return b.err
	}
	row, err := d.Verifications.Report(c.Request().Context(), web.Actor(c), id, report)
	if err != nil {
		return absentWebhook(err)
	}
	return one(c, map[string]any{"id": row.ID.String(), "verdict": row.Verdict, "reason": row.Reason})
}
