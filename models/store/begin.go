package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// openDB opens connections that state a transaction's scope in the round trip of its BEGIN: one less of at least four, for every transaction there is.
func openDB(config pgx.ConnConfig) *sql.DB {
	return sql.OpenDB(connector{stdlib.GetConnector(config)})
}

type connector struct{ driver.Connector }

// Connect implements driver.Connector.
func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	made, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	pg, ok := made.(*stdlib.Conn)
	if !ok {
		return nil, errors.New("the driver's connections are none of pgx")
	}
	return beginner{pg}, nil
}

// beginner is pgx's connection in all but how a transaction begins.
type beginner struct{ *stdlib.Conn }

// scoped is the key under which a context hands a signed scope to BeginTx: database/sql has no other way to the driver.
type scoped struct{}

// BeginTx implements driver.ConnBeginTx.
func (b beginner) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	scope, ok := ctx.Value(scoped{}).(string)
	if !ok {
		return b.Conn.BeginTx(ctx, opts)
	}
	if opts != (driver.TxOptions{}) || strings.ContainsAny(scope, `'\`) { // a scope is words, ids, digits and hex
		return nil, errors.New("a scoped transaction takes no options, and a scope no quotes")
	}
	pg := b.Conn.Conn()
	if pg.IsClosed() {
		return nil, driver.ErrBadConn
	}
	tx, err := pg.BeginTx(ctx, pgx.TxOptions{BeginQuery: `BEGIN; SELECT set_config('postern.scope', '` + scope + `', true)`})
	if err != nil {
		return nil, err
	}
	return begun{ctx, tx}, nil
}

// begun ends a transaction in the context that it began with, as database/sql expects of a driver.
type begun struct {
	ctx context.Context
	tx  pgx.Tx
}

func (b begun) Commit() error   { return b.tx.Commit(b.ctx) }
func (b begun) Rollback() error { return b.tx.Rollback(b.ctx) }

// raw hands fn the connection of pgx under one of database/sql. fn must leave it as it found it.
func raw(conn *sql.Conn, fn func(*pgx.Conn) error) error {
	return conn.Raw(func(c any) error {
		b, ok := c.(beginner)
		if !ok {
			return driver.ErrBadConn
		}
		return fn(b.Conn.Conn())
	})
}
