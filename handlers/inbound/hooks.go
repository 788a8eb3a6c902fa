package inbound

import (
	"log/slog"
	"net/http"
	"net/netip"

	"github.com/labstack/echo/v4"

	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/verifications"
	"github.com/postern-mail/postern/models"
)

// Door answers /hooks/{endpoint}.
type Door struct {
	verifications *verifications.Service
	addr          func(*http.Request) netip.Addr
	log           *slog.Logger
}

// New makes the door. addr says where a request came from; nil takes the connection's other end, which is right where no proxy stands before
// Postern.
func New(v *verifications.Service, addr func(*http.Request) netip.Addr, log *slog.Logger) *Door {
	if addr == nil {
		addr = remote
	}
	return &Door{verifications: v, addr: addr, log: log}
}

// Register adds the routes. They must stand outside of sessions and the cross-origin check: their proof is the signature.
func (d *Door) Register(e *echo.Echo) {
	e.GET("/hooks/:endpoint", d.challenge)
	e.POST("/hooks/:endpoint", d.receive)
}

// challenge answers the ownership check of a v3 sender: the value alone, and only one that no browser could take for anything but text.
func (d *Door) challenge(c echo.Context) error {
	h := c.Response().Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	values := c.QueryParams()["challenge"]
	if len(values) != 1 || !plain(values[0]) {
		return c.Blob(http.StatusBadRequest, "text/plain; charset=utf-8", []byte("challenge must be 1 to 256 letters, digits or . _ ~ -\n"))
	}
	return c.Blob(http.StatusOK, "text/plain; charset=utf-8", []byte(values[0]))
}

// plain is [A-Za-z0-9._~-]{1,256}: the unreserved characters of RFC 3986.
func plain(text string) bool {
	if text == "" || len(text) > 256 {
		return false
	}
	for i := range len(text) {
		c := text[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '.', c == '_', c == '~', c == '-':
		default:
			return false
		}
	}
	return true
}

// receive checks, logs and answers. The answer says as much as the sender needs to decide whether to try again.
func (d *Door) receive(c echo.Context) error {
	r := c.Request()
	// The reader stops at the cap by itself; this one also closes the connection of a sender that goes on.
	body := http.MaxBytesReader(c.Response(), r.Body, verifications.MaxBody+1)
	v, err := d.verifications.Receive(r.Context(), verifications.Request{Endpoint: c.Param("endpoint"), Header: r.Header, Length: r.ContentLength, Body: body, Addr: d.addr(r)})
	c.Response().Header().Set("X-Content-Type-Options", "nosniff")
	c.Response().Header().Set("Cache-Control", "no-store")
	switch {
	case fault.KindOf(err) == fault.Invalid:
		return c.NoContent(http.StatusBadRequest)
	case err != nil:
		d.log.ErrorContext(r.Context(), "an inbound call could not be checked", "error", err)
		c.Response().Header().Set("Retry-After", "5")
		return c.NoContent(http.StatusServiceUnavailable)
	}
	return c.NoContent(status(v))
}

// status is the answer to a verdict.
func status(v models.Verification) int {
	switch v.Reason {
	case verifications.OK, verifications.OKPreviousSecret, verifications.Duplicate:
		return http.StatusOK
	case verifications.UnknownEndpoint:
		return http.StatusNotFound
	case verifications.Oversize, verifications.DecompressionBomb:
		return http.StatusRequestEntityTooLarge
	case verifications.NotAllowlisted:
		return http.StatusForbidden
	case verifications.BadEncoding, verifications.NotJSON:
		return http.StatusBadRequest
	default:
		return http.StatusUnauthorized
	}
}

func remote(r *http.Request) netip.Addr {
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return at.Addr().Unmap()
}
