package web

import (
	"net/netip"

	"github.com/labstack/echo/v4"

	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/models"
)

// Words that stand beside a route instead of a permission. They are never held by a role or a key.
const (
	Public    models.Permission = "(public)"     // anybody, known or not: the handler proves what must be proven
	AnyMember models.Permission = "(any member)" // everybody who is signed in to the portal
	AnyCaller models.Permission = "(any caller)" // every program whose credential was proven
)

// Route is one line of a door's table.
type Route struct {
	Method     string
	Path       string // echo's form: /grants/:grant
	Permission models.Permission
	Handler    echo.HandlerFunc
	BodyLimit  int64 // bytes; 0: the door's
}

// RouteInfo is a mounted route without its handler.
type RouteInfo struct {
	Door, Method, Path string
	Permission         models.Permission
}

// Door is a group of routes that share how callers are known and how errors look.
type Door struct {
	Name   string
	Prefix string // "" or "/v3": which door answers for an address that no route matches. The longest match wins
	Routes []Route

	// Sessions: people come in with a session cookie; the cross-origin check guards every unsafe method.
	Sessions bool
	// Cookies: the door keeps cookies of its own (a consent flow), so it gets the same cross-origin check, and no session.
	Cookies bool
	// Authenticate tells who calls; a door with Sessions needs none. nil: nobody is known. It returns the zero Actor for a caller who
	// shows nothing, and an error for one who shows something that does not hold. Cookies must not count in it.
	Authenticate func(echo.Context) (models.Actor, error)
	// Fail answers a request that failed. It must not reveal more than Problem.Public.
	Fail func(echo.Context, Problem) error

	BodyLimit int64 // bytes; 0: 256 KiB
}

// permit refuses everybody who lacks p. A signed-out caller is told to sign in, a known one that it is not theirs to do.
func permit(p models.Permission) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			a := Actor(c)
			switch {
			case p == Public:
				return next(c)
			case a.Kind == "":
				return errSignIn
			case p == AnyMember && a.Kind == models.ActorMember, p == AnyCaller && (a.Kind == models.ActorKey || a.Kind == models.ActorToken):
				return next(c)
			case a.May(p):
				return next(c)
			default:
				return errPermission
			}
		}
	}
}

// setActor asks the door who is calling. Address, user agent and request id are filled in here for all doors alike.
func (s *Server) setActor(d *Door) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			a := models.Actor{}
			if d.Sessions {
				a = sessionActor(c)
			}
			if d.Authenticate != nil {
				var err error
				if a, err = d.Authenticate(c); err != nil {
					return err
				}
			}
			a.Addr, a.UserAgent, a.RequestID = s.address(c.Request()), clip(c.Request().UserAgent(), 300), RequestID(c)
			c.Set(actorKey, a)
			return next(c)
		}
	}
}

const (
	actorKey   = "postern.actor"
	requestKey = "postern.request"
)

// Actor tells who is calling. Its Kind is empty when nobody is known; address, user agent and request id are set all the same.
func Actor(c echo.Context) models.Actor {
	a, _ := c.Get(actorKey).(models.Actor)
	return a
}

// RequestID is the id of this request, in its log lines, its audit entries and on its error page.
func RequestID(c echo.Context) string {
	id, _ := c.Get(requestKey).(string)
	return id
}

// ParamID reads an id from the path. Anything else than an id is not found: a malformed id names nothing.
func ParamID[I ~[16]byte](c echo.Context, name string) (I, error) {
	id, err := models.ParseID[I](c.Param(name))
	if err != nil {
		return id, fault.New(fault.NotFound, "not_found", "").Because(err)
	}
	return id, nil
}

func clip(text string, most int) string {
	if len(text) > most {
		return text[:most]
	}
	return text
}

// Addr is where the request came from, trusted proxies looked through. It is the zero Addr where that cannot be told.
func Addr(c echo.Context) netip.Addr { return Actor(c).Addr }
