package yahoo

import (
	"context"
	"net"
	"net/url"
	"time"

	"github.com/postern-mail/postern/engine/dial"
	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/provider/imapmail"
	"github.com/postern-mail/postern/engine/provider/oauth"
)

// Yahoo's own addresses (developer.yahoo.com/oauth2/guide/flows_authcode and .../openid_connect; help.yahoo.com SLN4724 for the servers).
const (
	authURL     = "https://api.login.yahoo.com/oauth2/request_auth"
	tokenURL    = "https://api.login.yahoo.com/oauth2/get_token"
	userinfoURL = "https://api.login.yahoo.com/openid/v1/userinfo"
	imapAddr    = "imap.mail.yahoo.com:993"
	smtpAddr    = "smtp.mail.yahoo.com:465"
)

// Config is what the connector needs. Guard is required; an empty address is Yahoo's own.
type Config struct {
	Guard       *dial.Guard
	Now         func() time.Time // nil = time.Now
	AuthURL     string
	TokenURL    string
	UserinfoURL string // empty beside a TokenURL: the same server's
	IMAPAddr    string // host:port, TLS
	SMTPAddr    string // host:port, TLS
}

// Connector is the Yahoo connector. It is safe for concurrent use.
type Connector struct {
	oauth    oauth.Client
	mail     *imapmail.Mail
	settings map[string]string // never changed
}

var (
	_ provider.OAuth          = (*Connector)(nil)
	_ provider.MessageLister  = (*Connector)(nil)
	_ provider.MessageReader  = (*Connector)(nil)
	_ provider.MessageUpdater = (*Connector)(nil)
	_ provider.MessageDeleter = (*Connector)(nil)
	_ provider.FolderLister   = (*Connector)(nil)
	_ provider.Sender         = (*Connector)(nil)
)

// New makes the connector.
func New(c Config) *Connector {
	out := &Connector{
		oauth: oauth.Client{HTTP: c.Guard.HTTPClient(dial.Provider, 15*time.Second), Now: c.Now, Auth: or(c.AuthURL, authURL), Token: or(c.TokenURL, tokenURL),
			Userinfo: or(c.UserinfoURL, beside(c.TokenURL)), Basic: true},
		mail:     imapmail.New(imapmail.Config{Guard: c.Guard, Now: c.Now}),
		settings: map[string]string{provider.IMAPTLS: provider.TLS, provider.SMTPTLS: provider.TLS},
	}
	out.settings[provider.IMAPHost], out.settings[provider.IMAPPort] = server(or(c.IMAPAddr, imapAddr))
	out.settings[provider.SMTPHost], out.settings[provider.SMTPPort] = server(or(c.SMTPAddr, smtpAddr))
	return out
}

// beside is where userinfo is when only the token endpoint was named: at the same server. A token goes to nobody but its issuer.
func beside(tokens string) string {
	u, err := url.Parse(tokens)
	if err != nil || u.Host == "" {
		return userinfoURL
	}
	return u.Scheme + "://" + u.Host + "/openid/v1/userinfo"
}

func or(given, own string) string {
	if given != "" {
		return given
	}
	return own
}

func server(addr string) (host, port string) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return addr, ""
	}
	return host, port
}

// Name implements provider.Connector.
func (c *Connector) Name() string { return "yahoo" }

// Label implements provider.Connector.
func (c *Connector) Label() string { return "Yahoo" }

// Close implements provider.Connector.
func (c *Connector) Close(key string) { c.mail.Close(key) }

// Open counts the open connections of an account.
func (c *Connector) Open(key string) int { return c.mail.Open(key) }

// at points an account to Yahoo's servers, whatever was saved with it: a token of Yahoo's is sent nowhere else.
func (c *Connector) at(a provider.Account) provider.Account {
	a.Settings = c.settings
	return a
}

// ListMessages implements provider.MessageLister.
func (c *Connector) ListMessages(ctx context.Context, a provider.Account, q email.Query) (email.Page[email.Message], error) {
	return c.mail.ListMessages(ctx, c.at(a), q)
}

// Message implements provider.MessageReader.
func (c *Connector) Message(ctx context.Context, a provider.Account, id string, f email.Fields) (email.Message, error) {
	return c.mail.Message(ctx, c.at(a), id, f)
}

// UpdateMessage implements provider.MessageUpdater.
func (c *Connector) UpdateMessage(ctx context.Context, a provider.Account, id string, change email.Change) (email.Message, error) {
	return c.mail.UpdateMessage(ctx, c.at(a), id, change)
}

// DeleteMessage implements provider.MessageDeleter.
func (c *Connector) DeleteMessage(ctx context.Context, a provider.Account, id string, forever bool) error {
	return c.mail.DeleteMessage(ctx, c.at(a), id, forever)
}

// ListFolders implements provider.FolderLister.
func (c *Connector) ListFolders(ctx context.Context, a provider.Account) ([]email.Folder, error) {
	return c.mail.ListFolders(ctx, c.at(a))
}

// Send implements provider.Sender.
func (c *Connector) Send(ctx context.Context, a provider.Account, d email.Draft) (email.Message, error) {
	return c.mail.Send(ctx, c.at(a), d)
}
