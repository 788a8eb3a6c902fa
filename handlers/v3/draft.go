package v3

import (
	"net/http"
	"slices"

	"github.com/labstack/echo/v4"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/web"
)

func draftJSON(g models.Grant, m email.Message) map[string]any {
	out := messageJSON(g, m, email.Standard)
	out["object"] = "draft"
	return out
}

func (d *Door) draftList(c echo.Context) error {
	q := queryOf(c)
	want := email.Query{
		Limit: q.number("limit", email.DefaultLimit, 1, email.MaxLimit), Cursor: q.text("page_token"), Subject: q.text("subject"), Any: q.addresses("any_email"), From: q.list("from"), To: q.list("to"),
		Cc: q.list("cc"), Bcc: q.list("bcc"), Unread: q.boolean("unread"), Starred: q.boolean("starred"), ThreadID: q.text("thread_id"), HasAttachment: q.boolean("has_attachment"),
	}
	folders := q.repeated("in") // SDKs offer it, although drafts are in one folder nearly everywhere
	q.is("query_imap")          // the server is always asked directly
	absentFeatures(q)
	names := q.list("select")
	want.NoBody = len(names) > 0 && !slices.ContainsFunc(names, func(n string) bool { return n == "body" || n == "snippet" })
	if q.err != nil {
		return q.err
	}
	g, err := d.mailbox(c)
	if err != nil {
		return err
	}
	page, err := d.Mailbox.Drafts(c.Request().Context(), web.Actor(c), g, want)
	if err != nil {
		return err
	}
	data := []map[string]any{}
	for _, m := range page.Items {
		if len(folders) == 0 || slices.ContainsFunc(m.Folders, func(f string) bool { return slices.Contains(folders, f) }) {
			data = append(data, trim(names, draftJSON(g, m)))
		}
	}
	out := map[string]any{"request_id": web.RequestID(c), "data": data}
	if page.Next != "" {
		out["next_cursor"] = page.Next
	}
	return reply(c, http.StatusOK, out)
}

func (d *Door) draftShow(c echo.Context) error {
	q := queryOf(c)
	q.is("query_imap")
	names := q.list("select")
	if q.err != nil {
		return q.err
	}
	id, err := segment(c, "draft")
	if err != nil {
		return err
	}
	g, err := d.mailbox(c)
	if err != nil {
		return err
	}
	m, err := d.Mailbox.Draft(c.Request().Context(), web.Actor(c), g, id)
	if err != nil {
		return err
	}
	return one(c, trim(names, draftJSON(g, m)))
}

// writing reads what a draft is made of or changed by, as JSON or as a form with files, and hands it to do while the files are there. The grant is found first: who may
// not write does not get to upload.
func (d *Door) writing(c echo.Context, do func(g models.Grant, b *body, files []email.Enclosure) error) error {
	g, err := d.mailbox(c)
	if err != nil {
		return err
	}
	if mediaType(c) != "multipart/form-data" {
		c.Request().Body = http.MaxBytesReader(c.Response(), c.Request().Body, sendJSONMost)
		b, err := bodyOf(c, false)
		if err != nil {
			return err
		}
		return do(g, b, nil)
	}
	spool, err := d.Mailbox.Spool()
	if err != nil {
		return err
	}
	defer spool.Close() //nolint:errcheck // what it held is gone either way
	message, files, _, err := formOf(c, spool, "draft", "message")
	if err != nil {
		return err
	}
	b, err := parseBody(message)
	if err != nil {
		return err
	}
	return do(g, b, files)
}

// drafted reads the change that turns an empty draft into the one that is meant; the same fields change one that is kept.
func drafted(b *body, files []email.Enclosure) (change email.DraftChange, replyTo string, err error) {
	for _, f := range []struct {
		name string
		to   **[]email.Address
	}{{"from", &change.From}, {"to", &change.To}, {"cc", &change.Cc}, {"bcc", &change.Bcc}, {"reply_to", &change.ReplyTo}} {
		if b.has(f.name) {
			people := b.people(f.name)
			*f.to = &people
		}
	}
	change.Subject, change.Starred = b.optional("subject"), b.boolean("starred")
	if b.has("body") {
		change.Body = &email.Body{HTML: b.text("body")}
		if plain := b.boolean("is_plaintext"); plain != nil && *plain {
			change.Body = &email.Body{Plain: b.text("body")}
		}
	}
	if b.has("custom_headers") {
		headers := []email.Header{}
		for _, h := range b.objects("custom_headers") {
			headers = append(headers, email.Header{Name: h.must("name"), Value: h.text("value")})
			b.under("custom_headers", h)
		}
		change.Headers = &headers
	}
	if b.has("attachments") || len(files) > 0 {
		all := append(b.enclosures(), files...)
		change.Attachments = &all
	}
	if b.has("send_at") {
		b.wrong("send_at", "A draft is sent by POST to its own address, when it is time. Leave send_at out.")
	}
	b.refuseAbsent()
	if b.err == nil {
		b.err = change.Check()
	}
	return change, b.text("reply_to_message_id"), b.err
}

func (d *Door) draftCreate(c echo.Context) error {
	return d.writing(c, func(g models.Grant, b *body, files []email.Enclosure) error {
		change, replyTo, err := drafted(b, files)
		if err != nil {
			return err
		}
		m, err := d.Mailbox.CreateDraft(c.Request().Context(), web.Actor(c), g, change.Apply(email.Draft{}), replyTo)
		if err != nil {
			return err
		}
		return one(c, draftJSON(g, m))
	})
}

// draftUpdate replaces the fields that are named, each whole; the others stay, files included.
func (d *Door) draftUpdate(c echo.Context) error {
	id, err := segment(c, "draft")
	if err != nil {
		return err
	}
	return d.writing(c, func(g models.Grant, b *body, files []email.Enclosure) error {
		change, replyTo, err := drafted(b, files)
		if err != nil {
			return err
		}
		if change == (email.DraftChange{}) && replyTo == "" {
			b.wrong("", "Name what is to be changed, such as subject, body or to.")
			return b.err
		}
		m, err := d.Mailbox.UpdateDraft(c.Request().Context(), web.Actor(c), g, id, change, replyTo)
		if err != nil {
			return err
		}
		return one(c, draftJSON(g, m))
	})
}

func (d *Door) draftDelete(c echo.Context) error {
	id, err := segment(c, "draft")
	if err != nil {
		return err
	}
	g, err := d.mailbox(c)
	if err != nil {
		return err
	}
	if err := d.Mailbox.DeleteDraft(c.Request().Context(), web.Actor(c), g, id); err != nil {
		return err
	}
	return done(c)
}

// draftSend sends a draft as it is kept. Clients send an empty object, or nothing.
func (d *Door) draftSend(c echo.Context) error {
	id, err := segment(c, "draft")
	if err != nil {
		return err
	}
	b, err := bodyOf(c, true)
	if err != nil {
		return err
	}
	if b.has("send_at") {
		b.wrong("send_at", "A draft is sent when it is asked for. To have a message leave later, send it with send_at instead.")
	}
	if b.refuseAbsent(); b.err != nil {
		return b.err
	}
	g, err := d.mailbox(c)
	if err != nil {
		return err
	}
	m, err := d.Mailbox.SendDraft(c.Request().Context(), web.Actor(c), g, id)
	if err != nil {
		return err
	}
	return reply(c, http.StatusOK, map[string]any{"request_id": web.RequestID(c), "grant_id": g.ID.String(), "data": messageJSON(g, m, email.Standard)})
}
