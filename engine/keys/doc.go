// Package keys rotates, checks and counts the keys under everything that is sealed.
//
// It relies on sealed for one tenant's part and on the audit for the record. It never sees a key's bytes, and never gives a sealed value to anybody.
package keys
