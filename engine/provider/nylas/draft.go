package nylas

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/provider"
)

// ListDrafts implements provider.DraftReader.
func (c *Connector) ListDrafts(ctx context.Context, a provider.Account, q email.Query) (email.Page[email.Message], error) {
	var page email.Page[email.Message]
	q.In, q.Native = nil, ""
	if err := q.Check(); err != nil {
		return page, err
	}
	sum := filterSum(q) ^ 0x5a5a5a5a // a cursor of messages is none of drafts
	cursor, err := theirCursor(q.Cursor, sum)
	if err != nil {
		return page, err
	}
	params, err := filters(q)
	if err != nil || params == nil {
		return page, err
	}
	for _, name := range []string{"fields", "select", "received_after", "received_before", "unread", "from", "bcc"} {
		params.Del(name) // GET drafts does not know these; what comes back is looked at once more
	}
	err = c.with(ctx, a, func(k *call) error {
		for range mostFetches {
			if cursor != "" {
				params.Set("page_token", cursor)
			}
			var answer envelope[[]wireMessage]
			err := k.ask(request{method: http.MethodGet, path: k.path("drafts"), query: params}, &answer)
			if errors.Is(err, errRefused) {
				return k.misread(err, q, cursor != "")
			}
			if err != nil {
				return err
			}
			for _, w := range answer.Data {
				w.Object = "draft"
				if m := w.message(email.Standard, q.NoBody); q.Matches(m) {
					page.Items = append(page.Items, m)
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

// Draft implements provider.DraftReader.
func (c *Connector) Draft(ctx context.Context, a provider.Account, id string) (email.Message, error) {
	theirs, ok := theirID(id)
	if !ok {
		return email.Message{}, provider.ErrDraftNotFound
	}
	var out email.Message
	err := c.with(ctx, a, func(k *call) (err error) {
		out, err = k.draft(theirs)
		return err
	})
	return out, err
}

func (k *call) draft(theirs string) (email.Message, error) {
	var answer envelope[wireMessage]
	if err := k.ask(request{method: http.MethodGet, path: k.path("drafts", theirs), missing: provider.ErrDraftNotFound}, &answer); err != nil {
		return email.Message{}, draftAbsent(err)
	}
	if answer.Data.ID != theirs {
		return email.Message{}, errUpstream.Because(errors.New("the answer is not the draft that was asked for"))
	}
	answer.Data.Object = "draft"
	return answer.Data.message(email.Standard, false), nil
}

// CreateDraft implements provider.DraftWriter.
func (c *Connector) CreateDraft(ctx context.Context, a provider.Account, d email.Draft) (email.Message, error) {
	if err := d.CheckKept(); err != nil {
		return email.Message{}, err
	}
	body := map[string]any{"subject": d.Subject}
	if d.Starred {
		body["starred"] = true
	}
	people(body, map[string]*[]email.Address{"from": &d.From, "to": &d.To, "cc": &d.Cc, "bcc": &d.Bcc, "reply_to": &d.ReplyTo})
	text(body, d.HTML, d.Plain)
	return c.write(ctx, a, http.MethodPost, "", body, d.Attachments, d.InReplyTo, d.References, d.Headers)
}

// UpdateDraft implements provider.DraftWriter. Nylas leaves what is not named and replaces what is named whole (contract, section 1.6), as we do.
func (c *Connector) UpdateDraft(ctx context.Context, a provider.Account, id string, change email.DraftChange) (email.Message, error) {
	theirs, ok := theirID(id)
	if !ok {
		return email.Message{}, provider.ErrDraftNotFound
	}
	if err := change.Check(); err != nil {
		return email.Message{}, err
	}
	body := map[string]any{}
	people(body, map[string]*[]email.Address{"from": change.From, "to": change.To, "cc": change.Cc, "bcc": change.Bcc, "reply_to": change.ReplyTo})
	if change.Subject != nil {
		body["subject"] = *change.Subject
	}
	if change.Body != nil {
		text(body, change.Body.HTML, change.Body.Plain)
	}
	if change.Starred != nil {
		body["starred"] = *change.Starred
	}
	var files []email.Enclosure
	if change.Attachments != nil {
		if files = *change.Attachments; len(files) == 0 {
			body["attachments"] = []wireEnclosure{}
		}
	}
	var further []email.Header
	if change.Headers != nil {
		further = *change.Headers
		body["custom_headers"] = []wireHeader{}
	}
	answers, chain := "", []string(nil)
	if change.InReplyTo != nil {
		answers = *change.InReplyTo
	}
	if change.References != nil {
		chain = *change.References
	}
	return c.write(ctx, a, http.MethodPut, theirs, body, files, answers, chain, further)
}

// people names the lists that are given; an empty one empties the field.
func people(body map[string]any, lists map[string]*[]email.Address) {
	for name, all := range lists {
		if all == nil || name == "from" && len(*all) == 0 {
			continue
		}
		list := wired(*all)
		if list == nil {
			list = []wireAddress{}
		}
		body[name] = list
	}
}

// text says the body: one form, HTML where there is one.
func text(body map[string]any, html, plain string) {
	body["body"], body["is_plaintext"] = html, false
	if html == "" {
		body["body"], body["is_plaintext"] = plain, plain != ""
	}
}

// write makes or changes a draft and answers it as it then is. id is empty for a new one.
func (c *Connector) write(ctx context.Context, a provider.Account, method, id string, body map[string]any, files []email.Enclosure, answers string, chain []string, further []email.Header) (email.Message, error) {
	custom := headers(further)
	var out email.Message
	err := c.with(ctx, a, func(k *call) (err error) {
		if id != "" && len(body) == 0 && len(files) == 0 && answers == "" {
			out, err = k.draft(id)
			return err
		}
		if answers != "" {
			if to := k.answered(answers); to != "" {
				body["reply_to_message_id"] = to
			} else {
				custom = append(custom, wireHeader{"In-Reply-To", "<" + answers + ">"}, wireHeader{"References", "<" + strings.Join(append(chain[:len(chain):len(chain)], answers), "> <") + ">"})
			}
		}
		if len(custom) > 0 {
			body["custom_headers"] = custom
		}
		r, err := draftRequest(body, files)
		if err != nil {
			return err
		}
		r.method, r.path, r.missing = method, k.path("drafts"), errRefused
		if id != "" {
			r.path, r.missing = k.path("drafts", id), provider.ErrDraftNotFound
		}
		var answer envelope[wireMessage]
		if err := k.ask(r, &answer); err != nil {
			return err
		}
		if answer.Data.ID == "" {
			return errUpstream.Because(errors.New("the draft has no id"))
		}
		// The answer to a write need not hold everything.
		out, err = k.draft(answer.Data.ID)
		return err
	})
	return out, err
}

// DeleteDraft implements provider.DraftWriter.
func (c *Connector) DeleteDraft(ctx context.Context, a provider.Account, id string) error {
	theirs, ok := theirID(id)
	if !ok {
		return provider.ErrDraftNotFound
	}
	return c.with(ctx, a, func(k *call) error {
		return draftAbsent(k.ask(request{method: http.MethodDelete, path: k.path("drafts", theirs), missing: provider.ErrDraftNotFound}, nil))
	})
}

var errNobody = fault.New(fault.Invalid, "recipient_missing", "Name at least one recipient.").At("to")

// SendDraft implements provider.DraftSender.
func (c *Connector) SendDraft(ctx context.Context, a provider.Account, id string) (email.Message, error) {
	theirs, ok := theirID(id)
	if !ok {
		return email.Message{}, provider.ErrDraftNotFound
	}
	var out email.Message
	err := c.with(ctx, a, func(k *call) error {
		d, err := k.draft(theirs)
		if err != nil {
			return err
		}
		if len(d.To)+len(d.Cc)+len(d.Bcc) == 0 {
			return errNobody
		}
		var answer envelope[wireMessage]
		if err := k.put(http.MethodPost, k.path("drafts", theirs), struct{}{}, &answer, provider.ErrDraftNotFound); err != nil {
			return unsent(err)
		}
		answer.Data.Object = "message"
		out = answer.Data.message(email.Standard, false)
		return nil
	})
	return out, err
}
