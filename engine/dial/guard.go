package dial

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/postern-mail/postern/engine/fault"
)

// Purpose is what a connection is for. It decides the ports and heads a column of the ledger.
type Purpose string

// The purposes.
const (
	Webhook  Purpose = "webhook"  // events to a receiver: 443
	Provider Purpose = "provider" // a provider's OAuth and mail API: 443
	IMAP     Purpose = "imap"     // 143 with STARTTLS, 993
	SMTP     Purpose = "smtp"     // submission: 465, 587 with STARTTLS. Not 25: we submit, we do not relay
)

var ports = map[Purpose][]uint16{
	Webhook:  {443},
	Provider: {443},
	IMAP:     {143, 993},
	SMTP:     {465, 587},
}

// Purposes is all of them, so that a test can run each through the same corpus.
func Purposes() []Purpose { return []Purpose{Webhook, Provider, IMAP, SMTP} }

const (
	dnsTimeout       = 2 * time.Second
	connectTimeout   = 10 * time.Second
	handshakeTimeout = 10 * time.Second
	mostAddresses    = 8 // of one name
)

// refused is one sentence for a closed port, a filtered one, a private address and a name without one: whoever may type an
// address must not be able to map our network by the answers.
const refused = "Nothing could be reached at that address. Check the name and the port; it must be open to the public internet."

var (
	// ErrRefused is the guard's no. Its cause, for the log, says why.
	ErrRefused = fault.New(fault.Invalid, "egress_refused", refused)
	// ErrFailed is a connection that was allowed and did not come about.
	ErrFailed = fault.New(fault.Upstream, "egress_failed", refused)
)

// Resolver finds addresses. *net.Resolver is one.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
	LookupMX(ctx context.Context, name string) ([]*net.MX, error)
	LookupSRV(ctx context.Context, service, proto, name string) (string, []*net.SRV, error)
}

// Config is what the operator decides. The zero value allows the public internet and nothing else.
type Config struct {
	Allow    []netip.Prefix      // open although special, on any port. The operator's word alone, never a tenant's
	Deny     []netip.Prefix      // closed although public
	Servers  []string            // host:port of what Postern itself depends on, its database and its key service: closed whatever Allow says
	Roots    *x509.CertPool      // issuers trusted; nil = the system's
	Now      func() time.Time    // nil = time.Now; stamps the ledger
	Resolver Resolver            // nil = the system's
	Own      func() []netip.Addr // this machine's addresses, refused unless allowed; nil = ask the system
}

// Guard decides and dials. It is safe for concurrent use.
type Guard struct {
	allow, deny []netip.Prefix
	roots       *x509.CertPool
	now         func() time.Time
	resolver    Resolver
	own         func() []netip.Addr
	servers     *servers
	ledger      ledger

	mu         sync.Mutex
	transports map[Purpose]*transport
}

// New makes a guard.
func New(c Config) *Guard {
	g := &Guard{allow: c.Allow, deny: c.Deny, roots: c.Roots, now: c.Now, resolver: c.Resolver, own: c.Own,
		ledger: ledger{rows: map[ledgerKey]*Entry{}}, transports: map[Purpose]*transport{}}
	if g.now == nil {
		g.now = time.Now
	}
	if g.resolver == nil {
		g.resolver = net.DefaultResolver
	}
	if g.own == nil {
		g.own = interfaceAddresses
	}
	g.servers = newServers(c.Servers, g.resolver, g.now)
	return g
}

// Allowed says whether the operator opened a. Such an address may be spoken to on any port, and without TLS.
func (g *Guard) Allowed(a netip.Addr) bool { return within(g.allow, a.Unmap().WithZone("")) }

// check is the decision. It is called for each address a moment before connect(2), and nowhere else is anything decided.
func (g *Guard) check(p Purpose, a netip.AddrPort, plain bool) error {
	addr := a.Addr()
	if err := g.servers.check(p, a, g.here); err != nil {
		return err
	}
	if addr.Zone() == "" && g.Allowed(addr) {
		return nil
	}
	switch {
	case plain:
		return errors.New("plain http to an address the operator did not open")
	case !allowedPort(p, a.Port()):
		return errors.New("port " + strconv.Itoa(int(a.Port())) + " is not open for " + string(p))
	case !public(addr):
		return errors.New(addr.String() + " is not a public address")
	case within(g.deny, addr.Unmap()):
		return errors.New(addr.String() + " is closed by the operator")
	}
	if g.here(addr) {
		return errors.New(addr.String() + " is this machine")
	}
	return nil
}

// here says whether the address is one of this machine's.
func (g *Guard) here(addr netip.Addr) bool {
	if addr.Unmap().IsLoopback() {
		return true
	}
	for _, own := range g.own() {
		if own.Unmap() == addr.Unmap() {
			return true
		}
	}
	return false
}

func allowedPort(p Purpose, port uint16) bool {
	for _, ok := range ports[p] {
		if ok == port {
			return true
		}
	}
	return false
}

type plainKey struct{}

// Context connects to addr ("host:port") over tcp. It answers ErrRefused or ErrFailed, or ctx's end within ErrFailed.
func (g *Guard) Context(ctx context.Context, p Purpose, network, addr string) (net.Conn, error) {
	host, port, err := splitHostPort(addr)
	if err != nil || !strings.HasPrefix(network, "tcp") {
		return nil, ErrRefused.Because(errors.New("not a host and port"))
	}
	conn, err := g.dial(ctx, p, host, port)
	g.ledger.count(p, host, port, g.now(), err)
	return conn, err
}

func (g *Guard) dial(ctx context.Context, p Purpose, host string, port uint16) (net.Conn, error) {
	found, err := g.resolve(ctx, host)
	if err != nil {
		return nil, err
	}
	plain, _ := ctx.Value(plainKey{}).(bool)
	dialer := net.Dialer{
		Timeout: connectTimeout,
		// No second family raced in the background: each address is decided and tried in turn.
		FallbackDelay: -1,
		ControlContext: func(_ context.Context, network, address string, _ syscall.RawConn) error {
			to, err := netip.ParseAddrPort(address)
			if err != nil || !strings.HasPrefix(network, "tcp") {
				return ErrRefused.Because(errors.New("unreadable socket address"))
			}
			if err := g.check(p, to, plain); err != nil {
				return ErrRefused.Because(err)
			}
			return nil
		},
	}
	var last error
	for _, a := range found {
		conn, err := dialer.DialContext(ctx, "tcp", netip.AddrPortFrom(a, port).String())
		if err == nil {
			return conn, nil
		}
		if last == nil || !errors.Is(err, ErrRefused) {
			last = err
		}
	}
	var no *fault.Error
	if errors.As(last, &no) && errors.Is(no, ErrRefused) {
		return nil, no
	}
	return nil, ErrFailed.Because(last)
}

// resolve answers addresses that are not decided upon yet.
func (g *Guard) resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a}, nil
	}
	if !hostName(host) {
		return nil, ErrRefused.Because(errors.New("not a host name"))
	}
	ctx, cancel := context.WithTimeout(ctx, dnsTimeout)
	defer cancel()
	found, err := g.resolver.LookupNetIP(ctx, "ip", host)
	if err != nil || len(found) == 0 {
		if err == nil {
			err = errors.New("no address")
		}
		return nil, ErrFailed.Because(err)
	}
	if len(found) > mostAddresses {
		found = found[:mostAddresses]
	}
	return found, nil
}

// TLS connects and shakes hands. The certificate must be good for the host in addr.
func (g *Guard) TLS(ctx context.Context, p Purpose, addr string) (*tls.Conn, error) {
	raw, err := g.Context(ctx, p, "tcp", addr)
	if err != nil {
		return nil, err
	}
	host, _, _ := splitHostPort(addr)
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	conn := tls.Client(raw, g.TLSConfig(host))
	if err := conn.HandshakeContext(ctx); err != nil {
		_ = raw.Close()
		return nil, ErrFailed.Because(err)
	}
	return conn, nil
}

// TLSConfig is how TLS is spoken to serverName: TLS 1.2 or later, certificate checked against the operator's issuers.
func (g *Guard) TLSConfig(serverName string) *tls.Config {
	return &tls.Config{ServerName: serverName, RootCAs: g.roots, MinVersion: tls.VersionTLS12}
}

// LookupMX asks the guard's resolver, within the DNS timeout.
func (g *Guard) LookupMX(ctx context.Context, name string) ([]*net.MX, error) {
	if !hostName(name) {
		return nil, ErrRefused.Because(errors.New("not a host name"))
	}
	ctx, cancel := context.WithTimeout(ctx, dnsTimeout)
	defer cancel()
	return g.resolver.LookupMX(ctx, name)
}

// LookupSRV asks the guard's resolver, within the DNS timeout.
func (g *Guard) LookupSRV(ctx context.Context, service, proto, name string) ([]*net.SRV, error) {
	if !hostName(name) {
		return nil, ErrRefused.Because(errors.New("not a host name"))
	}
	ctx, cancel := context.WithTimeout(ctx, dnsTimeout)
	defer cancel()
	_, all, err := g.resolver.LookupSRV(ctx, service, proto, name)
	return all, err
}

func splitHostPort(addr string) (string, uint16, error) {
	host, text, err := net.SplitHostPort(addr)
	if err != nil {
		return "", 0, err
	}
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil || port == 0 {
		return "", 0, errors.New("not a port")
	}
	return strings.ToLower(strings.TrimSuffix(host, ".")), uint16(port), nil
}

// hostName accepts letters, digits, hyphens, underscores and dots, and refuses a name whose last label is a number: some
// resolvers read 2130706433, 0x7f.1 or 0177.0.0.1 as an IPv4 address (the "ends in a number" rule of the WHATWG URL standard).
func hostName(host string) bool {
	if host == "" || len(host) > 253 {
		return false
	}
	labels := strings.Split(host, ".")
	for _, l := range labels {
		if l == "" || len(l) > 63 {
			return false
		}
		for i := 0; i < len(l); i++ {
			c := l[i]
			if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_') {
				return false
			}
		}
	}
	last := strings.ToLower(labels[len(labels)-1])
	if strings.Trim(last, "0123456789") == "" {
		return false
	}
	return !(strings.HasPrefix(last, "0x") && strings.Trim(last[2:], "0123456789abcdef") == "")
}

func interfaceAddresses() []netip.Addr {
	all, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	var out []netip.Addr
	for _, a := range all {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			out = append(out, p.Addr())
		}
	}
	return out
}
