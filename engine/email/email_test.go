package email_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/fault"
)

func TestQueryCheck(t *testing.T) {
	yes := true
	for name, c := range map[string]struct {
		q     email.Query
		field string
	}{
		"empty":            {email.Query{}, ""},
		"full page":        {email.Query{Limit: 200}, ""},
		"negative limit":   {email.Query{Limit: -1}, "limit"},
		"huge limit":       {email.Query{Limit: 201}, "limit"},
		"line break":       {email.Query{Subject: "a\r\nA1 LOGOUT"}, "subject"},
		"nul":              {email.Query{From: []string{"a\x00@example.com"}}, "from"},
		"long":             {email.Query{To: []string{strings.Repeat("x", 5000)}}, "to"},
		"too many any":     {email.Query{Any: make([]string, 26)}, "any_email"},
		"native and other": {email.Query{Native: "FROM ada", Unread: &yes}, "search_query_native"},
		"native in folder": {email.Query{Native: "FROM ada", In: []string{"INBOX"}}, ""},
	} {
		err := c.q.Check()
		f, _ := fault.As(err)
		if (err == nil) != (c.field == "") || f != nil && (f.Field != c.field || f.Kind != fault.Invalid) {
			t.Errorf("%s: %v (%+v)", name, err, f)
		}
	}
}

func TestQueryMatches(t *testing.T) {
	yes, no := true, false
	at := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	m := email.Message{Subject: "Invoice 44", ThreadID: "t1", Unread: true, Date: at,
		From: []email.Address{{Email: "Ada@Example.com"}}, To: []email.Address{{Email: "grace@example.com"}}}
	for name, c := range map[string]struct {
		q    email.Query
		want bool
	}{
		"all":            {email.Query{}, true},
		"subject":        {email.Query{Subject: "invoice"}, true},
		"other subject":  {email.Query{Subject: "receipt"}, false},
		"from any case":  {email.Query{From: []string{"ada@example.com"}}, true},
		"part of from":   {email.Query{From: []string{"da@example.com"}}, false},
		"any":            {email.Query{Any: []string{"x@y.z", "grace@example.com"}}, true},
		"cc":             {email.Query{Cc: []string{"grace@example.com"}}, false},
		"unread":         {email.Query{Unread: &yes}, true},
		"read":           {email.Query{Unread: &no}, false},
		"starred":        {email.Query{Starred: &yes}, false},
		"no attachment":  {email.Query{HasAttachment: &no}, true},
		"before is open": {email.Query{ReceivedBefore: at}, false},
		"after is open":  {email.Query{ReceivedAfter: at}, false},
		"between":        {email.Query{ReceivedAfter: at.Add(-time.Second), ReceivedBefore: at.Add(time.Second)}, true},
		"thread":         {email.Query{ThreadID: "t2"}, false},
	} {
		if got := c.q.Matches(m); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestDraftRefusesInjection(t *testing.T) {
	to := []email.Address{{Email: "grace@example.com"}}
	good := email.Draft{To: to, Subject: "Hello", Plain: "x", Headers: []email.Header{{Name: "X-Campaign", Value: "a"}}}
	if err := good.Check(); err != nil {
		t.Fatal(err)
	}
	for name, d := range map[string]email.Draft{
		"nobody":            {},
		"subject":           {To: to, Subject: "a\r\nBcc: eve@example.com"},
		"bare LF":           {To: to, Subject: "a\nBcc: eve@example.com"},
		"header value":      {To: to, Headers: []email.Header{{Name: "X-A", Value: "b\r\nBcc: eve@example.com"}}},
		"header name":       {To: to, Headers: []email.Header{{Name: "X A", Value: "b"}}},
		"long header name":  {To: to, Headers: []email.Header{{Name: strings.Repeat("X", 65), Value: "b"}}},
		"second From":       {To: to, Headers: []email.Header{{Name: "from", Value: "eve@example.com"}}},
		"address":           {To: []email.Address{{Email: "grace@example.com>\r\nRCPT TO:<eve@example.com"}}},
		"display as addr":   {To: []email.Address{{Email: "Grace <grace@example.com>"}}},
		"name":              {To: []email.Address{{Name: "a\r\nb", Email: "grace@example.com"}}},
		"attachment's name": {To: to, Attachments: []email.Enclosure{{Filename: "a\r\nb"}}},
		"in-reply-to":       {To: to, InReplyTo: "a\r\nb"},
	} {
		var f *fault.Error
		if err := d.Check(); !errors.As(err, &f) || f.Kind != fault.Invalid {
			t.Errorf("%s: accepted (%v)", name, err)
		}
	}
}
