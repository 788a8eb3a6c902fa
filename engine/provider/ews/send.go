package ews

import (
	"context"
	"time"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/provider/rfc5322"
)

const (
	sendMost  = 36 << 20 // 25 MB of attachments, encoded
	copyTries = 4
	copyPause = 250 * time.Millisecond
)

// Send implements provider.Sender: the server sends and files the copy in one step (CreateItem, SendAndSaveCopy). It does not tell the
// copy's id and files it a moment later, so the copy is looked for; not finding it only means an answer without an ID.
func (c *Connector) Send(ctx context.Context, a provider.Account, d email.Draft) (email.Message, error) {
	msg, err := rfc5322.Compose(d, email.Address{Email: a.Address}, c.now()) // the server puts in the sender where the draft names none
	if err != nil {
		return email.Message{}, err
	}
	size, err := msg.Fits(sendMost, errTooLarge)
	if err != nil {
		return email.Message{}, err
	}
	sent := outgoing{Mime: &mimeContent{Charset: "UTF-8", Base64: messageHere}, Bcc: peopleOf(d.Bcc)}
	if msg.Complete() {
		// What the message itself says does not bind the envelope.
		sent.To, sent.Cc, sent.Bcc = peopleOf(msg.To), nil, nil
		if len(d.Recipients()) > 0 {
			sent.To, sent.Cc, sent.Bcc = peopleOf(d.To), peopleOf(d.Cc), peopleOf(d.Bcc)
		}
	}
	out, err := msg.Read()
	if err != nil {
		return out, err
	}
	out.Date, out.Size = c.now().UTC(), size
	err = c.with(ctx, a, func(c *caller) error {
		saved := folderIDs{Named: []distinguished{{"sentitems"}}}
		// Not repeated, whatever happens: a second try could be a second message.
		if _, err := c.create(createItem{Deliver: "SendAndSaveCopy", Saved: saved, Items: []outgoing{sent}}, msg, size); err != nil {
			return err
		}
		out.Folders = []string{"Sent"}
		c.findCopy(saved, &out)
		return nil
	})
	if err != nil {
		return email.Message{}, err
	}
	if out.ThreadID == "" {
		out.ThreadID = alone + out.ID
	}
	return out, nil
}

func (c *caller) findCopy(saved folderIDs, out *email.Message) {
	if out.MessageID == "" {
		return
	}
	same := compare("IsEqualTo", "message:InternetMessageId", "<"+out.MessageID+">")
	for try := range copyTries {
		if try > 0 {
			select {
			case <-time.After(copyPause):
			case <-c.ctx.Done():
				return
			case <-c.held.ctx.Done():
				return
			}
		}
		m, err := c.one(findItem{Traversal: "Shallow", Shape: shape{Base: "IdOnly"}, View: pageView{Most: 1, Base: "Beginning"}, Where: &where{same}, Parents: saved}, answerBytes, false, provider.ErrFolderNotFound)
		if err != nil {
			return
		}
		if all := m.Root.Items.All; len(all) == 1 {
			out.ID = safe(all[0].ID.ID)
			return
		}
	}
}

func peopleOf(all []email.Address) *people {
	if len(all) == 0 {
		return nil
	}
	out := &people{}
	for _, a := range all {
		out.All = append(out.All, person(a))
	}
	return out
}
