package graph_test

import (
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/provider/providertest"
	"github.com/postern-mail/postern/engine/secret"
)

// ear is where Microsoft pushes to: it validates, and remembers.
type ear struct {
	*httptest.Server
	mu   sync.Mutex
	deaf bool
	got  []string
}

const (
	pushAddress = "https://postern.example/push/microsoft?grant=1"
	pushState   = "1.proof"
)

func (w *watcher) listen() *ear {
	w.t.Helper()
	e := &ear{}
	e.Server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		e.mu.Lock()
		defer e.mu.Unlock()
		switch token := r.URL.Query().Get("validationToken"); {
		case e.deaf:
			rw.WriteHeader(http.StatusBadGateway)
		case token != "":
			rw.Header().Set("Content-Type", "text/plain")
			_, _ = io.WriteString(rw, token)
		default:
			e.got = append(e.got, string(body))
			rw.WriteHeader(http.StatusAccepted)
		}
	}))
	w.t.Cleanup(e.Close)
	w.Reach = func(address string) string {
		u, err := url.Parse(address)
		if err != nil || u.Host != "postern.example" {
			return "http://127.0.0.1:1"
		}
		return e.URL + u.RequestURI()
	}
	w.account.Push = &provider.Push{Address: pushAddress, State: secret.New(pushState)}
	return e
}

func (e *ear) await(t *testing.T, what string, holds func(all string) bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		e.mu.Lock()
		ok := holds(strings.Join(e.got, "\n"))
		e.mu.Unlock()
		if ok {
			return
		}
	}
	t.Fatalf("waited in vain for %s", what)
}

func one(t *testing.T, a *providertest.MicrosoftAccount) (id string, ends time.Time) {
	t.Helper()
	all := a.Subscriptions()
	if len(all) != 1 {
		t.Fatalf("%d subscriptions: %v", len(all), all)
	}
	id = slices.Collect(maps.Keys(all))[0]
	return id, all[id]
}

func TestASubscriptionIsMadeAndRenewed(t *testing.T) {
	w, a := watched(t)
	e := w.listen()
	each, err := w.c.Watch(context.Background(), w.account)
	if err != nil {
		t.Fatal(err)
	}
	look := func() {
		t.Helper()
		looked, err := each.Look(context.Background(), w.position, nil)
		if err != nil {
			t.Fatal(err)
		}
		if looked.Position != nil {
			w.position = looked.Position
		}
	}
	look()
	id, ends := one(t, a)
	a.Deliver("INBOX", mail(1, w.clock.now()))
	e.await(t, "the notification", func(all string) bool { return strings.Contains(all, `"clientState":"`+pushState+`"`) })
	look()
	if now, same := one(t, a); now != id || !same.Equal(ends) {
		t.Fatal("each look asks for notifications anew")
	}
	w.clock.pass(25 * time.Hour)
	look()
	if now, later := one(t, a); now != id || !later.After(ends) {
		t.Fatalf("after a day it ends at %s, made to end at %s", later, ends)
	}
	// A process that takes over renews what is there.
	if each, err = w.c.Watch(context.Background(), w.account); err != nil {
		t.Fatal(err)
	}
	look()
	if now, _ := one(t, a); now != id {
		t.Fatal("another process made a second subscription")
	}
	// Microsoft wants it authorized anew, or has removed it: both are answered by the next look.
	_, ends = one(t, a)
	w.clock.pass(time.Hour)
	each.(provider.Pushed).Lapsed()
	look()
	if now, later := one(t, a); now != id || !later.After(ends) {
		t.Fatal("it was not renewed when Microsoft asked for it")
	}
	a.Lifecycle("subscriptionRemoved")
	e.await(t, "the lifecycle notification", func(all string) bool { return strings.Contains(all, "subscriptionRemoved") })
	each.(provider.Pushed).Lapsed()
	look()
	if now, _ := one(t, a); now == id {
		t.Fatal("what was removed is there")
	}
}

// Where Microsoft does not reach us, or refuses, the mailbox is looked at all the same, and it is tried again later.
func TestALookGoesOnWithoutNotifications(t *testing.T) {
	w, a := watched(t)
	e := w.listen()
	e.deaf = true
	each, _ := w.c.Watch(context.Background(), w.account)
	looked, err := each.Look(context.Background(), nil, nil)
	if err != nil || looked.Position == nil || len(a.Subscriptions()) != 0 {
		t.Fatalf("%v, %d subscriptions", err, len(a.Subscriptions()))
	}
	e.mu.Lock()
	e.deaf = false
	e.mu.Unlock()
	tries := func() (n int) {
		for _, r := range w.Requests() {
			if strings.HasPrefix(r, "POST ") && strings.HasSuffix(r, "/subscriptions") {
				n++
			}
		}
		return n
	}
	if _, err := each.Look(context.Background(), looked.Position, nil); err != nil || tries() != 1 {
		t.Fatalf("%d tries: %v", tries(), err)
	}
	w.clock.pass(time.Hour)
	if _, err := each.Look(context.Background(), looked.Position, nil); err != nil || len(a.Subscriptions()) != 1 {
		t.Fatalf("%v, %d subscriptions", err, len(a.Subscriptions()))
	}
}

func TestSilence(t *testing.T) {
	w := start(t)
	a := w.Account(contoso, "ada@contoso.test", "Ada")
	tok, _ := w.connect(t, a, everything()...)
	x := &watcher{world: w, t: t, account: account(a, tok)}
	x.listen()
	x.look()
	other := x.account
	other.Key, other.Push = "other:1", &provider.Push{Address: pushAddress + "23", State: secret.New("23.proof")}
	(&watcher{world: w, t: t, account: other}).look()
	if n := len(a.Subscriptions()); n != 2 {
		t.Fatalf("%d subscriptions", n)
	}
	ctx := context.Background()
	w.Break(1, 503, "ServiceUnavailable", "")
	if err := w.c.Silence(ctx, w.app, tok, pushAddress); err == nil || len(a.Subscriptions()) != 2 {
		t.Fatalf("Microsoft was down, and the answer is %v", err)
	}
	a.EndAccess() // the refresh token still works
	if err := w.c.Silence(ctx, w.app, tok, pushAddress); err != nil {
		t.Fatal(err)
	}
	if n := len(a.Subscriptions()); n != 1 {
		t.Fatalf("%d subscriptions are left: that of the other grant has to stay, and no more", n)
	}
	if err := w.c.Silence(ctx, w.app, tok, pushAddress); err != nil {
		t.Fatalf("the second time: %v", err)
	}
	a.RevokeSessions()
	if err := w.c.Silence(ctx, w.app, tok, pushAddress); !errors.Is(err, provider.ErrInvalidGrant) {
		t.Fatalf("with dead tokens: %v", err)
	}
}
