package load_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/postern-mail/postern/cmd/postern/load"
)

func TestRunCountsAnswers(t *testing.T) {
	var asked atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if r.Header.Get("Authorization") != "Bearer k" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if r.URL.Path == "/long" { // in chunks
			for range 3 {
				fmt.Fprint(w, strings.Repeat("x", 1000))
				w.(http.Flusher).Flush()
			}
			return
		}
		fmt.Fprint(w, "hello")
	}))
	defer server.Close()
	addr := server.Listener.Addr().String()
	for path, length := range map[string]int64{"/": 5, "/long": 3000} {
		r, err := load.Run(t.Context(), load.Plan{Addr: addr, Conns: 2, For: 100 * time.Millisecond, Request: func(int) []byte { return load.Get(path, "k") }})
		if err != nil {
			t.Fatal(err)
		}
		if r.Requests == 0 || r.Bytes != int64(r.Requests)*length || r.P50 == 0 || r.P99 < r.P50 || r.Max < r.P99 {
			t.Errorf("%s: %+v", path, r)
		}
	}
	asked.Store(0)
	r, err := load.Run(t.Context(), load.Plan{Addr: addr, Conns: 2, For: 100 * time.Millisecond, Rate: 200, Request: func(int) []byte { return load.Get("/", "k") }})
	if err != nil || asked.Load() > 24 || r.Requests > 22 { // 110 ms at 200 a second
		t.Errorf("asked %d times: %+v, %v", asked.Load(), r, err)
	}
	if _, err := load.Run(t.Context(), load.Plan{Addr: addr, Conns: 2, For: 100 * time.Millisecond, Request: func(int) []byte { return load.Get("/", "") }}); !errors.Is(err, load.ErrAnswer) {
		t.Errorf("refusals were measured as answers: %v", err)
	}
}

func TestPercentile(t *testing.T) {
	list := make([]time.Duration, 100)
	for i := range list {
		list[i] = time.Duration(i + 1)
	}
	for p, want := range map[float64]time.Duration{50: 50, 99: 99, 100: 100, 1: 1} {
		if got := load.Percentile(list, p); got != want {
			t.Errorf("percentile %v of 1..100 is %d, want %d", p, got, want)
		}
	}
	if load.Percentile(nil, 99) != 0 {
		t.Error("a percentile of nothing")
	}
}
