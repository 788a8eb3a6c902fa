package verifications

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// TestEnvelopeAsTokens holds the walk over an envelope to a second reader, which is made of encoding/json's tokens.
func TestEnvelopeAsTokens(t *testing.T) {
	many := func(last string) string {
		var b strings.Builder
		for i := range 40 {
			fmt.Fprintf(&b, `"n%d":%d,`, i, i)
		}
		return `{"id":"a","type":"t",` + b.String() + `"` + last + `":1}`
	}
	for _, text := range append(envelopes(), many("n3"), many("last"), many(`n\u0033`), strings.Repeat(`{"a":`, maxDepth+1)+"1"+strings.Repeat("}", maxDepth+1),
		`{"id":"a","type":"t","x":`+strings.Repeat("[", maxDepth-1)+strings.Repeat("]", maxDepth-1)+`}`, `{"id":"a","type":"t","x":`+strings.Repeat("[", maxDepth)+strings.Repeat("]", maxDepth)+`}`,
		`{"id":"a","type":"t","x":`+strings.Repeat("[", maxDepth)+"1"+strings.Repeat("]", maxDepth)+`}`) {
		same(t, []byte(text), "")
		same(t, []byte(text), "from-the-header")
	}
}

func same(t *testing.T, body []byte, id string) {
	t.Helper()
	got, gotErr := readEnvelope(body, id)
	want, wantErr := tokenEnvelope(body, id)
	if (gotErr == nil) != (wantErr == nil) || gotErr == nil && got != want {
		t.Errorf("%q reads %+v, %v; by tokens %+v, %v", body, got, gotErr, want, wantErr)
	}
}

func envelopes() []string {
	return []string{event, ` { } `, `{"id":"a","type":"t"}`, `{"id":"a","type":"t","time":1e3}`, `{"id":"a","type":"t","time":1700000000 }`, `{"id":"a","type":"t","time":"2026-01-02T03:04:05Z"}`,
		`[{"id":1}]`, `{"id":{"id":"a"},"type":"t"}`, `{"id":"a","id":"b","type":"t"}`, `{"id":"a","\u0069d":"b","type":"t"}`, `{"id":"\u0061","type":"t\"x"}`, `{"id":"a","type":"t","x":{"b":1,"b":2}}`,
		`{"id":"a","type":"t","x":[{"b":1},{"b":2}, [ ] , "]",{"c":"}"}]}`, `{"id":"a","type":"t"} `, `{"id":"a","type":"t"}{}`, `{"id":"a","type":"t",}`, `{"id":"a" "type":"t"}`, `{"id":"a","type":"t","x":[1,]}`,
		`{"id":"a","type":"t","x":01}`, `{"id":"a","type":"t","x":tru}`, `{"id":"a","type":"t","x":true , "y":null,"z":-1.5e+7}`, `{"id":"a","type":"t","\ud800":1,"\udfff":2}`, `{"ID":"a","type":"t"}`, "", "1", `"x"`,
		"{\"id\":\"a\",\"type\":\"t\",\"x\":\"\x01\"}", "{\"id\":\"\xff\",\"type\":\"t\"}", `{"id":"a","type":"t","x":"\\"}`, `{"id":"a","type":"t","x\\":"\\\""}`, `{"":1,"id":"a","type":"t"}`, `{"":1,"":2,"id":"a","type":"t"}`}
}

func FuzzEnvelope(f *testing.F) {
	for _, s := range envelopes() {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		e, err := readEnvelope(body, "")
		if err == nil && (!printable(e.id) || !printable(e.kind)) {
			t.Errorf("%q gives id %q and type %q", body, e.id, e.kind)
		}
		same(t, body, "")
	})
}

// tokenEnvelope is the second reader.
func tokenEnvelope(body []byte, id string) (envelope, error) {
	var e envelope
	if !utf8.Valid(body) {
		return e, errNotEnvelope
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	first, err := dec.Token()
	if err != nil || first != json.Delim('{') {
		return e, errNotEnvelope
	}
	seen := map[string]struct{}{}
	for dec.More() {
		name, value, err := tokenMember(dec, seen, 1)
		if err != nil {
			return e, err
		}
		text, _ := value.(string)
		switch name {
		case "id":
			e.id = text
		case "type":
			e.kind = text
		case "time":
			e.at = tokenTime(value)
		}
	}
	if _, err := dec.Token(); err != nil {
		return e, errNotEnvelope
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return e, errNotEnvelope
	}
	if id != "" {
		e.id = id
		if !printable(e.kind) {
			e.kind = "" // the scheme recommends a type and does not demand one
		}
		return e, nil
	}
	if !printable(e.id) || !printable(e.kind) {
		return e, errNotEnvelope
	}
	return e, nil
}

// tokenMember reads one name and its value. Of objects and arrays it only checks that they are sound.
func tokenMember(dec *json.Decoder, seen map[string]struct{}, depth int) (string, json.Token, error) {
	token, err := dec.Token()
	name, isText := token.(string)
	if err != nil || !isText {
		return "", nil, errNotEnvelope
	}
	if _, twice := seen[name]; twice {
		return "", nil, errNotEnvelope
	}
	seen[name] = struct{}{}
	value, err := tokenSound(dec, depth)
	return name, value, err
}

func tokenSound(dec *json.Decoder, depth int) (json.Token, error) {
	token, err := dec.Token()
	if err != nil || depth > maxDepth {
		return nil, errNotEnvelope
	}
	switch token {
	case json.Delim('{'):
		seen := map[string]struct{}{}
		for dec.More() {
			if _, _, err := tokenMember(dec, seen, depth+1); err != nil {
				return nil, err
			}
		}
	case json.Delim('['):
		for dec.More() {
			if _, err := tokenSound(dec, depth+1); err != nil {
				return nil, err
			}
		}
	default:
		return token, nil
	}
	if _, err := dec.Token(); err != nil {
		return nil, errNotEnvelope
	}
	return nil, nil
}

func tokenTime(value json.Token) time.Time {
	switch v := value.(type) {
	case json.Number:
		if n, err := v.Int64(); err == nil && n > 0 && n < 1<<40 {
			return time.Unix(n, 0).UTC()
		}
	case string:
		if at, err := time.Parse(time.RFC3339, v); err == nil && at.Year() > 1970 && at.Year() < 10000 {
			return at.UTC()
		}
	}
	return time.Time{}
}
