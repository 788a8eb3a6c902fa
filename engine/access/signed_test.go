package access_test

import (
	"encoding/base64"
	"sync"
	"testing"
	"time"

	"github.com/postern-mail/postern/engine/access"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

// The vectors were made with Nylas' own signer (npm, nylas 8.4.0) and a key whose private half was thrown away. The body holds quotes, a backslash, a line separator,
// a control character, a tab and letters beyond ASCII.
const (
	vectorKey = `-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAwARoAAr/nNaoRpYBprrx
WmLlrcf6bbMJfLp0lC9gcGTPh0WeEF+6VWyt4sUpWJmNpj0jOxP/QySX2+tf9oCa
2eOwTqE+WTixkc/Wqhcparmv3JUjUSJ8cmnUKSxTWHwPHE0TW2QoCFGPSo6e0Y5n
fhK98vtRycDaQLrlxGjTp7o+VbuWAnJ3WvExyPMiuHDgbpDECDodaUFXH+IICNhh
5p3rL45c0roYH1cw5n08kXTEcFQtIzbzHBLe/lfC0d6TWgJOtcm9rQK2McHI3Sji
6emEtvG3FcEmZSuqWEpXC8x6E2KklavL3ScnoEdD8wcElASduj9pgM21rg3huPuw
1wIDAQAB
-----END PUBLIC KEY-----`
	vectorPath = "/v3/admin/applications/01234567-89ab-7cde-8f01-23456789abcd/api-keys"
	vectorBody = "eyJleHBpcmVzX2luIjozMCwibmFtZSI6Ikdyw7zDn2UgPCY+IFwieFwiIFxcIOKAqCBcdTAwMDcgdGFiXHQg5pel5pysIiwicGVybWlzc2lvbnMiOlsiZ3JhbnRzLnJlYWQiXX0="
	vectorPost = "Un8CZWlBslR/2wSYIgfABSZxxyEglIjRPVD3VnkZnBjCuNmnksmsDG7cDlxy1GyIgK3Rm5hEV3pnxItx5OXF8pWZDIAbt9Nji1psIgL3nf7NyU4AJ/kDJ2KVUumVrHNKGBBDvNPOI16PZjQwQEAkLG199dA9yoT6N6b+tJ+vv79LsDT39Wz3JurDOxLVAgFzEFSpkkn5q0TKzYvvSmUVvu9WxzuquML9ae2VZ7bXLG9DreBvW4CCg3WHf++8RZVl86iIB8ztX7+R2UNHztvfJdGvKO+pgD/TMcIb0esAi77Jn3WxO3Mw/6UZJXylQ3LiVuPo6X0UdAYz8zJuhGFrog=="
	vectorGet  = "p2mMQkDkkjsmmeQRuAUGCrLR4hcWQ5Xs0rSIasNhofxvjrkZJrROxXG6xLyD+9e+sCxIUU/rBDv9kbGGw9u6BVZBkHP3Q1W/gsKgt6lYGH8mGBrvzGt2dTQE1eUg8JNi3zMZTtGQGTVxMbIotJmmUQMbsFBW/u3SAPE+e5iwgEUG5cpIJUP+ZBsmo2MFDd+BhQZ7OQkXe3nEPwOmP0KD/FjCM4y/2C9lu7Gw3gXIZpJ/2Lp2nfUAK1/BbpYD5wRN0v9C5gtV00cf35d1zxpA860pBO/lF++fvC895JxZ26zLxDTURD98OPy0uBGjOT/I29DS/Iwfn1J0bbMsMxMLZQ=="
)

func TestSignaturesOfNylasOwnSigner(t *testing.T) {
	w := newWorld(t)
	w.at = time.Unix(1742932766, 0).UTC()
	application := w.application()
	account, file, err := w.CreateServiceAccount(ctx, models.System("test"), access.ServiceAccount{Application: application, Name: "vectors", PublicKey: vectorKey})
	w.fatal(err)
	if !file.Empty() {
		t.Error("credentials were made for a key that was brought")
	}
	body, err := base64.StdEncoding.DecodeString(vectorBody)
	w.fatal(err)
	post := access.Signed{Kid: account.ID.String(), Nonce: "N0nceN0nceN0nceN0nce", Timestamp: "1742932766", Signature: vectorPost, Method: "POST", Path: vectorPath, Body: body}
	get := access.Signed{Kid: account.ID.String(), Nonce: "N0nceN0nceN0nceN0ncf", Timestamp: "1742932766", Signature: vectorGet, Method: "GET", Path: vectorPath}
	for _, r := range []access.Signed{post, get} {
		actor, err := w.Signer(ctx, r)
		w.fatal(err)
		if actor.Kind != models.ActorService || actor.Application != application || !actor.May(models.CreateAPIKeys) || actor.Platform() {
			t.Errorf("%+v", actor)
		}
		_, err = w.Signer(ctx, r)
		w.wants(err, fault.Unproven, "nonce_reused")
	}
	for what, change := range map[string]func(*access.Signed){
		"a time with a plus": func(r *access.Signed) { r.Timestamp = "+1742932766" }, "a time with zeros": func(r *access.Signed) { r.Timestamp = "01742932766" }, "milliseconds": func(r *access.Signed) { r.Timestamp += "000" },
	} {
		r := get
		change(&r)
		_, err := w.Signer(ctx, r)
		if f, ok := fault.As(err); !ok || f.Code != "signature_time" {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// Of many copies of one request that arrive at once, one is taken.
func TestANonceIsSpentOnce(t *testing.T) {
	w := newWorld(t)
	w.at = time.Unix(1742932766, 0).UTC()
	account, _, err := w.CreateServiceAccount(ctx, models.System("test"), access.ServiceAccount{Application: w.application(), Name: "vectors", PublicKey: vectorKey})
	w.fatal(err)
	var wait sync.WaitGroup
	var mu sync.Mutex
	taken := 0
	for range 8 {
		wait.Go(func() {
			_, err := w.Signer(ctx, access.Signed{Kid: account.ID.String(), Nonce: "N0nceN0nceN0nceN0ncf", Timestamp: "1742932766", Signature: vectorGet, Method: "GET", Path: vectorPath})
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				taken++
			} else if f, ok := fault.As(err); !ok || f.Code != "nonce_reused" {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	if taken != 1 {
		t.Errorf("%d copies were taken", taken)
	}
	// Remembered for as long as the time in it could be taken, and not for ever.
	w.fatal(w.db.OnPlatform(ctx, "test", func(tx *store.Tx) error {
		fresh, err := tx.SpendServiceNonce(models.ServiceNonce{AccountID: account.ID, NonceHash: make([]byte, 32), EndsAt: w.at.Add(time.Hour)}, w.at.Add(11*time.Minute))
		if err == nil && !fresh {
			t.Error("a new nonce is not new")
		}
		return err
	}))
	w.fatal(w.db.OnPlatform(ctx, "test", func(tx *store.Tx) error {
		fresh, err := tx.SpendServiceNonce(models.ServiceNonce{AccountID: account.ID, NonceHash: make([]byte, 32), EndsAt: w.at.Add(time.Hour)}, w.at.Add(11*time.Minute))
		if err == nil && fresh {
			t.Error("a nonce is spent twice")
		}
		return err
	}))
}

func TestOnlyThoseWhoManageKeysManageServiceAccounts(t *testing.T) {
	w := newWorld(t)
	application := w.application()
	support, _, _ := w.member(models.Support, models.TenantID{})
	owner, _, _ := w.member(models.Owner, models.TenantID{})
	service := models.Actor{Kind: models.ActorService, ID: "x", Label: "x", Application: application, Permissions: models.ServicePermissions()}
	for _, actor := range []models.Actor{support, service, {}} {
		_, _, err := w.CreateServiceAccount(ctx, actor, access.ServiceAccount{Application: application, Name: "x", PublicKey: vectorKey})
		w.wants(err, fault.Denied, "keys_denied")
		_, err = w.ServiceAccounts(ctx, actor)
		w.wants(err, fault.Denied, "keys_denied")
	}
	account, _, err := w.CreateServiceAccount(ctx, owner, access.ServiceAccount{Application: application, Name: "x", PublicKey: vectorKey})
	w.fatal(err)
	_, err = w.RevokeServiceAccount(ctx, service, account.ID)
	w.wants(err, fault.Denied, "keys_denied")
	_, err = w.RevokeServiceAccount(ctx, owner, account.ID)
	w.fatal(err)
	_, err = w.RevokeServiceAccount(ctx, owner, account.ID)
	w.wants(err, fault.Conflict, "service_account_already_revoked")
	if n := len(w.entries("service_account.create")) + len(w.entries("service_account.revoke")); n != 2 {
		t.Errorf("%d audit entries", n)
	}
	for what, key := range map[string]string{"a short key": shortKey, "a private one": "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", "two": vectorKey + "\n" + vectorKey, "nothing": " "} {
		_, _, err := w.CreateServiceAccount(ctx, owner, access.ServiceAccount{Application: application, Name: "x", PublicKey: key})
		if f, ok := fault.As(err); !ok || f.Code != "public_key_invalid" {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, _, err := w.CreateKey(ctx, service, access.Key{Application: application, Name: "y"}); err != nil {
		t.Error(err)
	}
	_, _, err = w.CreateKey(ctx, service, access.Key{Application: w.application(), Name: "y"})
	w.wants(err, fault.NotFound, "not_found")
}

// shortKey has 1024 bits.
const shortKey = `-----BEGIN PUBLIC KEY-----
MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQCjst7hwUf2x1LzWbDXNj+kaR2M
VEj9FzIw043d7HjrlpbbUg+6ucrHbDpdQlhnG0g8lNOxl7khqLeBKD/sczyuqS0W
J1UCQU5D6cW4+SfiY2zd2QLs3IaSXcosaXdekm3IUxMaVpVX/HyvmwpD26lDp01x
CDpHhQHg0/ssPT3tWQIDAQAB
-----END PUBLIC KEY-----`
