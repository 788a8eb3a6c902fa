package v3

import (
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/labstack/echo/v4"

	"github.com/postern-mail/postern/engine/fault"
)

// query reads the parameters of one request. The first thing that is wrong is kept in err; what is read after it is of no use.
type query struct {
	values url.Values
	err    error
}

var errQuery = fault.New(fault.Invalid, "query_malformed", "The query string cannot be read. Percent-encode what is not a letter or a digit.")

// queryOf refuses what Go's own reader would drop in silence: broken escapes and semicolons.
func queryOf(c echo.Context) *query {
	values, err := url.ParseQuery(c.Request().URL.RawQuery)
	if err != nil {
		return &query{err: errQuery}
	}
	for key, list := range values {
		for _, v := range list {
			if !plain(v) || !plain(key) {
				return &query{err: errQuery}
			}
		}
	}
	for key, list := range values {
		// Clients write grantStatus where the contract says grant_status. A filter that is not seen shows what it was to hide.
		if name := snake(key); name != key {
			values[name] = append(values[name], list...)
			delete(values, key)
		}
	}
	return &query{values: values}
}

// plain: what a text column and a header can hold.
func plain(s string) bool { return utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 }

func (q *query) wrong(name, public string, args ...any) {
	if q.err == nil {
		q.err = fault.New(fault.Invalid, "parameter_invalid", public, args...).At(name)
	}
}

// text is a parameter that may stand once. Twice with one value is once; with two values nobody can say which is meant.
func (q *query) text(name string) string {
	list := q.values[name]
	if len(list) == 0 {
		return ""
	}
	for _, v := range list[1:] {
		if v != list[0] {
			q.wrong(name, "%s is given more than once, with different values.", name)
		}
	}
	return list[0]
}

// number is an integer between least and most, or otherwise when the parameter is absent or empty.
func (q *query) number(name string, otherwise, least, most int) int {
	text := q.text(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > most {
		q.wrong(name, "%s is a whole number between %d and %d.", name, least, most)
		return otherwise
	}
	return n
}

// boolean takes true and false in any letter case, for clients write True; nil when absent.
func (q *query) boolean(name string) *bool {
	text := q.text(name)
	var yes bool
	switch strings.ToLower(text) {
	case "":
		return nil
	case "true", "1":
		yes = true
	case "false", "0":
	default:
		q.wrong(name, "%s is true or false.", name)
	}
	return &yes
}

func (q *query) is(name string) bool {
	b := q.boolean(name)
	return b != nil && *b
}

// list takes repeated keys and, within each, a comma list.
func (q *query) list(name string) []string {
	var out []string
	for _, v := range q.values[name] {
		for part := range strings.SplitSeq(v, ",") {
			if part = strings.TrimSpace(part); part != "" {
				out = append(out, part)
			}
		}
	}
	return out
}

// repeated takes repeated keys alone: for values that may hold a comma.
func (q *query) repeated(name string) []string {
	var out []string
	for _, v := range q.values[name] {
		if v != "" {
			out = append(out, v)
		}
	}
	return out
}

// window refuses a time that is to be both before and after: no message is, and an empty list would look like an empty mailbox.
func (q *query) window(after, before string) {
	if from, to := q.time(after), q.time(before); q.err == nil && !from.IsZero() && !to.IsZero() && to.Before(from) {
		q.wrong(before, "%s is earlier than %s: no message is in between.", before, after)
	}
}

// mostAddresses is how many addresses any_email takes (contract, section 7.1).
const mostAddresses = 25

func (q *query) addresses(name string) []string {
	all := q.list(name)
	if len(all) > mostAddresses {
		q.wrong(name, "%s takes at most %d addresses.", name, mostAddresses)
	}
	return all
}

// lastSecond is as late as a time can be asked for: the end of the year 9999.
const lastSecond = 253402300799

// time is unix seconds; the zero time when absent.
func (q *query) time(name string) time.Time {
	text := q.text(name)
	if text == "" {
		return time.Time{}
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 || n > lastSecond {
		q.wrong(name, "%s is a time in whole seconds since 1970.", name)
		return time.Time{}
	}
	return time.Unix(n, 0).UTC()
}

// word is one of a few words, in snake case whatever the client wrote: createdAt is created_at.
func (q *query) word(name, otherwise string, words ...string) string {
	text := q.text(name)
	if text == "" {
		return otherwise
	}
	snake := snake(text)
	for _, w := range words {
		if snake == w {
			return w
		}
	}
	q.wrong(name, "%s is one of: %s.", name, strings.Join(words, ", "))
	return otherwise
}

// snake: createdAt and CREATED_AT are both created_at.
func snake(text string) string {
	if strings.ToUpper(text) == text {
		return strings.ToLower(text)
	}
	var b strings.Builder
	for i, r := range text {
		if r >= 'A' && r <= 'Z' {
			if i > 0 {
				b.WriteByte('_')
			}
			r += 'a' - 'A'
		}
		b.WriteRune(r)
	}
	return b.String()
}

// segment is one part of the path, decoded once. web routes on the escaped path where decoding would lose something, and on the decoded
// one otherwise.
func segment(c echo.Context, name string) (string, error) {
	value := c.Param(name)
	if c.Request().URL.RawPath != "" {
		decoded, err := url.PathUnescape(value)
		if err != nil {
			return "", errAbsent
		}
		value = decoded
	}
	if value == "" || len(value) > 2048 || !plain(value) {
		return "", errAbsent
	}
	return value, nil
}

var errAbsent = fault.New(fault.NotFound, "not_found", "")

// identifier reads an id from the path. What is not an id names nothing.
func identifier[I ~[16]byte](c echo.Context, name string, parse func(string) (I, error)) (I, error) {
	text, err := segment(c, name)
	if err != nil {
		return I{}, err
	}
	id, err := parse(strings.ToLower(text))
	if err != nil {
		return I{}, errAbsent
	}
	return id, nil
}
