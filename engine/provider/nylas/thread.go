package nylas

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/provider/rfc5322"
)

// wireThread is contract section 7.6.
type wireThread struct {
	ID           string        `json:"id"`
	Subject      string        `json:"subject"`
	Snippet      string        `json:"snippet"`
	Participants []wireAddress `json:"participants"`
	Messages     []string      `json:"message_ids"`
	Drafts       []string      `json:"draft_ids"`
	Folders      []string      `json:"folders"`
	Earliest     int64         `json:"earliest_message_date"`
	Received     int64         `json:"latest_message_received_date"`
	Sent         int64         `json:"latest_message_sent_date"`
	Unread       bool          `json:"unread"`
	Starred      bool          `json:"starred"`
	Attachments  bool          `json:"has_attachments"`
	Latest       wireMessage   `json:"latest_draft_or_message"`
}

func (w wireThread) thread(noBody bool) email.Thread {
	t := email.Thread{ID: ourID(w.ID), Subject: rfc5322.OneLine(w.Subject), Snippet: rfc5322.Snippet(w.Snippet, w.Latest.Body), Participants: addresses(w.Participants), MessageIDs: ourIDs(w.Messages), DraftIDs: ourIDs(w.Drafts),
		Folders: ourIDs(w.Folders), Earliest: moment(w.Earliest), LastReceived: moment(w.Received), LastSent: moment(w.Sent), Unread: w.Unread, Starred: w.Starred, Attachments: w.Attachments,
		Latest: w.Latest.message(email.Standard, noBody)}
	// Whether ids come oldest or newest first is not said; which of them is the newest is.
	if n := len(t.MessageIDs); n > 1 && t.MessageIDs[0] == t.Latest.ID {
		slices.Reverse(t.MessageIDs)
	}
	return t
}

func moment(unix int64) time.Time {
	if unix <= 0 {
		return time.Time{}
	}
	return time.Unix(unix, 0).UTC()
}

// threads is the shape of a list of them. An example of the reference nests the list in an object; both are read.
type threads []wireThread

func (t *threads) UnmarshalJSON(b []byte) error {
	var plain []wireThread
	if json.Unmarshal(b, &plain) == nil {
		*t = plain
		return nil
	}
	var nested struct {
		Threads []wireThread `json:"threads"`
	}
	err := json.Unmarshal(b, &nested)
	*t = nested.Threads
	return err
}

// ListThreads implements provider.ThreadReader. The filters about messages are Nylas' to judge; those about the thread are looked at once more.
func (c *Connector) ListThreads(ctx context.Context, a provider.Account, q email.ThreadQuery) (email.Page[email.Thread], error) {
	var page email.Page[email.Thread]
	if err := q.Check(); err != nil {
		return page, err
	}
	m := q.Messages()
	m.Unread, m.Starred, m.HasAttachment, m.ReceivedBefore, m.ReceivedAfter, m.ThreadID = q.Unread, q.Starred, q.HasAttachment, q.LatestBefore, q.LatestAfter, "threads"
	sum := filterSum(m)
	cursor, err := theirCursor(q.Cursor, sum)
	if err != nil {
		return page, err
	}
	m.ThreadID = ""
	params, err := filters(m)
	if err != nil {
		return page, err
	}
	for old, now := range map[string]string{"received_after": "latest_message_after", "received_before": "latest_message_before"} {
		if params.Has(old) {
			params.Set(now, params.Get(old))
			params.Del(old)
		}
	}
	params.Del("fields")
	params.Del("select")
	params.Set("limit", strconv.Itoa(q.Size()))
	err = c.with(ctx, a, func(k *call) error {
		for range mostFetches {
			if cursor != "" {
				params.Set("page_token", cursor)
			}
			var answer envelope[threads]
			r := request{method: http.MethodGet, path: k.path("threads"), query: params}
			if len(q.In) > 0 {
				r.missing = provider.ErrFolderNotFound
			}
			err := k.ask(r, &answer)
			if errors.Is(err, errRefused) {
				return k.misread(err, m, cursor != "")
			}
			if err != nil {
				return err
			}
			for _, w := range answer.Data {
				if t := w.thread(q.NoBody); q.Matches(t) {
					page.Items = append(page.Items, t)
				}
			}
			if answer.Next == cursor {
				answer.Next = ""
			}
			cursor = answer.Next
			if page.Next = cursorOf(cursor, sum); cursor == "" || len(page.Items) > 0 {
				return nil
			}
		}
		return nil
	})
	return page, err
}

// Thread implements provider.ThreadReader.
func (c *Connector) Thread(ctx context.Context, a provider.Account, id string) (email.Thread, error) {
	theirs, ok := theirID(id)
	if !ok {
		return email.Thread{}, provider.ErrThreadNotFound
	}
	var out email.Thread
	err := c.with(ctx, a, func(k *call) (err error) {
		out, err = k.thread(theirs)
		return err
	})
	return out, err
}

func (k *call) thread(theirs string) (email.Thread, error) {
	var answer envelope[wireThread]
	err := k.ask(request{method: http.MethodGet, path: k.path("threads", theirs), missing: provider.ErrThreadNotFound}, &answer)
	if errors.Is(err, errRefused) {
		err = provider.ErrThreadNotFound.Because(errors.Unwrap(err)) // an id that cannot be one
	}
	if err != nil {
		return email.Thread{}, err
	}
	if answer.Data.ID != theirs {
		return email.Thread{}, errUpstream.Because(errors.New("the answer is not the thread that was asked for"))
	}
	return answer.Data.thread(false), nil
}

// UpdateThread implements provider.ThreadWriter.
func (c *Connector) UpdateThread(ctx context.Context, a provider.Account, id string, change email.Change) (email.Thread, error) {
	theirs, ok := theirID(id)
	if !ok {
		return email.Thread{}, provider.ErrThreadNotFound
	}
	body, err := changed(change)
	if err != nil {
		return email.Thread{}, err
	}
	var out email.Thread
	err = c.with(ctx, a, func(k *call) (err error) {
		if !change.Empty() {
			err := k.put(http.MethodPut, k.path("threads", theirs), body, nil, provider.ErrThreadNotFound)
			if err != nil && len(change.Folders) > 0 && (errors.Is(err, errRefused) || errors.Is(err, provider.ErrThreadNotFound)) {
				if absent := k.folders(change.Folders); absent != nil {
					return absent
				}
			}
			if err != nil {
				return err
			}
		}
		out, err = k.thread(theirs)
		return err
	})
	return out, err
}

// DeleteThread implements provider.ThreadWriter.
func (c *Connector) DeleteThread(ctx context.Context, a provider.Account, id string) error {
	theirs, ok := theirID(id)
	if !ok {
		return provider.ErrThreadNotFound
	}
	return c.with(ctx, a, func(k *call) error {
		return k.ask(request{method: http.MethodDelete, path: k.path("threads", theirs), missing: provider.ErrThreadNotFound}, nil)
	})
}

// answered finds what a Message-ID is called there, for reply_to_message_id. That is an id of the provider's at Google and Microsoft, and the Message-ID itself
// elsewhere (Nylas, "Send a message"). Not finding it is no reason not to write.
func (k *call) answered(messageID string) string {
	if strings.ContainsAny(messageID, " \t\"'(){}\r\n") {
		return ""
	}
	g, err := k.find()
	if err != nil {
		return ""
	}
	native := ""
	switch g.Provider {
	case "google":
		native = "rfc822msgid:" + messageID
	case "microsoft":
		native = "$filter=internetMessageId eq '<" + messageID + ">'"
	default:
		return "<" + messageID + ">"
	}
	var answer envelope[[]wireMessage]
	if k.ask(request{method: http.MethodGet, path: k.path("messages"), query: url.Values{"search_query_native": {native}, "limit": {"1"}}}, &answer) != nil || len(answer.Data) != 1 {
		return ""
	}
	return answer.Data[0].ID
}

// draftAbsent is what an id that cannot be one is answered with.
func draftAbsent(err error) error {
	if f, ok := fault.As(err); ok && f.Code == errRefused.Code {
		return provider.ErrDraftNotFound.Because(errors.Unwrap(err))
	}
	return err
}
