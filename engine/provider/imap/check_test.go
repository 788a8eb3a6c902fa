package imap_test

import (
	"bufio"
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postern-mail/postern/engine/dial"
	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/provider/imap"
	"github.com/postern-mail/postern/engine/provider/providertest"
	"github.com/postern-mail/postern/engine/secret"
)

func TestCheckOnDovecot(t *testing.T) {
	d := providertest.Dovecot(t)
	s := providertest.StartSubmission(t, d)
	a := d.Account(t)
	trusting := imap.New(imap.Config{Guard: guard(), Roots: d.Roots, TryTimeout: 5 * time.Second})
	doubting := imap.New(imap.Config{Guard: guard(), TryTimeout: 5 * time.Second})
	login := func(protection string, more map[string]string) provider.Login {
		settings := d.Settings(protection)
		for k, v := range more {
			settings[k] = v
		}
		return provider.Login{Address: a.Address, Password: d.Password(a.Login), Settings: settings}
	}
	for _, protection := range []string{provider.TLS, provider.StartTLS, provider.Plain} {
		id, found, err := trusting.Check(context.Background(), login(protection, s.Settings()))
		if err != nil || found[provider.IMAPTLS] != protection || found[provider.SMTPTLS] != provider.StartTLS || id.Subject != "127.0.0.1/"+a.Login || id.Email != a.Address {
			t.Errorf("%s: %+v %+v %v", protection, id, found, err)
		}
	}
	l := login(provider.TLS, nil)
	delete(l.Settings, provider.IMAPTLS)
	if _, found, err := trusting.Check(context.Background(), l); err != nil || found[provider.IMAPTLS] != provider.TLS || found[provider.SMTPHost] != "" {
		t.Errorf("protection found by itself: %v %v", found, err)
	}
	l = login(provider.StartTLS, nil)
	delete(l.Settings, provider.IMAPTLS)
	if _, found, err := trusting.Check(context.Background(), l); err != nil || found[provider.IMAPTLS] != provider.StartTLS {
		t.Errorf("STARTTLS found by itself: %v %v", found, err)
	}
	want := func(name string, err error, is *fault.Error, field string) {
		t.Helper()
		f, _ := fault.As(err)
		if !errors.Is(err, is) || f.Field != field {
			t.Errorf("%s: %v at %q", name, err, f.Field)
		}
	}
	wrong := login(provider.TLS, nil)
	wrong.Password = secret.New(canary)
	_, _, err := trusting.Check(context.Background(), wrong)
	want("wrong password", err, provider.ErrLoginRefused, "password")
	if strings.Contains(err.Error(), canary) {
		t.Error(err)
	}
	_, _, err = doubting.Check(context.Background(), login(provider.TLS, nil))
	want("self-signed", err, provider.ErrCertificate, provider.IMAPHost)
	_, _, err = doubting.Check(context.Background(), login(provider.StartTLS, nil))
	want("self-signed by STARTTLS", err, provider.ErrCertificate, provider.IMAPHost)
	_, _, err = trusting.Check(context.Background(), login(provider.TLS, map[string]string{provider.IMAPHost: "127.0.0.2"}))
	want("certificate of another host", err, provider.ErrUnreachable, provider.IMAPHost)
	_, _, err = trusting.Check(context.Background(), login(provider.TLS, map[string]string{provider.IMAPPort: "1"}))
	want("closed port", err, provider.ErrUnreachable, provider.IMAPHost)
	_, _, err = trusting.Check(context.Background(), login(provider.TLS, map[string]string{provider.SMTPHost: "127.0.0.1", provider.SMTPPort: "1"}))
	if f, _ := fault.As(err); f == nil || f.Field != provider.SMTPHost {
		t.Errorf("named SMTP server that is not there: %v", err)
	}
	strict := imap.New(imap.Config{Guard: dial.New(dial.Config{}), Roots: d.Roots})
	_, _, private := strict.Check(context.Background(), login(provider.TLS, nil))
	want("private address", private, provider.ErrUnreachable, provider.IMAPHost)
	_, _, closed := trusting.Check(context.Background(), login(provider.TLS, map[string]string{provider.IMAPPort: "1"}))
	x, _ := fault.As(private)
	y, _ := fault.As(closed)
	if x.Public != y.Public || x.Code != y.Code || x.Kind != y.Kind {
		t.Error("private and closed can be told apart")
	}
}

// zone answers for one made-up domain.
type zone struct {
	net.Resolver
	hosts map[string]string
	srv   map[string]*net.SRV
}

func (z *zone) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	if a, ok := z.hosts[host]; ok {
		return []netip.Addr{netip.MustParseAddr(a)}, nil
	}
	return nil, errors.New("no such host")
}

func (z *zone) LookupSRV(_ context.Context, service, proto, name string) (string, []*net.SRV, error) {
	if r, ok := z.srv["_"+service+"._"+proto+"."+name]; ok {
		return "", []*net.SRV{r}, nil
	}
	return "", nil, errors.New("no such record")
}

func TestDetection(t *testing.T) {
	z := &zone{hosts: map[string]string{}, srv: map[string]*net.SRV{"_imaps._tcp.else.example": {Target: "imap.host.example.", Port: 993}, "_imaps._tcp.none.example": {Target: ".", Port: 0}}}
	g := dial.New(dial.Config{Resolver: z, Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	c := imap.New(imap.Config{Guard: g, TryTimeout: time.Second})
	check := func(address string) *fault.Error {
		_, _, err := c.Check(context.Background(), provider.Login{Address: address, Password: secret.New("x")})
		f, _ := fault.As(err)
		return f
	}
	if f := check("ada@else.example"); f == nil || f.Code != "mail_server_unconfirmed" || !strings.Contains(f.Public, "imap.host.example") {
		t.Errorf("a stranger's server is not asked about: %v", f)
	}
	for _, a := range []string{"ada@none.example", "ada@nothing.example"} {
		if f := check(a); f == nil || f.Code != "mail_server_unknown" || f.Field != provider.IMAPHost {
			t.Errorf("%s: %v", a, f)
		}
	}
	asked := map[string]bool{}
	for _, e := range g.Ledger() {
		asked[e.Host] = true
	}
	if !asked["imap.nothing.example"] || !asked["mail.nothing.example"] || asked["imap.host.example"] {
		t.Errorf("asked: %v", asked)
	}
}

func TestPoolOnDovecot(t *testing.T) {
	d := providertest.Dovecot(t)
	c := imap.New(imap.Config{Guard: guard(), Roots: d.Roots, IdleAfter: 300 * time.Millisecond})
	a := d.Account(t)
	for i := range 30 {
		d.Deliver(t, a, "INBOX", providertest.Mail{Raw: "Subject: x\r\n\r\n" + strings.Repeat("y", i), Received: time.Now()})
	}
	var wg sync.WaitGroup
	for range 40 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			p, err := c.ListMessages(context.Background(), a, email.Query{Limit: 20})
			if err != nil || len(p.Items) != 20 {
				t.Errorf("%d %v", len(p.Items), err)
			}
		}()
	}
	wg.Wait()
	if n := c.Open(a.Key); n < 1 || n > 4 {
		t.Errorf("%d connections", n)
	}
	for end := time.Now().Add(5 * time.Second); c.Open(a.Key) != 0; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("idle connections stay open")
		}
	}
}

// Close must end calls that are under way, at once, and not wait for the server.
func TestCloseEndsCallsInFlight(t *testing.T) {
	in := make(chan struct{}, 1)
	e := serve(t, polite("FETCH", func(net.Conn, string) { in <- struct{}{} }))
	c := imap.New(imap.Config{Guard: guard(), CommandTimeout: time.Minute})
	a := evilAccount(e)
	done := make(chan error, 1)
	go func() { _, err := c.ListMessages(context.Background(), a, email.Query{}); done <- err }()
	<-in
	begin := time.Now()
	c.Close(a.Key)
	select {
	case err := <-done:
		if !errors.Is(err, provider.ErrCredentialRefused) {
			t.Errorf("%v", err)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("the call goes on")
	}
	if time.Since(begin) > time.Second || c.Open(a.Key) != 0 {
		t.Errorf("after %v, %d open", time.Since(begin), c.Open(a.Key))
	}
}

func TestCloseEndsSendingInFlight(t *testing.T) {
	in := make(chan struct{}, 1)
	e := serve(t, func(c net.Conn, r *bufio.Reader) {
		_, _ = c.Write([]byte("220 hello\r\n"))
		_, _ = r.ReadString('\n')
		in <- struct{}{}
		hang(r)
	})
	c := imap.New(imap.Config{Guard: guard(), CommandTimeout: time.Minute})
	a := evilAccount(e)
	a.Settings = map[string]string{provider.SMTPHost: "127.0.0.1", provider.SMTPPort: e.settings[provider.IMAPPort], provider.SMTPTLS: provider.Plain}
	done := make(chan error, 1)
	go func() {
		_, err := c.Send(context.Background(), a, email.Draft{To: []email.Address{{Email: "grace@example.com"}}, Plain: "x"})
		done <- err
	}()
	<-in
	c.Close(a.Key)
	select {
	case err := <-done:
		if !errors.Is(err, provider.ErrCredentialRefused) {
			t.Errorf("%v", err)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("the sending goes on")
	}
}

// A server that restarts between two calls must not be the caller's trouble.
func TestStaleConnectionIsReplaced(t *testing.T) {
	var mu sync.Mutex
	var conns []net.Conn
	script := polite("NEVER", func(net.Conn, string) {})
	e := serve(t, func(c net.Conn, r *bufio.Reader) {
		mu.Lock()
		conns = append(conns, c)
		mu.Unlock()
		script(c, r)
	})
	c := imap.New(imap.Config{Guard: guard()})
	a := evilAccount(e)
	unread := true
	for i := range 3 {
		if _, err := c.ListMessages(context.Background(), a, email.Query{Unread: &unread}); err != nil {
			t.Fatalf("call %d: %v", i, err)
		}
		mu.Lock()
		_ = conns[len(conns)-1].Close()
		mu.Unlock()
	}
	if len(conns) != 3 {
		t.Errorf("%d connections", len(conns))
	}
}
