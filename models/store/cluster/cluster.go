package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	superuser = "postgres"
	port      = "5432" // only names the socket file; nothing listens on a network port
)

// Config says where the cluster lives and how it runs.
type Config struct {
	Dir       string       // the cluster's own folder; made when absent. See Home for where the data really lies
	Logger    *slog.Logger // nil is silent
	Throwaway bool         // no fsync: faster, and the data may be lost with the machine. Never for data that matters

	elsewhere string // tests only; empty means elsewhereRoot
}

// Cluster is a running server. Its methods are safe to call from many goroutines.
type Cluster struct {
	home     string // folder that holds data, password and log
	socket   string // folder that holds the socket
	password string
	lock     *os.File
	server   *server   // nil when this process only joined (ForTests)
	held     *pgx.Conn // joined: the connection that keeps the shared server up
	stop     sync.Once
	stopErr  error
}

// Start makes the cluster in cfg.Dir when there is none, starts it, and returns when it takes connections.
//
// A server left over from a Postern that died is stopped first; its data is kept. While another live process holds the
// folder, Start fails with ErrInUse. ctx bounds the start alone: the server runs until Stop or the end of the process.
// Where no Postgres is installed the error is a *MissingError, which names the command that installs it.
func Start(ctx context.Context, cfg Config) (*Cluster, error) {
	if cfg.Dir == "" {
		return nil, errors.New("cluster: no folder given")
	}
	log := cfg.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	owner, err := serverUser()
	if err != nil {
		return nil, err
	}
	home, err := chooseHome(cfg, owner)
	if err != nil {
		return nil, err
	}
	lock, err := lockHome(home)
	if err != nil {
		return nil, err
	}
	c, err := startIn(ctx, home, owner, cfg.Throwaway, log)
	if err != nil {
		_ = lock.Close()
		return nil, err
	}
	c.lock = lock
	return c, nil
}

func startIn(ctx context.Context, home string, owner *owner, throwaway bool, log *slog.Logger) (*Cluster, error) {
	data := filepath.Join(home, "data")
	programs, err := findFor(data)
	if err != nil {
		return nil, err
	}
	password, err := create(ctx, programs, home, owner, throwaway)
	if err != nil {
		return nil, err
	}
	if err := stopLeftover(ctx, programs, data, owner); err != nil {
		return nil, err
	}
	socket, err := socketDir(home, owner)
	if err != nil {
		return nil, err
	}
	c := &Cluster{home: home, socket: socket, password: password}
	args := append([]string{"-D", data}, settings(socket, throwaway)...)

	// After a postmaster was killed outright its children need a moment to notice; until then a new one is refused.
	for try := 0; ; try++ {
		c.server, err = launch(programs.path("postgres"), args, home, owner)
		if err != nil {
			return nil, err
		}
		err = c.ready(ctx)
		if err == nil {
			break
		}
		_ = c.server.end() // it ended already, or is of no use
		if try < 20 && ctx.Err() == nil && strings.Contains(c.server.lastLog(), "shared memory block") {
			pause(ctx, 500*time.Millisecond)
			continue
		}
		return nil, fmt.Errorf("cluster: start the server in %s: %w\n%s", home, err, c.server.lastLog())
	}
	log.InfoContext(ctx, "private postgres is up", "home", home, "version", programs.major, "pid", c.server.pid())
	return c, nil
}

// settings are given on the command line, so that the cluster's own files stay as initdb made them.
func settings(socket string, throwaway bool) []string {
	list := []string{
		"listen_addresses=", "port=" + port, "unix_socket_directories=" + socket, "unix_socket_permissions=0700",
		"max_connections=200", "shared_buffers=96MB", "password_encryption=scram-sha-256", "timezone=UTC", "log_timezone=UTC",
		// The server's log holds no statement and no value: an ERROR quotes what it could not parse, so errors are left to
		// the client, which gets them anyway.
		"log_statement=none", "log_min_messages=log", "log_min_error_statement=panic", "log_error_verbosity=terse",
		"log_destination=stderr", "logging_collector=off", "log_line_prefix=%m [%p] ",
	}
	if throwaway {
		list = append(list, "fsync=off", "full_page_writes=off", "synchronous_commit=off", "wal_level=minimal", "max_wal_senders=0",
			"max_wal_size=2GB", "max_connections=500", "autovacuum=off")
	}
	args := make([]string, 0, 2*len(list))
	for _, s := range list {
		args = append(args, "-c", s)
	}
	return args
}

// DSN is the superuser's address of a database, as a postgres:// URL over the Unix socket. It holds the password: it is a
// secret. It does not check that the database exists.
func (c *Cluster) DSN(database string) string {
	u := url.URL{Scheme: "postgres", User: url.UserPassword(superuser, c.password), Path: "/" + database}
	u.RawQuery = url.Values{"host": {c.socket}, "port": {port}, "sslmode": {"disable"}}.Encode()
	return u.String()
}

// Socket is the folder of the Unix socket and the port that names the file in it, for building the DSN of another role.
func (c *Cluster) Socket() (dir, portNumber string) { return c.socket, port }

// Home is the folder that really holds the data: Config.Dir, or the one that its file WHERE names, when the server's user
// cannot enter Config.Dir.
func (c *Cluster) Home() string { return c.home }

// EnsureDatabase makes the database, owned by the superuser, unless it exists, and returns its DSN.
func (c *Cluster) EnsureDatabase(ctx context.Context, name string) (string, error) {
	conn, err := pgx.Connect(ctx, c.DSN("postgres"))
	if err != nil {
		return "", fmt.Errorf("cluster: connect: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	var there bool
	if err := conn.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM pg_database WHERE datname = $1)`, name).Scan(&there); err != nil {
		return "", fmt.Errorf("cluster: look for database %s: %w", name, err)
	}
	if !there {
		if _, err := conn.Exec(ctx, `CREATE DATABASE `+pgx.Identifier{name}.Sanitize()); err != nil {
			return "", fmt.Errorf("cluster: create database %s: %w", name, err)
		}
	}
	return c.DSN(name), nil
}

// Done is closed when the server has ended, by Stop or by itself. On a joined cluster (ForTests) it is nil.
func (c *Cluster) Done() <-chan struct{} {
	if c.server == nil {
		return nil
	}
	return c.server.done
}

// Stop ends the server in order: clients are cut off, all data is written. It may be called more than once. On a joined
// cluster (ForTests) it only lets go of it.
func (c *Cluster) Stop() error {
	c.stop.Do(func() {
		if c.held != nil {
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			defer cancel()
			c.stopErr = c.held.Close(ctx)
		}
		if c.server != nil {
			c.stopErr = c.server.end()
		}
		if c.lock != nil {
			_ = c.lock.Close()
		}
	})
	return c.stopErr
}

// ready waits until a client gets in, the server ends, or time is up.
func (c *Cluster) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 90*time.Second) // a crash recovery may come first
	defer cancel()
	for {
		conn, err := pgx.Connect(ctx, c.DSN("postgres"))
		if err == nil {
			return conn.Close(ctx)
		}
		var ended <-chan struct{}
		if c.server != nil {
			ended = c.server.done
		}
		select {
		case <-ended:
			return errors.New("the server ended at once")
		case <-ctx.Done():
			return fmt.Errorf("the server takes no connections: %w", err)
		case <-time.After(25 * time.Millisecond):
		}
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
