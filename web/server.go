package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/postern-mail/postern/engine/fault"
)

// Config is what a server is made of. BaseURL, Now and Logger are required.
type Config struct {
	BaseURL        *url.URL       // the address that people and programs use; no path. Links and the cross-origin check rest on it, never on Host
	TrustedProxies []netip.Prefix // whose X-Forwarded-For is believed; empty: nobody's
	Sessions       SessionKeeper  // nil: no door may ask for sessions
	Checks         []Check        // of /readyz
	Metrics        *prometheus.Registry
	MetricsApart   bool // /metrics is served by MetricsHandler on a listener of its own, and not here
	Now            func() time.Time
	Logger         *slog.Logger
}

// Check is one thing that must be well before requests are taken. Its name is shown by /readyz, its error only logged.
type Check struct {
	Name string
	Run  func(context.Context) error
}

// Server answers HTTP. Mount every door before Handler or Serve is called; afterwards it is safe for concurrent use.
type Server struct {
	echo    *echo.Echo
	config  Config
	origin  string
	doors   []*Door
	routes  []RouteInfo
	store   *sessionStore
	cross   *http.CrossOriginProtection
	metrics *metrics
}

// New makes a server without doors: it answers /healthz, /readyz, /metrics and static files, and 404 to all else.
// It panics on a Config that lacks something required: that is a programmer's mistake.
func New(c Config) *Server {
	if c.BaseURL == nil || c.Now == nil || c.Logger == nil {
		panic("web: BaseURL, Now and Logger are required")
	}
	s := &Server{echo: echo.New(), config: c, origin: c.BaseURL.Scheme + "://" + c.BaseURL.Host, cross: http.NewCrossOriginProtection()}
	if err := s.cross.AddTrustedOrigin(s.origin); err != nil {
		panic("web: BaseURL is no origin: " + err.Error())
	}
	s.store = &sessionStore{keeper: c.Sessions, cookie: s.cookieName("s"), secure: s.https()}
	s.metrics = newMetrics(c.Metrics)
	e := s.echo
	e.HideBanner, e.HidePort = true, true
	e.Logger.SetOutput(slogWriter{c.Logger})
	e.HTTPErrorHandler = s.handleError
	e.IPExtractor = func(r *http.Request) string { return s.address(r).String() }
	e.SchemeExtractor = echo.ExtractSchemeDirect()
	// What comes first also covers the failures of what comes later: the log tells the status of a panic, its page carries the headers.
	e.Pre(s.requestID, s.accessLog, s.recover, s.headers, s.methods)
	s.addOwnRoutes()
	return s
}

// https says whether people reach us by https, be the encryption ours or a proxy's.
func (s *Server) https() bool { return s.config.BaseURL.Scheme == "https" }

// Handler gives the server as an http.Handler.
func (s *Server) Handler() http.Handler { return s.echo }

// URL makes an absolute address on the configured origin. path must begin with a slash; the request's Host is never used.
func (s *Server) URL(path string) string { return s.origin + path }

// Origin is scheme and host of the configured base address.
func (s *Server) Origin() string { return s.origin }

// cookieName tells the name of a cookie: with __Host- where the browser can enforce it, which takes https. A plain-http Postern is a
// demo on loopback; there Secure cookies are refused by some clients, so the name says nothing that would not hold.
func (s *Server) cookieName(name string) string {
	if s.https() {
		return "__Host-" + name
	}
	return "postern-" + name
}

// Mount adds a door: every route of it, each with its permission. It panics on a route that names no permission, no handler or a
// method and path that is taken: such a program must not start.
func (s *Server) Mount(d Door) {
	if d.Name == "" || d.Fail == nil || d.Sessions && s.config.Sessions == nil {
		panic(fmt.Sprintf("web: door %q lacks its name, its Fail or the server's Sessions", d.Name))
	}
	s.doors = append(s.doors, &d)
	seen := map[string]bool{}
	for _, r := range s.routes {
		seen[r.Method+" "+r.Path] = true
	}
	for _, r := range d.Routes {
		key := r.Method + " " + r.Path
		switch {
		case r.Permission == "":
			panic("web: " + key + " names no permission")
		case r.Handler == nil:
			panic("web: " + key + " has no handler")
		case seen[key]:
			panic("web: " + key + " is there twice")
		case !strings.HasPrefix(r.Path, "/"):
			panic("web: " + key + " does not begin with a slash")
		}
		seen[key] = true
		chain := s.chain(&d, r)
		s.echo.Add(r.Method, r.Path, r.Handler, chain...)
		if r.Method == http.MethodGet && !seen["HEAD "+r.Path] {
			s.echo.Add(http.MethodHead, r.Path, r.Handler, chain...)
		}
		s.routes = append(s.routes, RouteInfo{Door: d.Name, Method: r.Method, Path: r.Path, Permission: r.Permission})
	}
}

// Routes lists everything that was mounted, for tests and for the page that documents permissions.
func (s *Server) Routes() []RouteInfo { return append([]RouteInfo(nil), s.routes...) }

// chain is the part of the order that depends on the route: body limit, session, actor, cross-origin check, permission.
func (s *Server) chain(d *Door, r Route) []echo.MiddlewareFunc {
	limit := r.BodyLimit
	if limit == 0 {
		limit = d.BodyLimit
	}
	chain := []echo.MiddlewareFunc{s.limitBody(limit)}
	if d.Cookies {
		chain = append(chain, keepOpener)
	}
	if d.Sessions {
		chain = append(chain, s.loadSession)
	}
	chain = append(chain, s.setActor(d))
	if d.Sessions || d.Cookies {
		chain = append(chain, s.checkOrigin)
	}
	return append(chain, permit(r.Permission))
}

// Serve answers on l until ctx ends, then lets running requests finish for up to ten seconds.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	return s.serve(ctx, l, s.echo)
}

// ServeMetrics answers /metrics alone on l until ctx ends.
func (s *Server) ServeMetrics(ctx context.Context, l net.Listener) error {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", s.metrics.handler())
	return s.serve(ctx, l, mux)
}

func (s *Server) serve(ctx context.Context, l net.Listener, h http.Handler) error {
	server := &http.Server{
		Handler: h, ErrorLog: slog.NewLogLogger(s.config.Logger.Handler(), slog.LevelWarn),
		ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, WriteTimeout: 2 * time.Minute, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 16 << 10, BaseContext: func(net.Listener) context.Context { return context.WithoutCancel(ctx) },
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	select {
	case err := <-ended:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	grace, stop := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer stop()
	if err := server.Shutdown(grace); err != nil {
		_ = server.Close()
		return fmt.Errorf("stop serving: %w", err)
	}
	if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve: %w", err)
	}
	return nil
}

// errNoRoute and its kin are the answers of the plumbing itself.
var (
	errNoRoute     = fault.New(fault.NotFound, "not_found", "")
	errMethod      = fault.New(fault.Invalid, "method_not_allowed", "")
	errTooLarge    = fault.New(fault.Invalid, "body_too_large", "")
	errCrossOrigin = fault.New(fault.Denied, "cross_origin", "This request did not come from one of Postern's own pages, so it was not carried out. Open the page in Postern and use its button.")
	errSignIn      = fault.New(fault.Unproven, "sign_in_required", "")
	errPermission  = fault.New(fault.Denied, "permission_missing", "")
)

// keepOpener leaves a page with the window that opened it. Programs run the hosted consent in a popup and are told of its end by that popup
// (the opener's window.closed, postMessage): same-origin would part the two, and the program would see a window that was closed.
func keepOpener(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		c.Response().Header().Set("Cross-Origin-Opener-Policy", "unsafe-none")
		return next(c)
	}
}
