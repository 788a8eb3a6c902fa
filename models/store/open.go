package store

import (
	"context"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"gorm.io/driver/postgres"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/postern-mail/postern/engine/fault"
)

// Config says how to reach the database at run time.
type Config struct {
	DSN    string // of the owner; only host, database and TLS settings are taken from it at run time
	Secret []byte // the instance secret, unwrapped: passwords of the runtime roles and the scope key come from it
	Conns  int    // most connections of each runtime role; 0: 20
	Now    func() time.Time
	Logger *slog.Logger
}

// Store is the database as the program sees it. It is safe for concurrent use.
type Store struct {
	app, platform *sql.DB
	orm           *gorm.DB
	jobs          *pgxpool.Pool
	scopeKey      []byte
	shard         int16 // drawn at the start: sums that several processes add to are kept apart by it
	now           func() time.Time
	log           *slog.Logger
}

// ErrUnreachable says that the database did not answer. It is the only error of Open that waiting may cure.
var ErrUnreachable = fault.New(fault.Unavailable, "database_unreachable", "The database cannot be reached right now. Nothing was changed. Try again in a moment.")

// Open connects as the two runtime roles. Prepare must have been run by the owner before. It starts no work of its own.
func Open(ctx context.Context, c Config) (*Store, error) {
	if c.Conns == 0 {
		c.Conns = 20
	}
	names, err := roleNames(ctx, c.DSN)
	if err != nil {
		return nil, err
	}
	s := &Store{now: c.Now, log: c.Logger, scopeKey: derive(c.Secret, "scope key"), shard: drawShard()}
	if s.app, err = openRole(c, names.app, derivePassword(c.Secret, "app")); err != nil {
		return nil, err
	}
	if s.platform, err = openRole(c, names.platform, derivePassword(c.Secret, "platform")); err != nil {
		return nil, err
	}
	for _, db := range []*sql.DB{s.app, s.platform} {
		if err := db.PingContext(ctx); err != nil {
			return nil, ErrUnreachable.Because(fmt.Errorf("connect as a runtime role: %w", err))
		}
	}
	pool, err := pgxpool.ParseConfig(c.DSN)
	if err != nil {
		return nil, fmt.Errorf("read the database address: %w", errDSN)
	}
	pool.ConnConfig.User, pool.ConnConfig.Password = names.platform, derivePassword(c.Secret, "platform")
	pool.MaxConns = int32(min(c.Conns, 100))
	if s.jobs, err = pgxpool.NewWithConfig(ctx, pool); err != nil {
		return nil, fmt.Errorf("open the workers' connections: %w", err)
	}
	// The ORM is bound to a transaction each time; on its own it has no connection that sees a row.
	s.orm, err = gorm.Open(postgres.New(postgres.Config{Conn: s.app}), &gorm.Config{
		SkipDefaultTransaction: true, Logger: logger.Discard, DisableAutomaticPing: true,
		NowFunc: func() time.Time { return c.Now().UTC() },
	})
	if err != nil {
		return nil, fmt.Errorf("start the ORM: %w", err)
	}
	return s, nil
}

// drawShard draws the number under which this process keeps its sums. Two that draw the same one wait for each other now and then, and are both right.
func drawShard() int16 {
	var b [2]byte
	_, _ = rand.Read(b[:]) // never fails; it ends the process instead
	return int16(binary.BigEndian.Uint16(b[:]) & 0x7fff)
}

// errDSN stands in for what a driver says of a bad address, because that holds the password.
var errDSN = errors.New("the database address is not a PostgreSQL URL or key=value list")

func openRole(c Config, user, password string) (*sql.DB, error) {
	config, err := pgx.ParseConfig(c.DSN)
	if err != nil {
		return nil, fmt.Errorf("read the database address: %w", errDSN)
	}
	config.User, config.Password = user, password
	config.RuntimeParams["application_name"] = "postern"
	config.RuntimeParams["timezone"] = "UTC"
	config.RuntimeParams["idle_in_transaction_session_timeout"] = "30s"
	config.RuntimeParams["statement_timeout"] = "30s"
	db := openDB(*config)
	db.SetMaxOpenConns(c.Conns)
	db.SetMaxIdleConns(c.Conns)
	db.SetConnMaxIdleTime(5 * time.Minute)
	return db, nil
}

// Close ends all connections.
func (s *Store) Close() error {
	s.jobs.Close()
	return errors.Join(s.app.Close(), s.platform.Close())
}

// Jobs is the pool of the workers, who hold no transaction of ours and see no sealed value.
func (s *Store) Jobs() *pgxpool.Pool { return s.jobs }

// Ready says whether the database answers.
func (s *Store) Ready(ctx context.Context) error {
	if err := s.app.PingContext(ctx); err != nil {
		return ErrUnreachable.Because(err)
	}
	return nil
}

type roles struct{ app, platform string }

// roleNames tells the login roles of this database. They carry the instance's id, because roles belong to the whole cluster and two
// installations may share one.
func roleNames(ctx context.Context, dsn string) (roles, error) {
	conn, err := connectOwner(ctx, dsn)
	if err != nil {
		return roles{}, err
	}
	defer conn.Close(ctx) //nolint:errcheck // nothing was written
	return roleNamesOn(ctx, conn)
}

func roleNamesOn(ctx context.Context, conn *pgx.Conn) (roles, error) {
	var id string
	if err := conn.QueryRow(ctx, `SELECT left(replace(id::text, '-', ''), 12) FROM instance`).Scan(&id); err != nil {
		return roles{}, fmt.Errorf("read the instance: %w", err)
	}
	return roles{app: "postern_" + id + "_app", platform: "postern_" + id + "_platform"}, nil
}

func connectOwner(ctx context.Context, dsn string) (*pgx.Conn, error) {
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, fmt.Errorf("read the database address: %w", errDSN)
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, ErrUnreachable.Because(fmt.Errorf("connect as the owner: %w", err))
	}
	return conn, nil
}

// derive makes a 32-byte key for one purpose from the instance secret (HKDF-SHA256, RFC 5869).
func derive(secret []byte, purpose string) []byte {
	key, err := hkdf.Key(sha256.New, secret, nil, "postern "+purpose, 32)
	if err != nil {
		panic("hkdf of 32 bytes: " + err.Error()) // only lengths over 8160 bytes fail
	}
	return key
}

func derivePassword(secret []byte, role string) string {
	return hex.EncodeToString(derive(secret, "role "+role))
}

// mac is HMAC-SHA256 under the scope key.
func (s *Store) mac(text string) string {
	h := hmac.New(sha256.New, s.scopeKey)
	h.Write([]byte(text))
	return hex.EncodeToString(h.Sum(nil))
}
