package main

import (
	"context"
	"fmt"

	"github.com/postern-mail/postern/models/store"
)

// migrate is "postern migrate up", "down" and "status".
func migrate(ctx context.Context, args []string, e env) int {
	if len(args) == 0 {
		fmt.Fprintln(e.stderr, "postern migrate up | down | status")
		return exitBadConfig
	}
	c, err := loadConfig(modeTool, args[1:], e.environ)
	if err != nil {
		return fail(e, err)
	}
	log := logger(c, e)
	ctx, dsn, end, err := database(ctx, c, true, log)
	if err != nil {
		return fail(e, err)
	}
	defer end()
	switch args[0] {
	case "up":
		err = store.Migrate(ctx, dsn, log)
	case "down":
		var step store.Step
		if step, err = store.MigrateDown(ctx, dsn); err == nil {
			fmt.Fprintf(e.stdout, "%s taken back\n", step.Name)
		}
	case "status":
		var steps []store.Step
		steps, err = store.MigrationStatus(ctx, dsn)
		for _, s := range steps {
			mark := "waiting"
			if s.Applied {
				mark = "applied"
			}
			fmt.Fprintf(e.stdout, "%-8s %s\n", mark, s.Name)
		}
	default:
		fmt.Fprintf(e.stderr, "postern migrate has no %q. It has up, down and status.\n", args[0])
		return exitBadConfig
	}
	if err != nil {
		return fail(e, err)
	}
	return 0
}

// setup prints a one-time link with which an owner registers a passkey: the first one, or one who is locked out.
func setup(ctx context.Context, args []string, e env) int {
	address := ""
	if len(args) > 0 && len(args[0]) > 0 && args[0][0] != '-' {
		address, args = args[0], args[1:]
	}
	ng, end, err := openEngine(ctx, args, e)
	if err != nil {
		return fail(e, err)
	}
	defer end()
	link, err := ng.Access.Setup(ctx, address)
	if err != nil {
		return fail(e, err)
	}
	fmt.Fprintf(e.stdout, "Open this link within 30 minutes, in the browser whose passkey you want to register. It works once.\n\n  %s\n", link.Reveal())
	return 0
}
