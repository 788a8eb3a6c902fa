package v3

import (
	"encoding/base64"
	"net/http"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/web"
)

var fieldsWords = map[string]email.Fields{"standard": email.Standard, "include_headers": email.WithHeaders, "include_basic_headers": email.WithBasicHeaders, "raw_mime": email.RawOnly}

// messageFields reads which view of a message is wanted. Tracking is not offered, so asking for it is an error and not an empty answer.
func messageFields(q *query) email.Fields {
	word := q.word("fields", "standard", "standard", "include_headers", "include_basic_headers", "raw_mime", "include_tracking_options")
	if word == "include_tracking_options" {
		q.wrong("fields", "Messages are not tracked here, so there are no tracking options to include.")
	}
	return fieldsWords[word]
}

// absentFeatures are parameters that would change which mail is answered, and that cannot be honoured: ignoring them would show the wrong mail.
func absentFeatures(q *query) {
	if q.text("shared_from") != "" || q.text("shared_folder_id") != "" {
		q.wrong("shared_from", "Mailboxes that others have shared are not offered.")
	}
	if len(q.list("metadata_pair")) > 0 {
		q.wrong("metadata_pair", "No metadata is kept with messages here, so it cannot be searched.")
	}
}

func (d *Door) messageList(c echo.Context) error {
	q := queryOf(c)
	want := email.Query{
		Limit: q.number("limit", email.DefaultLimit, 1, email.MaxLimit), Cursor: q.text("page_token"), Subject: q.text("subject"),
		Any: q.addresses("any_email"), From: q.list("from"), To: q.list("to"), Cc: q.list("cc"), Bcc: q.list("bcc"), In: q.repeated("in"),
		ThreadID: q.text("thread_id"), Unread: q.boolean("unread"), Starred: q.boolean("starred"), HasAttachment: q.boolean("has_attachment"),
		ReceivedBefore: q.time("received_before"), ReceivedAfter: q.time("received_after"), Native: q.text("search_query_native"), Fields: messageFields(q),
	}
	q.is("query_imap") // the server is always asked directly
	q.window("received_after", "received_before")
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
	page, err := d.Mailbox.Messages(c.Request().Context(), web.Actor(c), g, want)
	if err != nil {
		return folderUnknown(err, "in")
	}
	data := make([]map[string]any, len(page.Items))
	for i, m := range page.Items {
		data[i] = trim(names, messageJSON(g, m, want.Fields))
	}
	out := map[string]any{"request_id": web.RequestID(c), "data": data}
	if page.Next != "" {
		out["next_cursor"] = page.Next
	}
	return reply(c, http.StatusOK, out)
}

func (d *Door) messageShow(c echo.Context) error {
	q := queryOf(c)
	fields := messageFields(q)
	q.is("query_imap")
	names := q.list("select")
	if q.err != nil {
		return q.err
	}
	id, err := segment(c, "message")
	if err != nil {
		return err
	}
	g, err := d.mailbox(c)
	if err != nil {
		return err
	}
	m, err := d.Mailbox.Message(c.Request().Context(), web.Actor(c), g, id, fields)
	if err != nil {
		return err
	}
	return one(c, trim(names, messageJSON(g, m, fields)))
}

// mailbox finds the grant whose mail is asked for, and counts the request against it.
func (d *Door) mailbox(c echo.Context) (models.Grant, error) {
	g, err := d.grant(c)
	if err != nil {
		return g, err
	}
	return g, d.perGrant.take(g.ID.String())
}

// messageJSON shows a message. With raw_mime nothing but the ids and the message as it travelled is answered.
func messageJSON(g models.Grant, m email.Message, fields email.Fields) map[string]any {
	if fields == email.RawOnly {
		return map[string]any{"id": m.ID, "grant_id": g.ID.String(), "object": "message", "raw_mime": base64.URLEncoding.EncodeToString(m.Raw)}
	}
	out := m.Object(g.ID.String())
	if fields == email.WithHeaders || fields == email.WithBasicHeaders {
		headers := make([]map[string]any, 0, len(m.Headers))
		for _, h := range m.Headers {
			if fields == email.WithHeaders || basicHeader(h.Name) {
				headers = append(headers, map[string]any{"name": h.Name, "value": h.Value})
			}
		}
		out["headers"] = headers
	}
	return out
}

func basicHeader(name string) bool {
	return strings.EqualFold(name, "Message-ID") || strings.EqualFold(name, "In-Reply-To") || strings.EqualFold(name, "References")
}
