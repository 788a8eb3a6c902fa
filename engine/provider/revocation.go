package provider

import "time"

// Outcome is how far a revocation got.
type Outcome string

// The outcomes, the surest first.
const (
	SeveredVerified   Outcome = "severed-verified"    // the provider said yes, and a probe with the refresh token failed with invalid_grant
	SeveredAtProvider Outcome = "severed-at-provider" // the provider said yes; no probe was possible
	DeletedHereOnly   Outcome = "deleted-here-only"   // our copy is gone; what the provider keeps is not known
	UserActionNeeded  Outcome = "user-action-needed"  // our copy is gone; only the owner or an administrator can end the rest
)

// Revocation is what a provider answered when told. It holds no secret and may be shown on the receipt.
type Revocation struct {
	Outcome     Outcome
	Answer      string    // the provider's answer in its own words, shortened: "200 OK", "400 invalid_token"
	Status      int       // HTTP status; 0 when nothing was asked
	ProbeAnswer string    // what the probe got; empty when there was none
	Delegated   bool      // nobody consented: only an administrator can end what is left
	AccessUntil time.Time // the latest moment at which an issued access token can still work; zero = none can
	Silence     Silence   // whether it pushes what changes in the mailbox
}

// Silence is how it stands with a provider's pushes after a revocation. Empty: there were none.
type Silence string

// The outcomes of ending pushes.
const (
	SilenceKept Silence = "silent" // it was told to push no more, and has no such order any more
	SilenceOpen Silence = "open"   // it could not be told
)
