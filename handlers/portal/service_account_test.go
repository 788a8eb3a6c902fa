package portal_test

import (
	"net/http"
	"strings"
	"testing"
)

// somePublicKey is one whose private half was thrown away.
const somePublicKey = `-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAtoNU2LcdbCccSVdUwCV2
1eQ9linBr5f5Er3GaPKBgCx8o55Apwj2+WI9BUn6PrxIrjS7kRbVCNrlrKaOFtRl
57us4rhgm5jSC3G9dteCh6I4GCL9Va8FYbI8I6UrzNSZRzaEoauprpv5igZ47lbr
Pr8qSMJ5K0r+ROz3MSs7oRSPkHBuvKkceGSapSTl5zYzMR++n/Wju68NP/b/FU0N
dM3DX735lDHP3xuXf1jDXZdp8ernbZbWcIsdQWFJbex0awIaZAKY+1vzHaZRPMoF
lrz5jHsym8vlkm7JIqZSYGUU1nTCGqQCd1hPxL5tcNEWBKWgqcknxBDHlBR9dYli
DwIDAQAB
-----END PUBLIC KEY-----`

func TestServiceAccountPages(t *testing.T) {
	w := newWorld(t)
	b := w.as("admin")
	b.get("/service-accounts").is(200).shows("empty", "No service account yet")
	b.get("/service-accounts/new").is(200)
	app := w.app.ID.String()
	b.post("/service-accounts", "name", "x", "application", app, "expires", "720h").is(unprocessable).shows("error-permission", "at least one")
	b.post("/service-accounts", "name", "", "application", app, "permission", "apikey.get", "expires", "720h").is(unprocessable).shows("error-name", "")
	b.post("/service-accounts", "name", "x", "application", app, "permission", "grants.read", "expires", "720h").is(unprocessable).shows("error-permission", "")
	b.post("/service-accounts", "name", "x", "application", app, "permission", "apikey.get", "expires", "1h").is(unprocessable).shows("error-expires", "")
	b.post("/service-accounts", "name", "x", "application", app, "permission", "apikey.get", "expires", "", "public_key", "nonsense").is(unprocessable).shows("error-public_key", "PEM")
	private := "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----"
	if r := b.post("/service-accounts", "name", "x", "application", app, "permission", "apikey.get", "expires", "", "public_key", private).is(unprocessable).shows("error-public_key", "private"); strings.Contains(r.text, "c2VjcmV0") {
		t.Error("a private key comes back in the page")
	}
	made := b.post("/service-accounts", "name", "provisioning", "application", app, "permission", "apikey.get", "permission", "apikey.create", "addresses", "192.0.2.0/24", "expires", "720h").is(200)
	file := made.shows("secret-value", "PRIVATE KEY").text
	if !strings.Contains(file, "private_key_id") {
		t.Error("the credentials lack the key's id")
	}
	file = made.find("secret-file").Find("input[name=credentials]").AttrOr("value", "")
	saved := b.post("/service-accounts/file", "credentials", strings.ReplaceAll(file, "\n", "\r\n")).is(200)
	if saved.text != file || !strings.HasPrefix(saved.header.Get("Content-Disposition"), "attachment; filename=\"service-account-") || !strings.Contains(saved.header.Get("Cache-Control"), "no-store") {
		t.Errorf("the file: %v, %d bytes of %d", saved.header, len(saved.text), len(file))
	}
	for _, other := range []string{"", "<script>", `{"type":"service_account"}`, `{"type":"service_account","private_key_id":"x\"y"}`, file + strings.Repeat(" ", 40<<10)} {
		b.post("/service-accounts/file", "credentials", other).is(http.StatusBadRequest)
	}
	b.post("/service-accounts", "name", "of our own", "application", app, "permission", "apikey.delete", "expires", "", "public_key", somePublicKey).goes()
	list := b.get("/service-accounts").is(200)
	for _, want := range []string{"provisioning", "of our own", "192.0.2.0/24", "Delete keys", "Make keys and list keys"} {
		if !strings.Contains(list.text, want) {
			t.Errorf("the list lacks %q", want)
		}
	}
	if strings.Contains(list.text, "PRIVATE KEY") {
		t.Error("the list holds a private key")
	}
	all, err := w.Access.ServiceAccounts(ctx, staff)
	w.check(err)
	id := all[0].ID.String()
	b.get("/service-accounts/" + id + "/revoke").is(200)
	b.post("/service-accounts/" + id + "/revoke").goes()
	if got, err := w.Access.ServiceAccount(ctx, staff, all[0].ID); err != nil || got.RevokedAt == nil {
		t.Errorf("after revoking: %+v, %v", got, err)
	}
}
