package dial

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/postern-mail/postern/engine/fault"
)

// BodyLimit is the most that is read of an answer whose size a stranger chooses.
const BodyLimit = 64 << 10

// ErrBodyTooLarge is an answer beyond its cap.
var ErrBodyTooLarge = fault.New(fault.Upstream, "answer_too_large", "The other side sent a far larger answer than it should.")

// HTTPClient is a client whose every connection the guard decides. It follows no redirect (the 3xx is the answer), uses no
// proxy, keeps no cookies, and speaks plain http only to addresses that the operator opened. timeout covers the whole exchange, body
// included; 0 leaves that to the request's context. Clients of one purpose share their idle connections.
//
// The errors of http.Client hold the URL, query included: pass them through WithoutURL before they go anywhere.
func (g *Guard) HTTPClient(p Purpose, timeout time.Duration) *http.Client {
	g.mu.Lock()
	defer g.mu.Unlock()
	t := g.transports[p]
	if t == nil {
		t = &transport{&http.Transport{
			Proxy: nil, // the environment has no say
			DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
				return g.Context(ctx, p, network, addr)
			},
			TLSClientConfig:        g.TLSConfig(""),
			ForceAttemptHTTP2:      true,
			TLSHandshakeTimeout:    handshakeTimeout,
			ResponseHeaderTimeout:  60 * time.Second,
			MaxResponseHeaderBytes: BodyLimit,
			MaxIdleConns:           100,
			MaxIdleConnsPerHost:    4,
			IdleConnTimeout:        60 * time.Second,
		}}
		if p == Webhook {
			// Up to 128 calls are under way to one receiver, and a new connection for each would cost more than the call.
			t.next.MaxIdleConns, t.next.MaxIdleConnsPerHost = 2000, 128
		}
		g.transports[p] = t
	}
	return &http.Client{
		Transport:     t,
		Timeout:       timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

type transport struct{ next *http.Transport }

func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.User != nil {
		return nil, ErrRefused.Because(errors.New("user name or password in the URL"))
	}
	switch r.URL.Scheme {
	case "https":
	case "http":
		// The transport dials with the request's values, so the decision at the socket learns that this one is plain.
		// A pooled connection was decided under the same key: scheme and host.
		r = r.WithContext(context.WithValue(r.Context(), plainKey{}, true))
	default:
		return nil, ErrRefused.Because(errors.New("not http"))
	}
	return t.next.RoundTrip(r)
}

// CloseIdleConnections lets http.Client.CloseIdleConnections through.
func (t *transport) CloseIdleConnections() { t.next.CloseIdleConnections() }

// Body reads an answer up to BodyLimit and closes it; beyond that it answers ErrBodyTooLarge.
func Body(r *http.Response) ([]byte, error) {
	defer func() { _ = r.Body.Close() }()
	return ReadAll(r.Body, BodyLimit)
}

// ReadAll reads r to its end, or answers ErrBodyTooLarge past limit bytes.
func ReadAll(r io.Reader, limit int64) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, ErrFailed.Because(err)
	}
	if int64(len(b)) > limit {
		return nil, ErrBodyTooLarge
	}
	return b, nil
}

// WithoutURL takes the URL out of an http.Client's error: a query may hold a code or a token.
// The answer is always a fault: the guard's own, or ErrFailed.
func WithoutURL(err error) error {
	if err == nil {
		return nil
	}
	var u *url.Error
	for errors.As(err, &u) {
		err = u.Err
	}
	if f, ok := fault.As(err); ok {
		return f
	}
	return ErrFailed.Because(err)
}
