package v3

import (
	"net/http"

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
	return reply(c, http.StatusOK, map[string]any{"request_id": web.RequestID(c), "grant_id": g.ID.String(), "data": messageJSON(g, sent.Message, email.Standard)})
}
