package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// cpu is processor time used so far: by this process, load generator and peers included, and by the database's connections. It says what a request costs even on a
// machine that is busy with other things, where requests a second say little.
type cpu struct{ own, database time.Duration }

// cpuNow reads the counters. Where the system does not tell, they stay zero.
func (w *world) cpuNow(ctx context.Context) cpu {
	var c cpu
	var self syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &self) == nil {
		c.own = time.Duration(self.Utime.Nano() + self.Stime.Nano())
	}
	conn, err := pgx.Connect(ctx, w.dsn)
	if err != nil {
		return c
	}
	defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // read only
	rows, err := conn.Query(ctx, `SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid()`)
	if err != nil {
		return c
	}
	pids, err := pgx.CollectRows(rows, pgx.RowTo[int])
	if err != nil {
		return c
	}
	for _, pid := range pids {
		c.database += spent(fmt.Sprintf("/proc/%d/stat", pid))
	}
	return c
}

// spent reads user and system time of a process (proc(5), fields 14 and 15, in hundredths of a second).
func spent(file string) time.Duration {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0
	}
	_, after, _ := strings.Cut(string(text), ") ") // the name before may hold spaces
	fields := strings.Fields(after)
	if len(fields) < 13 {
		return 0
	}
	user, errUser := strconv.Atoi(fields[11])
	system, errSystem := strconv.Atoi(fields[12])
	if errUser != nil || errSystem != nil {
		return 0
	}
	return time.Duration(user+system) * 10 * time.Millisecond
}

// per says what one of n requests used since before.
func (c cpu) per(before cpu, n int) string {
	if n == 0 {
		return ""
	}
	own, database := (c.own-before.own)/time.Duration(n), (c.database-before.database)/time.Duration(n)
	return fmt.Sprintf("processor time a request: %s here with the load, %s in Postgres", own.Round(time.Microsecond), database.Round(time.Microsecond))
}

// each is the share in microseconds that one of n requests has of the time spent.
func each(spent time.Duration, n int) float64 {
	return float64(spent.Microseconds()) / float64(max(n, 1))
}
