package web

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/views/layout"
)

// Problem is an error on its way out: what may be told, and nothing else.
type Problem struct {
	Status    int
	Kind      fault.Kind
	Code      string // stable, for programs
	Public    string // for people; may be empty: then Status says all there is
	Field     string
	After     time.Duration // when to try again; sent as Retry-After already
	Base      string        // base URL of the installation that has it; mostly empty
	RequestID string
}

// statuses is the only place that knows which status a kind has.
var statuses = map[fault.Kind]int{
	fault.Internal: http.StatusInternalServerError, fault.Invalid: http.StatusBadRequest, fault.Unproven: http.StatusUnauthorized,
	fault.Denied: http.StatusForbidden, fault.NotFound: http.StatusNotFound, fault.Conflict: http.StatusConflict, fault.Gone: http.StatusGone,
	fault.Limited: http.StatusTooManyRequests, fault.Upstream: http.StatusBadGateway, fault.Unavailable: http.StatusServiceUnavailable,
}

// ProblemOf tells what may be said of err. It is what Fail is given; a door may use it for an error that it answers itself.
func ProblemOf(c echo.Context, err error) Problem {
	p := Problem{Status: http.StatusInternalServerError, Kind: fault.Internal, Code: "internal", RequestID: RequestID(c)}
	var tooLarge *http.MaxBytesError
	var fromEcho *echo.HTTPError
	f, isFault := fault.As(err)
	switch {
	case errors.As(err, &tooLarge), errors.Is(err, errTooLarge):
		p.Status, p.Kind, p.Code = http.StatusRequestEntityTooLarge, fault.Invalid, errTooLarge.Code
	case errors.Is(err, errMethod):
		p.Status, p.Kind, p.Code = http.StatusMethodNotAllowed, fault.Invalid, errMethod.Code
	case isFault:
		p.Status, p.Kind, p.Code, p.Field, p.After, p.Base = statuses[f.Kind], f.Kind, f.Code, f.Field, f.After, f.Base
		if f.Kind != fault.Internal {
			p.Public = f.Public
		}
	case errors.As(err, &fromEcho):
		p.Status, p.Code = fromEcho.Code, "http_"+strconv.Itoa(fromEcho.Code)
		p.Kind = kindOf(fromEcho.Code)
		switch fromEcho.Code {
		case http.StatusNotFound:
			p.Code = errNoRoute.Code
		case http.StatusMethodNotAllowed:
			p.Code = errMethod.Code
		case http.StatusBadRequest:
			p.Code = "malformed"
		case http.StatusUnsupportedMediaType:
			p.Code = "content_type"
		}
	case errors.Is(err, context.DeadlineExceeded):
		p.Status, p.Kind, p.Code = http.StatusServiceUnavailable, fault.Unavailable, "timeout"
	}
	if p.Status == 0 {
		p.Status = http.StatusInternalServerError
	}
	if p.After == 0 && (p.Kind == fault.Limited || p.Kind == fault.Unavailable) {
		p.After = 5 * time.Second
	}
	return p
}

func kindOf(status int) fault.Kind {
	for kind, s := range statuses {
		if s == status {
			return kind
		}
	}
	if status >= 400 && status < 500 {
		return fault.Invalid
	}
	return fault.Internal
}

// handleError logs an error once and lets the door answer it.
func (s *Server) handleError(err error, c echo.Context) {
	p := ProblemOf(c, err)
	s.logProblem(c, p, err)
	if c.Response().Committed {
		return // too late: the answer has begun. The log has the rest
	}
	if p.After > 0 {
		c.Response().Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(p.After.Seconds()))))
	}
	fail := FailPlain
	if d := s.doorOf(c.Request().URL.Path); d != nil {
		fail = d.Fail
		s.recognise(d, c, p)
	}
	if err := fail(c, p); err != nil {
		s.config.Logger.Error("an error could not be answered", "request", p.RequestID, "error", err)
		if !c.Response().Committed {
			_ = c.NoContent(p.Status)
		}
	}
}

// recognise lets the error page of an address that no route matched know who is asking, so that it keeps its frame. Where that fails, the page
// is the one for strangers.
func (s *Server) recognise(d *Door, c echo.Context, p Problem) {
	if !d.Sessions || Session(c) != nil || p.Status != http.StatusNotFound && p.Status != http.StatusMethodNotAllowed {
		return
	}
	nothing := func(echo.Context) error { return nil }
	if err := s.loadSession(s.setActor(d)(nothing))(c); err != nil {
		s.config.Logger.Debug("an error page could not tell who is asking", "request", p.RequestID, "error", err.Error())
	}
}

func (s *Server) logProblem(c echo.Context, p Problem, err error) {
	level := slog.LevelDebug
	switch p.Kind {
	case fault.Internal:
		level = slog.LevelError
	case fault.Upstream, fault.Unavailable:
		level = slog.LevelWarn
	case fault.Denied, fault.Unproven, fault.Limited:
		level = slog.LevelInfo
	}
	if errors.Is(err, context.Canceled) {
		level = slog.LevelDebug // the caller has left
	}
	s.config.Logger.LogAttrs(c.Request().Context(), level, "request failed", slog.String("request", p.RequestID),
		slog.Int("status", p.Status), slog.String("code", p.Code), slog.String("error", err.Error()))
}

// doorOf finds the door whose prefix covers path; the longest prefix wins.
func (s *Server) doorOf(path string) *Door {
	var best *Door
	for _, d := range s.doors {
		prefix := strings.TrimSuffix(d.Prefix, "/")
		if (path == prefix || strings.HasPrefix(path, prefix+"/")) && (best == nil || len(prefix) > len(strings.TrimSuffix(best.Prefix, "/"))) {
			best = d
		}
	}
	return best
}

// FailPlain answers with the error page for somebody who is not signed in. It fits doors without an error shape of their own.
func FailPlain(c echo.Context, p Problem) error {
	view := layout.ErrorFor(p.Status, p.Public, p.RequestID)
	return Render(c, p.Status, layout.PlainError(layout.PlainPage{Title: view.Title, Theme: Theme(c)}, view))
}

// FailJSON answers in the shape of RFC 9457, problem details.
func FailJSON(c echo.Context, p Problem) error {
	title := http.StatusText(p.Status)
	detail := p.Public
	if detail == "" {
		detail = title
	}
	c.Response().Header().Set(echo.HeaderContentType, "application/problem+json; charset=utf-8")
	c.Response().WriteHeader(p.Status)
	if c.Request().Method == http.MethodHead {
		return nil
	}
	return json.NewEncoder(c.Response()).Encode(map[string]any{"title": title, "status": p.Status, "code": p.Code, "detail": detail, "request_id": p.RequestID})
}
