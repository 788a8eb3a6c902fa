package v3

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/web"
)

// reached is where a request keeps the grant that its path named, for the ledger.
const reached = "v3.reached"

// mailboxPath begins the path of every route that reaches into a mailbox.
const mailboxPath = "/v3/grants/:grant/"

// operationOf names what a route does with a mailbox: the thing and the act, such as messages.list or attachments.download. Routes that reach no mailbox have none.
// It follows from method and path, so that a route that is added is in the ledger without anybody having to think of it.
func operationOf(method, path string) string {
	below, ok := strings.CutPrefix(path, mailboxPath)
	if !ok || method == http.MethodOptions {
		return ""
	}
	var words []string
	named := false // whether the path ends with the name of one thing
	for part := range strings.SplitSeq(below, "/") {
		if named = strings.HasPrefix(part, ":"); !named {
			words = append(words, part)
		}
	}
	last := words[len(words)-1]
	if !named && len(words) > 1 && slices.Contains([]string{"send", "download", "clean"}, last) {
		return words[len(words)-2] + "." + last
	}
	switch {
	case method == http.MethodGet && !named:
		return last + ".list"
	case method == http.MethodGet:
		return last + ".read"
	case method == http.MethodPost && named:
		return last + ".send" // POST to one draft sends it
	case method == http.MethodPost:
		return last + ".create"
	case method == http.MethodDelete:
		return last + ".delete"
	default:
		return last + ".update"
	}
}

// ledgered notes the call in the access ledger when it has been answered. A call that named no grant that the caller may know of has reached nothing.
func (d *Door) ledgered(operation string, next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		err := next(c)
		if g, ok := c.Get(reached).(models.Grant); ok {
			d.Ledger.Note(c.Request().Context(), web.Actor(c), g, operation, outcomeOf(c, err))
		}
		return err
	}
}

func outcomeOf(c echo.Context, err error) string {
	if known, ok := fault.As(err); ok && known.Code != "" {
		return known.Code
	}
	switch status := c.Response().Status; {
	case err != nil:
		return "error"
	case status >= http.StatusBadRequest:
		return "status_" + strconv.Itoa(status)
	default:
		return "ok"
	}
}
