package load

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

// Dovecot is a private Dovecot on loopback with one mailbox: the server that Postern and a bare client are compared on. It speaks without TLS, so that neither pays for it.
type Dovecot struct {
	Host, Port      string
	Login, Password string

	dir  string
	cmd  *exec.Cmd
	done chan struct{}
}

// StartDovecot starts one. Where Dovecot is not installed the error says how to get it.
func StartDovecot(ctx context.Context) (*Dovecot, error) {
	program, err := exec.LookPath("dovecot")
	if err != nil {
		if program = "/usr/sbin/dovecot"; fileMissing(program) {
			return nil, errors.New("dovecot is not installed; apt-get install dovecot-imapd")
		}
	}
	// Not below a folder that only its maker may enter: Dovecot's own users have to.
	dir, err := os.MkdirTemp("", "dc")
	if err != nil {
		return nil, fmt.Errorf("make a folder: %w", err)
	}
	d := &Dovecot{Host: "127.0.0.1", Login: "bench@dovecot.test", Password: "bench-password", dir: dir, done: make(chan struct{})}
	if err := d.start(ctx, program); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

func fileMissing(path string) bool { _, err := os.Stat(path); return err != nil }

func (d *Dovecot) start(ctx context.Context, program string) error {
	if err := os.Chmod(d.dir, 0o755); err != nil { //nolint:gosec // entered by Dovecot's own users
		return fmt.Errorf("open a folder: %w", err)
	}
	addr, err := free()
	if err != nil {
		return err
	}
	if _, d.Port, err = net.SplitHostPort(addr); err != nil {
		return fmt.Errorf("find a free port: %w", err)
	}
	config, err := d.config()
	if err != nil {
		return err
	}
	for name, text := range map[string]string{"users": d.Login + ":{PLAIN}" + d.Password + "\n", "dovecot.conf": config} {
		if err := os.WriteFile(filepath.Join(d.dir, name), []byte(text), 0o644); err != nil { //nolint:gosec // read by Dovecot's own users; nothing in it is secret
			return fmt.Errorf("write Dovecot's files: %w", err)
		}
	}
	d.cmd = exec.CommandContext(context.WithoutCancel(ctx), program, "-F", "-c", filepath.Join(d.dir, "dovecot.conf"))
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := d.cmd.Start(); err != nil {
		return fmt.Errorf("start Dovecot: %w", err)
	}
	go func() { _ = d.cmd.Wait(); close(d.done) }()
	for end := time.Now().Add(30 * time.Second); ; {
		if c, err := net.DialTimeout("tcp", addr, time.Second); err == nil {
			return c.Close()
		}
		select {
		case <-d.done:
			return errors.New("dovecot ended at once: " + d.said())
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(end) {
			return errors.New("dovecot does not answer: " + d.said())
		}
	}
}

func (d *Dovecot) said() string {
	text, _ := os.ReadFile(filepath.Join(d.dir, "log"))
	return string(text)
}

// config runs as whoever we are; as root, which Dovecot lets open no mailbox, as nobody.
func (d *Dovecot) config() (string, error) {
	me, err := user.Current()
	if err != nil {
		return "", fmt.Errorf("find out who we are: %w", err)
	}
	uid, gid, login, internal, group := me.Uid, me.Gid, me.Username, me.Username, me.Username
	if g, err := user.LookupGroupId(me.Gid); err == nil {
		group = g.Name
	}
	if me.Uid == "0" {
		nobody, err := user.Lookup("nobody")
		if err != nil {
			return "", fmt.Errorf("find the user nobody: %w", err)
		}
		uid, gid, login, internal, group = nobody.Uid, nobody.Gid, "dovenull", "dovecot", "dovecot"
	}
	mail := filepath.Join(d.dir, "mail")
	if err := os.Mkdir(mail, 0o755); err != nil {
		return "", fmt.Errorf("make a folder: %w", err)
	}
	u, _ := strconv.Atoi(uid)
	g, _ := strconv.Atoi(gid)
	_ = os.Chown(mail, u, g)
	return strings.NewReplacer("DIR", d.dir, "UID", uid, "GID", gid, "LOGINUSER", login, "INTERNAL", internal, "GROUP", group, "PORT", d.Port).Replace(`
base_dir = DIR/run
state_dir = DIR/state
log_path = DIR/log
protocols = imap
listen = 127.0.0.1
default_login_user = LOGINUSER
default_internal_user = INTERNAL
default_internal_group = GROUP
first_valid_uid = 1
first_valid_gid = 1
mail_location = maildir:DIR/mail/%u
mail_max_userip_connections = 100
auth_mechanisms = plain login
disable_plaintext_auth = no
ssl = no
passdb {
  driver = passwd-file
  args = scheme=PLAIN username_format=%u DIR/users
}
userdb {
  driver = static
  args = uid=UID gid=GID home=DIR/mail/%u
}
namespace inbox {
  inbox = yes
  separator = /
  mailbox Sent {
    auto = subscribe
    special_use = \Sent
  }
  mailbox Trash {
    auto = subscribe
    special_use = \Trash
  }
}
service imap-login {
  chroot =
  inet_listener imap {
    port = PORT
  }
  inet_listener imaps {
    port = 0
  }
}
service anvil {
  chroot =
}
service stats {
  chroot =
}
`), nil
}

// Client is a plain client that is logged in.
func (d *Dovecot) Client() (*imapclient.Client, error) {
	c, err := imapclient.DialInsecure(net.JoinHostPort(d.Host, d.Port), nil)
	if err != nil {
		return nil, fmt.Errorf("connect to Dovecot: %w", err)
	}
	if err := c.Login(d.Login, d.Password).Wait(); err != nil {
		return nil, errors.Join(fmt.Errorf("log in to Dovecot: %w", err), c.Close())
	}
	return c, nil
}

// Fill puts n messages of about size bytes into the inbox.
func (d *Dovecot) Fill(n, size int) error {
	c, err := d.Client()
	if err != nil {
		return err
	}
	defer c.Close() //nolint:errcheck // what was appended is there
	for i := range n {
		raw := fmt.Sprintf("Message-ID: <%d@example.com>\r\nDate: Mon, 23 Nov 2026 10:00:00 +0000\r\nFrom: Ines <ines@example.com>\r\nTo: %s\r\nSubject: Letter %d\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n", i, d.Login, i)
		raw += strings.Repeat("All work and no play makes a dull mailbox.\r\n", max(size-len(raw), 0)/44)
		cmd := c.Append("INBOX", int64(len(raw)), &imap.AppendOptions{Time: time.Now().Add(time.Duration(i-n) * time.Minute)})
		if _, err := cmd.Write([]byte(raw)); err != nil {
			return fmt.Errorf("fill the mailbox: %w", err)
		}
		if err := cmd.Close(); err != nil {
			return fmt.Errorf("fill the mailbox: %w", err)
		}
		if _, err := cmd.Wait(); err != nil {
			return fmt.Errorf("fill the mailbox: %w", err)
		}
	}
	return nil
}

// Close ends the server and removes its folder.
func (d *Dovecot) Close() error {
	if d.cmd != nil && d.cmd.Process != nil {
		_ = d.cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-d.done:
		case <-time.After(10 * time.Second):
			_ = d.cmd.Process.Kill()
			<-d.done
		}
		_ = syscall.Kill(-d.cmd.Process.Pid, syscall.SIGKILL) // children that were still busy
	}
	return os.RemoveAll(d.dir)
}

// free is a loopback address that nobody listens on just now.
func free() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	return l.Addr().String(), l.Close()
}
