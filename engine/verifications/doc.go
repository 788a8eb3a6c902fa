// Package verifications checks inbound signed requests and keeps the log of every check.
//
// It owns the order of the checks (size, raw bytes, signature, and only then decompression and parsing), the reasons it gives, the rule
// that an event counts once, and what the log tells to whom. It relies on models/store for the log and on engine/sealed for the secrets. It
// never keeps or prints a payload, a signature or a secret: the log has the verdict and keyed digests.
package verifications
