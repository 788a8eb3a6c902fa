package imap_test

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/fault"
)

// What a server says when it wants fewer requests, or when the mailbox is full, is told from a wrong password and from an answer that makes no sense: the caller waits or
// makes room, and the mailbox stays connected.
func TestThrottlingIsToldFromRefusal(t *testing.T) {
	for what, x := range map[string]struct {
		at, say string
		kind    fault.Kind
	}{
		"over quota":                   {"EXAMINE", "TAG NO [OVERQUOTA] no room\r\n", fault.Upstream},
		"too many, at the login":       {"AUTHENTICATE", "TAG NO [LIMIT] too many logins\r\n", fault.Limited},
		"in use, at the login":         {"AUTHENTICATE", "TAG NO [INUSE] try later\r\n", fault.Limited},
		"too many, at the folder":      {"EXAMINE", "TAG NO [LIMIT] Rate limit hit\r\n", fault.Limited},
		"too many, at the fetch":       {"FETCH", "TAG NO [LIMIT] FETCH Rate limit hit\r\n", fault.Limited},
		"unavailable, at the login":    {"AUTHENTICATE", "TAG NO [UNAVAILABLE] later\r\n", fault.Upstream},
		"a wrong password":             {"AUTHENTICATE", "TAG NO [AUTHENTICATIONFAILED] no\r\n", fault.Unproven},
		"without a code, at the fetch": {"FETCH", "TAG NO no\r\n", fault.Upstream},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			e := serve(t, polite(x.at, func(c net.Conn, tag string) { fmt.Fprint(c, strings.ReplaceAll(x.say, "TAG", tag)) }))
			_, err := small(guard()).ListMessages(context.Background(), evilAccount(e), email.Query{})
			if f, ok := fault.As(err); !ok || f.Kind != x.kind || x.kind == fault.Limited && f.Code != "provider_throttled" || what == "over quota" && f.Code != "mailbox_full" {
				t.Errorf("%v", err)
			}
		})
	}
}
