package verifications

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/postern-mail/postern/engine/secret"
)

// TestInspect: each usual mistake, made on purpose, is named, and nothing that is wrong passes as genuine.
func TestInspect(t *testing.T) {
	const key = "c2VjcmV0IG9mIGEgd2ViaG9vayEh"
	decoded, _ := base64.StdEncoding.DecodeString(key)
	body := []byte(`{"type":"grant.created","id":"evt-1","time":1700000000,"data":{"name":"Zoë <a&b>","path":"a/b"}}`)
	packed := zipped(t, body)
	v3 := func(value string) http.Header { return http.Header{signatureHeader: {value}} }
	of := func(key string, b []byte) string { return hex.EncodeToString(sum(key, b)) }
	standard := func(at time.Time, key string, b []byte) http.Header {
		stamp := strconv.FormatInt(at.Unix(), 10)
		return http.Header{standardID: {"msg_1"}, standardTimestamp: {stamp},
			standardSignature: {"v1," + base64.StdEncoding.EncodeToString(sum(key, append([]byte("msg_1."+stamp+"."), b...)))}}
	}
	with := func(h http.Header, name, value string) http.Header { h = h.Clone(); h.Set(name, value); return h }
	var indented, html bytes.Buffer
	_ = json.Indent(&indented, body, "", "  ")
	json.HTMLEscape(&html, body)
	b64 := func(b []byte) string { return base64.StdEncoding.EncodeToString(b) }
	for name, c := range map[string]struct {
		body    []byte
		header  http.Header
		key     string
		mistake string
	}{
		"genuine":                       {body, v3(of(key, body)), key, ""},
		"genuine, upper case":           {body, v3(strings.ToUpper(of(key, body))), key, ""},
		"genuine, compressed":           {packed, with(v3(of(key, packed)), "Content-Encoding", "gzip"), key, ""},
		"genuine, standard":             {body, standard(noon, key, body), key, ""},
		"genuine, standard, whsec_":     {body, standard(noon, string(decoded), body), "whsec_" + key, ""},
		"genuine, standard, other base": {body, standard(noon, string(decoded), body), key, ""},
		"v3 under whsec_":               {body, v3(of(string(decoded), body)), "whsec_" + key, ""},
		"parsed and written compactly":  {indented.Bytes(), v3(of(key, body)), key, MistakeReencoded},
		"parsed and indented":           {body, v3(of(key, indented.Bytes())), key, MistakeReencoded},
		"escaped for HTML":              {html.Bytes(), v3(of(key, body)), key, MistakeReencoded},
		"spaced":                        {spaced(body), v3(of(key, body)), key, MistakeReencoded},
		"in ASCII":                      {body, v3(of(key, ascii(body))), key, MistakeReencoded},
		"sorted":                        {body, v3(of(key, bySorting(body))), key, MistakeReencoded},
		"decompressed":                  {body, with(v3(of(key, packed)), "Content-Encoding", "gzip"), key, MistakeDecompressed},
		"signed before compression":     {packed, with(v3(of(key, body)), "Content-Encoding", "gzip"), key, MistakeNotOpened},
		"a newline added":               {append(bytes.Clone(body), '\n'), v3(of(key, body)), key, MistakeNewline},
		"a newline cut":                 {body, v3(of(key, append(bytes.Clone(body), '\n'))), key, MistakeNewline},
		"CRLF":                          {bytes.ReplaceAll(indented.Bytes(), []byte("\n"), []byte("\r\n")), v3(of(key, indented.Bytes())), key, MistakeLines},
		"base64 for hex":                {body, v3(b64(sum(key, body))), key, MistakeSpelling},
		"sha256=":                       {body, v3("sha256=" + of(key, body)), key, MistakeSpelling},
		"sha256= and base64":            {body, v3("sha256=" + b64(sum(key, body))), key, MistakeSpelling},
		"v1 with hex":                   {body, with(standard(noon, key, body), standardSignature, "v1,"+hex.EncodeToString(sum(key, append([]byte("msg_1."+strconv.FormatInt(noon.Unix(), 10)+"."), body...)))), key, MalformedSignature},
		"another header":                {body, http.Header{"X-Hub-Signature-256": {"sha256=" + of(key, body)}}, key, MistakeHeader},
		"a key decoded for v3":          {body, v3(of(string(decoded), body)), key, MistakeSecretForm},
		"whsec_ taken as text":          {body, v3(of("whsec_"+key, body)), "whsec_" + key, ""},
		"a line break in the secret":    {body, v3(of(key+"\n", body)), key + "\n", MistakeSecretForm},
		"another secret":                {body, v3(of("other", body)), key, WrongSecret},
		"another body":                  {append(bytes.Clone(body), 'x'), v3(of(key, body)), key, WrongSecret},
		"nothing":                       {body, http.Header{"Content-Type": {"application/json"}}, key, MissingSignature},
		"rubbish":                       {body, v3("rubbish"), key, MalformedSignature},
		"two":                           {body, http.Header{signatureHeader: {of(key, body), of(key, body)}}, key, MalformedSignature},
		"late":                          {body, standard(noon.Add(-time.Hour), key, body), key, Stale},
		"too large":                     {make([]byte, MaxBody+1), v3(of(key, body)), key, Oversize},
		"an empty secret":               {body, v3(of("", body)), "", WrongSecret},
		"an empty whsec_":               {body, v3(of("", body)), "whsec_", WrongSecret},
	} {
		f := Inspect(c.body, c.header, secret.New(c.key), noon)
		if f.Mistake != c.mistake || f.Genuine != (c.mistake == "") || f.Title == "" || f.Meaning == "" || !f.Genuine && f.Do == "" {
			t.Errorf("%s: %+v, want %q", name, f, c.mistake)
		}
	}
}

// TestInspectAgreesWithCheck: what the receiver accepts is genuine to the checker, and the other way.
func TestInspectAgreesWithCheck(t *testing.T) {
	body := []byte(event)
	for _, signed := range [][]byte{body, append(bytes.Clone(body), '\n'), zipped(t, body)} {
		for _, sent := range [][]byte{body, zipped(t, body)} {
			header := http.Header{signatureHeader: signature("current", signed)}
			if packed(sent) {
				header.Set("Content-Encoding", "gzip")
			}
			call := callOf(header, KindV3)
			call.Body = sent
			v, f := Check(call, keys()[:1], noon), Inspect(sent, header, secret.New("current"), noon)
			if v.Accepted != f.Genuine {
				t.Errorf("the check says %s, the checker %q", v.Reason, f.Mistake)
			}
		}
	}
}

func FuzzInspect(f *testing.F) {
	f.Add([]byte(event), "X-Nylas-Signature", strings.Repeat("0", 64), "secret")
	f.Add([]byte("\x1f\x8b\x08"), "Webhook-Signature", "v1,AAAA v1=, ==", "whsec_=")
	f.Add([]byte("\xef\xbb\xbf{}"), "X", "sha256=,", "\n")
	f.Fuzz(func(t *testing.T, body []byte, name, value, key string) {
		if found := Inspect(body, http.Header{name: {value}}, secret.New(key), noon); found.Genuine {
			t.Errorf("%q is genuine", value)
		}
	})
}
