package store

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"github.com/postern-mail/postern/models"
)

// Scope names one of the three ways in, for a read that is one statement: see InTenant, InApplication and OnPlatform.
type Scope struct{ kind, id, reason string }

// TenantScope sees the rows of one tenant.
func TenantScope(id models.TenantID) Scope { return Scope{kind: "tenant", id: id.String()} }

// ApplicationScope sees the rows of one application, in any tenant.
func ApplicationScope(id models.ApplicationID) Scope {
	return Scope{kind: "application", id: id.String()}
}

// PlatformScope sees all tenants. reason says why no narrower scope will do.
func PlatformScope(reason string) Scope { return Scope{reason: reason} }

// glance reads with one statement in one round trip: the scope and the statement travel together, and the server takes what comes before the protocol's Sync as one
// transaction (PostgreSQL documentation, section 55.2.4). A transaction of its own takes four: begin, scope, statement, commit. read is called for each row.
func (s *Store) glance(ctx context.Context, scope Scope, statement string, args []any, read func(pgx.Rows) error) error {
	err := s.glanceOnce(ctx, scope, statement, args, read)
	switch {
	case err == nil:
		return nil
	case unreachable(err) && ctx.Err() == nil:
		return ErrUnreachable.Because(err)
	case scope.reason != "":
		return fmt.Errorf("on the platform (%s): %w", scope.reason, err)
	default:
		return err
	}
}

func (s *Store) glanceOnce(ctx context.Context, scope Scope, statement string, args []any, read func(pgx.Rows) error) error {
	db := s.app
	if scope.kind == "" {
		db = s.platform
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		return fmt.Errorf("take a connection: %w", err)
	}
	defer conn.Close() //nolint:errcheck // gives the connection back
	var signed string
	if scope.kind != "" {
		if signed, err = s.sign(conn, scope.kind, scope.id); err != nil {
			return err
		}
	}
	return raw(conn, func(pg *pgx.Conn) error {
		var batch pgx.Batch
		if signed != "" {
			batch.Queue(`SELECT set_config('postern.scope', $1, true)`, signed)
		}
		batch.Queue(statement, args...)
		return readBatch(pg.SendBatch(ctx, &batch), signed != "", read)
	})
}

func readBatch(results pgx.BatchResults, scoped bool, read func(pgx.Rows) error) (err error) {
	defer func() {
		if closed := results.Close(); err == nil {
			err = closed
		}
	}()
	if scoped {
		if _, err := results.Exec(); err != nil {
			return fmt.Errorf("state the scope: %w", err)
		}
	}
	rows, err := results.Query()
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := read(rows); err != nil {
			return fmt.Errorf("read a row: %w", err)
		}
	}
	return rows.Err()
}

// built gives the statement that a gorm query would send, so that what narrows a list is written once.
func (s *Store) built(ctx context.Context, query func(*gorm.DB) *gorm.DB) (string, []any) {
	statement := query(s.orm.Session(&gorm.Session{NewDB: true, DryRun: true, Context: ctx})).Statement
	return statement.SQL.String(), statement.Vars
}
