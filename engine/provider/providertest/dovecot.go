package providertest

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/secret"
)

// DovecotServer is a running Dovecot with mailboxes u1@dovecot.test, u2@dovecot.test, ...
type DovecotServer struct {
	Host      string         // 127.0.0.1; the certificate is good for it
	IMAPPort  string         // plain and STARTTLS
	IMAPSPort string         // TLS
	Roots     *x509.CertPool // its issuer
	CA        []byte         // the same as PEM, for another process

	dir  string
	mu   sync.Mutex
	next int
	pass map[string]string
}

const dovecotUsers = 60

// Dovecot starts a private Dovecot on loopback for the length of the test: plain, STARTTLS and TLS, SPECIAL-USE folders, a passwd-file.
// Without Dovecot on the machine the test is skipped, or fails where CI=true. lines are added to its configuration.
func Dovecot(t testing.TB, lines ...string) *DovecotServer {
	t.Helper()
	program, err := exec.LookPath("dovecot")
	if err != nil {
		program = "/usr/sbin/dovecot"
		if _, err := os.Stat(program); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatal("dovecot is not installed; apt-get install dovecot-imapd")
			}
			t.Skip("dovecot is not installed; apt-get install dovecot-imapd")
		}
	}
	// Not t.TempDir: its parent is closed to the unprivileged users that Dovecot runs as.
	dir, err := os.MkdirTemp("", "dc")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil { //nolint:gosec // entered by Dovecot's own users
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	d := &DovecotServer{Host: "127.0.0.1", dir: dir, pass: map[string]string{}, Roots: x509.NewCertPool()}
	for i := 1; i <= dovecotUsers; i++ {
		d.pass[fmt.Sprintf("u%d@dovecot.test", i)] = fmt.Sprintf("first-%d", i)
	}
	d.writeUsers(t)
	cert, key := certificate(t)
	write(t, filepath.Join(dir, "cert.pem"), cert, 0o644)
	write(t, filepath.Join(dir, "key.pem"), key, 0o600)
	d.CA = cert
	d.Roots.AppendCertsFromPEM(cert)
	d.IMAPPort, d.IMAPSPort = freePort(t), freePort(t)
	config := filepath.Join(dir, "dovecot.conf")
	write(t, config, []byte(d.config(t)+strings.Join(lines, "\n")+"\n"), 0o644)

	cmd := exec.Command(program, "-F", "-c", config)
	// A file, not a buffer: Wait would otherwise wait for every child that holds the pipe.
	out, err := os.Create(filepath.Join(dir, "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = out.Close() }()
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { _ = cmd.Wait(); close(done) }()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-done:
		case <-time.After(10 * time.Second):
			_ = cmd.Process.Kill()
			<-done
		}
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // children that were still busy
	})
	d.await(t, done)
	return d
}

func (d *DovecotServer) await(t testing.TB, done <-chan struct{}) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
	defer cancel()
	for {
		if c, err := (&net.Dialer{}).DialContext(ctx, "tcp", net.JoinHostPort(d.Host, d.IMAPPort)); err == nil {
			_ = c.Close()
			return
		}
		select {
		case <-done:
			out, _ := os.ReadFile(filepath.Join(d.dir, "out"))
			log, _ := os.ReadFile(filepath.Join(d.dir, "log"))
			t.Fatalf("dovecot ended: %s\n%s", out, log)
		case <-ctx.Done():
			log, _ := os.ReadFile(filepath.Join(d.dir, "log"))
			t.Fatalf("dovecot does not answer: %s", log)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (d *DovecotServer) config(t testing.TB) string {
	t.Helper()
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	uid, gid := me.Uid, me.Gid
	login, internal, group := me.Username, me.Username, me.Username
	if g, err := user.LookupGroupId(me.Gid); err == nil {
		group = g.Name
	}
	if me.Uid == "0" {
		// Dovecot opens no mailbox as root.
		nobody, err := user.Lookup("nobody")
		if err != nil {
			t.Fatal(err)
		}
		uid, gid = nobody.Uid, nobody.Gid
		login, internal, group = "dovenull", "dovecot", "dovecot"
	}
	mail := filepath.Join(d.dir, "mail")
	if err := os.Mkdir(mail, 0o755); err != nil {
		t.Fatal(err)
	}
	u, _ := strconv.Atoi(uid)
	g, _ := strconv.Atoi(gid)
	_ = os.Chown(mail, u, g)
	return strings.NewReplacer("DIR", d.dir, "UID", uid, "GID", gid, "LOGINUSER", login, "INTERNAL", internal, "GROUP", group, "PLAINPORT", d.IMAPPort, "TLSPORT", d.IMAPSPort).Replace(`
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
auth_failure_delay = 0
auth_cache_size = 0
disable_plaintext_auth = no
ssl = yes
ssl_cert = <DIR/cert.pem
ssl_key = <DIR/key.pem
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
  mailbox Drafts {
    auto = subscribe
    special_use = \Drafts
  }
  mailbox Trash {
    auto = subscribe
    special_use = \Trash
  }
  mailbox Junk {
    auto = subscribe
    special_use = \Junk
  }
  mailbox Archive {
    auto = subscribe
    special_use = \Archive
  }
}
service imap-login {
  chroot =
  inet_listener imap {
    port = PLAINPORT
  }
  inet_listener imaps {
    port = TLSPORT
    ssl = yes
  }
}
service anvil {
  chroot =
  # Failed logins of one test must not slow down the next.
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
service stats {
  chroot =
}
`)
}

func (d *DovecotServer) writeUsers(t testing.TB) {
	t.Helper()
	var b strings.Builder
	for u, p := range d.pass {
		fmt.Fprintf(&b, "%s:{PLAIN}%s\n", u, p)
	}
	write(t, filepath.Join(d.dir, "users.new"), []byte(b.String()), 0o644)
	if err := os.Rename(filepath.Join(d.dir, "users.new"), filepath.Join(d.dir, "users")); err != nil {
		t.Fatal(err)
	}
}

// Account is a mailbox that no test has used yet, over TLS.
func (d *DovecotServer) Account(t testing.TB) provider.Account {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.next++; d.next > dovecotUsers {
		t.Fatal("no mailbox left")
	}
	login := fmt.Sprintf("u%d@dovecot.test", d.next)
	password := secret.New(d.pass[login])
	return provider.Account{Key: login + ":1", Address: login, Login: login, Settings: d.Settings(provider.TLS),
		Credential: func(context.Context) (provider.Credential, error) {
			return provider.Credential{Password: password}, nil
		}}
}

// Settings is how to reach the server with a protection.
func (d *DovecotServer) Settings(protection string) map[string]string {
	port := d.IMAPPort
	if protection == provider.TLS {
		port = d.IMAPSPort
	}
	return map[string]string{provider.IMAPHost: d.Host, provider.IMAPPort: port, provider.IMAPTLS: protection}
}

// Password is an account's password as it is now.
func (d *DovecotServer) Password(login string) secret.Text {
	d.mu.Lock()
	defer d.mu.Unlock()
	return secret.New(d.pass[login])
}

// ChangePassword makes the password that an account has no longer good.
func (d *DovecotServer) ChangePassword(t testing.TB, login string) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	old := d.pass[login]
	d.pass[login] += "-changed"
	d.writeUsers(t)
	// Dovecot looks at the file at most once a second.
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		c, err := imapclient.DialInsecure(net.JoinHostPort(d.Host, d.IMAPPort), nil)
		if err != nil {
			t.Fatal(err)
		}
		err = c.Login(login, old).Wait()
		_ = c.Close()
		if err != nil {
			return
		}
	}
	t.Fatal("dovecot still takes the old password")
}

// Client is a plain IMAP client that is logged in, for putting mail where a test wants it.
func (d *DovecotServer) Client(t testing.TB, login string) *imapclient.Client {
	t.Helper()
	c, err := imapclient.DialInsecure(net.JoinHostPort(d.Host, d.IMAPPort), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.Login(login, d.Password(login).Reveal()).Wait(); err != nil {
		t.Fatal(err)
	}
	return c
}

// Deliver puts a message into a folder.
func (d *DovecotServer) Deliver(t testing.TB, a provider.Account, folder string, m Mail) {
	t.Helper()
	Append(t, d.Client(t, a.Login), folder, m)
}

// Append puts a message into a folder through a client, and makes the folder where it is missing.
func Append(t testing.TB, c *imapclient.Client, folder string, m Mail) {
	t.Helper()
	options := &imap.AppendOptions{Time: m.Received}
	if !m.Unread {
		options.Flags = append(options.Flags, imap.FlagSeen)
	}
	if m.Starred {
		options.Flags = append(options.Flags, imap.FlagFlagged)
	}
	if folder != "INBOX" {
		_ = c.Create(folder, nil).Wait() // it may be there
	}
	cmd := c.Append(folder, int64(len(m.Raw)), options)
	_, err := cmd.Write([]byte(m.Raw))
	if closed := cmd.Close(); err == nil {
		err = closed
	}
	if err == nil {
		_, err = cmd.Wait()
	}
	if err != nil {
		t.Fatalf("append to %s: %v", folder, err)
	}
}

func write(t testing.TB, path string, b []byte, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, b, mode); err != nil {
		t.Fatal(err)
	}
}

func freePort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

// certificate is self-made, good for loopback for a day.
func certificate(t testing.TB) (cert, key []byte) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "providertest"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	kb, err := x509.MarshalECPrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: kb})
}
