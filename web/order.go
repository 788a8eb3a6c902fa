package web

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/models"
)

// defaultBody is how much of a body is read where a door or route names no limit.
const defaultBody = 256 << 10

// requestID gives each request an id of our own. One that the caller sends is not taken: it could point a log at the wrong request.
func (s *Server) requestID(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		id := models.NewID[models.EventID](s.config.Now()).String()
		c.Set(requestKey, id)
		c.Response().Header().Set("X-Request-Id", id)
		return next(c)
	}
}

// recover turns a panic into an internal error. The stack goes to the log, the value of the panic does not: it may hold anything.
func (s *Server) recover(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) (err error) {
		defer func() {
			r := recover()
			if r == nil {
				return
			}
			if r == http.ErrAbortHandler { //nolint:errorlint // net/http compares it this way too
				panic(r)
			}
			what := fmt.Sprintf("%T", r)
			if fromRuntime, ok := r.(runtime.Error); ok {
				what = fromRuntime.Error()
			}
			s.config.Logger.Error("panic in a handler", "request", RequestID(c), "panic", what, "stack", string(debug.Stack()))
			err = fault.New(fault.Internal, "panic", "")
		}()
		return next(c)
	}
}

// methods refuses TRACE and whatever else no browser or program of ours sends, before any route is looked for.
func (s *Server) methods(next echo.HandlerFunc) echo.HandlerFunc {
	known := []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions}
	return func(c echo.Context) error {
		if !slices.Contains(known, c.Request().Method) {
			c.Response().Header().Set("Allow", strings.Join(known, ", "))
			return errMethod
		}
		return next(c)
	}
}

// limitBody bounds what a handler can read. A length that is announced too large is refused before a byte is read.
func (s *Server) limitBody(limit int64) echo.MiddlewareFunc {
	if limit == 0 {
		limit = defaultBody
	}
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			r := c.Request()
			if r.ContentLength > limit {
				c.Response().Header().Set("Connection", "close")
				return errTooLarge
			}
			r.Body = http.MaxBytesReader(c.Response(), r.Body, limit)
			return next(c)
		}
	}
}

// checkOrigin refuses an unsafe request that no page of ours sent. http.CrossOriginProtection lets requests pass that carry neither
// Sec-Fetch-Site nor Origin, and those a browser marks "none"; with a cookie in play neither is good enough, so both are refused here.
func (s *Server) checkOrigin(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := c.Request()
		switch r.Method {
		case http.MethodGet, http.MethodHead, http.MethodOptions:
			return next(c)
		}
		if err := s.cross.Check(r); err != nil {
			return errCrossOrigin.Because(err)
		}
		site, origin := r.Header.Get("Sec-Fetch-Site"), r.Header.Get("Origin")
		if site == "same-origin" || site == "" && origin == s.origin {
			return next(c)
		}
		return errCrossOrigin
	}
}

// address is where the request came from: the peer, unless the peer is a trusted proxy. Then it is the last entry of X-Forwarded-For
// that no trusted proxy wrote for another one. Every other header, underscore spellings included, is ignored: anybody can send it.
func (s *Server) address(r *http.Request) netip.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	addr := peer.Addr().Unmap()
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0 && s.trusted(addr); i-- {
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		addr = hop.Unmap()
	}
	return addr
}

func (s *Server) trusted(a netip.Addr) bool {
	return slices.ContainsFunc(s.config.TrustedProxies, func(p netip.Prefix) bool { return p.Contains(a) })
}

// accessLog writes one line a request. The route's pattern is logged, not the path: paths hold ids, and query strings may hold a code.
func (s *Server) accessLog(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		began := s.config.Now()
		cut := false
		if err := next(c); err != nil {
			cut = c.Response().Committed
			s.echo.HTTPErrorHandler(err, c) // answered here, so that the line tells the status that was sent
		}
		took, route := s.config.Now().Sub(began), c.Path()
		if route == "" {
			route = "(none)"
		}
		a := Actor(c)
		s.config.Logger.LogAttrs(c.Request().Context(), slog.LevelInfo, "request",
			slog.String("method", clip(c.Request().Method, 16)), slog.String("route", route), slog.Int("status", c.Response().Status),
			slog.Int64("bytes", c.Response().Size), slog.Duration("took", took), slog.String("request", RequestID(c)),
			slog.String("actor_kind", string(a.Kind)), slog.String("actor", a.ID))
		s.metrics.observe(c.Request().Method, route, c.Response().Status, took)
		if cut {
			// An answer that failed in its midst must not look whole: net/http breaks the connection off, without the last chunk.
			panic(http.ErrAbortHandler)
		}
		return nil
	}
}

// slogWriter takes what echo itself logs.
type slogWriter struct{ log *slog.Logger }

func (w slogWriter) Write(p []byte) (int, error) {
	w.log.Warn("echo", "text", strings.TrimSpace(string(p)))
	return len(p), nil
}
