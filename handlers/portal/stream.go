package portal

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/postern-mail/postern/views/ui"
)

// A stream of server-sent events is short: the browser comes back by itself, and a server that stops does not wait for it.
const (
	streamFor   = 20 * time.Second
	streamEvery = 700 * time.Millisecond
)

// news is what a page about long work is told.
type news struct {
	State string         `json:"state"`
	Bars  map[string]bar `json:"bars"`
}

type bar struct {
	Done  int    `json:"done"`
	Total int    `json:"total"`
	Text  string `json:"text"`
}

func newsOf(state string, list []ui.ProgressView) news {
	n := news{State: state, Bars: map[string]bar{}}
	for _, g := range list {
		n.Bars[g.Name] = bar{g.Done, g.Total, ui.ProgressText(g.Done, g.Total)}
	}
	return n
}

// stream sends what look sees, as server-sent events (HTML standard, section 9.2), until the work is over or the stream's time is. look is asked with the rights of the request, each time.
func (p *Portal) stream(c echo.Context, look func() (n news, running bool, err error)) error {
	ctx, out := c.Request().Context(), c.Response()
	n, running, err := look()
	if err != nil {
		return err
	}
	out.Header().Set("Content-Type", "text/event-stream")
	out.Header().Set("Cache-Control", "no-store")
	out.WriteHeader(http.StatusOK)
	control := http.NewResponseController(out.Writer)
	tick := time.NewTicker(streamEvery)
	defer tick.Stop()
	end := time.NewTimer(streamFor)
	defer end.Stop()
	last := ""
	for {
		text, err := json.Marshal(n)
		if err != nil {
			return fmt.Errorf("write progress: %w", err)
		}
		if last != string(text) {
			last = string(text)
			if _, err := fmt.Fprintf(out, "retry: 1000\nevent: progress\ndata: %s\n\n", text); err != nil {
				return nil //nolint:nilerr // the reader went away
			}
			if err := control.Flush(); err != nil {
				return nil //nolint:nilerr // the reader went away
			}
		}
		if !running {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-end.C:
			return nil
		case <-tick.C:
		}
		if n, running, err = look(); err != nil {
			return nil //nolint:nilerr // the page comes back and learns why
		}
	}
}
