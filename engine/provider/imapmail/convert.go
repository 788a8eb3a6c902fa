package imapmail

import (
	"strconv"
	"strings"

	"github.com/emersion/go-imap/v2"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/provider/rfc5322"
)

// message turns what a server told into our word for it.
func (l *lister) message(f *fetched) email.Message {
	var m email.Message
	switch {
	case f.whole:
		m = rfc5322.Read(f.start, l.q.Fields)
	default:
		head := f.start
		if !rfc5322.HeaderEnds(head) && len(f.header) > 0 {
			head = f.header
		}
		m = rfc5322.ReadHeader(head, l.q.Fields)
		rfc5322.Fill(&m, f.parts, f.bodies)
	}
	m.ID = messageID(l.folder, l.validity, f.uid)
	if m.ThreadID == "" {
		m.ThreadID = "m" + m.ID // a message without any Message-ID is a conversation of its own
	}
	m.Folders = []string{folderID(l.folder)}
	m.Size = f.size
	if !f.received.IsZero() {
		m.Date = f.received.UTC()
	}
	m.Unread = !hasFlag(f.flags, imap.FlagSeen)
	m.Starred = hasFlag(f.flags, imap.FlagFlagged)
	m.Draft = hasFlag(f.flags, imap.FlagDraft)
	if l.drafts {
		m.ID, m.Draft = draftID(m), true
	}
	if l.q.NoBody {
		m.HTML, m.Plain = "", ""
	}
	return m
}

func hasFlag(all []imap.Flag, f imap.Flag) bool {
	for _, x := range all {
		if strings.EqualFold(string(x), string(f)) {
			return true
		}
	}
	return false
}

// structure flattens a BODYSTRUCTURE to the leaves that rfc5322 would find in the bytes.
func structure(bs imap.BodyStructure) []rfc5322.Part {
	if bs == nil {
		return nil
	}
	related := map[string]bool{}
	var out []rfc5322.Part
	bs.Walk(func(path []int, part imap.BodyStructure) bool {
		if len(path) > 20 || len(out) >= 500 {
			return false
		}
		switch p := part.(type) {
		case *imap.BodyStructureMultiPart:
			related[rfc5322.Path(path)] = strings.EqualFold(p.Subtype, "related")
			return true
		case *imap.BodyStructureSinglePart:
			out = append(out, leaf(path, p, related))
		}
		return true
	})
	return out
}

func leaf(path []int, p *imap.BodyStructureSinglePart, related map[string]bool) rfc5322.Part {
	out := rfc5322.Part{Path: rfc5322.Path(path), Type: p.MediaType(), Charset: p.Params["charset"], Encoding: strings.ToLower(p.Encoding),
		Filename: oneLine(p.Filename()), ContentID: oneLine(strings.Trim(p.ID, "<>")), Size: int64(p.Size)}
	if d := p.Disposition(); d != nil {
		out.Disposition = strings.ToLower(d.Value)
	}
	if len(path) > 0 {
		out.Related = related[rfc5322.Path(path[:len(path)-1])]
	}
	return out
}

// oneLine makes foreign text safe to hand on.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "\ufffd"))
}

func numbers(path string) []int {
	var out []int
	for _, s := range strings.Split(path, ".") {
		n, _ := strconv.Atoi(s)
		out = append(out, n)
	}
	return out
}
