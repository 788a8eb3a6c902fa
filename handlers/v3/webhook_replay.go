package v3

import (
	"github.com/labstack/echo/v4"

	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/web"
)

// replayJSON is a replay as it runs. Not among Nylas' objects.
type replayJSON struct {
	ID         string `json:"id"`
	Object     string `json:"object"`
	Which      string `json:"which"`
	Since      int64  `json:"since"` // Unix seconds, as all times here
	Total      int    `json:"total"` // deliveries at its beginning
	Done       int    `json:"done"`
	Stopped    string `json:"stopped,omitempty"` // why it ended early
	CreatedAt  int64  `json:"created_at"`
	FinishedAt int64  `json:"finished_at,omitempty"`
}

func replayOf(r models.Replay) replayJSON {
	out := replayJSON{ID: r.ID.String(), Object: "webhook_replay", Which: r.Which, Since: r.Since.Unix(), Total: r.Total, Done: r.Done, Stopped: r.Stopped, CreatedAt: r.CreatedAt.Unix()}
	if r.FinishedAt != nil {
		out.FinishedAt = r.FinishedAt.Unix()
	}
	return out
}

// webhookReplay sends again what was given up since a time: after an outage of the receiver nobody should have to ask for each event.
func (d *Door) webhookReplay(c echo.Context) error {
	id, err := webhookID(c)
	if err != nil {
		return err
	}
	b, err := bodyOf(c, false)
	if err != nil {
		return err
	}
	which, since := b.must("which"), b.time("since")
	if b.err != nil {
		return b.err
	}
	r, err := d.Webhooks.ReplayAll(c.Request().Context(), web.Actor(c), id, which, since)
	if err != nil {
		return absentWebhook(err)
	}
	return one(c, replayOf(r))
}

// webhookReplays lists the latest replays, the newest first, with how far each is.
func (d *Door) webhookReplays(c echo.Context) error {
	id, err := webhookID(c)
	if err != nil {
		return err
	}
	rows, err := d.Webhooks.Replays(c.Request().Context(), web.Actor(c), id)
	if err != nil {
		return absentWebhook(err)
	}
	out := make([]replayJSON, len(rows))
	for i, r := range rows {
		out[i] = replayOf(r)
	}
	return one(c, out)
}
