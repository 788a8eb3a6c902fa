package graph_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"maps"
	"testing"
	"time"

	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/secret"
)

func idToken(claims map[string]any) string {
	body, _ := json.Marshal(claims)
	return base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"RS256"}`)) + "." + base64.RawURLEncoding.EncodeToString(body) + ".signature"
}

func TestIdentityIsChecked(t *testing.T) {
	w := start(t)
	now := w.clock.now()
	good := map[string]any{"iss": "https://login.microsoftonline.com/" + contoso + "/v2.0", "aud": w.app.ClientID, "exp": now.Add(time.Hour).Unix(), "tid": contoso, "oid": "11111111-2222-3333-4444-555555555555",
		"preferred_username": "ada@contoso.test", "name": "Ada\r\nEve"}
	const personal = "9188040d-6c67-4c5b-b112-36a304b66dad"
	with := func(k string, v any) map[string]any {
		m := maps.Clone(good)
		m[k] = v
		return m
	}
	of := func(tenant string) map[string]any {
		m := with("tid", tenant)
		m["iss"] = "https://login.microsoftonline.com/" + tenant + "/v2.0"
		return m
	}
	for name, x := range map[string]struct {
		claims map[string]any
		tenant string
		ok     bool
	}{
		"good":                      {good, "", true},
		"own tenant":                {good, contoso, true},
		"audience list":             {with("aud", []string{"other", w.app.ClientID}), "", true},
		"small skew":                {with("exp", now.Add(-4*time.Minute).Unix()), "", true},
		"issuer beside the server":  {with("iss", w.URL()+"/"+contoso+"/v2.0"), "", true},
		"another audience":          {with("aud", "other"), "", false},
		"no audience":               {with("aud", nil), "", false},
		"expired":                   {with("exp", now.Add(-6*time.Minute).Unix()), "", false},
		"no expiry":                 {with("exp", nil), "", false},
		"foreign issuer":            {with("iss", "https://login.evil.example/"+contoso+"/v2.0"), "", false},
		"issuer of another tenant":  {with("iss", "https://login.microsoftonline.com/"+personal+"/v2.0"), "", false},
		"tenant of another issuer":  {with("tid", personal), "", false},
		"v1 issuer":                 {with("iss", "https://sts.windows.net/"+contoso+"/"), "", false},
		"common for an issuer":      {with("iss", "https://login.microsoftonline.com/common/v2.0"), "", false},
		"issuer by prefix":          {with("iss", "https://login.microsoftonline.com.evil.example/"+contoso+"/v2.0"), "", false},
		"no oid":                    {with("oid", ""), "", false},
		"no tid":                    {with("tid", ""), "", false},
		"oid that is a pair":        {with("oid", "a:b"), "", false},
		"personal among all":        {of(personal), "common", true},
		"personal at work":          {of(personal), "organizations", false},
		"work at home":              {good, "consumers", false},
		"another tenant than set":   {of("99999999-1c0c-4c3a-9a0e-5b3f1f6f7a11"), contoso, false},
		"domain, held by Microsoft": {good, "contoso.com", true},
	} {
		app := w.app
		app.Settings = map[string]string{"tenant": x.tenant}
		body, _ := json.Marshal(map[string]any{"token_type": "Bearer", "access_token": "the-access-token", "refresh_token": "the-refresh-token", "expires_in": 3600, "scope": "Mail.Read", "id_token": idToken(x.claims)})
		w.BreakTokens(1, 200, "", string(body))
		_, who, err := w.c.Exchange(context.Background(), app, secret.New("code"), secret.New(verifier))
		if (err == nil) != x.ok {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil {
			if f, _ := fault.As(err); f == nil || f.Code != "identity_unknown" || who != (provider.Identity{}) {
				t.Errorf("%s: %v %+v", name, err, who)
			}
			safe(t, err, secret.New("the-access-token"), secret.New("the-refresh-token"))
		} else if who.Email != "ada@contoso.test" || who.Name != "AdaEve" {
			t.Errorf("%s: %+v", name, who)
		}
	}
	for name, raw := range map[string]string{"none": "", "two parts": "a.b", "not base64": "a.%%.c", "not JSON": "a.YWJj.c"} {
		body, _ := json.Marshal(map[string]any{"token_type": "Bearer", "access_token": "x", "expires_in": 3600, "id_token": raw})
		w.BreakTokens(1, 200, "", string(body))
		if _, _, err := w.c.Exchange(context.Background(), w.app, secret.New("code"), secret.New(verifier)); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
