// Package dial is the only way out: every connection that Postern opens to the outside goes through a Guard.
//
// It owns the decision which addresses may be reached, on which ports for which purpose, and the egress ledger that counts
// what was reached and what was refused. The decision falls on the resolved address, at the moment of connecting
// (net.Dialer.ControlContext), so neither a name that changes its answer nor a redirect can get round it. It relies on
// engine/fault and the standard library. It never follows a redirect, never uses a proxy, never skips the check of a
// certificate, and knows nothing of mail, webhooks or tenants.
package dial
