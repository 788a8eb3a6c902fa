package gmail

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	api "google.golang.org/api/gmail/v1"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/provider/rfc5322"
)

// FuzzPayload: whatever Google's answer holds, it can be read, and what is read can be shown.
func FuzzPayload(f *testing.F) {
	f.Add([]byte(`{"id":"18f","payload":{"mimeType":"multipart/mixed","headers":[{"name":"Subject","value":"=?utf-8?q?x?="}],"parts":[{"mimeType":"text/html","body":{"data":"PGI-"}},null,{"filename":"a","body":{"attachmentId":"x","size":-1}}]}}`))
	f.Add([]byte(`{"payload":{"headers":[null,{"name":"From\r\nX","value":"a\r\n\r\nb"}],"body":null}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var g api.Message
		if json.Unmarshal(body, &g) != nil {
			return
		}
		m, parts, bodies, _ := whole(&g, email.WithHeaders)
		rfc5322.Fill(&m, parts, bodies)
		marks(&m, &g)
		for _, h := range m.Headers {
			if strings.ContainsAny(h.Name+h.Value, "\r\n\x00") {
				t.Errorf("a header of two lines: %q", h)
			}
		}
		if !utf8.ValidString(m.Subject+m.Plain+m.HTML) || strings.ContainsAny(m.Subject, "\r\n\x00") {
			t.Errorf("%q", m.Subject)
		}
	})
}

// FuzzSearch: no value leaves its quotes.
func FuzzSearch(f *testing.F) {
	f.Add(`a" OR in:anywhere {`)
	f.Add("x\u00a0\"y\\")
	f.Fuzz(func(t *testing.T, value string) {
		if got := search(email.Query{Subject: value}); got != "" && (!strings.HasPrefix(got, `subject:"`) || strings.Count(got, `"`) != 2 || !strings.HasSuffix(got, `"`)) {
			t.Errorf("%q", got)
		}
		if got := search(email.Query{Any: []string{value}}); got != "" && (strings.Count(got, `"`) != 8 || !strings.HasPrefix(got, `{from:"`)) {
			t.Errorf("%q", got)
		}
	})
}

// FuzzAttachmentData: what a whole reader takes for an attachment, the reader of pieces does too; and it never reads half a file as a whole one.
func FuzzAttachmentData(f *testing.F) {
	f.Add([]byte(`{"size":3,"data":"YWJj"}`))
	f.Add([]byte(`{"attachmentId":"a\u003d","data":"-_8=","size":2}`))
	f.Add([]byte(`{"data":"YW`))
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := io.ReadAll(dataOf(iotest.OneByteReader(bytes.NewReader(body))))
		var whole struct {
			Data *string `json:"data"`
		}
		if json.Unmarshal(body, &whole) != nil || whole.Data == nil || bytes.Count(body, []byte("{")) != 1 || bytes.Count(body, []byte(`data`)) != 1 || bytes.ContainsAny(body, "[\n\r") || strings.Contains(*whole.Data, "=") {
			return
		}
		if want, bad := base64.RawURLEncoding.DecodeString(*whole.Data); bad == nil && (err != nil || !bytes.Equal(got, want)) {
			t.Errorf("%q, want %q: %v", got, want, err)
		}
	})
}
