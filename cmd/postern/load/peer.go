package load

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"
	"gorm.io/driver/postgres"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"
)

// Peer is a bare program on the same Postgres: what the libraries under Postern can do when nothing of Postern is on top.
type Peer struct {
	Addr   string
	server *http.Server
	done   chan struct{}
	close  func() error
}

// row is a grant as the bare peer reads it: the columns that the v3 answer needs.
type row struct {
	TenantID      string    `gorm:"column:tenant_id" json:"workspace_id"`
	ID            string    `gorm:"column:id" json:"id"`
	Provider      string    `gorm:"column:provider" json:"provider"`
	Email         string    `gorm:"column:email" json:"email"`
	Name          string    `gorm:"column:name" json:"name"`
	Status        string    `gorm:"column:status" json:"grant_status"`
	StatusReason  string    `gorm:"column:status_reason" json:"-"`
	StatusAt      time.Time `gorm:"column:status_at" json:"-"`
	ScopesGranted string    `gorm:"column:scopes_granted" json:"scope"`
	CreatedAt     time.Time `gorm:"column:created_at" json:"created_at"`
	UpdatedAt     time.Time `gorm:"column:updated_at" json:"updated_at"`
}

func (row) TableName() string { return "peer.grants" }

// peerSchema copies the grants into a table of the peer's own, under row-level security by a plain, unsigned setting: the wall as most programs build it.
const peerSchema = `DROP SCHEMA IF EXISTS peer CASCADE; CREATE SCHEMA peer; CREATE TABLE peer.grants AS SELECT * FROM public.grants; ALTER TABLE peer.grants ADD PRIMARY KEY (id);
CREATE INDEX ON peer.grants (application_id, created_at DESC, id DESC);
ALTER TABLE peer.grants ENABLE ROW LEVEL SECURITY; ALTER TABLE peer.grants FORCE ROW LEVEL SECURITY;
CREATE POLICY application ON peer.grants USING (application_id = (SELECT current_setting('peer.application')::uuid));
DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'peer') THEN CREATE ROLE peer; END IF; END $$;
GRANT USAGE ON SCHEMA peer TO peer; GRANT SELECT ON peer.grants TO peer; ANALYZE peer.grants;`

// StartPeer copies the grants and serves /row/{id} and /rows (each in one transaction under row-level security), and /none without a database. dsn is a superuser's.
func StartPeer(ctx context.Context, dsn, application string) (*Peer, error) {
	db, err := gorm.Open(postgres.Open(dsn), &gorm.Config{SkipDefaultTransaction: true, Logger: logger.Discard})
	if err != nil {
		return nil, fmt.Errorf("connect the bare peer: %w", err)
	}
	pool, err := db.DB()
	if err != nil {
		return nil, err
	}
	pool.SetMaxOpenConns(20)
	pool.SetMaxIdleConns(20)
	if err := db.WithContext(ctx).Exec(peerSchema).Error; err != nil {
		return nil, fmt.Errorf("copy the grants for the bare peer: %w", err)
	}
	e := echo.New()
	e.HideBanner, e.HidePort = true, true
	inScope := func(c echo.Context, fn func(tx *gorm.DB) error) error {
		return db.WithContext(c.Request().Context()).Transaction(func(tx *gorm.DB) error {
			if err := tx.Exec(`SELECT set_config('role', 'peer', true), set_config('peer.application', ?, true)`, application).Error; err != nil {
				return err
			}
			return fn(tx)
		})
	}
	e.GET("/row/:id", func(c echo.Context) error {
		var r row
		if err := inScope(c, func(tx *gorm.DB) error { return tx.Where("id = ?", c.Param("id")).Take(&r).Error }); err != nil {
			return err
		}
		return c.JSON(http.StatusOK, r)
	})
	e.GET("/rows", func(c echo.Context) error {
		var rows []row
		if err := inScope(c, func(tx *gorm.DB) error { return tx.Order("created_at DESC, id DESC").Limit(50).Find(&rows).Error }); err != nil {
			return err
		}
		return c.JSON(http.StatusOK, rows)
	})
	answer := row{ID: application, Provider: "google", Email: "someone@example.test", Status: "valid"}
	e.GET("/none", func(c echo.Context) error { return c.JSON(http.StatusOK, answer) })
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for the bare peer: %w", err)
	}
	p := &Peer{Addr: l.Addr().String(), server: &http.Server{Handler: e, ReadHeaderTimeout: 10 * time.Second}, done: make(chan struct{}), close: pool.Close}
	go func() {
		defer close(p.done)
		_ = p.server.Serve(l) // ends by Close
	}()
	return p, nil
}

// Close ends the peer.
func (p *Peer) Close() error {
	err := p.server.Close()
	<-p.done
	if closed := p.close(); err == nil {
		err = closed
	}
	return err
}
