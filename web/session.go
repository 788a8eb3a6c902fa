package web

import (
	"context"
	"encoding/base64"
	"errors"
	"maps"
	"net/http"
	"net/netip"

	"github.com/gorilla/sessions"
	"github.com/labstack/echo/v4"

	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/secret"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/views/layout"
)

// SessionKeeper keeps sessions. An id is 43 characters of base64url, 256 random bits; only its hash may be kept.
type SessionKeeper interface {
	// OpenSession finds a live session: who is signed in (the zero Actor: nobody yet) and what it carries. One that is unknown or over is
	// a fault of kind Unproven; any other error means that the answer is not known.
	OpenSession(ctx context.Context, id secret.Text) (models.Actor, map[string]string, error)
	// BeginSession begins one that nobody is signed in to.
	BeginSession(ctx context.Context, data map[string]string, addr netip.Addr, userAgent string) (secret.Text, error)
	// SaveSession replaces what a live session carries.
	SaveSession(ctx context.Context, id secret.Text, data map[string]string) error
	// EndSession ends one; one that is over already is no error.
	EndSession(ctx context.Context, id secret.Text) error
}

const sessionKey = "postern.session"

// who is the key under which a session's values hold the actor. It is no string, so it is never saved.
type who struct{}

// visitor is the context key of the caller's address: the interface of gorilla/sessions has no other way to hand it to Save.
type visitor struct{}

// sessionStore is a sessions.Store over a SessionKeeper. The cookie carries an id and nothing else.
type sessionStore struct {
	keeper SessionKeeper
	cookie string
	secure bool
}

var _ sessions.Store = (*sessionStore)(nil)

// Get implements sessions.Store.
func (s *sessionStore) Get(r *http.Request, name string) (*sessions.Session, error) {
	return sessions.GetRegistry(r).Get(s, name)
}

// New implements sessions.Store. A cookie that is malformed, unknown or over gives a fresh session; an id is only ever ours to choose.
func (s *sessionStore) New(r *http.Request, name string) (*sessions.Session, error) {
	session := sessions.NewSession(s, name)
	session.IsNew = true
	// Set one by one: the library's own defaults are thirty days and SameSite=None.
	session.Options = &sessions.Options{Path: "/", HttpOnly: true, Secure: s.secure, SameSite: http.SameSiteLaxMode}
	cookie, err := r.Cookie(name)
	if err != nil || !wellFormed(cookie.Value) {
		return session, nil
	}
	actor, data, err := s.keeper.OpenSession(r.Context(), secret.New(cookie.Value))
	if fault.KindOf(err) == fault.Unproven && err != nil {
		return session, nil
	}
	if err != nil {
		return session, err
	}
	session.ID, session.IsNew = cookie.Value, false
	for k, v := range data {
		session.Values[k] = v
	}
	session.Values[who{}] = actor
	return session, nil
}

// Save implements sessions.Store. A negative MaxAge ends the session.
func (s *sessionStore) Save(r *http.Request, w http.ResponseWriter, session *sessions.Session) error {
	if session.Options.MaxAge < 0 {
		if session.ID != "" {
			if err := s.keeper.EndSession(r.Context(), secret.New(session.ID)); err != nil {
				return err
			}
		}
		http.SetCookie(w, sessions.NewCookie(session.Name(), "", session.Options))
		return nil
	}
	data := map[string]string{}
	for k, v := range session.Values {
		if key, ok := k.(string); ok {
			text, ok := v.(string)
			if !ok {
				return errors.New("a session carries texts only")
			}
			data[key] = text
		}
	}
	if session.ID != "" {
		return s.keeper.SaveSession(r.Context(), secret.New(session.ID), data)
	}
	addr, _ := r.Context().Value(visitor{}).(netip.Addr)
	id, err := s.keeper.BeginSession(r.Context(), data, addr, clip(r.UserAgent(), 300))
	if err != nil {
		return err
	}
	session.ID, session.IsNew = id.Reveal(), false
	http.SetCookie(w, sessions.NewCookie(session.Name(), session.ID, session.Options))
	return nil
}

// wellFormed says whether a text can be a session id at all. Nothing else reaches the database (PAN-OS CVE-2024-3400 is why).
func wellFormed(id string) bool {
	if len(id) != 43 {
		return false
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(id)
	return err == nil && len(raw) == 32
}

func (s *Server) loadSession(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := c.Request()
		c.SetRequest(r.WithContext(context.WithValue(r.Context(), visitor{}, s.address(r))))
		session, err := s.store.Get(c.Request(), s.store.cookie)
		if err != nil {
			return err // the database is away: nobody is let in, and nobody is told that they are signed out
		}
		c.Set(sessionKey, session)
		return next(c)
	}
}

// Session is the browser's session. It is nil at a door without sessions.
func Session(c echo.Context) *sessions.Session {
	s, _ := c.Get(sessionKey).(*sessions.Session)
	return s
}

func sessionActor(c echo.Context) models.Actor {
	if s := Session(c); s != nil {
		a, _ := s.Values[who{}].(models.Actor)
		return a
	}
	return models.Actor{}
}

// SessionID is the id behind the cookie, empty while the browser has none. It is a secret.
func SessionID(c echo.Context) secret.Text {
	if s := Session(c); s != nil {
		return secret.New(s.ID)
	}
	return secret.Text{}
}

// SaveSession writes what the session carries, and begins one if there is none. It must be called before the answer begins.
func SaveSession(c echo.Context) error {
	s := Session(c)
	return s.Save(c.Request(), c.Response())
}

// AdoptSession makes id the browser's session from here on: after a sign-in, whose deed ended the old session and began this one. The
// answer to this request is the last to know the old one.
func AdoptSession(c echo.Context, id secret.Text) {
	s := Session(c)
	s.ID, s.IsNew = id.Reveal(), false
	clear(s.Values)
	http.SetCookie(c.Response(), sessions.NewCookie(s.Name(), s.ID, s.Options))
}

// EndSession signs the browser out: the row goes, the cookie goes, and what the browser holds of our pages goes.
func EndSession(c echo.Context) error {
	s := Session(c)
	s.Options.MaxAge = -1
	if err := s.Save(c.Request(), c.Response()); err != nil {
		return err
	}
	c.Response().Header().Set("Clear-Site-Data", `"cache", "storage"`)
	return nil
}

const flashKind, flashText = "flash.kind", "flash.text"

// Flash keeps one sentence for the next page this browser opens. kind is "good", "warn", "bad" or "info".
func Flash(c echo.Context, kind, text string) error {
	s := Session(c)
	s.Values[flashKind], s.Values[flashText] = kind, text
	return SaveSession(c)
}

// TakeFlash gives the sentence kept for this page, once.
func TakeFlash(c echo.Context) (layout.Flash, error) {
	s := Session(c)
	if s == nil {
		return layout.Flash{}, nil
	}
	kind, _ := s.Values[flashKind].(string)
	text, ok := s.Values[flashText].(string)
	if !ok {
		return layout.Flash{}, nil
	}
	maps.DeleteFunc(s.Values, func(k, _ any) bool { return k == flashKind || k == flashText })
	return layout.Flash{Kind: kind, Text: text}, SaveSession(c)
}
