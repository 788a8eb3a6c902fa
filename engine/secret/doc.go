// Package secret holds the one type in which tokens, passwords, keys and codes travel through Postern.
//
// It owns the rule that a secret cannot be printed: every way Go has of turning a value into text gives "[redacted]".
// It relies on nothing but the standard library. It never encrypts, stores or compares anything; see engine/vault for that.
package secret
