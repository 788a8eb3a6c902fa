package gmail_test

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/provider/providertest"
)

func TestOddPayloads(t *testing.T) {
	b := newMailbox(t)
	b.deliver("INBOX", "x")
	id := b.list(email.Query{}).Items[0].ID
	text := base64.URLEncoding.EncodeToString
	deep := `{"mimeType":"text/plain","body":{"data":"` + text([]byte("deep")) + `"}}`
	for range 400 {
		deep = `{"mimeType":"multipart/mixed","parts":[` + deep + `]}`
	}
	get := func(body string) email.Message {
		t.Helper()
		b.g.Fail(providertest.GoogleFault{Path: "/messages/" + id, Status: 200, Body: body})
		m, err := b.c.Message(context.Background(), b.a, id, email.WithHeaders)
		if err != nil {
			t.Errorf("%.60s: %v", body, err)
		}
		return m
	}
	for _, body := range []string{`{"id":"` + id + `"}`, `{"id":"` + id + `","payload":null}`, `{"id":"` + id + `","payload":{"headers":[null,{}],"parts":[null],"mimeType":"multipart/mixed"}}`,
		`{"id":"` + id + `","payload":{"mimeType":"multipart/mixed"},"internalDate":"-5"}`, `{"id":"` + id + `","payload":{"body":{"data":"%%%%"}}}`,
		`{"id":"` + id + `","internalDate":"9223372036854775807","payload":{"headers":[{"name":"Date","value":"yesterday"},{"name":"From: x\r\nBcc","value":"a\r\nSubject: forged"}]}}`} {
		if m := get(body); m.ID != id || m.ThreadID != id || m.Subject != "" {
			t.Errorf("%.60s: %+v", body, m)
		}
	}
	if m := get(`{"id":"` + id + `","payload":` + deep + `}`); m.Plain != "" { // deeper than anybody reads
		t.Errorf("%+v", m)
	}
	for _, f := range []struct{ charset, data, want string }{
		{"iso-2022-jp", "日本", "日本"}, // Gmail recodes and leaves the header
		{"iso-2022-jp", "\x1b$BF|K\\\x1b(B", "日本"},
		{"iso-8859-1", "gr\xfc\xdfe", "grüße"}, {"windows-1252", "•", "•"}, {"made-up", "caf\xe9", "café"}, {"", "plain", "plain"},
	} {
		m := get(`{"id":"` + id + `","snippet":"a &amp; b","payload":{"mimeType":"text/plain","headers":[{"name":"Content-Type","value":"text/plain; charset=` + f.charset + `"}],"body":{"size":9,"data":"` + text([]byte(f.data)) + `"}}}`)
		if m.Plain != f.want {
			t.Errorf("%s: %q, want %q", f.charset, m.Plain, f.want)
		}
	}
	m := get(`{"id":"` + id + `","snippet":"Tom &amp; Jerry&#39;s","payload":{"mimeType":"image/png","headers":[{"name":"Subject","value":"=?utf-8?q?Gr=C3=BC=C3=9Fe?="},{"name":"From","value":"Zoë <zoe@example.com>"},{"name":"Date","value":"Mon, 02 Nov 2026 08:00:00 +0100"}],"body":{"attachmentId":"A","size":10}}}`)
	if m.Snippet != "Tom & Jerry's" || m.Subject != "Grüße" || m.From[0] != (email.Address{Name: "Zoë", Email: "zoe@example.com"}) || m.Date.Hour() != 7 || len(m.Attachments) != 1 || m.Attachments[0].Size != 10 || len(m.Headers) != 3 {
		t.Errorf("%+v", m)
	}
}

func TestEndlessAnswer(t *testing.T) {
	b := newMailbox(t)
	b.deliver("INBOX", "x")
	id := b.list(email.Query{}).Items[0].ID
	b.c.Shorten(1 << 20)
	b.g.Fail(providertest.GoogleFault{Path: "/messages/" + id, Status: 200, Body: `{"id":"` + id + `","snippet":"` + strings.Repeat("x", 2<<20) + `"}`})
	if _, err := b.c.Message(context.Background(), b.a, id, email.Standard); !errors.Is(err, provider.ErrTooLarge) {
		t.Errorf("%v", err)
	}
}

// Google's client prints requests, token and mail included, when the environment asks it to.
func TestNothingIsLogged(t *testing.T) {
	t.Setenv("GOOGLE_SDK_GO_LOGGING_LEVEL", "debug")
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	out, errs := os.Stdout, os.Stderr
	os.Stdout, os.Stderr = w, w
	b := newMailbox(t)
	b.deliver("INBOX", "x")
	p := b.list(email.Query{})
	os.Stdout, os.Stderr = out, errs
	_ = w.Close()
	if text, err := io.ReadAll(r); err != nil || len(text) != 0 || len(p.Items) != 1 {
		t.Errorf("%d bytes were printed (%v)", len(text), err)
	}
}
