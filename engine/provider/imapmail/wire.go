package imapmail

import (
	"bytes"
	"errors"
	"net"
	"sync"
	"time"
)

var (
	errTooMuch = errors.New("the server sent more than the command allows")
	errNested  = errors.New("the server sent brackets without end")
)

// mostOpen is the longest run of opening brackets let through. The client library reads nested structures by recursion, and
// only a run like this can nest deeper than bytes are spent; a mail that holds one inside is yet to be seen.
const mostOpen = 1000

// wire is a connection that a server cannot hold on to: bytes and time are given out per command.
type wire struct {
	net.Conn
	raw net.Conn // beneath TLS, for closing without a farewell

	mu       sync.Mutex
	greeting []byte // served before the connection's own bytes
	left     int64
	open     int
	deadline time.Time
	broken   error
}

// allow starts a command's allowance. A zero deadline waits for ever, as an idle connection does.
func (w *wire) allow(bytes int64, deadline time.Time) {
	w.mu.Lock()
	w.left, w.deadline = bytes, deadline
	w.mu.Unlock()
	_ = w.Conn.SetDeadline(deadline)
}

func (w *wire) Read(p []byte) (int, error) {
	w.mu.Lock()
	if w.broken != nil {
		defer w.mu.Unlock()
		return 0, w.broken
	}
	if len(w.greeting) > 0 {
		n := copy(p, w.greeting)
		w.greeting = w.greeting[n:]
		w.mu.Unlock()
		return n, nil
	}
	w.mu.Unlock()

	n, err := w.Conn.Read(p)

	w.mu.Lock()
	defer w.mu.Unlock()
	w.left -= int64(n)
	w.nesting(p[:n])
	if w.left < 0 {
		w.broken = errTooMuch
	}
	if w.broken != nil {
		return 0, w.broken
	}
	return n, err
}

// nesting counts runs of opening brackets, jumping over what holds none.
func (w *wire) nesting(p []byte) {
	for len(p) > 0 {
		i := 0
		for i < len(p) && p[i] == '(' {
			i++
		}
		if w.open += i; w.open > mostOpen {
			w.broken = errNested
			return
		}
		if i == len(p) {
			return
		}
		w.open = 0
		next := bytes.IndexByte(p[i:], '(')
		if next < 0 {
			return
		}
		p = p[i+next:]
	}
}

// The client library sets deadlines of its own; ours, when it is sooner, wins.
func (w *wire) sooner(t time.Time) time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.deadline.IsZero() && (t.IsZero() || w.deadline.Before(t)) {
		return w.deadline
	}
	return t
}

func (w *wire) SetDeadline(t time.Time) error      { return w.Conn.SetDeadline(w.sooner(t)) }
func (w *wire) SetReadDeadline(t time.Time) error  { return w.Conn.SetReadDeadline(w.sooner(t)) }
func (w *wire) SetWriteDeadline(t time.Time) error { return w.Conn.SetWriteDeadline(w.sooner(t)) }

// why is what ended the connection, when it was us.
func (w *wire) why() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.broken
}

// kill closes at once, without a word to the server.
func (w *wire) kill() { _ = w.raw.Close() }
