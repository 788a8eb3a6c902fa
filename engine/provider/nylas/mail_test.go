package nylas_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/provider/nylas"
	"github.com/postern-mail/postern/engine/secret"
)

// What is too large for JSON travels as a form; so does what JSON cannot say.
func TestLargeAndCompleteMessages(t *testing.T) {
	w, ctx := start(t), context.Background()
	ada, grace := w.Account("google", "ada@nylas.test", "Ada"), w.Account("google", "grace@nylas.test", "Grace")
	a, g := w.Mailbox(w.app, w.Grant(w.app, ada)), w.Mailbox(w.app, w.Grant(w.app, grace))
	to := []email.Address{{Email: "grace@nylas.test"}}
	blob := bytes.Repeat([]byte("0123456789abcdef"), 200_000)
	file := func() []email.Enclosure {
		return []email.Enclosure{{Filename: "größe.bin", ContentType: "application/zip", Content: bytes.NewReader(blob)}}
	}
	fetch := func(a provider.Account, m email.Message) []byte {
		t.Helper()
		if len(m.Attachments) != 1 {
			t.Fatalf("%+v", m.Attachments)
		}
		_, r, err := w.c.Attachment(ctx, a, m.ID, m.Attachments[0].ID)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	if _, err := w.c.Send(ctx, a, email.Draft{To: to, Bcc: []email.Address{{Email: "ada@nylas.test"}}, Subject: "Large", HTML: "<p>x</p>", Plain: "x", Attachments: file()}); err != nil {
		t.Fatal(err)
	}
	page, err := w.c.ListMessages(ctx, g, email.Query{})
	if err != nil || len(page.Items) != 1 || !bytes.Equal(fetch(g, page.Items[0]), blob) {
		t.Errorf("%d items, %v", len(page.Items), err)
	}
	mine, err := w.c.ListMessages(ctx, a, email.Query{In: []string{"INBOX"}})
	if err != nil || len(mine.Items) != 1 {
		t.Errorf("the hidden recipient got %d, %v", len(mine.Items), err)
	}
	d, err := w.c.CreateDraft(ctx, a, email.Draft{Subject: "Kept", HTML: "<p>x</p>", Attachments: file()})
	if err != nil || !bytes.Equal(fetch(a, d), blob) {
		t.Errorf("draft: %v", err)
	}
	raw := "From: ada@nylas.test\r\nTo: grace@nylas.test\r\nSubject: Whole\r\nMessage-ID: <whole@x>\r\n\r\nAs it is\r\n"
	if _, err = w.c.Send(ctx, a, email.Draft{Raw: strings.NewReader(raw)}); err != nil {
		t.Fatal(err)
	}
	if _, err = w.c.Send(ctx, a, email.Draft{Raw: strings.NewReader(raw), To: []email.Address{{Email: "eve@nylas.test"}}}); fault.KindOf(err) != fault.Invalid {
		t.Errorf("named and meant differ: %v", err)
	}
	if page, err = w.c.ListMessages(ctx, g, email.Query{Subject: "whole"}); err != nil || len(page.Items) != 1 || page.Items[0].MessageID != "whole@x" {
		t.Errorf("%+v %v", page.Items, err)
	}
}

// An attachment is handed on while it comes: its first bytes are read before the last were sent.
func TestAttachmentStreams(t *testing.T) {
	read := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, "/download") {
			fmt.Fprint(w, `{"request_id":"1","data":{"id":"a","filename":"a.bin","content_type":"application/zip","size":10}}`)
			return
		}
		_, _ = w.Write([]byte("first"))
		_ = http.NewResponseController(w).Flush()
		select {
		case <-read:
			_, _ = w.Write([]byte("after"))
		case <-r.Context().Done():
		}
	}))
	defer s.Close()
	c := nylas.New(nylas.Config{Guard: guard(), APIURL: s.URL})
	a := provider.Account{Key: "g:1", Credential: func(context.Context) (provider.Credential, error) {
		return provider.Credential{AccessToken: secret.New("00000000-0000-4000-8000-000000000001")}, nil
	}, App: func(context.Context) (provider.App, error) {
		return provider.App{ClientID: "c", ClientSecret: secret.New("nyk_v0_x")}, nil
	}}
	about, r, err := c.Attachment(context.Background(), a, "m", "a")
	if err != nil || about.Filename != "a.bin" {
		t.Fatalf("%+v %v", about, err)
	}
	defer r.Close()
	first := make([]byte, 5)
	if _, err := io.ReadFull(r, first); err != nil || string(first) != "first" {
		t.Fatalf("%q %v", first, err)
	}
	close(read)
	if rest, err := io.ReadAll(r); err != nil || string(rest) != "after" {
		t.Errorf("%q %v", rest, err)
	}
	// A connection that is cut while somebody reads ends the reading with a fault, never with half a file taken for a whole one.
	read = make(chan struct{})
	if _, r, err = c.Attachment(context.Background(), a, "m", "a"); err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	c.Close(a.Key)
	if rest, err := io.ReadAll(r); err == nil {
		t.Errorf("read to the end after the cut: %q", rest)
	}
}
