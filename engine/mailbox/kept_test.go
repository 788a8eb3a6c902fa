package mailbox

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/postern-mail/postern/engine/email"
)

// A message that waits is read by the program of thirty days later: these names must not change.
func TestKeptDraftsKeepTheirForm(t *testing.T) {
	one := []email.Address{{Name: "A", Email: "a@example.com"}}
	d := email.Draft{From: one, To: one, Cc: one, Bcc: one, ReplyTo: one, Subject: "s", HTML: "h", Plain: "p", MessageID: "m", InReplyTo: "i", References: []string{"r"},
		Headers:     []email.Header{{Name: "X-A", Value: "b"}},
		Attachments: []email.Enclosure{{Filename: "f", ContentType: "a/b", ContentID: "c", Inline: true, Content: strings.NewReader("12345")}, {Filename: "empty"}, {Content: strings.NewReader("67")}}}
	got, err := json.Marshal(keep(d))
	if err != nil {
		t.Fatal(err)
	}
	who := `[{"name":"A","email":"a@example.com"}]`
	want := `{"from":` + who + `,"to":` + who + `,"cc":` + who + `,"bcc":` + who + `,"reply_to":` + who + `,"subject":"s","html":"h","plain":"p","message_id":"m","in_reply_to":"i","references":["r"],"headers":[{"name":"X-A","value":"b"}],` +
		`"attachments":[{"filename":"f","content_type":"a/b","content_id":"c","inline":true,"size":5},{"filename":"empty","size":0},{"size":2}],"size":7}`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	back := keep(keep(d).draft(strings.NewReader("1234567")))
	if again, err := json.Marshal(back); err != nil || string(again) != want {
		t.Errorf("back %s, %v", again, err)
	}
}
