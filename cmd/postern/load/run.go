package load

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Plan is one load.
type Plan struct {
	Addr    string        // host:port, plain HTTP/1.1
	Conns   int           // connections; each has one request under way at most
	For     time.Duration // how long; a tenth of it goes before uncounted, to warm up
	Rate    float64       // requests a second over all connections; 0: as fast as answers come
	Request func(i int) []byte
	Status  string // the status that counts as good; empty: 200
}

// Result is what a load met. Times are those of single requests.
type Result struct {
	Requests           int
	Rate               float64 // good answers a second
	P50, P90, P99, Max time.Duration
	Bytes              int64 // of bodies
}

// ErrAnswer is an answer other than the one that was to be measured: a figure of refusals says nothing.
var ErrAnswer = errors.New("the server gave another answer than the one to measure")

// Get prepares a GET. An empty bearer sends no Authorization.
func Get(path, bearer string) []byte { return Do("GET", path, bearer, "", nil) }

// Do prepares a request with a body; the type is left out where it is empty.
func Do(method, path, bearer, contentType string, body []byte) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: localhost\r\n", method, path)
	if bearer != "" {
		fmt.Fprintf(&b, "Authorization: Bearer %s\r\n", bearer)
	}
	if contentType != "" {
		fmt.Fprintf(&b, "Content-Type: %s\r\n", contentType)
	}
	if body != nil || method != "GET" {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(body))
	}
	return append([]byte(b.String()+"\r\n"), body...)
}

// Run puts the load on and waits for its end. The first answer with another status, or a broken connection, ends it with an error.
func Run(ctx context.Context, p Plan) (Result, error) {
	if p.Status == "" {
		p.Status = "200"
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	warm := p.For / 10
	began := time.Now()
	r := runner{plan: p, began: began, counted: began.Add(warm), end: began.Add(warm + p.For)}
	lanes := make([]lane, p.Conns)
	var all sync.WaitGroup
	for i := range lanes {
		all.Go(func() {
			if err := r.drive(ctx, &lanes[i]); err != nil {
				cancel(err)
			}
		})
	}
	all.Wait()
	if err := context.Cause(ctx); err != nil {
		return Result{}, err
	}
	return summary(lanes, time.Since(r.counted)), nil
}

type runner struct {
	plan                Plan
	began, counted, end time.Time
	next                atomic.Int64
}

// lane is one connection's own account, apart so that connections do not wait for each other to write it.
type lane struct {
	took  []time.Duration
	bytes int64
	_     [64]byte
}

func (r *runner) drive(ctx context.Context, l *lane) error {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", r.plan.Addr)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer conn.Close() //nolint:errcheck // nothing left to say
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	in := bufio.NewReaderSize(conn, 64<<10)
	for ctx.Err() == nil {
		i := r.next.Add(1) - 1
		due := time.Now()
		if r.plan.Rate > 0 {
			due = r.began.Add(time.Duration(float64(i) / r.plan.Rate * float64(time.Second)))
		}
		if due.After(r.end) || time.Since(r.end) > r.plan.For { // a server that is far behind is not waited for
			return nil
		}
		time.Sleep(time.Until(due)) // a fixed rate is a timetable: each request leaves at its own time, however late the one before it came back
		if _, err := conn.Write(r.plan.Request(int(i))); err != nil {
			return fmt.Errorf("write a request: %w", err)
		}
		n, err := answer(in, r.plan.Status)
		if err != nil {
			return err
		}
		if due.After(r.counted) {
			l.took = append(l.took, time.Since(due))
			l.bytes += n
		}
	}
	return nil
}

// answer reads one answer and gives the length of its body.
func answer(in *bufio.Reader, want string) (int64, error) {
	line, err := in.ReadSlice('\n')
	if err != nil {
		return 0, fmt.Errorf("read an answer: %w", err)
	}
	if len(line) < 12 || string(line[9:12]) != want {
		return 0, fmt.Errorf("%w: %s", ErrAnswer, strings.TrimSpace(string(line)))
	}
	length, chunked := int64(-1), false
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return 0, fmt.Errorf("read a head: %w", err)
		}
		if len(line) <= 2 {
			break
		}
		switch {
		case len(line) > 16 && strings.EqualFold(string(line[:15]), "Content-Length:"):
			if length, err = strconv.ParseInt(strings.TrimSpace(string(line[15:])), 10, 64); err != nil {
				return 0, fmt.Errorf("read a length: %w", err)
			}
		case len(line) > 18 && strings.EqualFold(string(line[:18]), "Transfer-Encoding:"):
			chunked = true
		}
	}
	if !chunked {
		if length < 0 {
			return 0, fmt.Errorf("%w: an answer without a length", ErrAnswer)
		}
		return length, discard(in, length)
	}
	for total := int64(0); ; {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return total, fmt.Errorf("read a chunk: %w", err)
		}
		n, err := strconv.ParseInt(strings.TrimSpace(string(line)), 16, 64)
		if err != nil {
			return total, fmt.Errorf("read a chunk's length: %w", err)
		}
		if err := discard(in, n+2); err != nil || n == 0 {
			return total, err
		}
		total += n
	}
}

func discard(in *bufio.Reader, n int64) error {
	if _, err := io.CopyN(io.Discard, in, n); err != nil {
		return fmt.Errorf("read a body: %w", err)
	}
	return nil
}

func summary(lanes []lane, over time.Duration) Result {
	var took []time.Duration
	var r Result
	for _, l := range lanes {
		took = append(took, l.took...)
		r.Bytes += l.bytes
	}
	r.Requests = len(took)
	r.Rate = float64(len(took)) / over.Seconds()
	slices.Sort(took)
	r.P50, r.P90, r.P99, r.Max = Percentile(took, 50), Percentile(took, 90), Percentile(took, 99), Percentile(took, 100)
	return r
}

// Percentile gives the value below or at which p per cent of the sorted list lie (nearest rank); zero of an empty list.
func Percentile(sorted []time.Duration, p float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	rank := int(float64(len(sorted))*p/100+0.999999) - 1
	return sorted[min(max(rank, 0), len(sorted)-1)]
}
