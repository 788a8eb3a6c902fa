package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/postern-mail/postern/cmd/postern/load"
	"github.com/postern-mail/postern/engine/dial"
)

// refreshCallers ask at the same moment for a mailbox whose access token has ended.
const refreshCallers = 100

// tokenServer is a provider in the little that a refresh needs: it counts who asks for a token, takes its time to answer, and has an empty mailbox.
type tokenServer struct {
	url      string
	asked    atomic.Int64
	lifetime atomic.Int64 // seconds, of what is issued
	server   *http.Server
}

func startTokens() (*tokenServer, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	p := &tokenServer{url: "http://" + l.Addr().String()}
	p.lifetime.Store(1)
	answer := func(w http.ResponseWriter, v any) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(v)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /token", func(w http.ResponseWriter, _ *http.Request) {
		n := p.asked.Add(1)
		time.Sleep(200 * time.Millisecond) // as far away as a provider is: whoever would ask as well has the time to
		answer(w, map[string]any{"access_token": fmt.Sprintf("ya29.bench-%d", n), "expires_in": p.lifetime.Load(), "token_type": "Bearer"})
	})
	mux.HandleFunc("GET /userinfo", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, map[string]string{"sub": "1", "email": "ada@firm.example"})
	})
	mux.HandleFunc("GET /gmail/v1/", func(w http.ResponseWriter, _ *http.Request) { answer(w, map[string]any{"resultSizeEstimate": 0}) })
	p.server = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = p.server.Serve(l) }()
	return p, nil
}

// benchRefresh lets 100 callers meet an access token that has ended, and counts the requests for a new one: an issue figure says one.
func benchRefresh(ctx context.Context, b *bench) error {
	w, err := b.world(ctx)
	if err != nil {
		return err
	}
	grant, err := w.connectDelegated(ctx)
	if err != nil {
		return err
	}
	w.tokens.lifetime.Store(3600) // what the callers get lasts; what the grant has is over
	before := w.tokens.asked.Load()
	request := load.Get("/v3/grants/"+grant+"/messages?limit=5", w.key)
	began := time.Now()
	var all sync.WaitGroup
	var mu sync.Mutex
	var errs []error
	for range refreshCallers {
		all.Go(func() {
			err := load.Once(ctx, w.addr, request)
			mu.Lock()
			defer mu.Unlock()
			errs = append(errs, err)
		})
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	b.note(figure{Measure: "refresh", What: fmt.Sprintf("token requests for %d callers of one mailbox whose token has ended", refreshCallers), Value: float64(w.tokens.asked.Load() - before), Unit: "requests", Goal: 1, AtMost: true,
		Note: "all answered within " + short(time.Since(began)) + ", of which the provider took 200ms"})
	return nil
}

// connectDelegated connects a mailbox by a service account of the bench's own, through the API.
func (w *world) connectDelegated(ctx context.Context) (string, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return "", fmt.Errorf("make a key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return "", fmt.Errorf("write a key: %w", err)
	}
	text := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	if _, err := w.post(ctx, "/v3/connectors", map[string]any{"provider": "google", "settings": map[string]string{"client_id": "bench", "client_secret": "bench"}}); err != nil {
		return "", err
	}
	credential, err := w.post(ctx, "/v3/connectors/google/creds", map[string]any{"name": "bench", "credential_type": "serviceaccount", "credential_data": map[string]string{"client_email": "bench@project.example", "private_key": text}})
	if err != nil {
		return "", err
	}
	return w.post(ctx, "/v3/connect/custom", map[string]any{"provider": "google", "settings": map[string]string{"email_address": "ada@firm.example", "credential_id": credential}})
}

// post asks the API to make something, and gives its id.
func (w *world) post(ctx context.Context, path string, body any) (string, error) {
	raw, err := json.Marshal(body)
	if err != nil {
		return "", fmt.Errorf("write a request: %w", err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+w.addr+path, bytes.NewReader(raw))
	if err != nil {
		return "", fmt.Errorf("write a request: %w", err)
	}
	r.Header.Set("Authorization", "Bearer "+w.key)
	r.Header.Set("Content-Type", "application/json")
	guard := dial.New(dial.Config{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	res, err := guard.HTTPClient(dial.Provider, time.Minute).Do(r)
	if err != nil {
		return "", fmt.Errorf("ask the API: %w", err)
	}
	defer res.Body.Close() //nolint:errcheck // read
	var made struct {
		Data struct {
			ID string `json:"id"`
		} `json:"data"`
		Error struct {
			Message string `json:"message"`
		} `json:"error"`
	}
	if err := json.NewDecoder(res.Body).Decode(&made); err != nil || res.StatusCode != http.StatusCreated {
		return "", fmt.Errorf("%w: POST %s answered %d %s", load.ErrAnswer, path, res.StatusCode, made.Error.Message)
	}
	return made.Data.ID, nil
}
