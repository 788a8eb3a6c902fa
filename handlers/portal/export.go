package portal

import (
	"bytes"
	"encoding/csv"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"
)

// mostExported bounds a file made from a list; a file that stops there says so in its name.
const mostExported = 10_000

// inert keeps a spreadsheet from computing a cell: what begins like a formula is led in by an apostrophe (OWASP, CSV injection).
func inert(cell string) string {
	if cell != "" && strings.ContainsRune("=+-@\t\r\n\x00", rune(cell[0])) {
		return "'" + cell
	}
	return cell
}

// sendCSV answers with a file. It is written whole before it is sent: half a list must not look like a list.
func sendCSV(c echo.Context, name string, truncated bool, header []string, rows [][]string) error {
	var file bytes.Buffer
	w := csv.NewWriter(&file)
	if err := w.Write(header); err != nil {
		return err
	}
	for _, row := range rows {
		safe := make([]string, len(row))
		for i, cell := range row {
			safe[i] = inert(cell)
		}
		if err := w.Write(safe); err != nil {
			return err
		}
	}
	w.Flush()
	if err := w.Error(); err != nil {
		return err
	}
	download(c, name, truncated, "csv")
	return c.Blob(http.StatusOK, "text/csv; charset=utf-8", file.Bytes())
}

// sendJSON answers with a file of objects whose names are the header's.
func sendJSON(c echo.Context, name string, truncated bool, header []string, rows [][]string) error {
	objects := make([]map[string]string, len(rows))
	for i, row := range rows {
		objects[i] = map[string]string{}
		for k, cell := range row {
			objects[i][header[k]] = cell
		}
	}
	download(c, name, truncated, "json")
	return c.JSON(http.StatusOK, map[string]any{"truncated": truncated, "rows": objects})
}

// download names the file (RFC 6266) and keeps a browser from ever showing it as a page.
func download(c echo.Context, name string, truncated bool, kind string) {
	if truncated {
		name += "-first-part"
	}
	h := c.Response().Header()
	h.Set("Content-Disposition", `attachment; filename="`+name+"."+kind+`"`)
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox")
}

// sender is sendCSV or sendJSON.
type sender func(c echo.Context, name string, truncated bool, header []string, rows [][]string) error
