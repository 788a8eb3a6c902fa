package provider

// service is a mail service that many people use.
type service struct {
	flavour, label string
	provider       string   // which connector reaches it
	domains        []string // of addresses; "x.*" stands for x under every country
	exchangers     []string // under which the MX of customers' own domains lie
	imap, smtp     string   // servers; IMAP on 993, SMTP on 465 unless submission
	submission     bool     // SMTP on 587 with STARTTLS
	appPassword    bool
}

// services are taken from each service's own help pages on setting up a mail program.
var services = []service{
	{flavour: "google", label: "Gmail", provider: "google", domains: []string{"gmail.com", "googlemail.com", "google.com"},
		exchangers: []string{"google.com", "googlemail.com"}, imap: "imap.gmail.com", smtp: "smtp.gmail.com", appPassword: true},
	{flavour: "microsoft", label: "Microsoft 365 or Outlook.com", provider: "microsoft", domains: []string{"outlook.*", "hotmail.*", "live.*", "msn.com", "passport.com", "windowslive.com", "onmicrosoft.com"},
		exchangers: []string{"mail.protection.outlook.com", "olc.protection.outlook.com", "mx.microsoft"}},
	{flavour: "yahoo", label: "Yahoo", provider: "yahoo", domains: []string{"yahoo.*", "ymail.com", "rocketmail.com", "myyahoo.com"},
		exchangers: []string{"yahoodns.net"}, imap: "imap.mail.yahoo.com", smtp: "smtp.mail.yahoo.com", appPassword: true},
	{flavour: "icloud", label: "iCloud", provider: "icloud", domains: []string{"icloud.com", "me.com", "mac.com"},
		exchangers: []string{"mail.icloud.com"}, imap: "imap.mail.me.com", smtp: "smtp.mail.me.com", submission: true, appPassword: true},

	{flavour: "aol", label: "AOL", provider: "imap", domains: []string{"aol.com", "aim.com", "aol.*", "verizon.net"}, imap: "imap.aol.com", smtp: "smtp.aol.com", appPassword: true},
	{flavour: "fastmail", label: "Fastmail", provider: "imap", domains: []string{"fastmail.com", "fastmail.fm", "fastmail.net", "sent.com", "messagingengine.com"},
		exchangers: []string{"messagingengine.com"}, imap: "imap.fastmail.com", smtp: "smtp.fastmail.com", appPassword: true},
	{flavour: "gmx", label: "GMX", provider: "imap", domains: []string{"gmx.de", "gmx.net", "gmx.at", "gmx.ch", "gmx.eu"}, exchangers: []string{"gmx.net"}, imap: "imap.gmx.net", smtp: "mail.gmx.net"},
	{flavour: "gmx.com", label: "GMX", provider: "imap", domains: []string{"gmx.com", "gmx.us", "gmx.co.uk", "gmx.fr"}, imap: "imap.gmx.com", smtp: "mail.gmx.com"},
	{flavour: "webde", label: "WEB.DE", provider: "imap", domains: []string{"web.de"}, imap: "imap.web.de", smtp: "smtp.web.de", submission: true},
	{flavour: "mail.com", label: "mail.com", provider: "imap", domains: []string{"mail.com", "email.com"}, imap: "imap.mail.com", smtp: "smtp.mail.com"},
	{flavour: "t-online", label: "Telekom", provider: "imap", domains: []string{"t-online.de", "magenta.de"}, imap: "secureimap.t-online.de", smtp: "securesmtp.t-online.de"},
	{flavour: "ionos", label: "IONOS", provider: "imap", exchangers: []string{"kundenserver.de", "ionos.de", "ionos.com", "1and1.com"}, imap: "imap.ionos.com", smtp: "smtp.ionos.com"},
	{flavour: "mailbox.org", label: "mailbox.org", provider: "imap", domains: []string{"mailbox.org"}, exchangers: []string{"mailbox.org"}, imap: "imap.mailbox.org", smtp: "smtp.mailbox.org"},
	{flavour: "posteo", label: "Posteo", provider: "imap", domains: []string{"posteo.de", "posteo.net", "posteo.*", "posteo.org"}, imap: "posteo.de", smtp: "posteo.de"},
	{flavour: "zoho", label: "Zoho Mail", provider: "imap", domains: []string{"zoho.com", "zohomail.com"}, exchangers: []string{"zoho.com"}, imap: "imap.zoho.com", smtp: "smtp.zoho.com", appPassword: true},
	{flavour: "zoho.eu", label: "Zoho Mail", provider: "imap", domains: []string{"zoho.eu", "zohomail.eu"}, exchangers: []string{"zoho.eu"}, imap: "imap.zoho.eu", smtp: "smtp.zoho.eu", appPassword: true},
	{flavour: "yandex", label: "Yandex", provider: "imap", domains: []string{"yandex.ru", "yandex.com", "ya.ru", "yandex.*"}, exchangers: []string{"yandex.net", "yandex.ru"}, imap: "imap.yandex.com", smtp: "smtp.yandex.com", appPassword: true},
	{flavour: "mail.ru", label: "Mail.ru", provider: "imap", domains: []string{"mail.ru", "inbox.ru", "list.ru", "bk.ru"}, exchangers: []string{"mail.ru"}, imap: "imap.mail.ru", smtp: "smtp.mail.ru", appPassword: true},
	{flavour: "comcast", label: "Xfinity", provider: "imap", domains: []string{"comcast.net"}, imap: "imap.comcast.net", smtp: "smtp.comcast.net"},
	{flavour: "orange", label: "Orange", provider: "imap", domains: []string{"orange.fr", "wanadoo.fr"}, imap: "imap.orange.fr", smtp: "smtp.orange.fr"},
	{flavour: "free.fr", label: "Free", provider: "imap", domains: []string{"free.fr"}, imap: "imap.free.fr", smtp: "smtp.free.fr"},
	{flavour: "laposte", label: "La Poste", provider: "imap", domains: []string{"laposte.net"}, imap: "imap.laposte.net", smtp: "smtp.laposte.net"},
	{flavour: "libero", label: "Libero", provider: "imap", domains: []string{"libero.it"}, imap: "imapmail.libero.it", smtp: "smtp.libero.it"},
	{flavour: "bluewin", label: "Bluewin", provider: "imap", domains: []string{"bluewin.ch"}, imap: "imaps.bluewin.ch", smtp: "smtpauths.bluewin.ch"},
	{flavour: "seznam", label: "Seznam", provider: "imap", domains: []string{"seznam.cz", "email.cz"}, imap: "imap.seznam.cz", smtp: "smtp.seznam.cz"},
	{flavour: "wp", label: "WP", provider: "imap", domains: []string{"wp.pl"}, imap: "imap.wp.pl", smtp: "smtp.wp.pl"},
	{flavour: "runbox", label: "Runbox", provider: "imap", domains: []string{"runbox.com"}, imap: "mail.runbox.com", smtp: "mail.runbox.com"},
	{flavour: "migadu", label: "Migadu", provider: "imap", exchangers: []string{"migadu.com"}, imap: "imap.migadu.com", smtp: "smtp.migadu.com"},
	{flavour: "gandi", label: "Gandi", provider: "imap", exchangers: []string{"mail.gandi.net"}, imap: "mail.gandi.net", smtp: "mail.gandi.net"},
	{flavour: "ovh", label: "OVHcloud", provider: "imap", exchangers: []string{"mail.ovh.net", "ovh.net"}, imap: "ssl0.ovh.net", smtp: "ssl0.ovh.net"},
	{flavour: "rackspace", label: "Rackspace", provider: "imap", exchangers: []string{"emailsrvr.com"}, imap: "secure.emailsrvr.com", smtp: "secure.emailsrvr.com"},
	{flavour: "titan", label: "Titan", provider: "imap", exchangers: []string{"titan.email"}, imap: "imap.titan.email", smtp: "smtp.titan.email"},
	{flavour: "qq", label: "QQ Mail", provider: "imap", domains: []string{"qq.com", "foxmail.com"}, imap: "imap.qq.com", smtp: "smtp.qq.com", appPassword: true},
	{flavour: "163", label: "NetEase 163", provider: "imap", domains: []string{"163.com"}, imap: "imap.163.com", smtp: "smtp.163.com", appPassword: true},
	{flavour: "naver", label: "Naver", provider: "imap", domains: []string{"naver.com"}, imap: "imap.naver.com", smtp: "smtp.naver.com", submission: true, appPassword: true},
}
