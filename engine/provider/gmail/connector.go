package gmail

import (
	"cmp"
	"context"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	api "google.golang.org/api/gmail/v1"
	"google.golang.org/api/option"

	"github.com/postern-mail/postern/engine/dial"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/provider/oauth"
)

// Google's public addresses, from its pages "Using OAuth 2.0 for Web Server Applications", "OpenID Connect" and the Gmail API reference.
const (
	authURL     = "https://accounts.google.com/o/oauth2/v2/auth"
	tokenURL    = "https://oauth2.googleapis.com/token"
	revokeURL   = "https://oauth2.googleapis.com/revoke"
	userinfoURL = "https://openidconnect.googleapis.com/v1/userinfo"
	apiURL      = "https://gmail.googleapis.com/"
)

const (
	signInTimeout = 15 * time.Second
	callTimeout   = 90 * time.Second // of one exchange with the API, a message of 25 MB included
)

// Config is what the connector needs. An empty address is Google's public one.
type Config struct {
	Guard       *dial.Guard
	Now         func() time.Time // nil = time.Now
	AuthURL     string
	TokenURL    string
	RevokeURL   string
	UserinfoURL string
	APIURL      string
}

// Connector reaches mailboxes at Google. It is safe for concurrent use.
type Connector struct {
	oauth  oauth.Client
	revoke string
	signIn *http.Client
	api    *api.Service
	wire   *bearer
	slow   *http.Client // for what the caller reads, as slowly as they like
	now    func() time.Time
	pause1 time.Duration // before the first repetition

	mu       sync.Mutex
	sessions map[string]*session
	sweepAt  int
}

var (
	_ provider.OAuth          = (*Connector)(nil)
	_ provider.Revoker        = (*Connector)(nil)
	_ provider.MessageLister  = (*Connector)(nil)
	_ provider.MessageReader  = (*Connector)(nil)
	_ provider.MessageUpdater = (*Connector)(nil)
	_ provider.MessageDeleter = (*Connector)(nil)
	_ provider.FolderLister   = (*Connector)(nil)
	_ provider.Sender         = (*Connector)(nil)
	_ provider.ThreadReader   = (*Connector)(nil)
	_ provider.ThreadWriter   = (*Connector)(nil)
	_ provider.DraftReader    = (*Connector)(nil)
	_ provider.DraftWriter    = (*Connector)(nil)
	_ provider.DraftSender    = (*Connector)(nil)
	_ provider.FolderWriter   = (*Connector)(nil)
	_ provider.Watcher        = (*Connector)(nil)
)

// New makes the connector.
func New(c Config) *Connector {
	out := &Connector{now: c.Now, revoke: cmp.Or(c.RevokeURL, revokeURL), signIn: c.Guard.HTTPClient(dial.Provider, signInTimeout), sessions: map[string]*session{}, sweepAt: fewSessions, pause1: firstPause}
	if out.now == nil {
		out.now = time.Now
	}
	out.oauth = oauth.Client{HTTP: out.signIn, Now: out.now, Auth: cmp.Or(c.AuthURL, authURL), Token: cmp.Or(c.TokenURL, tokenURL), Userinfo: cmp.Or(c.UserinfoURL, userinfoURL)}
	client := c.Guard.HTTPClient(dial.Provider, callTimeout)
	out.wire = &bearer{client.Transport, answerMost}
	client.Transport = out.wire
	slow := c.Guard.HTTPClient(dial.Provider, 0)
	slow.Transport = out.wire
	out.slow = slow
	endpoint := strings.TrimSuffix(cmp.Or(c.APIURL, apiURL), "/") + "/"
	// Google's client logs requests and answers, mail included, when the environment asks it to: here nothing listens. With a
	// client given and an address set it reads no credentials of the machine, and NewService has nothing left that can fail.
	service, err := api.NewService(context.Background(), option.WithHTTPClient(client), option.WithEndpoint(endpoint), option.WithLogger(slog.New(slog.NewTextHandler(io.Discard, nil))))
	if err != nil {
		service, _ = api.New(client) //nolint:staticcheck // the same client without options
		service.BasePath = endpoint
	}
	out.api = service
	return out
}

// Name implements provider.Connector.
func (c *Connector) Name() string { return "google" }

// Label implements provider.Connector.
func (c *Connector) Label() string { return "Google" }
