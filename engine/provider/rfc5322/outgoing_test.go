package rfc5322_test

import (
	"bytes"
	"encoding/base64"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/provider/rfc5322"
)

// A message on its way is the same in every form, as often as it is asked for, and is described as it will be read.
func TestOutgoingIsTheSameEachTime(t *testing.T) {
	at := time.Date(2026, 11, 30, 9, 0, 0, 0, time.UTC)
	ada := email.Address{Email: "ada@example.com"}
	to := []email.Address{{Email: "grace@example.com"}}
	hidden := []email.Address{{Name: "Eve", Email: "eve@example.com"}}
	file := func(n int) email.Content { return strings.NewReader(strings.Repeat("0123456789", n)) }
	raw := "From: ada@example.com\r\nTo: grace@example.com\r\nBcc: eve@example.com,\r\n bob@example.com\r\nSubject: mine\r\n\r\nHello\r\n"
	for name, d := range map[string]email.Draft{
		"plain":    {To: to, Subject: "a", Plain: "b"},
		"both":     {To: to, Subject: "a", Plain: "b", HTML: "<p>b</p>"},
		"files":    {To: to, HTML: "<img src=cid:dot>", Attachments: []email.Enclosure{{Filename: "a.bin", Content: file(9000)}, {ContentID: "dot", ContentType: "image/png", Content: file(7)}, {Filename: "empty"}}},
		"inline":   {To: to, HTML: "x", Bcc: hidden, Attachments: []email.Enclosure{{Filename: "a.png", ContentType: "image/png", Inline: true, Content: file(100)}}},
		"complete": {Raw: strings.NewReader(raw)},
		"no body":  {Raw: strings.NewReader("To: grace@example.com\r\nFrom: ada@example.com")},
	} {
		t.Run(name, func(t *testing.T) {
			o, err := rfc5322.Compose(d, ada, at)
			if err != nil {
				t.Fatal(err)
			}
			o.Bcc(o.Unnamed())
			want, err := o.Bytes()
			if err != nil {
				t.Fatal(err)
			}
			if n, err := o.Size(); err != nil || n != int64(len(want)) {
				t.Errorf("size %d of %d: %v", n, len(want), err)
			}
			var b bytes.Buffer
			if n, err := o.WriteTo(&b); err != nil || n != int64(len(want)) || !bytes.Equal(b.Bytes(), want) {
				t.Errorf("written otherwise: %d %v", n, err)
			}
			r := o.Reader()
			if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, want) {
				t.Errorf("read otherwise: %v", err)
			}
			r = o.Base64()
			if got, err := io.ReadAll(r); err != nil || string(got) != base64.StdEncoding.EncodeToString(want) {
				t.Errorf("base64 otherwise: %v", err)
			}
			read := rfc5322.Read(want, email.Standard)
			told, err := o.Read()
			if err != nil || told.Subject != read.Subject || told.Body() != read.Body() || len(told.Attachments) != len(read.Attachments) || told.MessageID != read.MessageID {
				t.Fatalf("told %+v\nread %+v\n%v", told, read, err)
			}
			for i := range told.Attachments {
				if told.Attachments[i] != read.Attachments[i] {
					t.Errorf("told %+v\nread %+v", told.Attachments[i], read.Attachments[i])
				}
			}
			if hidden := len(o.To) > 1; hidden != bytes.Contains(want, []byte("Bcc: ")) {
				t.Errorf("%s", want)
			}
		})
	}
	o, err := rfc5322.Compose(email.Draft{To: to, Attachments: []email.Enclosure{{Content: io.NewSectionReader(zeros{}, 0, 1<<40)}}}, ada, at)
	if err != nil {
		t.Fatal(err)
	}
	limit := fault.New(fault.Invalid, "message_too_large", "")
	if _, err := o.Fits(1<<20, limit); err == nil {
		t.Error("a terabyte fits")
	}
}

type zeros struct{}

func (zeros) ReadAt(p []byte, _ int64) (int, error) { return len(p), nil }
