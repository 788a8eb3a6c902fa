package imapmail

import (
	"strconv"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"

	"github.com/postern-mail/postern/engine/fault"
)

var errNative = fault.New(fault.Invalid, "search_invalid", "This is not an IMAP search. Example: FROM \"ada@example.com\" UNSEEN SINCE 1-Nov-2026.").At("search_query_native")

// parseNative reads the search keys of RFC 3501 section 6.4.4 that name no message numbers. Nothing of the text reaches the server
// as it is: it is read into criteria, and those are written anew.
func parseNative(text string) (*imap.SearchCriteria, error) {
	p := &nativeParser{text: text}
	c, err := p.list(0, false)
	if err != nil {
		return nil, err
	}
	return c, nil
}

type nativeParser struct {
	text  string
	terms int
}

func (p *nativeParser) list(depth int, closing bool) (*imap.SearchCriteria, error) {
	out := &imap.SearchCriteria{}
	for n := 0; ; n++ {
		p.text = strings.TrimLeft(p.text, " \t")
		if p.text == "" || p.text[0] == ')' {
			if (p.text != "") != closing || n == 0 {
				return nil, errNative
			}
			if closing {
				p.text = p.text[1:]
			}
			return out, nil
		}
		c, err := p.key(depth)
		if err != nil {
			return nil, err
		}
		out.And(c)
	}
}

func (p *nativeParser) key(depth int) (*imap.SearchCriteria, error) {
	if p.terms++; p.terms > 50 || depth > 10 {
		return nil, errNative
	}
	p.text = strings.TrimLeft(p.text, " \t")
	if strings.HasPrefix(p.text, "(") {
		p.text = p.text[1:]
		return p.list(depth+1, true)
	}
	word := strings.ToUpper(p.atom())
	c := &imap.SearchCriteria{}
	if f, ok := nativeFlags[strings.TrimPrefix(word, "UN")]; ok && strings.HasPrefix(word, "UN") {
		c.NotFlag = []imap.Flag{f}
		return c, nil
	}
	if f, ok := nativeFlags[word]; ok {
		c.Flag = []imap.Flag{f}
		return c, nil
	}
	switch word {
	case "ALL":
		return c, nil
	case "NOT":
		x, err := p.key(depth + 1)
		if err != nil {
			return nil, err
		}
		c.Not = []imap.SearchCriteria{*x}
		return c, nil
	case "OR":
		a, err := p.key(depth + 1)
		if err != nil {
			return nil, err
		}
		b, err := p.key(depth + 1)
		if err != nil {
			return nil, err
		}
		c.Or = [][2]imap.SearchCriteria{{*a, *b}}
		return c, nil
	case "HEADER":
		name, ok := p.str()
		value, ok2 := p.str()
		if !ok || !ok2 || name == "" || strings.ContainsAny(name, " :\"\\") {
			return nil, errNative
		}
		c.Header = []imap.SearchCriteriaHeaderField{{Key: name, Value: value}}
		return c, nil
	}
	value, ok := p.str()
	if !ok {
		return nil, errNative
	}
	return c, nativeArgument(c, word, value)
}

func nativeArgument(c *imap.SearchCriteria, word, value string) error {
	switch word {
	case "FROM", "TO", "CC", "BCC", "SUBJECT":
		c.Header = []imap.SearchCriteriaHeaderField{{Key: word[:1] + strings.ToLower(word[1:]), Value: value}}
		return nil
	case "BODY":
		c.Body = []string{value}
		return nil
	case "TEXT":
		c.Text = []string{value}
		return nil
	case "KEYWORD", "UNKEYWORD":
		if !plainName(value) {
			return errNative
		}
		if word == "KEYWORD" {
			c.Flag = []imap.Flag{imap.Flag(value)}
		} else {
			c.NotFlag = []imap.Flag{imap.Flag(value)}
		}
		return nil
	case "LARGER", "SMALLER":
		n, err := strconv.ParseUint(value, 10, 32)
		if err != nil || n == 0 {
			return errNative
		}
		if word == "LARGER" {
			c.Larger = int64(n)
		} else {
			c.Smaller = int64(n)
		}
		return nil
	}
	day, err := time.Parse("2-Jan-2006", value)
	if err != nil {
		return errNative
	}
	switch word {
	case "SINCE":
		c.Since = day
	case "BEFORE":
		c.Before = day
	case "ON":
		c.Since, c.Before = day, day.AddDate(0, 0, 1)
	case "SENTSINCE":
		c.SentSince = day
	case "SENTBEFORE":
		c.SentBefore = day
	case "SENTON":
		c.SentSince, c.SentBefore = day, day.AddDate(0, 0, 1)
	default:
		return errNative
	}
	return nil
}

var nativeFlags = map[string]imap.Flag{"SEEN": imap.FlagSeen, "ANSWERED": imap.FlagAnswered, "FLAGGED": imap.FlagFlagged, "DELETED": imap.FlagDeleted, "DRAFT": imap.FlagDraft}

func (p *nativeParser) atom() string {
	i := strings.IndexAny(p.text, " \t()\"")
	if i < 0 {
		i = len(p.text)
	}
	out := p.text[:i]
	p.text = p.text[i:]
	return out
}

func (p *nativeParser) str() (string, bool) {
	p.text = strings.TrimLeft(p.text, " \t")
	if !strings.HasPrefix(p.text, `"`) {
		a := p.atom()
		return a, a != ""
	}
	var out strings.Builder
	for i := 1; i < len(p.text); i++ {
		switch c := p.text[i]; c {
		case '\\':
			if i++; i < len(p.text) {
				out.WriteByte(p.text[i])
			}
		case '"':
			p.text = p.text[i+1:]
			return out.String(), true
		default:
			out.WriteByte(c)
		}
	}
	return "", false
}
