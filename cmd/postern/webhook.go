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

const webhookUsage = "postern webhook verify --secret-file FILE [--secret-file FILE] --header 'NAME: VALUE' [--header ...] BODY\n" +
	"A second --secret-file is the other secret of a rotation. BODY is a file with the request's body, byte for byte, or - for standard input. Exit code: 0 genuine, 1 not, 2 wrong use."

// webhook is "postern webhook verify": the checker of the portal, without a server. It reads, answers, and keeps nothing.
func webhook(_ context.Context, args []string, e env) int {
	if len(args) == 0 || args[0] != "verify" {
		fmt.Fprintln(e.stderr, webhookUsage)
		return exitBadConfig
	}
	body, header, keys, err := readCall(args[1:], e)
	if err != nil {
		fmt.Fprintf(e.stderr, "%s\n%s\n", err, webhookUsage)
		return exitBadConfig
	}
	at := time.Now()
	f := verifications.Inspect(body, header, keys[0], at)
	if len(keys) > 1 {
		if second := verifications.Inspect(body, header, keys[1], at); second.Genuine || !f.Genuine && second.Scheme != "" && f.Scheme == "" { // the one that says more
			f = second
			fmt.Fprintln(e.stdout, "It is the second secret that fits.")
		} else if f.Scheme != "" {
			fmt.Fprintln(e.stdout, "It is the first secret that fits.")
		}
	}
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

// fileFlags collects --secret-file.
type fileFlags struct{ names *[]string }

func (f fileFlags) String() string { return "" }

func (f fileFlags) Set(name string) error {
	*f.names = append(*f.names, name)
	return nil
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

// readCall reads what is to be checked, with one or two secrets. They come from files: on the command line every user of the machine could read them.
func readCall(args []string, e env) ([]byte, http.Header, []secret.Text, error) {
	header := http.Header{}
	var files []string
	var keys []secret.Text
	set := flag.NewFlagSet("webhook verify", flag.ContinueOnError)
	set.SetOutput(io.Discard)
	set.Var(fileFlags{&files}, "secret-file", "")
	set.Var(headerFlags{header}, "header", "")
	if err := set.Parse(args); err != nil {
		return nil, nil, nil, err
	}
	if len(files) < 1 || len(files) > 2 || set.NArg() != 1 {
		return nil, nil, nil, errors.New("one body and one or two --secret-file are needed")
	}
	for _, file := range files {
		key, err := os.ReadFile(file)
		if err != nil {
			return nil, nil, nil, fmt.Errorf("the secret cannot be read: %w", err)
		}
		keys = append(keys, secret.New(strings.TrimRight(string(key), "\r\n"))) // an editor ends a file with a line break; nobody means it as part of the secret
	}
	source := e.stdin
	if name := set.Arg(0); name != "-" {
		opened, err := os.Open(name)
		if err != nil {
			return nil, nil, nil, fmt.Errorf("the body cannot be read: %w", err)
		}
		defer opened.Close() //nolint:errcheck // only read
		source = opened
	}
	body, err := io.ReadAll(io.LimitReader(source, verifications.MaxBody+1))
	if err != nil {
		return nil, nil, nil, fmt.Errorf("the body cannot be read: %w", err)
	}
	return body, header, keys, nil
}
