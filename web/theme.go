package web

import (
	"net/http"

	"github.com/labstack/echo/v4"
)

// themeCookie is read and written by the pages' own script too, so it is neither HttpOnly nor the session's. It holds before sign-in and on
// the hosted pages, and it is nobody's secret.
const themeCookie = "theme"

// Theme is what the viewer chose: "paper", "ink", or "" to follow the system.
func Theme(c echo.Context) string {
	if cookie, err := c.Cookie(themeCookie); err == nil && (cookie.Value == "paper" || cookie.Value == "ink") {
		return cookie.Value
	}
	return ""
}

// SetTheme keeps the choice for a year. Anything but "paper" and "ink" forgets it.
func (s *Server) SetTheme(c echo.Context, theme string) {
	cookie := &http.Cookie{Name: themeCookie, Value: theme, Path: "/", Secure: s.https(), SameSite: http.SameSiteLaxMode, MaxAge: 365 * 24 * 3600}
	if theme != "paper" && theme != "ink" {
		cookie.Value, cookie.MaxAge = "", -1
	}
	http.SetCookie(c.Response(), cookie)
}

// Cookie makes a cookie as all of ours are: __Host- under https, HttpOnly, SameSite=Lax, for the browser's session. A door with Cookies
// set uses it for its flows; a negative maxAge removes it.
func (s *Server) Cookie(name, value string, maxAge int) *http.Cookie {
	return &http.Cookie{Name: s.cookieName(name), Value: value, Path: "/", HttpOnly: true, Secure: s.https(), SameSite: http.SameSiteLaxMode, MaxAge: maxAge}
}

// CookieName is the name that Cookie gives, for reading it back.
func (s *Server) CookieName(name string) string { return s.cookieName(name) }
