package v3

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"

	"github.com/labstack/echo/v4"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/web"
)

var errMessageID = fault.New(fault.Invalid, "parameter_invalid", "message_id names the message that the attachment belongs to.").At("message_id")

// attachment reads which one is meant. Both forms of the path are in use: SDKs name the message in the query, the command line client in the path.
func (d *Door) attachment(c echo.Context) (g models.Grant, message, id string, err error) {
	q := queryOf(c)
	q.is("query_imap")
	message = q.text("message_id")
	if q.err != nil {
		return g, "", "", q.err
	}
	if c.Param("message") != "" {
		if message, err = segment(c, "message"); err != nil {
			return g, "", "", err
		}
	}
	if message == "" {
		return g, "", "", errMessageID
	}
	if id, err = segment(c, "attachment"); err != nil {
		return g, "", "", err
	}
	g, err = d.mailbox(c)
	return g, message, id, err
}

func (d *Door) attachmentShow(c echo.Context) error {
	g, message, id, err := d.attachment(c)
	if err != nil {
		return err
	}
	m, err := d.Mailbox.Message(c.Request().Context(), web.Actor(c), g, message, email.Standard)
	if errors.Is(err, provider.ErrMessageNotFound) {
		if draft, absent := d.Mailbox.Draft(c.Request().Context(), web.Actor(c), g, message); absent == nil {
			m, err = draft, nil
		}
	}
	if err != nil {
		return err
	}
	at := slices.IndexFunc(m.Attachments, func(a email.Attachment) bool { return a.ID == id })
	if at < 0 {
		return provider.ErrAttachmentNotFound
	}
	return one(c, m.Attachments[at].Object(g.ID.String()))
}

// attachmentDownload answers the bytes. Whatever they are, they are answered as a file and as no type that a browser would show: their sender is a stranger.
func (d *Door) attachmentDownload(c echo.Context) error {
	g, message, id, err := d.attachment(c)
	if err != nil {
		return err
	}
	about, content, err := d.Mailbox.Attachment(c.Request().Context(), web.Actor(c), g, message, id)
	if err != nil {
		return err
	}
	defer content.Close() //nolint:errcheck // it was only read
	h := c.Response().Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("X-Content-Type-Options", "nosniff")
	disposition := mime.FormatMediaType("attachment", map[string]string{"filename": about.Filename})
	if about.Filename == "" || disposition == "" {
		disposition = "attachment"
	}
	h.Set("Content-Disposition", disposition)
	c.Response().WriteHeader(http.StatusOK)
	if c.Request().Method == http.MethodHead {
		return nil
	}
	if _, err := io.Copy(c.Response(), content); err != nil {
		return fmt.Errorf("hand on an attachment: %w", err)
	}
	return nil
}
