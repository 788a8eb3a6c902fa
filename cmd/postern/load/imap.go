package load

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

// IMAPServer is a mail server that holds as many connections in IDLE as come, and as little memory for each as Go allows: what is measured is the client. Every
// mailbox has an inbox without mail.
type IMAPServer struct {
	Addr   string
	CA     []byte // PEM
	Idling atomic.Int64
	listen net.Listener
	config *tls.Config
}

// StartIMAP starts the server on loopback, with TLS.
func StartIMAP() (*IMAPServer, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "postern bench"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, fmt.Errorf("make a certificate: %w", err)
	}
	s := &IMAPServer{CA: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})}
	s.config = &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	if s.listen, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	s.Addr = s.listen.Addr().String()
	go func() {
		for {
			c, err := s.listen.Accept()
			if err != nil {
				return
			}
			go s.serve(tls.Server(c, s.config))
		}
	}()
	return s, nil
}

// Close ends the server; its connections end with their clients.
func (s *IMAPServer) Close() error { return s.listen.Close() }

const imapCaps = "IMAP4rev1 IDLE CONDSTORE ESEARCH LIST-EXTENDED LIST-STATUS SPECIAL-USE AUTH=PLAIN SASL-IR"

func (s *IMAPServer) serve(c net.Conn) {
	defer c.Close() //nolint:errcheck // over either way
	in := bufio.NewReaderSize(c, 512)
	say := func(format string, args ...any) { _, _ = fmt.Fprintf(c, format+"\r\n", args...) } // a client that has gone is noticed when it is read
	say("* OK [CAPABILITY %s] bench", imapCaps)
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		tag, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch verb, args, _ := strings.Cut(strings.ToUpper(rest), " "); verb {
		case "CAPABILITY":
			say("* CAPABILITY %s", imapCaps)
		case "LIST":
			say(`* LIST () "/" INBOX`)
			if strings.Contains(args, "STATUS") {
				say("* STATUS INBOX (MESSAGES 0 UIDNEXT 1 UIDVALIDITY 1 UNSEEN 0 HIGHESTMODSEQ 1)")
			}
		case "EXAMINE", "SELECT":
			say("* FLAGS (\\Seen \\Flagged \\Deleted)\r\n* 0 EXISTS\r\n* OK [UIDVALIDITY 1]\r\n* OK [UIDNEXT 1]\r\n* OK [HIGHESTMODSEQ 1]")
		case "UID":
			say("* ESEARCH (TAG %q) UID", tag)
		case "IDLE":
			say("+ idling")
			s.Idling.Add(1)
			_, err := in.ReadString('\n')
			s.Idling.Add(-1)
			if err != nil {
				return
			}
		case "LOGOUT":
			return
		}
		say("%s OK done", tag)
	}
}

// IdleBare is a plain go-imap client that is logged in and waits in IDLE on its inbox: what the library alone costs. close ends it.
func IdleBare(ctx context.Context, s *IMAPServer) (end func(), err error) {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(s.CA)
	raw, err := (&net.Dialer{}).DialContext(ctx, "tcp", s.Addr)
	if err != nil {
		return nil, fmt.Errorf("dial: %w", err)
	}
	c := imapclient.New(tls.Client(raw, &tls.Config{RootCAs: roots, ServerName: "127.0.0.1", MinVersion: tls.VersionTLS12}), nil)
	if err := c.Login("someone", "secret").Wait(); err != nil {
		return nil, fmt.Errorf("log in: %w", err)
	}
	if _, err := c.Select("INBOX", &imap.SelectOptions{ReadOnly: true}).Wait(); err != nil {
		return nil, fmt.Errorf("select: %w", err)
	}
	if _, err := c.Idle(); err != nil {
		return nil, fmt.Errorf("idle: %w", err)
	}
	return func() { _ = raw.Close() }, nil
}

// TLSPair is the least that a TLS connection costs: two ends, each with a goroutine that waits to read. close ends it.
func TLSPair(ctx context.Context, s *IMAPServer) (end func(), err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	defer l.Close() //nolint:errcheck // for one connection
	wait := func(c net.Conn) {
		var one [1]byte
		_, _ = io.ReadFull(c, one[:]) // until it is closed
	}
	ready := make(chan net.Conn, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			ready <- nil
			return
		}
		t := tls.Server(c, s.config)
		_ = t.HandshakeContext(ctx) // the other end tells
		ready <- c
		wait(t)
	}()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(s.CA)
	raw, err := (&net.Dialer{}).DialContext(ctx, "tcp", l.Addr().String())
	if err != nil {
		return nil, fmt.Errorf("dial: %w", err)
	}
	c := tls.Client(raw, &tls.Config{RootCAs: roots, ServerName: "127.0.0.1", MinVersion: tls.VersionTLS12})
	if err := c.HandshakeContext(ctx); err != nil {
		return nil, fmt.Errorf("shake hands: %w", err)
	}
	other := <-ready
	go wait(c)
	return func() {
		_ = raw.Close()
		if other != nil {
			_ = other.Close()
		}
	}, nil
}
