package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"gorm.io/gorm"

	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/models"
)

// ErrNotFound says that no row of the scope matches. Another tenant's row is not found either.
var ErrNotFound = fault.New(fault.NotFound, "not_found", "There is nothing here by that id. It may have been deleted, or it belongs to somebody else.")

// ErrClosed says that the tenant is being offboarded, or is gone: nothing new begins there.
var ErrClosed = fault.New(fault.Conflict, "tenant_closed", "This organisation is being offboarded. Nothing new can be begun for it.")

// ErrTaken says that a row with the same unique value is there already.
var ErrTaken = fault.New(fault.Conflict, "already_exists", "This exists already.")

// scopeLife bounds how long a signed scope can open a transaction. It is long, because the clocks of program and database may differ;
// the backend's process id, signed too, is what keeps a scope in its place.
const scopeLife = 20 * time.Minute

// tries is how often a whole unit of work is run when the database asks for it again.
const tries = 3

// Tx is one transaction in one scope. It must not outlive the function it is given to, nor be used by two goroutines.
type Tx struct {
	db    *gorm.DB
	sql   *sql.Tx
	shard int16
}

// ctx is the context that the transaction began with.
func (t *Tx) ctx() context.Context { return t.db.Statement.Context }

// SQL gives the transaction to the job queue, which writes its rows in it.
func (t *Tx) SQL() *sql.Tx { return t.sql }

// InTenant runs fn in one transaction that sees the rows of tenant and no others. An error of fn, or a panic, rolls everything back.
// When the database reports a deadlock or a serialization failure, fn is run again, up to three times in all: it must have no effect
// outside the transaction. No connection may be held while a provider is asked: call out before or after, never inside fn.
func (s *Store) InTenant(ctx context.Context, tenant models.TenantID, fn func(*Tx) error) error {
	return s.run(ctx, s.app, "tenant", tenant.String(), fn)
}

// InApplication runs fn as InTenant does, seeing the rows of one application in any tenant.
func (s *Store) InApplication(ctx context.Context, application models.ApplicationID, fn func(*Tx) error) error {
	return s.run(ctx, s.app, "application", application.String(), fn)
}

// OnPlatform runs fn as InTenant does, on the role that sees all tenants and no sealed value. reason says in a few words why no narrower
// scope will do; it is named in errors.
func (s *Store) OnPlatform(ctx context.Context, reason string, fn func(*Tx) error) error {
	if err := s.run(ctx, s.platform, "", "", fn); err != nil {
		return fmt.Errorf("on the platform (%s): %w", reason, err)
	}
	return nil
}

func (s *Store) run(ctx context.Context, db *sql.DB, kind, id string, fn func(*Tx) error) error {
	var err error
	for range tries {
		if err = s.once(ctx, db, kind, id, fn); !again(err) {
			break
		}
	}
	if unreachable(err) && ctx.Err() == nil {
		return ErrUnreachable.Because(err)
	}
	return err
}

func (s *Store) once(ctx context.Context, db *sql.DB, kind, id string, fn func(*Tx) error) error {
	conn, err := db.Conn(ctx)
	if err != nil {
		return fmt.Errorf("take a connection: %w", err)
	}
	defer conn.Close() //nolint:errcheck // gives the connection back
	begin := ctx
	if kind != "" {
		scope, err := s.sign(conn, kind, id)
		if err != nil {
			return err
		}
		begin = context.WithValue(ctx, scoped{}, scope)
	}
	tx, err := conn.BeginTx(begin, nil)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	defer tx.Rollback() //nolint:errcheck // after Commit it does nothing; after an error or a panic it is what we want
	orm := s.orm.Session(&gorm.Session{NewDB: true, Context: ctx})
	orm.Statement.ConnPool = tx
	if err := fn(&Tx{db: orm, sql: tx, shard: s.shard}); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

// sign makes the scope for this very backend: kind | id | pid | expiry | MAC. See migrations/00001_scopes.sql for the other half.
func (s *Store) sign(conn *sql.Conn, kind, id string) (string, error) {
	var pid uint32
	err := raw(conn, func(pg *pgx.Conn) error {
		pid = pg.PgConn().PID()
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("ask the connection for its backend: %w", err)
	}
	text := strings.Join([]string{kind, id, strconv.FormatUint(uint64(pid), 10), strconv.FormatInt(s.now().Add(scopeLife).Unix(), 10)}, "|")
	return text + "|" + s.mac(text), nil
}

// again says whether the database wants the whole unit of work repeated (PostgreSQL documentation, section 13.5).
func again(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (pg.Code == "40001" || pg.Code == "40P01")
}

// unreachable says whether err is the network's or a server on its way down or up, rather than an answer.
func unreachable(err error) bool {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return strings.HasPrefix(pg.Code, "08") || strings.HasPrefix(pg.Code, "57P") || pg.Code == "53300"
	}
	var netErr net.Error
	var connect *pgconn.ConnectError
	return errors.Is(err, driver.ErrBadConn) || errors.Is(err, sql.ErrConnDone) || errors.As(err, &connect) ||
		errors.As(err, &netErr) && !errors.Is(err, context.Canceled)
}

// one turns a query for one row into the row or ErrNotFound. It takes the first row: the caller's WHERE must name at most one.
func one[T any](query *gorm.DB) (T, error) {
	var row T
	err := query.Take(&row).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return row, ErrNotFound
	}
	return row, wrap(err)
}

// all turns a query into its rows, never nil.
func all[T any](query *gorm.DB) ([]T, error) {
	rows := []T{}
	err := query.Find(&rows).Error
	return rows, wrap(err)
}

// changed turns a write into nil when it changed just one row, ErrNotFound when it changed none.
func changed(write *gorm.DB) error {
	if write.Error != nil {
		return wrap(write.Error)
	}
	switch write.RowsAffected {
	case 0:
		return ErrNotFound
	case 1:
		return nil
	default:
		return fmt.Errorf("a write meant for one row changed %d", write.RowsAffected)
	}
}

// wrap names a unique violation. It never says which value was taken: that may be another tenant's.
func wrap(err error) error {
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.Code == "PO001" { // migrations: tenant_is_open
		return ErrClosed.Because(errors.New("the tenant's door is closed"))
	}
	if errors.As(err, &pg) && pg.Code == "23505" {
		return ErrTaken.Because(fmt.Errorf("constraint %s", pg.ConstraintName))
	}
	return err
}

// escapeLike keeps the wildcards in a person's search from being wildcards.
func escapeLike(text string) string {
	return strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(text)
}
