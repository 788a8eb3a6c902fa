package imap

import (
	"context"
	"crypto/x509"
	"errors"
	"strings"
	"time"

	"github.com/postern-mail/postern/engine/dial"
	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/provider/imapmail"
	"github.com/postern-mail/postern/engine/secret"
)

// Config is what the connector needs. Guard is required.
type Config struct {
	Guard        *dial.Guard
	Now          func() time.Time // nil = time.Now
	Roots        *x509.CertPool   // issuers trusted in place of the guard's
	IdleAfter    time.Duration    // see imapmail.Config
	CheckTimeout time.Duration    // a whole live check: 45 seconds
	TryTimeout   time.Duration    // one server within it: 12 seconds
	// CommandTimeout bounds one call to a mailbox: 60 seconds.
	CommandTimeout time.Duration
}

// Connector is the IMAP connector. It is safe for concurrent use.
type Connector struct {
	*imapmail.Mail // every capability of a mailbox
	guard          *dial.Guard
	check          time.Duration
}

var (
	_ provider.Mailbox  = (*Connector)(nil)
	_ provider.Password = (*Connector)(nil)
)

// New makes the connector.
func New(c Config) *Connector {
	if c.CheckTimeout == 0 {
		c.CheckTimeout = 45 * time.Second
	}
	if c.TryTimeout == 0 {
		c.TryTimeout = 12 * time.Second
	}
	return &Connector{guard: c.Guard, check: c.CheckTimeout, Mail: imapmail.New(imapmail.Config{Guard: c.Guard, Now: c.Now, Roots: c.Roots,
		IdleAfter: c.IdleAfter, ConnectTimeout: c.TryTimeout, CommandTimeout: c.CommandTimeout})}
}

// Name implements provider.Connector.
func (c *Connector) Name() string { return "imap" }

// Label implements provider.Connector.
func (c *Connector) Label() string { return "IMAP" }

var (
	errServerUnknown = fault.New(fault.Invalid, "mail_server_unknown", "We could not find the mail server for this address. Enter its name; the mail provider's help pages call it the IMAP server.").At(provider.IMAPHost)
	errNoSMTP        = fault.New(fault.Invalid, "smtp_unreachable", "The server for outgoing mail could not be used. Check its name and port, or leave it empty to only read mail.").At(provider.SMTPHost)
)

// Check implements provider.Password: it finds the servers, logs in to them, and answers the settings that worked. A server for
// outgoing mail that was not named and is not found is left out: the mailbox can then be read only.
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
		return none, nil, fault.New(fault.Invalid, "password_missing", "Enter the password or app password of this mailbox.").At("password")
	case strings.ContainsAny(l.Username+l.Password.Reveal(), "\r\n\x00\x01"):
		return none, nil, fault.New(fault.Invalid, "login_invalid", "The user name or password holds a character that no mail server takes.").At("username")
	}
	if err := readable(l.Settings); err != nil {
		return none, nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, c.check)
	defer cancel()

	candidates, err := c.imapCandidates(ctx, l)
	if err != nil {
		return none, nil, err
	}
	found, err := c.tryAll(ctx, l, candidates, c.Try)
	if err != nil {
		return none, nil, checkFault(err, l)
	}
	outgoing, err := c.tryAll(ctx, l, c.smtpCandidates(ctx, l, found), c.TrySend)
	switch {
	case err == nil:
		for k, v := range outgoing {
			found[k] = v
		}
	case l.Settings[provider.SMTPHost] != "":
		if errors.Is(err, provider.ErrCertificate) {
			return none, nil, provider.ErrCertificate.At(provider.SMTPHost).Because(err)
		}
		return none, nil, errNoSMTP.Because(err)
	}
	return provider.Identity{Subject: found[provider.IMAPHost] + "/" + normalised(l.Username), Email: l.Address}, found, nil
}

// normalised: mail servers compare the domain of a login without regard to case; the local part is theirs.
func normalised(login string) string {
	if i := strings.LastIndexByte(login, '@'); i >= 0 {
		return login[:i] + strings.ToLower(login[i:])
	}
	return login
}

// tryAll tries each candidate until one logs in. A refused password ends it: the right server has spoken.
func (c *Connector) tryAll(ctx context.Context, l provider.Login, all []map[string]string, try func(context.Context, provider.Account) error) (map[string]string, error) {
	var worst error
	for _, settings := range all {
		settings = imapmail.Servers(settings)
		err := try(ctx, account(l, settings))
		if err == nil {
			return settings, nil
		}
		if errors.Is(err, provider.ErrCredentialRefused) {
			return nil, err
		}
		// A bad certificate or a missing STARTTLS says more than silence does.
		if worst == nil || errors.Is(worst, provider.ErrUnreachable) {
			worst = err
		}
		if ctx.Err() != nil {
			break
		}
	}
	if worst == nil {
		worst = provider.ErrUnreachable
	}
	return nil, worst
}

func account(l provider.Login, settings map[string]string) provider.Account {
	return provider.Account{Address: l.Address, Login: l.Username, Settings: settings, Credential: func(context.Context) (provider.Credential, error) {
		return provider.Credential{Password: secret.New(l.Password.Reveal())}, nil
	}}
}

func checkFault(err error, l provider.Login) error {
	switch {
	case errors.Is(err, provider.ErrCredentialRefused):
		return provider.ErrLoginRefused.Because(err)
	case l.Settings[provider.IMAPHost] == "" && errors.Is(err, provider.ErrUnreachable):
		return errServerUnknown.Because(err)
	}
	f, ok := fault.As(err)
	if !ok {
		return err
	}
	return f.At(provider.IMAPHost)
}
