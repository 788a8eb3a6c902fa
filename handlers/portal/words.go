package portal

import (
	"context"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/models"
)

var providerNames = []choice{
	{"google", "Google"}, {"microsoft", "Microsoft"}, {"yahoo", "Yahoo"}, {"icloud", "iCloud"}, {"ews", "Exchange"}, {"imap", "IMAP"}, {"nylas", "Nylas"}, {"sandbox", "Sandbox"},
}

// providerName is a provider's name for people.
func providerName(code string) string {
	for _, n := range providerNames {
		if n.value == code {
			return n.label
		}
	}
	return code
}

func roleWord(r models.Role) string {
	text := string(r)
	if text == "" {
		return ""
	}
	return strings.ToUpper(text[:1]) + text[1:]
}

var roleHelp = map[models.Role]string{
	models.Owner: "Everything, owners included.", models.Admin: "Sets up applications, connectors, keys and members; everything support does.",
	models.Support: "Finds tenants and mailboxes, makes connect links, cuts access, works with webhooks.", models.Reviewer: "Reads everything that proves control. Changes nothing.",
	models.Customer: "Sees and cuts the mailboxes of one organisation.",
}

// capabilityWords says capabilities as the views want them: lower case at the start.
func capabilityWords(list []provider.Capability) []string {
	out := make([]string, 0, len(list))
	for _, c := range list {
		if c != provider.KnowIdentity {
			out = append(out, lower(c.Words()))
		}
	}
	return out
}

// rights splits all capabilities into what a program can do through the grant and what it cannot. Through one that is revoked or not yet redeemed it
// can do nothing, whatever the provider gave.
func rights(g models.Grant) (can, cannot []string) {
	have := provider.CapabilitiesOf(g.Provider, g.ScopesGranted)
	if g.Status == models.GrantRevoked || g.Status == models.GrantPending {
		have = nil
	}
	var not []provider.Capability
	for _, c := range provider.Capabilities() {
		found := false
		for _, h := range have {
			found = found || h == c
		}
		if !found {
			not = append(not, c)
		}
	}
	return capabilityWords(have), capabilityWords(not)
}

func lower(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	return string(unicode.ToLower(r)) + s[n:]
}

var mailAddress = regexp.MustCompile(`[A-Za-z0-9.!#$%&'*+/=?^_{|}~-]+@[A-Za-z0-9.-]+`)

// masked hides who owns a mailbox from those who review the control and not the people: the first letter and the domain are left.
func masked(a models.Actor, text string) string {
	if !a.Masked() {
		return text
	}
	return mailAddress.ReplaceAllStringFunc(text, func(address string) string {
		at := strings.LastIndexByte(address, '@')
		return address[:1] + "…" + address[at:]
	})
}

// applications names every application, for pages whose viewers may not read the applications themselves: which program holds a
// mailbox is no secret to anybody who may see the mailbox.
func (p *Portal) applicationNames(ctx context.Context) (map[models.ApplicationID]string, []choice, error) {
	rows, err := p.Applications.List(ctx, models.System("portal"))
	names := map[models.ApplicationID]string{}
	var list []choice
	for _, r := range rows {
		names[r.ID] = r.Name
		list = append(list, choice{r.ID.String(), r.Name})
	}
	return names, list, err
}

// statusReasons says in words why a grant has its status. A time follows, so no full stop does.
var statusReasons = map[string]string{
	"connected": "It was connected", "reconnected": "It was reconnected", "refresh_refused": "The provider refused to renew the access", "cut_at_provider": "It was cut at the provider",
	"credential_refused": "The mail server no longer takes the password", "revoked": "Access was revoked", "consent_given": "Consent was given; the program has not fetched its code yet",
}

// cutCauses says in words why a provider ended an access itself. The words are not a claim of ours: they are what the provider says.
var cutCauses = map[string]string{
	"tokens_revoked": "its owner withdrew the permission", "account_disabled": "the account was disabled", "account_purged": "the account was deleted",
	provider.ClaimsChallenge: "Microsoft ended the session and demands a new sign-in, as after a changed password, a disabled account or a new policy",
}

// statusWords says why a grant has its status, with the cause where the provider told one.
func statusWords(g models.Grant) string {
	words := reasonWords(g.StatusReason)
	if cause := cutCauses[g.StatusDetail]; g.StatusReason == "cut_at_provider" && cause != "" {
		words += ": " + cause
	}
	return words
}

func reasonWords(code string) string {
	if w, ok := statusReasons[code]; ok {
		return w
	}
	if code == "" {
		return ""
	}
	text := strings.ReplaceAll(code, "_", " ")
	return strings.ToUpper(text[:1]) + text[1:]
}

// acts says audit actions as verbs in the past, after the actor's name.
var acts = map[string]string{
	"session.begin": "signed in", "session.end": "signed out", "session.end_all": "ended every session of", "passkey.add": "added the passkey", "passkey.remove": "removed the passkey",
	"member.create": "added the member", "member.invite": "invited", "member.disable": "locked out", "member.enable": "let in again", "member.change_role": "changed the role of",
	"evidence.make": "asked for an", "evidence.made": "made an", "evidence.download": "downloaded an", "evidence.attach": "attached the document", "evidence.remove": "removed the document",
	"audit.read": "read the", "audit.export": "took a file of the", "audit.erase": "erased a person from the",
	"egress.new_host": "reached for the first time", "egress.seen": "looked at",
	"guest_pass.create": "gave a guest pass to", "guest_pass.revoke": "revoked the guest pass of", "guest_pass.use": "came in with the pass",
	"keys.rotate": "began to rotate", "keys.rotated": "finished rotating", "data_key.rotate": "renewed", "data_key.settle": "destroyed the older keys of",
	"api_key.create": "created the API key", "api_key.revoke": "revoked the API key", "service_account.create": "created the service account", "service_account.revoke": "revoked the service account",
	"tenant.create": "added the tenant", "tenant.rename": "renamed the tenant",
	"connect_link.create": "made the connect link", "connect_link.withdraw": "withdrew the connect link", "grant.create": "connected", "grant.connect": "connected", "grant.reconnect": "reconnected", "grant.update": "changed",
	"grant.revoke": "revoked", "grant.delete": "deleted", "grant.revoke_tokens": "revoked the tokens of", "grant.expire": "marked as needing a reconnect", "grant.sever": "ended at the provider", "grant.confirm_severed": "wrote down the customer's confirmation for",
	"webhook.create": "created the webhook", "webhook.update": "changed the webhook", "webhook.delete": "deleted the webhook", "webhook.rotate_secret": "rotated the secret of",
	"webhook.end_overlap": "ended the overlap of", "webhook.extend_overlap": "extended the overlap of", "webhook.test": "sent a test event to", "webhook.replay": "replayed a delivery to",
	"webhook.disable": "stopped sending to", "application.create": "added the application", "application.update": "changed the application", "callback_uri.add": "registered the callback",
	"callback_uri.update": "changed the callback", "callback_uri.remove": "removed the callback", "connector.create": "set up the connector", "connector.update": "changed the connector",
	"connector.delete": "deleted the connector", "offboarding.plan": "planned the offboarding of", "offboarding.approve": "approved the offboarding of", "offboarding.withdraw": "withdrew the offboarding of",
	"offboarding.start": "closed the door of", "offboarding.end_access": "ended the keys and members of", "offboarding.stop_waiting": "stopped waiting for the providers of",
	"offboarding.shred": "destroyed the data key of", "offboarding.complete": "wrote the certificate of",
}

func actWords(action string) string {
	if w, ok := acts[action]; ok {
		return w
	}
	noun, verb, _ := strings.Cut(action, ".")
	return strings.ReplaceAll(verb, "_", " ") + " (" + strings.ReplaceAll(noun, "_", " ") + ")"
}

// browserName says in two words what a user agent is: "Firefox on Linux". It is a hint for a person, and decides nothing.
func browserName(userAgent string) string {
	browser, system := "A browser", ""
	for _, b := range []choice{{"Edg/", "Edge"}, {"OPR/", "Opera"}, {"Firefox/", "Firefox"}, {"Chrome/", "Chrome"}, {"Safari/", "Safari"}, {"curl/", "curl"}} {
		if strings.Contains(userAgent, b.value) {
			browser = b.label
			break
		}
	}
	for _, s := range []choice{{"Android", "Android"}, {"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Windows", "Windows"}, {"Mac OS X", "macOS"}, {"Linux", "Linux"}} {
		if strings.Contains(userAgent, s.value) {
			system = " on " + s.label
			break
		}
	}
	return browser + system
}

// timeOf is a time that may be unknown, as views have it: zero.
func timeOf(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}
