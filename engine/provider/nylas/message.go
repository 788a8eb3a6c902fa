package nylas

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/provider"
)

const (
	mostFetches = 5  // pages of theirs for one of ours that would be empty
	rawPage     = 20 // whole messages are heavy
)

var errQuery = fault.New(fault.Invalid, "query_refused", "Nylas, or the mailbox's provider behind it, does not understand this search.").At("search_query_native")

// ListMessages implements provider.MessageLister. Nylas hands filters on to the mailbox's provider, whose searches match loosely: what comes back is looked at
// once more, so that a page may hold fewer than were asked for.
func (c *Connector) ListMessages(ctx context.Context, a provider.Account, q email.Query) (email.Page[email.Message], error) {
	if err := q.Check(); err != nil {
		return email.Page[email.Message]{}, err
	}
	sum := filterSum(q)
	cursor, err := theirCursor(q.Cursor, sum)
	if err != nil {
		return email.Page[email.Message]{}, err
	}
	params, err := filters(q)
	if err != nil {
		return email.Page[email.Message]{}, err
	}
	if params == nil {
		return email.Page[email.Message]{}, nil
	}
	var page email.Page[email.Message]
	err = c.with(ctx, a, func(k *call) error {
		for range mostFetches {
			if cursor != "" {
				params.Set("page_token", cursor)
			}
			var answer envelope[[]wireMessage]
			r := request{method: http.MethodGet, path: k.path("messages"), query: params}
			if len(q.In) > 0 {
				r.missing = provider.ErrFolderNotFound
			}
			err := k.ask(r, &answer)
			if errors.Is(err, errRefused) {
				return k.misread(err, q, cursor != "")
			}
			if err != nil {
				return err
			}
			for _, w := range answer.Data {
				m := w.message(q.Fields, q.NoBody)
				if q.Fields == email.RawOnly || q.Native != "" || q.Matches(m) {
					page.Items = append(page.Items, m)
				}
			}
			if answer.Next == cursor {
				answer.Next = "" // a server that repeats itself must not keep us here
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

// misread says which part of a list request Nylas does not take.
func (k *call) misread(err error, q email.Query, paged bool) error {
	switch {
	case q.Native != "":
		return errQuery.Because(errors.Unwrap(err))
	case len(q.In) > 0:
		if absent := k.folders(q.In); absent != nil {
			return absent
		}
	}
	if paged {
		return provider.ErrCursor.Because(errors.Unwrap(err))
	}
	return err
}

// filters are the parameters of contract section 7.1; nil when nothing can match. Of several addresses Nylas takes the list only in any_email, which holds more
// than what was asked for: the rest is sorted out afterwards.
func filters(q email.Query) (url.Values, error) {
	p := url.Values{"limit": {strconv.Itoa(q.Size())}, "fields": {"include_headers"}}
	switch {
	case q.Fields == email.RawOnly:
		p.Set("fields", "raw_mime")
		p.Set("limit", strconv.Itoa(min(q.Size(), rawPage)))
	case q.NoBody:
		p.Set("select", bodiless)
	}
	if len(q.In) > 1 {
		return nil, fault.New(fault.Invalid, "in_invalid", "Nylas lists one folder at a time. Name one.").At("in")
	}
	for _, id := range q.In {
		theirs, ok := theirID(id)
		if !ok {
			return nil, provider.ErrFolderNotFound
		}
		p.Set("in", theirs)
	}
	if q.Native != "" {
		p.Set("search_query_native", q.Native)
		return p, nil
	}
	if q.ThreadID != "" {
		theirs, ok := theirID(q.ThreadID)
		if !ok {
			return nil, nil
		}
		p.Set("thread_id", theirs)
	}
	if q.Subject != "" {
		p.Set("subject", q.Subject)
	}
	if len(q.Any) > 0 {
		p.Set("any_email", strings.Join(q.Any, ","))
	}
	for _, list := range []struct {
		name string
		all  []string
	}{{"from", q.From}, {"to", q.To}, {"cc", q.Cc}, {"bcc", q.Bcc}} {
		switch {
		case len(list.all) == 1:
			p.Set(list.name, list.all[0])
		case len(list.all) > 1 && !p.Has("any_email"):
			p.Set("any_email", strings.Join(list.all, ","))
		}
	}
	for name, value := range map[string]*bool{"unread": q.Unread, "starred": q.Starred, "has_attachment": q.HasAttachment} {
		if value != nil {
			p.Set(name, strconv.FormatBool(*value))
		}
	}
	// Whether Nylas counts the bound itself is not said: it is asked for one second more on each side.
	if !q.ReceivedAfter.IsZero() {
		p.Set("received_after", strconv.FormatInt(max(0, q.ReceivedAfter.Unix()-1), 10))
	}
	if !q.ReceivedBefore.IsZero() {
		p.Set("received_before", strconv.FormatInt(q.ReceivedBefore.Add(2*time.Second-1).Unix(), 10))
	}
	return p, nil
}

// Message implements provider.MessageReader.
func (c *Connector) Message(ctx context.Context, a provider.Account, id string, want email.Fields) (email.Message, error) {
	theirs, ok := theirID(id)
	if !ok {
		return email.Message{}, provider.ErrMessageNotFound
	}
	var out email.Message
	err := c.with(ctx, a, func(k *call) (err error) {
		out, err = k.message(theirs, want)
		return err
	})
	return out, err
}

func (k *call) message(theirs string, want email.Fields) (email.Message, error) {
	fields := "include_headers"
	if want == email.RawOnly {
		fields = "raw_mime"
	}
	var answer envelope[wireMessage]
	err := k.ask(request{method: http.MethodGet, path: k.path("messages", theirs), query: url.Values{"fields": {fields}}, missing: provider.ErrMessageNotFound}, &answer)
	if errors.Is(err, errRefused) {
		err = provider.ErrMessageNotFound.Because(errors.Unwrap(err)) // an id that cannot be one
	}
	if err != nil {
		return email.Message{}, err
	}
	if answer.Data.ID != theirs {
		return email.Message{}, errUpstream.Because(errors.New("the answer is not the message that was asked for"))
	}
	return answer.Data.message(want, false), nil
}

// UpdateMessage implements provider.MessageUpdater.
func (c *Connector) UpdateMessage(ctx context.Context, a provider.Account, id string, change email.Change) (email.Message, error) {
	theirs, ok := theirID(id)
	if !ok {
		return email.Message{}, provider.ErrMessageNotFound
	}
	body, err := changed(change)
	if err != nil {
		return email.Message{}, err
	}
	var out email.Message
	err = c.with(ctx, a, func(k *call) (err error) {
		if change.Empty() {
			out, err = k.message(theirs, email.Standard)
			return err
		}
		var answer envelope[wireMessage]
		if err := k.put(http.MethodPut, k.path("messages", theirs), body, &answer, provider.ErrMessageNotFound); err != nil {
			return k.unmoved(err, change.Folders)
		}
		if answer.Data.ID == "" {
			answer.Data.ID = theirs
		}
		// The answer to a change need not hold everything; and a move may have given the message another id.
		out, err = k.message(answer.Data.ID, email.Standard)
		return err
	})
	return out, err
}

// changed is a change as Nylas takes it.
func changed(change email.Change) (map[string]any, error) {
	body := map[string]any{}
	if change.Unread != nil {
		body["unread"] = *change.Unread
	}
	if change.Starred != nil {
		body["starred"] = *change.Starred
	}
	if change.Folders != nil {
		theirs := make([]string, len(change.Folders))
		for i, id := range change.Folders {
			var ok bool
			if theirs[i], ok = theirID(id); !ok {
				return nil, provider.ErrFolderNotFound
			}
		}
		body["folders"] = theirs
	}
	return body, nil
}

// unmoved tells a folder that is not there from a message that is not.
func (k *call) unmoved(err error, folders []string) error {
	if len(folders) > 0 && (errors.Is(err, errRefused) || errors.Is(err, provider.ErrMessageNotFound)) {
		if absent := k.folders(folders); absent != nil {
			return absent
		}
	}
	return err
}

// DeleteMessage implements provider.MessageDeleter. Erasing must be switched on for the application at Nylas; where it is not, Nylas refuses.
func (c *Connector) DeleteMessage(ctx context.Context, a provider.Account, id string, forever bool) error {
	theirs, ok := theirID(id)
	if !ok {
		return provider.ErrMessageNotFound
	}
	return c.with(ctx, a, func(k *call) error {
		r := request{method: http.MethodDelete, path: k.path("messages", theirs), missing: provider.ErrMessageNotFound}
		if forever {
			r.query = url.Values{"hard_delete": {"true"}}
		}
		return k.ask(r, nil)
	})
}
