package provider

import (
	"fmt"
	"time"
)

// SeveranceFacts is what the wording needs to know of one grant.
type SeveranceFacts struct {
	Address     string    // the mailbox, a label
	Server      string    // host of the mail server, for IMAP and Exchange
	AccessUntil time.Time // latest end of an access token already issued; zero = none, or not known
	// Siblings is how many other connections of the same person through the same provider app end too. It is for the owner of
	// the mailbox and the platform operator only: for all others leave it 0, and the sentence stays general.
	Siblings  int
	Delegated bool // a service account opens the mailbox: no person consented
	HereOnly  bool // the provider is not told, on purpose: it would end what others hold through the same app
}

// Severance is what revoking ends, said before the click. Each list holds whole sentences; an empty one is not shown.
type Severance struct {
	EndsNow   []string // with the click
	EndsBy    []string // a little later, with the time where it is known
	OwnerOnly []string // never by us: what the owner or an administrator must do, and where
}

const (
	ourAccess  = "Every call to %s through this installation, by people and by programs."
	ourTokens  = "All access and refresh tokens that programs hold for this connection."
	ourCopy    = "Our stored credential: it is destroyed, not only hidden."
	ourSockets = "Open connections to the mail server."
)

// OnePermission says whether a provider keeps one permission for a person and an app, so that telling it ends every connection of that person through the app.
func OnePermission(provider string) bool {
	return provider == "google" || provider == "nylas" || provider == "sandbox"
}

// RevocationsPerSecond is how many revocations a provider takes from one app, for estimates. Google publishes no figure for its revocation address; this is what it takes without answering 429,
// with room. A provider that is not told takes any number.
func RevocationsPerSecond(provider string) float64 {
	switch provider {
	case "google":
		return 12
	case "nylas":
		return 5
	case "sandbox":
		return 50
	}
	return 1e6
}

// SeveranceOf is the wording for a provider. A provider that is not known is treated as the least obliging one.
func SeveranceOf(provider string, f SeveranceFacts) Severance {
	who := f.Address
	if who == "" {
		who = "this mailbox"
	}
	s := Severance{EndsNow: []string{fmt.Sprintf(ourAccess, who), ourTokens, ourCopy}}
	if f.HereOnly && !f.Delegated && OnePermission(provider) {
		label := providerLabel(provider)
		s.EndsBy = []string{"An access token that " + label + " issued earlier ends by itself within 90 minutes" + until(f.AccessUntil) + ". Nobody holds it any more."}
		s.OwnerOnly = []string{label + " is not told. The permission stays listed there until its owner removes it" + removedAt(provider) + "."}
		return s
	}
	if f.Delegated {
		label := providerLabel(provider)
		s.EndsBy = []string{"An access token that " + label + " issued earlier ends by itself within 60 minutes" + until(f.AccessUntil) + ". Nobody holds it any more."}
		s.OwnerOnly = delegationSteps
		return s
	}
	switch provider {
	case "google":
		s.EndsBy = []string{"Google is told at once and asked whether the permission is gone. It usually is within minutes" + until(f.AccessUntil) + ".", siblings(f.Siblings)}
	case "microsoft":
		s.EndsBy = []string{"An access token that Microsoft issued earlier ends by itself within 90 minutes" + until(f.AccessUntil) + ". Nobody holds it any more: our copy is destroyed with the rest."}
		s.OwnerOnly = microsoftSteps
	case "yahoo":
		s.EndsBy = []string{"An access token that Yahoo issued earlier ends by itself within 60 minutes" + until(f.AccessUntil) + ". Nobody holds it any more."}
		s.OwnerOnly = []string{"Yahoo offers apps no call to withdraw a permission. The owner removes it at Yahoo under Account security, in the list of connected apps."}
	case "icloud":
		s.EndsNow = append(s.EndsNow, ourSockets)
		s.OwnerOnly = appleSteps
	case "ews":
		s.EndsNow = append(s.EndsNow, ourSockets)
		s.OwnerOnly = passwordSteps(f.Server)
	case "nylas":
		s.EndsBy = []string{"Nylas is told to revoke its tokens and to delete its grant, and is then asked whether the grant is gone.",
			"Nylas keeps one grant for a mailbox and application: any other connection of this mailbox through the same Nylas application ends with it.",
			"What Nylas in turn tells the mail provider is not published; the steps of that provider apply."}
	case "sandbox":
		s.EndsNow = append(s.EndsNow, ourSockets)
		s.EndsBy = []string{"The sandbox provider is told at once and asked whether the refresh token still works. Access tokens it issued end with it.",
			"The sandbox keeps one permission per person and app: any other connection of this person through the same app ends with it."}
	default:
		s.EndsNow = append(s.EndsNow, ourSockets)
		s.OwnerOnly = passwordSteps(f.Server)
	}
	return s
}

// removedAt says where the owner removes a permission that we left alone.
func removedAt(provider string) string {
	if provider == "google" {
		return " at myaccount.google.com/connections"
	}
	return ""
}

var microsoftSteps = []string{
	"Microsoft gives an app no way to withdraw one permission; the permission stays listed until a person removes it.",
	"A work account's owner removes it at myapps.microsoft.com: the app's menu, Manage your application, Revoke permissions. A personal account's owner: account.live.com/consent/Manage.",
	"An administrator can end it for everyone: Entra admin center, Enterprise applications, the app, Properties, Enabled for users to sign in: No. One person's permission is removed with Microsoft Graph or PowerShell (oauth2PermissionGrants).",
}

var delegationSteps = []string{
	"No person consented to this connection: an administrator of the organisation lets a service account act for its mailboxes. The administrator ends that for all of them at admin.google.com: Security, Access and data control, API controls, Manage domain-wide delegation.",
}

var appleSteps = []string{
	"The app-specific password stays good at Apple until its owner removes it: account.apple.com, Sign-In and Security, App-Specific Passwords.",
	"Changing the Apple Account password removes all app-specific passwords at once.",
}

func passwordSteps(server string) []string {
	if server == "" {
		server = "the mail server"
	}
	return []string{"The password itself stays good at " + server + " until it is changed. Its owner, or the server's administrator, changes it, or deletes the app password if one was used."}
}

func until(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return ", at the latest until " + stamp(t)
}

func siblings(n int) string {
	switch {
	case n == 1:
		return "Google keeps one permission per person and app. One more connection of this person through the same app ends with it."
	case n > 1:
		return fmt.Sprintf("Google keeps one permission per person and app. %d more connections of this person through the same app end with it.", n)
	}
	return "Google keeps one permission per person and app: any other connection of this person through the same app ends with it."
}

func stamp(t time.Time) string { return t.UTC().Format("2 January 2006 15:04 UTC") }

// AfterRevocation says on the receipt what happened, in whole sentences, never more than was checked.
// at is when our copy was destroyed.
func AfterRevocation(provider string, f SeveranceFacts, r Revocation, at time.Time) []string {
	out := []string{"We destroyed our copy of the credential on " + stamp(at) + "."}
	label := providerLabel(provider)
	f.Delegated = f.Delegated || r.Delegated
	switch r.Outcome {
	case SeveredVerified:
		if provider == "nylas" {
			out = append(out, "Nylas confirmed that its grant is deleted. We then asked for it once more, and Nylas knows no such grant.")
			break
		}
		out = append(out, label+" confirmed that the permission is withdrawn. We then tried the refresh token once more, and it was refused.")
	case SeveredAtProvider:
		out = append(out, label+" confirmed that the permission is withdrawn. There was no way to try it afterwards.")
	case DeletedHereOnly:
		if f.HereOnly {
			out = append(out, label+" was not told, as asked for: this organisation only. The permission stays listed there; without our copy nobody here can use it.")
			break
		}
		out = append(out, label+" has not confirmed. The permission may still be listed there; without our copy nobody here can use it.")
	case UserActionNeeded:
		out = append(out, label+" offers no way for us to end the rest. What is left to do is listed below.")
	}
	switch r.Silence {
	case SilenceKept:
		out = append(out, label+" was told to send no more notifications of this mailbox, and has no such order any more.")
	case SilenceOpen:
		out = append(out, label+" could not be told to send no more notifications of this mailbox. They end by themselves within 70 hours, hold no mail, and are ignored here.")
	}
	if (r.Status != 0 || r.Answer != "") && !f.HereOnly {
		out = append(out, "Its answer: "+answerWords(r)+".")
	}
	if !r.AccessUntil.IsZero() && r.AccessUntil.After(at) {
		out = append(out, "An access token issued earlier may still work until "+stamp(r.AccessUntil)+". We hold none.")
	}
	if provider == "google" && (r.Outcome == SeveredVerified || r.Outcome == SeveredAtProvider) {
		out = append(out, siblingsEnded(f.Siblings))
	}
	if r.Outcome == DeletedHereOnly || r.Outcome == UserActionNeeded {
		steps := SeveranceOf(provider, f).OwnerOnly
		if provider == "google" && !f.HereOnly && !f.Delegated {
			steps = []string{"The owner can remove the app at myaccount.google.com/connections."}
		}
		if provider == "nylas" {
			steps = []string{"An administrator of the Nylas application can delete the grant in the Nylas Dashboard, under Grants. The mailbox's owner can remove Nylas' app at the mail provider."}
		}
		out = append(out, steps...)
	}
	return out
}

func answerWords(r Revocation) string {
	a := printable(r.Answer, 200)
	if a == "" {
		a = fmt.Sprintf("HTTP status %d", r.Status)
	}
	return a
}

func siblingsEnded(n int) string {
	if n > 0 {
		return fmt.Sprintf("%d other connection(s) of this person through the same app ended with it.", n)
	}
	return "Any other connection of this person through the same app ended with it."
}

func providerLabel(provider string) string {
	switch provider {
	case "google":
		return "Google"
	case "microsoft":
		return "Microsoft"
	case "yahoo":
		return "Yahoo"
	case "icloud":
		return "Apple"
	case "nylas":
		return "Nylas"
	case "sandbox":
		return "The sandbox provider"
	}
	return "The mail server"
}
