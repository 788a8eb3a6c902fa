package ews

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/Azure/go-ntlmssp"

	"github.com/postern-mail/postern/engine/dial"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/secret"
)

const (
	headerBytes  = 64 << 10
	refusedBytes = 256 << 10 // of a body that nobody reads
)

// The ways to sign in. NTLM comes first where both are offered: the password itself does not travel.
const (
	ntlm  = "ntlm"
	basic = "basic"
)

// session is one connection, used by one caller at a time and by one account only.
type session struct {
	conn     *tls.Conn
	in       *bufio.Reader
	left     *io.LimitedReader // what the server may still send
	host     string            // host:port, for the Host header
	login    string
	password secret.Text
	way      string // how to sign in; empty = not known yet
	proven   bool   // NTLM: the connection is signed in
	used     bool
}

// reply is one answer of the server, body included.
type reply struct {
	status int
	header http.Header
	body   []byte
	last   bool // the server closes the connection
}

func (c *Connector) connect(ctx context.Context, addr, login string, password secret.Text, way string) (*session, error) {
	conn, err := c.guard.TLS(ctx, dial.Provider, addr)
	if err != nil {
		return nil, tlsFault(err)
	}
	left := &io.LimitedReader{R: conn, N: headerBytes}
	return &session{conn: conn, left: left, in: bufio.NewReader(left), host: strings.TrimSuffix(addr, ":443"), login: login, password: password, way: way}, nil
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

// end closes the socket at once. Saying goodbye in TLS could wait for the server, and would let it answer once more.
func (s *session) end() { _ = s.conn.NetConn().Close() }

var (
	// errStale is a pooled connection that the server had closed already.
	errStale = errors.New("the server closed the connection")
	// errReconnect is a server that said how to sign in and hung up, before it was sent anything.
	errReconnect = errors.New("the server wants another connection")
)

// post sends body and reads at most limit bytes of the answer, signing in where the connection needs it. A 401 that is returned is the
// server's no.
func (s *session) post(path string, header http.Header, body payload, limit int64) (reply, error) {
	if s.way == "" {
		r, err := s.exchange(path, header, payload{}, "", refusedBytes)
		if err != nil || r.status != http.StatusUnauthorized {
			return r, err
		}
		if s.way = offered(r.header); s.way == "" {
			return r, nil
		}
		if r.last {
			return r, errReconnect
		}
	}
	r, err := s.signed(path, header, body, limit)
	if err != nil || r.status != http.StatusUnauthorized || offers(r.header, s.way) {
		return r, err
	}
	// Not the password is refused, but the way of proving it: the server's administrator changed that.
	if other := offered(r.header); other != "" && !r.last {
		s.way = other
		return s.signed(path, header, body, limit)
	}
	return r, nil
}

// signed is one request, signed in by the way that is known.
func (s *session) signed(path string, header http.Header, body payload, limit int64) (reply, error) {
	if s.way == basic {
		return s.exchange(path, header, body, "Basic "+base64.StdEncoding.EncodeToString([]byte(s.login+":"+s.password.Reveal())), limit)
	}
	if s.proven {
		r, err := s.exchange(path, header, body, "", limit)
		if err != nil || r.status != http.StatusUnauthorized {
			return r, err
		}
		// Some front ends forget who a connection belongs to.
		s.proven = false
	}
	return s.handshake(path, header, body, limit)
}

// handshake is NTLM over HTTP (MS-NTHT): negotiate, challenge, authenticate, all on this one connection.
func (s *session) handshake(path string, header http.Header, body payload, limit int64) (reply, error) {
	hello, err := ntlmssp.NewNegotiateMessage("", "")
	if err != nil {
		return reply{}, err
	}
	r, err := s.exchange(path, header, payload{}, "NTLM "+base64.StdEncoding.EncodeToString(hello), refusedBytes)
	if err != nil || r.status != http.StatusUnauthorized {
		return r, err
	}
	challenge := challengeOf(r.header)
	if challenge == nil {
		return r, nil
	}
	proof, err := ntlmssp.NewAuthenticateMessage(challenge, s.login, s.password.Reveal(), nil)
	if err != nil {
		return reply{}, errors.New("the server's NTLM challenge cannot be answered")
	}
	r, err = s.exchange(path, header, body, "NTLM "+base64.StdEncoding.EncodeToString(proof), limit)
	s.proven = err == nil && r.status != http.StatusUnauthorized
	return r, err
}

func challengeOf(h http.Header) []byte {
	for _, v := range h.Values("WWW-Authenticate") {
		if rest, ok := strings.CutPrefix(v, "NTLM "); ok {
			if b, err := base64.StdEncoding.DecodeString(strings.TrimSpace(rest)); err == nil && len(b) > 0 {
				return b
			}
		}
	}
	return nil
}

// offered picks among what a 401 offers (RFC 9110 section 11.6.1).
func offered(h http.Header) string {
	for _, way := range []string{ntlm, basic} {
		if offers(h, way) {
			return way
		}
	}
	return ""
}

func offers(h http.Header, way string) bool {
	for _, v := range h.Values("WWW-Authenticate") {
		scheme, _, _ := strings.Cut(v, " ")
		if strings.EqualFold(strings.TrimSuffix(scheme, ","), way) {
			return true
		}
	}
	return false
}

// exchange is one request and its answer, on this connection.
func (s *session) exchange(path string, header http.Header, body payload, authorization string, limit int64) (reply, error) {
	req, err := http.NewRequest(http.MethodPost, "https://"+s.host+path, http.NoBody)
	if err != nil {
		return reply{}, errors.New("not a path")
	}
	for k, v := range header {
		req.Header[k] = v
	}
	req.Header.Set("User-Agent", "Postern")
	if authorization != "" {
		req.Header.Set("Authorization", authorization)
	}
	if n := body.length(); n > 0 {
		content := body.open()
		defer content.Close() //nolint:errcheck // it was only read
		req.Body, req.ContentLength = content, n
	}
	reused := s.used
	s.used = true
	s.left.N = headerBytes
	if err := req.Write(s.conn); err != nil {
		return reply{}, broken(err, reused)
	}
	if _, err := s.in.Peek(1); err != nil {
		return reply{}, broken(err, reused)
	}
	var res *http.Response
	for res == nil || res.StatusCode/100 == 1 {
		if res, err = http.ReadResponse(s.in, req); err != nil {
			return reply{}, errors.New("no HTTP answer, or headers without end")
		}
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode == http.StatusUnauthorized {
		limit = refusedBytes
	}
	s.left.N = limit + limit/16 + headerBytes // the sizes of chunks count too
	b, err := dial.ReadAll(res.Body, limit)
	return reply{res.StatusCode, res.Header, b, res.Close}, err
}

func broken(err error, reused bool) error {
	if reused {
		return errStale
	}
	return err
}
