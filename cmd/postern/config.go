package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/postern-mail/postern/engine/audit"
	"github.com/postern-mail/postern/engine/secret"
	"github.com/postern-mail/postern/engine/verifications"
)

// exitBadConfig is the exit code of a start that failed on its settings alone.
const exitBadConfig = 2

// config is everything that the outside tells the program. It is read once, at the start.
type config struct {
	DatabaseURL     secret.Text // empty: the private Postgres
	Addr            string
	URL             *url.URL // base address; no path, no trailing slash
	Data            string
	Region          string // us or eu
	Company         string
	KeyFile         string
	KeyURL          string // a key service, instead of KeyFile
	KeyFileBefore   string
	KeyURLBefore    string
	Tombstones      string // file; empty: in the data folder
	Witnesses       []audit.Witness
	TLSCert         string // with TLSKey: serve https ourselves
	TLSKey          string
	TrustedProxies  []netip.Prefix
	MetricsAddr     string // empty: none
	EgressAllow     []netip.Prefix
	EgressRoots     *x509.CertPool // the system's and further ones; nil: the system's
	EgressAddresses []string       // canonical IP addresses
	EventDays       int
	DeliveryDays    int
	Siblings        map[string]string // region to base URL
	LogLevel        slog.Level
	LogFormat       string // json or text
	AutoMigrate     bool
	SMTPURL         secret.Text
	MailFrom        string
	EnvFile         string // demo
	Providers       providers
	Push            verifications.PushConfig

	autoMigrateSet bool
}

// providers holds the addresses that the operator has changed; an empty one is the provider's public one.
type providers struct {
	Google    struct{ AuthURL, TokenURL, RevokeURL, UserinfoURL, APIURL string }
	Microsoft struct{ AuthURL, TokenURL, AdminConsentURL, GraphURL string }
	Yahoo     struct{ AuthURL, TokenURL, IMAPAddr, SMTPAddr string }
	ICloud    struct{ IMAPAddr, SMTPAddr string }
	Nylas     struct{ APIURL string }
}

// configFault is one wrong setting: what is wrong, never with a secret's value, and what to do.
type configFault struct{ Name, Problem, Fix string }

// configFaults is every wrong setting at once.
type configFaults []configFault

// Error lists the faults for the operator's terminal.
func (f configFaults) Error() string {
	var b strings.Builder
	if len(f) == 1 {
		b.WriteString("One setting is wrong:")
	} else {
		fmt.Fprintf(&b, "%d settings are wrong:", len(f))
	}
	for _, fault := range f {
		fmt.Fprintf(&b, "\n  %s %s.\n      Fix: %s.", fault.Name, fault.Problem, fault.Fix)
	}
	return b.String()
}

// invalid is what a setter returns: a fault without the name.
type invalid struct{ problem, fix string }

func (e invalid) Error() string { return e.problem }

// loadConfig reads flags and environment (flags win; an empty variable counts as unset). The error is a configFaults.
func loadConfig(m mode, args, environ []string) (*config, error) {
	var faults configFaults
	table := settings()
	given := map[string]string{} // by name
	names := make([]string, 0, len(table))
	for _, s := range table {
		names = append(names, s.name)
	}
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		if name != "DATABASE_URL" && !strings.HasPrefix(name, "POSTERN_") {
			continue
		}
		if !slices.Contains(names, name) {
			if !clientNames[name] {
				faults = append(faults, configFault{name, "is no setting of Postern", "unset it" + suggestion(name, names)})
			}
			continue
		}
		if value != "" {
			given[name] = value
		}
	}
	faults = append(faults, readFlags(table, args, given)...)

	c := &config{}
	for _, s := range table {
		value, ok := given[s.name]
		if ok && s.demoOnly && m != modeDemo {
			faults = append(faults, configFault{s.name, "is a setting of the demo", "unset it"})
			continue
		}
		if !ok {
			value = s.defaultFor(m)
		}
		if value == "" {
			if s.demanded && m == modeServe && (s.instead == "" || given[s.instead] == "") {
				faults = append(faults, configFault{s.name, "is not set", s.fix})
			}
			continue
		}
		var wrong invalid
		if err := s.set(c, value); errors.As(err, &wrong) {
			faults = append(faults, configFault{s.name, wrong.problem, wrong.fix})
		} else if err != nil {
			faults = append(faults, configFault{s.name, err.Error(), "correct it"})
		}
	}
	faults = append(faults, c.settle(m, given)...)
	if len(faults) > 0 {
		return nil, faults
	}
	return c, nil
}

// readFlags takes --name value, --name=value. It does not stop at the first fault, which package flag would.
func readFlags(table []setting, args []string, given map[string]string) (faults configFaults) {
	byFlag, flags := map[string]string{}, []string{}
	secrets := map[string]string{}
	for _, s := range table {
		if s.flag() != "" {
			byFlag[s.flag()] = s.name
			flags = append(flags, "--"+s.flag())
			continue
		}
		secrets[strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(s.name, "POSTERN_"), "_", "-"))] = s.name
	}
	for len(args) > 0 {
		arg := args[0]
		args = args[1:]
		word, value, hasValue := strings.Cut(arg, "=")
		name, isFlag := strings.CutPrefix(word, "--")
		if !isFlag {
			// The word itself is not repeated: it may be a secret that lost its variable.
			faults = append(faults, configFault{"An argument", "is no flag", "write flags as --name value or --name=value"})
			continue
		}
		setting, known := byFlag[name]
		if !known {
			if variable, ok := secrets[name]; ok {
				faults = append(faults, configFault{word, "cannot be given as a flag, because arguments are readable by every user of this machine", "set the variable " + variable})
			} else {
				faults = append(faults, configFault{word, "is no flag of Postern", "remove it" + suggestion(word, flags)})
			}
			// Its value must not be taken for an argument of its own.
			if !hasValue && len(args) > 0 && !strings.HasPrefix(args[0], "--") {
				args = args[1:]
			}
			continue
		}
		if !hasValue {
			if len(args) == 0 || strings.HasPrefix(args[0], "--") {
				faults = append(faults, configFault{word, "has no value", "write " + word + " VALUE"})
				continue
			}
			value, args = args[0], args[1:]
		}
		if value == "" {
			faults = append(faults, configFault{word, "has no value", "write " + word + " VALUE, or leave it out"})
			continue
		}
		given[setting] = value
	}
	return faults
}

// settle fills in what follows from other settings and checks what only shows when they are seen together.
func (c *config) settle(m mode, given map[string]string) (faults configFaults) {
	if !c.autoMigrateSet {
		c.AutoMigrate = c.DatabaseURL.Empty()
	}
	if _, ok := given["POSTERN_ENV_FILE"]; !ok && m == modeDemo && c.Data != "" {
		c.EnvFile = filepath.Join(c.Data, "demo.env")
	}
	host, _, _ := net.SplitHostPort(c.Addr)
	local := isLoopback(host)
	if _, ok := given["POSTERN_URL"]; !ok && c.Addr != "" {
		scheme := "http"
		if c.TLSCert != "" {
			scheme = "https"
		}
		if local {
			c.URL = &url.URL{Scheme: scheme, Host: c.Addr}
		} else if m != modeTool {
			faults = append(faults, configFault{"POSTERN_URL", "is not set, and Postern listens to other machines",
				"set it to the address that people will use, such as https://mail.example.com"})
		}
	}
	if (c.TLSCert == "") != (c.TLSKey == "") {
		missing := "POSTERN_TLS_KEY"
		if c.TLSCert == "" {
			missing = "POSTERN_TLS_CERT"
		}
		faults = append(faults, configFault{missing, "is not set, but the other half of the pair is", "set both or neither"})
	}
	if c.TLSCert != "" && c.TLSKey != "" {
		if _, err := tls.LoadX509KeyPair(c.TLSCert, c.TLSKey); err != nil {
			faults = append(faults, configFault{"POSTERN_TLS_CERT", "and POSTERN_TLS_KEY cannot be used: " + err.Error(),
				"name a readable certificate chain and its own private key, both PEM"})
		}
		if c.URL != nil && c.URL.Scheme == "http" {
			faults = append(faults, configFault{"POSTERN_URL", "begins with http, but a certificate is set", "write https"})
		}
	} else if m == modeServe && c.Addr != "" && !local && len(c.TrustedProxies) == 0 {
		faults = append(faults, configFault{"POSTERN_ADDR", "lets other machines in without encryption",
			"set POSTERN_TLS_CERT and POSTERN_TLS_KEY, or name the proxy that encrypts in POSTERN_TRUSTED_PROXIES, or listen on 127.0.0.1"})
	}
	if !c.SMTPURL.Empty() && given["POSTERN_MAIL_FROM"] == "" {
		faults = append(faults, configFault{"POSTERN_MAIL_FROM", "is not set, but POSTERN_SMTP_URL is", "set it to the address that Postern's own mail comes from"})
	}
	if c.MetricsAddr != "" && c.MetricsAddr == c.Addr {
		faults = append(faults, configFault{"POSTERN_METRICS_ADDR", "is the address that people use", "give the metrics a port of their own"})
	}
	if c.KeyFile != "" && c.KeyURL != "" {
		faults = append(faults, configFault{"POSTERN_KEY_URL", "is set, and POSTERN_KEY_FILE too", "leave out one; the key of before goes to POSTERN_KEY_FILE_BEFORE or POSTERN_KEY_URL_BEFORE"})
	}
	if c.KeyFile != "" && m == modeServe { // the tools may be about to make it
		if fault := checkKeyFile(c.KeyFile); fault != nil {
			faults = append(faults, *fault)
		}
	}
	return faults
}

// checkKeyFile looks at the file from outside: reading the key is the vault's business.
func checkKeyFile(path string) *configFault {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &configFault{"POSTERN_KEY_FILE", "names a file that does not exist: " + path, "make one with \"postern keys create\", or put the file of this installation back"}
	case err != nil:
		return &configFault{"POSTERN_KEY_FILE", "cannot be looked at: " + err.Error(), "let Postern's user read it"}
	case !info.Mode().IsRegular():
		return &configFault{"POSTERN_KEY_FILE", "is no file: " + path, "name the key file itself"}
	case info.Mode().Perm()&0o077 != 0:
		return &configFault{"POSTERN_KEY_FILE", fmt.Sprintf("can be read or changed by other users (mode %04o)", info.Mode().Perm()), "chmod 600 " + path}
	}
	return nil
}

// suggestion finds the known name that a mistyped one probably meant.
func suggestion(name string, known []string) string {
	best, distance := "", max(3, len(name)/4)
	for _, k := range known {
		if d := editDistance(name, k); d < distance {
			best, distance = k, d
		}
	}
	if best == "" {
		return ""
	}
	return "; did you mean " + best + "?"
}

func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			next := min(row[j]+1, row[j+1]+1, diagonal+cost)
			diagonal, row[j+1] = row[j+1], next
		}
	}
	return row[len(b)]
}
