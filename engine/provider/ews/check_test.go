package ews_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/postern-mail/postern/engine/dial"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/provider/ews"
	"github.com/postern-mail/postern/engine/provider/providertest"
	"github.com/postern-mail/postern/engine/secret"
)

const canary = "canary-password"

func login(x *providertest.ExchangeServer, a provider.Account, settings map[string]string) provider.Login {
	return provider.Login{Address: a.Address, Password: x.Password(a.Login), Settings: settings}
}

func want(t *testing.T, name string, err error, is *fault.Error, field string) {
	t.Helper()
	f, _ := fault.As(err)
	if f == nil || !errors.Is(err, is) || f.Field != field || f.Public == "" {
		t.Errorf("%s: %v (%+v)", name, err, f)
	}
}

func TestCheckSignsIn(t *testing.T) {
	for name, c := range map[string]struct {
		offer []string
		user  string
		way   string
	}{
		"both":           {[]string{"Negotiate", "NTLM", `Basic realm="x"`}, "", "ntlm"},
		"basic":          {[]string{`Basic realm="x"`}, "", "basic"},
		"domain\\user":   {[]string{"NTLM"}, `EXCHANGE\u1`, "ntlm"},
		"bare user name": {[]string{`Basic realm="x"`}, "u1", "basic"},
	} {
		k, x, _ := start(t)
		a := x.Account(t)
		x.Offer(c.offer...)
		l := login(x, a, a.Settings)
		l.Username = c.user
		who, found, err := k.Check(context.Background(), l)
		subject := strings.ToLower(c.user)
		if subject == "" {
			subject = a.Login
		}
		if err != nil || who.Subject != "127.0.0.1/"+subject || who.Email != a.Address || found["ews_auth"] != c.way || found["ews_host"] != "127.0.0.1" || found["ews_port"] != x.Port {
			t.Errorf("%s: %+v %+v %v", name, who, found, err)
		}
		l.Password = secret.New(canary)
		_, _, err = k.Check(context.Background(), l)
		want(t, name+", wrong password", err, provider.ErrLoginRefused, "password")
		if strings.Contains(fmt.Sprintf("%v %+v", err, err), "canary") {
			t.Error(err)
		}
	}
}

// A front end may offer NTLM that refuses the user name in this form; Basic then knows it.
func TestCheckFallsBackToBasic(t *testing.T) {
	k, x, _ := start(t)
	a := x.Account(t)
	l := login(x, a, a.Settings)
	l.Username = `LEGACY\u1`
	if _, found, err := k.Check(context.Background(), l); err != nil || found["ews_auth"] != "basic" {
		t.Errorf("%v %v", found, err)
	}
	l.Username = `OTHER\u1`
	if _, _, err := k.Check(context.Background(), l); !errors.Is(err, provider.ErrLoginRefused) {
		t.Error(err)
	}
	x.Offer("Negotiate")
	_, _, err := k.Check(context.Background(), login(x, a, a.Settings))
	if f, _ := fault.As(err); f == nil || f.Code != "exchange_sign_in" {
		t.Errorf("only Kerberos: %v", err)
	}
}

func TestCheckWrongServers(t *testing.T) {
	k, x, _ := start(t)
	a := x.Account(t)
	with := func(host, port string) error {
		_, _, err := k.Check(context.Background(), login(x, a, map[string]string{"exchange_host": host, "ews_port": port}))
		return err
	}
	want(t, "closed port", with("127.0.0.1", "1"), provider.ErrUnreachable, ews.HostSetting)
	want(t, "no such host", with("nowhere.example", ""), provider.ErrUnreachable, ews.HostSetting)
	for _, host := range []string{"outlook.office365.com", "https://outlook.office365.com/EWS/Exchange.asmx", "OUTLOOK.OFFICE.COM", "ews.mail.protection.outlook.com"} {
		err := with(host, "")
		if f, _ := fault.As(err); f == nil || f.Code != "exchange_online" || !strings.Contains(f.Public, "Microsoft") {
			t.Errorf("%s: %v", host, err)
		}
	}
	for _, host := range []string{"a b", "x@y", `dom\host`, "ho?st"} {
		if err := with(host, ""); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%q: %v", host, err)
		}
	}
	if err := with("127.0.0.1", "0"); fault.KindOf(err) != fault.Invalid {
		t.Error(err)
	}
	if err := with("https://mail.exchange.test:"+x.Port+"/owa/", ""); err != nil {
		t.Errorf("an address as pasted: %v", err)
	}
	doubting := ews.New(ews.Config{Guard: dial.New(dial.Config{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})})
	_, _, err := doubting.Check(context.Background(), login(x, a, a.Settings))
	want(t, "self-signed", err, provider.ErrCertificate, ews.HostSetting)
	for name, l := range map[string]provider.Login{"address": {Address: "x", Password: secret.New("x")}, "password": {Address: a.Address}, "line break": {Address: a.Address, Password: secret.New("a\nb")}} {
		if _, _, err := k.Check(context.Background(), l); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	private := ews.New(ews.Config{Guard: dial.New(dial.Config{})})
	_, _, err = private.Check(context.Background(), login(x, a, a.Settings))
	want(t, "private address", err, provider.ErrUnreachable, ews.HostSetting)
}

func TestAutodiscover(t *testing.T) {
	k, x, _ := start(t)
	a := x.Account(t)
	who, found, err := k.Check(context.Background(), login(x, a, nil))
	if err != nil || who.Subject != "mail.exchange.test/"+a.Login || found["ews_host"] != "mail.exchange.test" || found["ews_port"] != x.Port || found["ews_path"] != "" {
		t.Fatalf("%+v %+v %v", who, found, err)
	}
	l := login(x, a, nil)
	l.Password = secret.New(canary)
	_, _, err = k.Check(context.Background(), l)
	want(t, "wrong password", err, provider.ErrLoginRefused, "password")
	for name, c := range map[string]struct{ redirect, names, code, says string }{
		"redirect to the cloud":     {"https://autodiscover-s.outlook.com/autodiscover/autodiscover.xml", "", "exchange_online", "Microsoft"},
		"redirect to a stranger":    {"https://evil.example/autodiscover/autodiscover.xml", "", "mail_server_unconfirmed", "evil.example"},
		"redirect to plain http":    {"http://autodiscover.exchange.test/", "", "mail_server_unknown", ""},
		"redirect in a circle":      {"https://autodiscover.exchange.test:" + x.Port + "/autodiscover/autodiscover.xml", "", "mail_server_unknown", ""},
		"an address in the cloud":   {"", "https://outlook.office365.com/EWS/Exchange.asmx", "exchange_online", "Microsoft"},
		"names only a plain server": {"", "http://mail.exchange.test/EWS/Exchange.asmx", "mail_server_unreachable", ""},
	} {
		x.Redirect(c.redirect)
		x.NameEWS(c.names)
		_, _, err := k.Check(context.Background(), login(x, a, nil))
		if f, _ := fault.As(err); f == nil || f.Code != c.code || !strings.Contains(f.Public, c.says) || f.Field != ews.HostSetting {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAutodiscoverByDNS(t *testing.T) {
	k, x, z := start(t)
	z.mx["cloud.example"] = "cloud-example.mail.protection.outlook.com."
	z.srv["_autodiscover._tcp.hosted.example"] = &net.SRV{Target: "autodiscover.host.example.", Port: 443}
	if x.Port != "443" {
		p, _ := net.LookupPort("tcp", x.Port)
		z.srv["_autodiscover._tcp.hosted.example"].Port = uint16(p)
	}
	for address, code := range map[string]string{"ada@cloud.example": "exchange_online", "ada@hosted.example": "mail_server_unconfirmed", "ada@nothing.example": "mail_server_unknown", "ada@outlook.com": "exchange_online"} {
		_, _, err := k.Check(context.Background(), provider.Login{Address: address, Password: secret.New(canary)})
		if f, _ := fault.As(err); f == nil || f.Code != code || f.Field != ews.HostSetting {
			t.Errorf("%s: %v", address, err)
		}
	}
	if asked := x.Requests(); slices.Contains(asked, "Autodiscover") {
		t.Errorf("a stranger's server was asked: %v", asked)
	}
}
