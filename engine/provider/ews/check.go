package ews

import (
	"context"
	"errors"
	"net"
	"net/url"
	"strconv"
	"strings"

	"github.com/postern-mail/postern/engine/email"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/secret"
)

// Check implements provider.Password: it finds the server unless it is given, opens the inbox, and answers the settings that worked.
// A mailbox in Microsoft 365 is refused before its password goes anywhere.
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
		return none, nil, fault.New(fault.Invalid, "password_missing", "Enter the password of this mailbox.").At("password")
	case strings.ContainsAny(l.Username+l.Password.Reveal(), "\r\n\x00\x01"):
		return none, nil, fault.New(fault.Invalid, "login_invalid", "The user name or password holds a character that no Exchange server takes.").At("username")
	}
	ctx, cancel := context.WithTimeout(ctx, c.checkTimeout)
	defer cancel()
	found, err := given(l.Settings)
	if err == nil && found == nil {
		if d, known := provider.DetectDomain(l.Address); known && d.Provider == "microsoft" {
			return none, nil, errOnline
		}
		found, err = c.discover(ctx, l)
	}
	if err != nil {
		return none, nil, checkFault(err)
	}
	if online(found[HostSetting]) {
		return none, nil, errOnline
	}
	if err := c.open(ctx, l, found); err != nil {
		return none, nil, checkFault(err)
	}
	return provider.Identity{Subject: found[HostSetting] + "/" + strings.ToLower(l.Username), Email: l.Address}, found, nil
}

// given is the server that the person named; nil when none. A whole address as Outlook on the web shows it is understood too.
func given(settings map[string]string) (map[string]string, error) {
	host := strings.TrimSpace(settings[HostSetting])
	if host == "" {
		host = strings.TrimSpace(settings[hostAlias])
	}
	if host == "" {
		return nil, nil
	}
	port := settings[PortSetting]
	if rest, ok := strings.CutPrefix(strings.ToLower(host), "https://"); ok {
		host, _, _ = strings.Cut(rest, "/")
	}
	if h, p, err := net.SplitHostPort(host); err == nil {
		host, port = h, p
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if host == "" || len(host) > 253 || strings.ContainsAny(host, " \t\r\n\x00/@?#\\") {
		return nil, fault.New(fault.Invalid, "host_invalid", "This is not a server name. It should look like mail.example.com.").At(HostSetting)
	}
	if port == "" {
		port = "443"
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return nil, fault.New(fault.Invalid, "port_invalid", "A port is a number from 1 to 65535.").At(PortSetting)
	}
	return map[string]string{HostSetting: host, PortSetting: port}, nil
}

// open signs in to the inbox, and notes by which way. Where both are offered and NTLM is refused, Basic is tried: a server that does
// not share the domain's user names may know the person by that alone.
func (c *Connector) open(ctx context.Context, l provider.Login, found map[string]string) error {
	a := provider.Account{Key: "check:" + found[HostSetting] + ":" + l.Username, Address: l.Address, Login: l.Username, Settings: found,
		Credential: func(context.Context) (provider.Credential, error) {
			return provider.Credential{Password: secret.New(l.Password.Reveal())}, nil
		}}
	ctx, cancel := context.WithTimeout(ctx, c.callTimeout)
	defer cancel()
	h := c.apart()
	defer h.cancel()
	ask := getFolder{Shape: shape{Base: "IdOnly"}, IDs: folderIDs{Named: []distinguished{{"inbox"}}}}
	var last error
	for _, way := range []string{"", basic} {
		h.way = way
		_, err := (&caller{c, ctx, h, a}).one(ask, answerBytes, true, errNoMailbox)
		if err == nil {
			found[authSetting] = h.way
			h.drop()
			return nil
		}
		if way != "" && !errors.Is(err, provider.ErrCredentialRefused) {
			err = last
		}
		if last = err; !errors.Is(err, provider.ErrCredentialRefused) || h.way == basic || !h.offersBasic {
			break
		}
	}
	h.drop()
	return last
}

func checkFault(err error) error {
	err = unstale(err)
	if errors.Is(err, provider.ErrCredentialRefused) {
		return errLogin.Because(err)
	}
	if f, ok := fault.As(err); ok && f.Field == "" && f.Kind == fault.Upstream {
		return f.At(HostSetting)
	}
	return err
}

// online says whether a host is Microsoft's own: Exchange Online has refused passwords for EWS since 2022-10-01.
func online(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	for _, d := range []string{"office365.com", "office.com", "office.de", "office365.us", "outlook.com", "outlook.cn", "office365.cn", "microsoftonline.com", "mx.microsoft"} {
		if host == d || strings.HasSuffix(host, "."+d) {
			return true
		}
	}
	return false
}

func onlineURL(text string) bool {
	u, err := url.Parse(text)
	return err == nil && online(u.Hostname())
}
