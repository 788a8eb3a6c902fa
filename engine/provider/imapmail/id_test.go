package imapmail

import (
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"github.com/postern-mail/postern/engine/email"
)

func TestIDs(t *testing.T) {
	for _, folder := range []string{"INBOX", "Projekte/Überweisungen & Co", "a b", "~x", ".", "..", strings.Repeat("x", 900), "%2F", "日本"} {
		id := messageID(folder, 1<<32-1, 1<<32-1)
		f, v, u, err := messageOf(id)
		if err != nil || f != folder || v != 1<<32-1 || u != 1<<32-1 || strings.ContainsAny(id, "/+=") {
			t.Errorf("%q: %q %d %d %v", folder, f, v, u, err)
		}
		fid := folderID(folder)
		name, err := folderName(fid)
		if err != nil || name != folder || strings.ContainsAny(fid, "/+= %") || fid == "." || fid == ".." {
			t.Errorf("%q as a folder: %q %q %v", folder, fid, name, err)
		}
	}
	if name, _ := folderName("inbox"); name != "INBOX" {
		t.Error(name)
	}
	if _, _, err := readCursor(messageID("INBOX", 1, 1), "INBOX", email.Query{}); err == nil {
		t.Error("a message id passes for a cursor")
	}
	yes, no := true, false
	qs := []email.Query{{}, {Subject: "a"}, {ThreadID: "a"}, {From: []string{"a", "b"}}, {From: []string{"ab"}}, {To: []string{"a", "b"}}, {Unread: &yes}, {Unread: &no}, {Starred: &yes}, {ReceivedAfter: time.Unix(1, 0)}, {ReceivedBefore: time.Unix(1, 0)}, {Native: "a"}}
	seen := map[uint32]int{}
	for i, q := range qs {
		if j, ok := seen[filterSum(q)]; ok {
			t.Errorf("filters %d and %d are alike", i, j)
		}
		seen[filterSum(q)] = i
	}
}

func FuzzID(f *testing.F) {
	f.Add(messageID("INBOX", 7, 9))
	f.Add(cursorOf("INBOX", 7, 9, email.Query{}))
	f.Add("")
	f.Add("AQ")
	f.Add("~AAAA")
	f.Fuzz(func(t *testing.T, id string) {
		if folder, v, u, err := messageOf(id); err == nil {
			if messageID(folder, v, u) != id || !goodName(folder) || u == 0 {
				t.Fatalf("%q is read as %q %d %d", id, folder, v, u)
			}
		}
		if name, err := folderName(id); err == nil {
			if !goodName(name) || folderID(name) != id && !strings.EqualFold(id, "inbox") {
				t.Fatalf("%q is read as folder %q", id, name)
			}
		}
		_, _, _ = readCursor(id, "INBOX", email.Query{})
	})
}

func TestTakeBelowNeverSpreadsOut(t *testing.T) {
	var all imap.UIDSet
	all.AddRange(1, 1<<32-1)
	if got := takeBelow(all, 0, 3); len(got) != 3 || got[0] != 1<<32-1 {
		t.Errorf("%v", got)
	}
	if got := takeBelow(all, 3, 10); len(got) != 2 || got[0] != 2 || got[1] != 1 {
		t.Errorf("%v", got)
	}
	var some imap.UIDSet
	some.AddNum(3, 9, 4, 100)
	if got := takeBelow(some, 100, 10); len(got) != 3 || got[0] != 9 || got[2] != 3 {
		t.Errorf("%v", got)
	}
}

func TestNativeSearch(t *testing.T) {
	for _, good := range []string{"ALL", `FROM "ada@example.com" UNSEEN`, "OR FROM a TO b", "NOT (SEEN FLAGGED)", "SINCE 1-Nov-2026 LARGER 1000", `HEADER X-Tag "a\"b"`, "(FROM a) SUBJECT b"} {
		if _, err := parseNative(good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range []string{"", "FROM", "FOO", "1:*", "(", ")", "((ALL)", "ALL)", `FROM "a`, "OR FROM a", "SINCE yesterday", "UID 1:5", "NOT", strings.Repeat("(", 100) + "ALL" + strings.Repeat(")", 100), strings.Repeat("ALL ", 1000), "LARGER -1", "HEADER a:b c"} {
		if _, err := parseNative(bad); err == nil {
			t.Errorf("%.30q is taken", bad)
		}
	}
}

func FuzzNative(f *testing.F) {
	f.Add(`OR FROM "a" (NOT SEEN SINCE 1-Nov-2026)`)
	f.Fuzz(func(_ *testing.T, s string) { _, _ = parseNative(s) })
}
