package layout

import "time"

// Page is the frame of a portal page: everything around its content. web and the handlers fill it; an empty part is left out.
type Page struct {
	Title       string // the thing's own name; also the window's title
	Kind        string // what the thing is, small above the title: "Grant", "Tenant"; may be empty
	Lede        string // one sentence under the title; may be empty
	Breadcrumbs []Crumb
	Action      Action // the one primary act of the page

	Nav  []NavItem // at most seven
	Foot []NavItem // Settings, apart at the foot

	ActorName  string // who I am
	ActorRole  string // in which role, in words: "Support"
	AccountURL string
	SignOutURL string // POST

	Region     string // "EU", "US"
	RegionText string // "Data lives in Frankfurt, Germany"; shown as title of the badge

	SearchURL   string // GET, field q; empty = no search for this role
	SearchQuery string

	Flash  Flash
	Banner Banner
	Alarm  Alarm // what fails, above every page of those who can do something about it

	Theme    string // "" follows the system; "paper" or "ink"
	ThemeURL string // POST, fields theme ("", "paper", "ink") and return
	Path     string // path and query of this page, where a change of theme returns to

	Now time.Time // for relative times; its location is the viewer's zone
}

// NavItem is one entry of the navigation. Icon is a name of static/icons.mjs: home, tenant, grant, webhook, verification, audit, security, settings.
type NavItem struct {
	Label   string
	Icon    string
	URL     string
	Current bool
}

// Crumb is one step of the way to this page. The page itself is not among them.
type Crumb struct {
	Label string
	URL   string
}

// Action is a button at the right of the title: a link, or a form when Post is set.
type Action struct {
	Label string
	URL   string
	Icon  string
	Post  bool
}

// Flash is what the last act did. Kind is "good", "warn", "bad" or "info".
type Flash struct {
	Kind string
	Text string
}

// Banner is the bar across every page of a demo or of a guest.
type Banner struct {
	Kind string // "demo", "guest"
	Text string
}

// Alarm is one sentence about something that fails, and the way there.
type Alarm struct {
	Text string
	URL  string
	Act  string // "See the webhook"
}

// ConsentPage is the frame of a hosted page, seen by somebody who holds a link and nothing else.
type ConsentPage struct {
	Title   string
	Company string // who runs this Postern: the name over the page
	Region  string
	Theme   string
	Lang    string // "en" when empty
	Step    string // "Step 1 of 2"; may be empty
	Demo    bool
	Now     time.Time
	Wide    bool // two columns: what will be possible beside what will not
}

// PlainPage is the frame of a page for somebody who is not signed in.
type PlainPage struct {
	Title  string
	Region string
	Theme  string
	Flash  Flash
	Banner Banner
	Now    time.Time
}

func lang(l string) string {
	if l == "" {
		return "en"
	}
	return l
}

func theme(t string) string {
	if t == "paper" || t == "ink" {
		return t
	}
	return ""
}
