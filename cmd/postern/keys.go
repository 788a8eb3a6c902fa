package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/postern-mail/postern/engine"
	keysdeed "github.com/postern-mail/postern/engine/keys"
	"github.com/postern-mail/postern/engine/vault"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

// errNoKeySetting is a command that needs the key and was not told where it is.
var errNoKeySetting = configFaults{{"POSTERN_KEY_FILE", "is not set", "name the key file of this installation, or its key service with POSTERN_KEY_URL"}}

// readKey opens the key-encryption key, and those before it, and says in words where the one in use is.
func readKey(ctx context.Context, c *config) (vault.KEK, string, error) {
	use, source, err := oneKey(ctx, c.KeyFile, c.KeyURL)
	if err != nil {
		return nil, "", err
	}
	if use == nil {
		return nil, "", errNoKeySetting
	}
	ring := vault.Ring{KEK: use}
	for _, old := range [][2]string{{c.KeyFileBefore, ""}, {"", c.KeyURLBefore}} {
		before, _, err := oneKey(ctx, old[0], old[1])
		if err != nil {
			return nil, "", err
		}
		if before != nil {
			ring.Before = append(ring.Before, before)
		}
	}
	return ring, source, nil
}

func oneKey(ctx context.Context, file, url string) (vault.KEK, string, error) {
	switch {
	case url != "":
		kek, err := vault.OpenCloudKEK(ctx, url)
		return kek, kek.Source(), err
	case file != "":
		kek, err := vault.ReadFileKEK(file)
		return kek, "a file on this machine", err
	default:
		return nil, "", nil
	}
}

// keys is "postern keys create", "status", "rotate" and "verify".
func keys(ctx context.Context, args []string, e env) int {
	what := ""
	if len(args) > 0 {
		what = args[0]
	}
	switch what {
	case "create":
		return keysCreate(args[1:], e)
	case "status", "rotate", "verify":
	default:
		fmt.Fprintln(e.stderr, "postern keys create | status | rotate | verify")
		return exitBadConfig
	}
	c, err := loadConfig(modeTool, args[1:], e.environ)
	if err != nil {
		return fail(e, err)
	}
	ng, dsn, end, err := openEngineWith(ctx, c, e)
	if err != nil {
		return fail(e, err)
	}
	defer end()
	switch what {
	case "status":
		err = keysStatus(ctx, ng, dsn, e)
	case "rotate":
		err = keysRotate(ctx, ng, dsn, e)
	default:
		return keysVerify(ctx, ng, dsn, e)
	}
	if err != nil {
		return fail(e, err)
	}
	return 0
}

func keysCreate(args []string, e env) int {
	c, err := loadConfig(modeTool, args, e.environ)
	if err != nil {
		return fail(e, err)
	}
	if c.KeyFile == "" {
		return fail(e, errNoKeySetting)
	}
	kek, err := vault.CreateFileKEK(c.KeyFile)
	if err != nil {
		return fail(e, err)
	}
	fmt.Fprintf(e.stdout, "%s holds the new key %s.\nKeep a copy apart from the database's backups: without it nothing sealed can be read again, and with both everything can.\n", c.KeyFile, kek.ID())
	return 0
}

func keysStatus(ctx context.Context, ng *engine.Engine, dsn string, e env) error {
	row, err := store.LoadInstance(ctx, dsn)
	if err != nil {
		return err
	}
	s, err := ng.Keys.Refresh(ctx, system)
	if err != nil {
		return err
	}
	fmt.Fprintf(e.stdout, "key %s (%s) opens installation %s, region %s\n", s.KEKID, s.Source, row.ID, row.Region)
	if row.KEKID != s.KEKID {
		fmt.Fprintf(e.stdout, "the installation's own secret is still under key %s: run \"postern keys rotate\"\n", row.KEKID)
	}
	fmt.Fprintf(e.stdout, "%s\n%d data keys, %d of them wrapped under another key", keysdeed.Algorithm, s.Keys, s.OtherKEK)
	if s.Keys > 0 {
		fmt.Fprintf(e.stdout, ", the oldest in use since %s", s.Oldest.Format("2006-01-02"))
	}
	fmt.Fprintf(e.stdout, "\n%d of %d sealed values are under the key in use\n", s.Current, s.Sealed)
	if s.Last != nil && s.Last.FinishedAt == nil {
		fmt.Fprintf(e.stdout, "a rotation is open since %s: %d of at most %d keys, %d values; \"postern keys rotate\" goes on with it\n", s.Last.StartedAt.Format(time.RFC3339), s.Last.Done, s.Last.Tenants, s.Last.Resealed)
	} else if s.Last != nil {
		fmt.Fprintf(e.stdout, "the last rotation ended at %s: %d keys, %d values\n", s.Last.FinishedAt.Format(time.RFC3339), s.Last.Done, s.Last.Resealed)
	}
	return nil
}

// workAndTell works at a rotation, and says every two seconds how far it is. The work is not cut into turns: one begins with the first organisation again, and over many would never reach the last.
func workAndTell(ctx context.Context, ng *engine.Engine, id models.RotationID, e env) (done bool, err error) {
	over := make(chan struct{})
	go func() {
		defer close(over)
		done, err = ng.Keys.Work(ctx, id)
	}()
	tick := time.NewTicker(2 * time.Second)
	defer tick.Stop()
	for worked := false; !worked; {
		select {
		case <-over:
			worked = true
		case <-tick.C:
		}
		if ctx.Err() != nil {
			<-over
			return false, nil
		}
		s, failed := ng.Keys.Standing(ctx, system)
		if failed != nil {
			<-over
			return false, failed
		}
		if s.Last != nil && s.Last.ID == id {
			fmt.Fprintf(e.stdout, "%d of %s%d keys, %d values sealed anew\n", s.Last.Done, map[bool]string{true: "at most "}[s.Last.FinishedAt == nil], s.Last.Tenants, s.Last.Resealed)
		}
	}
	return done, err
}

// keysRotate works in this process at the rotation that is open or that it begins. It can be stopped anywhere and started again, beside servers that run.
func keysRotate(ctx context.Context, ng *engine.Engine, dsn string, e env) error {
	r, err := ng.Keys.Start(ctx, system)
	if err != nil {
		return err
	}
	fmt.Fprintf(e.stdout, "rotation %s: at most %d keys. It may be stopped and started again at any time.\n", r.ID, r.Tenants)
	for done := false; !done; {
		if done, err = workAndTell(ctx, ng, r.ID, e); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return fmt.Errorf("stopped; run \"postern keys rotate\" again: %w", ctx.Err())
		}
	}
	changed, err := engine.RewrapInstance(ctx, dsn, ng.Vault)
	if err != nil {
		return err
	}
	if changed {
		fmt.Fprintf(e.stdout, "the installation's own secret is under key %s now\n", ng.Vault.KEKID())
	}
	fmt.Fprintln(e.stdout, "Everything is under the keys in use. \"postern keys verify\" opens all of it to make sure; then the key of before can be taken away.")
	return nil
}

// exitLeftover is the exit code of a check that found something under an old key, or something that does not open.
const exitLeftover = 2

func keysVerify(ctx context.Context, ng *engine.Engine, dsn string, e env) int {
	found, err := ng.Keys.Verify(ctx)
	if err != nil {
		return fail(e, err)
	}
	row, err := store.LoadInstance(ctx, dsn)
	if err != nil {
		return fail(e, err)
	}
	fmt.Fprintf(e.stdout, "%d sealed values of %d tenants open\n", found.Opened, found.Tenants-1)
	if found.Shredded > 0 {
		fmt.Fprintf(e.stdout, "%d values belong to keys that were destroyed: nobody can open them, as was meant\n", found.Shredded)
	}
	for _, b := range found.Broken {
		fmt.Fprintf(e.stderr, "does not open: %s\n", b)
	}
	var left []error
	say := func(n int, words string) {
		if n > 0 {
			left = append(left, fmt.Errorf("%d %s", n, words))
		}
	}
	say(found.Bad, "values do not open")
	say(found.OldKey, "values are under an older data key")
	say(found.OldKEK, "data keys are wrapped under another key-encryption key than the one in use")
	say(found.OldKeys, "tenants still have older data keys beside the one in use")
	if row.KEKID != ng.Vault.KEKID() {
		left = append(left, errors.New("the installation's own secret is wrapped under another key-encryption key than the one in use"))
	}
	if len(left) == 0 {
		fmt.Fprintln(e.stdout, "Nothing is left under an older key.")
		return 0
	}
	fmt.Fprintf(e.stderr, "%v\n", errors.Join(left...))
	return exitLeftover
}
