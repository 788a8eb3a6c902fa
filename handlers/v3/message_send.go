package v3

import (
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/mailbox"
	"github.com/postern-mail/postern/web"
)

var errIdempotencyKey = fault.New(fault.Invalid, "idempotency_key_invalid", "Idempotency-Key is 1 to 256 printable characters, given once.").At("Idempotency-Key")

// idempotencyKey reads the header; empty where there is none.
func idempotencyKey(h http.Header) (string, error) {
	values := h.Values("Idempotency-Key")
	if len(values) == 0 {
		return "", nil
	}
	key := values[0]
	if len(values) > 1 || key == "" || len(key) > 256 {
		return "", errIdempotencyKey
	}
	for i := range len(key) {
		if key[i] < ' ' || key[i] >= 0x7f {
			return "", errIdempotencyKey
		}
	}
	return key, nil
}

// messageSend sends JSON, a form with files, or a complete message. The grant is found before the body is read: who may not send does not get to upload.
func (d *Door) messageSend(c echo.Context) error {
	q := queryOf(c)
	asMIME := q.word("type", "json", "json", "mime") == "mime"
	var at time.Time
	if asMIME {
		at = q.time("send_at") // a complete message has no other place to say it
	}
	if q.err != nil {
		return q.err
	}
	key, err := idempotencyKey(c.Request().Header)
	if err != nil {
		return err
	}
	g, err := d.mailbox(c)
	if err != nil {
		return err
	}
	var sending mailbox.Sending
	if asMIME || mediaType(c) == "multipart/form-data" {
		files, err := d.Mailbox.Spool()
		if err != nil {
			return err
		}
		defer files.Close() //nolint:errcheck // what it held is gone either way
		if asMIME {
			sending, err = rawSending(c, files)
			sending.At = at
		} else {
			sending, err = formSending(c, files)
		}
		if err != nil {
			return err
		}
	} else if sending, err = jsonSending(c); err != nil {
		return err
	}
	sending.Key = key
	sent, err := d.Mailbox.SendOnce(c.Request().Context(), web.Actor(c), g, sending)
	if err != nil {
		return err
	}
	if sent.Replayed {
		c.Response().Header().Set("Idempotent-Response", "true")
	}
	status, data := http.StatusOK, messageJSON(g, sent.Message, email.Standard)
	if later := sent.Schedule; !later.ID.IsZero() {
		// It has no id of a message yet. Clients that insist on one get the schedule's.
		status = http.StatusAccepted
		data["id"], data["schedule_id"], data["send_at"], data["folders"] = later.ID.String(), later.ID.String(), later.SendAt.Unix(), []string{}
		data["date"], data["created_at"] = later.CreatedAt.Unix(), later.CreatedAt.Unix() // of its being put away: it has left nowhere yet
	}
	return reply(c, status, map[string]any{"request_id": web.RequestID(c), "grant_id": g.ID.String(), "data": data})
}
