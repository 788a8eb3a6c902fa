package ui

import (
	"fmt"
	"strings"
	"time"
)

// Relative says when at is, seen from now, in the words of a person: "3 minutes ago", "in 2 days", "4 Oct 2026".
// The zone is that of now. The zero time gives "never".
func Relative(at, now time.Time) string {
	if at.IsZero() {
		return "never"
	}
	d := now.Sub(at)
	past := d >= 0
	if !past {
		d = -d
	}
	var span string
	switch {
	case d < 45*time.Second:
		if past {
			return "just now"
		}
		return "in a moment"
	case d < 60*time.Minute:
		span = count(max(1, int((d+30*time.Second)/time.Minute)), "minute")
	case d < 24*time.Hour:
		span = count(int((d+30*time.Minute)/time.Hour), "hour")
	case d < 30*24*time.Hour:
		span = count(int((d+12*time.Hour)/(24*time.Hour)), "day")
	default:
		return at.In(now.Location()).Format("2 Jan 2006")
	}
	if past {
		return span + " ago"
	}
	return "in " + span
}

// Absolute gives the whole time with its zone, in the zone of now: "23 Nov 2026, 13:04:05 CET".
func Absolute(at, now time.Time) string {
	if at.IsZero() {
		return "never"
	}
	return at.In(now.Location()).Format("2 Jan 2006, 15:04:05 MST")
}

// UTC gives a time as documents carry it: "23 November 2026, 12:04:05 UTC".
func UTC(at time.Time) string { return at.UTC().Format("2 January 2006, 15:04:05 UTC") }

// Day gives a date in the zone of now: "23 Nov 2026".
func Day(at, now time.Time) string { return at.In(now.Location()).Format("2 Jan 2006") }

func machine(at time.Time) string { return at.UTC().Format(time.RFC3339) }

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// Count gives "1 mailbox", "1,204 mailboxes": the number with its separators and the noun in its number.
func Count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return Number(n) + " " + many
}

// Number writes n with a comma at each thousand.
func Number(n int) string {
	digits := fmt.Sprintf("%d", n)
	sign := ""
	if strings.HasPrefix(digits, "-") {
		sign, digits = "-", digits[1:]
	}
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return sign + digits
}
