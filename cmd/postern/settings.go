package main

import (
	"fmt"
	"net/netip"
	"strings"
)

// mode says which command reads the settings: each demands and defaults differently.
type mode string

const (
	modeServe mode = "serve" // everything must be right
	modeDemo  mode = "demo"  // nothing is demanded
	modeTool  mode = "tool"  // migrate, keys, doctor ...: what is given must be right, nothing is demanded
)

// setting is one row of the table below: the one place that knows a setting's name, default and meaning.
type setting struct {
	name     string
	value    string // default; empty is none
	demo     string // default of the demo where it differs
	demanded bool   // serve does not start without it
	secret   bool   // never printed, and no flag: arguments are readable by every user of the machine
	demoOnly bool
	instead  string // another setting that does as well as a demanded one
	doc      string
	fix      string // what to do when a demanded one is missing
	set      func(c *config, value string) error
}

// flag is the setting's name on the command line, empty when it has none.
func (s *setting) flag() string {
	if s.secret {
		return ""
	}
	return strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(s.name, "POSTERN_"), "_", "-"))
}

func (s *setting) defaultFor(m mode) string {
	if m == modeDemo && s.demo != "" {
		return s.demo
	}
	return s.value
}

// clientNames are written by the demo for clients, beside POSTERN_URL. Who has loaded that file into the shell and starts
// Postern from it must not be told that they are unknown.
var clientNames = map[string]bool{
	"POSTERN_CLIENT_ID": true, "POSTERN_API_KEY": true, "POSTERN_CALLBACK_URI": true, "POSTERN_TENANT_ID": true,
	"POSTERN_SANDBOX_USERS": true, "POSTERN_SANDBOX_PASSWORD": true, "POSTERN_SIGNIN_OWNER": true,
	"POSTERN_SIGNIN_SUPPORT": true, "POSTERN_SIGNIN_REVIEWER": true, "POSTERN_SIGNIN_CUSTOMER": true,
}

// settings is the table. README shows it in this order.
func settings() []setting {
	list := []setting{
		{name: "DATABASE_URL", secret: true, set: setDatabaseURL,
			doc: "Postgres, as `postgres://user:password@host/name?sslmode=verify-full`. Unset: a private Postgres in the data folder."},
		{name: "POSTERN_ADDR", value: "127.0.0.1:8400", set: setAddr,
			doc: "Address and port to listen on."},
		{name: "POSTERN_URL", set: setURL,
			doc: "The base address that people and programs use, such as `https://mail.example.com`. Must be https unless it is this machine. Unset: made from `POSTERN_ADDR` when that is this machine."},
		{name: "POSTERN_DATA", value: "/var/lib/postern", demo: ".postern", set: setDir,
			doc: "Folder for what is kept outside the database, and for the private Postgres."},
		{name: "POSTERN_TOMBSTONES", set: func(c *config, v string) error { c.Tombstones = v; return nil },
			doc: "File of the ledger of what was cut, kept apart from the database's backups: a restored database is compared with it at the start, and what it brought back is cut again. Unset: `tombstones-` and the installation's id, in the data folder."},
		{name: "POSTERN_REGION", demo: "eu", demanded: true, set: setRegion,
			doc: "Where this deployment keeps its data: `us` or `eu`.", fix: "set it to us or eu, the region in which this machine and its database stand"},
		{name: "POSTERN_SIBLINGS", set: setSiblings,
			doc: "Postern's installations in other regions, as a comma list of `region=base URL`, such as `us=https://us.mail.example.com`: callers with a key of another region are told the right address, and people whose organisation is kept there are sent to it. Unset: none."},
		{name: "POSTERN_COMPANY", demo: "Harbor Desk", demanded: true, set: setCompany,
			doc: "The company's name on consent pages.", fix: "set it to the name that your customers know you by"},
		{name: "POSTERN_KEY_FILE", demanded: true, set: func(c *config, v string) error { c.KeyFile = v; return nil },
			doc: "File with the key-encryption key (or set `POSTERN_KEY_URL`); readable by Postern's user alone (mode 0600). Keep a copy apart from the database's backups: without it no stored credential can be opened.",
			fix: "name the file of this installation, or make one with \"postern keys create\"", instead: "POSTERN_KEY_URL"},
		{name: "POSTERN_KEY_URL", set: setKeyURL(func(c *config) *string { return &c.KeyURL }),
			doc: "A key-encryption key at a key service, in place of `POSTERN_KEY_FILE`: `awskms://...` or `hashivault://NAME`, as gocloud.dev/secrets writes it. Credentials come from where that service's own tools find them."},
		{name: "POSTERN_KEY_FILE_BEFORE", set: func(c *config, v string) error { c.KeyFileBefore = v; return nil },
			doc: "The key file of before, while `postern keys rotate` moves everything to another key: it opens what it wrapped, and wraps nothing."},
		{name: "POSTERN_KEY_URL_BEFORE", set: setKeyURL(func(c *config) *string { return &c.KeyURLBefore }),
			doc: "The same for a key service of before."},
		{name: "POSTERN_WITNESSES", secret: true, set: setWitnesses,
			doc: "Where the audit log's signed checkpoints are published, at most one a minute to each, as a comma list: `file:/path`, `syslog`, `syslog:/path/of/a/socket`, or the https address of a receiver, which may hold a token. Unset: nowhere; keep one yourself now and then."},
		{name: "POSTERN_TLS_CERT", set: func(c *config, v string) error { c.TLSCert = v; return nil },
			doc: "Certificate chain (PEM) to serve https with; together with `POSTERN_TLS_KEY`."},
		{name: "POSTERN_TLS_KEY", set: func(c *config, v string) error { c.TLSKey = v; return nil },
			doc: "File with the certificate's private key (PEM)."},
		{name: "POSTERN_TRUSTED_PROXIES", set: setPrefixes(func(c *config) *[]netip.Prefix { return &c.TrustedProxies }),
			doc: "Proxies in front of Postern whose `X-Forwarded-For` counts, as a comma list of CIDRs. Unset: nobody's does."},
		{name: "POSTERN_METRICS_ADDR", set: setMetricsAddr,
			doc: "Address and port of `/metrics`, on its own listener. Unset: no metrics."},
		{name: "POSTERN_EGRESS_ALLOW", set: setPrefixes(func(c *config) *[]netip.Prefix { return &c.EgressAllow }),
			doc: "Private or loopback addresses that Postern may connect to, as a comma list of CIDRs. Everything else that is not public is refused."},
		{name: "POSTERN_EGRESS_ROOTS", set: setEgressRoots,
			doc: "File (PEM) with further certificate authorities to trust when connecting to mail servers, providers and webhooks."},
		{name: "POSTERN_EGRESS_ADDRESSES", set: setEgressAddresses,
			doc: "Public addresses that Postern's own connections come from, as a comma list: what `GET /v3/webhooks/ip-addresses` tells receivers to let in. Unset: none are told."},
		{name: "POSTERN_EVENT_DAYS", value: "14", set: setDays(5, 400, func(c *config) *int { return &c.EventDays }),
			doc: "How many days an event's content is kept, sealed, so that it can be sent again; then only a digest of it is. At least 5, because attempts go on for four days."},
		{name: "POSTERN_DELIVERY_DAYS", value: "90", set: setDays(5, 3650, func(c *config) *int { return &c.DeliveryDays }),
			doc: "How many days deliveries to webhooks and their attempts are listed."},
		{name: "POSTERN_LOG_LEVEL", value: "info", set: setLogLevel,
			doc: "`debug`, `info`, `warn` or `error`."},
		{name: "POSTERN_LOG_FORMAT", value: "json", demo: "text", set: setLogFormat,
			doc: "`json` or `text`."},
		{name: "POSTERN_AUTO_MIGRATE", set: setAutoMigrate,
			doc: "`true`: bring the schema up to date at the start. `false`: refuse to start on an old one. Unset: `true` with the private Postgres, `false` with `DATABASE_URL`."},
		{name: "POSTERN_SMTP_URL", secret: true, set: setSMTPURL,
			doc: "Server for Postern's own mail (warnings of webhooks that fail), as `smtps://user:password@host:465` or `smtp://user:password@host:587` (STARTTLS). Unset: links are shown to copy, nothing is mailed."},
		{name: "POSTERN_MAIL_FROM", set: setMailFrom,
			doc: "Sender of Postern's own mail; needed with `POSTERN_SMTP_URL`."},
		{name: "POSTERN_PUSH_GOOGLE_AUDIENCE", set: func(c *config, v string) error { c.Push.GoogleAudience = v; return nil },
			doc: "Audience of the Pub/Sub push subscription that Gmail's changes come through, as it was given there. Pushes go to `/push/google`. Unset, or without the account: none are taken."},
		{name: "POSTERN_PUSH_GOOGLE_ACCOUNT", set: func(c *config, v string) error { c.Push.GoogleAccount = v; return nil },
			doc: "Address of the service account that the push subscription signs as."},
		{name: "POSTERN_PUSH_GOOGLE_KEYS_URL", set: func(c *config, v string) error { return setProviderURL(&c.Push.GoogleKeysURL, v) },
			doc: "Where Google's signing keys are. Unset: the public place."},
		{name: "POSTERN_PUSH_RISC_AUDIENCES", set: func(c *config, v string) error { c.Push.RISCAudiences = commaList(v); return nil },
			doc: "OAuth client ids of the Google apps whose security events (Cross-Account Protection) go to `/push/google/risc`, as a comma list. Unset: none are taken."},
		{name: "POSTERN_PUSH_MICROSOFT_STATE", secret: true, set: setPushState,
			doc: "The `clientState` of Microsoft Graph subscriptions whose notifications go to `/push/microsoft`: 16 to 128 characters. Unset: none are taken."},
		{name: "POSTERN_ENV_FILE", demo: ".postern/demo.env", demoOnly: true, set: func(c *config, v string) error { c.EnvFile = v; return nil },
			doc: "Where the demo writes its addresses, keys and sign-in links, for clients. `demo` only."},
	}
	return append(list, providerSettings()...)
}

// providerSettings are the addresses of providers: for sovereign clouds and tests. No page and no API changes them.
func providerSettings() []setting {
	var list []setting
	url := func(provider, what string, field func(*providers) *string) {
		name := fmt.Sprintf("POSTERN_%s_%s_URL", strings.ToUpper(provider), what)
		list = append(list, setting{name: name, doc: provider + "'s " + urlWords[what] + ". Unset: the public one.", set: func(c *config, v string) error {
			return setProviderURL(field(&c.Providers), v)
		}})
	}
	addr := func(provider, what string, field func(*providers) *string) {
		name := fmt.Sprintf("POSTERN_%s_%s_ADDR", strings.ToUpper(provider), what)
		list = append(list, setting{name: name, doc: provider + "'s " + what + " server, as `host:port`. Unset: the public one.", set: func(c *config, v string) error {
			return setHostPort(field(&c.Providers), v)
		}})
	}
	url("Google", "AUTH", func(p *providers) *string { return &p.Google.AuthURL })
	url("Google", "TOKEN", func(p *providers) *string { return &p.Google.TokenURL })
	url("Google", "REVOKE", func(p *providers) *string { return &p.Google.RevokeURL })
	url("Google", "USERINFO", func(p *providers) *string { return &p.Google.UserinfoURL })
	url("Google", "API", func(p *providers) *string { return &p.Google.APIURL })
	url("Microsoft", "AUTH", func(p *providers) *string { return &p.Microsoft.AuthURL })
	url("Microsoft", "TOKEN", func(p *providers) *string { return &p.Microsoft.TokenURL })
	url("Microsoft", "ADMINCONSENT", func(p *providers) *string { return &p.Microsoft.AdminConsentURL })
	url("Microsoft", "GRAPH", func(p *providers) *string { return &p.Microsoft.GraphURL })
	url("Yahoo", "AUTH", func(p *providers) *string { return &p.Yahoo.AuthURL })
	url("Yahoo", "TOKEN", func(p *providers) *string { return &p.Yahoo.TokenURL })
	addr("Yahoo", "IMAP", func(p *providers) *string { return &p.Yahoo.IMAPAddr })
	addr("Yahoo", "SMTP", func(p *providers) *string { return &p.Yahoo.SMTPAddr })
	addr("iCloud", "IMAP", func(p *providers) *string { return &p.ICloud.IMAPAddr })
	addr("iCloud", "SMTP", func(p *providers) *string { return &p.ICloud.SMTPAddr })
	url("Nylas", "API", func(p *providers) *string { return &p.Nylas.APIURL })
	return list
}

var urlWords = map[string]string{
	"AUTH": "consent page", "TOKEN": "token endpoint", "REVOKE": "revocation endpoint", "USERINFO": "identity endpoint",
	"API": "API", "ADMINCONSENT": "page for an administrator's consent", "GRAPH": "Graph API",
}

// ConfigTable is the README's table of settings, in Markdown.
func ConfigTable() string {
	var b strings.Builder
	b.WriteString("| variable | flag | default | meaning |\n| --- | --- | --- | --- |\n")
	for _, s := range settings() {
		flag, value := "none: secret", "none"
		if s.flag() != "" {
			flag = "`--" + s.flag() + "`"
		}
		switch {
		case s.demanded && s.demo != "":
			value = "none, `serve` needs it; demo: `" + s.demo + "`"
		case s.demanded:
			value = "none, `serve` needs it"
		case s.demo != "" && s.value != "":
			value = "`" + s.value + "`; demo: `" + s.demo + "`"
		case s.demo != "":
			value = "`" + s.demo + "`"
		case s.value != "":
			value = "`" + s.value + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", s.name, flag, value, s.doc)
	}
	return b.String()
}
