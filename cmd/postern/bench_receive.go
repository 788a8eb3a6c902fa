package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/postern-mail/postern/cmd/postern/load"
	"github.com/postern-mail/postern/engine/secret"
	"github.com/postern-mail/postern/engine/verifications"
	"github.com/postern-mail/postern/models"
)

// receiveConns is how many senders deliver at once. Each waits for its answer, so the number bounds how many calls share one commit.
const receiveConns = 256

// receiveSecret signs the bench's events.
const receiveSecret = "the-secret-of-the-benchs-own-sender"

// benchReceive measures the way in: verified, in the log on disk, and answered. Issue figures: 10,000 a second, p99 under 50 ms at half of it, a refused
// call cheaper than an accepted one, and less than 32 MiB for a gzip bomb.
func benchReceive(ctx context.Context, b *bench) error {
	const name = "receive"
	w, err := b.world(ctx)
	if err != nil {
		return err
	}
	from, err := w.process.engine.Verifications.CreateSource(ctx, benchActor, verifications.SourceDraft{Application: w.application, Tenant: w.tenants[0], Name: "Bench",
		Kind: verifications.KindV3, Secret: secret.New(receiveSecret)})
	if err != nil {
		return err
	}
	path := "/hooks/" + from.ID.String()
	var at atomic.Int64
	genuine := func(int) []byte { return eventCall(path, at.Add(1)) }
	forged := func(int) []byte { return forgedCall(path, at.Add(1)) }

	used := w.cpuNow(ctx)
	full, err := load.Run(ctx, load.Plan{Addr: w.addr, Conns: receiveConns, For: b.seconds, Request: genuine})
	if err != nil {
		return err
	}
	spent := w.cpuNow(ctx)
	costAccepted := each(spent.own-used.own, full.Requests)
	b.rate(name, "accepted: verified, on disk, answered", full, 10_000, spent.per(used, full.Requests))
	half, err := load.Run(ctx, load.Plan{Addr: w.addr, Conns: receiveConns, For: b.seconds, Rate: 5000, Request: genuine})
	if err != nil {
		return err
	}
	b.slowest(name, "accepted, p99 at 5,000 a second", half, 50*time.Millisecond)
	used = w.cpuNow(ctx)
	refused, err := load.Run(ctx, load.Plan{Addr: w.addr, Conns: receiveConns, For: b.seconds, Request: forged, Status: "401"})
	if err != nil {
		return err
	}
	spent = w.cpuNow(ctx)
	costRefused := each(spent.own-used.own, refused.Requests)
	b.rate(name, "refused: counted on disk, answered", refused, full.Rate, spent.per(used, refused.Requests))
	b.note(figure{Measure: name, What: "processor time of a refused call", Value: costRefused, Unit: "us", Goal: costAccepted, AtMost: true, Note: fmt.Sprintf("of an accepted one %.0f us; load included, Postgres not", costAccepted)})
	if err := w.onDisk(ctx, b, name, from.ID, at.Load()); err != nil {
		return err
	}
	return benchBomb(ctx, b, w, name, path)
}

// onDisk compares the log with what was sent: every genuine event is there once, and every forged call was counted.
func (w *world) onDisk(ctx context.Context, b *bench, name string, endpoint models.EndpointID, sent int64) error {
	conn, err := pgx.Connect(ctx, w.dsn)
	if err != nil {
		return fmt.Errorf("look at the log: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // read only
	var rows, events, counted int64
	if err := conn.QueryRow(ctx, `SELECT count(*), count(DISTINCT event_id) FILTER (WHERE event_id <> ''), (SELECT coalesce(sum(count), 0)::bigint FROM verification_counts WHERE endpoint_id = $1)
		FROM verifications WHERE endpoint_id = $1`, endpoint.String()).Scan(&rows, &events, &counted); err != nil {
		return fmt.Errorf("count the log: %w", err)
	}
	b.note(figure{Measure: name, What: "calls that the log does not know", Value: float64(sent - rows - counted), Unit: "calls", Note: fmt.Sprintf("%d sent, %d rows of %d events, %d counted", sent, rows, events, counted)})
	return nil
}

// benchBomb sends genuine bodies that open to far more than the cap, and looks at the memory of this process meanwhile.
func benchBomb(ctx context.Context, b *bench, w *world, name, path string) error {
	var packed bytes.Buffer
	z, _ := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	zeros := make([]byte, 1<<20)
	for range 900 { // 900 MiB in less than 1 MiB
		if _, err := z.Write(zeros); err != nil {
			return err
		}
	}
	if err := z.Close(); err != nil {
		return err
	}
	call := signedCall(path, packed.Bytes(), "Content-Encoding: gzip\r\n")
	// One at a time: what one bomb adds. The length of the load is short, each opens ten mebibytes.
	added, err := heapAdded(func() error {
		_, err := load.Run(ctx, load.Plan{Addr: w.addr, Conns: 1, For: time.Second, Request: func(int) []byte { return call }, Status: "413"})
		return err
	})
	if err != nil {
		return err
	}
	b.note(figure{Measure: name, What: "memory that a gzip bomb adds", Value: added, Unit: "MiB", Goal: 32, AtMost: true, Note: fmt.Sprintf("%d KiB that open to 900 MiB, well signed; heap of the whole process, load included", packed.Len()>>10)})
	return nil
}

// heapAdded is how much more of the heap is in use at the worst moment of do, in MiB: of the whole process, the load and what waits for the collector included.
func heapAdded(do func() error) (float64, error) {
	runtime.GC()
	var before runtime.MemStats
	runtime.ReadMemStats(&before)
	stop, most := make(chan struct{}), make(chan uint64)
	go func() {
		var peak uint64
		var now runtime.MemStats
		for {
			select {
			case <-stop:
				most <- peak
				return
			case <-time.After(2 * time.Millisecond):
				runtime.ReadMemStats(&now)
				peak = max(peak, now.HeapInuse)
			}
		}
	}()
	err := do()
	close(stop)
	return float64(max(<-most, before.HeapInuse)-before.HeapInuse) / (1 << 20), err
}

// eventCall is a delivery of a new event of about 1 KiB, well signed.
func eventCall(path string, n int64) []byte {
	body := fmt.Appendf(nil, `{"specversion":"1.0","type":"message.created","source":"/google/emails/realtime","id":"bench-%d","time":%d,"data":{"application_id":"bench","object":{"grant_id":"bench","subject":"%s"}}}`,
		n, time.Now().Unix(), filler)
	return signedCall(path, body, "")
}

func signedCall(path string, body []byte, header string) []byte {
	h := hmac.New(sha256.New, []byte(receiveSecret))
	h.Write(body)
	return hookCall(path, body, header, h.Sum(nil))
}

// forgedCall is one whose signature nobody made.
func forgedCall(path string, n int64) []byte {
	sum := sha256.Sum256(fmt.Append(nil, n))
	return hookCall(path, fmt.Appendf(nil, `{"id":"forged-%d","type":"message.created","data":"%s"}`, n, filler), "", sum[:])
}

func hookCall(path string, body []byte, header string, signature []byte) []byte {
	out := fmt.Appendf(make([]byte, 0, len(body)+400), "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n%sX-Nylas-Signature: %s\r\nContent-Length: %d\r\n\r\n",
		path, header, hex.EncodeToString(signature), len(body))
	return append(out, body...)
}

var filler = strings.Repeat("postern ", 100)

// benchActor is who sets the bench up: an owner, as the portal would have it.
var benchActor = models.Actor{Kind: models.ActorMember, ID: "bench", Label: "bench", Role: models.Owner, Permissions: models.Owner.Permissions()}
