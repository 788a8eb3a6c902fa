package v3_test

import (
	"strings"
	"testing"

	"github.com/postern-mail/postern/engine/access"
)

func TestCredentials(t *testing.T) {
	w := newWorld(t)
	const path = "/v3/connectors/google/creds"
	w.do(call{method: "GET", path: path}).refused(t, "without a connector", 404, "api.not_found_error")
	w.do(call{method: "POST", path: "/v3/connectors", body: `{"provider":"google","settings":{"client_id":"ours","client_secret":"s3cret-one"}}`})
	made := w.do(call{method: "POST", path: path, body: `{"name":"Theirs","credential_type":"connector","credential_data":{"client_id":"theirs","client_secret":"s3cret-two","topic_name":"t","else":"x"},"workspace_id":"` + w.tenant.ID.String() + `"}`})
	id := made.text1("data", "id")
	if made.status != 201 || id == "" || made.text1("data", "name") != "Theirs" || made.text1("data", "workspace_id") != w.tenant.ID.String() {
		t.Fatalf("made: %d %s", made.status, made.text)
	}
	for what, body := range map[string]string{
		"without a secret":     `{"name":"x","credential_type":"connector","credential_data":{"client_id":"a"}}`,
		"without a client id":  `{"name":"x","credential_type":"connector","credential_data":{"client_secret":"a"}}`,
		"without a name":       `{"credential_type":"connector","credential_data":{"client_id":"a","client_secret":"b"}}`,
		"of another type":      `{"name":"x","credential_type":"adminconsent","credential_data":{"client_id":"a","client_secret":"b"}}`,
		"with a broken tenant": `{"name":"x","credential_type":"connector","credential_data":{"client_id":"a","client_secret":"b"},"workspace_id":"x"}`,
	} {
		if a := w.do(call{method: "POST", path: path, body: body}); a.status != 400 {
			t.Errorf("%s: %d %s", what, a.status, a.text)
		}
	}
	if a := w.do(call{method: "POST", path: path, body: `{"name":"theirs","credential_type":"connector","credential_data":{"client_id":"a","client_secret":"b"}}`}); a.status != 409 {
		t.Errorf("the same name: %d %s", a.status, a.text)
	}
	list := w.get(path + "?sort_by=createdAt&order_by=asc&limit=5")
	if rows, _ := list.at("data").([]any); list.status != 200 || len(rows) != 1 || list.at("limit") == nil || list.at("offset") == nil {
		t.Errorf("listed: %d %s", list.status, list.text)
	}
	if a := w.do(call{method: "PATCH", path: path + "/" + id, body: `{"name":"Renamed","credential_data":{"client_secret":"s3cret-three"}}`}); a.status != 200 || a.text1("data", "name") != "Renamed" {
		t.Errorf("changed: %d %s", a.status, a.text)
	}
	shown := w.get(path + "/" + id)
	if shown.status != 200 || strings.Contains(shown.text+list.text+made.text, "s3cret") || strings.Contains(shown.text, `"theirs"`) {
		t.Errorf("shown: %d %s", shown.status, shown.text)
	}
	// A key of one tenant sees that tenant's and changes none; another application's sees nothing.
	narrow := w.keyFor(access.Key{Application: w.app.ID, Tenant: w.tenant.ID})
	if a := w.do(call{method: "GET", path: path + "/" + id, key: narrow}); a.status != 200 {
		t.Errorf("the tenant's own: %d", a.status)
	}
	if a := w.do(call{method: "DELETE", path: path + "/" + id, key: narrow}); a.status != 403 {
		t.Errorf("a narrow key deletes: %d %s", a.status, a.text)
	}
	shared := w.do(call{method: "POST", path: path, body: `{"name":"Shared","credential_type":"connector","credential_data":{"client_id":"a","client_secret":"b"}}`}).text1("data", "id")
	w.do(call{method: "GET", path: path + "/" + shared, key: narrow}).refused(t, "a narrow key and the shared one", 404, "api.not_found_error")
	stranger := w.keyFor(access.Key{Application: w.other.ID})
	w.do(call{method: "GET", path: path + "/" + id, key: stranger}).refused(t, "another application", 404, "api.not_found_error")
	if a := w.do(call{method: "POST", path: "/v3/connectors/imap/creds", body: `{"name":"x","credential_type":"connector","credential_data":{"client_id":"a","client_secret":"b"}}`}); a.status != 400 && a.status != 404 {
		t.Errorf("a provider without apps: %d %s", a.status, a.text)
	}
	for range 2 {
		a := w.do(call{method: "DELETE", path: path + "/" + id})
		if a.status != 200 && a.status != 404 {
			t.Errorf("deleted: %d %s", a.status, a.text)
		}
	}
	w.get(path+"/"+id).refused(t, "a deleted one", 404, "api.not_found_error")
	if text := w.log.String(); strings.Contains(text, "s3cret") {
		t.Error("a client secret is in the log")
	}
}
