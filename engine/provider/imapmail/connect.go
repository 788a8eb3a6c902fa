package imapmail

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"mime"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/emersion/go-message/charset"

	"github.com/postern-mail/postern/engine/dial"
	"github.com/postern-mail/postern/engine/provider"
)

const (
	greetingBytes = 64 << 10 // greeting, capabilities and login
	idleBytes     = 64 << 10 // what a server may say unasked between two commands
)

// server is where and how to connect.
type server struct {
	host, port, protection string
	purpose                dial.Purpose
}

func imapServer(settings map[string]string) server {
	return settled(server{settings[provider.IMAPHost], settings[provider.IMAPPort], settings[provider.IMAPTLS], dial.IMAP}, "993", "143")
}

func smtpServer(settings map[string]string) server {
	return settled(server{settings[provider.SMTPHost], settings[provider.SMTPPort], settings[provider.SMTPTLS], dial.SMTP}, "465", "587")
}

// settled fills in what the settings leave open: TLS unless the port is the STARTTLS one.
func settled(s server, implicit, upgrade string) server {
	if s.port == "" {
		s.port = implicit
		if s.protection == provider.StartTLS {
			s.port = upgrade
		}
	}
	if s.protection == "" {
		s.protection = provider.TLS
		if s.port == upgrade {
			s.protection = provider.StartTLS
		}
	}
	s.host = strings.ToLower(strings.TrimSpace(s.host))
	return s
}

func (s server) addr() string { return net.JoinHostPort(s.host, s.port) }

// open connects and, for TLS, shakes hands. upgrade does the protocol's STARTTLS on the naked connection.
func (m *Mail) open(ctx context.Context, s server, upgrade func(net.Conn) error) (*wire, error) {
	if s.host == "" {
		return nil, provider.ErrUnreachable.Because(errors.New("no server given"))
	}
	raw, err := m.guard.Context(ctx, s.purpose, "tcp", s.addr())
	if err != nil {
		return nil, provider.ErrUnreachable.Because(err)
	}
	ok := false
	defer func() {
		if !ok {
			_ = raw.Close()
		}
	}()
	stop := context.AfterFunc(ctx, func() { _ = raw.Close() })
	defer stop()
	_ = raw.SetDeadline(time.Now().Add(m.connectTimeout))

	conn := raw
	switch s.protection {
	case provider.TLS:
		if conn, err = m.handshake(ctx, raw, s.host); err != nil {
			return nil, err
		}
	case provider.StartTLS:
		if upgrade == nil {
			break // the protocol's library does both
		}
		if err := upgrade(raw); err != nil {
			return nil, err
		}
		if conn, err = m.handshake(ctx, raw, s.host); err != nil {
			return nil, err
		}
	case provider.Plain:
		// Only towards an address that the operator opened: nobody else's mail ever travels naked.
		to, err := netip.ParseAddrPort(raw.RemoteAddr().String())
		if err != nil || !m.guard.Allowed(to.Addr()) {
			return nil, provider.ErrNoTLS.Because(errors.New("unencrypted connection to an address the operator did not open"))
		}
	default:
		return nil, provider.ErrUnreachable.Because(errors.New("unknown protection"))
	}
	ok = true
	return &wire{Conn: conn, raw: raw, left: greetingBytes}, nil
}

func (m *Mail) handshake(ctx context.Context, raw net.Conn, host string) (net.Conn, error) {
	config := m.guard.TLSConfig(host)
	if m.roots != nil {
		config.RootCAs = m.roots
	}
	conn := tls.Client(raw, config)
	if err := conn.HandshakeContext(ctx); err != nil {
		return nil, tlsFault(err)
	}
	return conn, nil
}

func tlsFault(err error) error {
	var verify *tls.CertificateVerificationError
	var unknown x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	var name x509.HostnameError
	if errors.As(err, &verify) || errors.As(err, &unknown) || errors.As(err, &invalid) || errors.As(err, &name) {
		return provider.ErrCertificate.Because(err)
	}
	return provider.ErrUnreachable.Because(err)
}

// startTLS speaks the plain beginning of RFC 3501 section 6.2.1, one byte at a time, so that not one byte that came before the
// handshake can be taken for one that came after it (the injection of CVE-2011-0411). Capabilities told in the clear are not kept.
func startTLS(conn net.Conn) error {
	line, err := readLine(conn)
	if err != nil {
		return provider.ErrUnreachable.Because(err)
	}
	if !bytes.HasPrefix(bytes.ToUpper(line), []byte("* OK")) {
		// PREAUTH would make STARTTLS impossible: a stripped connection looks like this (RFC 9051 section 7.1.4).
		return provider.ErrUnreachable.Because(errors.New("no IMAP greeting"))
	}
	if _, err := io.WriteString(conn, "S1 STARTTLS\r\n"); err != nil {
		return provider.ErrUnreachable.Because(err)
	}
	for range 20 {
		line, err := readLine(conn)
		if err != nil {
			return provider.ErrUnreachable.Because(err)
		}
		upper := bytes.ToUpper(line)
		switch {
		case bytes.HasPrefix(upper, []byte("S1 OK")):
			return nil
		case bytes.HasPrefix(upper, []byte("S1 ")):
			return provider.ErrNoTLS.Because(errors.New("STARTTLS refused"))
		}
	}
	return provider.ErrUnreachable.Because(errors.New("no answer to STARTTLS"))
}

const longestLine = 8 << 10

func readLine(r io.Reader) ([]byte, error) {
	var line []byte
	var one [1]byte
	for len(line) < longestLine {
		if _, err := io.ReadFull(r, one[:]); err != nil {
			return nil, err
		}
		if one[0] == '\n' {
			return line, nil
		}
		line = append(line, one[0])
	}
	return nil, errTooMuch
}

// login opens a connection and authenticates. Its faults tell a refused credential from everything else.
func (m *Mail) login(ctx context.Context, s server, login string, credential provider.Credential) (*session, error) {
	return m.loginTold(ctx, s, login, credential, nil)
}

// loginTold is login with a channel that gets a value when the server says something about the selected folder unasked.
func (m *Mail) loginTold(ctx context.Context, s server, login string, credential provider.Credential, told chan<- struct{}) (*session, error) {
	w, err := m.open(ctx, s, startTLS)
	if err != nil {
		return nil, err
	}
	ok := false
	defer func() {
		if !ok {
			w.kill()
		}
	}()
	stop := context.AfterFunc(ctx, w.kill)
	defer stop()
	if s.protection == provider.StartTLS {
		w.greeting = []byte("* OK\r\n") // given before TLS; the client waits for one
	}
	w.allow(greetingBytes, time.Now().Add(m.connectTimeout))
	c := imapclient.New(w, &imapclient.Options{WordDecoder: &mime.WordDecoder{CharsetReader: charset.Reader}, UnilateralDataHandler: teller(told)})
	if err := c.WaitGreeting(); err != nil {
		return nil, provider.ErrUnreachable.Because(plain(err))
	}
	if c.State() != imap.ConnStateNotAuthenticated {
		return nil, provider.ErrBadAnswer.Because(errors.New("the server claims that we are logged in already"))
	}
	caps := c.Caps()
	if caps == nil {
		return nil, provider.ErrBadAnswer.Because(firstOf(w.why(), errors.New("no capabilities")))
	}
	mech, err := mechanism(login, credential, func(name string) bool { return caps.Has(imap.AuthCap(name)) })
	if err != nil {
		return nil, provider.ErrCredentialRefused.Because(err)
	}
	if mech != nil {
		err = c.Authenticate(mech)
	} else if caps.Has(imap.CapLoginDisabled) {
		err = errors.New("no way to log in is offered")
	} else {
		err = c.Login(login, credential.Password.Reveal()).Wait()
	}
	if err != nil {
		return nil, loginFault(w, err)
	}
	// Asked for outright: what was said before the login may still stand in the client for a moment, and it may say less.
	if _, err := c.Capability().Wait(); err != nil {
		return nil, provider.ErrBadAnswer.Because(firstOf(w.why(), plain(err)))
	}
	ok = true
	return &session{mail: m, client: c, wire: w}, nil
}

func loginFault(w *wire, err error) error {
	var no *imap.Error
	if w.why() == nil && errors.As(err, &no) && no.Type == imap.StatusResponseTypeNo {
		if throttled(no) {
			return errThrottled.Because(plain(err))
		}
		switch no.Code {
		case imap.ResponseCodeUnavailable, imap.ResponseCodeServerBug:
			return provider.ErrBadAnswer.Because(plain(err))
		}
		return provider.ErrCredentialRefused.Because(plain(err))
	}
	return provider.ErrBadAnswer.Because(firstOf(w.why(), plain(err)))
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
