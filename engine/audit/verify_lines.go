package audit

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// A bundle is read in blocks of whole lines. Workers check lines by themselves, whichever block is next; one collector takes the blocks in the bundle's order and grows the tree. The blocks are
// a fixed number and go round, so memory depends on the processors and not on the bundle.

const (
	blockSize   = 512 << 10
	longestLine = 4 << 20
)

// checker checks the lines after the head.
type checker struct {
	verdict  *Verdict
	verifier note.Verifier
	tenant   []byte // empty: the whole log
	marks    map[int64]tlog.Hash
	grown    frontier
	last     int64 // index of the entry before
	marked   int64 // size of the last checkpoint on the way
}

// block is some whole lines and what was found in them.
type block struct {
	text  []byte
	found []finding
	err   error // of reading; what was read before it counts
	ready chan struct{}
}

// finding is one line, checked by itself.
type finding struct {
	kind   byte // of the line: see below
	index  int64
	hash   tlog.Hash // of the leaf; a checkpoint's root
	reason string    // what is wrong with it; empty: nothing
}

const (
	foundEntry = iota
	foundMark  // index is the checkpoint's size
	foundDamage
)

func (c *checker) run(r *bufio.Reader) error {
	c.last = -1
	workers := runtime.GOMAXPROCS(0)
	free, work, queue := make(chan *block, 2*workers+2), make(chan *block, 2*workers+2), make(chan *block, 2*workers+2)
	for range cap(free) {
		free <- &block{}
	}
	stop := make(chan struct{})
	var all sync.WaitGroup
	defer all.Wait()
	defer close(stop)
	all.Go(func() { readBlocks(r, free, work, queue, stop) })
	for range workers {
		all.Go(func() {
			w := newWorker(c)
			for b := range work {
				w.block(b)
				close(b.ready)
			}
		})
	}
	for b := range queue {
		<-b.ready
		for _, f := range b.found {
			if err := c.take(f); err != nil {
				return err
			}
		}
		if b.err != nil {
			return &Broken{-1, "the bundle cannot be read to its end: " + b.err.Error()}
		}
		free <- b
	}
	return c.end()
}

// readBlocks cuts the bundle into blocks until its end, an error or stop. It ends work and queue.
func readBlocks(r io.Reader, free <-chan *block, work, queue chan<- *block, stop <-chan struct{}) {
	defer close(queue)
	defer close(work)
	var rest []byte
	for ended := false; !ended; {
		var b *block
		select {
		case b = <-free:
		case <-stop:
			return
		}
		b.text, b.found, b.err, b.ready = append(b.text[:0], rest...), b.found[:0], nil, make(chan struct{})
		ended = b.fill(r)
		if cut := bytes.LastIndexByte(b.text, '\n') + 1; !ended {
			rest = append(rest[:0], b.text[cut:]...)
			b.text = b.text[:cut]
		}
		queue <- b // never waits: there are no more blocks than places
		work <- b
	}
}

var errLongLine = errors.New("a line is longer than any of ours")

// fill reads until the block holds blockSize and a whole line. It says true at the end of the bundle and on an error.
func (b *block) fill(r io.Reader) (ended bool) {
	for len(b.text) < blockSize || bytes.IndexByte(b.text, '\n') < 0 {
		if len(b.text) > longestLine {
			b.err = errLongLine
			return true
		}
		if cap(b.text) == len(b.text) {
			b.text = append(b.text, make([]byte, max(len(b.text)/2, 32<<10))...)[:len(b.text)] // a small bundle costs little
		}
		n, err := r.Read(b.text[len(b.text):cap(b.text)])
		b.text = b.text[:len(b.text)+n]
		if err != nil {
			if !errors.Is(err, io.EOF) {
				b.err = err
			}
			return true
		}
	}
	return false
}

// take puts a line into its place.
func (c *checker) take(f finding) error {
	whole, next := len(c.tenant) == 0, c.last+1
	switch {
	case f.kind == foundDamage:
		return &Broken{next, "its line is damaged"}
	case f.kind == foundMark:
		return c.mark(f)
	case f.index <= c.last:
		return &Broken{f.index, "it is out of order"}
	case whole && f.index != next:
		return &Broken{next, "it is missing"}
	case f.reason != "":
		return &Broken{f.index, f.reason}
	}
	c.last = f.index
	c.verdict.Entries++
	if !whole {
		return nil
	}
	c.grown.add(f.hash)
	if want, ok := c.marks[next+1]; ok {
		delete(c.marks, next+1)
		return c.compare(want)
	}
	return nil
}

// mark compares the tree with a checkpoint that stands where the log was of its size.
func (c *checker) mark(f finding) error {
	if f.reason != "" {
		return &Broken{-1, f.reason}
	}
	if f.index != c.grown.size {
		return &Broken{c.last + 1, fmt.Sprintf("a checkpoint of size %d stands before it: the log was rewritten, or the bundle reordered", f.index)}
	}
	c.marked = f.index
	return c.compare(f.hash)
}

func (c *checker) compare(want tlog.Hash) error {
	if c.grown.root() != want {
		return &Broken{c.last, "the log up to here is not the one that was signed"}
	}
	c.verdict.Checkpoints++
	return nil
}

// end checks what only the whole bundle can tell.
func (c *checker) end() error {
	v := c.verdict
	if len(c.tenant) > 0 {
		return nil
	}
	if int64(v.Entries) != v.Size {
		return &Broken{int64(v.Entries), fmt.Sprintf("the bundle ends here, and the checkpoint counts %d entries", v.Size)}
	}
	if c.marked != v.Size {
		return &Broken{-1, "the bundle ends before its last checkpoint"}
	}
	if v.Size > 0 && c.grown.root() != v.Root {
		return &Broken{-1, "the entries are not those that were signed"}
	}
	for size := range c.marks {
		return &Broken{-1, fmt.Sprintf("the log is shorter than a checkpoint of size %d that was signed earlier: entries were cut off", size)}
	}
	return nil
}

// frontier is a growing tree of which only the right edge is kept: one hash for each complete subtree, the largest first.
type frontier struct {
	size  int64
	edges []tlog.Hash
}

func (f *frontier) add(hash tlog.Hash) {
	f.edges = append(f.edges, hash)
	f.size++
	for n := f.size; n&1 == 0; n >>= 1 {
		last := len(f.edges) - 1
		f.edges[last-1] = tlog.NodeHash(f.edges[last-1], f.edges[last])
		f.edges = f.edges[:last]
	}
}

// root joins the subtrees from the right (RFC 9162 section 2.1.1).
func (f *frontier) root() tlog.Hash {
	last := len(f.edges) - 1
	if last < 0 {
		return tlog.Hash{}
	}
	hash := f.edges[last]
	for i := last - 1; i >= 0; i-- {
		hash = tlog.NodeHash(f.edges[i], hash)
	}
	return hash
}
