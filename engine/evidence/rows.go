package evidence

import (
	"fmt"
	"strings"
	"time"
)

// requirements is the map. Each row is judged by what is there now; none is a constant. ASVS is OWASP's Application Security Verification Standard 5.0, level 2;
// CASA the App Defense Alliance's Cloud Application Security Assessment.
func requirements() []Requirement {
	return append(append(primitives(), asvs()...), append(casa(), assessments()...)...)
}

func primitives() []Requirement {
	return []Requirement{
		{ID: "reach", Group: "primitive", Text: "Which mailboxes can be reached, and with which rights?", Primitive: "Scoped consent and inventory", Evidence: "/grants",
			How: "Mailboxes that can be reached and for which rights were asked, without a record of the rights that were given, are counted.",
			judge: func(f facts) (State, string) {
				return none(f.Unrecorded, "Every mailbox that can be reached is listed with what was asked for and what was given.", "mailbox is reachable without a record of the rights that were given",
					"mailboxes are reachable without a record of the rights that were given")
			}},
		{ID: "cut", Group: "primitive", Text: "Can access be cut the day a customer leaves?", Primitive: "Revoke and delete, with a receipt", Evidence: "/receipts",
			How: "Severances that have waited for a provider for more than 72 hours are counted, and closed ones without their receipt.",
			judge: func(f facts) (State, string) {
				if f.Overdue > 0 {
					return NotMet, plural(f.Overdue, "mailbox waits", "mailboxes wait") + " for a provider's answer for more than three days."
				}
				if f.Open > 0 {
					return Met, "Access ends here at once. Of " + plural(f.Open, "mailbox", "mailboxes") + " the provider's part is not finished yet."
				}
				return Met, "Access ends here at once. Nothing is waiting for a provider's answer."
			}},
		{ID: "events", Group: "primitive", Text: "Does every event prove where it comes from?", Primitive: "Signed events and the verification log", Evidence: "/verifications",
			How: "Signed requests that came in within 30 days are counted by verdict; a day without one accepted, our own self-check included, counts against it.",
			judge: func(f facts) (State, string) {
				if f.Accepted+f.Refused == 0 {
					return NotClaimed, "No signed request came in within 30 days, so there is nothing to judge by."
				}
				if !f.SelfChecked {
					return NotMet, "No signed event was accepted within a day, not even Postern's own: its self-check does not run."
				}
				return Met, fmt.Sprintf("In 30 days %d requests were accepted by signature and %d refused. None got in unchecked.", f.Accepted, f.Refused)
			}},
		{ID: "encryption", Group: "primitive", Text: "Is it encrypted on the way and at rest?", Primitive: "TLS and envelope encryption", Evidence: "/security/encryption",
			How: "The base address must be https, and every sealed value must be under the key in use of its organisation.",
			judge: func(f facts) (State, string) {
				if f.PlainHTTP {
					return NotMet, "Credentials are sealed with a key of each organisation. The portal is reached by plain http on this machine, as a demo is."
				}
				if f.Keys.Sealed > 0 && !f.Keys.Settled {
					return NotMet, fmt.Sprintf("%d of %d sealed values are under the key in use; a rotation is not finished.", f.Keys.Current, f.Keys.Sealed)
				}
				return Met, fmt.Sprintf("The portal is reached by https only. %d values are sealed, all under the key in use of their organisation.", f.Keys.Sealed)
			}},
		{ID: "region", Group: "primitive", Text: "Where does the data live?", Primitive: "A region for each organisation", Evidence: "/security/residency",
			How: "Organisations whose region is another than this installation's are counted.",
			judge: func(f facts) (State, string) {
				return none(f.Elsewhere, "Everything is in region "+strings.ToUpper(f.Region)+": this installation, its database, its keys and all its organisations.", "organisation belongs to another region than this installation's",
					"organisations belong to another region than this installation's")
			}},
	}
}

func asvs() []Requirement {
	row := func(id, section, text, primitive, evidence, how string, judge func(facts) (State, string)) Requirement {
		return Requirement{ID: id, Group: "asvs", Ref: "ASVS 5.0, " + section, Text: text, Primitive: primitive, Evidence: evidence, How: how, judge: judge}
	}
	return []Requirement{
		row("asvs-passkeys", "6.3.3", "People sign in with more than one factor", "Passkeys that verify the person", "/members", "Members who are not locked out and have no passkey are counted.",
			func(f facts) (State, string) {
				if f.Staff == 0 {
					return NotClaimed, "Nobody is a member yet."
				}
				return none(f.StaffNoPasskey, plural(f.Staff, "member signs", "members sign")+" in with a passkey, and there is no other way in.", "member has no passkey", "members have no passkey")
			}),
		row("asvs-sessions", "7.3.1, 7.3.2", "Sessions end by themselves", "Idle and longest life by role", "/members", "Sessions in force that were given more than 12 hours are counted.",
			func(f facts) (State, string) {
				return none(f.LongSessions, "No session in force was given more than 12 hours; unused ones end after 30 minutes at most.", "session was given a longer life than any role has", "sessions were given a longer life than any role has")
			}),
		row("asvs-tenants", "8.4.1", "One customer can never reach another's data", "Row-level security, forced", "/security", "Tables that carry a tenant and do not force row-level security are counted in the database's own catalogue.",
			func(f facts) (State, string) {
				return none(f.Unwalled, fmt.Sprintf("All %d tables that hold a customer's rows force row-level security.", f.TenantTables), "table that holds customers' rows does not force row-level security", "tables that hold customers' rows do not force row-level security")
			}),
		row("asvs-callbacks", "10.4.1", "Codes go to registered addresses only, by https", "Exact callback addresses", "/applications", "Registered callback addresses over plain http that are not the program's own machine are counted.",
			func(f facts) (State, string) {
				if f.Callbacks == 0 {
					return NotClaimed, "No callback address is registered."
				}
				return none(f.PlainCallbacks, plural(f.Callbacks, "address is", "addresses are")+" registered, compared letter by letter, none of them plain http.", "registered address is plain http", "registered addresses are plain http")
			}),
		row("asvs-keys", "11.1.1", "Keys are renewed within their time", "Key rotation", "/security/encryption", "The age of the oldest data key in use is compared with a year.",
			func(f facts) (State, string) {
				if f.Keys.Oldest.IsZero() {
					return NotClaimed, "There is no data key yet."
				}
				if age := f.now.Sub(f.Keys.Oldest); age > 365*24*time.Hour {
					return NotMet, fmt.Sprintf("The oldest data key has been in use for %d days. Rotate the keys.", int(age.Hours()/24))
				}
				return Met, "No data key has been in use for more than a year."
			}),
		row("asvs-ciphers", "11.3.2", "Only approved, authenticated ciphers", "AES-256-GCM, one place in the code", "/security/encryption", "Sealed values that are not under a known key are counted.",
			func(f facts) (State, string) {
				if f.Keys.Sealed == 0 {
					return NotClaimed, "Nothing is sealed yet."
				}
				if f.Keys.Current != f.Keys.Sealed {
					return NotMet, fmt.Sprintf("%d values are not under the key in use.", f.Keys.Sealed-f.Keys.Current)
				}
				return Met, fmt.Sprintf("All %d sealed values are AES-256-GCM under the key in use.", f.Keys.Sealed)
			}),
		row("asvs-tls", "12.1.1, 12.2.1", "TLS for everybody who comes from outside", "https only", "/security/encryption", "The base address is looked at.",
			func(f facts) (State, string) {
				if f.PlainHTTP {
					return NotMet, "The base address is plain http."
				}
				return Met, "The base address is https; TLS 1.2 is the least that is spoken."
			}),
		row("asvs-roles", "13.2.2", "The program has no more rights in its database than it needs", "Two runtime roles", "/security", "Runtime roles that are superuser or pass by row-level security are counted.",
			func(f facts) (State, string) {
				return none(f.StrongRoles, "No role of the running program is superuser or passes by row-level security.", "role of the running program is superuser or passes by row-level security", "roles of the running program are superuser or pass by row-level security")
			}),
		row("asvs-egress", "13.2.4, 13.2.5", "Connections to the outside are limited and known", "The egress guard and its ledger", "/security/egress", "Public networks that the operator opened are looked for, and new hosts that nobody has looked at are counted.",
			func(f facts) (State, string) {
				if f.OpenEgress {
					return NotMet, "The operator opened public or all addresses in the egress guard."
				}
				return none(f.NewHosts, plural(f.Hosts, "outside host is", "outside hosts are")+" in the ledger, each looked at by a person.", "new outside host was not looked at by a person", "new outside hosts were not looked at by a person")
			}),
		row("asvs-secrets", "13.3.1, 13.3.2", "Secrets are kept apart, for those who need them", "Sealed values", "/security/encryption", "Tables of sealed values that the role for all tenants could read are counted.",
			func(f facts) (State, string) {
				return none(f.SealedReachable, "The role that sees all tenants can read no sealed value and no data key.", "table of sealed values can be read by the role that sees all tenants", "tables of sealed values can be read by the role that sees all tenants")
			}),
		row("asvs-log", "16.3.3, 16.4.3", "What happens is logged, completely", "The Merkle log", "/audit", "Entries that wait for the log for more than a minute, and a newest checkpoint that does not hold, count against it.",
			func(f facts) (State, string) {
				switch {
				case f.LogEmpty:
					return NotClaimed, "The log has no checkpoint yet."
				case !f.LogHolds:
					return NotMet, "The newest checkpoint does not hold: its signature or the stored tree is another."
				case f.AuditOldest != nil && f.now.Sub(*f.AuditOldest) > time.Minute:
					return NotMet, plural(f.AuditWaiting, "entry waits", "entries wait") + " for the log for more than a minute."
				}
				return Met, "Every entry is in the log within a minute, and the newest signed checkpoint holds."
			}),
		row("asvs-log-guard", "16.4.2", "Nobody can change what was logged", "Append-only audit", "/audit", "Rights of the runtime roles to change or delete audit entries are counted, and the triggers that refuse it must be on.",
			func(f facts) (State, string) {
				if f.AuditGuards < 3 { // against changes, removal, and emptying the table
					return NotMet, "A trigger that refuses changes of audit entries is off."
				}
				return none(f.AuditWritable, "No role of the running program may change or delete an audit entry, and a trigger refuses it even to the owner.", "right to change or delete audit entries was given to the running program", "rights to change or delete audit entries were given to the running program")
			}),
	}
}

func casa() []Requirement {
	row := func(id, section, text, primitive, evidence, how string, judge func(facts) (State, string)) Requirement {
		return Requirement{ID: id, Group: "casa", Ref: "CASA " + section, Text: text, Primitive: primitive, Evidence: evidence, How: how, judge: judge}
	}
	return []Requirement{
		row("casa-tokens", "2.3", "Tokens can be withdrawn, and end within a day", "Access tokens of one hour", "/applications", "Access tokens without an end, or of more than a day, are counted.",
			func(f facts) (State, string) {
				return none(f.LastingTokens, "No access token lasts longer than a day, and each is looked up with every call.", "access token lasts longer than a day", "access tokens last longer than a day")
			}),
		row("casa-keys", "6.7", "Programs' keys do not last for ever", "API keys with an end", "/api-keys", "API keys in force that have no end and are older than a year are counted.",
			func(f facts) (State, string) {
				if f.InstallationFacts.Keys == 0 {
					return NotClaimed, "There is no API key."
				}
				return none(f.KeysForever, plural(f.InstallationFacts.Keys, "key is", "keys are")+" in force, none of them endless and older than a year.", "key has no end and is older than a year", "keys have no end and are older than a year")
			}),
		row("casa-webhooks", "7.1", "Every webhook is signed with a secret of its own", "Webhook secrets", "/webhooks", "Webhooks without a secret in force are counted.",
			func(f facts) (State, string) {
				if f.Webhooks == 0 {
					return NotClaimed, "There is no webhook."
				}
				return none(f.WebhooksNoSecret, plural(f.Webhooks, "webhook signs", "webhooks sign")+" with a secret of its own.", "webhook has no secret in force", "webhooks have no secret in force")
			}),
		row("casa-secrets", "7.3", "Webhook secrets are renewed", "Secret rotation with an overlap", "/webhooks", "Webhook secrets in force that are older than 180 days are counted.",
			func(f facts) (State, string) {
				if f.Webhooks == 0 {
					return NotClaimed, "There is no webhook."
				}
				return none(f.OldSecrets, "No webhook secret in force is older than 180 days.", "webhook secret is older than 180 days", "webhook secrets are older than 180 days")
			}),
		row("casa-rights", "least privilege", "No right is held that is not used", "The least-privilege meter", "/security/rights", "Rights that mailboxes gave and that none of them used for 90 days are named.",
			func(f facts) (State, string) {
				held := 0
				for _, r := range f.Rights.Rights {
					held += r.Granted
				}
				switch {
				case held == 0:
					return NotClaimed, "No mailbox can be reached, so no right is held."
				case len(f.IdleRights) > 0:
					return NotMet, "Given, and not used for 90 days by anybody: " + join(f.IdleRights) + "."
				}
				return Met, "Every right that was given was used within 90 days."
			}),
		row("casa-deletion", "data deletion", "Deletion leaves a proof", "Receipts", "/receipts", "Severances that are closed and have no receipt are counted.",
			func(f facts) (State, string) {
				return none(f.NoReceipt, "Every severance that is closed has its receipt.", "severance is closed without a receipt", "severances are closed without a receipt")
			}),
		{ID: "casa-scans", Group: "casa", Ref: "CASA 4.1, 6.1", Text: "TLS, components and application were scanned", Primitive: "A scan from outside", Evidence: "/security/requirements/casa-scans", Documents: true,
			How: "A scan is done from outside; Postern cannot do it to itself. Attach the report.", judge: depends("A scan comes from outside. Attach its report here; what it says is for the reader.")},
	}
}

func assessments() []Requirement {
	const how = "Nothing is measured. Only an attached document and its end are shown."
	return []Requirement{
		{ID: "soc2", Group: "assessment", Text: "SOC 2", Primitive: "Your own assessment", Evidence: "/security/requirements/soc2", How: how, Documents: true,
			judge: depends("Depends on your own assessment and contract. No software can claim it.")},
		{ID: "hipaa", Group: "assessment", Text: "HIPAA", Primitive: "Your own contract", Evidence: "/security/requirements/hipaa", How: how, Documents: true,
			judge: depends("Depends on your own assessment and contract. No software can claim it.")},
	}
}

func depends(text string) func(facts) (State, string) {
	return func(facts) (State, string) { return NotClaimed, text }
}
