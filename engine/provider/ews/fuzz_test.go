package ews

import (
	"errors"
	"net/http"
	"testing"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/fault"
)

// What a server answers must end in messages or in a fault with something to say, never in a panic.
func FuzzDecode(f *testing.F) {
	for _, s := range []string{
		`<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><m:GetItemResponse xmlns:m="m" xmlns:t="t"><m:ResponseMessages><m:GetItemResponseMessage ResponseClass="Success"><m:ResponseCode>NoError</m:ResponseCode><m:Items><t:Message><t:MimeContent>RnJvbTogYQoKeA==</t:MimeContent><t:ItemId Id="AAAA" ChangeKey="x"/><t:DateTimeReceived>2026-11-01T08:00:00Z</t:DateTimeReceived><t:Size>9</t:Size></t:Message></m:Items></m:GetItemResponseMessage></m:ResponseMessages></m:GetItemResponse></s:Body></s:Envelope>`,
		`<Envelope><Body><Fault><faultstring>x</faultstring><detail><ResponseCode>ErrorServerBusy</ResponseCode><MessageXml><Value Name="BackOffMilliseconds">12</Value></MessageXml></detail></Fault></Body></Envelope>`,
		`<a>&#x1;&#0;&#xFFFFFFFF;&#55296;</a>`, `<!DOCTYPE a>`, ``,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		all, err := decode(reply{status: http.StatusOK, body: b})
		if err != nil {
			if e, ok := fault.As(err); !ok && !errors.Is(err, stale) || ok && e.Public == "" {
				t.Fatalf("%v", err)
			}
			return
		}
		c := &caller{held: &held{folders: &special{ours: map[string]string{}, theirs: map[string]string{}}}}
		for _, m := range all {
			for _, it := range append(m.Items.All, m.Root.Items.All...) {
				for _, want := range []email.Fields{email.Standard, email.WithHeaders, email.RawOnly} {
					_, _ = c.message(it, want)
				}
			}
		}
	})
}

func FuzzCursor(f *testing.F) {
	q := email.Query{Subject: "x"}
	f.Add(cursor{seen: map[mark]bool{{1}: true}, offset: 3}.String(q))
	f.Add("AAAA")
	f.Fuzz(func(t *testing.T, s string) {
		q.Cursor = s
		c, err := readCursor(q)
		if err != nil {
			return
		}
		q.Cursor = c.String(q)
		again, err := readCursor(q)
		if err != nil || len(again.seen) != len(c.seen) || again.offset != c.offset || !again.second.Equal(c.second) {
			t.Fatalf("%q: %+v, then %+v %v", s, c, again, err)
		}
	})
}

func FuzzID(f *testing.F) {
	f.Add("AAMkAGE-_w")
	f.Add("")
	f.Fuzz(func(t *testing.T, id string) {
		if full, ok := theirs(id); ok && safe(full) != id {
			t.Fatalf("%q is %q is %q", id, full, safe(full))
		}
	})
}
