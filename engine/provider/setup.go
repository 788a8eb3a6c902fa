package provider

import "strings"

// SetupStep is one thing to do at the provider before a connector works. Value, where it is set, is to be copied there as it stands.
type SetupStep struct {
	Title, Text string
	Value       string
	Label       string // what Value is
}

// Setup is what an administrator does at a provider, in order, to register this installation there: the provider's own page names, so that they can be found. redirect is
// the address that the provider sends people back to; scopes are those that the connector asks for. Empty for a provider without registration.
// The page names are those of the providers' documentation in 2026: Google's "Get started with the Google Auth Platform" and "Manage OAuth clients", Microsoft's
// "Register an application" and "Publisher verification", Yahoo's "OAuth 2.0 guide" and mail access form, Nylas' dashboard.
func Setup(name, redirect string, scopes []string) []SetupStep {
	ask := strings.Join(scopes, "\n")
	back := SetupStep{Value: redirect, Label: "Redirect address"}
	switch name {
	case "google":
		back.Title = "Create the client"
		back.Text = `In "Google Auth Platform", "Clients", choose "Create client", type "Web application", and add this under "Authorized redirect URIs", letter by letter. Google shows the client secret once, at the end: keep it for the form here.`
		return []SetupStep{
			{Title: "Choose the project and enable Gmail", Text: `In the Google Cloud console pick or make a project, then enable the "Gmail API" under "APIs & Services", "Library".`},
			{Title: "Say who you are", Text: `"Google Auth Platform", "Branding": the app's name and your support address. People read both on the consent page.`},
			{Title: "Say who may connect", Text: `"Audience": "Internal" for your own Workspace only, "External" for customers. Then publish the app: while its status is "Testing", Google ends every connection after seven days and lets in named test users alone.`},
			{Title: "Name the rights", Text: `"Data access", "Add or remove scopes": the ones below, no more. Reading or changing mail is a restricted scope: Google wants a verification and a yearly security assessment before people outside your organisation see no warning.`, Value: ask, Label: "Scopes"},
			back,
		}
	case "microsoft":
		back.Title = "Register the application"
		back.Text = `In the Microsoft Entra admin center, "App registrations", "New registration". Account types: "Accounts in any organizational directory and personal Microsoft accounts" for customers, or one directory alone. Redirect URI: platform "Web", and this address.`
		return []SetupStep{
			back,
			{Title: "Make a client secret", Text: `"Certificates & secrets", "New client secret". Copy its Value, not its id. It ends after 24 months at most: write the day into the form here and Postern reminds you.`},
			{Title: "Name the rights", Text: `"API permissions", "Add a permission", "Microsoft Graph", "Delegated permissions": the ones below. Leave application permissions alone: they open every mailbox of a directory.`, Value: ask, Label: "Permissions"},
			{Title: "Verify the publisher", Text: `"Branding & properties", "Publisher verification". Without it Microsoft shows "unverified", and since November 2020 people of other organisations cannot consent themselves: their administrator has to.`},
			{Title: "Keep one directory apart, if you wish", Text: `A connector can be bound to one directory: enter its id as "tenant". Left empty, work, school and personal accounts all may connect.`},
		}
	case "yahoo":
		back.Title = "Create the app"
		back.Text = `On the Yahoo developer site, "Create an app": type "Confidential client", and this as the redirect address. Under API permissions tick "Mail" with the rights below; it appears once Yahoo has opened it for you.`
		return []SetupStep{
			{Title: "Ask for mail access", Text: `Yahoo gives mail rights to apps only after its mail API access form and a commercial agreement. Until then, people can connect with an app password through the IMAP connector.`},
			back,
			{Title: "Name the rights", Text: "The app and the connector must list the same ones.", Value: ask, Label: "Rights"},
		}
	case "icloud":
		return []SetupStep{{Title: "Nothing to register", Text: `Apple has no sign-in for mail programs. Each person makes an app-specific password at account.apple.com, "Sign-In and Security", "App-Specific Passwords"; the connect page guides them. It ends when they change their Apple password.`}}
	case "imap":
		return []SetupStep{{Title: "Nothing to register", Text: "The mail server is found from the address, or given by the person who connects. Encryption is demanded."}}
	case "ews":
		return []SetupStep{{Title: "Nothing to register", Text: "For Exchange on your customer's own servers. Autodiscover finds the server; it must be reachable from here by https. Exchange Online is Microsoft: it is told apart and sent there."}}
	case "nylas":
		return []SetupStep{
			{Title: "Make an API key", Text: `In the Nylas dashboard, in your application of the right region, "API keys", "Generate new key". It goes into the form here as the secret; the application's id is the client id.`},
			{Title: "Allow the way back", Text: `"Hosted authentication", "Callback URIs", platform "Web".`, Value: redirect, Label: "Callback address"},
		}
	}
	return nil
}
