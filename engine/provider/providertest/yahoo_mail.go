package providertest

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/secret"
)

// takeTokens makes the running Dovecot take access tokens, which it asks us about (RFC 7662), and no password by the mechanisms of tokens.
func (y *YahooServer) takeTokens(t testing.TB) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	serve(t, l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if g := y.holder(r.PostFormValue("token"), "mail-r"); g != nil {
			answer(w, http.StatusOK, map[string]any{"active": true, "username": g.user})
			return
		}
		answer(w, http.StatusOK, map[string]any{"active": false})
	}))
	write(t, filepath.Join(y.dir, "oauth2.conf"), []byte("introspection_mode = post\nintrospection_url = http://"+l.Addr().String()+"/\nusername_attribute = username\nactive_attribute = active\nactive_value = true\nforce_introspection = yes\n"), 0o644)
	config, err := os.ReadFile(filepath.Join(y.dir, "dovecot.conf"))
	if err != nil {
		t.Fatal(err)
	}
	config = append(config, []byte("\nauth_mechanisms = plain login xoauth2 oauthbearer\npassdb {\n  driver = oauth2\n  mechanisms = xoauth2 oauthbearer\n  args = "+y.dir+"/oauth2.conf\n}\n")...)
	write(t, filepath.Join(y.dir, "dovecot.conf"), config, 0o644)
	pid := y.master(t)
	if err := syscall.Kill(pid, syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(15 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if c, err := imapclient.DialInsecure(net.JoinHostPort(y.Host, y.IMAPPort), nil); err == nil {
			ready := c.Caps().Has(imap.AuthCap("XOAUTH2"))
			_ = c.Close()
			if ready {
				return
			}
		}
		if time.Now().After(end) {
			log, _ := os.ReadFile(filepath.Join(y.dir, "log"))
			t.Fatalf("dovecot takes no tokens: %s", log)
		}
	}
}

// master is the process of the Dovecot, which notes it a moment after it began to listen.
func (y *YahooServer) master(t testing.TB) int {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		text, err := os.ReadFile(filepath.Join(y.dir, "run", "master.pid"))
		if err != nil {
			continue
		}
		if pid, err := strconv.Atoi(string(bytes.TrimSpace(text))); err == nil {
			return pid
		}
	}
	t.Fatal("dovecot notes no process id")
	return 0
}

// Account is a mailbox that no test has used yet, with an access token good for everything.
func (y *YahooServer) Account(t testing.TB) provider.Account {
	t.Helper()
	a := y.DovecotServer.Account(t)
	access := token()
	y.mu.Lock()
	y.tokens[access] = &yahooGrant{user: a.Login, scopes: yahooScopes, until: y.now().Add(yahooLifetime)}
	y.mu.Unlock()
	a.Settings = nil
	a.Credential = func(context.Context) (provider.Credential, error) {
		return provider.Credential{AccessToken: secret.New(access)}, nil
	}
	return a
}

// Taken is what was submitted so far.
func (y *YahooServer) Taken() []Taken {
	y.mu.Lock()
	defer y.mu.Unlock()
	return append([]Taken(nil), y.taken...)
}

// submission starts the SMTP server: TLS from the first byte, XOAUTH2 alone, and the scope to write.
func (y *YahooServer) submission(t testing.TB, config *tls.Config) string {
	t.Helper()
	inner := &Submission{d: y.DovecotServer}
	server := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) {
		return &yahooSending{submitting: submitting{s: inner}, y: y}, nil
	}))
	server.Domain, server.ErrorLog = "localhost", silent{}
	server.ReadTimeout, server.WriteTimeout = 10*time.Second, 10*time.Second
	l, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
	return l.Addr().String()
}

type yahooSending struct {
	submitting
	y *YahooServer
}

func (x *yahooSending) AuthMechanisms() []string { return []string{"XOAUTH2"} }

func (x *yahooSending) Auth(string) (sasl.Server, error) { return &xoauth2Server{x: x}, nil }

type xoauth2Server struct {
	x      *yahooSending
	failed bool
}

// Next reads "user=...^Aauth=Bearer ...^A^A", and answers a bad token with a report that the client acknowledges before it is refused.
func (s *xoauth2Server) Next(response []byte) (challenge []byte, done bool, err error) {
	if s.failed || response == nil {
		if response == nil {
			return []byte{}, false, nil
		}
		return nil, false, smtp.ErrAuthFailed
	}
	fields := strings.Split(string(response), "\x01")
	if len(fields) != 4 || fields[2] != "" || fields[3] != "" {
		return nil, false, errors.New("not XOAUTH2")
	}
	user, okUser := strings.CutPrefix(fields[0], "user=")
	bearer, okBearer := strings.CutPrefix(fields[1], "auth=Bearer ")
	if g := s.x.y.holder(bearer, "mail-w"); okUser && okBearer && g != nil && g.user == user {
		s.x.user = user
		return nil, true, nil
	}
	s.failed = true
	return []byte(`{"status":"401","schemes":"Bearer","scope":"mail-w"}`), false, nil
}

// Data notes what was taken with the server that the test holds.
func (x *yahooSending) Reset() {
	if x.msg.Raw != "" {
		x.y.mu.Lock()
		x.y.taken = append(x.y.taken, x.msg)
		x.y.mu.Unlock()
	}
	x.submitting.Reset()
}
