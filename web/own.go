package web

import (
	"context"
	"io/fs"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/postern-mail/postern/static"
)

// addOwnRoutes adds what is the server's and no door's: health, metrics, static files.
func (s *Server) addOwnRoutes() {
	s.own("/healthz", func(c echo.Context) error { return c.String(http.StatusOK, "ok\n") })
	s.own("/readyz", s.ready)
	s.own(static.Prefix+"*", serveStatic)
	if !s.config.MetricsApart && s.config.Metrics != nil {
		s.own("/metrics", echo.WrapHandler(s.metrics.handler()))
	}
}

func (s *Server) own(path string, h echo.HandlerFunc) {
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		s.echo.Add(method, path, h)
	}
	s.routes = append(s.routes, RouteInfo{Door: "web", Method: http.MethodGet, Path: path, Permission: Public})
}

// ready runs every check. It names those that fail and says nothing of why: the log has it.
func (s *Server) ready(c echo.Context) error {
	ctx, stop := context.WithTimeout(c.Request().Context(), 3*time.Second)
	defer stop()
	states, status := map[string]string{}, http.StatusOK
	for _, check := range s.config.Checks {
		states[check.Name] = "ok"
		if err := check.Run(ctx); err != nil {
			states[check.Name], status = "failing", http.StatusServiceUnavailable
			s.config.Logger.WarnContext(ctx, "not ready", "check", check.Name, "error", err.Error())
		}
	}
	return c.JSON(status, map[string]any{"ready": status == http.StatusOK, "checks": states})
}

// serveStatic sends an embedded file. Only names in the manifest exist; a name changes with its content, so it is kept for ever.
func serveStatic(c echo.Context) error {
	name := c.Param("*")
	if !static.Hashed(name) {
		return errNoRoute
	}
	body, err := fs.ReadFile(static.FS(), name)
	if err != nil {
		return errNoRoute.Because(err)
	}
	kind := "application/octet-stream"
	for suffix, t := range map[string]string{".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml", ".woff2": "font/woff2"} {
		if strings.HasSuffix(name, suffix) {
			kind = t
		}
	}
	c.Response().Header().Set("Cache-Control", static.CacheControl)
	return c.Blob(http.StatusOK, kind, body)
}
