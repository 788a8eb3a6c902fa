package verifications_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/postern-mail/postern/engine/verifications"
	"github.com/postern-mail/postern/models"
)

// Only an https address that Microsoft can reach is given to it, and what proves a push is another for each grant and installation.
func TestMicrosoftPushIsAskedForWhereItCanArrive(t *testing.T) {
	service := func(base, key string) *verifications.Service {
		u, err := url.Parse(base)
		if err != nil {
			t.Fatal(err)
		}
		return verifications.New(verifications.Config{Now: time.Now, Push: verifications.PushConfig{StateKey: []byte(key), Base: u}})
	}
	a, b := models.NewID[models.GrantID](time.Now()), models.NewID[models.GrantID](time.Now())
	for _, base := range []string{"http://mail.example.com", "https://localhost:9007", "https://127.0.0.1", "https://10.1.2.3", "https://[::1]", "https://postern", "https://mail.localhost", "https://postern.internal"} {
		if p := service(base, "k").MicrosoftPush(a); p != nil {
			t.Errorf("%s: Microsoft was to push to %s", base, p.Address)
		}
	}
	s := service("https://mail.example.com", "k")
	first, second, elsewhere := s.MicrosoftPush(a), s.MicrosoftPush(b), service("https://mail.example.com", "other").MicrosoftPush(a)
	if first == nil || !strings.HasPrefix(first.Address, "https://mail.example.com/push/microsoft?") || first.Address == second.Address {
		t.Fatalf("%+v, %+v", first, second)
	}
	if state := first.State.Reveal(); len(state) > 128 || strings.Contains(first.Address, strings.TrimPrefix(state, a.String()+".")) || state == second.State.Reveal() || state == elsewhere.State.Reveal() {
		t.Fatalf("the states: %d bytes", len(state))
	}
	if service("https://mail.example.com", "").MicrosoftPush(a) != nil {
		t.Error("without a key there is no proof")
	}
}
