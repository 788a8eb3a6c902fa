package provider

const (
	google = "https://www.googleapis.com/auth/"
	graph  = "https://graph.microsoft.com/"

	needsVerification = "Google must verify the app (brand and scope review)."
	needsAssessment   = "Google must verify the app, and an assessor must renew a security assessment every year."
	needsNothing      = ""
	nylasRule         = "Nylas hands the wish on to the mailbox's own provider, whose classes and reviews apply."
	microsoftRule     = "Microsoft has no classes. People may consent unless their organisation asks for an administrator's approval; many do for mail."
)

// scopeTable follows the providers' own pages: Google "Choose Gmail API scopes" and "OAuth 2.0 scopes for Google APIs",
// Microsoft "Microsoft Graph permissions reference", Yahoo "OAuth 2.0 guide". The classes are the provider's, never ours.
var scopeTable = map[string][]Scope{
	"google": {
		{Name: "openid", Short: "openid", Words: "Tell which account this is", Capabilities: []Capability{KnowIdentity}, Sensitivity: NonSensitive, Needs: needsNothing, Identity: true},
		{Name: google + "userinfo.email", Short: "userinfo.email", Words: "See the account's address", Capabilities: []Capability{KnowIdentity}, Sensitivity: NonSensitive, Identity: true},
		{Name: google + "userinfo.profile", Short: "userinfo.profile", Words: "See the account's name", Capabilities: []Capability{KnowIdentity}, Sensitivity: NonSensitive, Identity: true},
		{Name: google + "gmail.readonly", Short: "gmail.readonly", Words: "Read all messages and settings", Capabilities: []Capability{ReadMail}, Sensitivity: Restricted, Needs: needsAssessment},
		{Name: google + "gmail.modify", Short: "gmail.modify", Words: "Read, write and send, and delete to the trash", Capabilities: []Capability{ReadMail, ChangeMail, SendMail, ManageDrafts, ManageFolders}, Sensitivity: Restricted, Needs: needsAssessment},
		{Name: google + "gmail.send", Short: "gmail.send", Words: "Send only", Capabilities: []Capability{SendMail}, Sensitivity: Sensitive, Needs: needsVerification},
		{Name: google + "gmail.compose", Short: "gmail.compose", Words: "Manage drafts and send", Capabilities: []Capability{SendMail, ManageDrafts}, Sensitivity: Restricted, Needs: needsAssessment},
		{Name: google + "gmail.labels", Short: "gmail.labels", Words: "See and change labels", Capabilities: []Capability{ManageFolders}, Sensitivity: NonSensitive},
		{Name: google + "contacts.readonly", Short: "contacts.readonly", Words: "See contacts", Capabilities: []Capability{ReadContacts}, Sensitivity: Sensitive, Needs: needsVerification},
		{Name: google + "contacts", Short: "contacts", Words: "See and change contacts", Capabilities: []Capability{ReadContacts, WriteContacts}, Sensitivity: Sensitive, Needs: needsVerification},
		{Name: google + "gmail.metadata", Short: "gmail.metadata", Words: "See headers and labels, no bodies", Sensitivity: Restricted, Needs: needsAssessment},
		{Name: google + "gmail.insert", Short: "gmail.insert", Words: "Add messages", Sensitivity: Restricted, Needs: needsAssessment},
		{Name: google + "gmail.settings.basic", Short: "gmail.settings.basic", Words: "Change settings and filters", Sensitivity: Restricted, Needs: needsAssessment},
		{Name: google + "gmail.settings.sharing", Short: "gmail.settings.sharing", Words: "Change who else may use the mailbox", Sensitivity: Restricted, Needs: needsAssessment + " Only service accounts may use it."},
		{Name: google + "contacts.other.readonly", Short: "contacts.other.readonly", Words: "See addresses saved by themselves", Capabilities: []Capability{ReadContacts}, Sensitivity: Sensitive, Needs: needsVerification},
		{Name: google + "directory.readonly", Short: "directory.readonly", Words: "See the organisation's directory", Capabilities: []Capability{ReadContacts}, Sensitivity: Sensitive, Needs: needsVerification},
		{Name: "https://mail.google.com/", Short: "mail.google.com", Words: "Everything, permanent deletion and IMAP included", Capabilities: []Capability{ReadMail, ChangeMail, SendMail, ManageDrafts, ManageFolders}, Sensitivity: Restricted, Needs: needsAssessment},
	},
	"microsoft": {
		{Name: "openid", Short: "openid", Words: "Tell which account this is", Capabilities: []Capability{KnowIdentity}, Sensitivity: Unclassified, Identity: true},
		{Name: "profile", Short: "profile", Words: "See the account's name", Capabilities: []Capability{KnowIdentity}, Sensitivity: Unclassified, Identity: true},
		{Name: "email", Short: "email", Words: "See the account's address", Capabilities: []Capability{KnowIdentity}, Sensitivity: Unclassified, Identity: true},
		{Name: "offline_access", Short: "offline_access", Words: "Keep the connection until it is cut", Sensitivity: Unclassified, Identity: true},
		{Name: graph + "User.Read", Short: "User.Read", Words: "Read the person's own profile", Capabilities: []Capability{KnowIdentity}, Sensitivity: Unclassified, Identity: true},
		{Name: graph + "Mail.Read", Short: "Mail.Read", Words: "Read mail", Capabilities: []Capability{ReadMail}, Sensitivity: Unclassified, Needs: microsoftRule},
		{Name: graph + "Mail.ReadWrite", Short: "Mail.ReadWrite", Words: "Read, change and delete mail, drafts and folders", Capabilities: []Capability{ReadMail, ChangeMail, ManageDrafts, ManageFolders}, Sensitivity: Unclassified, Needs: microsoftRule},
		{Name: graph + "Mail.Send", Short: "Mail.Send", Words: "Send mail", Capabilities: []Capability{SendMail}, Sensitivity: Unclassified, Needs: microsoftRule},
		{Name: graph + "Contacts.Read", Short: "Contacts.Read", Words: "Read contacts", Capabilities: []Capability{ReadContacts}, Sensitivity: Unclassified, Needs: microsoftRule},
		{Name: graph + "Contacts.ReadWrite", Short: "Contacts.ReadWrite", Words: "Read and change contacts", Capabilities: []Capability{ReadContacts, WriteContacts}, Sensitivity: Unclassified, Needs: microsoftRule},
		{Name: graph + "Mail.Read.Shared", Short: "Mail.Read.Shared", Words: "Read own and shared mail", Capabilities: []Capability{ReadMail}, Sensitivity: Unclassified, Needs: microsoftRule},
		{Name: graph + "Mail.ReadWrite.Shared", Short: "Mail.ReadWrite.Shared", Words: "Read, change and delete own and shared mail", Capabilities: []Capability{ReadMail, ChangeMail, ManageDrafts, ManageFolders}, Sensitivity: Unclassified, Needs: microsoftRule},
		{Name: graph + "People.Read", Short: "People.Read", Words: "See people the person works with", Capabilities: []Capability{ReadContacts}, Sensitivity: Unclassified, Needs: microsoftRule},
	},
	"yahoo": {
		{Name: "email", Short: "email", Words: "See the account's address", Capabilities: []Capability{KnowIdentity}, Sensitivity: Unclassified, Identity: true},
		{Name: "mail-r", Short: "mail-r", Words: "Read mail", Capabilities: []Capability{ReadMail}, Sensitivity: Unclassified, Needs: "Yahoo gives mail scopes only to apps it has approved."},
		{Name: "mail-w", Short: "mail-w", Words: "Change, delete and send mail", Capabilities: []Capability{ChangeMail, SendMail, ManageDrafts, ManageFolders}, Sensitivity: Unclassified, Needs: "Yahoo gives mail scopes only to apps it has approved."},
	},
	// Nylas has no scopes of its own: a grant there holds those of the mailbox's provider. These are our words for what such a grant may do; ScopeOf finds the provider's beside them.
	"nylas": {
		{Name: string(KnowIdentity), Short: string(KnowIdentity), Words: "See the account's address", Capabilities: []Capability{KnowIdentity}, Sensitivity: Unclassified, Identity: true},
		{Name: string(ReadMail), Short: string(ReadMail), Words: "Read messages, folders and attachments", Capabilities: []Capability{ReadMail}, Sensitivity: Unclassified, Needs: nylasRule},
		{Name: string(ChangeMail), Short: string(ChangeMail), Words: "Mark, move and delete messages", Capabilities: []Capability{ChangeMail}, Sensitivity: Unclassified, Needs: nylasRule},
		{Name: string(SendMail), Short: string(SendMail), Words: "Send messages", Capabilities: []Capability{SendMail}, Sensitivity: Unclassified, Needs: nylasRule},
		{Name: string(ManageDrafts), Short: string(ManageDrafts), Words: "Write, change and delete drafts", Capabilities: []Capability{ManageDrafts}, Sensitivity: Unclassified, Needs: nylasRule},
		{Name: string(ManageFolders), Short: string(ManageFolders), Words: "Create, rename and delete folders", Capabilities: []Capability{ManageFolders}, Sensitivity: Unclassified, Needs: nylasRule},
	},
	// The sandbox classes its scopes after the example of the strictest provider, so that every badge can be seen.
	"sandbox": {
		{Name: "identity", Short: "identity", Words: "See the account's name and address", Capabilities: []Capability{KnowIdentity}, Sensitivity: NonSensitive, Identity: true},
		{Name: "mail.read", Short: "mail.read", Words: "Read messages and folders", Capabilities: []Capability{ReadMail}, Sensitivity: Restricted, Needs: "Nothing: the sandbox reviews no app."},
		{Name: "mail.modify", Short: "mail.modify", Words: "Mark, move and delete messages", Capabilities: []Capability{ChangeMail}, Sensitivity: Restricted, Needs: "Nothing: the sandbox reviews no app."},
		{Name: "mail.send", Short: "mail.send", Words: "Send messages", Capabilities: []Capability{SendMail}, Sensitivity: Sensitive, Needs: "Nothing: the sandbox reviews no app."},
		{Name: "mail.drafts", Short: "mail.drafts", Words: "Write, change and delete drafts", Capabilities: []Capability{ManageDrafts}, Sensitivity: Restricted, Needs: "Nothing: the sandbox reviews no app."},
		{Name: "mail.folders", Short: "mail.folders", Words: "Create, rename and delete folders", Capabilities: []Capability{ManageFolders}, Sensitivity: NonSensitive},
		{Name: "contacts.read", Short: "contacts.read", Words: "Read contacts", Capabilities: []Capability{ReadContacts}, Sensitivity: Sensitive, Needs: "Nothing: the sandbox reviews no app."},
	},
}
