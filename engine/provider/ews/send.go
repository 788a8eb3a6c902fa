package ews

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"io"
	"strings"
	"time"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/fault"
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
	raw, err := c.compose(&d, email.Address{Email: a.Address})
	if err != nil {
		return email.Message{}, err
	}
	sent := outgoing{Mime: &mimeContent{Charset: "UTF-8", Base64: base64.StdEncoding.EncodeToString(raw)}, Bcc: peopleOf(d.Bcc)}
	if d.Raw != nil {
		// What the message itself says does not bind the envelope.
		sent.To, sent.Cc = peopleOf(d.To), peopleOf(d.Cc)
	}
	out := rfc5322.Read(raw, email.Standard)
	out.Date, out.Size = c.now().UTC(), int64(len(raw))
	err = c.with(ctx, a, func(c *caller) error {
		saved := folderIDs{Named: []distinguished{{"sentitems"}}}
		// Not repeated, whatever happens: a second try could be a second message.
		if _, err := c.one(createItem{Deliver: "SendAndSaveCopy", Saved: saved, Items: []outgoing{sent}}, answerBytes, true, provider.ErrFolderNotFound); err != nil {
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

// compose writes the draft as it will travel. The server puts in the sender where the draft names none that differs.
func (c *Connector) compose(d *email.Draft, from email.Address) ([]byte, error) {
	if d.Raw != nil {
		raw, err := io.ReadAll(io.LimitReader(d.Raw, sendMost+1))
		if err != nil {
			return nil, fault.New(fault.Invalid, "message_unreadable", "The message ended before its end.").Because(err)
		}
		if len(raw) > sendMost {
			return nil, errTooLarge
		}
		sender, named, _ := rfc5322.Recipients(raw)
		if len(d.Recipients()) == 0 {
			d.To = named
		}
		if len(d.From) == 0 {
			d.From = sender
		}
		return rfc5322.WithoutBcc(raw), email.Draft{From: d.From, To: d.To, Cc: d.Cc, Bcc: d.Bcc}.Check()
	}
	if err := d.Check(); err != nil {
		return nil, err
	}
	if d.MessageID == "" {
		var id [16]byte
		_, _ = rand.Read(id[:])
		d.MessageID = hex.EncodeToString(id[:]) + "@" + from.Email[strings.LastIndexByte(from.Email, '@')+1:]
	}
	var out bytes.Buffer
	if err := rfc5322.Write(&capped{&out, sendMost}, *d, from, c.now()); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

type capped struct {
	w    io.Writer
	left int
}

func (c *capped) Write(p []byte) (int, error) {
	if c.left -= len(p); c.left < 0 {
		return 0, errTooLarge
	}
	return c.w.Write(p)
}
