package dial

import "net/netip"

// special are the ranges inside the unicast space that are not the public internet: the IANA special-purpose registries
// for IPv4 (RFC 6890 and successors) and IPv6, and the ranges through which an IPv4 address travels inside an IPv6 one.
// Ranges that a registry calls globally reachable but that lead to relays or sinks are refused as well: no mail server or
// webhook receiver lives there.
var special = prefixes(
	"0.0.0.0/8",        // this network, RFC 791
	"10.0.0.0/8",       // private, RFC 1918
	"100.64.0.0/10",    // carrier-grade NAT, RFC 6598
	"127.0.0.0/8",      // loopback
	"168.63.129.16/32", // a cloud's metadata and DNS address that is public by number only
	"169.254.0.0/16",   // link-local, and the metadata address of most clouds
	"172.16.0.0/12",    // private
	"192.0.0.0/24",     // IETF protocol assignments; metadata at 192.0.0.192
	"192.0.2.0/24",     // documentation
	"192.31.196.0/24",  // AS112
	"192.52.193.0/24",  // AMT
	"192.88.99.0/24",   // 6to4 relay, deprecated
	"192.168.0.0/16",   // private
	"192.175.48.0/24",  // AS112
	"198.18.0.0/15",    // benchmarking
	"198.51.100.0/24",  // documentation
	"203.0.113.0/24",   // documentation
	"224.0.0.0/4",      // multicast
	"240.0.0.0/4",      // reserved, broadcast

	"::/96",             // unspecified, loopback, and the long-dead IPv4-compatible form
	"::ffff:0:0/96",     // IPv4-mapped; unmapped before this table is read
	"::ffff:0:0:0/96",   // IPv4-translated, RFC 2765
	"64:ff9b::/96",      // NAT64
	"64:ff9b:1::/48",    // NAT64, local use
	"100::/64",          // discard only
	"100:0:0:1::/64",    // dummy prefix, RFC 9780
	"2001::/23",         // IETF protocol assignments: Teredo, ORCHID, benchmarking
	"2001:db8::/32",     // documentation
	"2002::/16",         // 6to4
	"2620:4f:8000::/48", // AS112
	"3fff::/20",         // documentation
	"5f00::/16",         // segment routing
	"fc00::/7",          // unique local
	"fe80::/10",         // link-local
	"fec0::/10",         // site-local, deprecated
	"ff00::/8",          // multicast
)

// global6 is all that IANA has given out for public IPv6 so far.
var global6 = netip.MustParsePrefix("2000::/3")

func prefixes(all ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(all))
	for i, s := range all {
		out[i] = netip.MustParsePrefix(s)
	}
	return out
}

func within(list []netip.Prefix, a netip.Addr) bool {
	for _, p := range list {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// public says whether a is an address of the public internet.
func public(a netip.Addr) bool {
	a = a.Unmap()
	if !a.IsValid() || a.Zone() != "" || !a.IsGlobalUnicast() {
		return false
	}
	if a.Is6() && !global6.Contains(a) {
		return false
	}
	return !within(special, a)
}
