// Package audit records who did what to what, with what outcome.
//
// It owns the shape of an entry and the rule that an entry is written in the transaction of the change: no entry, no change. It relies on
// models/store, where entries can only be added. It never logs, and it never takes a secret: details are short names and numbers.
package audit
