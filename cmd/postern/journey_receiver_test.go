package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"
)

// receiver is a company's own program that is told of events: it proves its address by the challenge, and takes what is signed with a secret that it knows.
type receiver struct {
	server *httptest.Server

	mu      sync.Mutex
	secret  string
	types   []string // of the events that were taken
	refused int
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{}
	r.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if challenge := req.URL.Query().Get("challenge"); req.Method == http.MethodGet && challenge != "" {
			_, _ = io.WriteString(w, challenge)
			return
		}
		body, err := io.ReadAll(io.LimitReader(req.Body, 2<<20))
		if err != nil {
			t.Error(err)
		}
		w.WriteHeader(r.take(t, body, req.Header.Get("X-Nylas-Signature")))
	}))
	t.Cleanup(r.server.Close)
	return r
}

func (r *receiver) take(t *testing.T, body []byte, signature string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	mac := hmac.New(sha256.New, []byte(r.secret))
	mac.Write(body)
	given, err := hex.DecodeString(signature)
	if err != nil || r.secret == "" || !hmac.Equal(given, mac.Sum(nil)) {
		r.refused++
		return http.StatusUnauthorized
	}
	var event struct {
		Type string `json:"type"`
	}
	if err := json.Unmarshal(body, &event); err != nil {
		t.Errorf("a signed event is no JSON: %v", err)
	}
	r.types = append(r.types, event.Type)
	return http.StatusOK
}

// knows gives the receiver the secret that it checks with, the only one.
func (r *receiver) knows(secret string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.secret, r.types, r.refused = secret, nil, 0
}

func (r *receiver) refusals() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.refused
}

// awaits waits until events of these types were taken.
func (r *receiver) awaits(t *testing.T, types ...string) {
	t.Helper()
	eventually(t, 30*time.Second, fmt.Sprintf("a receiver that has taken %v", types), func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return !slices.ContainsFunc(types, func(want string) bool { return !slices.Contains(r.types, want) })
	})
}
