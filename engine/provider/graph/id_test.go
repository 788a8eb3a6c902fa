package graph

import (
	"strings"
	"testing"
	"time"

	"github.com/postern-mail/postern/engine/email"
)

func TestIDsComeBack(t *testing.T) {
	for _, theirs := range []string{"AAMkAGVm-_==", "AAMkAGVmMDEzMTM4LTZmYWU=", "AAAA", "msg-1", "a", "ab", "a/b", "a=b", "====", "1;2", "~x", "id with blank", "ü", strings.Repeat("A", 700)} {
		ours := ourID(theirs)
		if strings.ContainsAny(ours, "/+=?#% ") {
			t.Errorf("%q gives %q", theirs, ours)
		}
		if back, ok := theirID(ours); !ok || back != theirs {
			t.Errorf("%q comes back as %q (%v)", theirs, back, ok)
		}
	}
}

func FuzzIDs(f *testing.F) {
	f.Add("AAMkAGVm-_==", "AAMk")
	f.Fuzz(func(t *testing.T, theirs, ours string) {
		if back, ok := theirID(ourID(theirs)); ok && back != theirs {
			t.Errorf("%q comes back as %q", theirs, back)
		}
		if got, ok := theirID(ours); ok && ourID(got) != ours {
			t.Errorf("%q has two spellings, the other is %q", ours, ourID(got))
		}
	})
}

func FuzzCursor(f *testing.F) {
	q := email.Query{Subject: "x"}
	f.Add(place{before: time.Unix(1_700_000_000, 0), seen: []uint64{1, 2}}.cursor(q))
	f.Add(place{link: "$skip=10"}.cursor(q))
	f.Fuzz(func(t *testing.T, c string) {
		p, err := readCursor(c, q)
		if err != nil {
			return
		}
		if strings.ContainsAny(p.link, " \r\n#") || len(p.seen) > mostSeen {
			t.Errorf("%+v", p)
		}
		if again, err := readCursor(p.cursor(q), q); err != nil || again.link != p.link || !again.before.Equal(p.before) {
			t.Errorf("%+v becomes %+v, %v", p, again, err)
		}
	})
}
