package ui

import (
	"fmt"
	"strconv"
)

// ChartView is a chart of stacked bars, one bar a day (or hour). At most five series; each has the colour of the state it counts.
type ChartView struct {
	ID     string // unique on the page
	Title  string
	Unit   string // what is counted: "requests", "mailboxes"
	Over   string // what the bars stand side by side for; empty: "When"
	Series []SeriesView
	Bars   []BarView
}

// SeriesView is one series: its name, and the state whose colour it has (accepted, refused, severed-verified ...).
type SeriesView struct {
	Label string
	State string
}

// BarView is one bar: a short label ("23 Nov") and one value for each series.
type BarView struct {
	Label  string
	Values []int
}

// The bars are drawn in a box of these units, which the style sheet stretches; words stand beside it as text and are not stretched.
const (
	plotWidth  = 600.0
	plotHeight = 100.0
)

type chartRect struct{ x, y, width, height, class, title string }

// total adds a series over all bars.
func (c ChartView) total(series int) int {
	sum := 0
	for _, b := range c.Bars {
		if series < len(b.Values) {
			sum += b.Values[series]
		}
	}
	return sum
}

func (c ChartView) over() string {
	if c.Over == "" {
		return "When"
	}
	return c.Over
}

func (c ChartView) empty() bool {
	for i := range c.Series {
		if c.total(i) > 0 {
			return false
		}
	}
	return true
}

func (c ChartView) highest() int {
	top := 0
	for _, b := range c.Bars {
		sum := 0
		for _, v := range b.Values {
			sum += v
		}
		top = max(top, sum)
	}
	return top
}

// scale gives the top of the axis: the smallest of 2, 4, 10 times a power of ten that holds the highest bar. All of them are even, so
// that the middle line is a whole number.
func (c ChartView) scale() int {
	top := c.highest()
	for unit := 1; ; unit *= 10 {
		for _, m := range []int{2, 4, 6, 8, 10} {
			if unit*m >= top {
				return unit * m
			}
		}
	}
}

// lines names the three lines of the axis, the highest first.
func (c ChartView) lines() []string {
	top := c.scale()
	return []string{Number(top), Number(top / 2), "0"}
}

func (c ChartView) rects() []chartRect {
	if len(c.Bars) == 0 {
		return nil
	}
	top := float64(c.scale())
	slot := plotWidth / float64(len(c.Bars))
	width := min(slot*0.7, 40)
	var out []chartRect
	for i, b := range c.Bars {
		y := plotHeight
		for s, v := range b.Values {
			if v <= 0 || s >= len(c.Series) {
				continue
			}
			h := max(float64(v)/top*plotHeight, 1.5) // a single refusal among thousands must be seen
			y -= h
			out = append(out, chartRect{
				x: coord(slot*float64(i) + (slot-width)/2), y: coord(y), width: coord(width), height: coord(h),
				class: "bar bar-" + string(look(c.Series[s].State).tone),
				title: fmt.Sprintf("%s: %s %s", b.Label, Number(v), c.Series[s].Label),
			})
		}
	}
	return out
}

// few says that each bar has its label, which then stands beneath it.
func (c ChartView) few() bool { return len(c.Bars) <= 5 }

// labels names at most five bars, evenly apart, the first and the last among them.
func (c ChartView) labels() []string {
	n := len(c.Bars)
	if c.few() {
		out := make([]string, 0, n)
		for _, b := range c.Bars {
			out = append(out, b.Label)
		}
		return out
	}
	var out []string
	for i := range 5 {
		out = append(out, c.Bars[i*(n-1)/4].Label)
	}
	return out
}

func (c ChartView) summary() string {
	text := c.Title
	for i, s := range c.Series {
		text += fmt.Sprintf("; %s %s", Number(c.total(i)), s.Label)
	}
	return text
}

func coord(v float64) string { return strconv.FormatFloat(v, 'f', 1, 64) }
