package main

import (
	"context"
	"fmt"
	"strings"
)

const eraseUsage = "postern audit erase --person ADDRESS [--dry-run]"

// auditErase is "postern audit erase": it takes a person out of the audit and of the access ledger's labels, and says what stays.
func auditErase(ctx context.Context, args []string, e env) int {
	who, dry := "", false
	var rest []string
	for i := 0; i < len(args); i++ {
		name, value, given := strings.Cut(args[i], "=")
		switch {
		case name == "--dry-run":
			dry = true
		case name == "--person" && given:
			who = value
		case name == "--person" && i+1 < len(args):
			i++
			who = args[i]
		default:
			rest = append(rest, args[i])
		}
	}
	if who == "" {
		fmt.Fprintln(e.stderr, eraseUsage)
		return exitBadConfig
	}
	c, err := loadConfig(modeTool, rest, e.environ)
	if err != nil {
		return fail(e, err)
	}
	ng, dsn, end, err := openEngineWith(ctx, c, e)
	if err != nil {
		return fail(e, err)
	}
	defer end()
	done, err := ng.AuditLog.Erase(ctx, system, dsn, who, dry)
	if err != nil {
		return fail(e, err)
	}
	verb := "Erased"
	if dry {
		verb = "Would erase"
	}
	fmt.Fprintf(e.stdout, "%s: %d names, addresses and details in %d audit entries, and the labels of %d rows of the access ledger.\n", verb, done.Fields, done.Entries, done.Accesses)
	if done.Whole > 0 {
		fmt.Fprintf(e.stdout, "%d of these entries are from before single fields could be erased: all personal fields of them go. A receipt or certificate that one of them commits to still shows its signature, and no longer that the log has it.\n", done.Whole)
	}
	fmt.Fprintln(e.stdout, "What stays: the acts themselves, with their times, ids and outcomes; the log's leaves, checkpoints and proofs, which hold no personal field. Bundles, evidence packs, receipts and backups that were made before still hold what they held.")
	if done.Member {
		fmt.Fprintln(e.stdout, "The address is a member's: while they are one, what they do names them again.")
	}
	if done.Live > 0 {
		fmt.Fprintf(e.stdout, "%d grants of this mailbox are still there: delete them first, or they name it again.\n", done.Live)
	}
	return 0
}
