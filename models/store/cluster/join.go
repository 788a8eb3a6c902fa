package cluster

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Join connects to the server that another process of this installation runs in cfg.Dir, as Start's ErrInUse says one does. Stop lets go of it and leaves it
// running; it ends with the process that started it, and the connections made through it with it.
func Join(ctx context.Context, cfg Config) (*Cluster, error) {
	owner, err := serverUser()
	if err != nil {
		return nil, err
	}
	home, err := chooseHome(cfg, owner)
	if err != nil {
		return nil, err
	}
	password, err := os.ReadFile(filepath.Join(home, "password"))
	if err != nil {
		return nil, fmt.Errorf("cluster: no server was ever made in %s: %w", home, err)
	}
	socket, err := socketDir(home, owner)
	if err != nil {
		return nil, err
	}
	c := &Cluster{home: home, socket: socket, password: strings.TrimSpace(string(password))}
	if c.held, err = pgx.Connect(ctx, c.DSN("postgres")); err != nil {
		return nil, fmt.Errorf("cluster: join the running server: %w", err)
	}
	return c, nil
}
