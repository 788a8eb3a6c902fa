package icloud

import (
	"context"
	"errors"
	"net"
	"strings"
	"time"

	"github.com/postern-mail/postern/engine/dial"
	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/provider/imapmail"
	"github.com/postern-mail/postern/engine/secret"
)

// Apple's servers: TLS for IMAP, STARTTLS for SMTP (support.apple.com/102525, "iCloud Mail server settings").
const (
	imapAddr = "imap.mail.me.com:993"
	smtpAddr = "smtp.mail.me.com:587"
)

// loginName is the user name that Apple's IMAP server took, where that is not the whole address.
const loginName = "imap_username"

// Config is what the connector needs. Guard is required.
type Config struct {
	Guard    *dial.Guard
	Now      func() time.Time // nil = time.Now
	IMAPAddr string           // host:port, TLS; empty = Apple's
	SMTPAddr string           // host:port, STARTTLS; empty = Apple's
}

// Connector is the iCloud connector. It is safe for concurrent use.
type Connector struct {
	*imapmail.Mail                   // every capability of a mailbox
	settings       map[string]string // never changed
}

var (
	_ provider.Mailbox  = (*Connector)(nil)
	_ provider.Password = (*Connector)(nil)
)

// New makes the connector.
func New(c Config) *Connector {
	out := &Connector{settings: map[string]string{provider.IMAPTLS: provider.TLS, provider.SMTPTLS: provider.StartTLS}}
	out.Mail = imapmail.New(imapmail.Config{Guard: c.Guard, Now: c.Now, At: out.at})
	out.settings[provider.IMAPHost], out.settings[provider.IMAPPort] = server(c.IMAPAddr, imapAddr)
	out.settings[provider.SMTPHost], out.settings[provider.SMTPPort] = server(c.SMTPAddr, smtpAddr)
	return out
}

func server(given, apple string) (host, port string) {
	if given == "" {
		given = apple
	}
	host, port, err := net.SplitHostPort(given)
	if err != nil {
		return given, ""
	}
	return host, port
}

// Name implements provider.Connector.
func (c *Connector) Name() string { return "icloud" }

// Label implements provider.Connector.
func (c *Connector) Label() string { return "iCloud" }

var (
	errRefused = fault.New(fault.Invalid, "login_refused", "Apple refused this address and password. Mail programs need an app-specific password, made at account.apple.com under Sign-In and Security; the Apple Account password does not work here.").At("password")
	errNoSend  = fault.New(fault.Upstream, "mail_server_unreachable", "Apple's server for outgoing mail could not be reached. Try again in a few minutes.")
)

// Check implements provider.Password: it logs in to Apple's two servers. Settings of the login are ignored: the servers are fixed.
func (c *Connector) Check(ctx context.Context, l provider.Login) (provider.Identity, map[string]string, error) {
	none := provider.Identity{}
	if err := (email.Address{Email: l.Address}).Check(); err != nil {
		return none, nil, provider.ErrAddress
	}
	if l.Username == "" {
		l.Username = l.Address
	}
	switch {
	case l.Password.Empty():
		return none, nil, fault.New(fault.Invalid, "password_missing", "Enter the app-specific password of this mailbox.").At("password")
	case strings.ContainsAny(l.Username+l.Password.Reveal(), "\r\n\x00\x01"):
		return none, nil, fault.New(fault.Invalid, "login_invalid", "The user name or password holds a character that Apple does not take.").At("username")
	}
	found := map[string]string{}
	for k, v := range c.settings {
		found[k] = v
	}
	err := c.Try(ctx, c.at(account(l, found)))
	if name, apple := short(l.Username); errors.Is(err, provider.ErrCredentialRefused) && apple {
		// Apple's own page says: the name without the domain for IMAP, the whole address for SMTP. Which of them works for IMAP differs by account.
		found[loginName] = name
		err = c.Try(ctx, c.at(account(l, found)))
	}
	if err == nil {
		if err = c.TrySend(ctx, c.at(account(l, found))); errors.Is(err, provider.ErrUnreachable) {
			err = errNoSend.Because(err)
		}
	}
	if errors.Is(err, provider.ErrCredentialRefused) {
		return none, nil, errRefused.Because(err)
	}
	if err != nil {
		return none, nil, err
	}
	return provider.Identity{Subject: c.settings[provider.IMAPHost] + "/" + pin(l.Username), Email: l.Address}, found, nil
}

// appleDomain: the three all name the same mailbox: whoever has ada@mac.com has, or alone could have, ada@me.com and ada@icloud.com.
func appleDomain(domain string) bool {
	return domain == "icloud.com" || domain == "me.com" || domain == "mac.com"
}

// short is an Apple user name without its domain; false for an address at a domain of one's own.
func short(login string) (string, bool) {
	name, domain, ok := strings.Cut(login, "@")
	return name, ok && name != "" && appleDomain(strings.ToLower(domain))
}

// pin is the login in one spelling: Apple ignores letter case, takes a bare name for one at icloud.com, and keeps three domains alike.
func pin(login string) string {
	login = strings.ToLower(login)
	if !strings.Contains(login, "@") {
		return login + "@icloud.com"
	}
	if name, ok := short(login); ok {
		return name + "@icloud.com"
	}
	return login
}

func account(l provider.Login, settings map[string]string) provider.Account {
	return provider.Account{Address: l.Address, Login: l.Username, Settings: settings, Credential: func(context.Context) (provider.Credential, error) {
		return provider.Credential{Password: secret.New(l.Password.Reveal())}, nil
	}}
}

// at points an account to Apple's servers, whatever was saved with it: a password for Apple is sent nowhere else.
func (c *Connector) at(a provider.Account) provider.Account {
	settings := map[string]string{provider.SMTPUser: a.Login}
	if name := a.Settings[loginName]; name != "" {
		a.Login = name
	}
	if settings[provider.SMTPUser] == "" {
		settings[provider.SMTPUser] = a.Address
	}
	for k, v := range c.settings {
		settings[k] = v
	}
	a.Settings = settings
	return a
}
