package dial

import (
	"net/netip"
	"testing"
)

// The other side of the corpus: what must stay reachable.
func TestPublicAddressesPass(t *testing.T) {
	g := New(Config{Own: func() []netip.Addr { return []netip.Addr{netip.MustParseAddr("93.184.216.34")} },
		Deny: []netip.Prefix{netip.MustParsePrefix("151.101.0.0/16")}})
	for _, a := range []string{"1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0", "142.250.0.1", "169.253.255.255", "169.255.0.0",
		"172.15.255.255", "172.32.0.0", "192.0.1.1", "192.167.255.255", "192.169.0.0", "198.17.255.255", "198.20.0.0", "223.255.255.255", "2001:4860:4860::8888", "2606:4700::1111", "2a00:1450::1", "2400:cb00::1", "2001:200::1"} {
		if err := g.check(Webhook, netip.AddrPortFrom(netip.MustParseAddr(a), 443), false); err != nil {
			t.Errorf("%s: %v", a, err)
		}
	}
	for name, c := range map[string]struct {
		p     Purpose
		to    string
		plain bool
	}{
		"own address":           {Webhook, "93.184.216.34:443", false},
		"own, mapped":           {Webhook, "[::ffff:93.184.216.34]:443", false},
		"denied":                {Webhook, "151.101.1.1:443", false},
		"plain http":            {Webhook, "1.1.1.1:443", true},
		"webhook to 80":         {Webhook, "1.1.1.1:80", false},
		"webhook to 22":         {Webhook, "1.1.1.1:22", false},
		"provider to 8443":      {Provider, "1.1.1.1:8443", false},
		"imap to 443":           {IMAP, "1.1.1.1:443", false},
		"imap to 110":           {IMAP, "1.1.1.1:110", false},
		"smtp to 25":            {SMTP, "1.1.1.1:25", false},
		"smtp to 993":           {SMTP, "1.1.1.1:993", false},
		"unknown purpose":       {Purpose("other"), "1.1.1.1:443", false},
		"zoned global":          {Webhook, "[2606:4700::1111%eth0]:443", false},
		"IPv4-compatible":       {Webhook, "[::808:808]:443", false},
		"NAT64 of a public one": {Webhook, "[64:ff9b::808:808]:443", false},
	} {
		if err := g.check(c.p, netip.MustParseAddrPort(c.to), c.plain); err == nil {
			t.Errorf("%s passes", name)
		}
	}
	for p, want := range map[Purpose][]uint16{IMAP: {143, 993}, SMTP: {465, 587}, Webhook: {443}, Provider: {443}} {
		for _, port := range want {
			if err := g.check(p, netip.AddrPortFrom(netip.MustParseAddr("1.1.1.1"), port), false); err != nil {
				t.Errorf("%s to %d: %v", p, port, err)
			}
		}
	}
}
