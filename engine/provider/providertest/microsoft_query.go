package providertest

import (
	"cmp"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// microsoftRefusal is an error of Graph.
type microsoftRefusal struct {
	status     int
	code, text string
}

func (e *microsoftRefusal) Error() string { return e.code }

func graphBad(code, text string) error { return &microsoftRefusal{400, code, text} }

// listQuery is what a list of messages was asked with, by the rules of "List messages": $search stands alone, the property of $orderby leads in $filter.
type graphListQuery struct {
	keep      func(*microsoftMessage) bool
	top, skip int
	selected  []string
	expand    []string // nil: not asked for
	search    bool
	ascending bool
}

func graphList(raw string) (graphListQuery, error) {
	q := graphListQuery{top: 10, keep: func(*microsoftMessage) bool { return true }}
	values, err := url.ParseQuery(raw)
	if err != nil {
		return q, graphBad("BadRequest", "the query cannot be read")
	}
	for name := range values {
		if strings.HasPrefix(name, "$") && !slices.Contains([]string{"$filter", "$search", "$orderby", "$top", "$skip", "$skiptoken", "$select", "$expand", "$count"}, name) {
			return q, graphBad("BadRequest", "The query parameter '"+name+"' is not supported.")
		}
	}
	filter, search, order := values.Get("$filter"), values.Get("$search"), values.Get("$orderby")
	switch {
	case search != "" && filter != "":
		return q, graphBad("SearchWithFilter", "The query parameter '$filter' is not supported with '$search'.")
	case search != "" && order != "":
		return q, graphBad("SearchWithOrderBy", "The query parameter '$orderBy' is not supported with '$search'.")
	}
	if q.top, q.skip, err = graphPaging(values); err != nil {
		return q, err
	}
	if q.selected, q.expand, err = graphShape(values); err != nil {
		return q, err
	}
	switch strings.ToLower(order) {
	case "", "receiveddatetime desc":
	case "receiveddatetime", "receiveddatetime asc":
		q.ascending = true
	default:
		return q, graphBad("ErrorInvalidUrlQuery", "this server orders by receivedDateTime only")
	}
	if filter != "" {
		if order != "" && !strings.HasPrefix(filter, "receivedDateTime ") {
			return q, graphBad("InefficientFilter", "The restriction or sort order is too complex for this operation.")
		}
		if q.keep, err = odataFilter(filter); err != nil {
			return q, err
		}
	}
	if search != "" {
		q.search = true
		if q.keep, err = kqlSearch(search); err != nil {
			return q, err
		}
	}
	return q, nil
}

func graphPaging(values url.Values) (top, skip int, err error) {
	top = 10
	if v := values.Get("$top"); v != "" {
		if top, err = strconv.Atoi(v); err != nil || top < 1 || top > 1000 {
			return 0, 0, graphBad("ErrorInvalidParameter", "The limit of '1000' for Top query has been exceeded.")
		}
	}
	for _, name := range []string{"$skip", "$skiptoken"} {
		if v := values.Get(name); v != "" {
			if skip, err = strconv.Atoi(v); err != nil || skip < 0 {
				return 0, 0, graphBad("ErrorInvalidParameter", "bad "+name)
			}
		}
	}
	return top, skip, nil
}

var expandAttachments = regexp.MustCompile(`^attachments(\(\$select=([A-Za-z,]+)\))?$`)

func graphShape(values url.Values) (selected, expand []string, err error) {
	if v := values.Get("$select"); v != "" {
		selected = strings.Split(v, ",")
		for _, s := range selected {
			if !slices.Contains(microsoftProperties, s) {
				return nil, nil, graphBad("RequestBroker--ParseUri", "Could not find a property named '"+s+"' on type 'microsoft.graph.message'.")
			}
		}
	}
	if v := values.Get("$expand"); v != "" {
		m := expandAttachments.FindStringSubmatch(v)
		if m == nil {
			return nil, nil, graphBad("RequestBroker--ParseUri", "Could not expand")
		}
		expand = []string{}
		if m[2] != "" {
			expand = strings.Split(m[2], ",")
			for _, s := range expand {
				if !slices.Contains([]string{"id", "name", "contentType", "size", "isInline", "lastModifiedDateTime"}, s) {
					return nil, nil, graphBad("RequestBroker--ParseUri", "Could not find a property named '"+s+"' on type 'microsoft.graph.attachment'.")
				}
			}
		}
	}
	return selected, expand, nil
}

// tokens of a filter: quoted text, parentheses, commas, words.
var filterToken = regexp.MustCompile(`^\s*('(?:[^']|'')*'|[(),]|[^\s(),']+)`)

type filterParser struct {
	rest string
	bad  bool
}

func (p *filterParser) peek() string {
	m := filterToken.FindStringSubmatch(p.rest)
	if m == nil {
		return ""
	}
	return m[1]
}

func (p *filterParser) take() string {
	t := p.peek()
	if t == "" {
		p.bad = true
		return ""
	}
	p.rest = p.rest[strings.Index(p.rest, t)+len(t):]
	return t
}

func (p *filterParser) want(t string) {
	if p.take() != t {
		p.bad = true
	}
}

type graphTest = func(*microsoftMessage) bool

func odataFilter(s string) (graphTest, error) {
	p := &filterParser{rest: s}
	f := p.either()
	if p.bad || strings.TrimSpace(p.rest) != "" {
		return nil, graphBad("ErrorInvalidUrlQueryFilter", "The query filter contains one or more invalid nodes.")
	}
	return f, nil
}

func (p *filterParser) either() graphTest {
	f := p.all()
	for !p.bad && p.peek() == "or" {
		p.take()
		a, b := f, p.all()
		f = func(m *microsoftMessage) bool { return a(m) || b(m) }
	}
	return f
}

func (p *filterParser) all() graphTest {
	f := p.one()
	for !p.bad && p.peek() == "and" {
		p.take()
		a, b := f, p.one()
		f = func(m *microsoftMessage) bool { return a(m) && b(m) }
	}
	return f
}

func (p *filterParser) one() graphTest {
	switch name := p.take(); name {
	case "(":
		f := p.either()
		p.want(")")
		return f
	case "contains":
		p.want("(")
		p.want("subject")
		p.want(",")
		text := strings.ToLower(p.text())
		p.want(")")
		return func(m *microsoftMessage) bool { return strings.Contains(strings.ToLower(m.read.Subject), text) }
	case "receivedDateTime":
		op := p.take()
		at, err := time.Parse(time.RFC3339, p.take())
		p.bad = p.bad || err != nil
		return func(m *microsoftMessage) bool { return odataCompares(op, m.received.Compare(at)) }
	case "isRead", "hasAttachments":
		op, value := p.take(), p.take()
		p.bad = p.bad || op != "eq" || value != "true" && value != "false"
		return func(m *microsoftMessage) bool {
			is := m.isRead
			if name == "hasAttachments" {
				is = m.resource([]string{"hasAttachments"}, nil, true, false)["hasAttachments"].(bool)
			}
			return is == (value == "true")
		}
	case "flag/flagStatus":
		op, value := p.take(), p.text()
		p.bad = p.bad || !slices.Contains([]string{"flagged", "notFlagged", "complete"}, value)
		return func(m *microsoftMessage) bool { return odataCompares(op, cmp.Compare(m.flag, value)) }
	case "from/emailAddress/address":
		p.want("eq")
		value := p.text()
		return func(m *microsoftMessage) bool {
			return len(m.read.From) > 0 && strings.EqualFold(m.read.From[0].Email, value)
		}
	case "internetMessageId":
		p.want("eq")
		value := strings.Trim(p.text(), "<>")
		return func(m *microsoftMessage) bool { return value != "" && m.read.MessageID == value }
	case "conversationId":
		p.want("eq")
		value := p.text()
		return func(m *microsoftMessage) bool { return m.conversation == value }
	}
	p.bad = true // recipients, for example: no lambda is taken on them
	return nil
}

func (p *filterParser) text() string {
	t := p.take()
	if len(t) < 2 || t[0] != '\'' {
		p.bad = true
		return ""
	}
	return strings.ReplaceAll(t[1:len(t)-1], "''", "'")
}

func odataCompares(op string, c int) bool {
	switch op {
	case "eq":
		return c == 0
	case "ne":
		return c != 0
	case "gt":
		return c > 0
	case "ge":
		return c >= 0
	case "lt":
		return c < 0
	case "le":
		return c <= 0
	}
	return false
}

var kqlToken = regexp.MustCompile(`^\s*([()]|[A-Za-z]+:"[^"]*"|"[^"]*"|[^\s()"]+)`)

// parseKQL reads the part of KQL that mail knows: property:value, words, AND, OR and parentheses. The whole must stand in double quotes.
func kqlSearch(s string) (graphTest, error) {
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' {
		return nil, graphBad("BadRequest", "Syntax error: character ':' is not valid at position 0 in the search clause.")
	}
	inner := s[1 : len(s)-1]
	if strings.Contains(strings.ReplaceAll(strings.ReplaceAll(inner, `\\`, ""), `\"`, ""), `"`) {
		return nil, graphBad("BadRequest", "Syntax error: an unescaped quotation mark in the search clause.")
	}
	p := &kql{rest: strings.NewReplacer(`\\`, `\`, `\"`, `"`).Replace(inner)}
	f := p.either()
	if p.bad || strings.TrimSpace(p.rest) != "" {
		return nil, graphBad("BadRequest", "An identifier was expected.")
	}
	return f, nil
}

type kql struct {
	rest string
	bad  bool
}

func (p *kql) peek() string {
	if m := kqlToken.FindStringSubmatch(p.rest); m != nil {
		return m[1]
	}
	return ""
}

func (p *kql) take() string {
	t := p.peek()
	if t == "" {
		p.bad = true
		return ""
	}
	p.rest = p.rest[strings.Index(p.rest, t)+len(t):]
	return t
}

func (p *kql) either() graphTest {
	f := p.all()
	for !p.bad && p.peek() == "OR" {
		p.take()
		a, b := f, p.all()
		f = func(m *microsoftMessage) bool { return a(m) || b(m) }
	}
	return f
}

func (p *kql) all() graphTest {
	f := p.one()
	for !p.bad && p.peek() != "" && p.peek() != ")" && p.peek() != "OR" {
		if p.peek() == "AND" {
			p.take()
		}
		a, b := f, p.one()
		f = func(m *microsoftMessage) bool { return a(m) && b(m) }
	}
	return f
}

func (p *kql) one() graphTest {
	t := p.take()
	if t == "(" {
		f := p.either()
		if p.take() != ")" {
			p.bad = true
		}
		return f
	}
	name, value, ok := strings.Cut(t, ":")
	if !ok {
		name, value = "any", t
	}
	value = strings.ToLower(strings.Trim(value, `"`))
	if value == "" || !slices.Contains([]string{"any", "from", "to", "cc", "bcc", "participants", "recipients", "subject", "body"}, strings.ToLower(name)) {
		p.bad = true
	}
	return func(m *microsoftMessage) bool {
		who := map[string]string{"from": fmt.Sprint(m.read.From), "to": fmt.Sprint(m.read.To), "cc": fmt.Sprint(m.read.Cc), "bcc": fmt.Sprint(m.bcc), "subject": m.read.Subject, "body": m.read.Plain + m.read.HTML}
		who["recipients"] = who["to"] + who["cc"] + who["bcc"]
		who["participants"] = who["from"] + who["recipients"]
		who["any"] = who["from"] + who["subject"] + who["body"]
		return strings.Contains(strings.ToLower(who[strings.ToLower(name)]), value)
	}
}
