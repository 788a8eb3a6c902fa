package v3

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/labstack/echo/v4"
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
