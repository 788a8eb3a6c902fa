package providertest

import (
	"strconv"
	"strings"
	"time"
	"unicode"
)

// googleMatcher decides on one message.
type googleMatcher func(*googleMessage) bool

// parseSearch reads Gmail's search language as its help page has it: operators, quotes, a minus before a term, braces and OR for either,
// parentheses for all. What it does not know is looked for as a word, as Gmail does.
func googleSearch(q string) googleMatcher {
	p := &googleSearchParser{rest: q}
	return p.all(0)
}

type googleSearchParser struct{ rest string }

// all reads terms up to the closing bracket.
func (p *googleSearchParser) all(end byte) googleMatcher {
	var groups [][]googleMatcher // terms; each a list of alternatives by OR
	or := false
	for {
		p.rest = strings.TrimLeft(p.rest, " ")
		if p.rest == "" || end != 0 && p.rest[0] == end {
			p.rest = strings.TrimPrefix(p.rest, string(rune(end)))
			break
		}
		if strings.HasPrefix(p.rest, "OR ") && len(groups) > 0 {
			p.rest, or = p.rest[3:], true
			continue
		}
		m := p.term()
		if or {
			groups[len(groups)-1] = append(groups[len(groups)-1], m)
		} else {
			groups = append(groups, []googleMatcher{m})
		}
		or = false
	}
	return func(g *googleMessage) bool {
		some := false
		for _, alternatives := range groups {
			ok := false
			for _, m := range alternatives {
				ok = ok || m(g)
			}
			if end == '}' {
				some = some || ok
			} else if !ok {
				return false
			}
		}
		return end != '}' || some
	}
}

func (p *googleSearchParser) term() googleMatcher {
	if strings.HasPrefix(p.rest, "-") && len(p.rest) > 1 {
		p.rest = p.rest[1:]
		m := p.term()
		return func(g *googleMessage) bool { return !m(g) }
	}
	switch p.rest[0] {
	case '{':
		p.rest = p.rest[1:]
		return p.all('}')
	case '(':
		p.rest = p.rest[1:]
		return p.all(')')
	case ')', '}':
		p.rest = p.rest[1:]
		return func(*googleMessage) bool { return true }
	}
	end := strings.IndexAny(p.rest, " :\"{}()")
	if end > 0 && p.rest[end] == ':' {
		op := strings.ToLower(p.rest[:end])
		p.rest = p.rest[end+1:]
		return googleOperation(op, p.value())
	}
	words := googleWords(p.value())
	return func(g *googleMessage) bool {
		return googlePhrase(words, g.text) || googlePhrase(words, g.field("Subject")) || googlePhrase(words, g.field("From")) || googlePhrase(words, g.field("To"))
	}
}

func (p *googleSearchParser) value() string {
	var v string
	if strings.HasPrefix(p.rest, `"`) {
		v, p.rest, _ = strings.Cut(p.rest[1:], `"`)
		return v
	}
	end := strings.IndexAny(p.rest, " {}()\"")
	if end < 0 {
		end = len(p.rest)
	}
	v, p.rest = p.rest[:end], p.rest[end:]
	return v
}

func googleOperation(op, value string) googleMatcher {
	words := googleWords(value)
	in := func(names ...string) googleMatcher {
		return func(g *googleMessage) bool {
			for _, n := range names {
				if len(words) > 0 && googlePhrase(words, g.field(n)) {
					return true
				}
			}
			return false
		}
	}
	switch op {
	case "from", "subject", "cc", "bcc":
		return in(op)
	case "to": // a recipient, whichever field names it
		return in("To", "Cc", "Bcc")
	case "rfc822msgid":
		return func(g *googleMessage) bool {
			return strings.Trim(g.field("Message-ID"), "<> ") == strings.Trim(value, "<> ")
		}
	case "is":
		return func(g *googleMessage) bool {
			return value == "read" && !g.has("UNREAD") || value != "read" && g.has(strings.ToUpper(value))
		}
	case "in":
		return func(g *googleMessage) bool {
			return value == "anywhere" || g.has(strings.ToUpper(map[string]string{"drafts": "draft"}[value]+strings.TrimSuffix(value, "drafts")))
		}
	case "has":
		return func(g *googleMessage) bool { return value == "attachment" && g.attached }
	case "after", "before":
		at, ok := googleTime(value)
		return func(g *googleMessage) bool {
			return !ok || op == "after" && !g.at.Before(at) || op == "before" && g.at.Before(at)
		}
	}
	return func(g *googleMessage) bool { return googlePhrase(words, g.text) }
}

func googleTime(v string) (time.Time, bool) {
	if n, err := strconv.ParseInt(v, 10, 64); err == nil {
		return time.Unix(n, 0), true
	}
	at, err := time.Parse("2006/01/02", v)
	return at, err == nil
}

// tokens are the words of a text. Gmail compares whole words.
func googleWords(s string) []string {
	return strings.FieldsFunc(strings.ToLower(s), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
}

// phrase says that words stand in s one after the other.
func googlePhrase(words []string, s string) bool {
	all := googleWords(s)
	for i := 0; i+len(words) <= len(all); i++ {
		same := true
		for j, w := range words {
			same = same && all[i+j] == w
		}
		if same {
			return true
		}
	}
	return false
}
