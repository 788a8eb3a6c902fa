package provider

import (
	"slices"
	"sort"
	"strings"
)

// Capability is a scope's meaning in plain words: what an app can do with a mailbox.
type Capability string

// The capabilities, in the order in which they are shown.
const (
	KnowIdentity  Capability = "know_identity"
	ReadMail      Capability = "read_mail"
	ChangeMail    Capability = "change_mail"
	SendMail      Capability = "send_mail"
	ManageDrafts  Capability = "manage_drafts"
	ManageFolders Capability = "manage_folders"
	ReadContacts  Capability = "read_contacts"
	WriteContacts Capability = "write_contacts"
)

var capabilityWords = []struct {
	is    Capability
	words string
}{
	{KnowIdentity, "Know the name and address of this account"},
	{ReadMail, "Read messages, folders and attachments"},
	{ChangeMail, "Mark messages as read or starred, move them, and delete them"},
	{SendMail, "Send messages as this person"},
	{ManageDrafts, "Write, change and delete drafts"},
	{ManageFolders, "Create, rename and delete folders"},
	{ReadContacts, "Read contacts"},
	{WriteContacts, "Add, change and delete contacts"},
}

// Capabilities is all of them, in the order in which they are shown.
func Capabilities() []Capability {
	out := make([]Capability, len(capabilityWords))
	for i, c := range capabilityWords {
		out[i] = c.is
	}
	return out
}

// Words says the capability to a person, as something that follows "will be able to:" or "will not be able to:".
func (c Capability) Words() string {
	for _, w := range capabilityWords {
		if w.is == c {
			return w.words
		}
	}
	return string(c)
}

// Sensitivity is the class a provider puts a scope in. Google names three; where a provider names none, it is Unclassified and
// Scope.Needs says what its own rule is.
type Sensitivity string

// The classes, the mildest first.
const (
	NonSensitive Sensitivity = "non-sensitive"
	Sensitive    Sensitivity = "sensitive"
	Restricted   Sensitivity = "restricted"
	Unclassified Sensitivity = "unclassified"
)

// Scope is one permission of one provider.
type Scope struct {
	Name         string // as it goes over the wire to the provider
	Short        string // as people and connectors' settings may write it
	Words        string // what the provider lets an app do with it
	Capabilities []Capability
	Sensitivity  Sensitivity
	Needs        string // what the app must have from the provider before it may ask; empty = nothing
	Identity     bool   // asked for always: who the person is, and a refresh token
}

// ScopesOf is every scope we know of a provider, the most useful first; nil for one whose mailboxes open by password.
func ScopesOf(provider string) []Scope { return scopeTable[provider] }

// ScopeOf finds a scope by its wire name or its short one.
func ScopeOf(provider, name string) (Scope, bool) {
	for _, s := range scopeTable[provider] {
		if s.Name == name || strings.EqualFold(s.Short, name) {
			return s, true
		}
	}
	if provider == "nylas" {
		// The scopes of the mailbox's own provider, as Nylas lists them.
		for _, upstream := range []string{"google", "microsoft", "yahoo"} {
			if s, ok := ScopeOf(upstream, name); ok {
				if s.Name == graph+"Mail.Send" {
					s.Capabilities = nil // by itself it sends nothing; where it does, our own word stands beside it
				}
				return s, true
			}
		}
	}
	return Scope{}, false
}

// byPassword: whoever has the password can do what the protocol can do. Postern holds an app to what was agreed on all the same.
var byPassword = []Capability{KnowIdentity, ReadMail, ChangeMail, SendMail, ManageDrafts, ManageFolders}

// CapabilitiesOf is what scopes allow at a provider, in the order in which capabilities are shown. A scope that we do not know
// adds nothing. A provider without scopes knows only its password: there the names of capabilities that were agreed on stand in for
// scopes, and none at all means the password's full reach.
func CapabilitiesOf(provider string, scopes []string) []Capability {
	_, ok := scopeTable[provider]
	if !ok {
		var out []Capability
		for _, c := range byPassword {
			if len(scopes) == 0 || c == KnowIdentity || slices.Contains(scopes, string(c)) {
				out = append(out, c)
			}
		}
		return out
	}
	have := map[Capability]bool{}
	held := map[string]bool{}
	for _, name := range scopes {
		if s, ok := ScopeOf(provider, name); ok {
			held[s.Name] = true
			for _, c := range s.Capabilities {
				have[c] = true
			}
		}
	}
	// Graph sends only from a message that it can write first: Mail.Send by itself sends nothing through our calls.
	if provider == "microsoft" && !held[graph+"Mail.ReadWrite"] && !held[graph+"Mail.ReadWrite.Shared"] {
		delete(have, SendMail)
	}
	var out []Capability
	for _, c := range capabilityWords {
		if have[c.is] {
			out = append(out, c.is)
		}
	}
	return out
}

// ScopesFor is the fewest and mildest scopes that give the capabilities, identity included, by wire name. A capability
// that the provider has no scope for is left out; compare with CapabilitiesOf to see it.
func ScopesFor(provider string, wanted []Capability) []string {
	var out []string
	seen := map[string]bool{}
	add := func(name string) {
		if !seen[name] {
			seen[name] = true
			out = append(out, name)
		}
	}
	for _, s := range scopeTable[provider] {
		if s.Identity {
			add(s.Name)
		}
	}
	for _, name := range leastScopes(provider, wanted) {
		add(name)
	}
	return out
}

// leastScopes tries every subset of the provider's scopes that bear on the wanted capabilities, smallest weight first. The tables
// are short (under a dozen candidates), so that the plain search is the clear one.
func leastScopes(provider string, wanted []Capability) []string {
	need := map[Capability]bool{}
	for _, c := range wanted {
		need[c] = true
	}
	var candidates []Scope
	reach := map[Capability]bool{}
	for _, s := range scopeTable[provider] {
		if s.Identity {
			continue
		}
		for _, c := range s.Capabilities {
			if need[c] {
				candidates = append(candidates, s)
				break
			}
		}
	}
	all := make([]string, len(candidates))
	for i, s := range candidates {
		all[i] = s.Name
	}
	for _, c := range CapabilitiesOf(provider, all) {
		reach[c] = true
	}
	best, bestWeight := []string(nil), -1
	for set := 0; set < 1<<len(candidates); set++ {
		var names []string
		weight := 0
		for i, s := range candidates {
			if set&(1<<i) != 0 {
				names = append(names, s.Name)
				weight += scopeWeight(s, need)
			}
		}
		if bestWeight >= 0 && weight >= bestWeight {
			continue
		}
		have := map[Capability]bool{}
		for _, c := range CapabilitiesOf(provider, names) {
			have[c] = true
		}
		ok := true
		for c := range need {
			ok = ok && (have[c] || !reach[c] || c == KnowIdentity)
		}
		if ok {
			best, bestWeight = names, weight
		}
	}
	return best
}

// scopeWeight: what is beyond the wish weighs most, then the provider's class, then the number of scopes.
func scopeWeight(s Scope, need map[Capability]bool) int {
	w := 1
	for _, c := range s.Capabilities {
		if !need[c] {
			w += 100
		}
	}
	switch s.Sensitivity {
	case Restricted:
		w += 10
	case Sensitive:
		w += 5
	}
	return w
}

// Preset is a common wish.
type Preset struct {
	Name         string // for programs
	Label        string // for people
	Capabilities []Capability
}

// Presets are the common wishes, the smallest first.
func Presets() []Preset {
	return []Preset{
		{"read-only", "Read only", []Capability{KnowIdentity, ReadMail}},
		{"read-send", "Read and send", []Capability{KnowIdentity, ReadMail, SendMail}},
		{"full", "Full", []Capability{KnowIdentity, ReadMail, ChangeMail, SendMail, ManageDrafts, ManageFolders}},
	}
}

// Scopes is the preset in a provider's scopes; nil for a provider without scopes.
func (p Preset) Scopes(provider string) []string { return ScopesFor(provider, p.Capabilities) }

// MostSensitive is the gravest class among scopes; NonSensitive when there are none, Unclassified when the provider has no classes.
func MostSensitive(provider string, scopes []string) Sensitivity {
	rank := []Sensitivity{NonSensitive, Unclassified, Sensitive, Restricted}
	worst := 0
	for _, name := range scopes {
		s, ok := ScopeOf(provider, name)
		if !ok {
			continue
		}
		if i := indexOf(rank, s.Sensitivity); i > worst {
			worst = i
		}
	}
	return rank[worst]
}

func indexOf(list []Sensitivity, s Sensitivity) int {
	for i, x := range list {
		if x == s {
			return i
		}
	}
	return 0
}

// Missing is what of wanted is not in got, sorted; Extra is the reverse by swapping the two. Names are compared as the provider
// writes them, short names resolved.
func Missing(provider string, wanted, got []string) []string {
	canon := func(name string) string {
		if s, ok := ScopeOf(provider, name); ok {
			return s.Name
		}
		return name
	}
	have := map[string]bool{}
	for _, g := range got {
		have[canon(g)] = true
	}
	var out []string
	for _, w := range wanted {
		if !have[canon(w)] {
			out = append(out, canon(w))
		}
	}
	sort.Strings(out)
	return out
}
