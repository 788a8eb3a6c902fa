package sandbox

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-smtp"

	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/secret"
)

// Domain is the mail domain of everyone in the sandbox.
const Domain = "sandbox.test"

// Config is how to start a sandbox. The zero value takes free ports on loopback and forgets everything at the end.
type Config struct {
	Addr     string // of the OAuth server; "127.0.0.1:0" when empty
	IMAPAddr string
	SMTPAddr string
	// StatePath is a file (0600) that keeps the password, the client secret and digests of refresh tokens, so that connections outlive a
	// restart. Mail is not kept: each start begins with the same mailboxes. Empty = nothing is kept.
	StatePath string
	// RedirectURIs are the only ones accepted, compared byte by byte. Empty = any on loopback.
	RedirectURIs []string
	AccessTTL    time.Duration    // of access tokens: 1 hour
	Now          func() time.Time // nil = time.Now
	Log          *slog.Logger     // nil = silent
}

// Endpoints is what a connector must know to reach a sandbox. It holds no secret, and survives JSON.
type Endpoints struct {
	URL      string `json:"url"`
	IMAPAddr string `json:"imap_addr"`
	SMTPAddr string `json:"smtp_addr"`
	CA       string `json:"ca"` // PEM of the mail servers' issuer
}

// Server is a running sandbox. It is safe for concurrent use.
type Server struct {
	now       func() time.Time
	log       *slog.Logger
	redirects []string
	book      *book
	boxes     sync.RWMutex
	mail      map[string]*mailbox // by address; guarded by boxes
	endpoints Endpoints
	http      *http.Server
	imap      *imapserver.Server
	smtp      *smtp.Server
}

// Start starts a sandbox. It ends with Close, or with ctx.
func Start(ctx context.Context, c Config) (*Server, error) {
	s := &Server{now: c.Now, log: c.Log, redirects: c.RedirectURIs}
	if s.now == nil {
		s.now = time.Now
	}
	if s.log == nil {
		s.log = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	if c.AccessTTL == 0 {
		c.AccessTTL = time.Hour
	}
	var err error
	if s.book, err = openBook(c.StatePath, c.AccessTTL, s.now); err != nil {
		return nil, fmt.Errorf("sandbox: state: %w", err)
	}
	s.mail = seed(s.now(), s.book.password())
	pair, ca, err := selfMade()
	if err != nil {
		return nil, fmt.Errorf("sandbox: certificate: %w", err)
	}
	var open []net.Listener
	for _, addr := range []string{c.Addr, c.IMAPAddr, c.SMTPAddr} {
		if addr == "" {
			addr = "127.0.0.1:0"
		}
		l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
		if err != nil {
			for _, x := range open {
				_ = x.Close()
			}
			return nil, fmt.Errorf("sandbox: listen: %w", err)
		}
		open = append(open, l)
	}
	config := &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	s.endpoints = Endpoints{URL: "http://" + open[0].Addr().String(), IMAPAddr: open[1].Addr().String(), SMTPAddr: open[2].Addr().String(), CA: string(ca)}
	s.http = &http.Server{Handler: s.routes(), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second, MaxHeaderBytes: 64 << 10, ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug)}
	s.imap = imapserver.New(&imapserver.Options{NewSession: func(conn *imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
		return &session{server: s, conn: conn.NetConn()}, nil, nil
	}, Caps: imap.CapSet{imap.CapIMAP4rev1: {}, imap.CapIMAP4rev2: {}, imap.CapNamespace: {}, imap.CapUIDPlus: {}, imap.CapESearch: {}, imap.CapListExtended: {}, imap.CapListStatus: {}, imap.CapMove: {}, imap.CapSpecialUse: {}},
		Logger: quiet{s.log}, InsecureAuth: true})
	s.smtp = s.smtpServer()
	go func() { _ = s.http.Serve(open[0]) }()
	go func() { _ = s.imap.Serve(tls.NewListener(open[1], config)) }()
	go func() { _ = s.smtp.Serve(tls.NewListener(open[2], config)) }()
	context.AfterFunc(ctx, func() { _ = s.Close() })
	return s, nil
}

// Close stops all three servers and closes their connections.
func (s *Server) Close() error {
	_ = s.http.Close()
	_ = s.imap.Close()
	_ = s.smtp.Close()
	return nil
}

// URL is where the OAuth server answers.
func (s *Server) URL() string { return s.endpoints.URL }

// Endpoints is what a connector needs.
func (s *Server) Endpoints() Endpoints { return s.endpoints }

// Users is the address of everyone, sorted as they are shown.
func (s *Server) Users() []string {
	out := make([]string, len(people))
	for i, p := range people {
		out[i] = p.address()
	}
	return out
}

// Password opens every mailbox. It is made anew unless there is a state file.
func (s *Server) Password() string { return s.book.password() }

// App is the one client that the sandbox knows. RedirectURI is the caller's to fill in.
func (s *Server) App() provider.App {
	id, key := s.book.client()
	return provider.App{ClientID: id, ClientSecret: secret.New(key)}
}

// RefreshTokenAlive says whether any refresh token of a user still works.
func (s *Server) RefreshTokenAlive(user string) bool { return s.book.alive(user) }

// Deliver puts a raw message into a user's inbox, as new mail. It says whether there is such a user.
func (s *Server) Deliver(user string, raw []byte) bool {
	box := s.box(user)
	if box == nil {
		return false
	}
	return box.put("INBOX", raw, s.now(), nil) == nil
}

// AddUser makes one more person with an empty mailbox, and answers the address. The same password opens it.
func (s *Server) AddUser(local, name string) string {
	address := strings.ToLower(local) + "@" + Domain
	s.boxes.Lock()
	defer s.boxes.Unlock()
	s.mail[address] = newMailbox(address, name, s.book.password())
	return address
}

// box is nil when nobody has the address.
func (s *Server) box(address string) *mailbox {
	s.boxes.RLock()
	defer s.boxes.RUnlock()
	return s.mail[address]
}

type quiet struct{ log *slog.Logger }

func (q quiet) Printf(format string, args ...any) {
	q.log.Debug("sandbox mail server", "what", fmt.Sprintf(format, args...))
}
func (q quiet) Println(args ...any) { q.log.Debug("sandbox mail server", "what", fmt.Sprint(args...)) }

func random(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

// selfMade is a certificate that is its own issuer, good for loopback. Only connectors that were given it believe it.
func selfMade() (tls.Certificate, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	// Certificates are about the machine's clock, not about the one handed in.
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Postern sandbox"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(1, 0, 0), IsCA: true,
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), nil
}
