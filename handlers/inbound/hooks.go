package inbound

import (
	"log/slog"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/verifications"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/web"
)

// Door answers /hooks/{endpoint}.
type Door struct {
	verifications *verifications.Service
	log           *slog.Logger
}

// New makes the door.
func New(v *verifications.Service, log *slog.Logger) *Door { return &Door{verifications: v, log: log} }

// Web is the door as the server mounts it. It keeps no cookies and knows no session: the proof is the signature. The body's limit is far above
// what is read, because a call that is too large has its row in the log too.
func (d *Door) Web() web.Door {
	return web.Door{Name: "inbound", Prefix: "/hooks", Fail: web.FailJSON, BodyLimit: 1 << 40, Routes: []web.Route{
		{Method: http.MethodGet, Path: "/hooks/:endpoint", Permission: web.Public, Handler: d.challenge},
		{Method: http.MethodPost, Path: "/hooks/:endpoint", Permission: web.Public, Handler: d.receive},
	}}
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
	v, err := d.verifications.Receive(r.Context(), verifications.Request{Endpoint: c.Param("endpoint"), Header: r.Header, Length: r.ContentLength, Body: body, Addr: web.Addr(c)})
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
	code := status(v)
	if code == http.StatusServiceUnavailable {
		c.Response().Header().Set("Retry-After", "60")
	}
	return c.NoContent(code)
}

// status is the answer to a verdict.
func status(v models.Verification) int {
	switch v.Reason {
	case verifications.OK, verifications.OKPreviousSecret, verifications.Duplicate, verifications.Replayed:
		return http.StatusOK
	case verifications.RotationWindow, verifications.Paused:
		return http.StatusServiceUnavailable
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
