package portal

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/postern-mail/postern/engine/verifications"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/web"
)

// exportPause is how long a reader may take for the next part of a file before the connection is given up.
const exportPause = time.Minute

// file is a list on its way out, row by row. end says whether the list stopped at its most rows.
type file struct {
	begin func() error
	row   func([]string) error
	end   func(truncated bool) error
	flush func() error
}

func (p *Portal) verificationExportCSV(c echo.Context) error {
	w := csv.NewWriter(c.Response())
	return p.verificationExport(c, "csv", "text/csv; charset=utf-8", file{
		begin: func() error { return w.Write(verifications.Header()) },
		row:   w.Write, // Record has made every text inert
		end: func(truncated bool) error {
			if truncated {
				return w.Write([]string{"The list goes on. Choose a shorter time."})
			}
			return nil
		},
		flush: func() error { w.Flush(); return w.Error() },
	})
}

func (p *Portal) verificationExportJSON(c echo.Context) error {
	out, header, first := c.Response(), verifications.Header(), true
	write := func(text string) error { _, err := out.Write([]byte(text)); return err }
	return p.verificationExport(c, "json", "application/json", file{
		begin: func() error { return write(`{"rows":[`) },
		row: func(row []string) error {
			object := make(map[string]string, len(row))
			for i, cell := range row {
				object[header[i]] = cell
			}
			text, err := json.Marshal(object)
			if err != nil {
				return err
			}
			if !first {
				text = append([]byte(",\n"), text...)
			}
			first = false
			_, err = out.Write(text)
			return err
		},
		end: func(truncated bool) error {
			if truncated {
				return write(`],"truncated":true}` + "\n")
			}
			return write(`],"truncated":false}` + "\n")
		},
		flush: func() error { return nil },
	})
}

// verificationExport streams the list: neither memory nor the database waits for a slow reader. An error after the first byte cuts the connection,
// so that half a list never looks like a list.
func (p *Portal) verificationExport(c echo.Context, kind, contentType string, f file) error {
	filter, err := p.verificationFilter(readVerificationList(c))
	if err != nil {
		return err
	}
	filter.Cursor = ""
	out := http.NewResponseController(c.Response())
	begun, rows := false, 0
	begin := func() error {
		begun = true
		download(c, "verifications", false, kind)
		c.Response().Header().Set("Content-Type", contentType)
		c.Response().WriteHeader(http.StatusOK)
		return f.begin()
	}
	truncated, err := p.Verifications.Export(c.Request().Context(), web.Actor(c), filter, func(v models.Verification) error {
		if !begun {
			if err := begin(); err != nil {
				return err
			}
		}
		if rows%1000 == 0 {
			if err := f.flush(); err != nil {
				return err
			}
			if err := out.SetWriteDeadline(p.Now().Add(exportPause)); err != nil && !errors.Is(err, http.ErrNotSupported) {
				return err
			}
		}
		rows++
		return f.row(verifications.Record(v))
	})
	if err != nil && !begun {
		return err
	}
	if err == nil && !begun {
		err = begin()
	}
	if err == nil {
		err = errors.Join(f.end(truncated), f.flush())
	}
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	return nil
}
