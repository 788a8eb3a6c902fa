package v3

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/labstack/echo/v4"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/mailbox"
)

// Whatever comes, the readers answer values that a database can hold, within their bounds, or an error; they never panic.

func FuzzQuery(f *testing.F) {
	for _, seed := range []string{"limit=10&offset=0", "limit=1&limit=2", "a=%00", "a=%ff", "unread=True", "in=a,b&in=c", "sort_by=createdAt", "since=99999999999999", "%zz", ";", "limit=-0"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		r := &http.Request{Method: http.MethodGet, URL: &url.URL{Path: "/v3/grants", RawQuery: raw}, Header: http.Header{}}
		q := queryOf(echo.New().NewContext(r, httptest.NewRecorder()))
		limit, at := q.number("limit", 10, 1, 200), q.time("since")
		texts := append(q.list("to"), append(q.repeated("in"), q.text("email"), q.word("sort_by", "created_at", "created_at", "updated_at"))...)
		q.boolean("unread")
		if q.err != nil {
			return
		}
		if limit < 1 || limit > 200 || at.Year() > 9999 {
			t.Errorf("limit %d, since %s", limit, at)
		}
		for _, text := range texts {
			if !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
				t.Errorf("%q came through", text)
			}
		}
	})
}

func FuzzBody(f *testing.F) {
	for _, seed := range []string{`{}`, `{"name":"x","settings":{"a":1,"b":{"c":[]}},"scope":["a"]}`, `{"name":"\u0000"}`, `[]`, `{"a":1}{`, `{"spacing":1e9}`, `{"spacing":1.5}`, `{"name":"\ud800"}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		b, err := parseBody([]byte(raw))
		if err != nil {
			return
		}
		texts := append(b.texts("scope"), b.text("name"), b.must("url"))
		number := b.number("spacing", 0, 1000)
		b.boolean("compressed_delivery")
		for key, value := range b.settings("settings") {
			texts = append(texts, key, value)
		}
		if in := b.object("branding"); in != nil {
			texts = append(texts, in.text("name"))
			b.under("branding", in)
		}
		if b.err != nil {
			return
		}
		if number < 0 || number > 1000 {
			t.Errorf("spacing %d", number)
		}
		for _, text := range texts {
			if !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
				t.Errorf("%q came through", text)
			}
		}
	})
}

// What json.Decoder takes for one field and another reader for the other is refused; what has no name twice is not.
func FuzzTwiceNamed(f *testing.F) {
	for _, seed := range []string{`{"a":1,"a":2}`, `{"a":{"a":1}}`, `{"a":[{"b":1},{"b":2}]}`, `{"a":"\\\"a","\u0061":1}`, `{"":[],"x":{"":{}}}`, `[[],{"a":"a:,{}[]"}]`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		if !json.Valid([]byte(raw)) {
			return
		}
		_, twice := twiceNamed([]byte(raw))
		var whole any
		if err := json.Unmarshal([]byte(raw), &whole); err != nil {
			return // a number that no float holds
		}
		// Every name that is given once is there afterwards.
		if got := strings.Count(raw, ":") > 0 && names(whole) == namesGiven(raw); got == twice && namesGiven(raw) > 0 {
			t.Errorf("%q: twice is %t, %d names of %d are left", raw, twice, names(whole), namesGiven(raw))
		}
	})
}

// names counts the names in a value that was read.
func names(value any) (n int) {
	switch v := value.(type) {
	case map[string]any:
		for _, inner := range v {
			n += 1 + names(inner)
		}
	case []any:
		for _, inner := range v {
			n += names(inner)
		}
	}
	return n
}

// namesGiven counts the colons outside of texts: one for each name.
func namesGiven(raw string) (n int) {
	inside := false
	for i := 0; i < len(raw); i++ {
		switch {
		case inside && raw[i] == '\\':
			i++
		case raw[i] == '"':
			inside = !inside
		case raw[i] == ':' && !inside:
			n++
		}
	}
	return n
}

func FuzzBearer(f *testing.F) {
	for _, seed := range []string{"Bearer x", "bearer  x", "Basic x", "Bearer", "Bearer a b", "Bearer \x00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, header string) {
		key, err := bearerOf(&http.Request{Header: http.Header{"Authorization": {header}}})
		if err == nil && (key.Empty() || strings.ContainsAny(key.Reveal(), " \t,") || len(key.Reveal()) > 1024) {
			t.Errorf("%q gave a bearer", header)
		}
	})
}

// FuzzForm reads forms as they come: whatever they hold, what is read is bounded, each file is there whole, and nothing panics.
func FuzzForm(f *testing.F) {
	const whole = "--x\r\nContent-Disposition: form-data; name=\"message\"\r\n\r\n{\"subject\":\"a\"}\r\n--x\r\nContent-Disposition: form-data; name=\"file0\"; filename=\"a.txt\"\r\nContent-Type: text/plain\r\n\r\nhello\r\n--x--\r\n"
	for _, seed := range []string{whole, whole[:60], whole[:140], "--x--", "", "--x\r\n\r\n\r\n--x--", strings.ReplaceAll(whole, "\r\n", "\n"), strings.Replace(whole, "name=\"message\"", "name*=utf-8''message", 1), strings.Replace(whole, "filename=\"a.txt\"", "filename=\"../../a\\\"\\r\\n.txt\"", 1),
		strings.Repeat(whole[:80], 3), "--x\r\n" + strings.Repeat("A: b\r\n", 400) + "\r\n\r\n--x--"} {
		f.Add(seed, "x")
	}
	f.Fuzz(func(t *testing.T, form, boundary string) {
		r := httptest.NewRequest(http.MethodPost, "/v3/grants/me/messages/send", strings.NewReader(form))
		r.Header.Set("Content-Type", "multipart/form-data; boundary="+boundary)
		c := echo.New().NewContext(r, httptest.NewRecorder())
		spool, err := new(mailbox.Service).Spool()
		if err != nil {
			t.Fatal(err)
		}
		defer spool.Close()
		sending, err := formSending(c, spool)
		if err != nil {
			if _, known := fault.As(err); !known {
				t.Errorf("not a fault that a caller can read: %v", err)
			}
			return
		}
		if err := sending.Draft.Check(); err != nil {
			t.Errorf("what was taken does not hold: %v", err)
		}
		total := int64(0)
		for _, a := range sending.Draft.Attachments {
			if n, err := io.Copy(io.Discard, email.Reader(a.Content)); err != nil || n != a.Size {
				t.Errorf("a file of %d bytes: %d, %v", a.Size, n, err)
			}
			total += a.Size
		}
		if total > int64(len(form)) && len(form) > 0 && total > 3*int64(len(form)) {
			t.Errorf("%d bytes out of a form of %d", total, len(form))
		}
	})
}

// FuzzIdempotencyKey: what is taken fits the contract's words.
func FuzzIdempotencyKey(f *testing.F) {
	for _, seed := range []string{"k 1", "", "\x00", "ü", strings.Repeat("k", 257)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, given string) {
		key, err := idempotencyKey(http.Header{"Idempotency-Key": {given}})
		if err == nil && (key != given || key == "" || len(key) > 256 || strings.ContainsFunc(key, func(r rune) bool { return r < ' ' || r > '~' })) {
			t.Errorf("%q is taken", given)
		}
	})
}
