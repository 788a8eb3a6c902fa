package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/postern-mail/postern/engine"
	"github.com/postern-mail/postern/engine/audit"
	"github.com/postern-mail/postern/engine/dial"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/models"
)

// exitBroken is the exit code of a proof that does not hold.
const exitBroken = 2

// auditCommand is "postern audit key", "export", "erase" and "verify".
func auditCommand(ctx context.Context, args []string, e env) int {
	if len(args) == 0 {
		args = []string{""}
	}
	switch args[0] {
	case "verify":
		return auditVerify(args[1:], e)
	case "erase":
		return auditErase(ctx, args[1:], e)
	case "key", "export":
		return auditOpen(ctx, args[0], args[1:], e)
	default:
		fmt.Fprintln(e.stderr, "postern audit key\npostern audit export [--tenant ID] [--out FILE]\npostern audit erase --person ADDRESS [--dry-run]\npostern audit verify [--key KEY] [--checkpoint FILE] FILE")
		return exitBadConfig
	}
}

// auditVerify needs neither a network nor a database. It takes a bundle, a receipt or a certificate. Exit 0: it holds; 2: it does not, and the first entry at fault is named.
func auditVerify(args []string, e env) int {
	flags := flag.NewFlagSet("audit verify", flag.ContinueOnError)
	flags.SetOutput(e.stderr)
	key := flags.String("key", "", "the log's public key, as \"postern audit key\" printed it, from a source you trust")
	earlier := flags.String("checkpoint", "", "a checkpoint kept from earlier, in a file: the log must contain it")
	if err := flags.Parse(args); err != nil {
		return 1
	}
	if flags.NArg() != 1 {
		fmt.Fprintln(e.stderr, "postern audit verify [--key KEY] [--checkpoint FILE] FILE")
		return 1
	}
	kept := ""
	if *earlier != "" {
		text, err := os.ReadFile(*earlier)
		if err != nil {
			return fail(e, err)
		}
		kept = string(text)
	}
	bundle := e.stdin
	if name := flags.Arg(0); name != "-" {
		file, err := os.Open(name)
		if err != nil {
			return fail(e, err)
		}
		defer file.Close() //nolint:errcheck // it was only read
		bundle = file
	}
	peeked := bufio.NewReaderSize(bundle, 64<<10)
	start, err := peeked.Peek(64)
	if err != nil && !errors.Is(err, io.EOF) {
		return fail(e, err)
	}
	if audit.IsPack(start) {
		return verifyPack(peeked, *key, e)
	}
	if audit.IsDocument(start) {
		return verifyDocument(peeked, *key, e)
	}
	v, err := audit.Verify(peeked, *key, kept)
	if err != nil {
		return broken(e, "bundle", err)
	}
	what := "the whole log"
	if v.Tenant != "" {
		what = "entries of tenant " + v.Tenant + ", each proven to be in the log"
	}
	fmt.Fprintf(e.stdout, "The bundle holds: %d entries, %s.\nlog %s, size %d, root %s, %d earlier checkpoints agree\n", v.Entries, what, v.Origin, v.Size, v.Root, v.Checkpoints)
	trusted(e, *key, v.Key)
	return 0
}

// longestPack bounds an evidence pack.
const longestPack = 1 << 30

func verifyPack(r io.Reader, key string, e env) int {
	file, err := io.ReadAll(io.LimitReader(r, longestPack+1))
	if err != nil {
		return fail(e, err)
	}
	if len(file) > longestPack {
		return broken(e, "pack", &audit.Broken{Index: -1, Reason: "it is larger than any pack of ours"})
	}
	named, err := audit.VerifyPack(file, key)
	if err != nil {
		return broken(e, "pack", err)
	}
	fmt.Fprintf(e.stdout, "The pack holds: %d bytes, as they were signed, SHA-256 %x.\n", len(file), sha256.Sum256(file))
	trusted(e, key, named)
	return 0
}

// trusted says what a check without a key is worth.
func trusted(e env, given, named string) {
	if given == "" {
		fmt.Fprintf(e.stdout, "Its key is %s. No --key was given: compare it with the one that the installation publishes at /.well-known/postern-audit-key.\n", named)
	}
}

// broken tells why a proof does not hold, and gives the exit code.
func broken(e env, what string, err error) int {
	var b *audit.Broken
	if !errors.As(err, &b) {
		return fail(e, err)
	}
	fmt.Fprintf(e.stderr, "The %s does not hold. %s.\n", what, strings.ToUpper(b.Error()[:1])+b.Error()[1:])
	return exitBroken
}

// longestDocument bounds a receipt or certificate.
const longestDocument = 64 << 20

func verifyDocument(r io.Reader, key string, e env) int {
	text, err := io.ReadAll(io.LimitReader(r, longestDocument))
	if err != nil {
		return fail(e, err)
	}
	v, err := audit.VerifyDocument(text, key)
	if err != nil {
		return broken(e, "document", err)
	}
	fmt.Fprintf(e.stdout, "The document holds: %s, signed by %s.\n", strings.TrimSuffix(v.Format, " 1"), v.Origin)
	if v.Proven {
		fmt.Fprintf(e.stdout, "Entry %d of the audit log commits to it; the log had %d entries then.\n", v.Index, v.Size)
	} else {
		fmt.Fprintln(e.stdout, "It carries no proof that the audit log has it.")
	}
	trusted(e, key, v.Key)
	return 0
}

// auditOpen does what needs the database.
func auditOpen(ctx context.Context, act string, args []string, e env) int {
	tenant, out := "", "-"
	var rest []string
	for i := 0; i < len(args); i++ {
		name, value, given := strings.Cut(args[i], "=")
		if name != "--tenant" && name != "--out" {
			rest = append(rest, args[i])
			continue
		}
		if !given {
			if i++; i == len(args) {
				fmt.Fprintf(e.stderr, "postern audit: %s needs a value\n", name)
				return exitBadConfig
			}
			value = args[i]
		}
		if name == "--tenant" {
			tenant = value
		} else {
			out = value
		}
	}
	ng, end, err := openEngine(ctx, rest, e)
	if err != nil {
		return fail(e, err)
	}
	defer end()
	if act == "key" {
		s, err := ng.AuditLog.Standing(ctx)
		if err != nil {
			return fail(e, err)
		}
		fmt.Fprintln(e.stdout, s.Key)
		return 0
	}
	if err := exportAudit(ctx, ng, tenant, out, e); err != nil {
		return fail(e, err)
	}
	return 0
}

func exportAudit(ctx context.Context, ng *engine.Engine, tenant, out string, e env) error {
	var id models.TenantID
	if tenant != "" {
		var err error
		if id, err = models.ParseID[models.TenantID](tenant); err != nil {
			return fmt.Errorf("--tenant: %w", err)
		}
	}
	// What was written a moment ago, by this very export too, belongs into the log first.
	if _, err := ng.AuditLog.SequenceOnce(ctx); err != nil {
		return err
	}
	to := e.stdout
	if out != "-" {
		file, err := os.OpenFile(out, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return fmt.Errorf("write the bundle: %w", err)
		}
		defer file.Close() //nolint:errcheck // Sync below tells
		defer file.Sync()  //nolint:errcheck // a short bundle does not verify
		to = file
	}
	n, err := ng.AuditLog.Export(ctx, system, id, io.Writer(to))
	if err != nil {
		return err
	}
	fmt.Fprintf(e.stderr, "%d entries written\n", n)
	return nil
}

// openEngine opens an installation for a command that stands beside the servers.
func openEngine(ctx context.Context, args []string, e env) (*engine.Engine, func(), error) {
	c, err := loadConfig(modeTool, args, e.environ)
	if err != nil {
		return nil, nil, err
	}
	if c.URL == nil {
		return nil, nil, configFaults{{"POSTERN_URL", "is not set", "set it to the address that people use, as for serve"}}
	}
	ng, _, end, err := openEngineWith(ctx, c, e)
	return ng, end, err
}

// openEngineWith does the same with settings that were read, and gives the owner's address too. Without POSTERN_URL, links cannot be made.
func openEngineWith(ctx context.Context, c *config, e env) (*engine.Engine, string, func(), error) {
	log := logger(c, e)
	kek, source, err := readKey(ctx, c)
	if err != nil {
		return nil, "", nil, err
	}
	ctx, dsn, end, err := database(ctx, c, true, log)
	if err != nil {
		return nil, "", nil, err
	}
	installation, err := engine.Prepare(ctx, dsn, kek, c.Region, c.AutoMigrate, time.Now, log)
	if err != nil {
		end()
		return nil, "", nil, err
	}
	base := c.URL
	if base == nil {
		base = &url.URL{Scheme: "https", Host: "localhost"}
	}
	ng, err := engine.New(ctx, engine.Config{DSN: dsn, Installation: installation, KEK: kek, KEKSource: source, BaseURL: base, Company: c.Company,
		Guard: dial.New(dial.Config{}), Providers: provider.NewSet(nil), Now: time.Now, Log: log})
	if err != nil {
		end()
		return nil, "", nil, err
	}
	return ng, dsn, func() { _ = ng.Close(); end() }, nil
}
