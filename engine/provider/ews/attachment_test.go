package ews_test

import (
	"context"
	"errors"
	"io"
	"testing"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/provider/providertest"
)

func TestAttachment(t *testing.T) {
	c, x, _ := start(t)
	a := x.Account(t)
	x.Deliver(t, a, "INBOX", providertest.Mail{Received: at, Raw: "From: ada@example.com\r\nSubject: files\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nsee\r\n" +
		"--b\r\nContent-Type: application/pdf\r\nContent-Disposition: attachment; filename=r.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\nJVBERi0xLjc=\r\n--b--\r\n"})
	p, err := c.ListMessages(context.Background(), a, email.Query{})
	if err != nil || len(p.Items) != 1 || len(p.Items[0].Attachments) != 1 {
		t.Fatalf("%+v %v", p, err)
	}
	m := p.Items[0]
	about, r, err := c.Attachment(context.Background(), a, m.ID, m.Attachments[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(r)
	if cerr := r.Close(); err != nil || cerr != nil || string(b) != "%PDF-1.7" || about.Filename != "r.pdf" || about.ContentType != "application/pdf" {
		t.Errorf("%q %+v %v", b, about, err)
	}
	if _, _, err := c.Attachment(context.Background(), a, m.ID, "9"); !errors.Is(err, provider.ErrAttachmentNotFound) {
		t.Error(err)
	}
	if _, _, err := c.Attachment(context.Background(), a, "nonsense", "2"); !errors.Is(err, provider.ErrMessageNotFound) {
		t.Error(err)
	}
}
