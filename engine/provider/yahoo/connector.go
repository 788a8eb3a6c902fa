package yahoo

import (
	"net"
	"net/url"
	"time"

	"github.com/postern-mail/postern/engine/dial"
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
	oauth          oauth.Client
	*imapmail.Mail                   // every capability of a mailbox
	settings       map[string]string // never changed
}

var (
	_ provider.Mailbox = (*Connector)(nil)
	_ provider.OAuth   = (*Connector)(nil)
)

// New makes the connector.
func New(c Config) *Connector {
	out := &Connector{
		oauth: oauth.Client{HTTP: c.Guard.HTTPClient(dial.Provider, 15*time.Second), Now: c.Now, Auth: or(c.AuthURL, authURL), Token: or(c.TokenURL, tokenURL),
			Userinfo: or(c.UserinfoURL, beside(c.TokenURL)), Basic: true},
		settings: map[string]string{provider.IMAPTLS: provider.TLS, provider.SMTPTLS: provider.TLS},
	}
	out.Mail = imapmail.New(imapmail.Config{Guard: c.Guard, Now: c.Now, At: out.at})
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

// at points an account to Yahoo's servers, whatever was saved with it: a token of Yahoo's is sent nowhere else.
func (c *Connector) at(a provider.Account) provider.Account {
	a.Settings = c.settings
	return a
}
