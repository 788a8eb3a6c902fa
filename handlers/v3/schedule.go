package v3

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/postern-mail/postern/engine/mailbox"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/web"
)

// scheduleStatus is how a schedule stands, in the words of the contract and in a sentence.
var scheduleStatus = map[string][2]string{
	models.SchedulePending:   {"pending", "The message waits for its time."},
	models.ScheduleSending:   {"pending", "The message is being sent."},
	models.ScheduleSent:      {"success", "The message was sent."},
	models.ScheduleFailed:    {"failure", "The message was not sent: the provider did not take it."},
	models.ScheduleUnknown:   {"failure", "The provider's answer was lost, and the message was not found among the sent ones. It may have left. It was not sent again."},
	models.ScheduleCancelled: {"cancelled", "The message was called back, or its mailbox was disconnected. It was destroyed unsent."},
}

func scheduleJSON(s models.Schedule) map[string]any {
	words := scheduleStatus[s.Status]
	status := map[string]any{"code": words[0], "description": words[1]}
	if s.Reason != "" && s.Status == models.ScheduleFailed {
		status["reason"] = s.Reason
	}
	out := map[string]any{"schedule_id": s.ID.String(), "status": status, "send_at": s.SendAt.Unix()}
	if s.ClosedAt != nil {
		out["close_time"] = s.ClosedAt.Unix()
	}
	if s.MessageID != "" {
		out["message_id"] = s.MessageID
	}
	return out
}

func (d *Door) scheduleList(c echo.Context) error {
	g, err := d.mailbox(c)
	if err != nil {
		return err
	}
	rows, err := d.Mailbox.Schedules(c.Request().Context(), web.Actor(c), g)
	if err != nil {
		return err
	}
	data := make([]map[string]any, len(rows))
	for i, row := range rows {
		data[i] = scheduleJSON(row)
	}
	return one(c, data)
}

// schedule reads which one is meant. The grant comes first: a call that knows its mailbox is in the ledger, whatever it asks for. What is no id names nothing.
func (d *Door) schedule(c echo.Context) (models.Grant, models.ScheduleID, error) {
	g, err := d.mailbox(c)
	if err != nil {
		return g, models.ScheduleID{}, err
	}
	id, err := identifier(c, "schedule", models.ParseID[models.ScheduleID])
	if err != nil {
		return g, id, mailbox.ErrScheduleNotFound
	}
	return g, id, nil
}

func (d *Door) scheduleShow(c echo.Context) error {
	g, id, err := d.schedule(c)
	if err != nil {
		return err
	}
	row, err := d.Mailbox.Schedule(c.Request().Context(), web.Actor(c), g, id)
	if err != nil {
		return err
	}
	return one(c, scheduleJSON(row))
}

func (d *Door) scheduleDelete(c echo.Context) error {
	g, id, err := d.schedule(c)
	if err != nil {
		return err
	}
	if err := d.Mailbox.CancelSchedule(c.Request().Context(), web.Actor(c), g, id); err != nil {
		return err
	}
	return oneWith(c, http.StatusAccepted, map[string]any{"message": "The message will not be sent. It was destroyed."})
}
