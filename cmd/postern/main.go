// Command postern is the whole product: the portal, the gateway, and the tools to run them.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// env is what a command sees of the process around it.
type env struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	environ        []string
}

// command is one subcommand. run returns the process's exit code.
type command struct {
	name, doc string
	run       func(ctx context.Context, args []string, e env) int
}

// commands in the order of the help text.
func commands() []command {
	return []command{
		{"demo", "everything on this machine, nothing to configure", demo},
		{"serve", "the portal and the API", serve},
		{"migrate", "the database schema: up, down, status", migrate},
		{"setup", "a one-time link with which an owner registers a passkey", setup},
		{"audit", "the audit log: key, export a bundle, verify one offline", auditCommand},
		{"webhook", "verify a captured webhook call, offline", webhook},
		{"keys", "the keys: create, status, rotate, verify", keys},
		{"bench", "the load figures of the README, measured on this machine", benchCommand},
	}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := dispatch(ctx, commands(), os.Args[1:], env{os.Stdin, os.Stdout, os.Stderr, os.Environ()})
	stop()
	os.Exit(code)
}

// dispatch runs the named command; without one, or with an unknown one, it prints what there is and returns 2.
func dispatch(ctx context.Context, list []command, args []string, e env) int {
	if len(args) > 0 {
		for _, c := range list {
			if c.name == args[0] {
				return c.run(ctx, args[1:], e)
			}
		}
	}
	out, code := e.stderr, exitBadConfig
	if len(args) > 0 && (args[0] == "help" || args[0] == "--help" || args[0] == "-h") {
		out, code = e.stdout, 0
	}
	if code != 0 && len(args) > 0 {
		fmt.Fprintf(out, "postern has no command %q.\n\n", args[0])
	}
	fmt.Fprintln(out, "postern COMMAND [flags]")
	for _, c := range list {
		fmt.Fprintf(out, "  %-10s %s\n", c.name, c.doc)
	}
	return code
}
