package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the generated table of settings into README.md")

// complete is an environment with which serve starts.
func complete(t *testing.T) map[string]string {
	t.Helper()
	key := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(key, []byte("k"), 0o600); err != nil {
		t.Fatal(err)
	}
	return map[string]string{"POSTERN_REGION": "eu", "POSTERN_COMPANY": "Acme", "POSTERN_KEY_FILE": key}
}

func environ(vars map[string]string) (list []string) {
	for name, value := range vars {
		list = append(list, name+"="+value)
	}
	return append(list, "HOME=/root", "PATH=/bin")
}

// certificate writes a self-signed pair.
func certificate(t *testing.T) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(t.TempDir(), "cert.pem"), filepath.Join(t.TempDir(), "key.pem")
	for path, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: raw}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

func TestDemoNeedsNothing(t *testing.T) {
	c, err := loadConfig(modeDemo, nil, []string{"HOME=/root"})
	if err != nil {
		t.Fatal(err)
	}
	if c.URL.String() != "http://127.0.0.1:8400" || filepath.Base(c.Data) != ".postern" || !c.AutoMigrate || !c.DatabaseURL.Empty() ||
		c.EnvFile != filepath.Join(c.Data, "demo.env") || c.LogFormat != "text" || c.EgressRoots != nil {
		t.Errorf("%+v", c)
	}
}

// What the demo writes for clients may stand in the environment in which Postern is started.
func TestTheDemosOwnFileIsNoFault(t *testing.T) {
	vars := map[string]string{"POSTERN_URL": "http://127.0.0.1:8400"}
	for name := range clientNames {
		vars[name] = "x"
	}
	if _, err := loadConfig(modeDemo, nil, environ(vars)); err != nil {
		t.Error(err)
	}
}

func TestFlagsWinOverTheEnvironment(t *testing.T) {
	vars := complete(t)
	vars["POSTERN_ADDR"], vars["POSTERN_LOG_LEVEL"] = "127.0.0.1:1", ""
	c, err := loadConfig(modeServe, []string{"--addr", "127.0.0.1:2", "--url=https://mail.example.com", "--data", "d", "--google-token-url", "https://t.example/x"}, environ(vars))
	if err != nil {
		t.Fatal(err)
	}
	if c.Addr != "127.0.0.1:2" || c.URL.String() != "https://mail.example.com" || filepath.Base(c.Data) != "d" || c.Providers.Google.TokenURL != "https://t.example/x" {
		t.Errorf("%+v", c)
	}
	if c.LogLevel.String() != "INFO" {
		t.Errorf("an empty variable is not unset: %v", c.LogLevel)
	}
}

func TestEverySettingReachesItsField(t *testing.T) {
	vars := complete(t)
	cert, key := certificate(t)
	for name, value := range map[string]string{
		"DATABASE_URL": "postgres://u:canary@db.example/p?sslmode=verify-full", "POSTERN_ADDR": ":443", "POSTERN_URL": "https://Mail.Example.com/",
		"POSTERN_DATA": t.TempDir(), "POSTERN_TLS_CERT": cert, "POSTERN_TLS_KEY": key, "POSTERN_TRUSTED_PROXIES": "10.1.0.0/16, fd00::/8",
		"POSTERN_METRICS_ADDR": "127.0.0.1:9", "POSTERN_EGRESS_ALLOW": "127.0.0.0/8", "POSTERN_EGRESS_ROOTS": cert, "POSTERN_EGRESS_ADDRESSES": "203.0.113.7, 2001:DB8::7", "POSTERN_LOG_LEVEL": "WARN",
		"POSTERN_LOG_FORMAT": "text", "POSTERN_AUTO_MIGRATE": "true", "POSTERN_SMTP_URL": "smtps://u:canary@mail.example", "POSTERN_MAIL_FROM": "Postern <p@example.com>",
	} {
		vars[name] = value
	}
	for _, s := range providerSettings() {
		vars[s.name] = "https://provider.example/" + s.name
		if strings.HasSuffix(s.name, "_ADDR") {
			vars[s.name] = strings.ToLower(strings.ReplaceAll(s.name, "_", "-")) + ".example:993"
		}
	}
	c, err := loadConfig(modeServe, nil, environ(vars))
	if err != nil {
		t.Fatal(err)
	}
	if c.Addr != ":443" || c.URL.String() != "https://mail.example.com" || len(c.TrustedProxies) != 2 || strings.Join(c.EgressAddresses, " ") != "203.0.113.7 2001:db8::7" || c.EgressAllow[0].String() != "127.0.0.0/8" ||
		c.EgressRoots == nil || c.LogLevel.String() != "WARN" || !c.AutoMigrate || c.MetricsAddr != "127.0.0.1:9" || c.Company != "Acme" || c.Region != "eu" {
		t.Errorf("%+v", c)
	}
	shown := fmt.Sprintf("%+v", *c)
	for _, s := range providerSettings() {
		if !strings.Contains(shown, vars[s.name]) {
			t.Errorf("%s did not reach a field", s.name)
		}
	}
	if strings.Contains(shown, "canary") {
		t.Errorf("a secret is printed: %s", shown)
	}
	if c.DatabaseURL.Reveal() != vars["DATABASE_URL"] || c.SMTPURL.Reveal() != vars["POSTERN_SMTP_URL"] {
		t.Error("a secret was lost")
	}
}

func TestBadSettings(t *testing.T) {
	dir := t.TempDir()
	open := filepath.Join(dir, "open")
	if err := os.WriteFile(open, []byte("k"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(open, 0o640); err != nil {
		t.Fatal(err)
	}
	cert, key := certificate(t)
	_, otherKey := certificate(t)
	for _, c := range []struct {
		name  string // the setting at fault
		value string
		fix   string // what the fix must say
	}{
		{"POSTERN_ADDR", "8400", "127.0.0.1:8400"}, {"POSTERN_ADDR", "127.0.0.1:99999", "127.0.0.1:8400"}, {"POSTERN_ADDR", "mail.example:80", "IP address"},
		{"POSTERN_ADDR", "0.0.0.0:80", "POSTERN_TLS_CERT"},
		{"POSTERN_URL", "http://mail.example.com", "https"}, {"POSTERN_URL", "https://mail.example.com/x", "https://"}, {"POSTERN_URL", "https://u@mail.example.com", "https://"},
		{"POSTERN_URL", "mail.example.com", "https://"}, {"POSTERN_URL", "http://localhost.example", "https"},
		{"POSTERN_REGION", "moon", "us or eu"}, {"POSTERN_REGION", "", "us or eu"},
		{"POSTERN_COMPANY", "", "name"}, {"POSTERN_COMPANY", "a\nb", "name"}, {"POSTERN_COMPANY", strings.Repeat("x", 81), "name"},
		{"POSTERN_KEY_FILE", "", "keys create"}, {"POSTERN_KEY_FILE", filepath.Join(dir, "none"), "keys create"}, {"POSTERN_KEY_FILE", dir, "file"}, {"POSTERN_KEY_FILE", open, "chmod 600"},
		{"POSTERN_DATA", open, "folder"},
		{"POSTERN_TLS_KEY", "", "both"}, {"POSTERN_TLS_CERT", "", "both"}, {"POSTERN_TLS_CERT", otherKey, "PEM"},
		{"POSTERN_TRUSTED_PROXIES", "10.0.0.1", "10.0.0.1/32"}, {"POSTERN_TRUSTED_PROXIES", "10.0.0.1/8", "10.0.0.0/8"}, {"POSTERN_TRUSTED_PROXIES", "any", "comma list"},
		{"POSTERN_EGRESS_ALLOW", "::ffff:10.0.0.0/104", "IPv4 form"}, {"POSTERN_EGRESS_ALLOW", "::1", "::1/128"}, {"POSTERN_EGRESS_ALLOW", "::ffff:10.0.0.1", "/"},
		{"POSTERN_EGRESS_ROOTS", filepath.Join(dir, "none"), "PEM"}, {"POSTERN_EGRESS_ROOTS", open, "PEM"},
		{"POSTERN_EGRESS_ADDRESSES", "203.0.113.0/24", "comma list"}, {"POSTERN_EGRESS_ADDRESSES", "mail.example", "comma list"},
		{"POSTERN_METRICS_ADDR", "x", "127.0.0.1"}, {"POSTERN_METRICS_ADDR", "127.0.0.1:8400", "port of their own"},
		{"POSTERN_LOG_LEVEL", "loud", "debug"}, {"POSTERN_LOG_FORMAT", "xml", "json or text"}, {"POSTERN_AUTO_MIGRATE", "maybe", "true or false"},
		{"DATABASE_URL", "mysql://canary@x/y", "postgres://"}, {"DATABASE_URL", "postgres://u:canary@db.example/p", "verify-full"}, {"DATABASE_URL", "postgres://u:canary@db.example/p?sslmode=require", "verify-full"},
		{"DATABASE_URL", "postgres://u:canary@127.0.0.1", "postgres://"}, {"DATABASE_URL", "postgres://u:can\x01ary@h/d", "postgres://"},
		{"DATABASE_URL", "postgres://u:canary@127.0.0.1/d?host=db.example", "verify-full"},
		{"POSTERN_SMTP_URL", "http://u:canary@h", "smtps://"}, {"POSTERN_SMTP_URL", "smtp://u:canary@h/p", "%2F"}, {"POSTERN_MAIL_FROM", "", "address"}, {"POSTERN_MAIL_FROM", "nobody", "postern@"},
		{"POSTERN_GOOGLE_TOKEN_URL", "http://token.example", "https"}, {"POSTERN_YAHOO_IMAP_ADDR", "imap.example", "host:port"}, {"POSTERN_GOOGLE_AUTH_URL", "https://u:canary@h/", "https://"},
		{"POSTERN_ENV_FILE", "x", "unset"}, {"POSTERN_GOGLE_TOKEN_URL", "x", "did you mean POSTERN_GOOGLE_TOKEN_URL?"}, {"POSTERN_SOMETHING_ELSE", "x", "unset"},
	} {
		t.Run(c.name+"="+c.value, func(t *testing.T) {
			vars := complete(t)
			if strings.HasPrefix(c.name, "POSTERN_TLS") {
				vars["POSTERN_TLS_CERT"], vars["POSTERN_TLS_KEY"] = cert, key
			}
			if c.name == "POSTERN_MAIL_FROM" {
				vars["POSTERN_SMTP_URL"] = "smtps://mail.example"
			}
			if c.name == "POSTERN_SMTP_URL" {
				vars["POSTERN_MAIL_FROM"] = "p@example.com"
			}
			if c.name == "POSTERN_ADDR" {
				vars["POSTERN_URL"] = "https://mail.example.com"
			}
			vars[c.name] = c.value
			_, err := loadConfig(modeServe, nil, environ(vars))
			var faults configFaults
			if !errors.As(err, &faults) || len(faults) != 1 || faults[0].Name != c.name {
				t.Fatalf("got %v", err)
			}
			if !strings.Contains(faults[0].Fix, c.fix) {
				t.Errorf("the fix says %q, want %q in it", faults[0].Fix, c.fix)
			}
			if strings.Contains(err.Error(), "canary") {
				t.Errorf("a secret is printed: %v", err)
			}
		})
	}
}

func TestAllFaultsAtOnce(t *testing.T) {
	_, err := loadConfig(modeServe, []string{"--adr", "x", "canary", "--database-url", "canary", "--region", "moon", "--log-level"}, []string{"POSTERN_X=1", "POSTERN_URL=ftp://x", "POSTERN_SMTP_URL=canary"})
	var faults configFaults
	if !errors.As(err, &faults) {
		t.Fatal(err)
	}
	var names []string
	for _, f := range faults {
		names = append(names, f.Name)
	}
	want := "POSTERN_X|--adr|An argument|--database-url|--log-level|POSTERN_URL|POSTERN_REGION|POSTERN_COMPANY|POSTERN_KEY_FILE|POSTERN_SMTP_URL"
	if got := strings.Join(names, "|"); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	text := err.Error()
	for _, part := range []string{"10 settings are wrong", "did you mean --addr?", "set the variable DATABASE_URL"} {
		if !strings.Contains(text, part) {
			t.Errorf("%q is missing in\n%s", part, text)
		}
	}
	if strings.Contains(text, "canary") {
		t.Errorf("a secret is printed:\n%s", text)
	}
}

func TestToolsDemandNothing(t *testing.T) {
	if _, err := loadConfig(modeTool, nil, []string{"POSTERN_ADDR=:443", "POSTERN_KEY_FILE=/nowhere/yet"}); err != nil {
		t.Error(err)
	}
}

const tableBegin, tableEnd = "<!-- settings: written by make gen -->\n", "<!-- end of settings -->"

func TestREADMEListsEverySetting(t *testing.T) {
	path := filepath.Join("..", "..", "README.md")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(text), tableBegin)
	_, after, foundEnd := strings.Cut(rest, tableEnd)
	if !found || !foundEnd {
		t.Fatalf("README.md lacks the lines %q and %q, between which the table of settings stands", strings.TrimSpace(tableBegin), tableEnd)
	}
	want := before + tableBegin + ConfigTable() + tableEnd + after
	if want == string(text) {
		return
	}
	if !*update {
		t.Fatal("README.md's table of settings is not that of settings.go; run: make gen")
	}
	if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}
