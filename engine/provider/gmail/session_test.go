package gmail

import (
	"fmt"
	"testing"
	"time"

	"github.com/postern-mail/postern/engine/dial"
	"github.com/postern-mail/postern/engine/secret"
)

// What is kept for accounts does not grow with the accounts that were ever asked for.
func TestSessionsAreSweptUnlessInUse(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	c := New(Config{Guard: dial.New(dial.Config{}), Now: func() time.Time { return now }})
	busy, _ := c.session("busy")
	warm, release := c.session("warm")
	warm.token, warm.until = secret.New("t"), now.Add(time.Hour)
	release()
	for i := range 5000 {
		_, release := c.session(fmt.Sprint("grant-", i))
		release()
	}
	if n := len(c.sessions); n > 2*fewSessions {
		t.Errorf("%d sessions are kept", n)
	}
	if again, _ := c.session("busy"); again != busy || busy.ctx.Err() != nil {
		t.Error("a session in use was taken away")
	}
	if again, _ := c.session("warm"); again != warm {
		t.Error("a session with a good token was taken away")
	}
}
