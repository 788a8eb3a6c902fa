package imapmail

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/emersion/go-imap/v2"
)

// TestSetsOfNumbers compares the sets with plain maps, over random ones.
func TestSetsOfNumbers(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	make32 := func() (numbers32, map[uint32]bool) {
		var set imap.UIDSet
		plain := map[uint32]bool{}
		for range random.IntN(30) {
			from := 1 + random.Uint32N(60)
			for x := from; x <= from+random.Uint32N(5); x++ {
				set.AddNum(imap.UID(x))
				plain[x] = true
			}
		}
		out, err := setOf(set)
		if err != nil {
			t.Fatal(err)
		}
		return out, plain
	}
	list := func(keep func(uint32) bool) []uint32 {
		var out []uint32
		for x := range uint32(80) {
			if keep(x) {
				out = append(out, x)
			}
		}
		return out
	}
	for range 2000 {
		a, x := make32()
		b, y := make32()
		for name, c := range map[string]struct {
			got  numbers32
			want []uint32
		}{
			"minus": {a.minus(b), list(func(n uint32) bool { return x[n] && !y[n] })},
			"and":   {a.and(b), list(func(n uint32) bool { return x[n] && y[n] })},
			"or":    {a.or(b), list(func(n uint32) bool { return x[n] || y[n] })},
			"has":   {a, list(a.has)},
		} {
			if !slices.Equal(c.got.each(), c.want) || c.got.size() != len(c.want) {
				t.Fatalf("%s of %v and %v: %v, not %v", name, a, b, c.got, c.want)
			}
		}
		if first := a.first(3).each(); len(first) != min(3, len(x)) || !slices.Equal(first, a.each()[:len(first)]) {
			t.Fatalf("the first three of %v: %v", a, first)
		}
		text, err := json.Marshal(a)
		if err != nil {
			t.Fatal(err)
		}
		var back numbers32
		if err := json.Unmarshal(text, &back); err != nil || !slices.Equal(back, a) {
			t.Fatalf("%v became %v: %v", a, back, err)
		}
	}
}

// FuzzPosition: a damaged position is an error, never a crash.
func FuzzPosition(f *testing.F) {
	f.Add([]byte(`{"folders":[{"name":"INBOX","all":"AQQ="}]}`))
	f.Add([]byte(`{"folders":[{"name":"INBOX","all":"/////////w8A"}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := readPosition(b)
		if err != nil {
			return
		}
		for _, folder := range p.Folders {
			if folder != nil && folder.All.size() < 1000 {
				folder.All.each()
			}
		}
		if _, err := p.write(); err != nil {
			t.Fatal(err)
		}
	})
}
