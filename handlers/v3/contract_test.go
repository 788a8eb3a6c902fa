package v3_test

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/postern-mail/postern/engine/provider/providertest"
)

// What a client asks for and does not get, it must be told: these were once taken and left out in silence.
func TestNothingAskedForIsLeftOutInSilence(t *testing.T) {
	w := newWorld(t)
	g := w.grant(w.app.ID, w.tenant.ID, "ada@example.com")
	other := w.grant(w.app.ID, w.tenant.ID, "bob@example.com")
	w.do(call{method: "POST", path: "/v3/connectors", body: `{"provider":"google","settings":{"client_id":"a","client_secret":"b"}}`})

	w.do(call{method: "PATCH", path: "/v3/connectors/google", body: `{"active_credential_id":"x"}`}).refused(t, "active_credential_id", 400, "api.invalid_request_error")
	if a := w.do(call{method: "PATCH", path: "/v3/connectors/google", body: `{"active_credential_id":null,"name":"G"}`}); a.status != 200 || a.text1("data", "name") != "G" {
		t.Errorf("without one: %d %s", a.status, a.text)
	}
	w.do(call{method: "PATCH", path: "/v3/applications", body: `{"callback_uris":[{"url":"https://new.example.com/cb"}]}`}).refused(t, "callback_uris", 400, "api.invalid_request_error")
	if a := w.do(call{method: "PATCH", path: "/v3/applications", body: fmt.Sprintf(`{"callback_uris":[{"url":%q,"platform":"web"}],"branding":{"name":"B"}}`, callback)}); a.status != 200 || a.text1("data", "branding", "name") != "B" {
		t.Errorf("written back as it is: %d %s", a.status, a.text)
	}

	// Python's SDK names these in camelCase.
	if a := w.get("/v3/grants?grantStatus=invalid"); len(a.at("data").([]any)) != 0 {
		t.Errorf("grantStatus: %s", a.text)
	}
	if a := w.get("/v3/grants?sortBy=createdAt&orderBy=asc"); a.text1("data", "0", "id") != g.ID.String() || a.text1("data", "1", "id") != other.ID.String() {
		t.Errorf("orderBy: %s", a.text)
	}
	w.get("/v3/grants?grantStatus=invalid&grant_status=valid").refused(t, "both spellings, not the same", 400, "api.invalid_request_error")
}

func TestConnectCustomNamesWhatIsMissing(t *testing.T) {
	w := newWorld(t)
	for body, want := range map[string]string{
		`{"provider":"ews","settings":{"email":"ada@example.com","ews_username":"ada","ews_host":"mail.example.com","ews_port":443}}`: "ews_password",
		`{"provider":"ews","settings":{"ews_password":"x"}}`:                                                                          "ews_username",
		`{"provider":"imap","settings":{"imap_username":"ada"}}`:                                                                      "imap_password",
		`{"provider":"virtual-calendar","settings":{"email":"x"}}`:                                                                    "virtual-calendar",
		`{"provider":"zoom","settings":{"refresh_token":"x"}}`:                                                                        "zoom",
	} {
		a := w.do(call{method: "POST", path: "/v3/connect/custom", body: body})
		a.refused(t, body, 400, "api.invalid_request_error")
		if !strings.Contains(a.text1("error", "message"), want) {
			t.Errorf("%s: %s", body, a.text)
		}
	}
}

// Every filter of the contract, by its name on the wire: each must leave out what it is to leave out.
func TestEveryFilterByName(t *testing.T) {
	w := newWorld(t, withMail)
	m := w.connected()
	at := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	put := func(folder, id, header, body string, hours int, more providertest.Mail) {
		t.Helper()
		more.Received = at.Add(time.Duration(hours) * time.Hour)
		more.Raw = "Message-ID: <" + id + "@example.com>\r\nDate: " + more.Received.Format(time.RFC1123Z) + "\r\nMIME-Version: 1.0\r\n" + header + body
		w.dovecot.Deliver(t, m.Account, folder, more)
	}
	text := "Content-Type: text/plain\r\n\r\nHello\r\n"
	file := "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nHello\r\n--b\r\nContent-Type: text/csv\r\nContent-Disposition: attachment; filename=a.csv\r\n\r\n1,2\r\n--b--\r\n"
	put("INBOX", "one", "From: Grace <grace@example.com>\r\nTo: ada@example.com\r\nSubject: First plan\r\n", text, 0, providertest.Mail{Unread: true})
	put("INBOX", "two", "From: bob@example.com\r\nTo: ada@example.com, eve@example.com\r\nCc: carl@example.com\r\nSubject: Second\r\n", file, 1, providertest.Mail{Starred: true})
	put("INBOX", "three", "From: ada@example.com\r\nTo: grace@example.com\r\nBcc: dora@example.com\r\nSubject: Re: First plan\r\nIn-Reply-To: <one@example.com>\r\nReferences: <one@example.com>\r\n", text, 2, providertest.Mail{})
	put("Archive", "old", "From: grace@example.com\r\nTo: ada@example.com\r\nSubject: Old plan\r\n", text, -9, providertest.Mail{})
	for _, d := range []string{`{"subject":"Draft one","to":[{"email":"grace@example.com"}],"starred":true}`, `{"subject":"Draft two","cc":[{"email":"carl@example.com"}],"bcc":[{"email":"dora@example.com"}],"attachments":[{"filename":"a.txt","content":"eA=="}]}`} {
		if a := w.do(call{method: "POST", path: m.path("/drafts"), body: d}); a.status != 200 {
			t.Fatalf("%d %s", a.status, a.text)
		}
	}
	unix := func(hours int) string { return strconv.FormatInt(at.Add(time.Duration(hours)*time.Hour).Unix(), 10) }
	thread := w.get(m.path("/messages?subject=Re%3A&select=thread_id")).text1("data", "0", "thread_id")
	draft := w.get(m.path("/drafts?subject=one&select=thread_id")).text1("data", "0", "thread_id")
	// Of each list, how many it answers.
	for path, filters := range map[string]map[string]int{
		"/messages": {"": 3, "subject=plan": 2, "subject=PLAN": 2, "any_email=grace@example.com": 2, "any_email=eve@example.com,dora@example.com": 2, "any_email=eve@example.com&any_email=dora@example.com": 2, "from=bob@example.com": 1, "from=bob@example.com&from=grace@example.com": 2,
			"to=grace@example.com": 1, "to=eve@example.com&to=grace@example.com": 2, "cc=carl@example.com": 1, "bcc=dora@example.com": 1, "bcc=carl@example.com": 0, "in=INBOX": 3, "in=Archive": 1, "in=Archive&unread=true": 0, "unread=True": 1, "unread=false": 2, "starred=true": 1, "starred=False": 2,
			"thread_id=" + thread: 2, "thread_id=nothing": 0, "received_after=" + unix(0): 2, "received_before=" + unix(1): 1, "received_after=" + unix(0) + "&received_before=" + unix(2): 1, "has_attachment=true": 1, "has_attachment=false": 2, "has_attachment=true&from=grace@example.com": 0,
			"search_query_native=" + url.QueryEscape(`FROM "bob" NOT SEEN`): 0, "search_query_native=" + url.QueryEscape(`FROM "bob" SEEN`): 1, "search_query_native=ALL&in=Archive": 1, "query_imap=true": 3, "fields=include_headers": 3, "fields=include_basic_headers": 3, "fields=raw_mime": 3, "limit=2": 2, "select=id": 3},
		"/threads": {"": 2, "subject=plan": 1, "any_email=grace@example.com": 1, "any_email=eve@example.com,dora@example.com": 2, "from=ada@example.com": 1, "to=eve@example.com": 1, "cc=carl@example.com": 1, "bcc=dora@example.com": 1, "in=Archive": 1, "unread=true": 1, "unread=false": 1,
			"from=ada@example.com&unread=true": 1, "starred=true": 1, "has_attachment=true": 1, "latest_message_after=" + unix(1): 1, "latest_message_before=" + unix(2): 1, "search_query_native=" + url.QueryEscape(`SUBJECT "Second"`): 1,
			"thread_id=" + thread: 1, "thread_id=" + thread + "&unread=false": 0, "thread_id=nothing": 0, "limit=1": 1, "select=id": 2},
		"/drafts": {"": 2, "subject=two": 1, "any_email=grace@example.com,carl@example.com": 2, "to=grace@example.com": 1, "cc=carl@example.com": 1, "bcc=dora@example.com": 1, "from=" + url.QueryEscape(m.Address): 2, "from=grace@example.com": 0, "starred=true": 1, "unread=true": 0, "unread=false": 2,
			"thread_id=" + draft: 1, "has_attachment=true": 1, "in=Drafts": 2, "in=INBOX": 0, "limit=1": 1, "query_imap=false": 2, "select=id": 2},
	} {
		for query, want := range filters {
			a := w.get(m.path(path + "?" + query))
			data, _ := a.at("data").([]any)
			if a.status != 200 || len(data) != want {
				t.Errorf("%s?%s: %d, %d of %d: %.600s", path, query, a.status, len(data), want, a.text)
			}
			for _, item := range data { // what each is to show, and no more
				one := item.(map[string]any)
				_, headers := one["headers"]
				raw, _ := one["raw_mime"].(string)
				if headers != strings.Contains(query, "_headers") || (raw != "") != strings.Contains(query, "raw_mime") || strings.Contains(query, "select=id") && len(one) != 1 {
					t.Errorf("%s?%s: %v", path, query, one)
				}
			}
		}
	}
	parent := w.do(call{method: "POST", path: m.path("/folders"), body: `{"name":"Customers"}`}).text1("data", "id")
	w.do(call{method: "POST", path: m.path("/folders"), body: `{"name":"North","parent_id":"` + parent + `"}`})
	all := len(w.get(m.path("/folders")).at("data").([]any))
	for query, want := range map[string]int{"": all, "parent_id=" + parent: 1, "single_level=true": all - 1, "single_level=true&parent_id=" + parent: 1, "include_hidden_folders=True": all, "limit=1": 1, "select=id,name": all} {
		if data, _ := w.get(m.path("/folders?" + query)).at("data").([]any); len(data) != want {
			t.Errorf("/folders?%s: %d of %d", query, len(data), want)
		}
	}
	w.get(m.path("/threads?subject=x&thread_id="+thread)).refused(t, "a thread and more", 400, "api.invalid_request_error")
	if a := w.do(call{method: "PUT", path: m.path("/messages/" + w.get(m.path("/messages?select=id")).text1("data", "0", "id")), body: `{"unread":true,"metadata":{}}`}); a.status != 200 {
		t.Errorf("no metadata: %d %s", a.status, a.text)
	}
}
