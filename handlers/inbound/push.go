package inbound

import (
	"context"
	"net/http"
	"unicode/utf8"

	"github.com/labstack/echo/v4"

	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/verifications"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/web"
)

// PushWeb is the door of providers' pushes, as the server mounts it.
func (d *Door) PushWeb() web.Door {
	return web.Door{Name: "push", Prefix: "/push", Fail: web.FailJSON, BodyLimit: 1 << 40, Routes: []web.Route{
		{Method: http.MethodPost, Path: "/push/google", Permission: web.Public, Handler: d.pushGoogle},
		{Method: http.MethodPost, Path: "/push/google/risc", Permission: web.Public, Handler: d.pushRISC},
		{Method: http.MethodPost, Path: "/push/microsoft", Permission: web.Public, Handler: d.pushMicrosoft},
	}}
}

func (d *Door) pushGoogle(c echo.Context) error {
	return d.push(c, http.StatusNoContent, d.verifications.PushGoogle)
}

// pushRISC answers as RFC 8935 section 2.2 and 2.3 say: 202, or 400 with a code.
func (d *Door) pushRISC(c echo.Context) error {
	return d.push(c, http.StatusAccepted, d.verifications.PushRISC)
}

// pushMicrosoft also answers the validation of an address (https://learn.microsoft.com/graph/change-notifications-delivery-webhooks): the token, decoded, as
// plain text and nothing else. No browser takes it for a page.
func (d *Door) pushMicrosoft(c echo.Context) error {
	if values, asked := c.QueryParams()["validationToken"]; asked {
		secure(c)
		if len(values) != 1 || !echoable(values[0]) {
			return c.NoContent(http.StatusBadRequest)
		}
		return c.Blob(http.StatusOK, "text/plain; charset=utf-8", []byte(values[0]))
	}
	return d.push(c, http.StatusAccepted, d.verifications.PushMicrosoft)
}

// echoable is text of at most 2 KiB without control characters.
func echoable(text string) bool {
	if text == "" || len(text) > 2<<10 || !utf8.ValidString(text) {
		return false
	}
	for _, r := range text {
		if r < ' ' || r == 0x7f {
			return false
		}
	}
	return true
}

func secure(c echo.Context) {
	c.Response().Header().Set("X-Content-Type-Options", "nosniff")
	c.Response().Header().Set("Cache-Control", "no-store")
}

func (d *Door) push(c echo.Context, taken int, deed func(context.Context, verifications.PushRequest) (models.Verification, error)) error {
	r := c.Request()
	v, err := deed(r.Context(), verifications.PushRequest{Header: r.Header, Length: r.ContentLength, Body: http.MaxBytesReader(c.Response(), r.Body, verifications.MaxBody+1), Addr: web.Addr(c)})
	secure(c)
	switch {
	case fault.KindOf(err) == fault.Invalid:
		return c.NoContent(http.StatusBadRequest)
	case err != nil:
		d.log.ErrorContext(r.Context(), "a push could not be taken", "error", err)
		c.Response().Header().Set("Retry-After", "5")
		return c.NoContent(http.StatusServiceUnavailable)
	}
	code := status(v)
	if code == http.StatusOK {
		return c.NoContent(taken)
	}
	return c.NoContent(code)
}
