package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestWebhookVerify runs the command on a vector of RFC 4231 (HMAC-SHA256, test case 2).
func TestWebhookVerify(t *testing.T) {
	const signature = "X-Nylas-Signature: 5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	key, other, third, body := write("key", "Jefe\n"), write("other", "jefe"), write("third", "JEFE"), write("body", "what do ya want for nothing?")
	for name, c := range map[string]struct {
		args  []string
		stdin string
		code  int
		says  string
	}{
		"genuine":       {[]string{"verify", "--secret-file", key, "--header", signature, body}, "", 0, "Genuine"},
		"from stdin":    {[]string{"verify", "--secret-file", key, "--header", signature, "-"}, "what do ya want for nothing?", 0, "Genuine"},
		"a line break":  {[]string{"verify", "--secret-file", key, "--header", signature, "-"}, "what do ya want for nothing?\n", 1, "trailing_newline"},
		"wrong secret":  {[]string{"verify", "--secret-file", other, "--header", signature, body}, "", 1, "wrong_secret"},
		"the second":    {[]string{"verify", "--secret-file", other, "--secret-file", key, "--header", signature, body}, "", 0, "It is the second secret that fits.\nGenuine"},
		"the first":     {[]string{"verify", "--secret-file", key, "--secret-file", other, "--header", signature, body}, "", 0, "It is the first secret that fits.\nGenuine"},
		"neither":       {[]string{"verify", "--secret-file", other, "--secret-file", third, "--header", signature, body}, "", 1, "wrong_secret"},
		"three":         {[]string{"verify", "--secret-file", other, "--secret-file", third, "--secret-file", key, "--header", signature, body}, "", 2, ""},
		"no header":     {[]string{"verify", "--secret-file", key, body}, "", 1, "missing_signature"},
		"no body":       {[]string{"verify", "--secret-file", key}, "", 2, ""},
		"no secret":     {[]string{"verify", body}, "", 2, ""},
		"no such file":  {[]string{"verify", "--secret-file", filepath.Join(dir, "none"), body}, "", 2, ""},
		"bad header":    {[]string{"verify", "--secret-file", key, "--header", "rubbish", body}, "", 2, ""},
		"no subcommand": {nil, "", 2, ""},
	} {
		var out, problems bytes.Buffer
		code := dispatch(context.Background(), commands(), append([]string{"webhook"}, c.args...), env{strings.NewReader(c.stdin), &out, &problems, nil})
		if code != c.code || !strings.Contains(out.String(), c.says) || strings.Contains(out.String()+problems.String(), "Jefe") {
			t.Errorf("%s: %d, %q, %q", name, code, out.String(), problems.String())
		}
	}
}
