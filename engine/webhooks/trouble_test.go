package webhooks

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/http/httptest"
	"net/mail"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/postern-mail/postern/engine/dial"
	"github.com/postern-mail/postern/engine/mailer"
	"github.com/postern-mail/postern/engine/secret"
	"github.com/postern-mail/postern/models"
)

// postOffice is a mail server that keeps what it takes.
type postOffice struct {
	mu    sync.Mutex
	mails []*mail.Message
	to    string
}

func (p *postOffice) NewSession(*smtp.Conn) (smtp.Session, error) { return p, nil }
func (p *postOffice) Reset()                                      {}
func (p *postOffice) Logout() error                               { return nil }
func (p *postOffice) Mail(string, *smtp.MailOptions) error        { return nil }
func (p *postOffice) Rcpt(to string, _ *smtp.RcptOptions) error   { p.to = to; return nil }
func (p *postOffice) Data(r io.Reader) error {
	m, err := mail.ReadMessage(r)
	if err != nil {
		return err
	}
	text, err := io.ReadAll(quotedprintable.NewReader(m.Body))
	m.Body = strings.NewReader(string(text))
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mails = append(p.mails, m)
	return err
}

// mails gives the world a mail server.
func (w *world) postOffice() *postOffice {
	w.t.Helper()
	https := httptest.NewTLSServer(nil) // for its certificate
	w.t.Cleanup(https.Close)
	roots := x509.NewCertPool()
	roots.AddCert(https.Certificate())
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	p := &postOffice{}
	server := smtp.NewServer(p)
	server.TLSConfig = &tls.Config{Certificates: https.TLS.Certificates}
	go func() { _ = server.Serve(listener) }()
	w.t.Cleanup(func() { _ = server.Close() })
	w.baseURL = "https://mail.example.com"
	w.mail, err = mailer.New(mailer.Config{URL: secret.New("smtp://" + listener.Addr().String()), From: "postern@example.com", Now: w.clock.now,
		Guard: dial.New(dial.Config{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, Roots: roots})})
	if err != nil {
		w.t.Fatal(err)
	}
	return p
}

// TestAFailingWebhookIsTold: by mail before it is given up and when it is, to each address once, over SMTP; and to staff above every page.
func TestAFailingWebhookIsTold(t *testing.T) {
	ctx, w := context.Background(), newWorld(t)
	office := w.postOffice()
	r := newReceiver(t)
	d := draft(w.app, r.URL+"/in?key=canary-key")
	d.NotificationEmails = []string{"ada@example.com", "ops@example.com"}
	hook, key, err := w.Create(ctx, w.staff, d)
	if err != nil {
		t.Fatal(err)
	}
	happen := func() {
		w.clock.turn(time.Millisecond)
		w.happen(w.a, "grant.created", map[string]string{"email": "canary-payload@example.com"})
		w.work()
	}
	trouble := func(want ...models.WebhookStatus) {
		t.Helper()
		list, err := w.Trouble(ctx, w.staff)
		if err != nil || len(list) != len(want) || len(want) > 0 && list[0].Status != want[0] {
			t.Errorf("trouble %+v, %v, want %v", list, err, want)
		}
	}
	sent := func(n int, subject string, parts ...string) {
		t.Helper()
		if len(office.mails) != n {
			t.Fatalf("%d mails, want %d", len(office.mails), n)
		}
		m := office.mails[n-1]
		text, _ := io.ReadAll(m.Body)
		decoded, _ := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
		if !strings.Contains(decoded, subject) {
			t.Errorf("subject %q, want %q", decoded, subject)
		}
		for _, part := range append(parts, "https://mail.example.com/webhooks/"+hook.ID.String(), r.URL+"/in") {
			if !strings.Contains(string(text), part) {
				t.Errorf("the mail does not say %q:\n%s", part, text)
			}
		}
		for _, never := range []string{"canary", key.Reveal()} {
			if strings.Contains(string(text)+decoded, never) {
				t.Errorf("the mail says %q", never)
			}
		}
		t.Logf("%s\n\n%s", decoded, text)
	}
	happen()
	r.say(func(received) int { return 503 })
	happen()
	trouble()
	w.clock.turn(16 * time.Minute)
	happen()
	trouble(models.WebhookFailing)
	sent(2, "fails: no event has arrived since", "If nothing arrives until "+moment(w.clock.now().Add(failedAfter)))
	if a, b := office.mails[0].Header.Get("To"), office.mails[1].Header.Get("To"); a != "<ada@example.com>" || b != "<ops@example.com>" {
		t.Errorf("to %s and %s", a, b)
	}
	happen()
	w.clock.turn(73 * time.Hour)
	happen()
	trouble(models.WebhookFailed)
	sent(4, "is switched off", "nothing had arrived at it since", "Resume")
	r.say(nil)
	if _, err := w.Update(ctx, w.staff, hook.ID, Change{Status: "active"}); err != nil {
		t.Fatal(err)
	}
	trouble()
	r.say(func(received) int { return 410 })
	happen()
	sent(6, "is switched off", "410 Gone")
	for _, actor := range []models.Actor{w.key(models.TenantID{}), {Kind: models.ActorMember, Role: models.Customer, Tenant: w.a}} {
		if list, err := w.Trouble(ctx, actor); err != nil || len(list) != 0 {
			t.Errorf("%s is told of %d webhooks, %v", actor.Kind, len(list), err)
		}
	}
	// A notice that comes too late says nothing.
	if err := (&noticeWorker{service: w.Service}).Work(ctx, job[notice](t, []byte(`{"application":"`+w.app.String()+`","webhook":"`+hook.ID.String()+`","status":"failing","place":0}`))); err != nil || len(office.mails) != 6 {
		t.Errorf("%d mails, %v", len(office.mails), err)
	}
	w.absent("canary-key@", key.Reveal())
}
