// Package tenants is the deeds on customer organisations: list, find, create, rename.
//
// It owns what a tenant may be called and where it may live. It relies on models/store and records every change in the audit. Offboarding will stand
// here too. It never touches a grant.
package tenants
