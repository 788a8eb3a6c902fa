package nylas

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/postern-mail/postern/engine/dial"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/provider"
)

// The public addresses (Nylas, "API reference", data residency). An application lives in one region; its key is refused in the other.
const (
	publicUS = "https://api.us.nylas.com"
	publicEU = "https://api.eu.nylas.com"

	tokenTimeout = 20 * time.Second
	callTimeout  = 120 * time.Second // Nylas answers 504 after about two minutes
)

// The settings of a connector.
const (
	Region   = "region"   // us or eu; empty = us
	Upstream = "provider" // the mailboxes to offer: google, microsoft, yahoo, icloud, imap, ews; empty = the person chooses at Nylas
)

// Config is what the connector needs.
type Config struct {
	Guard  *dial.Guard
	Now    func() time.Time // nil = time.Now
	APIURL string           // the operator's, for every region; empty = the public ones
}

// Connector reaches Nylas. It is safe for concurrent use.
type Connector struct {
	now       func() time.Time
	api       string
	tokenHTTP *http.Client
	http      *http.Client
	streams   *http.Client // bounded by the caller's context alone

	mu       sync.Mutex
	sessions map[string]*session
}

var (
	_ provider.OAuth            = (*Connector)(nil)
	_ provider.Revoker          = (*Connector)(nil)
	_ provider.Adopter          = (*Connector)(nil)
	_ provider.Onward           = (*Connector)(nil)
	_ provider.MessageLister    = (*Connector)(nil)
	_ provider.MessageReader    = (*Connector)(nil)
	_ provider.MessageUpdater   = (*Connector)(nil)
	_ provider.MessageDeleter   = (*Connector)(nil)
	_ provider.AttachmentReader = (*Connector)(nil)
	_ provider.FolderLister     = (*Connector)(nil)
	_ provider.Sender           = (*Connector)(nil)
	_ provider.ThreadReader     = (*Connector)(nil)
	_ provider.ThreadWriter     = (*Connector)(nil)
	_ provider.DraftReader      = (*Connector)(nil)
	_ provider.DraftWriter      = (*Connector)(nil)
	_ provider.DraftSender      = (*Connector)(nil)
	_ provider.FolderWriter     = (*Connector)(nil)
)

var (
	errRegion  = fault.New(fault.Invalid, "region_invalid", "The region of a Nylas application is us or eu. An administrator has to correct the connector.").At("settings.region")
	errAddress = fault.New(fault.Internal, "nylas_address", "")
)

// New makes the connector.
func New(c Config) *Connector {
	out := &Connector{now: c.Now, api: c.APIURL, tokenHTTP: c.Guard.HTTPClient(dial.Provider, tokenTimeout), http: c.Guard.HTTPClient(dial.Provider, callTimeout),
		streams: c.Guard.HTTPClient(dial.Provider, 0), sessions: map[string]*session{}}
	if out.now == nil {
		out.now = time.Now
	}
	return out
}

// Name implements provider.Connector.
func (c *Connector) Name() string { return "nylas" }

// Label implements provider.Connector.
func (c *Connector) Label() string { return "Nylas" }

// DefaultScopes implements provider.OAuth.
func (c *Connector) DefaultScopes() []string {
	return provider.ScopesFor("nylas", []provider.Capability{provider.ReadMail})
}

// Onward implements provider.Onward: Nylas' page sends the browser on to the mailbox's own provider.
func (c *Connector) Onward() []string {
	return []string{"https://accounts.google.com", "https://login.microsoftonline.com", "https://login.live.com", "https://api.login.yahoo.com", "https://login.yahoo.com"}
}

// base is where an application's API is, without /v3.
func (c *Connector) base(app provider.App) (string, error) {
	address := c.api
	if address == "" {
		switch strings.ToLower(app.Settings[Region]) {
		case "", "us":
			address = publicUS
		case "eu":
			address = publicEU
		default:
			return "", errRegion
		}
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return "", errAddress.Because(errors.New("the address of Nylas' API is not a URL"))
	}
	u.RawQuery, u.Fragment = "", ""
	u.Path = strings.TrimSuffix(strings.TrimRight(u.Path, "/"), "/v3")
	return u.String(), nil
}
