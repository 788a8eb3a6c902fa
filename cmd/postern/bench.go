package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/postern-mail/postern/cmd/postern/load"
)

// measure is one part of postern bench. It stands in a file of its own, bench_NAME.go.
type measure struct {
	name, doc string
	run       func(ctx context.Context, b *bench) error
}

// measures in the order of the report.
func measures() []measure {
	return []measure{
		{"send", "events of 1 KiB from commit to the receiver's 200, also beside a large log, and their delay at a tenth; beside a bare loop of POSTs", benchSend},
		{"grants", "the API over 100,000 grants: one, a page of 50, and authorisation alone, beside a bare echo and gorm program", benchGrants},
		{"audit", "changes with their audit entry, the log's lag meanwhile, and the offline check of a bundle", benchAudit},
		{"pages", "every list, the home and the security pages over a filled database, through the real server with a session", benchPages},
		{"refresh", "100 callers of a mailbox whose access token has ended: requests for a new one", benchRefresh},
		{"mail", "listing 20 messages over IMAP, 4 connections, Dovecot on this machine; beside the bare FETCH of the same", benchMail},
		{"attachment", "a file of 24 MB into a draft and out again, over IMAP: the memory that each adds", benchAttachment},
		{"receive", "the way in: events verified, logged on disk and answered; refused ones; a gzip bomb", benchReceive},
		{"log", "the verification log's page by each filter, over the rows that --log-rows says", benchLog},
		{"offboard", "an organisation of 10,000 mailboxes leaves: refused everywhere, every credential destroyed, the data key gone", benchOffboard},
		{"watch", "500 mailboxes behind IMAP, watched in IDLE over TLS: the memory of each, beside a bare go-imap connection", benchWatch},
	}
}

// bench is one run. Measures run one after the other, on one world that is made when the first of them asks for it.
type bench struct {
	grants  int // rows to seed
	entries int // of the audit
	tenants int
	logRows int           // of the verification log
	seconds time.Duration // of each load
	made    *world
	machine string
	figures []figure
	out     io.Writer // progress
}

// figure is one number of the report. Goals are printed, never asserted: another machine is no failure.
type figure struct {
	Measure string  `json:"measure"`
	What    string  `json:"what"`
	Value   float64 `json:"value"`
	Unit    string  `json:"unit"`
	Goal    float64 `json:"goal,omitempty"`    // 0: none; a peer or a limit that stands beside
	AtMost  bool    `json:"at_most,omitempty"` // the goal is an upper bound
	Met     *bool   `json:"met,omitempty"`
	Note    string  `json:"note,omitempty"`
}

// note adds a figure to the report of the measure that runs, and shows it.
func (b *bench) note(f figure) {
	if f.Goal != 0 {
		met := f.Value >= f.Goal
		if f.AtMost {
			met = f.Value <= f.Goal
		}
		f.Met = &met
	}
	b.figures = append(b.figures, f)
	fmt.Fprintf(b.out, "  %s: %s\n", f.What, number(f.Value, f.Unit))
}

// rate notes requests a second, and further remarks.
func (b *bench) rate(m, what string, r load.Result, goal float64, remarks ...string) {
	remarks = append([]string{fmt.Sprintf("p50 %s, p99 %s", short(r.P50), short(r.P99))}, remarks...)
	b.note(figure{Measure: m, What: what, Value: r.Rate, Unit: "req/s", Goal: goal, Note: strings.Join(remarks, "; ")})
}

// slowest notes the 99th percentile in milliseconds.
func (b *bench) slowest(m, what string, r load.Result, goal time.Duration) {
	b.note(figure{Measure: m, What: what, Value: float64(r.P99) / float64(time.Millisecond), Unit: "ms", Goal: float64(goal) / float64(time.Millisecond), AtMost: true,
		Note: fmt.Sprintf("%.0f req/s reached, p50 %s, max %s", r.Rate, short(r.P50), short(r.Max))})
}

func short(d time.Duration) string { return d.Round(10 * time.Microsecond).String() }

// benchCommand is "postern bench [NAME...] [--json FILE] [--list] [--grants N] [--log-rows N] [--seconds N] [--profile FILE]".
func benchCommand(ctx context.Context, args []string, e env) int {
	flags := flag.NewFlagSet("postern bench", flag.ContinueOnError)
	flags.SetOutput(e.stderr)
	list := flags.Bool("list", false, "say what can be measured, and end")
	file := flags.String("json", "", "write the figures to this file too")
	grants := flags.Int("grants", 100_000, "grants in the database")
	logRows := flags.Int("log-rows", 1_000_000, "rows in the verification log; the issue's figure is for 50000000, which takes most of an hour to fill")
	entries := flags.Int("entries", 200_000, "audit entries in the database")
	tenants := flags.Int("tenants", worldTenants, "organisations in the database")
	seconds := flags.Float64("seconds", 8, "length of each load")
	profile := flags.String("profile", "", "write a processor profile of the whole run to this file (go tool pprof)")
	var names []string
	for len(args) > 0 { // names and flags in any order
		if err := flags.Parse(args); err != nil {
			return exitBadConfig
		}
		if args = flags.Args(); len(args) > 0 {
			names, args = append(names, args[0]), args[1:]
		}
	}
	var chosen []measure
	for _, m := range measures() {
		if len(names) == 0 || slices.Contains(names, m.name) {
			chosen = append(chosen, m)
		}
		if *list {
			fmt.Fprintf(e.stdout, "%-12s %s\n", m.name, m.doc)
		}
	}
	for _, n := range names {
		if !slices.ContainsFunc(chosen, func(m measure) bool { return m.name == n }) {
			fmt.Fprintf(e.stderr, "postern bench measures no %q; --list says what there is.\n", n)
			return exitBadConfig
		}
	}
	if *list {
		return 0
	}
	b := &bench{grants: max(*grants, 1), entries: max(*entries, 1), tenants: max(*tenants, 1), logRows: max(*logRows, 1), seconds: time.Duration(*seconds * float64(time.Second)), machine: processors(), out: e.stderr}
	defer b.end()
	if *profile != "" {
		stop, err := profiled(*profile)
		if err != nil {
			return fail(e, err)
		}
		defer stop()
	}
	code := 0
	for _, m := range chosen {
		fmt.Fprintf(b.out, "%s\n", m.name)
		if err := m.run(ctx, b); err != nil {
			fmt.Fprintf(e.stderr, "%s could not be measured: %v\n", m.name, err)
			code = 1
		}
		if ctx.Err() != nil {
			break
		}
	}
	b.print(e.stdout)
	if *file != "" {
		if err := b.write(*file); err != nil {
			return fail(e, err)
		}
	}
	return code
}

// profiled writes a processor profile until it is stopped.
func profiled(file string) (stop func(), err error) {
	f, err := os.Create(file)
	if err != nil {
		return nil, fmt.Errorf("write the profile: %w", err)
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, errors.Join(fmt.Errorf("begin the profile: %w", err), f.Close())
	}
	return func() { pprof.StopCPUProfile(); _ = f.Close() }, nil // a profile that was cut short is seen as such by its reader
}

// processors names the machine: a figure without it says nothing.
func processors() string {
	model := runtime.GOARCH
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(text)) {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				model = strings.TrimSpace(value)
				break
			}
		}
	}
	return fmt.Sprintf("%s, %d processors, %s, %s", model, runtime.NumCPU(), runtime.GOOS, runtime.Version())
}

func (b *bench) print(out io.Writer) {
	fmt.Fprintf(out, "\n%s\nServer, database and load share the machine. A goal is printed, not enforced.\n\n", b.machine)
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "measure\tfigure\tmeasured\tgoal\tverdict\tremarks")
	for _, f := range b.figures {
		goal, verdict := "", ""
		if f.Met != nil {
			verdict, goal = "not met", "at least "+number(f.Goal, f.Unit)
			if f.AtMost {
				goal = "at most " + number(f.Goal, f.Unit)
			}
			if *f.Met {
				verdict = "met"
			}
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", f.Measure, f.What, number(f.Value, f.Unit), goal, verdict, f.Note)
	}
	_ = w.Flush() // to the terminal
}

func (b *bench) write(file string) error {
	text, err := json.MarshalIndent(map[string]any{"machine": b.machine, "at": time.Now().UTC().Format(time.RFC3339), "figures": b.figures}, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(file, append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("write the figures: %w", err)
	}
	return nil
}

// number writes a value with thousands parted, and no more digits than it is worth.
func number(v float64, unit string) string {
	text := strconv.FormatFloat(v, 'f', 2, 64)
	switch {
	case v >= 100:
		text = strconv.FormatFloat(v, 'f', 0, 64)
	case v >= 10:
		text = strconv.FormatFloat(v, 'f', 1, 64)
	}
	whole, rest, _ := strings.Cut(text, ".")
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if rest = strings.TrimRight(rest, "0"); rest != "" {
		whole += "." + rest
	}
	return whole + " " + unit
}
