package ews

import (
	"context"
	"encoding/xml"
	"errors"
	"net"
	"net/http"
	"net/url"
	"sort"
	"strconv"
	"strings"

	"github.com/postern-mail/postern/engine/dial"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/secret"
)

const (
	autodiscoverPath  = "/autodiscover/autodiscover.xml"
	autodiscoverBytes = 256 << 10
	mostRedirects     = 5
)

type autodiscoverRequest struct {
	XMLName xml.Name `xml:"http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006 Autodiscover"`
	Address string   `xml:"Request>EMailAddress"`
	Schema  string   `xml:"Request>AcceptableResponseSchema"`
}

// autodiscoverAnswer is the part of the POX answer that leads to EWS ("POX Autodiscover response for Exchange").
type autodiscoverAnswer struct {
	Response struct {
		Account struct {
			Action   string `xml:"Action"`
			URL      string `xml:"RedirectUrl"`
			Address  string `xml:"RedirectAddr"`
			Protocol []struct {
				Type string `xml:"Type"`
				EWS  string `xml:"EwsUrl"`
			} `xml:"Protocol"`
		} `xml:"Account"`
		Error struct {
			Code string `xml:"ErrorCode"`
		} `xml:"Error"`
	} `xml:"Response"`
}

// errElsewhere ends the search: the domain names a server that is not under it.
var errElsewhere = fault.New(fault.Invalid, "mail_server_unconfirmed", "")

func elsewhere(host string) error {
	e := *errElsewhere.At(HostSetting)
	e.Public = "The domain names " + host + " as its Exchange server. If that is right, enter it as the server."
	return &e
}

// discover asks the address's domain where its Exchange is, in the order of Microsoft's clients. The password goes only to hosts under
// that domain whose certificate proves it; any other host has to be named by the person (DNS is no proof).
func (c *Connector) discover(ctx context.Context, l provider.Login) (map[string]string, error) {
	domain := strings.ToLower(l.Address[strings.LastIndexByte(l.Address, '@')+1:])
	hosts := []string{"autodiscover." + domain, domain}
	hosts = append(hosts, c.srv(ctx, domain)...) // a stranger's among them is refused below
	var worst error
	for _, host := range hosts {
		found, err := c.ask(ctx, l, domain, "https://"+net.JoinHostPort(host, c.autodiscoverPort)+autodiscoverPath)
		if err == nil {
			return found, nil
		}
		// A refused password or a redirect is a word of the right server; silence and certificates of others are not.
		if f, ok := fault.As(err); ok && (errors.Is(err, provider.ErrCredentialRefused) || f.Kind == fault.Invalid) {
			return nil, err
		}
		if ctx.Err() != nil {
			break
		}
		worst = err
	}
	if c.mailOnline(ctx, domain) {
		return nil, errOnline
	}
	return nil, errNoExchange.Because(worst)
}

// ask asks one server, and follows its redirects within the domain.
func (c *Connector) ask(ctx context.Context, l provider.Login, domain, at string) (map[string]string, error) {
	body, err := xml.Marshal(autodiscoverRequest{Address: l.Address, Schema: "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a"})
	if err != nil {
		return nil, err
	}
	body = append([]byte(xml.Header), body...)
	for range mostRedirects {
		u, err := url.Parse(at)
		if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil {
			return nil, errNoExchange.Because(errors.New("not an https address"))
		}
		switch {
		case online(u.Hostname()):
			return nil, errOnline
		case !under(u.Hostname(), domain):
			return nil, elsewhere(u.Hostname())
		}
		r, err := c.fetch(ctx, l, u, body)
		if err != nil {
			return nil, err
		}
		if next := r.header.Get("Location"); r.status/100 == 3 && next != "" {
			at = next
			continue
		}
		if err := status(r); err != nil {
			return nil, err
		}
		var a autodiscoverAnswer
		if err := parse(r.body, &a); err != nil {
			return nil, errNoExchange.Because(errors.New("the Autodiscover answer is not XML"))
		}
		switch account := a.Response.Account; {
		case account.URL != "":
			at = account.URL
		case account.Address != "":
			if d, ok := provider.DetectDomain(account.Address); ok && d.Provider == "microsoft" {
				return nil, errOnline // hybrid: the mailbox itself is in the cloud
			}
			return nil, errNoExchange.Because(errors.New("the mailbox goes by another address"))
		default:
			return a.server()
		}
	}
	return nil, errNoExchange.Because(errors.New("redirected without end"))
}

// server picks the address meant for clients from outside, then the one for those within.
func (a autodiscoverAnswer) server() (map[string]string, error) {
	for _, kind := range []string{"EXPR", "EXCH", "EXHTTP", "WEB"} {
		for _, p := range a.Response.Account.Protocol {
			u, err := url.Parse(strings.TrimSpace(p.EWS))
			if p.Type != kind || err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil {
				continue
			}
			if online(u.Hostname()) {
				return nil, errOnline
			}
			found := map[string]string{HostSetting: strings.ToLower(u.Hostname()), PortSetting: "443"}
			if u.Port() != "" {
				found[PortSetting] = u.Port()
			}
			if u.Path != "" && !strings.EqualFold(u.Path, endpoint) {
				found[pathSetting] = u.EscapedPath()
			}
			return found, nil
		}
	}
	return nil, errNoExchange.Because(errors.New("Autodiscover names no EWS address; code " + word(a.Response.Error.Code)))
}

// fetch posts to one server on a connection of its own.
func (c *Connector) fetch(ctx context.Context, l provider.Login, u *url.URL, body []byte) (reply, error) {
	port := u.Port()
	if port == "" {
		port = "443"
	}
	var r reply
	for way, tries := "", 0; tries < 3; tries++ {
		s, err := c.connect(ctx, net.JoinHostPort(u.Hostname(), port), l.Username, secret.New(l.Password.Reveal()), way)
		if err != nil {
			return reply{}, err
		}
		stop := context.AfterFunc(ctx, s.end)
		r, err = s.post(u.EscapedPath(), http.Header{"Content-Type": {"text/xml; charset=utf-8"}}, payload{before: body}, autodiscoverBytes)
		stop()
		s.end()
		switch {
		case errors.Is(err, errReconnect):
			way = s.way
			continue
		case errors.Is(err, dial.ErrBodyTooLarge):
			return reply{}, errNoExchange.Because(err)
		case err != nil:
			return reply{}, provider.ErrUnreachable.Because(errors.New("no usable answer"))
		}
		if r.status != http.StatusUnauthorized || s.way == basic || !offers(r.header, basic) {
			break
		}
		way = basic
	}
	return r, nil
}

func (c *Connector) srv(ctx context.Context, domain string) []string {
	all, err := c.guard.LookupSRV(ctx, "autodiscover", "tcp", domain)
	if err != nil {
		return nil
	}
	sort.SliceStable(all, func(i, j int) bool { return all[i].Priority < all[j].Priority })
	var out []string
	for _, r := range all {
		if host := strings.ToLower(strings.TrimSuffix(r.Target, ".")); host != "" && len(out) < 2 && strconv.Itoa(int(r.Port)) == c.autodiscoverPort {
			out = append(out, host)
		}
	}
	return out
}

// mailOnline says whether the domain's mail arrives at Microsoft 365.
func (c *Connector) mailOnline(ctx context.Context, domain string) bool {
	all, err := c.guard.LookupMX(ctx, domain)
	if err != nil {
		return false
	}
	for _, mx := range all {
		if online(mx.Host) {
			return true
		}
	}
	return false
}

func under(host, domain string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	return host == domain || strings.HasSuffix(host, "."+domain)
}
