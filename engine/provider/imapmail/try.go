package imapmail

import (
	"context"

	"github.com/postern-mail/postern/engine/provider"
)

// Try logs in to the account's IMAP server and hangs up. Nothing is kept.
func (m *Mail) Try(ctx context.Context, a provider.Account) error {
	ctx, cancel := context.WithTimeout(ctx, m.connectTimeout)
	defer cancel()
	credential, err := a.Credential(ctx)
	if err != nil {
		return err
	}
	s, err := m.login(ctx, imapServer(a.Settings), loginName(a), credential)
	if err != nil {
		if ctx.Err() != nil {
			return provider.ErrUnreachable.Because(ctx.Err())
		}
		return err
	}
	s.end()
	return nil
}

// TrySend logs in to the account's SMTP server and hangs up.
func (m *Mail) TrySend(ctx context.Context, a provider.Account) error {
	ctx, cancel := context.WithTimeout(ctx, m.connectTimeout)
	defer cancel()
	_, w, err := m.smtpLogin(ctx, smtpServer(a.Settings), a)
	if err != nil {
		if ctx.Err() != nil {
			return provider.ErrUnreachable.Because(ctx.Err())
		}
		return err
	}
	w.kill()
	return nil
}

// Servers fills in ports and protection where settings leave them open, and drops what is not about servers.
func Servers(settings map[string]string) map[string]string {
	out := map[string]string{}
	if settings[provider.IMAPHost] != "" {
		s := imapServer(settings)
		out[provider.IMAPHost], out[provider.IMAPPort], out[provider.IMAPTLS] = s.host, s.port, s.protection
	}
	if settings[provider.SMTPHost] != "" {
		s := smtpServer(settings)
		out[provider.SMTPHost], out[provider.SMTPPort], out[provider.SMTPTLS] = s.host, s.port, s.protection
		if u := settings[provider.SMTPUser]; u != "" {
			out[provider.SMTPUser] = u
		}
	}
	return out
}
