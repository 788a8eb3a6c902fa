package gmail

import (
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"google.golang.org/api/googleapi"

	"github.com/postern-mail/postern/engine/dial"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/secret"
)

const (
	fewSessions = 256
	answerMost  = 64 << 20         // of one answer: a message of 40 MB, encoded
	tokenSlack  = 30 * time.Second // before its end a token is not used any more
	tokenKeep   = time.Minute      // how long a token is kept whose end nobody told
	width       = 6                // calls at the same time for one request: Google counts them for each person
	tries       = 4
	firstPause  = 250 * time.Millisecond
	longPause   = 4 * time.Second // a longer pause is the caller's to make
)

// session is what is kept between the calls of one account: its access token, and the way to end calls in flight.
type session struct {
	c      *Connector
	ctx    context.Context
	cancel context.CancelFunc
	users  int // guarded by Connector.mu

	asking chan struct{} // one caller at a time asks for the credential
	mu     sync.Mutex
	token  secret.Text
	until  time.Time
	closed bool
	calls  sync.WaitGroup
}

// session finds or makes the session of a key. release must be called.
func (c *Connector) session(key string) (s *session, release func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s = c.sessions[key]
	if s == nil {
		c.sweep()
		s = &session{c: c, asking: make(chan struct{}, 1)}
		s.ctx, s.cancel = context.WithCancel(context.Background())
		c.sessions[key] = s
	}
	s.users++
	return s, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		s.users--
	}
}

// sweep forgets sessions that nobody uses and whose token is over. The threshold doubles, so that it costs little on average.
func (c *Connector) sweep() {
	if len(c.sessions) < c.sweepAt {
		return
	}
	now := c.now()
	for key, s := range c.sessions {
		s.mu.Lock()
		over := !now.Before(s.until)
		s.mu.Unlock()
		if s.users == 0 && over {
			s.cancel()
			delete(c.sessions, key)
		}
	}
	c.sweepAt = max(fewSessions, 2*len(c.sessions))
}

// Held implements provider.Connector.
func (c *Connector) Held() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Collect(maps.Keys(c.sessions))
}

// Close implements provider.Connector: the token is forgotten, and calls in flight have ended when it returns.
func (c *Connector) Close(key string) {
	c.mu.Lock()
	s := c.sessions[key]
	delete(c.sessions, key)
	c.mu.Unlock()
	if s == nil {
		return
	}
	s.mu.Lock()
	s.closed, s.token, s.until = true, secret.Text{}, time.Time{}
	s.mu.Unlock()
	s.cancel()
	s.calls.Wait()
}

// credential answers the kept access token, or asks for one. Only one caller asks; the others wait for its answer.
func (s *session) credential(ctx context.Context, a provider.Account) (secret.Text, error) {
	select {
	case s.asking <- struct{}{}:
		defer func() { <-s.asking }()
	case <-ctx.Done():
		return secret.Text{}, errAnswer.Because(ctx.Err())
	}
	s.mu.Lock()
	token, until, closed := s.token, s.until, s.closed
	s.mu.Unlock()
	if closed {
		return secret.Text{}, errClosed
	}
	if !token.Empty() && s.c.now().Before(until) {
		return token, nil
	}
	credential, err := a.Credential(ctx)
	if err != nil {
		return secret.Text{}, err
	}
	if credential.AccessToken.Empty() {
		return secret.Text{}, provider.ErrCredentialRefused.Because(errors.New("no access token"))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return secret.Text{}, errClosed
	}
	s.token, s.until = credential.AccessToken, credential.ExpiresAt.Add(-tokenSlack)
	if credential.ExpiresAt.IsZero() {
		s.until = s.c.now().Add(tokenKeep)
	}
	return s.token, nil
}

// forget drops a token that Google refused.
func (s *session) forget(token secret.Text) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.token.Equal(token) {
		s.token, s.until = secret.Text{}, time.Time{}
	}
}

// call does one exchange with the API. A refused token is replaced once; what only reads is tried again after a rate limit or a
// failure, with growing pauses. do is Google's generated call; its error never leaves as it is, because it holds the answer's body.
func (s *session) call(ctx context.Context, a provider.Account, reads bool, do func(context.Context) error) error {
	pause := s.c.pause1
	renewed := false
	for try := 1; ; try++ {
		token, err := s.credential(ctx, a)
		if err != nil {
			return err
		}
		err = s.exchange(ctx, token, do)
		if err == nil {
			return nil
		}
		var g *googleapi.Error
		if errors.As(err, &g) && g.Code == http.StatusUnauthorized {
			s.forget(token)
			if renewed {
				return provider.ErrCredentialRefused
			}
			next, err := s.credential(ctx, a)
			if err != nil {
				return err
			}
			if next.Equal(token) {
				s.forget(token)
				return provider.ErrCredentialRefused
			}
			renewed = true
			continue
		}
		out, again := s.c.refusal(ctx, err)
		if s.ctx.Err() != nil && ctx.Err() == nil {
			return errClosed
		}
		wait := max(pause, out.After)
		if !again || !reads || try == tries || wait > longPause {
			return out
		}
		pause *= 2
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return out
		case <-s.ctx.Done():
			timer.Stop()
			return errClosed
		}
	}
}

// exchange runs do with the token, under the session's life.
func (s *session) exchange(ctx context.Context, token secret.Text, do func(context.Context) error) error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return errClosed
	}
	s.calls.Add(1)
	s.mu.Unlock()
	defer s.calls.Done()
	ctx, cancel := context.WithCancel(context.WithValue(ctx, bearerKey{}, token))
	defer cancel()
	defer context.AfterFunc(s.ctx, cancel)()
	return do(ctx)
}

// each runs do for 0..n-1, a few at a time, and answers the first error in order. After an error no further one is begun.
func each(ctx context.Context, n int, do func(context.Context, int) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	errs := make([]error, n)
	slots := make(chan struct{}, width)
	var wg sync.WaitGroup
	for i := 0; i < n && ctx.Err() == nil; i++ {
		slots <- struct{}{}
		wg.Add(1)
		go func() {
			defer func() { <-slots; wg.Done() }()
			if errs[i] = do(ctx, i); errs[i] != nil {
				cancel()
			}
		}()
	}
	wg.Wait()
	var first error
	for _, err := range errs {
		if err != nil && !errors.Is(err, context.Canceled) {
			return err
		}
		if first == nil {
			first = err
		}
	}
	if first == nil {
		return context.Cause(ctx)
	}
	return first
}

type bearerKey struct{}

// bearer puts a call's token on its requests and bounds their answers.
type bearer struct {
	next http.RoundTripper
	most int64 // bytes of an answer
}

func (b *bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	token, ok := r.Context().Value(bearerKey{}).(secret.Text)
	if !ok {
		return nil, errAnswer.Because(errors.New("a request without a token"))
	}
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+token.Reveal())
	res, err := b.next.RoundTrip(r)
	if err != nil {
		return nil, dial.WithoutURL(err)
	}
	res.Body = &bounded{ReadCloser: res.Body, left: b.most}
	return res, nil
}

// bounded ends an answer that goes on for too long.
type bounded struct {
	io.ReadCloser
	left int64
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, provider.ErrTooLarge
	}
	if int64(len(p)) > b.left {
		p = p[:b.left]
	}
	n, err := b.ReadCloser.Read(p)
	b.left -= int64(n)
	return n, err
}
