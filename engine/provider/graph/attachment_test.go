package graph_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/postern-mail/postern/engine/dial"
	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/provider/graph"
	"github.com/postern-mail/postern/engine/secret"
)

// An attachment is handed on while it comes: its first bytes are read before the last were sent.
func TestAttachmentStreams(t *testing.T) {
	read := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, "/$value") {
			fmt.Fprint(w, `{"@odata.type":"#microsoft.graph.fileAttachment","id":"AAMkAAA=","name":"a.bin","contentType":"application/zip","size":10}`)
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
	c := graph.New(graph.Config{Guard: dial.New(dial.Config{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}), GraphURL: s.URL})
	a := provider.Account{Key: "g:1", Credential: func(context.Context) (provider.Credential, error) {
		return provider.Credential{AccessToken: secret.New("x")}, nil
	}}
	about, r, err := c.Attachment(context.Background(), a, "AAMkAAB", "AAMkAAA")
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
	// A connection that is cut while somebody reads ends the reading with a fault.
	read = make(chan struct{})
	if _, r, err = c.Attachment(context.Background(), a, "AAMkAAB", "AAMkAAA"); err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	c.Close(a.Key)
	if rest, err := io.ReadAll(r); err == nil {
		t.Errorf("read to the end after the cut: %q", rest)
	}
}

func TestAttachmentAbsent(t *testing.T) {
	w := start(t)
	box, a, _ := w.mailbox(t, "ada")
	box.Deliver("inbox", mail(1, w.clock.now()))
	page, err := w.c.ListMessages(context.Background(), a, email.Query{})
	if err != nil || len(page.Items) != 1 {
		t.Fatalf("%+v %v", page, err)
	}
	for _, id := range []string{"", "99", "AAMkAAA", "../x", strings.Repeat("A", 5000)} {
		if _, _, err := w.c.Attachment(context.Background(), a, page.Items[0].ID, id); !errors.Is(err, provider.ErrAttachmentNotFound) {
			t.Errorf("%.20q: %v", id, err)
		}
		if _, _, err := w.c.Attachment(context.Background(), a, "AAMkAAA", "AAMkAAA"); !errors.Is(err, provider.ErrMessageNotFound) {
			t.Errorf("of no message: %v", err)
		}
	}
}
