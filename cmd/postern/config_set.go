package main

import (
	"crypto/x509"
	"fmt"
	"log/slog"
	"net"
	"net/mail"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/postern-mail/postern/engine/audit"
	"github.com/postern-mail/postern/engine/secret"
)

// The setters: one value into one field, or an invalid with its fix. Those of secrets never repeat the value.

func setDatabaseURL(c *config, value string) error {
	const shape = "write it as postgres://user:password@host:5432/name?sslmode=verify-full"
	u, err := url.Parse(value) // its error would quote the password
	if err != nil || (u.Scheme != "postgres" && u.Scheme != "postgresql") {
		return invalid{"is not the address of a Postgres database", shape}
	}
	if strings.Trim(u.Path, "/") == "" {
		return invalid{"names no database", shape}
	}
	host := u.Hostname()
	if h := u.Query().Get("host"); h != "" {
		host = h
	}
	socket := host == "" || strings.HasPrefix(host, "/")
	if !socket && !isLoopback(host) && u.Query().Get("sslmode") != "verify-full" {
		return invalid{"reaches another machine without checking that it is the right one", "add sslmode=verify-full, and sslrootcert=FILE for a private certificate authority"}
	}
	c.DatabaseURL = secret.New(value)
	return nil
}

func setAddr(c *config, value string) error        { return setListen(&c.Addr, value) }
func setMetricsAddr(c *config, value string) error { return setListen(&c.MetricsAddr, value) }

func setListen(field *string, value string) error {
	host, port, err := net.SplitHostPort(value)
	number, portErr := strconv.ParseUint(port, 10, 16)
	if err != nil || portErr != nil {
		return invalid{fmt.Sprintf("is no address with a port: %q", value), "write it as 127.0.0.1:8400, or :8400 for all addresses of this machine"}
	}
	if host != "" && host != "localhost" {
		if _, err := netip.ParseAddr(host); err != nil {
			return invalid{fmt.Sprintf("names a host to listen on: %q", host), "write an IP address of this machine"}
		}
	}
	*field = net.JoinHostPort(host, strconv.FormatUint(number, 10))
	return nil
}

func setURL(c *config, value string) error {
	u, err := url.Parse(value)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return invalid{fmt.Sprintf("is no web address: %q", value), "write it as https://mail.example.com"}
	}
	if u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" || u.ForceQuery {
		return invalid{"holds more than scheme, host and port", "write it as https://mail.example.com; Postern needs a host name of its own"}
	}
	if u.Scheme == "http" && !isLoopback(u.Hostname()) {
		return invalid{"is not encrypted", "write https://" + u.Host + ", and set POSTERN_TLS_CERT or put a proxy that encrypts in front"}
	}
	c.URL = &url.URL{Scheme: u.Scheme, Host: strings.ToLower(u.Host)}
	return nil
}

func setDir(c *config, value string) error {
	dir, err := filepath.Abs(value)
	if err != nil {
		return invalid{"is no path: " + err.Error(), "name a folder"}
	}
	if info, err := os.Stat(dir); err == nil && !info.IsDir() {
		return invalid{"is a file: " + dir, "name a folder; it is made when it does not exist"}
	}
	c.Data = dir
	return nil
}

func setRegion(c *config, value string) error {
	return setWord(&c.Region, value, "us", "eu")
}

func setLogFormat(c *config, value string) error {
	return setWord(&c.LogFormat, value, "json", "text")
}

func setWord(field *string, value string, words ...string) error {
	value = strings.ToLower(value)
	if !slices.Contains(words, value) {
		return invalid{fmt.Sprintf("is %q", value), "set it to " + strings.Join(words, " or ")}
	}
	*field = value
	return nil
}

func setCompany(c *config, value string) error {
	if len(value) > 80 || strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return invalid{"is longer than 80 bytes or holds control characters", "write the plain name"}
	}
	c.Company = strings.TrimSpace(value)
	return nil
}

// setPushState takes the secret that Microsoft repeats in each notification. A short one could be guessed; Graph takes 128 characters.
func setPushState(c *config, value string) error {
	if len(value) < 16 || len(value) > 128 {
		return invalid{"is not 16 to 128 characters long", "write a random one"}
	}
	c.Push.MicrosoftState = secret.New(value)
	return nil
}

func commaList(value string) []string {
	var out []string
	for one := range strings.SplitSeq(value, ",") {
		if one = strings.TrimSpace(one); one != "" {
			out = append(out, one)
		}
	}
	return out
}

func setLogLevel(c *config, value string) error {
	levels := map[string]slog.Level{"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError}
	level, ok := levels[strings.ToLower(value)]
	if !ok {
		return invalid{fmt.Sprintf("is %q", value), "set it to debug, info, warn or error"}
	}
	c.LogLevel = level
	return nil
}

func setAutoMigrate(c *config, value string) error {
	on, err := strconv.ParseBool(value)
	if err != nil {
		return invalid{fmt.Sprintf("is %q", value), "set it to true or false"}
	}
	c.AutoMigrate, c.autoMigrateSet = on, true
	return nil
}

// setPrefixes reads a comma list of CIDRs into the field.
func setPrefixes(field func(*config) *[]netip.Prefix) func(*config, string) error {
	return func(c *config, value string) error {
		var list []netip.Prefix
		for item := range strings.SplitSeq(value, ",") {
			item = strings.TrimSpace(item)
			if item == "" {
				continue
			}
			if addr, err := netip.ParseAddr(item); err == nil {
				bits := 32
				if addr.Is6() {
					bits = 128
				}
				return invalid{fmt.Sprintf("holds an address without a length: %q", item), fmt.Sprintf("write %s/%d for this one address", item, bits)}
			}
			prefix, err := netip.ParsePrefix(item)
			if err != nil {
				return invalid{fmt.Sprintf("holds something that is no CIDR: %q", item), "write a comma list such as 10.1.0.0/16,fd00::/8"}
			}
			// ::ffff:10.0.0.0/104 looks like a rule for 10.0.0.0/8 and never matches: connections are compared unmapped.
			if prefix.Addr().Is4In6() {
				return invalid{fmt.Sprintf("holds an IPv4 address in IPv6 form: %q", item), "write it in IPv4 form"}
			}
			if prefix != prefix.Masked() {
				return invalid{fmt.Sprintf("says more than its length covers: %q", item), "write " + prefix.Masked().String()}
			}
			list = append(list, prefix)
		}
		*field(c) = list
		return nil
	}
}

func setEgressRoots(c *config, value string) error {
	pem, err := os.ReadFile(value)
	if err != nil {
		return invalid{"cannot be read: " + err.Error(), "name a file of certificates in PEM form that Postern's user can read"}
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool() // a machine without certificates of its own
	}
	if !pool.AppendCertsFromPEM(pem) {
		return invalid{"holds no certificate: " + value, "name a file of certificates in PEM form"}
	}
	c.EgressRoots = pool
	return nil
}

func setEgressAddresses(c *config, value string) error {
	var list []string
	for item := range strings.SplitSeq(value, ",") {
		item = strings.TrimSpace(item)
		if item == "" {
			continue
		}
		addr, err := netip.ParseAddr(item)
		if err != nil || addr.Zone() != "" {
			return invalid{fmt.Sprintf("holds something that is no IP address: %q", item), "write a comma list such as 203.0.113.7,2001:db8::7"}
		}
		list = append(list, addr.Unmap().String())
	}
	c.EgressAddresses = list
	return nil
}

func setSMTPURL(c *config, value string) error {
	const shape = "write it as smtps://user:password@host:465 or smtp://user:password@host:587"
	u, err := url.Parse(value) // its error would quote the password
	if err != nil || (u.Scheme != "smtp" && u.Scheme != "smtps") || u.Hostname() == "" {
		return invalid{"is not the address of a mail server", shape}
	}
	if strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return invalid{"holds more than user, password, host and port", shape + "; write / ? # and @ of a password as %2F %3F %23 %40"}
	}
	c.SMTPURL = secret.New(value)
	return nil
}

func setWitnesses(c *config, value string) error {
	for part := range strings.SplitSeq(value, ",") {
		w, err := audit.ParseWitness(part)
		if err != nil { // it is not quoted: an address may hold a token
			return invalid{"is no list of witnesses", "write each as file:/path, syslog, syslog:/path/of/a/socket or https://host/path"}
		}
		c.Witnesses = append(c.Witnesses, w)
	}
	return nil
}

func setSiblings(c *config, value string) error {
	c.Siblings = map[string]string{}
	for part := range strings.SplitSeq(value, ",") {
		region, base, _ := strings.Cut(strings.TrimSpace(part), "=")
		u, err := url.Parse(base)
		if (region != "us" && region != "eu") || err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
			return invalid{fmt.Sprintf("is no list of regions and base addresses: %q", part), "write it as us=https://us.mail.example.com,eu=https://eu.mail.example.com"}
		}
		c.Siblings[region] = strings.TrimSuffix(base, "/")
	}
	return nil
}

func setKeyURL(field func(*config) *string) func(*config, string) error {
	return func(c *config, value string) error {
		u, err := url.Parse(value)
		if err != nil || u.Scheme != "awskms" && u.Scheme != "hashivault" || u.User != nil {
			return invalid{"is not the address of a key service that this build knows, or holds a password", "write it as awskms://ID?region=R, awskms:///ARN?region=R or hashivault://NAME"}
		}
		*field(c) = value
		return nil
	}
}

func setMailFrom(c *config, value string) error {
	if _, err := mail.ParseAddress(value); err != nil {
		return invalid{fmt.Sprintf("is no mail address: %q", value), "write it as postern@example.com or Postern <postern@example.com>"}
	}
	c.MailFrom = value
	return nil
}

func setProviderURL(field *string, value string) error {
	u, err := url.Parse(value)
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" || (u.Scheme != "https" && u.Scheme != "http") {
		return invalid{"is no web address, or holds a user or a fragment", "write it as https://host/path"}
	}
	if u.Scheme == "http" && !isLoopback(u.Hostname()) {
		return invalid{"is not encrypted: secrets would travel in the open", "write https"}
	}
	*field = value
	return nil
}

func setHostPort(field *string, value string) error {
	host, port, err := net.SplitHostPort(value)
	if number, portErr := strconv.ParseUint(port, 10, 16); err != nil || portErr != nil || number == 0 || host == "" {
		return invalid{fmt.Sprintf("is no host with a port: %q", value), "write it as host:port"}
	}
	*field = value
	return nil
}

// isLoopback says whether a host can only be this machine. Other names may resolve to loopback today and elsewhere tomorrow.
func isLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}

func setDays(least, most int, field func(*config) *int) func(*config, string) error {
	return func(c *config, value string) error {
		n, err := strconv.Atoi(value)
		if err != nil || n < least || n > most {
			return invalid{"is no number of days that fits", fmt.Sprintf("write a whole number from %d to %d", least, most)}
		}
		*field(c) = n
		return nil
	}
}
