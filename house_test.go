package postern

import "slices"

// The map of the house: every folder with code, and which of our folders it may import. "x/*" is any folder directly below
// x. The reason is what a forbidden import is answered with. Words that everybody needs stand in everywhere.

const module = "github.com/postern-mail/postern"

var everywhere = []string{"engine/secret"}

var (
	words    = []string{"models", "engine/fault", "engine/email"}
	tools    = []string{"models/store", "engine/dial", "engine/vault", "engine/sealed", "engine/provider", "engine/spool", "engine/mailer", "engine/tombstones"}
	keepers  = []string{"engine/audit", "engine/outbox", "engine/tokens"}
	deeds    = []string{"engine/access", "engine/applications", "engine/tenants", "engine/grants", "engine/webhooks", "engine/verifications", "engine/mailbox", "engine/ledger", "engine/keys", "engine/evidence", "engine/offboardings", "engine/watch"}
	doors    = []string{"handlers/portal", "handlers/consent", "handlers/v3", "handlers/inbound"}
	skin     = []string{"views/ui", "views/layout", "views/pages", "views/consent"}
	shared   = []string{"engine/email", "engine/fault", "engine/provider/imapmail", "engine/provider/oauth", "engine/provider/rfc5322"}
	testKits = []string{"models/store/storetest", "engine/provider/providertest"}
)

type room struct {
	folders []string
	may     []string
	why     string
}

func house() []room {
	return []room{
		{[]string{"engine/secret", "engine/fault"}, nil, "a word knows nothing but the standard library, so that everybody can say it"},
		{[]string{"models"}, nil, "rows and rules are pure: whoever reads them needs to know nothing else"},
		{[]string{"engine/email"}, []string{"engine/fault"}, "the words of mail know no rows and do no I/O"},
		{[]string{"webhook"}, nil, "receivers build it into their own programs: it may bring nothing of ours with it"},
		{[]string{"migrations", "static"}, nil, "the cellar holds embedded files, no code of ours"},
		{[]string{"models/store"}, []string{"models", "engine/fault", "migrations"}, "the store keeps ciphertext and cannot open it; it knows rows, not what is done with them"},
		{[]string{"models/store/cluster"}, nil, "the private Postgres knows nothing of what is kept in it"},
		{[]string{"models/store/storetest"}, []string{"models", "models/store", "models/store/cluster", "migrations"}, "a test kit stands on the store alone, so that every test may use it"},
		{[]string{"engine/dial"}, []string{"engine/fault"}, "the way out is judged by addresses alone: a row or a key in here could bend the judgement"},
		{[]string{"engine/mailer"}, []string{"engine/fault", "engine/dial"}, "the mailer sends what it is given: it knows no rows, and no customer's mail"},
		{[]string{"engine/tombstones"}, []string{"models", "engine/fault"}, "the ledger stands outside the database: it knows ids and a file, and nothing that could be restored with it"},
		{[]string{"engine/vault"}, []string{"engine/fault"}, "the vault sees keys and bytes; with the store in reach, one slip could write plain text"},
		{[]string{"engine/spool"}, nil, "a spool holds bytes for the length of a request; whose they are is not its business"},
		{[]string{"engine/sealed"}, append([]string{"models/store", "engine/vault"}, words...), "sealed values are vault and store put together; what they mean is for those above"},
		{[]string{"engine/provider"}, []string{"engine/email", "engine/fault", "engine/dial"}, "a connector speaks to a provider; it knows neither our rows nor our keys"},
		{[]string{"engine/provider/rfc5322"}, []string{"engine/email", "engine/fault"}, "the parser of foreign bytes knows words only"},
		{[]string{"engine/provider/imapmail", "engine/provider/oauth"}, []string{"engine/email", "engine/fault", "engine/dial", "engine/provider", "engine/provider/rfc5322"}, "what connectors share knows no connector"},
		{[]string{"engine/provider/providertest"}, append(slices.Clone(shared), "engine/dial", "engine/provider"), "what tests every connector knows no connector"},
		{[]string{"engine/provider/*"}, append(slices.Clone(shared), "engine/dial", "engine/provider"), "a connector knows neither rows, keys nor another connector; what two need goes to imapmail, oauth or rfc5322"},
		{[]string{"engine/audit", "engine/outbox"}, append([]string{"models/store", "engine/sealed", "engine/vault"}, words...), "a keeper works inside the caller's transaction; keepers do not know each other and not why they are called"},
		{[]string{"engine/tokens"}, append(slices.Clone(words), tools...), "a keeper works inside the caller's transaction; keepers do not know each other and not why they are called"},
		{deeds, slices.Concat(words, tools, keepers), "a deed uses tools and keepers; what two deeds share moves down, and how it is shown is not its business"},
		{[]string{"engine"}, slices.Concat(words, tools, keepers, deeds, []string{"engine/provider/*"}), "the engine runs without any page or door"},
		{[]string{"views/ui"}, []string{"static"}, "a piece of a page knows no domain: it gets strings and times"},
		{[]string{"views/layout"}, []string{"static", "views/ui"}, "views show what they are handed; they look nothing up"},
		{[]string{"views/pages", "views/consent"}, []string{"static", "views/ui", "views/layout"}, "views show what they are handed: a row in a view would put columns on a page unasked"},
		{[]string{"web"}, []string{"views/layout", "static", "models", "engine/fault"}, "the plumbing carries requests; what they mean is for doors and deeds"},
		{doors, slices.Concat([]string{"web", "static", "engine/audit", "engine/provider"}, words, skin, deeds), "a door decodes, calls one deed and shapes the answer; the data and the other doors are out of its reach"},
		{[]string{"cmd/postern/load"}, nil, "what figures are set beside is bare: with anything of ours in it the peer would be ourselves"},
		{[]string{"cmd/postern"}, []string{"*"}, ""},
	}
}

// arrow is a forbidden import that has a reason of its own, better than the general one.
type arrow struct {
	from, to []string
	why      string
}

func arrows() []arrow {
	return []arrow{
		{[]string{"models/store"}, []string{"engine/vault", "engine/sealed"}, "the store keeps ciphertext and must not be able to open it"},
		{keepers, keepers, "keepers stand on one floor: what two of them share is a tool or a word"},
		{deeds, deeds, "deeds stand on one floor: what two of them share moves down to a keeper, a tool or a word"},
		{doors, doors, "doors stand on one floor: what two of them share belongs to web or to a deed"},
		{deeds, []string{"engine/provider/*"}, "deeds know the set of connectors, never one of them: else a seventh provider means changing deeds"},
		{doors, []string{"models/store"}, "a door that queries by itself passes by scopes, audit and permissions"},
		{doors, []string{"engine/vault", "engine/sealed", "engine/tokens"}, "no door may ever hold a provider's token"},
		{skin, []string{"models"}, "a row in a view puts columns on a page that nobody meant to show; a handler fills a view model"},
		{slices.Concat(deeds, keepers, tools, []string{"engine"}), slices.Concat(doors, skin, []string{"web"}), "what the product does must run without anybody looking: no page and no door below the doors"},
		{[]string{"*"}, testKits, "a test kit in the program is a way to open what the program keeps closed"},
	}
}

// foreign is a package of others (or a name in one) with the only folders that may use it. A package ends with "/" for all
// below it too. A name that ends with {} may be named as a type, but not be made.
type foreign struct {
	pkg   string
	names []string // empty: importing it at all
	only  []string
	why   string
}

func foreigners() []foreign {
	engineAndStore := []string{"models", "models/store", "models/store/*", "engine", "engine/*"}
	return []foreign{
		{"github.com/labstack/", nil, []string{"web", "handlers/*", "cmd/postern", "cmd/postern/load"}, "echo's types stay at the doors, so that its next major version is one sweep"},
		{"gorm.io/", nil, []string{"models/store", "cmd/postern/load"}, "all SQL is in models/store"},
		{"github.com/a-h/templ", nil, []string{"views/*", "web", "handlers/*"}, "HTML is made by views and carried by web and doors"},
		{"github.com/tink-crypto/", nil, []string{"engine/vault"}, "encryption has one place, so that a review has one place to read"},
		{"gocloud.dev/", nil, []string{"engine/vault"}, "a key service is asked by the vault alone"},
		{"os/exec", nil, []string{"models/store/cluster", "cmd/postern/load"}, "the program starts no other program, except its private Postgres, and in a bench the mail server that it is compared on"},
		{"github.com/gorilla/", nil, []string{"web"}, "sessions are carried by web alone"},
		{"github.com/go-webauthn/", nil, []string{"engine/access"}, "passkeys are checked in one place"},
		{"github.com/riverqueue/", nil, []string{"engine", "engine/*", "models/store"}, "a job is put into the caller's transaction by the engine, never by a door"},
		{"github.com/jackc/pgx/", nil, []string{"models/store", "models/store/*", "engine", "engine/outbox", "cmd/postern"}, "all SQL is in models/store"},
		{"database/sql", nil, []string{"models/store", "models/store/*", "engine/outbox"}, "all SQL is in models/store; the outbox only hands the caller's transaction to River"},
		{"github.com/emersion/", nil, []string{"engine/provider", "engine/provider/*", "engine/email", "engine/mailer", "cmd/postern/load"}, "mail protocols are the connectors' business, the mailer's for Postern's own mail, and the bare peer's"},
		{"github.com/chromedp/", nil, []string{"none"}, "a browser is for tests"},
		{"testing", nil, []string{"none"}, "package testing is for tests"},
		{"math/rand", nil, []string{"none"}, "its numbers can be guessed; use crypto/rand"},
		{"math/rand/v2", nil, []string{"none"}, "its numbers can be guessed; use crypto/rand"},
		{"crypto/md5", nil, []string{"none"}, "broken; use crypto/sha256"},
		{"crypto/sha1", nil, []string{"none"}, "broken; use crypto/sha256"},
		{"html/template", nil, []string{"engine/provider/sandbox"}, "HTML is made by templ, which escapes by place; only the sandbox, which plays another company, has pages of its own"},
		{"text/template", nil, []string{"none"}, "a template that is compiled at run time can be injected into"},
		{"encoding/gob", nil, []string{"none"}, "it decodes into whatever the sender says"},
		{"unsafe", nil, []string{"none"}, "memory safety is one of the reasons for Go"},
		{"C", nil, []string{"none"}, "the program is one static binary"},
		{"net/http", []string{"ResponseWriter", "Handler", "HandlerFunc", "Handle", "HandleFunc", "ServeMux", "NewServeMux", "Server", "ListenAndServe", "ListenAndServeTLS", "Serve"},
			[]string{"web", "handlers/*", "cmd/postern", "cmd/postern/load", "static", "engine/provider/sandbox"}, "the engine does things, doors serve HTTP: a deed that writes a response can be reached over HTTP only"},
		{"net/http", []string{"Get", "Head", "Post", "PostForm", "DefaultClient", "DefaultTransport", "Client{}", "Transport{}"},
			[]string{"engine/dial", "engine/provider/sandbox"}, "every way out goes through engine/dial, which judges the address; take its HTTPClient (the sandbox walks through its own pages)"},
		{"net", []string{"Dial", "DialTimeout", "DialTCP", "DialUDP", "DialIP", "DialUnix", "Dialer{}"}, []string{"engine/dial", "models/store/cluster", "cmd/postern/load"}, "every way out goes through engine/dial, which judges the address"},
		{"crypto/tls", []string{"Dial", "DialWithDialer", "Dialer{}"}, []string{"engine/dial"}, "every way out goes through engine/dial, which judges the address"},
		{"net/smtp", nil, []string{"none"}, "it dials by itself; every way out goes through engine/dial"},
		{"os", []string{"Getenv", "LookupEnv", "Environ"}, []string{"cmd/postern", "models/store/cluster"}, "the environment is read once, in cmd/postern/config.go"},
		{"log", nil, []string{"none"}, "log/slog is handed in"},
		{"log/slog", []string{"Default", "SetDefault", "Debug", "Info", "Warn", "Error", "DebugContext", "InfoContext", "WarnContext", "ErrorContext", "Log", "LogAttrs"},
			[]string{"none"}, "the logger is handed in: a global one misses redaction and request ids"},
		{"github.com/a-h/templ", []string{"Raw", "SafeScript", "SafeScriptInline"}, []string{"none"}, "it prints what it gets: one slip is script injection"},
		{"github.com/prometheus/", nil, append([]string{"web", "handlers/*", "cmd/postern"}, engineAndStore...), "counters belong to those who count"},
	}
}

// timeNowFree are the folders where a decision must take its time from the clock that is passed in. Naming time.Now as the
// default of a clock is fine; calling it is not. Connectors are left out: the deadline of a connection runs by the machine's
// own clock.
var timeNowFree = []string{"models", "models/store", "engine", "engine/*", "handlers/*", "web", "views/*"}
