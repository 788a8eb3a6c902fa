package mailbox_test

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	dom "golang.org/x/net/html"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/mailbox"
)

func TestConversation(t *testing.T) {
	html := func(s string) email.Message { return email.Message{HTML: s} }
	plain := func(s string) email.Message { return email.Message{Plain: s} }
	for name, c := range map[string]struct {
		m    email.Message
		how  mailbox.Cleaning
		want string
	}{
		"empty":           {plain(""), mailbox.Cleaning{}, ""},
		"plain":           {plain("Hello,\r\n\r\nsee <you>\nat noon.\r\n"), mailbox.Cleaning{}, "<p>Hello,</p><p>see &lt;you&gt;<br>at noon.</p>"},
		"plain, quoted":   {plain("Yes.\n\nOn Mon, 2 Nov 2026 at 10:00, Grace <grace@example.com> wrote:\n> Really?\n> Yes?\n"), mailbox.Cleaning{}, "<p>Yes.</p>"},
		"wrapped":         {plain("Yes.\n\nOn Mon, 2 Nov 2026 at 10:00, Grace Hopper\n<grace@example.com> wrote:\n\n> Really?\n"), mailbox.Cleaning{}, "<p>Yes.</p>"},
		"signature":       {plain("Yes.\n-- \nAda\nTelephone 1"), mailbox.Cleaning{}, "<p>Yes.</p>"},
		"farewell":        {plain("Yes.\n\nKind regards,\nAda\nACME"), mailbox.Cleaning{}, "<p>Yes.</p>"},
		"farewell stays":  {plain("Yes.\n\nMit freundlichen Grüßen\nAda"), mailbox.Cleaning{WithConclusions: true}, "<p>Yes.</p><p>Mit freundlichen Grüßen<br>Ada</p>"},
		"farewell within": {plain("Thanks\n" + strings.Repeat("A long text that goes on for quite a while after it.\n", 20)), mailbox.Cleaning{}, "<p>Thanks" + strings.Repeat("<br>A long text that goes on for quite a while after it.", 20) + "</p>"},
		"bare forward":    {plain("-----Original Message-----\nFrom: Grace\nSent: Monday\nTo: Ada\nSubject: x\n\nThe text"), mailbox.Cleaning{}, "<p>-----Original Message-----<br>From: Grace<br>Sent: Monday<br>To: Ada<br>Subject: x</p><p>The text</p>"},
		"gmail":           {html(`<div dir="ltr">Yes, <b>really</b>.<br><br>Best,<div>Ada</div></div><br><div class="gmail_quote"><div class="gmail_attr">On Monday Grace wrote:<br></div><blockquote>Really?</blockquote></div>`), mailbox.Cleaning{}, "<p>Yes, <b>really</b>.</p>"},
		"outlook":         {html(`<html><head><style>p{}</style></head><body><p class=MsoNormal>Yes.</p><div id="x_divRplyFwdMsg"><b>From:</b> Grace</div><div>What was answered</div></body></html>`), mailbox.Cleaning{}, "<p>Yes.</p>"},
		"outlook, desktop": {html(`<p>Yes.</p><div style="border-top:solid"><p><b>From:</b> Grace<br><b>Sent:</b> Monday<br><b>To:</b> Ada<br><b>Subject:</b> x</p></div><p>What was answered</p>`),
			mailbox.Cleaning{}, "<p>Yes.</p>"},
		"apple":          {html(`Yes.<div><br><blockquote type="cite"><div>On 2 Nov 2026, Grace wrote:</div>Really?</blockquote></div>`), mailbox.Cleaning{}, "<p>Yes.</p>"},
		"links":          {html(`See <a href="https://example.com/?a=1&amp;b=2" onclick="x()">this</a> and <a href="javascript:x()">that</a>.`), mailbox.Cleaning{WithLinks: true}, `<p>See <a href="https://example.com/?a=1&amp;b=2">this</a> and that.</p>`},
		"no links":       {html(`See <a href="https://example.com/">this</a>.`), mailbox.Cleaning{}, `<p>See this.</p>`},
		"images":         {html(`<img src="https://example.com/a.png" alt="A map"><img src="https://example.com/pixel" width=1 height=1><img src="data:image/png;base64,AA">`), mailbox.Cleaning{WithImages: true}, `<p>![A map](https://example.com/a.png)</p>`},
		"images as HTML": {html(`<img src="https://example.com/a.png" alt='"'>`), mailbox.Cleaning{WithImages: true, ImagesAsHTML: true}, `<p><img src="https://example.com/a.png" alt="&#34;"></p>`},
		"tables":         {html(`<table><tr><td>a</td><td>b</td></tr><tr><td>c</td><td><p>d</p></td></tr></table>`), mailbox.Cleaning{}, `<p>a b</p><p>c</p><p>d</p>`},
		"with tables":    {html(`<table><tr><th>a</th><td>b</td></tr><tr><td>c</td><td><p>d</p></td></tr></table>after`), mailbox.Cleaning{WithTables: true}, `<table><tr><th>a</th><td>b</td></tr><tr><td>c</td><td>d</td></tr></table><p>after</p>`},
		"lists":          {html(`<h2>To do</h2><ul><li>one<br>more</li><li><p>two</p><p>three</p></li></ul>`), mailbox.Cleaning{}, `<h2>To do</h2><ul><li>one<br>more</li><li>two<br>three</li></ul>`},
		"hidden":         {html(`<div style="display: none">Preheader</div><span hidden>x</span>Yes<style>a</style><script>b</script><svg><text>c</text></svg><textarea>d</textarea><!-- e -->.`), mailbox.Cleaning{}, `<p>Yes.</p>`},
		"markdown":       {html(`<h1>News</h1><p>A <i>small</i> <a href="https://example.com/(x)">link</a>, 2*3_4.<br># no heading</p><ol><li>one</li></ol><pre>a  b</pre>`), mailbox.Cleaning{WithLinks: true, Markdown: true}, "# News\n\nA *small* [link](https://example.com/%28x%29), 2\\*3\\_4.  \n\\# no heading\n\n1. one\n\n    a  b"},
		"markdown table": {html(`<table><tr><td>a</td><td>b|c</td></tr><tr><td>d</td><td>e</td></tr></table>`), mailbox.Cleaning{WithTables: true, Markdown: true}, "| a | b\\|c |\n| --- | --- |\n| d | e |"},
	} {
		if got := mailbox.Conversation(c.m, c.how); got != c.want {
			t.Errorf("%s:\n got %q\nwant %q", name, got, c.want)
		}
	}
}

// harmless says what in a conversation could do something where it is shown; empty: nothing.
func harmless(t *testing.T, conversation string) string {
	t.Helper()
	allowed := strings.Fields("html head body p div br b i u s code pre ul ol li h1 h2 h3 h4 h5 h6 table tbody tr td th a img")
	root, err := dom.Parse(strings.NewReader(conversation))
	if err != nil {
		return err.Error()
	}
	for n := range root.Descendants() {
		switch {
		case n.Type == dom.CommentNode:
			return "a comment"
		case n.Type != dom.ElementNode:
			continue
		case n.Namespace != "" || !slices.Contains(allowed, n.Data):
			return "<" + n.Data + ">"
		}
		for _, a := range n.Attr {
			u, err := url.Parse(a.Val)
			switch {
			case n.Data == "img" && a.Key == "alt":
			case (n.Data == "a" && a.Key == "href" || n.Data == "img" && a.Key == "src") && err == nil && slices.Contains([]string{"http", "https", "mailto", "tel", "cid"}, u.Scheme):
			default:
				return n.Data + " " + a.Key + "=" + a.Val
			}
		}
	}
	return ""
}

var hostile = []string{
	`<img src=x onerror=alert(1)>`, `<a href="jAvAsCrIpT:alert(1)">x</a>`, `<a href=" javascript:alert(1)">x</a>`, "<a href=\"java\tscript:alert(1)\">x</a>", `<svg><script>alert(1)</script></svg>`,
	`<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=alert(1)&gt;">`, `<noscript><p title="</noscript><img src=x onerror=alert(1)>">`, `<p>&lt;script&gt;alert(1)&lt;/script&gt;`,
	`<form><math><mtext></form><form><mglyph><svg><mtext><textarea><path id="</textarea><img onerror=alert('XSS') src=1>">`, `<iframe srcdoc="<script>x</script>"></iframe>`, `<base href="https://evil.example/">`,
	`<img alt="<script>" src="https://x/&quot;onerror=&quot;alert(1)">`, `<a href="https://x/&quot; onmouseover=&quot;alert(1)">y</a>`, `<![CDATA[<script>x</script>]]>`, `<!--><script>x</script>-->`, `<table><td><b><table><td><i></table></b>`,
	`<plaintext><script>`, `<xmp><script>alert(1)</script></xmp>`, `<title><img src=x onerror=1></title>`, strings.Repeat("<div>", 5000) + "deep", strings.Repeat("<b>", 600) + "x", "\x00<b\x00>", "<p>\xff\xfe</p>", "<a href=https://[::1>x",
}

func TestConversationOfHostileMail(t *testing.T) {
	all := mailbox.Cleaning{WithLinks: true, WithImages: true, ImagesAsHTML: true, WithTables: true, WithConclusions: true}
	for _, h := range hostile {
		for _, how := range []mailbox.Cleaning{all, {}, {WithLinks: true, WithImages: true, WithTables: true}} {
			got := mailbox.Conversation(email.Message{HTML: h}, how)
			if bad := harmless(t, got); bad != "" {
				t.Errorf("%.80q: %s in %.200q", h, bad, got)
			}
		}
	}
}

func FuzzConversation(f *testing.F) {
	for _, h := range hostile {
		f.Add(h, true, true)
	}
	f.Add("On Monday Grace wrote:\n> x\n-- \nAda", false, false)
	f.Fuzz(func(t *testing.T, body string, isHTML, everything bool) {
		if len(body) > 50_000 {
			t.Skip()
		}
		m := email.Message{Plain: body}
		if isHTML {
			m = email.Message{HTML: body}
		}
		how := mailbox.Cleaning{WithLinks: everything, WithImages: everything, ImagesAsHTML: everything, WithTables: everything}
		if bad := harmless(t, mailbox.Conversation(m, how)); bad != "" {
			t.Errorf("%s in what was made of %q", bad, body)
		}
		how.Markdown = true
		mailbox.Conversation(m, how)
	})
}
