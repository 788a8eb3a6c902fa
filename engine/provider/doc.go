// Package provider is the set of mail providers and the contracts their connectors keep.
//
// It owns what a connector is asked for (connecting, refreshing, revoking, mail), what each provider's scopes mean in plain
// words and how sensitive the provider calls them, which provider an address belongs to, and what revoking truly ends at
// each. It relies on engine/email, engine/fault and engine/secret. It does no network I/O itself (the connectors below it
// do, through engine/dial), keeps no state about grants, and never sees a database.
//
// A capability beyond connecting is a further small interface: a caller asserts for it, and a connector that lacks it
// simply does not implement it.
package provider
