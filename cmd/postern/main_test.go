package main

import (
	"bytes"
	"context"
	"testing"
)

func TestDispatch(t *testing.T) {
	list := []command{{name: "demo", doc: "d", run: func(_ context.Context, args []string, _ env) int { return len(args) }}}
	for _, c := range []struct {
		args []string
		want int
		out  bool // help goes to stdout
	}{{[]string{"demo", "a"}, 1, false}, {nil, 2, false}, {[]string{"dmo"}, 2, false}, {[]string{"--help"}, 0, true}} {
		var out, err bytes.Buffer
		if got := dispatch(t.Context(), list, c.args, env{stdout: &out, stderr: &err}); got != c.want {
			t.Errorf("%v: exit %d, want %d", c.args, got, c.want)
		}
		if (out.Len() > 0) != c.out {
			t.Errorf("%v: stdout %q", c.args, out.String())
		}
	}
}
