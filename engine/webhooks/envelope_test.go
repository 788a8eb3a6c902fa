package webhooks

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"
)

// TestALargeMessageIsTruncated: over 1 MB the body goes and the type says so; the rest, and everything smaller, is unchanged.
func TestALargeMessageIsTruncated(t *testing.T) {
	w := newWorld(t)
	r := newReceiver(t)
	d := draft(w.app, r.URL)
	d.TriggerTypes = []string{"message.created", "message.created.cleaned", "grant.created"}
	hook, key, err := w.Create(context.Background(), w.staff, d)
	if err != nil {
		t.Fatal(err)
	}
	large := strings.Repeat("x", mostEnvelope)
	for _, c := range []struct {
		kind   string
		object map[string]string
		want   string
		whole  bool
	}{
		{"message.created", map[string]string{"id": "1", "subject": "small", "body": "b"}, "message.created", true},
		{"message.created", map[string]string{"id": "2", "subject": "large", "body": large}, "message.created.truncated", false},
		{"message.created.cleaned", map[string]string{"id": "3", "body": large}, "message.created.cleaned.truncated", false},
		{"message.created.transformed", map[string]string{"id": "4", "body": large}, "message.created.transformed.truncated", false},
		{"message.created", map[string]string{"id": "5", "snippet": large}, "message.created", true},
		{"grant.created", map[string]string{"id": "6", "body": large}, "grant.created", true},
	} {
		had := len(r.calls())
		w.happen(w.a, c.kind, c.object)
		w.work()
		calls := r.calls()
		if len(calls) != had+1 || !signedBy(key, calls[had]) {
			t.Fatalf("%s %s: %d calls", c.kind, c.object["id"], len(calls)-had)
		}
		var got struct {
			Type string
			Data struct{ Object map[string]string }
		}
		if err := json.Unmarshal(calls[had].body, &got); err != nil {
			t.Fatal(err)
		}
		_, body := got.Data.Object["body"]
		_, had2 := c.object["body"]
		if got.Type != c.want || got.Data.Object["id"] != c.object["id"] || body != (had2 && c.whole) || got.Data.Object["subject"] != c.object["subject"] {
			t.Errorf("%s %s: sent as %s, body %v", c.kind, c.object["id"], got.Type, body)
		}
	}
	if n := len(w.deliveries(hook)); n != 6 {
		t.Errorf("%d deliveries", n)
	}
	if kind, object := truncated("message.created", []byte("null")); kind != "message.created" || !bytes.Equal(object, []byte("null")) {
		t.Errorf("%s %s", kind, object)
	}
}
