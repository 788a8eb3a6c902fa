package mailbox

import (
	"context"
	"strings"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/models"
)

// MostCleaned is how many messages can be cleaned at once.
const MostCleaned = 20

// Cleaning says what is left out of a conversation, and how it is written.
type Cleaning struct {
	WithLinks       bool // keep links; otherwise their text alone
	WithImages      bool // keep images that lie at an address; otherwise none
	ImagesAsHTML    bool // write kept images as HTML; otherwise as Markdown
	WithTables      bool // keep tables; otherwise their rows as lines
	WithConclusions bool // keep greetings at the end and what follows them
	Markdown        bool // write Markdown; otherwise HTML
}

// Cleaned is a message and what its author wrote in it.
type Cleaned struct {
	Message      email.Message
	Conversation string
}

// Clean reads messages and leaves of each what its author wrote: no quoted mail, no signature, nothing hidden. The result holds a few harmless elements without
// attributes, whatever the sender sent: it is made anew from the text, not by cutting out what is known to be bad. ids are at most MostCleaned.
func (s *Service) Clean(ctx context.Context, actor models.Actor, g models.Grant, ids []string, c Cleaning) ([]Cleaned, error) {
	out := make([]Cleaned, 0, len(ids))
	for _, id := range ids {
		m, err := s.Message(ctx, actor, g, id, email.Standard)
		if err != nil {
			return nil, err
		}
		out = append(out, Cleaned{Message: m, Conversation: Conversation(m, c)})
	}
	return out, nil
}

// Conversation is what the author of a message wrote. Where nothing but quoted mail is in it, as in a bare forward, it is that.
func Conversation(m email.Message, c Cleaning) string {
	read := func(quoted bool) []line {
		if m.HTML != "" {
			return readHTML(m.HTML, c, quoted)
		}
		return readPlain(m.Plain, quoted)
	}
	lines := trimmed(shorten(read(false), c))
	if len(lines) == 0 {
		lines = trimmed(read(true))
	}
	if c.Markdown {
		return markdown(lines)
	}
	return rendered(lines)
}

// line is one line of a conversation, in all its forms.
type line struct {
	kind     string // p, h1 to h6, ul, ol, pre, row
	goesOn   bool   // of the same block as the line before
	html, md string
	text     string // as it is read
	pictures int
}

func (l line) empty() bool { return strings.TrimSpace(l.text) == "" && l.pictures == 0 }

func trimmed(all []line) []line {
	for len(all) > 0 && all[0].empty() {
		all = all[1:]
	}
	for len(all) > 0 && all[len(all)-1].empty() {
		all = all[:len(all)-1]
	}
	return all
}

// rendered writes lines as HTML: lines of one block together.
func rendered(all []line) string {
	var b strings.Builder
	open := ""
	end := func() {
		switch open {
		case "":
		case "ul", "ol":
			b.WriteString("</li></" + open + ">")
		case "row":
			b.WriteString("</table>")
		default:
			b.WriteString("</" + open + ">")
		}
		open = ""
	}
	gap := false
	for _, l := range all {
		if l.empty() {
			gap = true
			continue
		}
		if gap && open == "p" {
			l.goesOn = false
		}
		gap = false
		switch {
		case open == l.kind && l.kind == "row":
			b.WriteString("<tr>" + l.html + "</tr>")
			continue
		case open == l.kind && l.goesOn:
			b.WriteString(map[bool]string{true: "\n", false: "<br>"}[l.kind == "pre"] + l.html)
			continue
		case open == l.kind && (l.kind == "ul" || l.kind == "ol"):
			b.WriteString("</li><li>" + l.html)
			continue
		}
		end()
		open = l.kind
		switch l.kind {
		case "ul", "ol":
			b.WriteString("<" + l.kind + "><li>" + l.html)
		case "row":
			b.WriteString("<table><tr>" + l.html + "</tr>")
		default:
			b.WriteString("<" + l.kind + ">" + l.html)
		}
	}
	end()
	return b.String()
}

// markdown writes lines as CommonMark.
func markdown(all []line) string {
	var b strings.Builder
	before, gap := "", false
	for _, l := range all {
		if l.empty() {
			gap = true
			continue
		}
		l.goesOn = l.goesOn && !(gap && l.kind == "p")
		gap = false
		switch {
		case b.Len() == 0:
		case before == l.kind && l.goesOn && l.kind != "pre":
			b.WriteString("  \n") // a hard break
		case before == l.kind && l.kind != "p":
			b.WriteString("\n")
		default:
			b.WriteString("\n\n")
		}
		first := before != l.kind
		before = l.kind
		switch l.kind {
		case "ul", "ol":
			mark := map[string]string{"ul": "- ", "ol": "1. "}[l.kind]
			if l.goesOn {
				mark = "  "
			}
			b.WriteString(mark + l.md)
		case "pre":
			b.WriteString("    " + l.text)
		case "h1", "h2", "h3", "h4", "h5", "h6":
			b.WriteString(strings.Repeat("#", int(l.kind[1]-'0')) + " " + l.md)
		case "row":
			b.WriteString("| " + l.md + " |")
			if first {
				b.WriteString("\n|" + strings.Repeat(" --- |", strings.Count(l.md, " | ")+1))
			}
		default:
			b.WriteString(l.md)
		}
	}
	return b.String()
}
