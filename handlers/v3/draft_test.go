package v3_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
)

func TestDraftTranscript(t *testing.T) {
	w := newWorld(t, withMail)
	m := w.connected()
	w.deliver(m, "question", "Content-Type: text/plain\r\n\r\nWhere?\r\n")
	question := w.get(m.path("/messages?select=id,thread_id"))
	tr := w.transcript()
	path := m.path("/drafts")
	tr.call(call{method: "GET", path: path})
	made := tr.call(call{method: "POST", path: path, body: `{"to":[{"email":"grace@example.com","name":""}],"bcc":[{"email":"eve@example.com"}],"subject":"Re: question","body":"<p>Hé</p>","starred":"True","unknown":1,"reply_to_message_id":` +
		fmt.Sprintf("%q", question.text1("data", "0", "id")) + `,"attachments":[{"filename":"a b.txt","content_type":"text/plain","content":"aGVsbG8_"}]}`})
	id := made.text1("data", "id")
	one := m.path("/drafts/" + id)
	if made.text1("data", "thread_id") != question.text1("data", "0", "thread_id") || made.at("data", "starred") != true {
		t.Errorf("the answer does not join the conversation: %s", made.text)
	}
	tr.call(call{method: "GET", path: one})
	tr.call(call{method: "GET", path: "/v3/grants/me/drafts?select=id,object,subject,bcc&subject=QUESTION&starred=True", key: m.token})
	tr.call(call{method: "PUT", path: one, body: `{"subject":"Second thoughts","unread":null}`})
	changed := tr.call(call{method: "PUT", path: "/v3/grants/me/drafts/" + id, key: m.token, body: `{"body":"plain","is_plaintext":true,"cc":[{"email":"carl@example.com"}],"bcc":[]}`})
	if changed.text1("data", "id") != id || changed.text1("data", "to", "0", "email") != "grace@example.com" || changed.text1("data", "attachments", "0", "filename") != "a b.txt" {
		t.Errorf("what was not named did not stay: %s", changed.text)
	}
	for _, wrong := range []string{`{}`, `{"unknown":1}`, `[`, `{"to":"grace@example.com"}`, `{"to":[{"email":"no address"}]}`, `{"subject":"a\r\nBcc: eve@example.com"}`, `{"subject":["a"]}`, `{"body":1}`, `{"starred":"perhaps"}`, `{"send_at":4102444800}`, `{"metadata":{"a":"b"}}`,
		`{"tracking_options":{"opens":true}}`, `{"reply_to_message_id":"no-such"}`, `{"attachments":[{"content":"***"}]}`, `{"custom_headers":[{"name":"Bcc","value":"x"}]}`} {
		tr.call(call{method: "PUT", path: one, body: wrong})
		if wrong != `{}` && wrong != `{"unknown":1}` {
			w.do(call{method: "POST", path: path, body: wrong}).refused(t, "create "+wrong, 400, map[bool]string{true: "api.invalid_request_payload", false: "api.invalid_request_error"}[wrong == "["])
		}
	}
	if list := w.get(path); len(list.at("data").([]any)) != 1 || list.text1("data", "0", "subject") != "Second thoughts" {
		t.Errorf("after all that is refused: %s", list.text)
	}
	thread := tr.call(call{method: "GET", path: m.path("/threads/" + question.text1("data", "0", "thread_id") + "?select=object,draft_ids,has_drafts,latest_draft_or_message.object")})
	if thread.text1("data", "draft_ids", "0") != id {
		t.Errorf("the thread: %s", thread.text)
	}
	file := tr.call(call{method: "GET", path: m.path("/attachments/2?message_id=" + id)})
	if file.text1("data", "filename") != "a b.txt" {
		t.Errorf("an attachment of a draft: %s", file.text)
	}
	if got := w.get(m.path("/attachments/2/download?message_id=" + id)); got.text != "hello?" {
		t.Errorf("the bytes of an attachment of a draft: %d %q", got.status, got.text)
	}

	sent := tr.call(call{method: "POST", path: one, body: `{}`})
	tr.call(call{method: "POST", path: one, body: `{}`})
	tr.call(call{method: "GET", path: one})
	taken := m.submission.Taken()
	if len(taken) != 1 || len(taken[0].To) != 2 || !strings.Contains(taken[0].Raw, "In-Reply-To: <question@example.com>") || strings.Contains(taken[0].Raw, "eve@") || !strings.Contains(taken[0].Raw, `filename="a b.txt"`) {
		t.Fatalf("submitted: %+v", taken)
	}
	if copies := w.get(m.path("/messages?in=Sent&select=id,subject")); copies.text1("data", "0", "id") != sent.text1("data", "id") || copies.text1("data", "0", "subject") != "Second thoughts" {
		t.Errorf("the copy: %s, answered %s", copies.text, sent.text)
	}

	nobody := w.do(call{method: "POST", path: path, body: `{"subject":"to nobody"}`}).text1("data", "id")
	tr.call(call{method: "POST", path: m.path("/drafts/" + nobody)})
	tr.call(call{method: "DELETE", path: m.path("/drafts/" + nobody)})
	tr.call(call{method: "DELETE", path: m.path("/drafts/" + nobody)})
	for _, wrong := range []string{"?limit=0", "?limit=201", "?page_token=broken", "?starred=perhaps", "?metadata_pair=key1:a", "/" + question.text1("data", "0", "id"), "/..%2fx"} {
		tr.call(call{method: "GET", path: m.path("/drafts" + wrong)})
	}
	tr.matches(t, "drafts.txt")
	if log := w.log.String(); strings.Contains(log, "Second thoughts") || strings.Contains(log, "eve@") {
		t.Error("the log holds mail")
	}
}

func TestDraftForms(t *testing.T) {
	w := newWorld(t, withMail)
	m := w.connected()
	file := strings.Repeat("0123456789abcdef", 1<<18) // 4 MB: more than JSON takes
	for _, field := range []string{"draft", "message"} {
		body, kind := form(field, `{"subject":"by `+field+`","body":"<img src=\"cid:dot\">"}`, "@dot", "picture", "@file0", file)
		made := w.do(call{method: "POST", path: m.path("/drafts"), body: body, header: map[string]string{"Content-Type": kind}})
		if list, _ := made.at("data", "attachments").([]any); made.status != 200 || made.text1("data", "object") != "draft" || len(list) != 2 {
			t.Fatalf("%s: %d %s", field, made.status, made.text)
		}
		id := made.text1("data", "id")
		if got := w.get(m.path("/attachments/" + made.text1("data", "attachments", "1", "id") + "/download?message_id=" + id)); got.status != 200 || got.text != file {
			t.Errorf("%s: a file of many pieces: %d, %d bytes of %d", field, got.status, len(got.text), len(file)) // such as when its spool was closed before the provider had it
		}
		body, kind = form(field, `{"subject":"again"}`, "@file0", "small")
		changed := w.do(call{method: "PUT", path: m.path("/drafts/" + id), body: body, header: map[string]string{"Content-Type": kind}})
		if list, _ := changed.at("data", "attachments").([]any); changed.status != 200 || len(list) != 1 || changed.text1("data", "subject") != "again" || !strings.Contains(changed.text1("data", "body"), "cid:dot") {
			t.Errorf("%s, changed: %d %s", field, changed.status, changed.text)
		}
	}
	both, kind := form("message", `{}`, "draft", `{}`)
	w.do(call{method: "POST", path: m.path("/drafts"), body: both, header: map[string]string{"Content-Type": kind}}).refused(t, "both fields", 400, "api.invalid_request_payload")
	w.do(call{method: "POST", path: m.path("/drafts"), body: both[:len(both)-30], header: map[string]string{"Content-Type": kind}}).refused(t, "cut off", 400, "api.invalid_request_payload")
	large, kind := form("draft", `{}`, "@file0", strings.Repeat("x", 25<<20))
	w.do(call{method: "POST", path: m.path("/drafts"), body: large, header: map[string]string{"Content-Type": kind}}).refused(t, "25 MB and a bit", 413, "api.invalid_request_error")
	w.do(call{method: "POST", path: m.path("/drafts"), body: `{"body":"` + strings.Repeat("x", 5<<20) + `"}`}).refused(t, "JSON of 5 MB", 413, "api.invalid_request_error")
	if list := w.get(m.path("/drafts?limit=1&select=id")); list.text1("next_cursor") == "" || len(list.at("data").([]any)) != 1 {
		t.Errorf("a page: %s", list.text)
	} else if rest := w.get(m.path("/drafts?limit=1&select=id&page_token=" + list.text1("next_cursor"))); rest.at("next_cursor") != nil || len(rest.at("data").([]any)) != 1 || rest.text1("data", "0", "id") == list.text1("data", "0", "id") {
		t.Errorf("the next: %s", rest.text)
	}
}

func TestThreadTranscript(t *testing.T) {
	w := newWorld(t, withMail)
	m := w.connected()
	w.deliver(m, "plan", "Content-Type: text/plain\r\n\r\nShall we?\r\n")
	w.deliver(m, "other", "Content-Type: text/plain\r\n\r\nSomething else.\r\n")
	w.deliver(m, "answer", "References: <plan@example.com>\r\nContent-Type: text/plain\r\n\r\nWe shall.\r\n")
	tr := w.transcript()
	list := tr.call(call{method: "GET", path: m.path("/threads")})
	id := list.text1("data", "0", "id")
	one := m.path("/threads/" + id)
	if ids, _ := list.at("data", "0", "message_ids").([]any); len(ids) != 2 || list.text1("data", "0", "latest_draft_or_message", "object") != "message" {
		t.Fatalf("%s", list.text)
	}
	page := tr.call(call{method: "GET", path: "/v3/grants/me/threads?limit=1&select=id,subject,latest_draft_or_message.snippet&any_email=grace@example.com,x@example.com&unread=True", key: m.token})
	next := w.get(m.path("/threads?limit=1&select=subject&any_email=grace@example.com,x@example.com&unread=true&page_token=" + page.text1("next_cursor")))
	if next.text1("data", "0", "subject") != "other" {
		t.Errorf("the next page: %s", next.text)
	}
	byAddress := w.get("/v3/grants/" + url.PathEscape(m.Address) + "/threads/" + id + "?select=id")
	if byAddress.text1("data", "id") != id {
		t.Errorf("by address: %s", byAddress.text)
	}
	tr.call(call{method: "GET", path: one + "?select=subject,unread,folders"})
	tr.call(call{method: "PUT", path: one, body: `{"unread":false,"starred":"True"}`})
	for _, wrong := range []string{`{}`, `{"unread":"perhaps"}`, `{"folders":[]}`, `{"folders":["No-such"]}`, `{"folders":["INBOX","Trash"]}`, `{"starred":true,"metadata":{"a":"b"}}`} {
		tr.call(call{method: "PUT", path: one, body: wrong})
	}
	moved := tr.call(call{method: "PUT", path: one, body: `{"folders":["Archive"]}`})
	if moved.text1("data", "id") != id || moved.text1("data", "folders", "0") != "Archive" {
		t.Errorf("moved: %s", moved.text)
	}
	if left := w.get(m.path("/threads?select=subject")); len(left.at("data").([]any)) != 1 || left.text1("data", "0", "subject") != "other" {
		t.Errorf("left: %s", left.text)
	}
	tr.call(call{method: "DELETE", path: one})
	if trash := w.get(m.path("/messages?in=Trash&select=id")); len(trash.at("data").([]any)) != 2 {
		t.Errorf("the trash: %s", trash.text)
	}
	for _, wrong := range []string{"/threads/no-such", "/threads?limit=51", "/threads?limit=0", "/threads?page_token=broken", "/threads?in=No-such", "/threads?unread=perhaps", "/threads?earliest_message_date=1", "/threads?latest_message_after=soon", "/threads?search_query_native=ALL&subject=x",
		"/threads?page_token=" + w.get(m.path("/messages?in=Trash&limit=1")).text1("next_cursor")} {
		tr.call(call{method: "GET", path: m.path(wrong)})
	}
	tr.call(call{method: "DELETE", path: m.path("/threads/no-such")})
	tr.matches(t, "threads.txt")
}

func TestFolderChangeTranscript(t *testing.T) {
	w := newWorld(t, withMail)
	m := w.connected()
	w.deliver(m, "kept", "Content-Type: text/plain\r\n\r\nx\r\n")
	tr := w.transcript()
	path := m.path("/folders")
	top := tr.call(call{method: "POST", path: path, body: `{"name":"Kunden","text_color":"#000000","unknown":1}`})
	below := tr.call(call{method: "POST", path: "/v3/grants/me/folders", key: m.token, body: `{"name":"Übersee & Co","parent_id":"Kunden"}`})
	id := below.text1("data", "id")
	if top.text1("data", "id") != "Kunden" || below.text1("data", "parent_id") != "Kunden" {
		t.Fatalf("%s %s", top.text, below.text)
	}
	message := w.get(m.path("/messages?select=id")).text1("data", "0", "id")
	if a := w.do(call{method: "PUT", path: m.path("/messages/" + message), body: fmt.Sprintf(`{"folders":[%q]}`, id)}); a.status != 200 {
		t.Fatal(a.text)
	}
	renamed := tr.call(call{method: "PUT", path: m.path("/folders/" + id), body: `{"name":"Nord"}`})
	if renamed.at("data", "total_count") != 1.0 {
		t.Errorf("renamed: %s", renamed.text)
	}
	tr.call(call{method: "GET", path: m.path("/folders/" + id)})
	moved := tr.call(call{method: "PUT", path: m.path("/folders/" + renamed.text1("data", "id")), body: `{"parent_id":""}`})
	for _, wrong := range []string{`{}`, `[`, `{"name":""}`, `{"name":"a\nb"}`, `{"name":"a/b"}`, `{"name":1}`, `{"name":"Kunden"}`, `{"name":"x","parent_id":"No-such"}`, `{"name":"x","text_color":"red"}`, `{"name":"` + strings.Repeat("x", 1025) + `"}`} {
		w.do(call{method: "POST", path: path, body: wrong}).refused(t, "create "+wrong[:min(len(wrong), 40)], 400, map[bool]string{true: "api.invalid_request_payload", false: "api.invalid_request_error"}[wrong == "["])
		if len(wrong) < 100 {
			tr.call(call{method: "PUT", path: m.path("/folders/" + moved.text1("data", "id")), body: wrong})
		}
	}
	for _, c := range []call{{method: "PUT", path: "/folders/INBOX", body: `{"name":"Eingang"}`}, {method: "DELETE", path: "/folders/Sent"}, {method: "DELETE", path: "/folders/No-such"}, {method: "PUT", path: "/folders/No-such", body: `{"name":"x"}`},
		{method: "PUT", path: "/folders/No-such", body: `{"parent_id":"Kunden"}`}} {
		c.path = m.path(c.path)
		tr.call(c)
	}
	tr.call(call{method: "DELETE", path: m.path("/folders/" + moved.text1("data", "id"))})
	tr.call(call{method: "DELETE", path: m.path("/folders/Kunden")})
	if trash := w.get(m.path("/messages?in=Trash&select=subject")); trash.text1("data", "0", "subject") != "kept" {
		t.Errorf("the mail of a deleted folder: %s", trash.text)
	}
	for _, f := range w.get(path + "?limit=200&select=name").at("data").([]any) {
		if name := f.(map[string]any)["name"]; name == "Kunden" || name == "Nord" {
			t.Errorf("%s is still there", name)
		}
	}
	tr.matches(t, "folder-change.txt")
}

// TestCapabilitiesComeFirst: what a mailbox's owner did not allow is refused before the provider is asked. The ids name nothing: a provider that was asked would say 404.
func TestCapabilitiesComeFirst(t *testing.T) {
	w := newWorld(t)
	g := w.grant(w.app.ID, w.tenant.ID, "reader@example.com", "read_mail")
	for path, missing := range map[string]string{"PUT /threads/x": "Mark messages", "DELETE /threads/x": "Mark messages", "POST /drafts": "drafts", "PUT /drafts/x": "drafts", "DELETE /drafts/x": "drafts", "POST /drafts/x": "Send", "POST /folders": "folders", "PUT /folders/x": "folders", "DELETE /folders/x": "folders"} {
		method, rest, _ := strings.Cut(path, " ")
		c := call{method: method, path: "/v3/grants/" + g.ID.String() + rest}
		if method != "DELETE" {
			c.body = `{"name":"x","subject":"x","starred":true}`
		}
		a := w.do(c)
		a.refused(t, path, 403, "insufficient_scopes")
		if !strings.Contains(a.text1("error", "message"), missing) {
			t.Errorf("%s does not name what is missing: %s", path, a.text)
		}
	}
}
