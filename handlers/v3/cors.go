package v3

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/web"
)

var errOrigin = fault.New(fault.Denied, "origin_unregistered", "No application has registered this browser origin. Add a callback URI of platform js for it.")

// shared lets pages of registered js origins read the answer (Fetch standard, section 3.2). No cookie or other ambient credential counts
// on these routes, so none is allowed here either.
func (d *Door) shared(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if _, err := d.allowOrigin(c); err != nil {
			return err
		}
		return next(c)
	}
}

// preflight answers what a browser asks before the request itself.
func (d *Door) preflight(c echo.Context) error {
	allowed, err := d.allowOrigin(c)
	if err != nil {
		return err
	}
	if !allowed {
		return errOrigin
	}
	h := c.Response().Header()
	h.Set("Access-Control-Allow-Methods", "GET, POST")
	h.Set("Access-Control-Allow-Headers", "authorization, content-type, x-nylas-connect, x-nylas-application-public-id")
	h.Set("Access-Control-Max-Age", "600")
	return reply(c, http.StatusOK, map[string]any{"request_id": web.RequestID(c)})
}

func (d *Door) allowOrigin(c echo.Context) (bool, error) {
	h := c.Response().Header()
	h.Add("Vary", "Origin")
	origin := c.Request().Header.Get("Origin")
	if origin == "" || !plain(origin) {
		return false, nil
	}
	there, err := d.Applications.OriginRegistered(c.Request().Context(), origin)
	if err != nil || !there {
		return false, err
	}
	h.Set("Access-Control-Allow-Origin", origin)
	h.Set("Access-Control-Expose-Headers", "x-request-id, retry-after")
	return true, nil
}
