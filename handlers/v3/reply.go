package v3

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/postern-mail/postern/web"
)

// smallest is the size below which compressing costs more than it saves.
const smallest = 200

// one answers {request_id, data} with 200.
func one(c echo.Context, data any) error { return oneWith(c, http.StatusOK, data) }

func oneWith(c echo.Context, status int, data any) error {
	return reply(c, status, map[string]any{"request_id": web.RequestID(c), "data": data})
}

// done answers {request_id} with 200: never 204, for clients parse before they look at the status.
func done(c echo.Context) error {
	return reply(c, http.StatusOK, map[string]any{"request_id": web.RequestID(c)})
}

// reply writes JSON, compressed where the caller takes that.
func reply(c echo.Context, status int, body any) error {
	var buf bytes.Buffer
	encode := json.NewEncoder(&buf)
	encode.SetEscapeHTML(false) // this is no page, and bodies of mail are full of angle brackets
	if err := encode.Encode(body); err != nil {
		return fmt.Errorf("encode a reply: %w", err)
	}
	h := c.Response().Header()
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Add("Vary", "Accept-Encoding")
	text := buf.Bytes()
	if len(text) >= smallest && takesGzip(c.Request().Header.Get("Accept-Encoding")) {
		var small bytes.Buffer
		z := gzip.NewWriter(&small)
		_, _ = z.Write(text) // into memory
		_ = z.Close()
		h.Set("Content-Encoding", "gzip")
		text = small.Bytes()
	}
	h.Set("Content-Length", fmt.Sprint(len(text)))
	c.Response().WriteHeader(status)
	if c.Request().Method == http.MethodHead {
		return nil
	}
	_, err := c.Response().Write(text)
	return err
}

func takesGzip(accept string) bool {
	for part := range strings.SplitSeq(accept, ",") {
		coding, weight, _ := strings.Cut(strings.TrimSpace(part), ";")
		if strings.EqualFold(strings.TrimSpace(coding), "gzip") {
			w := strings.ReplaceAll(strings.TrimSpace(weight), " ", "")
			return w != "q=0" && w != "q=0.0" && w != "q=0.00" && w != "q=0.000"
		}
	}
	return false
}

// trim keeps the fields that select names ("a,b.c") of an object; without names it keeps all. Unknown names select nothing.
func trim(names []string, object map[string]any) map[string]any {
	if len(names) == 0 {
		return object
	}
	kept := map[string]any{}
	deeper := map[string][]string{}
	for _, name := range names {
		top, rest, nested := strings.Cut(name, ".")
		value, there := object[top]
		switch {
		case !there:
		case nested:
			deeper[top] = append(deeper[top], rest)
		default:
			kept[top] = value
		}
	}
	for top, rest := range deeper {
		if _, whole := kept[top]; whole {
			continue
		}
		switch value := object[top].(type) {
		case map[string]any:
			kept[top] = trim(rest, value)
		case []map[string]any:
			list := make([]map[string]any, len(value))
			for i, v := range value {
				list[i] = trim(rest, v)
			}
			kept[top] = list
		}
	}
	return kept
}
