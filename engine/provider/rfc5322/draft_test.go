package rfc5322_test

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/provider/rfc5322"
)

var me = email.Address{Email: "me@example.org"}

func TestDraftThereAndBack(t *testing.T) {
	at := time.Date(2026, 11, 30, 9, 0, 0, 0, time.UTC)
	d := email.Draft{From: []email.Address{{Name: "Ich", Email: "me@example.org"}}, To: []email.Address{{Name: "Zoë", Email: "zoe@example.com"}}, Cc: []email.Address{{Email: "c@example.com"}},
		Bcc: []email.Address{{Email: "hidden@example.com"}}, ReplyTo: []email.Address{{Email: "r@example.com"}}, Subject: "Grüße", HTML: "<p>ü<img src=\"cid:i@x\"></p>", Plain: "ü", MessageID: "m@x",
		InReplyTo: "r2@x", References: []string{"r1@x", "r2@x"}, Headers: []email.Header{{Name: "X-Campaign", Value: "spring ü"}},
		Attachments: []email.Enclosure{{Filename: "ä.bin", ContentType: "application/octet-stream", Content: strings.NewReader("\x00\xff\r\n\n")}, {Filename: "i.png", ContentType: "image/png", ContentID: "i@x", Inline: true, Content: strings.NewReader("png")}}}
	var raw bytes.Buffer
	write := func(d email.Draft, out *bytes.Buffer) {
		t.Helper()
		if _, err := rfc5322.Rewrite(d, me, at).WriteTo(out); err != nil {
			t.Fatal(err)
		}
	}
	write(d, &raw)
	for range 3 { // a draft that is changed again and again must not lose or gain anything
		d = rfc5322.DraftOf(raw.Bytes())
		again := bytes.Buffer{}
		write(d, &again)
		raw = again
	}
	d = rfc5322.DraftOf(raw.Bytes())
	if d.From[0].Name != "Ich" || d.To[0].Name != "Zoë" || d.Cc[0].Email != "c@example.com" || d.Bcc[0].Email != "hidden@example.com" || d.ReplyTo[0].Email != "r@example.com" || d.Subject != "Grüße" || strings.TrimSpace(d.Plain) != "ü" ||
		!strings.Contains(d.HTML, "<p>ü") || d.MessageID != "m@x" || d.InReplyTo != "r2@x" || strings.Join(d.References, " ") != "r1@x r2@x" || len(d.Headers) != 1 || d.Headers[0].Value != "spring ü" || len(d.Attachments) != 2 {
		t.Errorf("%+v", d)
	}
	for _, e := range d.Attachments {
		b, _ := io.ReadAll(email.Reader(e.Content))
		if e.Filename == "ä.bin" && string(b) != "\x00\xff\r\n\n" || e.Filename == "i.png" && (string(b) != "png" || !e.Inline || e.ContentID != "i@x") {
			t.Errorf("%+v holds %q", e, b)
		}
	}
	// A line break in the middle of what was emptied must not grow.
	if strings.Count(raw.String(), "Bcc:") != 1 {
		t.Errorf("%s", raw.String())
	}
}

func TestDeparting(t *testing.T) {
	at := time.Date(2026, 11, 30, 9, 0, 0, 0, time.UTC)
	out := string(rfc5322.Departing([]byte("Subject: x\r\nBcc: a@example.com,\r\n b@example.com\r\nDate: Mon, 02 Nov 2026 08:00:00 +0000\r\nTo: c@example.com\r\n\r\nBcc: in the body\r\n"), me, at, "new@x"))
	for _, want := range []string{"Date: Mon, 30 Nov 2026 09:00:00 +0000\r\n", "From: <me@example.org>\r\n", "Message-ID: <new@x>\r\n", "To: c@example.com\r\n", "\r\n\r\nBcc: in the body\r\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
	if head, _, _ := strings.Cut(out, "\r\n\r\n"); strings.Contains(head, "02 Nov") || !strings.Contains(head, "b@example.com") {
		t.Errorf("it travels with\n%s", head)
	}
	msg, err := rfc5322.Compose(email.Draft{Raw: strings.NewReader(out)}, me, at)
	if err != nil || len(msg.To) != 3 {
		t.Fatalf("%+v %v", msg, err)
	}
	if travels, _ := msg.Bytes(); strings.Contains(string(travels), "b@example.com") || !strings.Contains(string(travels), "\r\n\r\nBcc: in the body") {
		t.Errorf("it travels with\n%s", travels)
	}
	whole := "From: a@example.com\r\nMessage-ID: <old@x>\r\n\r\nx"
	if out := string(rfc5322.Departing([]byte(whole), me, at, "new@x")); strings.Contains(out, "new@x") || strings.Contains(out, me.Email) {
		t.Errorf("what is there was added to:\n%s", out)
	}
}

// FuzzDraftOf: any bytes read as a draft can be written again, and what is written is read as the same.
func FuzzDraftOf(f *testing.F) {
	f.Add([]byte("Subject: x\r\nX-A: b\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nhi\r\n--b\r\nContent-Type: a/b; name=c\r\n\r\nz\r\n--b--\r\n"))
	f.Add([]byte("From: <<a@b>, \"x\r\nBcc: c\r\n\r\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		d := rfc5322.DraftOf(raw)
		d.MessageID = "m@x"
		var out bytes.Buffer
		if _, err := rfc5322.Rewrite(d, me, time.Unix(1_800_000_000, 0).UTC()).WriteTo(&out); err != nil {
			t.Skip(err)
		}
		again := rfc5322.DraftOf(out.Bytes())
		if again.MessageID != "m@x" || len(again.Attachments) != len(d.Attachments) || len(again.Bcc) > 0 && len(d.Bcc) == 0 {
			t.Errorf("%q\n%+v\n%+v", out.String(), d, again)
		}
		_ = rfc5322.Departing(raw, me, time.Unix(1_800_000_000, 0), "n@x")
	})
}
