package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/models"
)

// system is Postern itself, as the operator's commands act.
var system = models.System("command")

// fail tells the operator what went wrong, in the words meant for people where there are any, and gives the exit code.
func fail(e env, err error) int {
	var faults configFaults
	if errors.As(err, &faults) {
		fmt.Fprintln(e.stderr, faults.Error())
		return exitBadConfig
	}
	if known, ok := fault.As(err); ok && known.Public != "" {
		fmt.Fprintf(e.stderr, "postern: %s\n  (%v)\n", known.Public, err)
		return 1
	}
	fmt.Fprintf(e.stderr, "postern: %v\n", err)
	return 1
}

func serve(ctx context.Context, args []string, e env) int {
	c, err := loadConfig(modeServe, args, e.environ)
	if err != nil {
		return fail(e, err)
	}
	log := logger(c, e)
	kek, source, err := readKey(ctx, c)
	if err != nil {
		return fail(e, err)
	}
	ctx, dsn, end, err := database(ctx, c, true, log)
	if err != nil {
		return fail(e, err)
	}
	defer end()
	p, err := assemble(ctx, c, dsn, kek, extras{keySource: source}, log)
	if err != nil {
		return fail(e, err)
	}
	defer p.engine.Close() //nolint:errcheck // the process ends
	if err := p.run(ctx, func() error {
		log.Info("postern is ready", "address", c.URL.String(), "listening", c.Addr, "region", c.Region)
		return nil
	}); err != nil {
		return fail(e, err)
	}
	return 0
}
