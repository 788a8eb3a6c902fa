// Package evidence evaluates what a security reviewer asks from the running system, keeps the egress ledger, and makes evidence packs.
//
// It relies on the store for facts, on the audit for signatures, on dial for what was reached. It never says more than it looked at: a row is met, not met, or not
// claimed, each with what was measured and when.
package evidence
