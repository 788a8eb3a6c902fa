package store

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"

	"github.com/jackc/pgx/v5"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver's name for database/sql
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
	"github.com/riverqueue/river/riverdriver/riverdatabasesql"
	"github.com/riverqueue/river/rivermigrate"

	"github.com/postern-mail/postern/migrations"
)

// JobsSchema is the schema of River's tables, apart from ours.
const JobsSchema = "river"

// Step is one migration and whether it has been applied.
type Step struct {
	Version int64
	Name    string
	Applied bool
}

// Migrate brings the schema up to the newest version, one process at a time. The user of dsn becomes the owner of everything
// and must be allowed to create roles.
func Migrate(ctx context.Context, dsn string, log *slog.Logger) error {
	return withGoose(ctx, dsn, func(p *goose.Provider, db *sql.DB) error {
		done, err := p.Up(ctx)
		if err != nil {
			return fmt.Errorf("migrate: %w", err)
		}
		for _, r := range done {
			log.InfoContext(ctx, "migration applied", "version", r.Source.Version, "took", r.Duration)
		}
		return migrateJobs(ctx, db)
	})
}

// MigrateDown takes the newest migration back. Production goes forward only; this is for development.
func MigrateDown(ctx context.Context, dsn string) (Step, error) {
	var step Step
	err := withGoose(ctx, dsn, func(p *goose.Provider, _ *sql.DB) error {
		r, err := p.Down(ctx)
		if err != nil {
			return fmt.Errorf("migrate down: %w", err)
		}
		step = Step{Version: r.Source.Version, Name: r.Source.Path}
		return nil
	})
	return step, err
}

// MigrationStatus lists all migrations in order.
func MigrationStatus(ctx context.Context, dsn string) ([]Step, error) {
	var steps []Step
	err := withGoose(ctx, dsn, func(p *goose.Provider, _ *sql.DB) error {
		all, err := p.Status(ctx)
		for _, s := range all {
			steps = append(steps, Step{Version: s.Source.Version, Name: s.Source.Path, Applied: s.State == goose.StateApplied})
		}
		return err
	})
	return steps, err
}

func withGoose(ctx context.Context, dsn string, fn func(*goose.Provider, *sql.DB) error) error {
	if _, err := pgx.ParseConfig(dsn); err != nil {
		return fmt.Errorf("read the database address: %w", errDSN)
	}
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		return ErrUnreachable.Because(err)
	}
	defer db.Close() //nolint:errcheck // nothing left to flush
	if err := db.PingContext(ctx); err != nil {
		return ErrUnreachable.Because(fmt.Errorf("connect as the owner: %w", err))
	}
	locker, err := lock.NewPostgresSessionLocker()
	if err != nil {
		return fmt.Errorf("make the migration lock: %w", err)
	}
	p, err := goose.NewProvider(goose.DialectPostgres, db, migrations.Files, goose.WithSessionLocker(locker))
	if err != nil {
		return fmt.Errorf("read the migrations: %w", err)
	}
	return fn(p, db)
}

// migrateJobs lays River's own tables and lets the runtime roles at them: both add jobs, the platform's workers do them.
func migrateJobs(ctx context.Context, db *sql.DB) error {
	if _, err := db.ExecContext(ctx, `CREATE SCHEMA IF NOT EXISTS `+JobsSchema); err != nil {
		return fmt.Errorf("make the jobs' schema: %w", err)
	}
	m, err := rivermigrate.New(riverdatabasesql.New(db), &rivermigrate.Config{Schema: JobsSchema, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return fmt.Errorf("read the jobs' migrations: %w", err)
	}
	if _, err := m.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return fmt.Errorf("migrate the jobs' tables: %w", err)
	}
	_, err = db.ExecContext(ctx, `
		GRANT USAGE ON SCHEMA `+JobsSchema+` TO postern_app, postern_platform;
		GRANT SELECT, INSERT, UPDATE ON `+JobsSchema+`.river_job TO postern_app;
		GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA `+JobsSchema+` TO postern_platform;
		GRANT USAGE ON ALL SEQUENCES IN SCHEMA `+JobsSchema+` TO postern_app, postern_platform;
		GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA `+JobsSchema+` TO postern_app, postern_platform`)
	if err != nil {
		return fmt.Errorf("open the jobs' tables to the runtime roles: %w", err)
	}
	return nil
}

// Instance is what this installation is. Its secret is wrapped; only the vault opens it.
type Instance struct {
	ID            string
	Region        string
	KEKID         string // of the key-encryption key that wraps the secret
	WrappedSecret []byte
	Canary        []byte
}

// ErrNoInstance says that the schema is there and nothing was set up in it yet.
var ErrNoInstance = errors.New("this database holds no Postern installation yet")

// LoadInstance reads the installation's record as the owner.
func LoadInstance(ctx context.Context, dsn string) (Instance, error) {
	conn, err := connectOwner(ctx, dsn)
	if err != nil {
		return Instance{}, err
	}
	defer conn.Close(ctx) //nolint:errcheck // nothing was written
	var i Instance
	err = conn.QueryRow(ctx, `SELECT id::text, region, kek_id, wrapped_secret, canary FROM instance`).
		Scan(&i.ID, &i.Region, &i.KEKID, &i.WrappedSecret, &i.Canary)
	if errors.Is(err, pgx.ErrNoRows) {
		return Instance{}, ErrNoInstance
	}
	if err != nil {
		return Instance{}, fmt.Errorf("read the instance: %w", err)
	}
	return i, nil
}

// SaveInstance records a new installation. It fails if there is one.
func SaveInstance(ctx context.Context, dsn string, i Instance) error {
	conn, err := connectOwner(ctx, dsn)
	if err != nil {
		return err
	}
	defer conn.Close(ctx) //nolint:errcheck // the statement is committed
	_, err = conn.Exec(ctx, `INSERT INTO instance (id, region, kek_id, wrapped_secret, canary) VALUES ($1, $2, $3, $4, $5)`,
		i.ID, i.Region, i.KEKID, i.WrappedSecret, i.Canary)
	if err != nil {
		return fmt.Errorf("record the instance: %w", err)
	}
	return nil
}

// RewrapInstance replaces the wrapped secret that was read as before. It says false when somebody else did meanwhile.
func RewrapInstance(ctx context.Context, dsn string, before []byte, i Instance) (bool, error) {
	conn, err := connectOwner(ctx, dsn)
	if err != nil {
		return false, err
	}
	defer conn.Close(ctx) //nolint:errcheck // the statement is committed
	done, err := conn.Exec(ctx, `UPDATE instance SET kek_id = $1, wrapped_secret = $2, canary = $3 WHERE wrapped_secret = $4`, i.KEKID, i.WrappedSecret, i.Canary, before)
	if err != nil {
		return false, fmt.Errorf("wrap the instance secret anew: %w", err)
	}
	return done.RowsAffected() == 1, nil
}

// Prepare makes the login roles of the runtime, sets their passwords and the scope key, all derived from the instance secret. It is
// run by the owner at each start, and does nothing where nothing has changed.
func Prepare(ctx context.Context, dsn string, secret []byte) error {
	conn, err := connectOwner(ctx, dsn)
	if err != nil {
		return err
	}
	defer conn.Close(ctx) //nolint:errcheck // committed below
	names, err := roleNamesOn(ctx, conn)
	if err != nil {
		return err
	}
	tx, err := conn.Begin(ctx)
	if err != nil {
		return fmt.Errorf("prepare the roles: %w", err)
	}
	defer tx.Rollback(ctx) //nolint:errcheck // after Commit it does nothing
	// Roles belong to the cluster: two processes, even of two databases, must not do this at once.
	if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock(7046029254386353131)`); err != nil {
		return fmt.Errorf("wait for another process that prepares the roles: %w", err)
	}
	for login, role := range map[string]string{names.app: "app", names.platform: "platform"} {
		if err := prepareRole(ctx, tx, login, "postern_"+role, derivePassword(secret, role)); err != nil {
			return err
		}
	}
	inner, outer := padded(derive(secret, "scope key"))
	if _, err := tx.Exec(ctx, `INSERT INTO sec.scope_key (inner_pad, outer_pad) VALUES ($1, $2)
		ON CONFLICT (only_row) DO UPDATE SET inner_pad = excluded.inner_pad, outer_pad = excluded.outer_pad`, inner, outer); err != nil {
		return fmt.Errorf("set the scope key: %w", err)
	}
	if err := tx.Commit(ctx); err != nil {
		return fmt.Errorf("prepare the roles: %w", err)
	}
	return nil
}

func prepareRole(ctx context.Context, tx pgx.Tx, login, group, password string) error {
	var exists bool
	if err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)`, login).Scan(&exists); err != nil {
		return fmt.Errorf("look for the role %s: %w", login, err)
	}
	verb := "ALTER"
	if !exists {
		verb = "CREATE"
	}
	id := pgx.Identifier{login}.Sanitize()
	// Utility statements take no parameters. Both values are ours: a fixed prefix with hexadecimal digits, and a hexadecimal key.
	for _, statement := range []string{
		verb + ` ROLE ` + id + ` LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS INHERIT PASSWORD '` + password + `'`,
		`GRANT ` + group + ` TO ` + id,
	} {
		if _, err := tx.Exec(ctx, statement); err != nil {
			return fmt.Errorf("prepare the role %s (the user of DATABASE_URL needs CREATEROLE): %w", login, err)
		}
	}
	return nil
}

// padded gives the two forms of an HMAC-SHA256 key, so that the database can compute the MAC with sha256() alone (RFC 2104 section 2).
func padded(key []byte) (inner, outer []byte) {
	block := make([]byte, 64)
	copy(block, key)
	inner, outer = bytes.Clone(block), bytes.Clone(block)
	for i := range block {
		inner[i] ^= 0x36
		outer[i] ^= 0x5c
	}
	return inner, outer
}
