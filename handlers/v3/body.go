package v3

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/models"
)

var (
	errPayload     = fault.New(fault.Invalid, "payload_malformed", "The body is not a JSON object.")
	errTwice       = fault.New(fault.Invalid, "payload_malformed", "The body gives one field twice. Nobody can say which is meant.")
	errContentType = fault.New(fault.Invalid, "payload_malformed", "The body must be JSON: send Content-Type: application/json.")
	errForm        = fault.New(fault.Invalid, "payload_malformed", "The form cannot be read. Percent-encode what is not a letter or a digit, and give each field once.")
)

// body reads the fields of a JSON object. The first thing that is wrong is kept in err. Fields that nobody asks for are ignored.
type body struct {
	fields map[string]any
	err    error
}

// bodyOf reads a JSON object; an empty body is the empty object where optional says so.
func bodyOf(c echo.Context, optional bool) (*body, error) {
	raw, err := io.ReadAll(c.Request().Body)
	if err != nil {
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			return nil, err
		}
		return nil, errPayload.Because(err)
	}
	if len(bytes.TrimSpace(raw)) == 0 {
		if optional {
			return &body{}, nil
		}
		return nil, errPayload
	}
	if kind := mediaType(c); kind != "" && kind != "application/json" && !strings.HasSuffix(kind, "+json") {
		return nil, errContentType
	}
	return parseBody(raw)
}

func parseBody(raw []byte) (*body, error) {
	decode := json.NewDecoder(bytes.NewReader(raw))
	decode.UseNumber()
	var value any
	if err := decode.Decode(&value); err != nil {
		return nil, errPayload
	}
	if _, err := decode.Token(); !errors.Is(err, io.EOF) {
		return nil, errPayload
	}
	fields, ok := value.(map[string]any)
	if !ok {
		return nil, errPayload
	}
	if name, twice := twiceNamed(raw); twice {
		return nil, errTwice.At(name)
	}
	return &body{fields: fields}, nil
}

// twiceNamed says whether an object within valid JSON gives a name twice, and which. Readers differ in which of the two counts (RFC 8259 section 4), so that one could check what
// another does not do.
func twiceNamed(raw []byte) (string, bool) {
	type level struct {
		names map[string]bool // nil: a list
		value bool            // a name was read, its value comes next
	}
	var open []level
	for i := 0; i < len(raw); i++ {
		switch raw[i] {
		case '{':
			open = append(open, level{names: map[string]bool{}})
		case '[':
			open = append(open, level{})
		case '}', ']':
			open = open[:len(open)-1]
		case ':':
			open[len(open)-1].value = true
		case ',':
			open[len(open)-1].value = false
		case '"':
			from := i
			for i++; raw[i] != '"'; i++ {
				if raw[i] == '\\' {
					i++
				}
			}
			if len(open) == 0 || open[len(open)-1].names == nil || open[len(open)-1].value {
				continue
			}
			var name string
			if err := json.Unmarshal(raw[from:i+1], &name); err != nil {
				continue // the whole is valid, so this is, too
			}
			if names := open[len(open)-1].names; names[name] {
				return name, true
			}
			open[len(open)-1].names[name] = true
		}
	}
	return "", false
}

// formOrBody reads what the token endpoint takes: a JSON object or a form (RFC 6749 section 4.1.3).
func formOrBody(c echo.Context) (*body, error) {
	if mediaType(c) != "application/x-www-form-urlencoded" {
		return bodyOf(c, false)
	}
	raw, err := io.ReadAll(c.Request().Body)
	if err != nil {
		return nil, err
	}
	values, err := url.ParseQuery(string(raw))
	if err != nil {
		return nil, errForm
	}
	fields := make(map[string]any, len(values))
	for key, list := range values {
		if len(list) != 1 { // RFC 6749 section 3.2: parameters must not be included more than once
			return nil, errForm.At(key)
		}
		fields[key] = list[0]
	}
	return &body{fields: fields}, nil
}

func mediaType(c echo.Context) string {
	given := c.Request().Header.Get("Content-Type")
	if given == "" {
		return ""
	}
	kind, _, err := mime.ParseMediaType(given)
	if err != nil {
		return "unreadable"
	}
	return kind
}

func (b *body) wrong(name, public string, args ...any) {
	if b.err == nil {
		b.err = fault.New(fault.Invalid, "field_invalid", public, args...).At(name)
	}
}

// has: present and not null. null leaves a field as it is, like absence.
func (b *body) has(name string) bool { return b.fields[name] != nil }

func (b *body) text(name string) string {
	switch v := b.fields[name].(type) {
	case nil:
		return ""
	case string:
		if !plain(v) {
			b.wrong(name, "%s holds characters that no text can hold.", name)
		}
		return v
	default:
		b.wrong(name, "%s is a text.", name)
		return ""
	}
}

// optional is a text, nil where the field is absent.
func (b *body) optional(name string) *string {
	if !b.has(name) {
		return nil
	}
	v := b.text(name)
	return &v
}

// must is a text that has to be there.
func (b *body) must(name string) string {
	v := b.text(name)
	if v == "" {
		b.wrong(name, "%s is missing.", name)
	}
	return v
}

// texts is a list of texts, nil where the field is absent and empty where it is an empty list.
func (b *body) texts(name string) []string {
	switch v := b.fields[name].(type) {
	case nil:
		return nil
	case []any:
		out := make([]string, 0, len(v))
		for _, item := range v {
			text, ok := item.(string)
			if !ok || !plain(text) {
				b.wrong(name, "%s is a list of texts.", name)
			}
			out = append(out, text)
		}
		return out
	default:
		b.wrong(name, "%s is a list of texts.", name)
		return nil
	}
}

// boolean takes true, false and, from clients that write it so, "True".
func (b *body) boolean(name string) *bool {
	switch v := b.fields[name].(type) {
	case nil:
		return nil
	case bool:
		return &v
	case string:
		if yes, err := strconv.ParseBool(strings.ToLower(v)); err == nil {
			return &yes
		}
	}
	b.wrong(name, "%s is true or false.", name)
	return nil
}

// object is a nested object, nil where the field is absent. What is wrong inside it is reported by the whole body's err.
func (b *body) object(name string) *body {
	switch v := b.fields[name].(type) {
	case nil:
		return nil
	case map[string]any:
		return &body{fields: v}
	default:
		b.wrong(name, "%s is an object.", name)
		return nil
	}
}

// under takes over what went wrong inside a nested object.
func (b *body) under(name string, inner *body) {
	if b.err != nil || inner == nil || inner.err == nil {
		return
	}
	if f, ok := fault.As(inner.err); ok {
		b.err = f.At(name + "." + f.Field)
	}
}

// settings is an object of plain values as texts; nested values are left out. nil where the field is absent.
func (b *body) settings(name string) models.Settings {
	inner := b.object(name)
	if inner == nil {
		return nil
	}
	out := models.Settings{}
	for key, value := range inner.fields {
		if !plain(key) || len(key) > 100 {
			b.wrong(name, "%s holds a name that is too long.", name)
			continue
		}
		switch v := value.(type) {
		case string:
			if !plain(v) || len(v) > 4000 {
				b.wrong(name, "%s.%s is too long.", name, key)
			}
			out[key] = v
		case json.Number:
			out[key] = v.String()
		case bool:
			out[key] = strconv.FormatBool(v)
		}
	}
	return out
}

// number is a whole number between least and most, 0 where absent.
func (b *body) number(name string, least, most int) int {
	switch v := b.fields[name].(type) {
	case nil:
		return 0
	case json.Number:
		if n, err := strconv.Atoi(v.String()); err == nil && n >= least && n <= most {
			return n
		}
	}
	b.wrong(name, "%s is a whole number between %d and %d.", name, least, most)
	return 0
}

// time is unix seconds; the zero time when absent.
func (b *body) time(name string) time.Time {
	switch v := b.fields[name].(type) {
	case nil:
		return time.Time{}
	case json.Number:
		if n, err := strconv.ParseInt(v.String(), 10, 64); err == nil && n > 0 && n <= lastSecond {
			return time.Unix(n, 0).UTC()
		}
	}
	b.wrong(name, "%s is a time in whole seconds since 1970.", name)
	return time.Time{}
}
