package imap

import (
	"context"
	"net"
	"sort"
	"strconv"
	"strings"

	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/provider"
)

// readable refuses settings that no person means.
func readable(s map[string]string) error {
	for _, k := range []string{provider.IMAPHost, provider.SMTPHost} {
		if h := s[k]; len(h) > 253 || strings.ContainsAny(h, " \t\r\n\x00/@?#") {
			return fault.New(fault.Invalid, "host_invalid", "This is not a server name. It should look like imap.example.com.").At(k)
		}
	}
	for _, k := range []string{provider.IMAPPort, provider.SMTPPort} {
		if p := s[k]; p != "" {
			if n, err := strconv.ParseUint(p, 10, 16); err != nil || n == 0 {
				return fault.New(fault.Invalid, "port_invalid", "A port is a number from 1 to 65535.").At(k)
			}
		}
	}
	for _, k := range []string{provider.IMAPTLS, provider.SMTPTLS} {
		switch s[k] {
		case "", provider.TLS, provider.StartTLS, provider.Plain:
		default:
			return fault.New(fault.Invalid, "tls_invalid", "Choose TLS or STARTTLS.").At(k)
		}
	}
	if strings.ContainsAny(s[provider.SMTPUser], "\r\n\x00") {
		return fault.New(fault.Invalid, "login_invalid", "The user name holds a character that no mail server takes.").At(provider.SMTPUser)
	}
	return nil
}

func domainOf(address string) string {
	return strings.ToLower(address[strings.LastIndexByte(address, '@')+1:])
}

// imapCandidates is where to look, the likeliest first: what the person named, a well-known service, the domain's SRV records, the
// usual names. Every one of them must prove its name by its certificate before it sees the password.
func (c *Connector) imapCandidates(ctx context.Context, l provider.Login) ([]map[string]string, error) {
	if h := l.Settings[provider.IMAPHost]; h != "" {
		return variants(h, l.Settings[provider.IMAPPort], l.Settings[provider.IMAPTLS], provider.IMAPHost, "143"), nil
	}
	if d, ok := provider.DetectDomain(l.Address); ok && d.Settings != nil {
		return []map[string]string{{provider.IMAPHost: d.Settings[provider.IMAPHost], provider.IMAPPort: d.Settings[provider.IMAPPort], provider.IMAPTLS: d.Settings[provider.IMAPTLS]}}, nil
	}
	domain := domainOf(l.Address)
	var out []map[string]string
	for _, s := range []struct{ service, tls string }{{"imaps", provider.TLS}, {"imap", provider.StartTLS}} {
		for _, r := range c.srv(ctx, s.service, domain) {
			if !under(r.Target, domain) {
				// DNS is not proof (RFC 6186 section 6): the password goes to a stranger's server only when the person says so.
				return nil, fault.New(fault.Invalid, "mail_server_unconfirmed", "The domain names %s as its mail server. If that is right, enter it as the server.", target(r)).At(provider.IMAPHost)
			}
			out = append(out, map[string]string{provider.IMAPHost: target(r), provider.IMAPPort: strconv.Itoa(int(r.Port)), provider.IMAPTLS: s.tls})
		}
	}
	for _, name := range []string{"imap." + domain, "mail." + domain, domain} {
		out = append(out, map[string]string{provider.IMAPHost: name, provider.IMAPPort: "993", provider.IMAPTLS: provider.TLS})
	}
	return append(out, map[string]string{provider.IMAPHost: "mail." + domain, provider.IMAPPort: "143", provider.IMAPTLS: provider.StartTLS}), nil
}

// smtpCandidates looks for the server of outgoing mail once the other one is known.
func (c *Connector) smtpCandidates(ctx context.Context, l provider.Login, found map[string]string) []map[string]string {
	user := l.Settings[provider.SMTPUser]
	with := func(list []map[string]string) []map[string]string {
		for _, s := range list {
			if user != "" {
				s[provider.SMTPUser] = user
			}
		}
		return list
	}
	if h := l.Settings[provider.SMTPHost]; h != "" {
		return with(variants(h, l.Settings[provider.SMTPPort], l.Settings[provider.SMTPTLS], provider.SMTPHost, "587"))
	}
	if d, ok := provider.DetectDomain(l.Address); ok && d.Settings != nil && d.Settings[provider.IMAPHost] == found[provider.IMAPHost] {
		return with([]map[string]string{{provider.SMTPHost: d.Settings[provider.SMTPHost], provider.SMTPPort: d.Settings[provider.SMTPPort], provider.SMTPTLS: d.Settings[provider.SMTPTLS]}})
	}
	domain := domainOf(l.Address)
	var out []map[string]string
	for _, s := range []struct{ service, tls string }{{"submissions", provider.TLS}, {"submission", provider.StartTLS}} {
		for _, r := range c.srv(ctx, s.service, domain) {
			if under(r.Target, domain) || target(r) == found[provider.IMAPHost] {
				out = append(out, map[string]string{provider.SMTPHost: target(r), provider.SMTPPort: strconv.Itoa(int(r.Port)), provider.SMTPTLS: s.tls})
			}
		}
	}
	host := found[provider.IMAPHost]
	if rest, ok := strings.CutPrefix(host, "imap."); ok {
		out = append(out, variants("smtp."+rest, "", "", provider.SMTPHost, "587")...)
	}
	return with(append(out, variants(host, "", "", provider.SMTPHost, "587")...))
}

// variants tries TLS first; STARTTLS only where neither port nor protection was chosen, or where it was.
func variants(host, port, protection, hostKey, upgradePort string) []map[string]string {
	portKey, tlsKey := provider.IMAPPort, provider.IMAPTLS
	if hostKey == provider.SMTPHost {
		portKey, tlsKey = provider.SMTPPort, provider.SMTPTLS
	}
	one := func(port, protection string) map[string]string {
		return map[string]string{hostKey: host, portKey: port, tlsKey: protection}
	}
	switch {
	case protection != "" || port == upgradePort:
		return []map[string]string{one(port, protection)}
	case port != "":
		return []map[string]string{one(port, provider.TLS), one(port, provider.StartTLS)}
	}
	return []map[string]string{one("", provider.TLS), one(upgradePort, provider.StartTLS)}
}

func (c *Connector) srv(ctx context.Context, service, domain string) []*net.SRV {
	all, err := c.guard.LookupSRV(ctx, service, "tcp", domain)
	if err != nil {
		return nil
	}
	var out []*net.SRV
	for _, r := range all {
		if t := target(r); t != "" && len(out) < 2 { // "." says that the service is not offered
			out = append(out, r)
		}
	}
	sort.SliceStable(out, func(i, j int) bool { return out[i].Priority < out[j].Priority })
	return out
}

func target(r *net.SRV) string { return strings.ToLower(strings.TrimSuffix(r.Target, ".")) }

func under(host, domain string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	return host == domain || strings.HasSuffix(host, "."+domain)
}
