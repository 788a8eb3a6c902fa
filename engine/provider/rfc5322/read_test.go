package rfc5322_test

import (
	"bytes"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/provider/rfc5322"
)

const mixed = "From: =?utf-8?q?Ad=C3=A1?= <ada@example.com>\r\nTo: \"Hopper, Grace\" <grace@example.com>, bob@example.com\r\nSubject: =?iso-8859-1?Q?Caf=E9?=\r\n =?iso-8859-1?Q?_au_lait?=\r\n" +
	"Date: Mon, 23 Nov 2026 10:00:00 +0100\r\nMessage-ID: <3@example.com>\r\nReferences: <1@example.com>\r\n <2@example.com>\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"b1\"\r\n\r\npreamble\r\n" +
	"--b1\r\nContent-Type: multipart/related; boundary=b2\r\n\r\n--b2\r\nContent-Type: multipart/alternative; boundary=b3\r\n\r\n" +
	"--b3\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nna=EFve =\r\nline\r\n" +
	"--b3\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\nPHA+bmHDr3ZlPC9wPg==\r\n--b3--\r\n" +
	"--b2\r\nContent-Type: image/png; name=dot.png\r\nContent-ID: <dot@x>\r\nContent-Transfer-Encoding: base64\r\n\r\niVBORw0KGgo=\r\n--b2--\r\n" +
	"--b1\r\nContent-Type: application/pdf\r\nContent-Disposition: attachment; filename*=utf-8''%e2%82%ac.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\nJVBERi0xLjc=\r\n--b1--\r\nepilogue\r\n"

func TestReadMixed(t *testing.T) {
	m := rfc5322.Read([]byte(mixed), email.WithBasicHeaders)
	if m.Subject != "Café au lait" || m.From[0].Name != "Adá" || len(m.To) != 2 || m.To[0].Name != "Hopper, Grace" || m.MessageID != "3@example.com" || len(m.References) != 2 {
		t.Errorf("header: %+v", m)
	}
	if m.Plain != "naïve line" || m.HTML != "<p>naïve</p>" || m.Snippet != "naïve line" {
		t.Errorf("bodies: %q %q %q", m.Plain, m.HTML, m.Snippet)
	}
	if len(m.Attachments) != 2 || m.Attachments[0].ID != "1.2" || !m.Attachments[0].Inline || m.Attachments[0].Size != 8 || m.Attachments[1].ID != "2" || m.Attachments[1].Filename != "€.pdf" || m.Attachments[1].Size != 8 || m.Attachments[1].Inline {
		t.Errorf("attachments: %+v", m.Attachments)
	}
	if !m.Date.Equal(time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)) || len(m.Headers) != 2 {
		t.Errorf("%v %+v", m.Date, m.Headers)
	}
	if root, ok := rfc5322.ThreadRoot(m.ThreadID); !ok || root != "1@example.com" {
		t.Errorf("thread %q", root)
	}
}

func TestReadBroken(t *testing.T) {
	for name, c := range map[string]struct {
		raw  string
		want func(email.Message) bool
	}{
		"empty":               {"", func(m email.Message) bool { return m.Subject == "" }},
		"no body":             {"Subject: x", func(m email.Message) bool { return m.Subject == "x" && m.Plain == "" }},
		"bare LF":             {"Subject: x\n\nhello\n", func(m email.Message) bool { return m.Plain == "hello\n" }},
		"raw latin-1 header":  {"Subject: caf\xe9\r\n\r\n", func(m email.Message) bool { return m.Subject == "café" }},
		"raw utf-8 header":    {"Subject: café\r\n\r\n", func(m email.Message) bool { return m.Subject == "café" }},
		"unknown charset":     {"Content-Type: text/plain; charset=x-none\r\n\r\ncaf\xe9", func(m email.Message) bool { return m.Plain == "café" }},
		"charset lies":        {"Content-Type: text/plain; charset=utf-8\r\n\r\ncaf\xe9", func(m email.Message) bool { return m.Plain == "café" }},
		"koi8-r":              {"Content-Type: text/plain; charset=koi8-r\r\n\r\n\xd0\xd2\xc9\xd7\xc5\xd4", func(m email.Message) bool { return m.Plain == "привет" }},
		"iso-2022-jp subject": {"Subject: =?ISO-2022-JP?B?GyRCRnxLXBsoQg==?=\r\n\r\n", func(m email.Message) bool { return m.Subject == "日本" }},
		"no end boundary":     {"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nhello", func(m email.Message) bool { return m.Plain == "hello" }},
		"boundary unquoted ?": {"Content-Type: multipart/mixed; boundary==_b?\r\n\r\n--=_b?\r\n\r\nhello\r\n--=_b?--", func(m email.Message) bool { return m.Plain == "hello" }},
		"missing date":        {"Subject: x\r\n\r\n", func(m email.Message) bool { return m.Date.IsZero() }},
		"absurd date":         {"Date: Mon, 99 Foo 0001 99:99:99 +9999\r\n\r\n", func(m email.Message) bool { return m.Date.IsZero() }},
		"two digit year":      {"Date: 23 Nov 26 10:00:00 +0000\r\n\r\n", func(m email.Message) bool { return m.Date.Year() == 2026 }},
		"unquoted comma":      {"From: Hopper, Grace <grace@example.com>\r\n\r\n", func(m email.Message) bool { return m.From[len(m.From)-1].Email == "grace@example.com" }},
		"no address":          {"From: \r\n\r\n", func(m email.Message) bool { return len(m.From) == 0 }},
		"undisclosed":         {"To: undisclosed-recipients:;\r\n\r\n", func(m email.Message) bool { return len(m.To) == 0 }},
		"group":               {"To: team: ada@example.com, bob@example.com;\r\n\r\n", func(m email.Message) bool { return len(m.To) == 2 }},
		"injection in a name": {"From: \"a\x1b[2J\x00b\" <a@example.com>\r\n\r\n", func(m email.Message) bool { return !strings.ContainsAny(m.From[0].Name, "\x00\x1b") }},
		"bad base64":          {"Content-Transfer-Encoding: base64\r\n\r\naGVs*bG8", func(m email.Message) bool { return strings.HasPrefix(m.Plain, "hel") }},
		"html only":           {"Content-Type: text/html\r\n\r\n<style>p{}</style><p>Hi &amp; bye</p><script>x", func(m email.Message) bool { return m.Snippet == "Hi & bye" }},
		"text attachment": {"Content-Type: text/plain; name=a.txt\r\n\r\nx", func(m email.Message) bool {
			return len(m.Attachments) == 1 && m.Attachments[0].ID == "1" && m.Plain == ""
		}},
		"reply without refs": {"In-Reply-To: <r@x>\r\nMessage-ID: <m@x>\r\n\r\n", func(m email.Message) bool { r, _ := rfc5322.ThreadRoot(m.ThreadID); return r == "r@x" }},
	} {
		if m := rfc5322.Read([]byte(c.raw), email.Standard); !c.want(m) {
			t.Errorf("%s: %+v", name, m)
		}
	}
}

func TestNestingIsBounded(t *testing.T) {
	deep := strings.Repeat("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n", 5000)
	wide := "Content-Type: multipart/mixed; boundary=b\r\n\r\n" + strings.Repeat("--b\r\nContent-Type: image/png\r\n\r\nx\r\n", 100_000)
	begin := time.Now()
	rfc5322.Read([]byte(deep), email.Standard)
	if m := rfc5322.Read([]byte(wide), email.Standard); len(m.Attachments) > 500 {
		t.Errorf("%d parts", len(m.Attachments))
	}
	if time.Since(begin) > 5*time.Second {
		t.Error("slow")
	}
}

func TestWriteReadsBack(t *testing.T) {
	at := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	d := email.Draft{To: []email.Address{{Name: "Grüße, Grace", Email: "grace@example.com"}}, Bcc: []email.Address{{Email: "secret@example.com"}}, Subject: "Grüße — 1", HTML: `<p>Hé <img src="cid:dot"></p>`, Plain: "Hé\n.\nend",
		MessageID: "new@example.com", InReplyTo: "2@example.com", References: []string{"1@example.com", "2@example.com"}, Headers: []email.Header{{Name: "X-One", Value: "ü"}},
		Attachments: []email.Enclosure{{Filename: "rechnung ü.pdf", ContentType: "application/pdf", Content: strings.NewReader("%PDF-1.7")}, {ContentID: "dot", ContentType: "image/png", Content: strings.NewReader("png!"), Inline: true}}}
	if err := d.Check(); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := rfc5322.Write(&out, d, email.Address{Name: "Ada", Email: "ada@example.com"}, at); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(out.String(), "secret@") {
		t.Error("Bcc travels")
	}
	m := rfc5322.Read(out.Bytes(), email.WithHeaders)
	if m.Subject != d.Subject || m.HTML != d.HTML || m.Plain != strings.ReplaceAll(d.Plain, "\n", "\r\n") && m.Plain != d.Plain || m.To[0] != d.To[0] || m.From[0].Email != "ada@example.com" || m.MessageID != "new@example.com" || len(m.References) != 2 || !m.Date.Equal(at) {
		t.Errorf("%+v", m)
	}
	if len(m.Attachments) != 2 || m.Attachments[0].ContentID != "dot" || !m.Attachments[0].Inline || m.Attachments[1].Filename != "rechnung ü.pdf" || m.Attachments[1].Size != 8 {
		t.Errorf("%+v", m.Attachments)
	}
}

func TestWithoutBcc(t *testing.T) {
	got := string(rfc5322.WithoutBcc([]byte("To: a@b\r\nBCC: c@d,\r\n e@f\r\nSubject: x\r\n\r\nBcc: stays\r\n")))
	if got != "To: a@b\r\nSubject: x\r\n\r\nBcc: stays\r\n" {
		t.Errorf("%q", got)
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(mixed))
	f.Add([]byte("Subject: =?utf-8?b?////?=\r\n\r\n\xff"))
	f.Add([]byte("Content-Type: multipart/mixed; boundary=\"\"\r\n\r\n--\r\n--\r\n"))
	f.Add([]byte("From: \"\\\r\nTo: <<<>>>,(((\r\nContent-Type: text/plain; charset=utf-7\r\n\r\n+AD0-"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		m := rfc5322.Read(raw, email.WithHeaders)
		for _, s := range []string{m.Subject, m.Plain, m.HTML, m.Snippet, m.ThreadID, m.MessageID} {
			if !utf8.ValidString(s) || strings.ContainsRune(s, 0) {
				t.Fatalf("unclean: %q", s)
			}
		}
		for _, a := range append(append(m.From, m.To...), m.Cc...) {
			if !utf8.ValidString(a.Name+a.Email) || strings.ContainsAny(a.Name+a.Email, "\r\n\x00") {
				t.Fatalf("unclean: %+v", a)
			}
		}
		for _, h := range m.Headers {
			if !utf8.ValidString(h.Name+h.Value) || strings.ContainsAny(h.Name+h.Value, "\r\n\x00") {
				t.Fatalf("unclean: %+v", h)
			}
		}
		if len(m.Attachments) > 500 || len([]rune(m.Snippet)) > 100 {
			t.Fatal("unbounded")
		}
	})
}
