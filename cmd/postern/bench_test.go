package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestBenchListsAndRefuses(t *testing.T) {
	var out, faults bytes.Buffer
	if code := benchCommand(t.Context(), []string{"--list"}, env{stdout: &out, stderr: &faults}); code != 0 || !strings.Contains(out.String(), "grants") {
		t.Errorf("code %d, out %q, faults %q", code, out.String(), faults.String())
	}
	if code := benchCommand(t.Context(), []string{"dreams"}, env{stdout: &out, stderr: &faults}); code != exitBadConfig || !strings.Contains(faults.String(), `no "dreams"`) {
		t.Errorf("code %d, faults %q", code, faults.String())
	}
	seen := map[string]bool{}
	for _, m := range measures() {
		if m.name == "" || m.doc == "" || m.run == nil || seen[m.name] {
			t.Errorf("the measure %q lacks something, or is there twice", m.name)
		}
		seen[m.name] = true
	}
}

func TestBenchReport(t *testing.T) {
	var out bytes.Buffer
	b := &bench{machine: "a machine", out: &out}
	b.note(figure{Measure: "m", What: "fast", Value: 5060.4, Unit: "req/s", Goal: 5000})
	b.note(figure{Measure: "m", What: "slow", Value: 25.31, Unit: "ms", Goal: 15, AtMost: true})
	b.note(figure{Measure: "m", What: "a peer", Value: 92000, Unit: "req/s"})
	out.Reset()
	b.print(&out)
	text := strings.Join(strings.Fields(out.String()), " ")
	for _, want := range []string{"m fast 5,060 req/s at least 5,000 req/s met", "m slow 25.3 ms at most 15 ms not met", "m a peer 92,000 req/s", "a machine"} {
		if !strings.Contains(text, want) {
			t.Errorf("the report lacks %q:\n%s", want, out.String())
		}
	}
	file := filepath.Join(t.TempDir(), "figures.json")
	if err := b.write(file); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(file)
	var read struct{ Figures []figure }
	if err != nil || json.Unmarshal(raw, &read) != nil || len(read.Figures) != 3 || *read.Figures[1].Met {
		t.Errorf("%v: %s", err, raw)
	}
}
