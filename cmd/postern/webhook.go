package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/postern-mail/postern/engine/secret"
	"github.com/postern-mail/postern/engine/verifications"
)

// exitNotGenuine is what "postern webhook verify" answers about a call that a receiver would refuse.
const exitNotGenuine = 1

const webhookUsage = "postern webhook verify --secret-file FILE --header 'NAME: VALUE' [--header ...] BODY\n" +
	"BODY is a file with the request's body, byte for byte, or - for standard input. Exit code: 0 genuine, 1 not, 2 wrong use."

// webhook is "postern webhook verify": the checker of the portal, without a server. It reads, answers, and keeps nothing.
func webhook(_ context.Context, args []string, e env) int {
	if len(args) == 0 || args[0] != "verify" {
		fmt.Fprintln(e.stderr, webhookUsage)
		return exitBadConfig
	}
	body, header, key, err := readCall(args[1:], e)
	if err != nil {
		fmt.Fprintf(e.stderr, "%s\n%s\n", err, webhookUsage)
		return exitBadConfig
	}
	f := verifications.Inspect(body, header, key, time.Now())
	fmt.Fprintf(e.stdout, "%s. %s\n", f.Title, f.Meaning)
	if f.Do != "" {
		fmt.Fprintln(e.stdout, f.Do)
	}
	if f.Scheme != "" {
		fmt.Fprintf(e.stdout, "Matched: %s, secret read %s, signature in %s.\n", f.Body, f.Secret, f.Header)
	}
	if !f.Genuine {
		fmt.Fprintf(e.stdout, "Finding: %s\n", f.Mistake)
		return exitNotGenuine
	}
	return 0
}

// headerFlags collects --header.
type headerFlags struct{ header http.Header }

func (h headerFlags) String() string { return "" }

func (h headerFlags) Set(line string) error {
	name, value, found := strings.Cut(line, ":")
	if !found || strings.TrimSpace(name) == "" {
		return errors.New("it looks like 'X-Nylas-Signature: 0123...'")
	}
	h.header.Add(strings.TrimSpace(name), strings.TrimSpace(value))
	return nil
}

// readCall reads what is to be checked. The secret comes from a file: on the command line every user of the machine could read it.
func readCall(args []string, e env) ([]byte, http.Header, secret.Text, error) {
	header, none := http.Header{}, secret.Text{}
	set := flag.NewFlagSet("webhook verify", flag.ContinueOnError)
	set.SetOutput(io.Discard)
	file := set.String("secret-file", "", "")
	set.Var(headerFlags{header}, "header", "")
	if err := set.Parse(args); err != nil {
		return nil, nil, none, err
	}
	if *file == "" || set.NArg() != 1 {
		return nil, nil, none, errors.New("one body and --secret-file are needed")
	}
	key, err := os.ReadFile(*file)
	if err != nil {
		return nil, nil, none, fmt.Errorf("the secret cannot be read: %w", err)
	}
	source := e.stdin
	if name := set.Arg(0); name != "-" {
		opened, err := os.Open(name)
		if err != nil {
			return nil, nil, none, fmt.Errorf("the body cannot be read: %w", err)
		}
		defer opened.Close() //nolint:errcheck // only read
		source = opened
	}
	body, err := io.ReadAll(io.LimitReader(source, verifications.MaxBody+1))
	if err != nil {
		return nil, nil, none, fmt.Errorf("the body cannot be read: %w", err)
	}
	// An editor ends a file with a line break; nobody means it as part of the secret.
	return body, header, secret.New(strings.TrimRight(string(key), "\r\n")), nil
}
