// Package spool keeps bytes that are too many to hold in memory, for as long as one request takes.
//
// It owns a file without a name, readable by this process alone, encrypted under a key that is never written down. It relies on the operating system to give
// the space back when the process ends, however it ends. It never keeps anything beyond Close, and no error of it holds content.
package spool
