package imap_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postern-mail/postern/engine/dial"
	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/provider/imap"
	"github.com/postern-mail/postern/engine/secret"
)

const canary = "canary-password"

// evil is a mail server that does what script says on each connection, and remembers what it was told.
type evil struct {
	settings map[string]string
	mu       sync.Mutex
	heard    strings.Builder
}

func serve(t *testing.T, script func(c net.Conn, r *bufio.Reader)) *evil {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	e := &evil{}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	e.settings = map[string]string{provider.IMAPHost: "127.0.0.1", provider.IMAPPort: port, provider.IMAPTLS: provider.Plain}
	var wg sync.WaitGroup
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(func() { cancel(); _ = l.Close(); wg.Wait() })
	wg.Add(1)
	go func() {
		defer wg.Done()
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Add(1)
			go func() {
				defer wg.Done()
				defer func() { _ = c.Close() }()
				stop := context.AfterFunc(ctx, func() { _ = c.Close() })
				defer stop()
				script(c, bufio.NewReader(io.TeeReader(c, e)))
			}()
		}
	}()
	return e
}

func (e *evil) Write(p []byte) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.heard.Write(p)
}

func (e *evil) told() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.heard.String()
}

func hang(r *bufio.Reader) { _, _ = io.Copy(io.Discard, r) }

// polite speaks IMAP up to the command named at, and then lets the script speak.
func polite(at string, then func(c net.Conn, tag string)) func(net.Conn, *bufio.Reader) {
	return func(c net.Conn, r *bufio.Reader) {
		fmt.Fprint(c, "* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR ESEARCH] ready\r\n")
		for {
			line, err := r.ReadString('\n')
			if err != nil {
				return
			}
			f := strings.Fields(line)
			if len(f) < 2 {
				continue
			}
			tag, verb := f[0], strings.ToUpper(strings.Join(f[1:], " "))
			switch {
			case strings.HasPrefix(verb, at):
				then(c, tag)
			case strings.HasPrefix(verb, "AUTHENTICATE"):
				fmt.Fprintf(c, "%s OK [CAPABILITY IMAP4rev1 ESEARCH UIDPLUS] in\r\n", tag)
			case strings.HasPrefix(verb, "EXAMINE"):
				fmt.Fprintf(c, "* 3 EXISTS\r\n* FLAGS (\\Seen)\r\n* OK [UIDVALIDITY 7] x\r\n* OK [UIDNEXT 4] x\r\n%s OK done\r\n", tag)
			default:
				fmt.Fprintf(c, "%s OK done\r\n", tag)
			}
		}
	}
}

func forever(s string) func(net.Conn, string) {
	return func(c net.Conn, _ string) {
		b := []byte(strings.Repeat(s, 1+64<<10/len(s)))
		for {
			if _, err := c.Write(b); err != nil {
				return
			}
		}
	}
}

func small(d *dial.Guard) *imap.Connector {
	return imap.New(imap.Config{Guard: d, TryTimeout: 700 * time.Millisecond, CheckTimeout: 3 * time.Second, CommandTimeout: 3 * time.Second})
}

func evilAccount(e *evil) provider.Account {
	return provider.Account{Key: "k:1", Address: "ada@example.com", Login: "ada", Settings: e.settings, Credential: func(context.Context) (provider.Credential, error) {
		return provider.Credential{Password: secret.New(canary)}, nil
	}}
}

func TestHostileServers(t *testing.T) {
	say := func(s string) func(net.Conn, *bufio.Reader) {
		return func(c net.Conn, r *bufio.Reader) { fmt.Fprint(c, s); hang(r) }
	}
	answer := func(format string) func(net.Conn, string) {
		return func(c net.Conn, tag string) { fmt.Fprint(c, strings.ReplaceAll(format, "TAG", tag)) }
	}
	unread := true
	for name, x := range map[string]struct {
		script func(net.Conn, *bufio.Reader)
		query  email.Query
	}{
		"says nothing":          {script: say("")},
		"hangs up":              {script: func(net.Conn, *bufio.Reader) {}},
		"is something else":     {script: say("SSH-2.0-OpenSSH_9.6\r\n")},
		"is a web server":       {script: say("HTTP/1.1 400 Bad Request\r\n\r\n")},
		"says BYE":              {script: say("* BYE go away\r\n")},
		"claims we are in":      {script: say("* PREAUTH [CAPABILITY IMAP4rev1] welcome back\r\n")},
		"endless greeting":      {script: func(c net.Conn, _ *bufio.Reader) { forever("* OK")(c, "") }},
		"endless capabilities":  {script: func(c net.Conn, _ *bufio.Reader) { fmt.Fprint(c, "* OK [CAPABILITY IMAP4rev1"); forever(" X")(c, "") }},
		"trickles":              {script: func(c net.Conn, _ *bufio.Reader) { trickle(c) }},
		"endless greetings":     {script: func(c net.Conn, _ *bufio.Reader) { forever("* OK hello\r\n")(c, "") }},
		"stalls at the login":   {script: polite("AUTHENTICATE", func(net.Conn, string) {})},
		"drops at the login":    {script: polite("AUTHENTICATE", func(c net.Conn, _ string) { _ = c.Close() })},
		"repeats the password":  {script: polite("AUTHENTICATE", answer("TAG BAD unknown command "+canary+"\r\n"))},
		"stalls at the folder":  {script: polite("EXAMINE", func(net.Conn, string) {})},
		"drops at the folder":   {script: polite("EXAMINE", func(c net.Conn, _ string) { _ = c.Close() })},
		"BYE at the folder":     {script: polite("EXAMINE", answer("* BYE maintenance "+canary+"\r\n"))},
		"endless line":          {script: polite("FETCH", func(c net.Conn, _ string) { fmt.Fprint(c, "* 1 FETCH (UID 1 BODY[]<0> \""); forever("x")(c, "") })},
		"endless brackets":      {script: polite("FETCH", func(c net.Conn, _ string) { fmt.Fprint(c, "* 1 FETCH (BODYSTRUCTURE "); forever("(")(c, "") })},
		"endless list brackets": {script: polite("FETCH", func(c net.Conn, _ string) { fmt.Fprint(c, "* LIST "); forever("(")(c, "") })},
		"literal without end": {script: polite("FETCH", func(c net.Conn, _ string) {
			fmt.Fprint(c, "* 1 FETCH (UID 1 BODY[]<0> {4294967295}\r\n")
			forever("x")(c, "")
		})},
		"negative literal": {script: polite("FETCH", answer("* 1 FETCH (UID 1 BODY[]<0> {-1}\r\nTAG OK\r\n"))},
		"drops within a message": {script: polite("FETCH", func(c net.Conn, _ string) {
			fmt.Fprint(c, "* 1 FETCH (UID 1 BODY[]<0> {100}\r\nSubject: x")
			_ = c.Close()
		})},
		"endless other messages":   {script: polite("FETCH", forever("* 9 FETCH (UID 9 FLAGS (\\Seen))\r\n"))},
		"says NO to the fetch":     {script: polite("FETCH", answer("TAG NO "+canary+"\r\n"))},
		"endless search":           {script: polite("UID SEARCH", func(c net.Conn, _ string) { fmt.Fprint(c, "* SEARCH"); forever(" 5")(c, "") }), query: email.Query{Unread: &unread}},
		"every number in a search": {script: polite("UID SEARCH", answer("* ESEARCH (TAG \"TAG\") UID ALL 1:4294967295\r\nTAG NO no\r\n")), query: email.Query{Unread: &unread}},
		"garbage":                  {script: polite("FETCH", answer("\x00\xff\xfe(((\r\n\r\n* * *\r\nTAG OK\r\n"))},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := serve(t, x.script)
			c := small(guard())
			begin := time.Now()
			_, err := c.ListMessages(context.Background(), evilAccount(e), x.query)
			took := time.Since(begin)
			f, ok := fault.As(err)
			if !ok || f.Kind != fault.Upstream && !errors.Is(err, provider.ErrCredentialRefused) || f.Public == "" {
				t.Errorf("%v", err)
			}
			if took > 6*time.Second {
				t.Errorf("took %v", took)
			}
			if all := fmt.Sprintf("%v %+v %s", err, err, f.Public); strings.Contains(all, canary) || strings.ContainsAny(all, "\r\n\x00") {
				t.Errorf("leaks: %s", all)
			}
			_, _, err = c.Check(context.Background(), provider.Login{Address: "ada@example.com", Password: secret.New(canary), Settings: e.settings})
			if err != nil && (strings.Contains(err.Error(), canary) || fault.KindOf(err) == fault.Internal) {
				t.Errorf("check: %v", err)
			}
		})
	}
}

func trickle(c net.Conn) {
	for {
		if _, err := c.Write([]byte(" ")); err != nil {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// A search that claims every number must not be spread out in memory, and its page must still end.
func TestSearchOfAllNumbers(t *testing.T) {
	unread := true
	e := serve(t, polite("UID SEARCH", func(c net.Conn, tag string) {
		fmt.Fprintf(c, "* ESEARCH (TAG %q) UID ALL 1:4294967295\r\n%s OK\r\n", tag, tag)
	}))
	begin := time.Now()
	p, err := small(guard()).ListMessages(context.Background(), evilAccount(e), email.Query{Unread: &unread, Limit: 10})
	if err != nil || len(p.Items) != 0 || time.Since(begin) > 5*time.Second {
		t.Fatalf("%d %v after %v", len(p.Items), err, time.Since(begin))
	}
}

// A server that has no room says so before it reads a message. Each caller hears it, also those who come after more refusals than there are connections.
func TestAFullMailboxStaysUsable(t *testing.T) {
	e := serve(t, polite("APPEND", func(c net.Conn, tag string) { fmt.Fprintf(c, "%s NO [OVERQUOTA] no room\r\n", tag) }))
	c := small(guard())
	for i := range 10 {
		_, err := c.CreateDraft(context.Background(), evilAccount(e), email.Draft{Subject: "No room", Plain: "x"})
		if f, ok := fault.As(err); !ok || f.Code != "mailbox_full" {
			t.Fatalf("draft %d: %v", i, err)
		}
	}
	if _, err := c.ListMessages(context.Background(), evilAccount(e), email.Query{Limit: 1}); fault.KindOf(err) == fault.Unavailable {
		t.Fatal(err)
	}
}

// A51
func TestStartTLSIsNotStripped(t *testing.T) {
	for name, x := range map[string]struct {
		script func(net.Conn, *bufio.Reader)
		want   error
	}{
		"refused": {func(c net.Conn, r *bufio.Reader) {
			fmt.Fprint(c, "* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] hi\r\n")
			_, _ = r.ReadString('\n')
			fmt.Fprint(c, "S1 BAD unknown\r\n")
			hang(r)
		}, provider.ErrNoTLS},
		"logged in already": {func(c net.Conn, r *bufio.Reader) { fmt.Fprint(c, "* PREAUTH hi\r\n"); hang(r) }, provider.ErrUnreachable},
		"accepted, then plain": {func(c net.Conn, r *bufio.Reader) {
			fmt.Fprint(c, "* OK hi\r\n")
			_, _ = r.ReadString('\n')
			fmt.Fprint(c, "S1 OK go on\r\n* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\nT1 OK\r\n")
			hang(r)
		}, provider.ErrUnreachable},
		"answers pipelined": {func(c net.Conn, r *bufio.Reader) {
			fmt.Fprint(c, "* OK hi\r\nS1 OK early\r\n* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] again\r\nT1 OK\r\nT2 OK\r\n")
			hang(r)
		}, provider.ErrUnreachable},
	} {
		t.Run(name, func(t *testing.T) {
			e := serve(t, x.script)
			e.settings[provider.IMAPTLS] = provider.StartTLS
			_, err := small(guard()).ListMessages(context.Background(), evilAccount(e), email.Query{})
			if !errors.Is(err, x.want) {
				t.Errorf("%v", err)
			}
			told := e.told()
			if strings.Contains(strings.ToUpper(told), "AUTHENTICATE") || strings.Contains(told, canary) || strings.Contains(told, "LOGIN") {
				t.Errorf("the password went out in the clear: %q", told)
			}
		})
	}
}

func TestPlainIsTheOperatorsWordAlone(t *testing.T) {
	e := serve(t, polite("NEVER", func(net.Conn, string) {}))
	closed := dial.New(dial.Config{}) // allows nothing special
	_, err := small(closed).ListMessages(context.Background(), evilAccount(e), email.Query{})
	if !errors.Is(err, provider.ErrUnreachable) || e.told() != "" {
		t.Fatalf("%v %q", err, e.told())
	}
}

func TestInjectionIsRefusedBeforeAnythingIsSent(t *testing.T) {
	e := serve(t, polite("NEVER", func(net.Conn, string) {}))
	c := small(guard())
	for _, l := range []provider.Login{
		{Address: "ada@example.com", Username: "ada\r\nA1 LOGOUT", Password: secret.New("x")},
		{Address: "ada@example.com", Username: "ada", Password: secret.New("x\r\nA1 LOGOUT")},
		{Address: "ada@example.com", Username: "ada\x00", Password: secret.New("x")},
		{Address: "ada@example.com\r\n", Username: "ada", Password: secret.New("x")},
		{Address: "ada@example.com", Username: "ada", Password: secret.New("")},
	} {
		l.Settings = e.settings
		if _, _, err := c.Check(context.Background(), l); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%v", err)
		}
	}
	for k, v := range map[string]string{provider.IMAPHost: "a b", provider.IMAPPort: "99999", provider.IMAPTLS: "ssl3", provider.SMTPPort: "x"} {
		s := map[string]string{provider.IMAPHost: "127.0.0.1", k: v}
		_, _, err := c.Check(context.Background(), provider.Login{Address: "ada@example.com", Password: secret.New("x"), Settings: s})
		if f, _ := fault.As(err); f == nil || f.Kind != fault.Invalid || f.Field != k {
			t.Errorf("%s=%q: %v", k, v, err)
		}
	}
	a := evilAccount(e)
	a.Login = "ada\r\nA1 LOGOUT"
	if _, err := c.ListMessages(context.Background(), a, email.Query{}); !errors.Is(err, provider.ErrCredentialRefused) {
		t.Errorf("%v", err)
	}
	if told := e.told(); strings.Contains(told, "LOGOUT") {
		t.Errorf("%q", told)
	}
}
