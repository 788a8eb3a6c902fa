package models

import (
	"net/netip"
	"slices"
)

// ActorKind says how somebody proved who they are.
type ActorKind string

// The kinds of actors.
const (
	ActorMember  ActorKind = "member"  // a person with a session
	ActorKey     ActorKind = "key"     // a program with an API key
	ActorToken   ActorKind = "token"   // a program with an access token of one grant
	ActorService ActorKind = "service" // a service account: a program that manages its application's API keys
	ActorLink    ActorKind = "link"    // the holder of a connect link
	ActorFlow    ActorKind = "flow"    // the browser in a connect flow that a program began
	ActorGuest   ActorKind = "guest"   // an outside reviewer with a guest pass to one tenant
	ActorSystem  ActorKind = "system"  // Postern itself: a worker, a reconciler
)

// Actor is who does something: every deed takes one, every audit entry names one. The zero Actor may do nothing.
type Actor struct {
	Kind        ActorKind
	ID          string // of the member, key, token, link or flow; the worker's name for a system
	Label       string // how the audit names it: a person's name, a key's name and prefix. Never a secret
	Role        Role   // members and guests only
	Application ApplicationID
	Tenant      TenantID // zero: not bound to one tenant
	Grant       GrantID  // access tokens only: the one grant it can use
	Permissions []Permission
	Addresses   []string // API keys only: the networks (CIDRs) that it is bound to; empty: from anywhere
	Addr        netip.Addr
	UserAgent   string
	RequestID   string
}

// May says whether the actor holds p. A system actor holds everything: it acts on what somebody else was allowed to begin.
func (a Actor) May(p Permission) bool {
	return a.Kind == ActorSystem || slices.Contains(a.Permissions, p)
}

// Sees says whether the actor may know of anything that belongs to tenant.
func (a Actor) Sees(tenant TenantID) bool { return a.Tenant.IsZero() || a.Tenant == tenant }

// Platform says whether the actor works over all tenants of all applications: staff and Postern itself.
func (a Actor) Platform() bool {
	return a.Tenant.IsZero() && (a.Kind == ActorSystem || a.Kind == ActorMember && a.Role != Customer)
}

// Masked says whether the actor reviews the control and not the people: nobody's address is shown whole.
func (a Actor) Masked() bool { return a.Role == Reviewer || a.Role == Guest }

// System makes the actor of a worker.
func System(worker string) Actor {
	return Actor{Kind: ActorSystem, ID: worker, Label: "Postern, " + worker}
}
