package load

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

// Fetch is a plain client on each of conns connections that reads the newest page messages over and over, by the FETCH items of a listing.
func (d *Dovecot) Fetch(ctx context.Context, conns int, page uint32, over time.Duration) (Result, error) {
	var mu sync.Mutex
	var took []time.Duration
	var errs []error
	var all sync.WaitGroup
	end := time.Now().Add(over)
	for range conns {
		all.Go(func() {
			mine, err := d.fetchUntil(ctx, page, end)
			mu.Lock()
			defer mu.Unlock()
			took, errs = append(took, mine...), append(errs, err)
		})
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		return Result{}, err
	}
	if len(took) == 0 {
		return Result{}, errors.New("the bare client read nothing")
	}
	slices.Sort(took)
	return Result{Requests: len(took), Rate: float64(len(took)) / over.Seconds(), P50: Percentile(took, 50), P99: Percentile(took, 99)}, nil
}

func (d *Dovecot) fetchUntil(ctx context.Context, page uint32, end time.Time) ([]time.Duration, error) {
	c, err := d.Client()
	if err != nil {
		return nil, err
	}
	defer c.Close() //nolint:errcheck // nothing was changed
	box, err := c.Select("INBOX", &imap.SelectOptions{ReadOnly: true}).Wait()
	if err != nil {
		return nil, fmt.Errorf("open the inbox: %w", err)
	}
	set := imap.SeqSet{}
	set.AddRange(box.NumMessages-page+1, box.NumMessages)
	options := &imap.FetchOptions{UID: true, Flags: true, InternalDate: true, RFC822Size: true, BodySection: []*imap.FetchItemBodySection{{Peek: true}}}
	var took []time.Duration
	for time.Now().Before(end) && ctx.Err() == nil {
		began := time.Now()
		var got []*imapclient.FetchMessageBuffer
		if got, err = c.Fetch(set, options).Collect(); err != nil || len(got) != int(page) {
			return took, errors.Join(fmt.Errorf("the bare FETCH answered %d messages", len(got)), err)
		}
		took = append(took, time.Since(began))
	}
	return took, nil
}
