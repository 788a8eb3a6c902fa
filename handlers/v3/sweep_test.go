package v3_test

import (
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/postern-mail/postern/engine/access"
	"github.com/postern-mail/postern/web"
)

// swept is a world in which every route has something to work on.
type swept struct {
	*world
	m       mailbox
	service *service
	ids     map[string]string // by the name of the path's parameter
}

func sweep(t *testing.T) *swept {
	t.Helper()
	w := newWorld(t, withMail)
	s := &swept{world: w, m: w.connected(), service: w.service(access.ServiceAccount{Application: w.app.ID})}
	w.deliver(s.m, "question", "Content-Type: text/plain\r\n\r\nWhere?\r\n")
	message := w.get(s.m.path("/messages?select=id,thread_id"))
	draft := w.do(call{method: "POST", path: s.m.path("/drafts"), body: `{"subject":"kept"}`})
	schedule := w.later(s.m, "")
	key, _, err := w.Access.CreateKey(ctx, staff, access.Key{Application: w.app.ID, Name: "x"})
	if err != nil {
		t.Fatal(err)
	}
	s.ids = map[string]string{"grant": s.m.grant, "message": message.text1("data", "0", "id"), "thread": message.text1("data", "0", "thread_id"), "draft": draft.text1("data", "id"), "schedule": schedule.text1("data", "schedule_id"),
		"folder": "INBOX", "attachment": "2", "application": w.app.ID.String(), "callback": w.get("/v3/applications/redirect-uris").text1("data", "0", "id"), "provider": "imap", "key": key.ID.String(),
		"webhook": "01234567-89ab-7cde-8f01-23456789abcd", "credential": "01234567-89ab-7cde-8f01-23456789abcd"}
	for name, id := range s.ids {
		if id == "" {
			t.Fatalf("nothing for %s", name)
		}
	}
	return s
}

// to makes a call of a route, signed where it has to be. instead replaces one of the path's ids, already escaped.
func (s *swept) to(r web.RouteInfo, instead map[string]string, query, body string, header map[string]string) answer {
	s.t.Helper()
	path := routeParam.ReplaceAllStringFunc(r.Path, func(name string) string {
		if other, ok := instead[name[1:]]; ok {
			return other
		}
		return s.ids[name[1:]]
	})
	c := call{method: r.Method, path: path + query, body: body}
	if strings.HasPrefix(r.Path, "/v3/admin/") {
		c = s.service.sign(s.t, c, s.clock())
	} else {
		c.header = map[string]string{}
	}
	maps.Copy(c.header, header)
	return s.do(c)
}

func (s *swept) v3Routes() (out []web.RouteInfo) {
	for _, r := range s.routes {
		if r.Door == "v3" && r.Method != http.MethodOptions {
			out = append(out, r)
		}
	}
	return out
}

// state is everything that a refused call must leave as it is.
func (s *swept) state() string {
	s.t.Helper()
	var out []string
	for _, table := range []string{"applications", "callback_uris", "connectors", "credentials", "grants", "webhooks", "schedules", "audit_entries", "events", "token_families", "issued_tokens", "connect_flows", "service_accounts"} {
		out = append(out, fmt.Sprintf("%s %d", table, s.count(`SELECT count(*) FROM `+table)))
	}
	for _, c := range []struct{ name, sum string }{{"applications", "updated_at"}, {"connectors", "updated_at"}, {"grants", "updated_at"}, {"schedules", "send_at"}} {
		out = append(out, fmt.Sprintf("%s changed %d", c.name, s.count(`SELECT coalesce(sum(extract(epoch FROM `+c.sum+`))::bigint, 0) FROM `+c.name)))
	}
	out = append(out, fmt.Sprintf("keys %d", s.count(`SELECT count(*) FROM api_keys WHERE revoked_at IS NULL`)), fmt.Sprintf("sent %d", len(s.m.submission.Taken())))
	for _, path := range []string{"/messages?select=id,unread,starred,folders", "/drafts?select=id,subject", "/folders?select=id,name"} {
		a := s.get(s.m.path(path))
		out = append(out, path+" "+strings.ReplaceAll(a.text, a.text1("request_id"), ""))
	}
	return strings.Join(out, "\n")
}

// refusedInShape: an error in the contract's shape, of the caller's doing.
func refusedInShape(t *testing.T, what string, a answer, oauth bool) {
	t.Helper()
	kind := a.text1("error", "type")
	if oauth {
		kind = a.text1("error")
	}
	if a.status < 400 || a.status > 499 || kind == "" || a.text1("request_id") == "" || a.text1("request_id") != a.header.Get("X-Request-Id") {
		t.Errorf("%s: %d %.300s", what, a.status, a.text)
	}
}

func oauthRoute(path string) bool {
	return path == "/v3/connect/token" || path == "/v3/connect/revoke" || path == "/v3/connect/tokeninfo"
}

// Whatever is wrong with a call, it is answered in the contract's words and changes nothing: every route, every kind of bad input.
func TestBadInputOnEveryRoute(t *testing.T) {
	s := sweep(t)
	before := s.state()
	deep := strings.Repeat(`{"a":`, 20000)
	routes := s.v3Routes()
	bodies, queries, paths := 0, 0, 0
	for _, r := range routes {
		name, oauth := r.Method+" "+r.Path, oauthRoute(r.Path)
		reads := (r.Method == "POST" || r.Method == "PUT" || r.Method == "PATCH") && r.Path != "/v3/providers/detect" && r.Path != "/v3/connect/revoke"
		if reads {
			bodies++
			for what, c := range map[string]struct{ body, kind string }{
				"half a JSON": {`{"name":"x"`, ""}, "a list": {`[{"name":"x"}]`, ""}, "a text": {`"x"`, ""}, "null": {`null`, ""}, "two objects": {`{}{}`, ""}, "no JSON": {"\x00\xff\xfe", ""}, "deep nesting": {deep, ""},
				"a field twice": {`{"name":"x","name":"y"}`, ""}, "a nested field twice": {`{"x":[{"name":"x","na\u006de":"y"}]}`, ""}, "Python's True": {`{"unread":True}`, ""},
				"plain text": {`{"name":"x"}`, "text/plain"}, "XML": {`<name>x</name>`, "application/xml"}, "a broken content type": {`{"name":"x"}`, "application/json; ="},
				"a form without an end": {"--x\r\nContent-Disposition: form-data; name=\"message\"\r\n\r\n{", "multipart/form-data; boundary=x"}, "a form without a boundary": {"--x--", "multipart/form-data"},
			} {
				header := map[string]string{}
				if c.kind != "" {
					header["Content-Type"] = c.kind
				}
				a := s.to(r, nil, "", c.body, header)
				refusedInShape(t, name+", "+what, a, oauth)
				if what == "deep nesting" && a.status == 413 || what == "no JSON" && strings.HasPrefix(r.Path, "/v3/admin/") {
					continue // too large there; bytes that are no text cannot be signed
				}
				if !oauth && a.text1("error", "type") != "api.invalid_request_payload" && !strings.Contains(r.Path, ":webhook") && !strings.Contains(r.Path, ":credential") && a.status != 405 {
					t.Errorf("%s, %s: %d %s", name, what, a.status, a.text)
				}
			}
		}
		for _, query := range []string{"?a=%zz", "?a=%00", "?a=%ff", "?a;b"} {
			if r.Path == "/v3" || r.Path == "/v3/" || r.Path == "/v3/openapi.yaml" || r.Path == "/v3/connect/auth" {
				continue // nobody is changed or shown anything by these: tried below
			}
			queries++
			refusedInShape(t, name+query, s.to(r, nil, query, "", nil), oauth)
		}
		for _, parameter := range routeParam.FindAllStringSubmatch(r.Path, -1) {
			for _, odd := range []string{"%00", "%ff", "..%2f..%2fetc", "%2e%2e", "a%0d%0ab", "%27%3B%20DROP%20TABLE%20grants%3B--", "%F0%9F%92%8C", strings.Repeat("x", 5000), "%25%32%66", "{}", "-1"} {
				paths++
				refusedInShape(t, fmt.Sprintf("%s with %.20s for %s", name, odd, parameter[1]), s.to(r, map[string]string{parameter[1]: odd}, "", `{"unread":true,"name":"x","subject":"x"}`, nil), oauth)
			}
		}
	}
	if bodies < 25 || queries < 200 || paths < 500 {
		t.Errorf("%d routes with bodies, %d queries, %d paths: the sweep has lost its subject", bodies, queries, paths)
	}
	if after := s.state(); after != before {
		t.Errorf("something changed.\nbefore:\n%s\nafter:\n%s", before, after)
	}
}

// The lists are told what they are asked, one filter at a time.
func TestBadFiltersOnEveryList(t *testing.T) {
	s := sweep(t)
	foreign := s.get(s.m.path("/messages?limit=1&in=INBOX&select=id")).text1("next_cursor")
	addresses := strings.Repeat("a%40example.com,", 26)
	lists := map[string][]string{
		"/messages": {"unread=perhaps", "starred=2", "has_attachment=no", "received_after=soon", "received_before=-1", "received_after=200&received_before=100", "received_after=1e9", "fields=everything", "fields=include_tracking_options", "in=no-such", "in=..%2f..", "any_email=" + addresses,
			"metadata_pair=key1:a", "shared_from=a%40example.com", "shared_folder_id=1", "subject=a&subject=b", "query_imap=perhaps"},
		"/threads": {"unread=perhaps", "latest_message_after=soon", "latest_message_after=200&latest_message_before=100", "earliest_message_date=1", "in=no-such", "any_email=" + addresses, "shared_from=a%40example.com", "subject=a&subject=b"},
		"/drafts":  {"starred=perhaps", "metadata_pair=key1:a", "any_email=" + addresses, "has_attachment=x"},
		"/folders": {"single_level=perhaps", "include_hidden_folders=2", "shared_from=a%40example.com"},
	}
	for path, wrong := range lists {
		wrong = append(wrong, "limit=0", "limit=-1", "limit=201", "limit=99999999999999999999", "limit=ten", "limit=1.5", "limit=0x10", "limit=1&limit=2", "page_token=broken", "page_token=%2B%2F%3D", "page_token="+strings.Repeat("A", 3000))
		for _, query := range wrong {
			a := s.get(s.m.path(path + "?" + query))
			what := path + "?" + query[:min(len(query), 60)]
			if path == "/messages" && query == "in=no-such" || path == "/threads" && query == "in=no-such" || strings.HasPrefix(query, "in=..") {
				refusedInShape(t, what, a, false)
				continue
			}
			a.refused(t, what, 400, "api.invalid_request_error")
		}
	}
	// A cursor is good for the list and the filters that it came from.
	s.deliver(s.m, "another", "Content-Type: text/plain\r\n\r\nHere.\r\n")
	before := s.state()
	cursor := s.get(s.m.path("/messages?limit=1&select=id")).text1("next_cursor")
	if cursor == "" || foreign != "" {
		t.Fatalf("cursors: %q, %q", cursor, foreign)
	}
	other := s.connected()
	for what, path := range map[string]string{"other filters": s.m.path("/messages?unread=true&page_token="), "another list": s.m.path("/drafts?page_token="), "threads": s.m.path("/threads?page_token="), "cut short": s.m.path("/messages?page_token=x")} {
		s.get(path+cursor).refused(t, "a cursor with "+what, 400, "api.invalid_request_error")
	}
	if a := s.get(other.path("/messages?select=id&page_token=" + cursor)); a.status != 400 && (a.status != 200 || len(a.at("data").([]any)) != 0) {
		t.Errorf("a cursor of another mailbox: %d %s", a.status, a.text)
	}
	for _, query := range []string{"unread=True", "unread=FALSE", "starred=False&has_attachment=False", "limit=&unread=", "received_after=100&received_before=100", "unknown=x", "q=x&offset=7", "subject=a&subject=a"} {
		if a := s.get(s.m.path("/messages?" + query)); a.status != 200 {
			t.Errorf("%s: %d %s", query, a.status, a.text)
		}
	}
	if after := s.state(); !strings.HasPrefix(after, before[:strings.Index(before, "grants ")]) {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
}

// What goes into a message's header or envelope ends no line and names no second header.
func TestNothingIsInjectedIntoAMessage(t *testing.T) {
	s := sweep(t)
	before := s.state()
	for _, line := range []string{`\r\nBcc: eve@example.com`, `\nX: y`, `\r`, `\u0000`} {
		for _, field := range []string{
			`"subject":"a` + line + `"`, `"to":[{"email":"grace@example.com` + line + `"}]`, `"to":[{"email":"grace@example.com","name":"Grace` + line + `"}]`, `"cc":[{"email":"a@example.com` + line + `"}]`,
			`"from":[{"email":"a@example.com","name":"x` + line + `"}]`, `"reply_to":[{"email":"a@example.com` + line + `"}]`, `"custom_headers":[{"name":"X-A","value":"b` + line + `"}]`, `"custom_headers":[{"name":"X-A` + line + `","value":"b"}]`,
			`"attachments":[{"filename":"a` + line + `.txt","content":"eA=="}]`, `"attachments":[{"filename":"a.txt","content_type":"text/plain` + line + `","content":"eA=="}]`, `"attachments":[{"filename":"a.txt","content_id":"a` + line + `","content":"eA=="}]`,
		} {
			to := `"to":[{"email":"grace@example.com"}],`
			if strings.HasPrefix(field, `"to"`) {
				to = ""
			}
			for _, path := range []string{"/messages/send", "/drafts"} {
				a := s.do(call{method: "POST", path: s.m.path(path), body: "{" + to + field + "}"})
				a.refused(t, path+" "+field, 400, "api.invalid_request_error")
			}
		}
	}
	for _, address := range []string{"", " ", "no address", "@example.com", "a@", "a@b@c", "Grace <grace@example.com>", "grace@example.com, eve@example.com", "grace@exa mple.com", "<grace@example.com>", strings.Repeat("x", 400) + "@example.com", "grace@example.com>"} {
		for _, path := range []string{"/messages/send", "/drafts"} {
			s.do(call{method: "POST", path: s.m.path(path), body: fmt.Sprintf(`{"to":[{"email":%q}]}`, address)}).refused(t, path+" to "+address, 400, "api.invalid_request_error")
		}
	}
	for what, header := range map[string][]string{"two keys": {"Idempotency-Key", "a", "b"}} {
		r, _ := http.NewRequestWithContext(ctx, "POST", s.server.URL+s.m.path("/messages/send"), strings.NewReader(`{"to":[{"email":"grace@example.com"}]}`))
		r.Header = http.Header{"Authorization": {"Bearer " + s.key}, "Content-Type": {"application/json"}, header[0]: header[1:]}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != 400 {
			t.Errorf("%s: %d", what, resp.StatusCode)
		}
	}
	if after := s.state(); after != before {
		t.Errorf("something changed.\nbefore:\n%s\nafter:\n%s", before, after)
	}
}

// Every answer names its request, in the header, in the body where that is JSON, and in the log, whatever the answer is.
func TestEveryAnswerNamesItsRequest(t *testing.T) {
	s := sweep(t)
	seen := map[string]string{}
	for _, r := range s.v3Routes() {
		for what, a := range map[string]answer{"with a key": s.to(r, nil, "", "", map[string]string{"X-Request-Id": "mine"}), "without": s.do(call{method: r.Method, path: fill(r.Path), key: "-"})} {
			name := r.Method + " " + r.Path + ", " + what
			id := a.header.Get("X-Request-Id")
			if id == "" || seen[id] != "" {
				t.Errorf("%s: X-Request-Id %q, the same as of %q", name, id, seen[id])
			}
			seen[id] = name
			if a.json != nil && a.text1("request_id") != id {
				t.Errorf("%s: request_id %q, X-Request-Id %q", name, a.text1("request_id"), id)
			}
		}
	}
	deadline := time.Now().Add(30 * time.Second)
	for id, name := range seen {
		for !strings.Contains(s.logged(), "request="+id) {
			if time.Now().After(deadline) {
				t.Fatalf("%s is not in the log", name)
			}
			time.Sleep(10 * time.Millisecond) // a line is written after its answer
		}
	}
}
