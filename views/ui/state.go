package ui

import "strings"

// tone is what a state means for the reader: the colour follows it, never the other way round.
type tone string

const (
	good  tone = "good"  // as it should be
	warn  tone = "warn"  // somebody has to act
	bad   tone = "bad"   // refused, failed
	wait  tone = "wait"  // under way
	ended tone = "ended" // over, on purpose
	plain tone = "plain" // neither
)

type stateLook struct {
	word string
	tone tone
	icon string
}

// states are all states of the product, under the codes that handlers pass. One state has one word, one icon and one colour everywhere.
var states = map[string]stateLook{
	// grants
	"valid":   {"Valid", good, "good"},
	"invalid": {"Needs reconnect", warn, "warn"},
	"pending": {"Pending", wait, "wait"},
	"revoked": {"Revoked", ended, "ended"},
	"deleted": {"Deleted", ended, "off"},
	// verifications
	"accepted": {"Accepted", good, "good"},
	"refused":  {"Refused", bad, "bad"},
	"rejected": {"Refused", bad, "bad"},
	// rights, outside hosts, evidence packs
	"idle":      {"Not used", warn, "warn"},
	"known":     {"Known", good, "good"},
	"new":       {"New", warn, "warn"},
	"ready":     {"Ready", good, "good"},
	"destroyed": {"Destroyed", ended, "off"},
	// requirements
	"met":         {"Met", good, "good"},
	"not_met":     {"Not met", bad, "bad"},
	"not_claimed": {"Not claimed", plain, "off"},
	// what the provider answered to a revocation
	"severed-verified":    {"Severed, verified", good, "good"},
	"severed-at-provider": {"Severed at provider", good, "good"},
	"deleted-here-only":   {"Deleted here only", warn, "warn"},
	"user-action-needed":  {"Owner must act", warn, "warn"},
	"severing":            {"In progress", wait, "wait"},
	// offboardings, and their certificates
	"planned":   {"Waits for approval", warn, "wait"},
	"approved":  {"Approved", wait, "wait"},
	"withdrawn": {"Withdrawn", ended, "off"},
	"stale":     {"Plan no longer holds", warn, "warn"},
	"matches":   {"Totals match the plan", good, "good"},
	"differs":   {"Totals differ from the plan", bad, "bad"},
	// mailboxes that are ended together
	"cut":         {"Cut", good, "good"},
	"already":     {"Revoked before", ended, "ended"},
	"gone":        {"Deleted before", ended, "off"},
	"with_tenant": {"Ends with its organisation", wait, "wait"},
	// webhooks, deliveries, attempts
	"active":    {"Active", good, "good"},
	"paused":    {"Paused", plain, "off"},
	"pause":     {"Paused", plain, "off"},
	"inactive":  {"Paused", plain, "off"},
	"dropped":   {"Dropped", ended, "off"},
	"failing":   {"Failing", bad, "bad"},
	"failed":    {"Failed", bad, "bad"},
	"delivered": {"Delivered", good, "good"},
	"retrying":  {"Retrying", wait, "wait"},
	"gave_up":   {"Gave up", bad, "bad"},
	"cancelled": {"Cancelled", ended, "off"},
	// webhook secrets
	"current": {"Signs", good, "good"},
	"overlap": {"Signs until its end", wait, "wait"},
	"ended":   {"Ended", ended, "ended"},
	// secrets of senders
	"counts":       {"Counts", good, "good"},
	"counts_until": {"Counts until its end", wait, "wait"},
	"staged":       {"Entered ahead", wait, "wait"},
	"rotating":     {"Rotation declared", warn, "warn"},
	// connect links, invites, keys
	"open":     {"Open", wait, "wait"},
	"used":     {"Used", good, "good"},
	"expired":  {"Expired", ended, "off"},
	"expiring": {"Expires soon", warn, "warn"},
	"invited":  {"Invited", wait, "wait"},
	"locked":   {"Locked", bad, "bad"},
	// tenants
	"offboarding": {"Offboarding", wait, "wait"},
	"offboarded":  {"Offboarded", ended, "ended"},
	// audit outcomes
	"done":   {"Done", good, "good"},
	"denied": {"Refused", bad, "bad"},
	// connectors and live checks
	"working":     {"Working", good, "good"},
	"not_working": {"Not working", bad, "bad"},
	"not_checked": {"Not checked", plain, "wait"},
	// steps
	"waiting": {"Waiting", wait, "wait"},
	"running": {"In progress", wait, "wait"},
	"skipped": {"Not needed", plain, "off"},
	"needed":  {"Owner must act", warn, "warn"},
	// rights
	"granted":     {"Granted", good, "good"},
	"not_granted": {"Not granted", warn, "warn"},
	"never_asked": {"Not asked", plain, "off"},
}

// look finds how a state is shown. A code that is not known is shown as it is, in no colour: better plain than wrong.
func look(code string) stateLook {
	if s, ok := states[code]; ok {
		return s
	}
	word := strings.ReplaceAll(code, "_", " ")
	if word == "" {
		word = "unknown"
	}
	return stateLook{strings.ToUpper(word[:1]) + word[1:], plain, "info"}
}

// StateWord gives the word of a state, for a sentence or an option.
func StateWord(code string) string { return look(code).word }
