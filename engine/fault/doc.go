// Package fault is the vocabulary of what can go wrong: a kind, a code for programs, a sentence for people, and a cause for us.
//
// It owns the kinds and the rule that only Public is ever shown to a person. It relies on the standard library alone.
// It knows nothing of HTTP: web/problem.go and the doors turn a kind into a status.
package fault
