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

// The chart is drawn in a box of these units and scaled by the style sheet.
const (
	chartWidth  = 640
	chartHeight = 132
	plotTop     = 14
	plotBottom  = 112
	plotLeft    = 34
)

type chartRect struct{ x, y, width, height, class, title string }

type chartText struct{ x, y, text, anchor string }

type chartLine struct{ y, text string }

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

// scale gives the top of the axis: the smallest of 1, 2, 5 times a power of ten, or twice that, that holds the highest bar.
func (c ChartView) scale() int {
	top := c.highest()
	for unit := 1; ; unit *= 10 {
		for _, m := range []int{1, 2, 4, 5, 10} {
			if unit*m >= top && unit*m >= 2 {
				return unit * m
			}
		}
	}
}

func (c ChartView) lines() []chartLine {
	top := c.scale()
	out := []chartLine{{coord(plotBottom), "0"}, {coord(plotTop), Number(top)}}
	if top%2 == 0 {
		out = append(out, chartLine{coord((plotTop + plotBottom) / 2.0), Number(top / 2)})
	}
	return out
}

func (c ChartView) rects() []chartRect {
	if len(c.Bars) == 0 {
		return nil
	}
	top := float64(c.scale())
	slot := float64(chartWidth-plotLeft) / float64(len(c.Bars))
	width := min(slot*0.68, 26)
	var out []chartRect
	for i, b := range c.Bars {
		y := float64(plotBottom)
		for s, v := range b.Values {
			if v <= 0 || s >= len(c.Series) {
				continue
			}
			h := float64(v) / top * float64(plotBottom-plotTop)
			h = max(h, 1.5) // a single refusal among thousands must be seen
			y -= h
			out = append(out, chartRect{
				x: coord(plotLeft + slot*float64(i) + (slot-width)/2), y: coord(y), width: coord(width), height: coord(h),
				class: "bar bar-" + string(look(c.Series[s].State).tone),
				title: fmt.Sprintf("%s: %s %s", b.Label, Number(v), c.Series[s].Label),
			})
		}
	}
	return out
}

// labels names about six of the bars, the last among them.
func (c ChartView) labels() []chartText {
	n := len(c.Bars)
	if n == 0 {
		return nil
	}
	slot := float64(chartWidth-plotLeft) / float64(n)
	every := max(1, (n+5)/6)
	var out []chartText
	for i := n - 1; i >= 0; i -= every {
		anchor := "middle"
		x := plotLeft + slot*(float64(i)+0.5)
		if i == n-1 && n > 8 {
			anchor, x = "end", chartWidth
		}
		out = append(out, chartText{coord(x), coord(chartHeight - 4), c.Bars[i].Label, anchor})
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
