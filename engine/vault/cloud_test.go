package vault

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/postern-mail/postern/engine/secret"
)

// transit speaks the two calls of HashiCorp Vault's transit engine that are used (developer.hashicorp.com/vault/api-docs/secret/transit). Its cipher is none.
func transit(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in map[string]string
		if r.Header.Get("X-Vault-Token") != "token" || json.NewDecoder(r.Body).Decode(&in) != nil {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		data := map[string]string{}
		switch r.URL.Path {
		case "/v1/transit/encrypt/postern":
			data["ciphertext"] = "vault:v1:" + in["plaintext"]
		case "/v1/transit/decrypt/postern":
			data["plaintext"] = strings.TrimPrefix(in["ciphertext"], "vault:v1:")
			if _, err := base64.StdEncoding.DecodeString(data["plaintext"]); err != nil {
				w.WriteHeader(http.StatusBadRequest)
				return
			}
		default:
			w.WriteHeader(http.StatusNotFound)
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"data": data})
	}))
	t.Cleanup(s.Close)
	t.Setenv("VAULT_SERVER_URL", s.URL)
	t.Setenv("VAULT_SERVER_TOKEN", "token")
	return "hashivault://postern"
}

func TestKeyService(t *testing.T) {
	kek, err := OpenCloudKEK(context.Background(), transit(t))
	if err != nil {
		t.Fatal(err)
	}
	v := New(kek, "test", time.Now)
	key, err := v.NewKey("a", "1")
	if err != nil {
		t.Fatal(err)
	}
	at := Place{Tenant: "a", Table: "t", Column: "c", Row: "r", Version: 1}
	sealed, err := v.Seal(key, at, secret.New("hello"))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := New(kek, "test", time.Now).Open(key, at, sealed); err != nil || got.Reveal() != "hello" {
		t.Errorf("opened %v", err)
	}
	// The service knows no associated data; ours is inside, so that one tenant's key cannot be put in another's place.
	key.Tenant = "b"
	if _, err := New(kek, "test", time.Now).Open(key, at, sealed); !errors.Is(err, ErrSealed) {
		t.Errorf("another tenant's wrapped key: %v", err)
	}
	if kek.Source() != "HashiCorp Vault" || !strings.HasPrefix(kek.ID(), "hashivault-") {
		t.Errorf("it is called %s, %s", kek.Source(), kek.ID())
	}
}

func TestKeyServiceFaults(t *testing.T) {
	for _, address := range []string{"", "base64key://", "https://example.com", "hashivault://user:password@postern"} {
		if _, err := OpenCloudKEK(context.Background(), address); !errors.Is(err, ErrKeyURL) {
			t.Errorf("%q: %v", address, err)
		}
	}
	transit(t)
	if _, err := OpenCloudKEK(context.Background(), "hashivault://another"); !errors.Is(err, ErrKeyService) {
		t.Errorf("a key that is not there: %v", err)
	}
}
