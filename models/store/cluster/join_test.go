package cluster

import (
	"context"
	"errors"
	"testing"
)

func TestAnotherProcessJoins(t *testing.T) {
	cfg := Config{Dir: openDir(t), Throwaway: true}
	running := start(t, cfg)
	if _, err := Start(context.Background(), cfg); !errors.Is(err, ErrInUse) {
		t.Fatalf("a second start: %v", err)
	}
	joined, err := Join(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if got := query[int](t, joined.DSN("postgres"), `SELECT 1`); got != 1 {
		t.Error("the joined server does not answer")
	}
	if err := joined.Stop(); err != nil {
		t.Error(err)
	}
	if got := query[int](t, running.DSN("postgres"), `SELECT 1`); got != 1 {
		t.Error("letting go ended the server")
	}
	if _, err := Join(context.Background(), Config{Dir: openDir(t)}); err == nil {
		t.Error("joined a server that never was")
	}
}
