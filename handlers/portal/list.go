package portal

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/postern-mail/postern/views/ui"
)

const pageSize = 50

// list is the state of a list page as its address has it: search, filters, and where in the list one is.
type list struct {
	path    string
	query   url.Values // only what the list knows
	filters []string
}

// readList takes from the address what the list knows; everything else is dropped, so that no link carries it on.
func readList(c echo.Context, path string, filters ...string) list {
	l := list{path: path, query: url.Values{}, filters: append([]string{"q"}, filters...)}
	for _, name := range append(slices.Clone(l.filters), "cursor", "trail", "from") {
		if v := clean(c.QueryParam(name)); v != "" && len(v) <= 2000 {
			l.query.Set(name, v)
		}
	}
	return l
}

func (l list) get(name string) string { return l.query.Get(name) }

// filtered says whether anything narrows the list.
func (l list) filtered() bool {
	return slices.ContainsFunc(l.filters, func(name string) bool { return l.get(name) != "" })
}

// url makes an address of the list; changes are name, value pairs, an empty value removes the name.
func (l list) url(changes ...string) string { return address(l.path, l.query, changes...) }

// export is the address of a file of this list, filters kept.
func (l list) export(path string) string {
	return address(path, l.query, "cursor", "", "trail", "", "from", "")
}

func address(path string, query url.Values, changes ...string) string {
	q := url.Values{}
	for name, values := range query {
		q[name] = slices.Clone(values)
	}
	for i := 0; i+1 < len(changes); i += 2 {
		if changes[i+1] == "" {
			q.Del(changes[i])
		} else {
			q.Set(changes[i], changes[i+1])
		}
	}
	if len(q) == 0 {
		return path
	}
	return path + "?" + q.Encode()
}

// pages says where the list stands. Keysets lead forward only, so the address carries the trail of cursors that led here, the way back.
func (l list) pages(shown int, next, total string) ui.PagesView {
	from, err := strconv.Atoi(l.get("from"))
	if err != nil || from < 1 || l.get("cursor") == "" {
		from = 1
	}
	v := ui.PagesView{From: from, To: from + shown - 1, Total: total}
	if shown == 0 {
		v.From, v.To = 0, 0
	}
	trail := strings.Split(l.get("trail"), "~")
	if next != "" {
		on := "-" // the first page has no cursor
		if here := l.get("cursor"); here != "" {
			on = here
		}
		kept := append(slices.DeleteFunc(slices.Clone(trail), func(s string) bool { return s == "" }), on)
		kept = kept[max(0, len(kept)-15):]
		v.Next = l.url("cursor", next, "trail", strings.Join(kept, "~"), "from", strconv.Itoa(from+shown))
	}
	if l.get("cursor") != "" {
		back := trail[len(trail)-1]
		if back == "-" || back == "" {
			v.Prev = l.url("cursor", "", "trail", "", "from", "")
		} else {
			v.Prev = l.url("cursor", back, "trail", strings.Join(trail[:len(trail)-1], "~"), "from", strconv.Itoa(max(1, from-pageSize)))
		}
	}
	return v
}

// filter is one filter of a list: its name in the address, its label, and what may be chosen.
type filter struct {
	name, label string
	choices     []choice
}

// typed is a filter that a person types: of the kind of input, text or date.
func typed(name, label, kind string) filter {
	return filter{name, label, []choice{{value: typedKind + kind}}}
}

// typedKind marks the one choice of such a filter.
const typedKind = "input:"

// kind is that of the input; empty where the filter is chosen from a list.
func (f filter) kind() string {
	if len(f.choices) != 1 {
		return ""
	}
	kind, is := strings.CutPrefix(f.choices[0].value, typedKind)
	if !is {
		return ""
	}
	return kind
}

// view fills the search and filter form and its chips.
func (l list) view(searchLabel string, filters ...filter) ui.FiltersView {
	v := ui.FiltersView{Action: l.path, Search: l.get("q"), SearchLabel: searchLabel}
	clean := func(name string) string { return l.url(name, "", "cursor", "", "trail", "", "from", "") }
	if q := l.get("q"); q != "" {
		v.Chips = append(v.Chips, ui.ChipView{Label: "Search: " + q, RemoveURL: clean("q")})
	}
	known := []string{"q"}
	for _, f := range filters {
		known = append(known, f.name)
		switch {
		case f.kind() != "":
			v.Inputs = append(v.Inputs, ui.FilterInputView{Name: f.name, Label: f.label, Type: f.kind(), Value: l.get(f.name)})
		case f.choices != nil:
			v.Selects = append(v.Selects, ui.FilterView{Name: f.name, Label: f.label, Options: options(append([]choice{{"", "Any"}}, f.choices...), l.get(f.name))})
		case l.get(f.name) != "":
			v.Hidden = append(v.Hidden, ui.FactView{Label: f.name, Text: l.get(f.name)})
		}
		if value := l.get(f.name); value != "" {
			shown := value
			if i := slices.IndexFunc(f.choices, func(c choice) bool { return c.value == value }); i >= 0 {
				shown = f.choices[i].label
			}
			v.Chips = append(v.Chips, ui.ChipView{Label: f.label + ": " + shown, RemoveURL: clean(f.name)})
		}
	}
	if len(v.Chips) > 1 {
		v.ClearURL = l.path
	}
	return v
}
