package provider

import (
	"context"
	"net/mail"
	"strings"

	"github.com/postern-mail/postern/engine/fault"
)

// Detection is which provider an address most likely belongs to.
type Detection struct {
	Provider string            // google, microsoft, yahoo, icloud, imap, or a connector that owns the domain
	Flavour  string            // which IMAP service: icloud, fastmail, gmx, ...; empty otherwise
	Label    string            // the service's name for people: "Gmail", "Fastmail"
	Settings map[string]string // known servers of an IMAP service; nil when unknown
	AppPass  bool              // the service takes an app password, not the account's own
	Known    bool              // false: nothing is known of the domain, Provider is imap as the last resort
}

// ErrAddress is what is not a mail address.
var ErrAddress = fault.New(fault.Invalid, "address_invalid", "This is not a mail address. It should look like name@example.com.").At("email")

// Detect looks at the domain: the connectors' own domains, the well-known ones, then the domain's mail exchangers where the set
// has a lookup. It never contacts the mail server. It answers ErrAddress for what is no address.
func (s *Set) Detect(ctx context.Context, address string) (Detection, error) {
	domain, err := domainOf(address)
	if err != nil {
		return Detection{}, err
	}
	if name, ok := s.owned[domain]; ok {
		return Detection{Provider: name, Label: s.byName[name].Label(), Known: true}, nil
	}
	if svc, ok := serviceOfDomain(domain); ok {
		return svc.detection(), nil
	}
	if s.mx != nil {
		if all, err := s.mx.LookupMX(ctx, domain); err == nil {
			for _, mx := range all {
				if svc, ok := serviceOfMX(strings.ToLower(strings.TrimSuffix(mx.Host, "."))); ok {
					return svc.detection(), nil
				}
			}
		}
	}
	return Detection{Provider: "imap", Label: "IMAP"}, nil
}

// DetectDomain is Detect by the well-known domains alone.
func DetectDomain(address string) (Detection, bool) {
	domain, err := domainOf(address)
	if err != nil {
		return Detection{}, false
	}
	svc, ok := serviceOfDomain(domain)
	return svc.detection(), ok
}

func domainOf(address string) (string, error) {
	address = strings.TrimSpace(address)
	parsed, err := mail.ParseAddress(address)
	if err != nil || parsed.Address != address || len(address) > 320 {
		return "", ErrAddress
	}
	domain := strings.ToLower(address[strings.LastIndexByte(address, '@')+1:])
	if domain == "" || strings.HasPrefix(domain, "[") || strings.HasPrefix(domain, ".") || strings.Contains(domain, "..") {
		return "", ErrAddress
	}
	return domain, nil
}

func (s service) detection() Detection {
	d := Detection{Provider: s.provider, Label: s.label, AppPass: s.appPassword, Known: s.provider != ""}
	if s.provider == "imap" || s.provider == "icloud" {
		d.Flavour = s.flavour
	}
	if s.imap != "" {
		d.Settings = map[string]string{IMAPHost: s.imap, IMAPPort: "993", IMAPTLS: TLS, SMTPHost: s.smtp, SMTPPort: "465", SMTPTLS: TLS}
		if s.submission {
			d.Settings[SMTPPort], d.Settings[SMTPTLS] = "587", StartTLS
		}
	}
	return d
}

// ServersOf is the known servers of a flavour, nil when there are none. Also google, microsoft and yahoo have them, for app passwords.
func ServersOf(flavour string) map[string]string {
	for _, s := range services {
		if s.flavour == flavour {
			return s.detection().Settings
		}
	}
	return nil
}

func serviceOfDomain(domain string) (service, bool) {
	for _, s := range services {
		for _, d := range s.domains {
			if d == domain || strings.HasSuffix(d, ".*") && national(domain, strings.TrimSuffix(d, "*")) {
				return s, true
			}
		}
	}
	return service{}, false
}

// national: yahoo.* covers yahoo.fr and yahoo.co.uk, but neither yahoo.example.com nor yahoo.
func national(domain, stem string) bool {
	rest, ok := strings.CutPrefix(domain, stem)
	if !ok {
		return false
	}
	labels := strings.Split(rest, ".")
	switch len(labels) {
	case 1:
		return len(rest) == 2 || rest == "com"
	case 2:
		return len(labels[1]) == 2 && (labels[0] == "co" || labels[0] == "com" || labels[0] == "ne")
	}
	return false
}

func serviceOfMX(host string) (service, bool) {
	for _, s := range services {
		for _, suffix := range s.exchangers {
			if host == suffix || strings.HasSuffix(host, "."+suffix) {
				return s, true
			}
		}
	}
	return service{}, false
}
