package ui

import (
	"strings"
	"testing"
	"time"
)

func TestRelative(t *testing.T) {
	now := time.Date(2026, 11, 23, 14, 0, 0, 0, time.FixedZone("CET", 3600))
	for _, c := range []struct {
		d    time.Duration
		want string
	}{
		{0, "just now"}, {44 * time.Second, "just now"}, {46 * time.Second, "1 minute ago"}, {90 * time.Minute, "2 hours ago"}, {23*time.Hour + 20*time.Minute, "23 hours ago"},
		{24 * time.Hour, "1 day ago"}, {29 * 24 * time.Hour, "29 days ago"}, {50 * 24 * time.Hour, "4 Oct 2026"},
		{-10 * time.Second, "in a moment"}, {-time.Hour, "in 1 hour"}, {-40 * 24 * time.Hour, "2 Jan 2027"},
	} {
		if got := Relative(now.Add(-c.d), now); got != c.want {
			t.Errorf("%v: %q, want %q", c.d, got, c.want)
		}
	}
	if got := Relative(time.Time{}, now); got != "never" {
		t.Errorf("zero time: %q", got)
	}
	if got := Absolute(now.UTC(), now); got != "23 Nov 2026, 14:00:00 CET" {
		t.Errorf("absolute: %q", got)
	}
}

func TestNumber(t *testing.T) {
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -12000: "-12,000"} {
		if got := Number(n); got != want {
			t.Errorf("%d: %q", n, got)
		}
	}
}

func TestAddressAndIDKeepBothEnds(t *testing.T) {
	local, domain := addressParts(strings.Repeat("a", 60) + "@" + strings.Repeat("b", 60) + ".example")
	if len([]rune(local)) != 36 || !strings.HasPrefix(domain, "@bb") || !strings.HasSuffix(domain, ".example") {
		t.Errorf("%q %q", local, domain)
	}
	if local, domain := addressParts("nobody"); local != "nobody" || domain != "" {
		t.Errorf("%q %q", local, domain)
	}
	head, middle, tail := idParts("019a7f3c-52b1-7c44-9d2e-6b0f1a83c7d5")
	if head+middle+tail != "019a7f3c-52b1-7c44-9d2e-6b0f1a83c7d5" || tail != "83c7d5" {
		t.Errorf("%q %q %q", head, middle, tail)
	}
	if head, middle, _ := idParts(strings.Repeat("ä", 30)); middle != "" || head != strings.Repeat("ä", 30) {
		t.Errorf("a text that is not an id was cut: %q", head)
	}
}

func TestChart(t *testing.T) {
	for top, want := range map[int]int{0: 2, 1: 2, 3: 4, 10: 10, 11: 20, 61: 80, 99: 100, 1201: 2000} {
		if got := (ChartView{Bars: []BarView{{Values: []int{top}}}}).scale(); got != want {
			t.Errorf("scale of %d is %d, want %d", top, got, want)
		}
	}
	c := ChartView{Series: []SeriesView{{"accepted", "accepted"}, {"refused", "refused"}}, Bars: []BarView{{"1 Nov", []int{5000, 1}}, {"2 Nov", []int{0, -4, 99}}}}
	rects := c.rects()
	if len(rects) != 2 {
		t.Fatalf("%d rectangles: empty, negative and surplus values are not drawn", len(rects))
	}
	if rects[1].height != "1.5" || rects[1].title != "1 Nov: 1 refused" || !strings.Contains(rects[1].class, "bar-bad") {
		t.Errorf("one refusal among thousands is not seen: %+v", rects[1])
	}
	if (ChartView{}).rects() != nil || !(ChartView{}).empty() {
		t.Error("an empty chart draws something")
	}
}

func TestEveryStateHasWordIconAndTone(t *testing.T) {
	for code, s := range states {
		if s.word == "" || s.icon == "" || s.tone == "" {
			t.Errorf("%s: %+v", code, s)
		}
	}
	if s := look("not_known_yet"); s.word != "Not known yet" || s.tone != plain {
		t.Errorf("%+v", s)
	}
	if look("").word != "Unknown" {
		t.Errorf("%+v", look(""))
	}
}
