package provider

import (
	"context"
	"strings"
	"time"

	"github.com/postern-mail/postern/engine/secret"
)

// Settings that connectors know. All values are plain text, never a secret.
const (
	IMAPHost = "imap_host"
	IMAPPort = "imap_port"
	IMAPTLS  = "imap_tls" // TLS, StartTLS; Plain only towards addresses the operator opened
	SMTPHost = "smtp_host"
	SMTPPort = "smtp_port"
	SMTPTLS  = "smtp_tls"
	SMTPUser = "smtp_username" // defaults to the login
	// ByDelegation is "true" where no person consented: the mailbox is opened by a service account that an administrator trusts.
	ByDelegation = "by_delegation"
	SentCopy     = "sent_copy" // ByServer where submission itself files a copy among the sent messages
)

// Values of settings: how a mail connection is protected, and who keeps the copy of what is sent.
const (
	TLS      = "tls"
	StartTLS = "starttls"
	Plain    = "none"
	ByServer = "server"
)

// Account is one mailbox as a connector reaches it. It is cheap to make for each call: what is kept between calls is kept
// under Key.
type Account struct {
	Key      string            // pool key: grant id, a colon, credential version (see MailboxOf). Never shared by two mailboxes
	Address  string            // a label; never used to decide anything
	Login    string            // user name at the mail server
	Settings map[string]string // see the names above
	// Credential answers the secret to log in with. It is called only when a new connection or request needs it, may take
	// a refresh's time, and its error is returned to the caller as it is.
	Credential func(ctx context.Context) (Credential, error)
	// App answers our registration at the provider, for a connector whose every call carries it. It reads the database; nil where there is none.
	App func(ctx context.Context) (App, error)
	// Push is where the provider may push; nil: nobody out there reaches us, or nobody watches.
	Push *Push
}

// MailboxOf is the part of a pool key that stays the same when the credential changes.
func MailboxOf(key string) string {
	mailbox, _, _ := strings.Cut(key, ":")
	return mailbox
}

// Credential is what opens a mailbox: a password, or an access token.
type Credential struct {
	Password    secret.Text
	AccessToken secret.Text
	ExpiresAt   time.Time // of the access token; zero = unknown
}

// App is our registration at a provider.
type App struct {
	ClientID     string
	ClientSecret secret.Text
	SecretBefore secret.Text // the one before it, while a change of secrets lasts: tried where the provider refuses ClientSecret; may be empty
	RedirectURI  string
	Delegated    bool              // a service account: ClientID is its address, ClientSecret its private key (PEM), and nobody consents
	Settings     map[string]string // tenant, topic_name, ... as the provider needs
}

// AuthRequest is one trip of a person to the provider's consent page. PKCE with S256 is not optional (RFC 7636).
type AuthRequest struct {
	State         string
	CodeChallenge string // S256, base64url without padding
	Scopes        []string
	LoginHint     string // an address; may be empty
	Prompt        string // as the provider understands it; may be empty
}

// Token is what a token endpoint answered. Refresh is empty when the provider sent none: then the old one stays good.
// Scopes is what was granted, as the provider said; nil when it said nothing, which means "as requested" (RFC 6749 section 5.1).
type Token struct {
	Access    secret.Text
	Refresh   secret.Text
	ExpiresAt time.Time
	Scopes    []string
}

// Identity is whose mailbox it is. Subject pins a grant and never changes for one account at one provider; Email is a label.
type Identity struct {
	Subject string
	Email   string
	Name    string
}

// Login is what a person typed to connect a mailbox by password.
type Login struct {
	Address  string
	Username string // empty: the address
	Password secret.Text
	Settings map[string]string // may be empty: then the connector looks for the servers
}
