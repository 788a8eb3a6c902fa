package v3_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/jackc/pgx/v5"

	"github.com/postern-mail/postern/engine/provider/providertest"
	"github.com/postern-mail/postern/models"
)

// sql runs one statement as the owner of the database, past every wall: what a crash leaves behind cannot be made otherwise.
func (w *world) sql(statement string, args ...any) {
	w.t.Helper()
	db, err := pgx.Connect(ctx, w.dsn)
	if err != nil {
		w.t.Fatal(err)
	}
	defer db.Close(ctx)
	if _, err := db.Exec(ctx, statement, args...); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) count(query string, args ...any) (n int) {
	w.t.Helper()
	db, err := pgx.Connect(ctx, w.dsn)
	if err != nil {
		w.t.Fatal(err)
	}
	defer db.Close(ctx)
	if err := db.QueryRow(ctx, query, args...).Scan(&n); err != nil {
		w.t.Fatal(err)
	}
	return n
}

// leave does what the worker does at its time.
func (w *world) leave(id string) error {
	w.t.Helper()
	schedule, err := models.ParseID[models.ScheduleID](id)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.Mailbox.SendScheduled(ctx, w.tenant.ID, schedule)
}

func (w *world) later(m mailbox, rest string) answer {
	w.t.Helper()
	return w.send(m, "", fmt.Sprintf(`{"to":[{"email":"grace@example.com"}],"send_at":%d%s}`, w.clock().Add(10*time.Minute).Unix(), rest), "application/json")
}

func TestScheduleTranscript(t *testing.T) {
	w := newWorld(t, withMail)
	m := w.connected()
	tr := w.transcript()
	made := w.later(m, `,"subject":"later","body":"<p>A secret.</p>","attachments":[{"filename":"a.txt","content":"aGVsbG8="}]`)
	id := made.text1("data", "schedule_id")
	if made.status != 202 || id == "" || made.text1("grant_id") != m.grant || made.text1("data", "subject") != "later" {
		t.Fatalf("scheduled: %d %s", made.status, made.text)
	}
	tr.call(call{method: "GET", path: m.path("/messages/schedules")})
	tr.call(call{method: "GET", path: "/v3/grants/me/messages/schedules/" + id, key: m.token})
	if n := w.count(`SELECT count(*) FROM sealed WHERE owner_kind = 'schedule' AND owner_id = $1 AND position('secret'::bytea in ciphertext) = 0`, id); n != 2 {
		t.Errorf("%d sealed parts", n)
	}
	if n := w.count(`SELECT count(*) FROM river.river_job WHERE kind = 'send_later' AND args::text LIKE '%' || $1 || '%' AND length(args::text) < 130`, id); n != 1 {
		t.Errorf("%d jobs that hold two ids and nothing else", n)
	}
	for _, wrong := range []string{"/messages/schedules/no-such", "/messages/schedules/" + m.grant} {
		tr.call(call{method: "GET", path: m.path(wrong)})
		tr.call(call{method: "DELETE", path: m.path(wrong)})
	}
	if err := w.leave(id); err == nil || len(m.submission.Taken()) != 0 {
		t.Errorf("before its time: %v, %d left", err, len(m.submission.Taken()))
	}
	w.pass(9*time.Minute + 55*time.Second)
	tr.call(call{method: "DELETE", path: m.path("/messages/schedules/" + id)}) // within ten seconds
	w.pass(time.Minute)
	for range 2 {
		if err := w.leave(id); err != nil {
			t.Fatal(err)
		}
	}
	taken := m.submission.Taken()
	if len(taken) != 1 || !strings.Contains(taken[0].Raw, "A secret.") || !strings.Contains(taken[0].Raw, "aGVsbG8=") {
		t.Fatalf("left: %+v", taken)
	}
	done := tr.call(call{method: "GET", path: m.path("/messages/schedules/" + id)})
	if got := w.get(m.path("/messages/" + done.text1("data", "message_id"))); got.text1("data", "subject") != "later" {
		t.Errorf("the message that left: %s", got.text)
	}
	if n := w.count(`SELECT count(*) FROM sealed WHERE owner_kind = 'schedule'`); n != 0 {
		t.Errorf("%d parts are still sealed", n)
	}
	tr.call(call{method: "DELETE", path: m.path("/messages/schedules/" + id)}) // it has left

	second := w.later(m, `,"subject":"never"`).text1("data", "schedule_id")
	tr.call(call{method: "DELETE", path: m.path("/messages/schedules/" + second)})
	tr.call(call{method: "GET", path: m.path("/messages/schedules")})
	w.pass(time.Hour)
	if err := w.leave(second); err != nil || len(m.submission.Taken()) != 1 || w.count(`SELECT count(*) FROM sealed WHERE owner_kind = 'schedule'`) != 0 {
		t.Errorf("called back: %v, %d left", err, len(m.submission.Taken()))
	}
	tr.matches(t, "schedules.txt")
	if strings.Contains(w.log.String(), "secret") {
		t.Error("the log holds mail")
	}
}

func TestWhenAMessageMayLeave(t *testing.T) {
	w := newWorld(t, withMail)
	m := w.connected()
	for what, at := range map[string]string{"now": fmt.Sprint(w.clock().Unix()), "in 50 seconds": fmt.Sprint(w.clock().Unix() + 50), "in 31 days": fmt.Sprint(w.clock().Unix() + 31*86400),
		"a text": `"tomorrow"`, "a fraction": "1.5", "negative": "-1", "zero": "0", "a list": "[1]", "true": "true", "milliseconds": fmt.Sprint(w.clock().UnixMilli())} {
		w.send(m, "", `{"to":[{"email":"grace@example.com"}],"send_at":`+at+`}`, "application/json").refused(t, what, 400, "api.invalid_request_error")
	}
	w.later(m, `,"reply_to_message_id":"no-such"`).refused(t, "an answer to nothing", 400, "api.invalid_request_error")
	w.later(m, `,"use_draft":true`).refused(t, "use_draft", 400, "api.invalid_request_error")
	if n := w.count(`SELECT count(*) FROM schedules`); n != 0 {
		t.Errorf("%d schedules", n)
	}
	// Under an idempotency key the same schedule is answered.
	body := fmt.Sprintf(`{"to":[{"email":"grace@example.com"}],"send_at":%d}`, w.clock().Add(time.Hour).Unix())
	first := w.send(m, "", body, "application/json", "Idempotency-Key", "once")
	again := w.send(m, "", body, "application/json", "Idempotency-Key", "once")
	if first.status != 202 || again.status != 202 || first.text1("data", "schedule_id") != again.text1("data", "schedule_id") || again.header.Get("Idempotent-Response") != "true" || w.count(`SELECT count(*) FROM schedules`) != 1 {
		t.Errorf("%d %s\n%d %s", first.status, first.text, again.status, again.text)
	}
	// Twenty-five megabytes wait in pieces and leave as they came.
	file := strings.Repeat("0123456789abcdef", 3<<16) // 3 MiB
	form, kind := form("message", fmt.Sprintf(`{"to":[{"email":"grace@example.com"}],"subject":"large","send_at":%d}`, w.clock().Add(time.Hour).Unix()), "@file0", file, "@file1", "second")
	large := w.send(m, "", form, kind).text1("data", "schedule_id")
	w.pass(2 * time.Hour)
	if err := w.leave(large); err != nil {
		t.Fatal(err)
	}
	list := w.get(m.path("/messages?in=Sent&subject=large"))
	for i, want := range []string{file, "second"} {
		got := w.get(m.path("/messages/" + list.text1("data", "0", "id") + "/attachments/" + list.text1("data", "0", "attachments", fmt.Sprint(i), "id") + "/download"))
		if got.text != want {
			t.Errorf("file %d: %d, %d bytes of %d", i, got.status, len(got.text), len(want))
		}
	}
}

// A cut grant takes what waits with it: the messages are destroyed in the transaction that cuts it.
func TestACutGrantTakesItsSchedulesAlong(t *testing.T) {
	w := newWorld(t, withMail)
	for _, act := range []string{"revoke", "delete"} {
		m := w.connected()
		id := w.later(m, `,"subject":"never"`).text1("data", "schedule_id")
		grant, err := models.ParseID[models.GrantID](m.grant)
		if err != nil {
			t.Fatal(err)
		}
		cut := w.Grants.Revoke
		if act == "delete" {
			cut = w.Grants.Delete
		}
		if _, err := cut(ctx, staff, grant, "gone"); err != nil {
			t.Fatal(err)
		}
		if n := w.count(`SELECT count(*) FROM sealed WHERE owner_kind = 'schedule'`) + w.count(`SELECT count(*) FROM schedules WHERE closed_at IS NULL`); n != 0 {
			t.Errorf("%s: %d parts and open schedules are left", act, n)
		}
		w.pass(time.Hour)
		if err := w.leave(id); err != nil || len(m.submission.Taken()) != 0 {
			t.Errorf("%s: %v, %d left", act, err, len(m.submission.Taken()))
		}
	}
}

// Whoever finds a schedule in the hands of a process that died does not send again: it looks among the sent messages.
func TestACrashBetweenSendingAndNotingIt(t *testing.T) {
	w := newWorld(t, withMail)
	m := w.connected()
	schedule := func(name string) string {
		body, kind := form("mime", "From: "+m.Address+"\r\nTo: grace@example.com\r\nSubject: raw\r\nMessage-ID: <"+name+"@example.com>\r\n\r\nAs it is.\r\n")
		a := w.do(call{method: "POST", path: m.path(fmt.Sprintf("/messages/send?type=mime&send_at=%d", w.clock().Add(time.Hour).Unix())), body: body, header: map[string]string{"Content-Type": kind}})
		if a.status != 202 {
			t.Fatalf("%d %s", a.status, a.text)
		}
		return a.text1("data", "schedule_id")
	}
	began := w.clock()
	left, lost := schedule("left"), schedule("lost")
	w.pass(2 * time.Hour)
	w.sql(`UPDATE schedules SET status = 'sending', tries = 1, taken_at = $1`, w.clock())
	if err := w.leave(left); err == nil {
		t.Error("taken from a process that may be alive")
	}
	w.sql(`UPDATE schedules SET taken_at = $1`, began)
	w.dovecot.Deliver(t, m.Account, "Sent", providertest.Mail{Received: began, Raw: "Message-ID: <left@example.com>\r\nSubject: raw\r\n\r\nAs it is.\r\n"})
	for id, want := range map[string]string{left: "success", lost: "failure"} {
		if err := w.leave(id); err != nil {
			t.Fatal(err)
		}
		a := w.get(m.path("/messages/schedules/" + id))
		if a.text1("data", "status", "code") != want || (a.text1("data", "message_id") != "") != (want == "success") {
			t.Errorf("want %s: %s", want, a.text)
		}
	}
	if n := len(m.submission.Taken()); n != 0 {
		t.Errorf("%d messages were sent again", n)
	}
}

// A server that takes nothing just now is asked again; one that refuses is not.
func TestAScheduleIsTriedAgain(t *testing.T) {
	w := newWorld(t, withMail)
	m := w.connected()
	id, refused := w.later(m, "").text1("data", "schedule_id"), w.send(m, "", fmt.Sprintf(`{"to":[{"email":"refused@example.com"}],"send_at":%d}`, w.clock().Add(10*time.Minute).Unix()), "application/json").text1("data", "schedule_id")
	m.submission.Answer(&smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 0}, Message: "try later"})
	w.pass(time.Hour)
	for range 2 {
		if err := w.leave(id); err == nil { // a snooze
			t.Fatal("given up at once")
		}
	}
	if a := w.get(m.path("/messages/schedules/" + id)); a.text1("data", "status", "code") != "pending" {
		t.Errorf("meanwhile: %s", a.text)
	}
	m.submission.Answer(nil)
	if err := w.leave(id); err != nil || len(m.submission.Taken()) != 1 {
		t.Errorf("%v, %d left", err, len(m.submission.Taken()))
	}
	if err := w.leave(refused); err != nil {
		t.Fatal(err)
	}
	if a := w.get(m.path("/messages/schedules/" + refused)); a.text1("data", "status", "code") != "failure" || a.text1("data", "status", "reason") != "recipient_refused" {
		t.Errorf("refused: %s", a.text)
	}
	m.submission.Answer(&smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 0}, Message: "try later"})
	late := w.later(m, "").text1("data", "schedule_id")
	w.pass(25 * time.Hour)
	if err := w.leave(late); err != nil {
		t.Fatal(err)
	}
	if a := w.get(m.path("/messages/schedules/" + late)); a.text1("data", "status", "code") != "failure" {
		t.Errorf("after a day: %s", a.text)
	}
	a := w.send(m, "", `{"to":[{"email":"grace@example.com"}]}`, "application/json")
	a.refused(t, "a throttled send", 429, "api.rate_limit_error")
	if a.header.Get("Retry-After") != "60" {
		t.Errorf("Retry-After: %q", a.header.Get("Retry-After"))
	}
}

func TestClean(t *testing.T) {
	w := newWorld(t, withMail)
	m := w.connected()
	w.deliver(m, "first", "Content-Type: text/html\r\n\r\n<p>Yes, <a href=\"https://example.com/\">see</a>.</p><script>x()</script><p>Best regards<br>Grace</p><blockquote type=cite>Really?</blockquote>\r\n")
	w.deliver(m, "second", "Content-Type: text/plain\r\n\r\nNo.\r\n> Really?\r\n")
	list := w.get(m.path("/messages?select=id"))
	second, first := list.text1("data", "0", "id"), list.text1("data", "1", "id")
	clean := func(key, body string) answer {
		return w.do(call{method: "PUT", path: m.path("/messages/clean"), key: key, body: body})
	}
	a := clean("", fmt.Sprintf(`{"message_id":[%q,%q],"ignore_links":false,"ignore_images":"False"}`, first, second))
	if a.text1("data", "0", "conversation") != `<p>Yes, <a href="https://example.com/">see</a>.</p>` || a.text1("data", "1", "conversation") != "<p>No.</p>" || !strings.Contains(a.text1("data", "0", "body"), "Really?") {
		t.Errorf("%d %s", a.status, a.text)
	}
	if a := clean(m.token, fmt.Sprintf(`{"message_id":[%q],"remove_conclusion_phrases":false,"html_as_markdown":true}`, first)); a.text1("data", "0", "conversation") != "Yes, see.\n\nBest regards  \nGrace" {
		t.Errorf("%d %s", a.status, a.text)
	}
	for what, body := range map[string]string{"nothing": `{}`, "no ids": `{"message_id":[]}`, "one id": fmt.Sprintf(`{"message_id":%q}`, first), "21": `{"message_id":[` + strings.Repeat(`"a",`, 20) + `"a"]}`, "an empty id": `{"message_id":[""]}`,
		"no switch": fmt.Sprintf(`{"message_id":[%q],"ignore_links":"perhaps"}`, first)} {
		clean("", body).refused(t, what, 400, "api.invalid_request_error")
	}
	clean("", `{"message_id":["no-such"]}`).refused(t, "an unknown message", 404, "api.not_found_error")
}
