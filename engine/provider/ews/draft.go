package ews

import (
	"bytes"
	"context"
	"errors"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/provider/rfc5322"
)

// A draft at an Exchange server is a message that was not sent. It is made of MIME, which loses nothing, and changed property by property, because it keeps its id only then.

var (
	errNobody  = fault.New(fault.Invalid, "recipient_missing", "Name at least one recipient.").At("to")
	errAnswers = fault.New(fault.Invalid, "reply_to_fixed", "At an Exchange server a draft stays in the conversation in which it was begun. Make another draft.").At("reply_to_message_id")
	errHeaders = fault.New(fault.Invalid, "headers_fixed", "At an Exchange server the custom header fields of a draft cannot be changed. Make another draft.").At("custom_headers")
)

// ListDrafts implements provider.DraftReader.
func (c *Connector) ListDrafts(ctx context.Context, a provider.Account, q email.Query) (email.Page[email.Message], error) {
	q.In, q.Native = []string{"Drafts"}, ""
	page, err := c.ListMessages(ctx, a, q)
	for i := range page.Items {
		page.Items[i].Draft = true
	}
	return page, err
}

// Draft implements provider.DraftReader.
func (c *Connector) Draft(ctx context.Context, a provider.Account, id string) (email.Message, error) {
	var out email.Message
	err := c.with(ctx, a, func(c *caller) error {
		it, err := c.draft(id, true)
		if err != nil {
			return err
		}
		out, err = c.message(it, email.Standard)
		return err
	})
	return out, err
}

// draft reads a draft. What was deleted is still a draft to the server, in the trash.
func (c *caller) draft(id string, mime bool) (item, error) {
	full, ok := theirs(id)
	if !ok {
		return item{}, provider.ErrDraftNotFound
	}
	it, err := c.item(itemID{ID: full}, mime)
	if fault.KindOf(err) == fault.NotFound {
		return item{}, provider.ErrDraftNotFound.Because(errors.Unwrap(err))
	}
	if err != nil {
		return item{}, err
	}
	s, err := c.specials()
	if err != nil {
		return item{}, err
	}
	if !it.Draft || s.id(it.Parent.ID) == "Trash" {
		return item{}, provider.ErrDraftNotFound
	}
	return it, nil
}

// CreateDraft implements provider.DraftWriter (CreateItem, SaveOnly).
func (c *Connector) CreateDraft(ctx context.Context, a provider.Account, d email.Draft) (email.Message, error) {
	msg, err := rfc5322.Keep(d, email.Address{Email: a.Address}, c.now())
	if err != nil {
		return email.Message{}, err
	}
	size, err := msg.Fits(sendMost, errTooLarge)
	if err != nil {
		return email.Message{}, err
	}
	kept := outgoing{Mime: &mimeContent{Charset: "UTF-8", Base64: messageHere}, Bcc: peopleOf(d.Bcc)}
	if d.Starred {
		kept.Flag = &flag{"Flagged"}
	}
	var out email.Message
	err = c.with(ctx, a, func(c *caller) error {
		m, err := c.create(createItem{Deliver: "SaveOnly", Saved: folderIDs{Named: []distinguished{{"drafts"}}}, Items: []outgoing{kept}}, msg, size)
		if err != nil {
			return err
		}
		if len(m.Items.All) != 1 || m.Items.All[0].ID.ID == "" {
			return errRefused.Because(errors.New("the draft has no id"))
		}
		it, err := c.item(itemID{ID: m.Items.All[0].ID.ID}, true)
		if err != nil {
			return err
		}
		out, err = c.message(it, email.Standard)
		return err
	})
	return out, err
}

// UpdateDraft implements provider.DraftWriter. Attachments are changed last: when the server refuses the rest, they have stayed.
func (c *Connector) UpdateDraft(ctx context.Context, a provider.Account, id string, change email.DraftChange) (email.Message, error) {
	if err := change.Check(); err != nil {
		return email.Message{}, err
	}
	switch {
	case change.InReplyTo != nil && *change.InReplyTo != "":
		return email.Message{}, errAnswers
	case change.Headers != nil && len(*change.Headers) > 0:
		return email.Message{}, errHeaders
	}
	var out email.Message
	err := c.with(ctx, a, func(c *caller) error {
		it, err := c.draft(id, false)
		if err != nil {
			return err
		}
		if err := c.rewrite(it.ID.ID, updatesOf(change)); err != nil {
			return err
		}
		if change.Attachments != nil {
			if err := c.exchangeFiles(it.ID.ID, *change.Attachments); err != nil {
				return err
			}
		}
		if it, err = c.draft(id, true); err != nil {
			return err
		}
		out, err = c.message(it, email.Standard)
		return err
	})
	return out, err
}

// updatesOf is what a change names, as UpdateItem takes it: a list that is emptied is deleted.
func updatesOf(change email.DraftChange) []fieldUpdate {
	var out []fieldUpdate
	for _, f := range []struct {
		uri  string
		all  *[]email.Address
		into func(*outgoing, *people)
	}{
		{"message:ToRecipients", change.To, func(o *outgoing, p *people) { o.To = p }}, {"message:CcRecipients", change.Cc, func(o *outgoing, p *people) { o.Cc = p }},
		{"message:BccRecipients", change.Bcc, func(o *outgoing, p *people) { o.Bcc = p }}, {"message:ReplyTo", change.ReplyTo, func(o *outgoing, p *people) { o.ReplyTo = p }},
	} {
		switch {
		case f.all == nil:
		case len(*f.all) == 0:
			out = append(out, deleteOf(f.uri))
		default:
			o := outgoing{}
			f.into(&o, peopleOf(*f.all))
			out = append(out, setOf(f.uri, o))
		}
	}
	if change.From != nil && len(*change.From) > 0 {
		out = append(out, setOf("message:From", outgoing{From: peopleOf((*change.From)[:1])}))
	}
	if change.Subject != nil {
		out = append(out, setOf("item:Subject", outgoing{Subject: change.Subject}))
	}
	if change.Body != nil {
		b := &bodyText{Type: "HTML", Text: change.Body.HTML}
		if b.Text == "" {
			b = &bodyText{Type: "Text", Text: change.Body.Plain}
		}
		out = append(out, setOf("item:Body", outgoing{Body: b}))
	}
	if change.Starred != nil {
		status := "NotFlagged"
		if *change.Starred {
			status = "Flagged"
		}
		out = append(out, setOf("item:Flag", outgoing{Flag: &flag{status}}))
	}
	return out
}

// rewrite changes a draft. Its change key says which state we saw; when another program was faster, we look again.
func (c *caller) rewrite(id string, fields []fieldUpdate) error {
	if len(fields) == 0 {
		return nil
	}
	var err error
	for range mostTries {
		var it item
		if it, err = c.item(itemID{ID: id}, false); err != nil {
			return err
		}
		_, err = c.one(updateItem{Conflict: "AutoResolve", Deliver: "SaveOnly", Quiet: true, Changes: []change{{ID: itemID{ID: it.ID.ID, Key: it.ID.Key}, Updates: updates{fields}}}}, answerBytes, false, provider.ErrDraftNotFound)
		if !errors.Is(err, stale) {
			return err
		}
	}
	return err
}

// exchangeFiles puts new attachments into a draft before it takes the old ones away (CreateAttachment, DeleteAttachment).
func (c *caller) exchangeFiles(id string, files []email.Enclosure) error {
	var total int64
	for _, e := range files {
		total += email.Reader(e.Content).Size()
	}
	if total > sendMost {
		return errTooLarge
	}
	old, err := c.items(shapeOf("item:Attachments"), []itemID{{ID: id}}, answerBytes)
	if err != nil {
		return err
	}
	for _, e := range files {
		if err := c.attach(id, e); err != nil {
			return err
		}
	}
	var gone []attachmentID
	for _, it := range old {
		for _, a := range it.Attachments {
			gone = append(gone, attachmentID{a.ID.ID})
		}
	}
	if len(gone) == 0 {
		return nil
	}
	all, err := c.call(deleteAttachment{IDs: gone}, answerBytes, false)
	for _, m := range all {
		if e := m.err(provider.ErrAttachmentNotFound); e != nil && !errors.Is(e, provider.ErrAttachmentNotFound) {
			err = errors.Join(err, e)
		}
	}
	return err
}

// attach sends one file, in base64 while it is read.
func (c *caller) attach(id string, e email.Enclosure) error {
	file := fileAttachment{Name: e.Filename, ContentType: e.ContentType, ContentID: e.ContentID, Inline: e.Inline, Content: messageHere}
	if file.Name == "" {
		file.Name = "attachment"
	}
	if file.ContentType == "" {
		file.ContentType = "application/octet-stream"
	}
	encoded, err := encode(createAttachment{Parent: itemID{ID: id}, Files: []fileAttachment{file}})
	if err != nil {
		return fault.New(fault.Internal, "ews_request", "").Because(err)
	}
	// The place is the last of its kind: a name of the file that looks like it stands before.
	i := bytes.LastIndex(encoded, []byte(messageHere))
	content := email.Reader(e.Content)
	_, err = c.only(payload{before: encoded[:i], after: encoded[i+len(messageHere):], file: content, size: content.Size()}, answerBytes, true, provider.ErrDraftNotFound)
	return err
}

// DeleteDraft implements provider.DraftWriter: the draft goes to the trash.
func (c *Connector) DeleteDraft(ctx context.Context, a provider.Account, id string) error {
	return c.with(ctx, a, func(c *caller) error {
		it, err := c.draft(id, false)
		if err != nil {
			return err
		}
		_, err = c.one(deleteItem{How: "MoveToDeletedItems", Cancel: "SendToNone", Tasks: "SpecifiedOccurrenceOnly", IDs: []itemID{{ID: it.ID.ID}}}, answerBytes, true, provider.ErrDraftNotFound)
		return err
	})
}

// SendDraft implements provider.DraftSender (SendItem). It is not repeated: the change key says which state is sent, and a draft that was changed meanwhile stays.
func (c *Connector) SendDraft(ctx context.Context, a provider.Account, id string) (email.Message, error) {
	var out email.Message
	err := c.with(ctx, a, func(c *caller) error {
		it, err := c.draft(id, true)
		if err != nil {
			return err
		}
		if out, err = c.message(it, email.Standard); err != nil {
			return err
		}
		if len(out.To)+len(out.Cc)+len(out.Bcc) == 0 {
			return errNobody
		}
		saved := folderIDs{Named: []distinguished{{"sentitems"}}}
		if _, err = c.one(sendItem{Save: true, IDs: []itemID{{ID: it.ID.ID, Key: it.ID.Key}}, Saved: saved}, answerBytes, true, provider.ErrDraftNotFound); err != nil {
			return err
		}
		out.ID, out.Draft, out.Unread, out.Folders, out.Date = "", false, false, []string{"Sent"}, c.now().UTC()
		c.findCopy(saved, &out)
		return nil
	})
	if err != nil {
		return email.Message{}, err
	}
	return out, nil
}
