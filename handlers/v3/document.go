package v3

import (
	_ "embed"
	"net/http"

	"github.com/labstack/echo/v4"
)

//go:embed openapi.yaml
var openapi []byte

// Document is the OpenAPI document of this door, as YAML. The tests hold it and the routes and every reply against each other.
func Document() []byte { return append([]byte(nil), openapi...) }

func (d *Door) document(c echo.Context) error {
	return c.Blob(http.StatusOK, "application/yaml; charset=utf-8", openapi)
}
