// Package load measures a server over loopback: a load generator, and the bare programs that its figures are set beside.
//
// The generator writes prepared requests on kept connections and reads no more of an answer than its length, because it shares the machine's processors with the
// server: what it uses the server lacks. With a fixed rate the time of a request counts from when it was due, not from when a connection was free for it, so that a
// server that stalls cannot hide the requests that had to wait (coordinated omission).
//
// It relies on nothing of Postern but rows. It is for postern bench: it never judges a figure, and nothing that serves may use it.
package load
