package mailbox

import (
	"html"
	"net/url"
	"regexp"
	"slices"
	"strings"

	dom "golang.org/x/net/html"
)

const (
	cleanMost  = 2 << 20 // of a body that is looked at
	deepest    = 200     // elements within each other; what lies deeper is read as text of the one above
	cleanLines = 20_000
)

// Elements that hold nothing to read, whatever they hold.
var mute = map[string]bool{"script": true, "style": true, "head": true, "title": true, "noscript": true, "template": true, "svg": true, "math": true, "iframe": true, "object": true,
	"embed": true, "input": true, "button": true, "select": true, "textarea": true, "audio": true, "video": true, "canvas": true, "link": true, "meta": true, "base": true, "frameset": true,
	"noembed": true, "noframes": true, "xmp": true, "plaintext": true, "map": true, "dialog": true}

var blocks = map[string]bool{"p": true, "div": true, "section": true, "article": true, "header": true, "footer": true, "main": true, "center": true, "blockquote": true, "table": true,
	"tbody": true, "thead": true, "tfoot": true, "tr": true, "ul": true, "ol": true, "li": true, "h1": true, "h2": true, "h3": true, "h4": true, "h5": true, "h6": true, "pre": true,
	"hr": true, "dl": true, "dt": true, "dd": true, "address": true, "figure": true, "fieldset": true, "form": true, "caption": true}

// What marks up words, as it is written here, and its Markdown.
var inline = map[string][2]string{"b": {"b", "**"}, "strong": {"b", "**"}, "i": {"i", "*"}, "em": {"i", "*"}, "u": {"u", ""}, "s": {"s", ""}, "del": {"s", ""}, "code": {"code", "`"}, "tt": {"code", "`"}}

// Where mail programs put the mail that is answered.
var (
	quoteClass = regexp.MustCompile(`(?i)^(?:gmail_quote(?:_container)?|gmail_attr|yahoo_quoted.*|protonmail_quote|moz-cite-prefix|moz-forward-container|zmail_extra|tutanota_quote|mcntecurrentmessage|outlookmessageheader|gmail_signature|moz-signature|apple-mail-signature)$`)
	quoteID    = regexp.MustCompile(`(?i)^(?:x_)*(?:divRplyFwdMsg|appendonsend|OLK_SRC_BODY_SECTION|mail-editor-reference-message-container|reply-intro|isForwardContent|isReplyContent|Signature|ms-outlook-mobile-signature|yahoo_quoted.*)$`)
	cutID      = regexp.MustCompile(`(?i)^(?:x_)*(?:divRplyFwdMsg|appendonsend)$`) // what follows belongs to it, though it stands outside
	unseen     = regexp.MustCompile(`(?i)(?:display\s*:\s*none|visibility\s*:\s*hidden|mso-hide\s*:\s*all|font-size\s*:\s*0(?:px|pt)?\s*(?:;|$)|max-height\s*:\s*0)`)
)

func attribute(n *dom.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name && a.Namespace == "" {
			return a.Val
		}
	}
	return ""
}

func has(n *dom.Node, name string) bool {
	return slices.ContainsFunc(n.Attr, func(a dom.Attribute) bool { return a.Key == name })
}

func isQuote(n *dom.Node) bool {
	if n.Data == "blockquote" && (attribute(n, "type") == "cite" || attribute(n, "cite") != "") {
		return true
	}
	return slices.ContainsFunc(strings.Fields(attribute(n, "class")), quoteClass.MatchString) || quoteID.MatchString(attribute(n, "id"))
}

// reader reads a document into lines.
type reader struct {
	c       Cleaning
	quoted  bool // read quoted mail too
	lines   []line
	now     line
	marks   []mark
	kind    []string
	cell    int
	pre     int
	cut     bool
	blank   bool // a blank is due before the next word
	written bool // something stands in the line
}

type mark struct{ open, close, md, mdClose string }

func readHTML(text string, c Cleaning, quoted bool) []line {
	if len(text) > cleanMost {
		text = strings.ToValidUTF8(text[:cleanMost], "")
	}
	root, err := dom.Parse(strings.NewReader(text))
	if err != nil {
		// Too deep for the parser: what it says, without any markup.
		return readPlain(text, quoted)
	}
	r := &reader{c: c, quoted: quoted, kind: []string{"p"}, now: line{kind: "p"}}
	r.node(root, 0)
	r.end(false)
	return r.lines
}

func (r *reader) children(n *dom.Node, depth int) {
	for child := n.FirstChild; child != nil && !r.cut && len(r.lines) < cleanLines; child = child.NextSibling {
		r.node(child, depth+1)
	}
}

func (r *reader) node(n *dom.Node, depth int) {
	switch n.Type {
	case dom.TextNode:
		r.text(n.Data)
		return
	case dom.ElementNode:
	case dom.DocumentNode:
		r.children(n, depth)
		return
	default:
		return
	}
	if n.Namespace != "" || mute[n.Data] || has(n, "hidden") || unseen.MatchString(attribute(n, "style")) || depth > deepest {
		return
	}
	if !r.quoted && isQuote(n) {
		r.cut = cutID.MatchString(attribute(n, "id"))
		r.end(false)
		return
	}
	switch n.Data {
	case "br":
		r.end(true)
	case "img":
		r.image(n)
	case "a":
		r.link(n, depth)
	case "td", "th":
		r.inCell(n, depth)
	default:
		switch form, marked := inline[n.Data]; {
		case marked:
			r.marked(mark{"<" + form[0] + ">", "</" + form[0] + ">", form[1], form[1]}, n, depth)
		case blocks[n.Data]:
			r.block(n, depth)
		default:
			r.children(n, depth)
		}
	}
}

func (r *reader) block(n *dom.Node, depth int) {
	if r.cell > 0 { // within a cell that is kept, blocks are words apart
		r.blank = true
		r.children(n, depth)
		r.blank = true
		return
	}
	r.end(false)
	switch n.Data {
	case "h1", "h2", "h3", "h4", "h5", "h6", "pre", "ul", "ol":
		r.kind = append(r.kind, n.Data)
		defer func() { r.kind = r.kind[:len(r.kind)-1]; r.now.kind = r.kind[len(r.kind)-1] }()
	case "tr":
		if r.c.WithTables {
			r.kind = append(r.kind, "row")
			defer func() { r.kind = r.kind[:len(r.kind)-1]; r.now.kind = r.kind[len(r.kind)-1] }()
		}
	}
	r.now.kind = r.kind[len(r.kind)-1]
	if n.Data == "li" {
		r.now.goesOn = false
	}
	if n.Data == "pre" {
		r.pre++
		defer func() { r.pre-- }()
	}
	r.children(n, depth)
	r.end(false)
}

func (r *reader) inCell(n *dom.Node, depth int) {
	if !r.c.WithTables || r.cell > 0 || r.kind[len(r.kind)-1] != "row" {
		r.blank = true
		r.children(n, depth)
		r.blank = true
		return
	}
	r.closeMarks()
	if r.now.md != "" {
		r.now.md += " | "
		r.now.text += " "
	}
	r.now.html += "<" + n.Data + ">"
	r.openMarks()
	r.cell, r.blank, r.written = 1, false, false
	r.children(n, depth)
	r.cell, r.blank = 0, false
	r.closeMarks()
	r.now.html += "</" + n.Data + ">"
	r.openMarks()
}

func (r *reader) marked(m mark, n *dom.Node, depth int) {
	r.due()
	r.marks = append(r.marks, m)
	r.now.html += m.open
	r.now.md += m.md
	r.children(n, depth)
	r.marks = r.marks[:len(r.marks)-1]
	r.now.html += m.close
	r.now.md += m.mdClose
}

// address is one that a reader may follow; empty for all others.
func address(text string, schemes ...string) string {
	u, err := url.Parse(strings.TrimSpace(text))
	if err != nil || !slices.Contains(schemes, strings.ToLower(u.Scheme)) {
		return ""
	}
	return u.String()
}

func (r *reader) link(n *dom.Node, depth int) {
	to := address(attribute(n, "href"), "http", "https", "mailto", "tel")
	if !r.c.WithLinks || to == "" {
		r.children(n, depth)
		return
	}
	r.marked(mark{`<a href="` + html.EscapeString(to) + `">`, "</a>", "[", "](" + inParentheses(to) + ")"}, n, depth)
}

func inParentheses(address string) string {
	return strings.NewReplacer("(", "%28", ")", "%29", " ", "%20", "<", "%3C", ">", "%3E").Replace(address)
}

func (r *reader) image(n *dom.Node) {
	from := address(attribute(n, "src"), "http", "https", "cid")
	if !r.c.WithImages || from == "" || slices.Contains([]string{"0", "1"}, attribute(n, "width")) || slices.Contains([]string{"0", "1"}, attribute(n, "height")) {
		return
	}
	r.due()
	alt := strings.Join(strings.Fields(attribute(n, "alt")), " ")
	md := "![" + escapeMarkdown(alt) + "](" + inParentheses(from) + ")"
	if r.c.ImagesAsHTML {
		r.now.html += `<img src="` + html.EscapeString(from) + `" alt="` + html.EscapeString(alt) + `">`
	} else {
		r.now.html += html.EscapeString(md)
	}
	r.now.md += md
	r.now.pictures++
	r.written = true
}

// due writes the blank that parts a word from the one before.
func (r *reader) due() {
	if r.blank && r.written {
		r.now.html, r.now.md, r.now.text = r.now.html+" ", r.now.md+" ", r.now.text+" "
	}
	r.blank = false
}

func (r *reader) text(s string) {
	if r.pre > 0 {
		for i, part := range strings.Split(s, "\n") {
			if i > 0 {
				r.end(true)
			}
			r.put(part)
		}
		return
	}
	words := strings.FieldsFunc(s, func(c rune) bool {
		return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\u00a0' || c == '\u200b' || c == '\u200c' || c == '\u00ad'
	})
	if len(words) == 0 {
		r.blank = r.blank || s != ""
		return
	}
	r.blank = r.blank || strings.ContainsRune(" \t\n\r\f\u00a0", []rune(s)[0])
	r.due()
	r.put(strings.Join(words, " "))
	last := []rune(s)[len([]rune(s))-1]
	r.blank = strings.ContainsRune(" \t\n\r\f\u00a0", last)
}

func (r *reader) put(s string) {
	if s == "" {
		return
	}
	r.now.html += html.EscapeString(s)
	r.now.text += s
	if s = escapeMarkdown(s); !r.written {
		s = escapeStart(s)
	}
	r.now.md += s
	r.written = true
}

var markdownSigns = strings.NewReplacer(`\`, `\\`, "`", "\\`", "*", `\*`, "_", `\_`, "[", `\[`, "]", `\]`, "<", `\<`, ">", `\>`, "|", `\|`)

func escapeMarkdown(s string) string { return markdownSigns.Replace(s) }

var markdownStart = regexp.MustCompile(`^(?:[#+=~-]|\d+[.)])`)

// escapeStart keeps the beginning of a line from being taken for a heading, a list or a rule.
func escapeStart(s string) string {
	if at := markdownStart.FindStringIndex(s); at != nil {
		return s[:at[1]-1] + `\` + s[at[1]-1:]
	}
	return s
}

func (r *reader) closeMarks() {
	for i := len(r.marks) - 1; i >= 0; i-- {
		r.now.html += r.marks[i].close
		r.now.md += r.marks[i].mdClose
	}
}

func (r *reader) openMarks() {
	for _, m := range r.marks {
		r.now.html += m.open
		r.now.md += m.md
	}
}

// end finishes a line. goesOn: the next one is of the same block.
func (r *reader) end(goesOn bool) {
	if r.cell > 0 {
		r.blank = true
		return
	}
	r.closeMarks()
	item := r.now.kind == "ul" || r.now.kind == "ol" // all of it goes on until the next one begins
	if r.written || r.now.pictures > 0 || goesOn {
		r.lines = append(r.lines, r.now)
		goesOn = goesOn || item
	} else {
		goesOn = item && r.now.goesOn
	}
	r.now = line{kind: r.kind[len(r.kind)-1], goesOn: goesOn}
	r.blank, r.written = false, false
	r.openMarks()
}
