package web

import (
	"bytes"
	"fmt"
	"net/http"

	"github.com/a-h/templ"
	"github.com/labstack/echo/v4"
)

// Render writes a component. It is rendered whole before the first byte is sent: half a page is never seen.
func Render(c echo.Context, status int, component templ.Component) error {
	var page bytes.Buffer
	if err := component.Render(c.Request().Context(), &page); err != nil {
		return fmt.Errorf("render a page: %w", err)
	}
	return c.HTMLBlob(status, page.Bytes())
}

// SeeOther sends the browser on after a POST (RFC 9110 section 15.4.4). path is one of ours: it begins with one slash.
func SeeOther(c echo.Context, path string) error {
	return c.Redirect(http.StatusSeeOther, LocalPath(path))
}

// Leave sends the browser to another installation of ours. to is a base URL that the operator set, with a path: never anything that came with a request's query, header or body.
func Leave(c echo.Context, to string) error { return c.Redirect(http.StatusSeeOther, to) }

// LocalPath gives path back when it stays on this host, and "/" when it does not: a scheme, a host, two slashes, a backslash or a
// control character would let somebody else choose where the browser goes.
func LocalPath(path string) string {
	if len(path) == 0 || len(path) > 2000 || path[0] != '/' || len(path) > 1 && (path[1] == '/' || path[1] == '\\') {
		return "/"
	}
	for i := range len(path) {
		if path[i] < 0x20 || path[i] == 0x7f || path[i] == '\\' {
			return "/"
		}
	}
	return path
}
