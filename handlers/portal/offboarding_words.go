package portal

import (
	"encoding/json"
	"strings"

	"github.com/postern-mail/postern/engine/offboardings"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/views/ui"
)

// meaning says in one sentence what an offboarding can end at a provider.
func meaning(code string) string {
	switch {
	case provider.OnePermission(code):
		return "The provider is told and asked whether it is gone. It ends every connection of these people through the same app."
	case code == "nylas":
		return "Nylas is told to delete its grant, and is asked whether it is gone."
	case code == "microsoft" || code == "yahoo":
		return "Our copy is destroyed; only the owner, or an administrator, removes the permission."
	default:
		return "Our copy is destroyed; the password stays good until its owner changes it."
	}
}

func estimate(plan offboardings.Plan) string {
	text := "less than a minute"
	if plan.Seconds >= 90 {
		text = "about " + ui.Count((plan.Seconds+59)/60, "minute", "minutes")
	} else if plan.Seconds > 45 {
		text = "about a minute"
	}
	if plan.Slowest != "" && provider.RevocationsPerSecond(plan.Slowest) < 1e3 {
		text += "; how many revocations " + providerName(plan.Slowest) + " takes decides"
	}
	return text
}
func waitWords(seconds int) string {
	hours := seconds / 3600
	if hours == 0 {
		return ui.Count(seconds/60, "minute", "minutes")
	}
	return ui.Count(hours, "hour", "hours")
}

func (p *Portal) offboardingSentence(o offboardings.Standing) string {
	live, _ := o.Plan.Total()
	switch o.State {
	case models.OffboardingPlanned:
		if !p.Now().Before(o.ExpiresAt) {
			return "The plan is older than a day. It cannot be approved any more."
		}
		return "Nothing has been changed. The plan waits for a second person."
	case models.OffboardingApproved:
		if o.StartAt != nil {
			return "Approved. It begins by itself on " + o.StartAt.UTC().Format("2 January 2006 15:04 UTC") + ", unless what is there has changed by then."
		}
		return "Approved. It is about to begin."
	case models.OffboardingRunning:
		text := "Nobody reaches a mailbox of " + o.Plan.Name + " through Postern since " + o.StartedAt.UTC().Format("2 January 2006 15:04:05 UTC") + "."
		if atStep(o) == offboardings.StepProviders && o.Open > 0 {
			text += " " + ui.Count(o.Open, "mailbox waits", "mailboxes wait") + " for the answer of a provider, until " + o.DeadlineAt.UTC().Format("2 January 2006 15:04 UTC") + " at the latest."
		}
		return text
	case models.OffboardingDone:
		return o.Plan.Name + " is offboarded: " + ui.Count(live, "mailbox", "mailboxes") + " severed, its key destroyed."
	case models.OffboardingWithdrawn:
		return "Withdrawn by " + o.EndedBy + " before anything was changed."
	default:
		return "What " + o.Plan.Name + " has is no longer what was planned, or the plan's day is over. Nothing was changed."
	}
}

var stepTitles = map[string]string{
	offboardings.StepDoor: "The door is closed", offboardings.StepGrants: "Each mailbox is severed", offboardings.StepAccess: "Keys, links, webhooks, members and sessions end",
	offboardings.StepProviders: "Providers answer", offboardings.StepSealed: "Every sealed value that is left is destroyed", offboardings.StepKey: "The organisation's data key is destroyed", offboardings.StepCertificate: "The certificate is written",
}

func stepOf(o offboardings.Standing, name string) (models.OffboardingStep, bool) {
	for _, s := range o.Steps {
		if s.Name == name {
			return s, true
		}
	}
	return models.OffboardingStep{}, false
}

// atStep is the first step that has not ended.
func atStep(o offboardings.Standing) string {
	for _, name := range offboardings.Steps() {
		if s, ok := stepOf(o, name); !ok || s.EndedAt == nil {
			return name
		}
	}
	return ""
}

func stepViews(o offboardings.Standing) []ui.StepView {
	at := atStep(o)
	var out []ui.StepView
	for _, name := range offboardings.Steps() {
		v := ui.StepView{Title: stepTitles[name], State: "waiting"}
		if s, ok := stepOf(o, name); ok {
			v.Detail = stepWords(s)
			if s.EndedAt != nil {
				v.State, v.At = "done", *s.EndedAt
			}
		}
		if name == at {
			v.State = "running"
		}
		out = append(out, v)
	}
	return out
}

// stepWords says what a step ended, in numbers.
func stepWords(s models.OffboardingStep) string {
	n := map[string]int{}
	if json.Unmarshal(s.Counts, &n) != nil {
		return ""
	}
	var parts []string
	add := func(noun, one, many string) {
		if n[noun] > 0 {
			parts = append(parts, ui.Count(n[noun], one, many))
		}
	}
	switch s.Name {
	case offboardings.StepDoor:
		add("grants", "mailbox refused", "mailboxes refused")
	case offboardings.StepGrants:
		add("severed", "mailbox", "mailboxes")
		add("records", "record of an earlier one", "records of earlier ones")
	case offboardings.StepAccess:
		add("keys", "key", "keys")
		add("links", "link", "links")
		add("webhooks", "webhook", "webhooks")
		add("members", "member", "members")
		add("sessions", "session", "sessions")
	case offboardings.StepProviders:
		add("unconfirmed", "closed without an answer", "closed without an answer")
	case offboardings.StepSealed:
		add("values", "sealed value", "sealed values")
		add("deliveries", "event not delivered any more", "events not delivered any more")
	case offboardings.StepCertificate:
		add("receipts", "receipt", "receipts")
	}
	return strings.Join(parts, ", ")
}

func progressViews(o offboardings.Standing) []ui.ProgressView {
	live, revoked := o.Plan.Total()
	out := []ui.ProgressView{{Name: offboardings.StepGrants, Label: "Severed here", Total: live + revoked}, {Name: offboardings.StepProviders, Label: "Settled at providers", Total: live}}
	for i := range out {
		if s, ok := stepOf(o, out[i].Name); ok {
			out[i].Done = s.Done
		}
	}
	if s, ok := stepOf(o, offboardings.StepGrants); ok && s.EndedAt != nil {
		out[1].Done = max(0, live-o.Open)
	}
	return out
}

// liveState is another text whenever the page has to be drawn anew.
func liveState(o offboardings.Standing) string {
	open := ""
	if atStep(o) == offboardings.StepProviders && o.Open > 0 {
		open = "+"
	}
	return string(o.State) + " " + atStep(o) + open
}
