package icloud

import "github.com/postern-mail/postern/engine/provider"

// Pin is open for its test.
func Pin(login string) string { return pin(login) }

// Servers is where a connector goes.
func Servers(c *Connector) string {
	s := c.settings
	return s[provider.IMAPHost] + ":" + s[provider.IMAPPort] + " " + s[provider.IMAPTLS] + " " + s[provider.SMTPHost] + ":" + s[provider.SMTPPort] + " " + s[provider.SMTPTLS]
}
