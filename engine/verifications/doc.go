// Package verifications checks inbound signed requests and keeps the log of every check.
//
// It owns the order of the checks (size, raw bytes, signature, age, and only then decompression and parsing), the reasons it gives, the rule
// that an event counts once, the sources that send to us with their secrets and rotations, the reports of the company's own receivers, the checker,
// and what the log tells to whom. It relies on models/store for the log, on engine/sealed for the secrets and on engine/audit for who changed a
// source. It never keeps or prints a payload, a signature or a secret: the log has the verdict and keyed digests.
package verifications
