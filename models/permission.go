package models

import "slices"

// Permission is one thing that somebody may do. Routes name it; roles and API keys hold it.
type Permission string

// The permissions. Those a program's key can hold are listed in KeyPermissions.
const (
	ReadGrants      Permission = "grants.read"
	WriteGrants     Permission = "grants.write"  // connect and reconnect: links, custom grants, PATCH
	RevokeGrants    Permission = "grants.revoke" // revoke tokens, revoke a grant
	DeleteGrants    Permission = "grants.delete"
	ReadMessages    Permission = "messages.read"
	WriteMessages   Permission = "messages.write"
	SendMessages    Permission = "messages.send"
	ReadWebhooks    Permission = "webhooks.read"
	WriteWebhooks   Permission = "webhooks.write"
	ReadApps        Permission = "applications.read"
	WriteApps       Permission = "applications.write"
	ReadConnectors  Permission = "connectors.read"
	WriteConnectors Permission = "connectors.write"
	ExchangeTokens  Permission = "tokens.exchange" // redeem codes, refresh, revoke tokens

	ReadTenants       Permission = "tenants.read"
	WriteTenants      Permission = "tenants.write"
	ReadVerifications Permission = "verifications.read"
	ReadAudit         Permission = "audit.read"
	ReadSecurity      Permission = "security.read"
	ReadReceipts      Permission = "receipts.read"
	ManageKeys        Permission = "keys.manage"
	ManageMembers     Permission = "members.manage"
	OffboardTenants   Permission = "tenants.offboard" // plan, approve somebody else's plan, withdraw
	RotateKeys        Permission = "keys.rotate"      // data keys, under which everything is sealed
	WriteEvidence     Permission = "evidence.write"   // make evidence packs
	ManageEvidence    Permission = "evidence.manage"  // attach documents, say that an outside host is known
	ReadEvidence      Permission = "evidence.read"    // download evidence packs
	ManagePasses      Permission = "passes.manage"    // guest passes
	CreateAPIKeys     Permission = "apikey.create"    // these three are what a service account can hold, in the words of Nylas' own
	ReadAPIKeys       Permission = "apikey.get"
	DeleteAPIKeys     Permission = "apikey.delete"
	ReadAccount       Permission = "account.read" // one's own passkeys and sessions; every member has it
)

// keyPermissions is the list behind KeyPermissions.
var keyPermissions = []Permission{
	ReadGrants, WriteGrants, RevokeGrants, DeleteGrants, ReadMessages, WriteMessages, SendMessages,
	ReadWebhooks, WriteWebhooks, ReadApps, WriteApps, ReadConnectors, WriteConnectors, ExchangeTokens,
}

// KeyPermissions returns a copy of the permissions that an API key may be limited to.
func KeyPermissions() []Permission { return slices.Clone(keyPermissions) }

// tokenPermissions are what an access token of one grant can do: use that mailbox, and nothing of the administration.
var tokenPermissions = []Permission{ReadGrants, ReadMessages, WriteMessages, SendMessages, ExchangeTokens}

// TokenPermissions returns a copy of what an access token may do with its own grant.
func TokenPermissions() []Permission { return slices.Clone(tokenPermissions) }

// ServicePermissions returns what a service account may be limited to.
func ServicePermissions() []Permission {
	return []Permission{CreateAPIKeys, ReadAPIKeys, DeleteAPIKeys}
}

// Role is what a member is in the portal.
type Role string

// The roles. A customer is bound to one tenant; a reviewer may be.
const (
	Owner    Role = "owner"
	Admin    Role = "admin"
	Support  Role = "support"
	Reviewer Role = "reviewer"
	Customer Role = "customer"
	Guest    Role = "guest" // the holder of a guest pass; no member ever has it
)

// Roles lists the roles that a member can have, the strongest first.
func Roles() []Role { return []Role{Owner, Admin, Support, Reviewer, Customer} }

// Permissions is the policy: role by role, everything that is allowed. What is not listed is refused.
func (r Role) Permissions() []Permission {
	look := []Permission{ReadAccount, ReadGrants, ReadReceipts, ReadAudit, ReadVerifications, ReadSecurity}
	support := append(slices.Clone(look), ReadTenants, WriteTenants, WriteGrants, RevokeGrants, DeleteGrants, ReadWebhooks, WriteWebhooks, OffboardTenants)
	admin := append(slices.Clone(support), ReadApps, WriteApps, ReadConnectors, WriteConnectors, ManageKeys, ManageMembers, RotateKeys, WriteEvidence, ManageEvidence, ReadEvidence, ManagePasses)
	switch r {
	case Owner, Admin:
		return admin
	case Support:
		return slices.DeleteFunc(support, func(p Permission) bool { return p == ReadAudit || p == ReadSecurity })
	case Reviewer:
		return append(look, ReadTenants, ReadEvidence)
	case Guest:
		return []Permission{ReadGrants, ReadReceipts, ReadAudit, ReadVerifications, ReadSecurity, ReadTenants, ReadEvidence}
	case Customer:
		return []Permission{ReadAccount, ReadGrants, ReadReceipts, ReadAudit, ReadVerifications, ReadSecurity, WriteGrants, RevokeGrants, DeleteGrants, ReadEvidence, WriteEvidence}
	default:
		return nil
	}
}

// Valid says whether r is one of the roles.
func (r Role) Valid() bool { return slices.Contains(Roles(), r) }
