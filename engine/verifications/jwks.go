package verifications

import (
	"context"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"sync"
	"time"

	"github.com/postern-mail/postern/engine/dial"
	"github.com/postern-mail/postern/engine/fault"
)

const (
	keysFor     = time.Hour        // a set is used without asking again
	keysAtMost  = 24 * time.Hour   // and this long while the issuer cannot be reached
	keysNotSoon = time.Minute      // between two questions, whatever key ids callers make up
	keysTimeout = 10 * time.Second // of one question
	fewestBits  = 2048
	mostKeys    = 20
)

// errKeys is an issuer whose keys cannot be had: nothing can be judged, and the sender must try again.
var errKeys = fault.New(fault.Unavailable, "keys_unavailable", "The keys of the sender cannot be fetched right now. Try again in a moment.")

// keySet is the RSA keys of one issuer (RFC 7517), fetched from the one address that the operator knows; what a token says of where its key is, is not looked at.
type keySet struct {
	address string
	guard   *dial.Guard
	now     func() time.Time

	mu      sync.Mutex // held while the issuer is asked: others wait for the same answer
	keys    map[string]*rsa.PublicKey
	at      time.Time // of the keys
	askedAt time.Time
}

// key gives the key of that id; nil where the issuer has none such. An error says that it cannot be known now.
func (k *keySet) key(ctx context.Context, id string) (*rsa.PublicKey, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.now()
	fresh := now.Sub(k.at) < keysFor
	if key := k.keys[id]; key != nil && fresh {
		return key, nil
	}
	if now.Sub(k.askedAt) >= keysNotSoon {
		k.askedAt = now
		keys, err := k.fetch(ctx)
		if err == nil {
			k.keys, k.at = keys, now
		} else if now.Sub(k.at) > keysAtMost {
			return nil, errKeys.Because(err)
		}
	}
	if k.keys == nil || now.Sub(k.at) > keysAtMost {
		return nil, errKeys
	}
	return k.keys[id], nil
}

func (k *keySet) fetch(ctx context.Context) (map[string]*rsa.PublicKey, error) {
	if k.guard == nil {
		return nil, errors.New("no way out is configured")
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), keysTimeout) // others wait for it too
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, k.address, nil)
	if err != nil {
		return nil, errors.New("the address of the keys is none")
	}
	answer, err := k.guard.HTTPClient(dial.Provider, keysTimeout).Do(r)
	if err != nil {
		return nil, dial.WithoutURL(err)
	}
	body, err := dial.Body(answer)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the issuer answered %d", answer.StatusCode)
	}
	return readKeys(body)
}

// readKeys takes the RSA signing keys of a set, and leaves out what it does not know or would not trust.
func readKeys(body []byte) (map[string]*rsa.PublicKey, error) {
	var set struct {
		Keys []struct {
			Kty, Use, Alg, Kid, N, E string
		}
	}
	if err := json.Unmarshal(body, &set); err != nil {
		return nil, errors.New("the key set is no JSON")
	}
	out := map[string]*rsa.PublicKey{}
	for _, one := range set.Keys {
		n, errN := base64.RawURLEncoding.DecodeString(one.N)
		e, errE := base64.RawURLEncoding.DecodeString(one.E)
		if one.Kty != "RSA" || one.Kid == "" || one.Use != "" && one.Use != "sig" || one.Alg != "" && one.Alg != "RS256" || errN != nil || errE != nil || len(e) > 4 || len(out) == mostKeys {
			continue
		}
		key := &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(new(big.Int).SetBytes(e).Int64())}
		if key.N.BitLen() < fewestBits || key.N.BitLen() > 8192 || key.E < 3 || key.E%2 == 0 {
			continue
		}
		out[one.Kid] = key
	}
	if len(out) == 0 {
		return nil, errors.New("the key set holds no key that can be used")
	}
	return out, nil
}
