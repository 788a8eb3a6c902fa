package graph

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/provider"
)

// A draft at Microsoft is a message that has not been sent ("Create message", "Update message"); with immutable ids it keeps its id when it is sent.

var (
	errNobody  = fault.New(fault.Invalid, "recipient_missing", "Name at least one recipient.").At("to")
	errAnswers = fault.New(fault.Invalid, "reply_to_fixed", "At Microsoft a draft stays in the conversation in which it was begun. Make another draft.").At("reply_to_message_id")
)

// ListDrafts implements provider.DraftReader.
func (c *Connector) ListDrafts(ctx context.Context, a provider.Account, q email.Query) (email.Page[email.Message], error) {
	q.In, q.Native = []string{"drafts"}, ""
	page, err := c.ListMessages(ctx, a, q)
	for i := range page.Items {
		page.Items[i].Draft = true
	}
	return page, err
}

// Draft implements provider.DraftReader.
func (c *Connector) Draft(ctx context.Context, a provider.Account, id string) (email.Message, error) {
	var out email.Message
	err := c.with(ctx, a, func(k *call) (err error) {
		_, out, err = k.draft(id)
		return err
	})
	return out, err
}

// draft reads a draft and answers its path. What was deleted is still a draft to Microsoft, among the deleted items.
func (k *call) draft(id string) (string, email.Message, error) {
	path, err := messagePath(id)
	if err != nil {
		return "", email.Message{}, provider.ErrDraftNotFound
	}
	m, err := k.message(path, id, email.Standard)
	if errors.Is(err, provider.ErrMessageNotFound) {
		err = provider.ErrDraftNotFound.Because(errors.Unwrap(err))
	}
	if err != nil {
		return "", email.Message{}, err
	}
	bin, err := k.special("deleteditems")
	if err != nil {
		return "", email.Message{}, err
	}
	if !m.Draft || len(m.Folders) == 1 && m.Folders[0] == ourID(bin) {
		return "", email.Message{}, provider.ErrDraftNotFound
	}
	return path, m, nil
}

func people(all []email.Address) []map[string]any {
	out := []map[string]any{}
	for _, a := range all {
		one := map[string]string{"address": a.Email}
		if a.Name != "" {
			one["name"] = a.Name
		}
		out = append(out, map[string]any{"emailAddress": one})
	}
	return out
}

// properties is what a change names, as Microsoft calls it. A body is HTML where there is one.
func properties(c email.DraftChange) map[string]any {
	set := map[string]any{}
	for name, all := range map[string]*[]email.Address{"toRecipients": c.To, "ccRecipients": c.Cc, "bccRecipients": c.Bcc, "replyTo": c.ReplyTo} {
		if all != nil {
			set[name] = people(*all)
		}
	}
	if c.From != nil && len(*c.From) > 0 {
		set["from"] = people(*c.From)[0]
	}
	if c.Subject != nil {
		set["subject"] = *c.Subject
	}
	if c.Body != nil {
		kind, content := "html", c.Body.HTML
		if content == "" && c.Body.Plain != "" {
			kind, content = "text", c.Body.Plain
		}
		set["body"] = map[string]string{"contentType": kind, "content": content}
	}
	if c.Starred != nil {
		status := "notFlagged"
		if *c.Starred {
			status = "flagged"
		}
		set["flag"] = map[string]string{"flagStatus": status}
	}
	return set
}

// CreateDraft implements provider.DraftWriter. An answer begins as Microsoft's own reply to the message answered, which puts it into the conversation.
func (c *Connector) CreateDraft(ctx context.Context, a provider.Account, d email.Draft) (email.Message, error) {
	if err := d.CheckKept(); err != nil {
		return email.Message{}, err
	}
	total := int64(len(d.HTML) + len(d.Plain))
	for _, e := range d.Attachments {
		total += email.Reader(e.Content).Size()
	}
	if total > sendMost {
		return email.Message{}, errTooLarge
	}
	set := properties(email.DraftChange{To: &d.To, Cc: &d.Cc, Bcc: &d.Bcc, ReplyTo: &d.ReplyTo, Subject: &d.Subject, Body: &email.Body{HTML: d.HTML, Plain: d.Plain}})
	if len(d.From) > 0 {
		set["from"] = people(d.From)[0]
	}
	if d.Starred {
		set["flag"] = map[string]string{"flagStatus": "flagged"}
	}
	var out email.Message
	err := c.with(ctx, a, func(k *call) error {
		var made wireMessage
		if answered := k.answered(d.InReplyTo); answered != "" {
			if err := k.post("/me/messages/"+url.PathEscape(answered)+"/createReply", map[string]any{}, &made, nil); err != nil {
				return err
			}
		}
		if made.ID == "" {
			if len(d.Headers) > 0 {
				headers := []map[string]string{}
				for _, h := range d.Headers {
					headers = append(headers, map[string]string{"name": h.Name, "value": h.Value})
				}
				set["internetMessageHeaders"] = headers
			}
			if err := k.post("/me/messages", set, &made, nil); err != nil {
				return senderRefused(err)
			}
		} else if err := k.patch("/me/messages/"+url.PathEscape(made.ID), set); err != nil {
			_ = k.erase("/me/messages/" + url.PathEscape(made.ID))
			return senderRefused(err)
		}
		if made.ID == "" {
			return errUpstream.Because(errors.New("the draft has no id"))
		}
		path := "/me/messages/" + url.PathEscape(made.ID)
		for _, e := range d.Attachments {
			if err := k.attach(path, e); err != nil {
				_ = k.erase(path) // half a draft is none
				return err
			}
		}
		var err error
		out, err = k.message(path, ourID(made.ID), email.Standard)
		return err
	})
	return out, err
}

// answered finds the message that bears a Message-ID. Not finding it is no reason not to write.
func (k *call) answered(messageID string) string {
	if messageID == "" {
		return ""
	}
	var answer struct {
		Value []wireMessage `json:"value"`
	}
	query := params{"$filter", "internetMessageId eq " + literal("<"+messageID+">"), "$top", "1", "$select", "id,isDraft"}
	if k.json(request{method: http.MethodGet, path: "/me/messages", query: query}, &answer) != nil || len(answer.Value) == 0 || answer.Value[0].IsDraft {
		return ""
	}
	return answer.Value[0].ID
}

// UpdateDraft implements provider.DraftWriter. Attachments are changed last: when Microsoft refuses the rest, they have stayed.
func (c *Connector) UpdateDraft(ctx context.Context, a provider.Account, id string, change email.DraftChange) (email.Message, error) {
	if err := change.Check(); err != nil {
		return email.Message{}, err
	}
	if change.InReplyTo != nil && *change.InReplyTo != "" {
		return email.Message{}, errAnswers
	}
	var out email.Message
	err := c.with(ctx, a, func(k *call) error {
		path, have, err := k.draft(id)
		if err != nil {
			return err
		}
		if set := properties(change); len(set) > 0 {
			if err := k.patch(path, set); err != nil {
				return senderRefused(err)
			}
		}
		if change.Attachments != nil {
			if err := k.exchangeFiles(path, have.Attachments, *change.Attachments); err != nil {
				return err
			}
		}
		_, out, err = k.draft(id)
		return err
	})
	return out, err
}

// exchangeFiles puts new attachments into a draft before it takes the old ones away.
func (k *call) exchangeFiles(path string, old []email.Attachment, files []email.Enclosure) error {
	for _, e := range files {
		if err := k.attach(path, e); err != nil {
			return err
		}
	}
	for _, a := range old {
		theirs, ok := theirID(a.ID)
		if !ok {
			continue
		}
		if err := k.json(request{method: http.MethodDelete, path: path + "/attachments/" + url.PathEscape(theirs)}, nil); found(err) != nil {
			return err
		}
	}
	return nil
}

// DeleteDraft implements provider.DraftWriter: the draft goes among the deleted items.
func (c *Connector) DeleteDraft(ctx context.Context, a provider.Account, id string) error {
	return c.with(ctx, a, func(k *call) error {
		path, _, err := k.draft(id)
		if err != nil {
			return err
		}
		return k.json(request{method: http.MethodDelete, path: path, missing: provider.ErrDraftNotFound}, nil)
	})
}

// SendDraft implements provider.DraftSender.
func (c *Connector) SendDraft(ctx context.Context, a provider.Account, id string) (email.Message, error) {
	var out email.Message
	err := c.with(ctx, a, func(k *call) error {
		path, m, err := k.draft(id)
		if err != nil {
			return err
		}
		if len(m.To)+len(m.Cc)+len(m.Bcc) == 0 {
			return errNobody
		}
		if err := k.json(request{method: http.MethodPost, path: path + "/send", missing: provider.ErrDraftNotFound}, nil); err != nil {
			return senderRefused(err)
		}
		out = m
		out.Draft, out.Unread, out.Folders, out.Date = false, false, nil, c.now().UTC()
		if outbox, err := k.special("sentitems"); err == nil && outbox != "" {
			out.Folders = []string{ourID(outbox)}
		}
		return nil
	})
	return out, err
}
