package portal

import (
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/views/ui"
	"github.com/postern-mail/postern/web"
)

// formErrors gives what is wrong with a form, when err says that the form is what is wrong: a fault of kind Invalid, or a Conflict that names a
// field. names maps the fields of the deed to those of the form. Every other error is for the error page.
func formErrors(err error, names map[string]string) ([]ui.ErrorView, bool) {
	f, ok := fault.As(err)
	if !ok || f.Kind != fault.Invalid && (f.Kind != fault.Conflict || f.Field == "") {
		return nil, false
	}
	field := f.Field
	if name, ok := names[field]; ok {
		field = name
	}
	return []ui.ErrorView{{Field: field, Text: f.Public}}, true
}

// field reads one text of a form or of the address, without what a slip of the hand adds around it.
func field(c echo.Context, name string) string { return clean(c.FormValue(name)) }

// clean trims a text and takes out what no person types and PostgreSQL does not store: NUL, and bytes that are no UTF-8.
func clean(text string) string {
	return strings.TrimSpace(strings.ReplaceAll(strings.ToValidUTF8(text, ""), "\x00", ""))
}

// several reads the check boxes of one name.
func several(c echo.Context, name string) ([]string, error) {
	form, err := c.FormParams()
	if err != nil {
		return nil, err
	}
	return form[name], nil
}

// choice is one option with its label.
type choice struct{ value, label string }

// options makes a list with one of them chosen.
func options(list []choice, chosen string) []ui.OptionView {
	out := make([]ui.OptionView, len(list))
	for i, o := range list {
		out[i] = ui.OptionView{Value: o.value, Label: o.label, Selected: o.value == chosen}
	}
	return out
}

// life reads a duration from a select; only what was offered is taken.
func life(text string, offered []choice) (time.Duration, bool) {
	for _, o := range offered {
		if o.value == text {
			if text == "" {
				return 0, true
			}
			d, err := time.ParseDuration(text)
			return d, err == nil
		}
	}
	return 0, false
}

// done sends the browser on after a change, with a sentence for the next page.
func done(c echo.Context, path, kind, text string) error {
	if err := web.Flash(c, kind, text); err != nil {
		return err
	}
	return web.SeeOther(c, path)
}

// unprocessable is the status of a form that comes back with its faults (RFC 9110 section 15.5.21).
const unprocessable = http.StatusUnprocessableEntity

func lines(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' || r == ',' })
}
