package v3

import (
	"errors"
	"net/http"
	"slices"

	"github.com/labstack/echo/v4"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/web"
)

const latest = "latest_draft_or_message"

func threadJSON(g models.Grant, t email.Thread) map[string]any {
	newest := messageJSON(g, t.Latest, email.Standard)
	if t.Latest.Draft {
		newest["object"] = "draft"
	}
	out := map[string]any{"id": t.ID, "grant_id": g.ID.String(), "object": "thread", "subject": t.Subject, "snippet": t.Snippet, "participants": email.People(t.Participants),
		"message_ids": list(t.MessageIDs), "draft_ids": list(t.DraftIDs), "folders": list(t.Folders), "unread": t.Unread, "starred": t.Starred,
		"has_attachments": t.Attachments, "has_drafts": len(t.DraftIDs) > 0, latest: newest}
	if !t.Earliest.IsZero() {
		out["earliest_message_date"] = t.Earliest.Unix()
	}
	if !t.LastReceived.IsZero() {
		out["latest_message_received_date"] = t.LastReceived.Unix()
	}
	if !t.LastSent.IsZero() {
		out["latest_message_sent_date"] = t.LastSent.Unix()
	}
	return out
}

func (d *Door) threadList(c echo.Context) error {
	q := queryOf(c)
	want := email.ThreadQuery{
		Limit: q.number("limit", email.DefaultThreads, 1, email.MaxThreads), Cursor: q.text("page_token"), Subject: q.text("subject"),
		Any: q.addresses("any_email"), From: q.list("from"), To: q.list("to"), Cc: q.list("cc"), Bcc: q.list("bcc"), In: q.repeated("in"),
		Unread: q.boolean("unread"), Starred: q.boolean("starred"), HasAttachment: q.boolean("has_attachment"),
		LatestBefore: q.time("latest_message_before"), LatestAfter: q.time("latest_message_after"), Native: q.text("search_query_native"),
	}
	q.is("query_imap") // the server is always asked directly
	if q.text("earliest_message_date") != "" {
		q.wrong("earliest_message_date", "Threads are not filtered by their first message here. Use latest_message_after or latest_message_before.")
	}
	q.window("latest_message_after", "latest_message_before")
	absentFeatures(q)
	only := q.text("thread_id")
	names := q.list("select")
	want.NoBody = len(names) > 0 && !slices.ContainsFunc(names, func(n string) bool { return n == latest || n == latest+".body" })
	if q.err != nil {
		return q.err
	}
	g, err := d.mailbox(c)
	if err != nil {
		return err
	}
	var page email.Page[email.Thread]
	if only != "" {
		page, err = d.oneThread(c, g, only, want)
	} else {
		page, err = d.Mailbox.Threads(c.Request().Context(), web.Actor(c), g, want)
	}
	if err != nil {
		return folderUnknown(err, "in")
	}
	data := make([]map[string]any, len(page.Items))
	for i, t := range page.Items {
		data[i] = trim(names, threadJSON(g, t))
	}
	out := map[string]any{"request_id": web.RequestID(c), "data": data}
	if page.Next != "" {
		out["next_cursor"] = page.Next
	}
	return reply(c, http.StatusOK, out)
}

var errOneThread = fault.New(fault.Invalid, "filters_contradict", "thread_id names one thread. It goes together with unread, starred, has_attachment and the times of the latest message alone.").At("thread_id")

// oneThread is the list of threads for an id, which SDKs offer as a filter: that thread, or none.
func (d *Door) oneThread(c echo.Context, g models.Grant, id string, want email.ThreadQuery) (page email.Page[email.Thread], err error) {
	if want.Messages().AboutMessages() || len(want.In) > 0 || want.Cursor != "" {
		return page, errOneThread
	}
	t, err := d.Mailbox.Thread(c.Request().Context(), web.Actor(c), g, id)
	switch {
	case errors.Is(err, provider.ErrThreadNotFound):
		return page, nil
	case err == nil && want.Matches(t):
		page.Items = []email.Thread{t}
	}
	return page, err
}

func (d *Door) threadShow(c echo.Context) error {
	q := queryOf(c)
	q.is("query_imap")
	absentFeatures(q)
	names := q.list("select")
	if q.err != nil {
		return q.err
	}
	id, err := segment(c, "thread")
	if err != nil {
		return err
	}
	g, err := d.mailbox(c)
	if err != nil {
		return err
	}
	t, err := d.Mailbox.Thread(c.Request().Context(), web.Actor(c), g, id)
	if err != nil {
		return err
	}
	return one(c, trim(names, threadJSON(g, t)))
}

// threadUpdate marks and moves every message of a thread.
func (d *Door) threadUpdate(c echo.Context) error {
	id, err := segment(c, "thread")
	if err != nil {
		return err
	}
	b, err := bodyOf(c, false)
	if err != nil {
		return err
	}
	change := changeOf(b)
	if b.err != nil {
		return b.err
	}
	g, err := d.mailbox(c)
	if err != nil {
		return err
	}
	t, err := d.Mailbox.UpdateThread(c.Request().Context(), web.Actor(c), g, id, change)
	if err != nil {
		return folderUnknown(err, "folders")
	}
	return one(c, threadJSON(g, t))
}

// threadDelete moves every message of a thread to the trash.
func (d *Door) threadDelete(c echo.Context) error {
	id, err := segment(c, "thread")
	if err != nil {
		return err
	}
	g, err := d.mailbox(c)
	if err != nil {
		return err
	}
	if err := d.Mailbox.DeleteThread(c.Request().Context(), web.Actor(c), g, id); err != nil {
		return err
	}
	return done(c)
}
