package sandbox

import (
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
)

func TestEveryMailboxIsLifelike(t *testing.T) {
	for address, box := range seed(time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC), "x") {
		total, unread := 0, 0
		for _, f := range box.names() {
			st, err := box.Status(f, &imap.StatusOptions{NumMessages: true, NumUnseen: true})
			if err != nil {
				t.Fatal(err)
			}
			if *st.NumMessages == 0 {
				t.Errorf("%s: %s is empty", address, f)
			}
			total, unread = total+int(*st.NumMessages), unread+int(*st.NumUnseen)
		}
		if total < 25 || unread < 4 {
			t.Errorf("%s: %d messages, %d unread", address, total, unread)
		}
		t.Log(address, total, unread)
	}
}
