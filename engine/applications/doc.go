// Package applications sets up the company's programs: the applications, the addresses to which consent may return, and the connectors
// through which each application reaches a provider.
//
// It owns the rules for callback URIs (v3 contract, section 3.8) and what a connector may hold. It relies on the store for the rows, on
// sealed for a connector's client secret and on audit for the record of each change. It never gives a client secret back, and it never
// compares a redirect: grants does, on the bytes kept here.
package applications
