package sandbox

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"sort"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/provider/rfc5322"
)

// person is someone who does not exist.
type person struct{ local, name string }

func (p person) address() string { return p.local + "@" + Domain }

var people = []person{{"ada", "Ada Lindqvist"}, {"grace", "Grace Okafor"}, {"linus", "Linus Marchetti"}, {"margaret", "Margaret Chen"}}

// letter is one message of the story. Names before @ without a domain are people of the sandbox.
type letter struct {
	from    string // "ada", or "Name <x@y.example>"
	to, cc  string // comma lists; "all" is everyone
	subject string
	hours   float64 // ago
	answers int     // 1-based number of the letter answered; 0 = none
	text    string
	html    string
	file    string // name of an attachment
	unread  bool
	starred bool
	folder  string // where recipients keep it; INBOX when empty
}

// seed makes everyone's mailbox, the oldest mail first, so that the order of arrival is the order of time.
func seed(now time.Time, password string) map[string]*mailbox {
	out := map[string]*mailbox{}
	for _, p := range people {
		out[p.address()] = newMailbox(p.address(), p.name, password)
	}
	order := make([]int, len(letters))
	for i := range order {
		order[i] = i
	}
	sort.SliceStable(order, func(i, j int) bool { return letters[order[i]].hours > letters[order[j]].hours })
	for _, n := range order {
		l := letters[n]
		at := now.Add(-time.Duration(l.hours * float64(time.Hour))).Truncate(time.Second)
		raw := l.compose(n, at)
		for _, to := range addresses(l.to + "," + l.cc) {
			box := out[to.Email]
			if box == nil {
				continue
			}
			var flags []imap.Flag
			if !l.unread {
				flags = append(flags, imap.FlagSeen)
			}
			if l.starred {
				flags = append(flags, imap.FlagFlagged)
			}
			folder := l.folder
			if folder == "" {
				folder = "INBOX"
			}
			_ = box.put(folder, raw, at, flags)
		}
		if box := out[sender(l.from).Email]; box != nil {
			folder, flags := "Sent", []imap.Flag{imap.FlagSeen}
			if l.to == "" {
				folder, flags = "Drafts", append(flags, imap.FlagDraft)
			}
			_ = box.put(folder, raw, at, flags)
		}
	}
	return out
}

func sender(s string) email.Address { return addresses(s)[0] }

func addresses(list string) []email.Address {
	var out []email.Address
	for _, s := range strings.Split(list, ",") {
		s = strings.TrimSpace(s)
		name, rest, ok := strings.Cut(s, " <")
		switch {
		case s == "":
		case s == "all":
			for _, p := range people {
				out = append(out, email.Address{Name: p.name, Email: p.address()})
			}
		case ok:
			out = append(out, email.Address{Name: name, Email: strings.TrimSuffix(rest, ">")})
		default:
			for _, p := range people {
				if p.local == s {
					out = append(out, email.Address{Name: p.name, Email: p.address()})
				}
			}
		}
	}
	return out
}

func idOf(n int) string { return fmt.Sprintf("letter-%d@%s", n+1, Domain) }

func (l letter) compose(n int, at time.Time) []byte {
	from := sender(l.from)
	d := email.Draft{From: []email.Address{from}, To: addresses(l.to), Cc: addresses(l.cc), Subject: l.subject, Plain: strings.ReplaceAll(strings.TrimSpace(l.text), "\n", "\r\n"), HTML: l.html, MessageID: idOf(n)}
	if l.answers > 0 {
		d.InReplyTo = idOf(l.answers - 1)
		for at := l.answers; at > 0; at = letters[at-1].answers {
			d.References = append([]string{idOf(at - 1)}, d.References...)
		}
	}
	if l.file != "" {
		kind, content := enclosure(l.file)
		d.Attachments = []email.Enclosure{{Filename: l.file, ContentType: kind, Content: bytes.NewReader(content)}}
	}
	var out bytes.Buffer
	if err := rfc5322.Write(&out, d, from, at); err != nil {
		return []byte("Subject: " + l.subject + "\r\n\r\n")
	}
	return out.Bytes()
}

// enclosure makes a small file that opens.
func enclosure(name string) (kind string, content []byte) {
	switch {
	case strings.HasSuffix(name, ".pdf"):
		return "application/pdf", onePage(name)
	case strings.HasSuffix(name, ".csv"):
		return "text/csv", []byte("month,orders,revenue\nAugust,118,41260\nSeptember,131,46010\nOctober,164,58870\n")
	case strings.HasSuffix(name, ".png"):
		b, _ := base64.StdEncoding.DecodeString("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")
		return "image/png", b
	}
	return "text/plain", []byte("Agenda\n1. Orders\n2. Deliveries\n3. Anything else\n")
}

// onePage is the smallest PDF that shows a line of text.
func onePage(title string) []byte {
	var b bytes.Buffer
	var at []int
	object := func(s string) {
		at = append(at, b.Len())
		fmt.Fprintf(&b, "%d 0 obj\n%s\nendobj\n", len(at), s)
	}
	text := fmt.Sprintf("BT /F1 18 Tf 72 720 Td (%s) Tj ET", strings.NewReplacer("(", "", ")", "", `\`, "").Replace(title))
	b.WriteString("%PDF-1.4\n")
	object("<< /Type /Catalog /Pages 2 0 R >>")
	object("<< /Type /Pages /Kids [3 0 R] /Count 1 >>")
	object("<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>")
	object(fmt.Sprintf("<< /Length %d >>\nstream\n%s\nendstream", len(text), text))
	object("<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>")
	start := b.Len()
	fmt.Fprintf(&b, "xref\n0 %d\n0000000000 65535 f \n", len(at)+1)
	for _, n := range at {
		fmt.Fprintf(&b, "%010d 00000 n \n", n)
	}
	fmt.Fprintf(&b, "trailer << /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n", len(at)+1, start)
	return b.Bytes()
}
