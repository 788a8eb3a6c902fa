package audit

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/models"
	"github.com/postern-mail/postern/models/store"
)

// Witness is a place that the log's checkpoints are published to: a file, a receiver or the machine's log. One checkpoint that somebody else keeps is enough to show that the log was
// rewritten after it.
type Witness struct {
	kind   string // file, webhook, syslog
	target string // path or URL; a URL may hold a token
}

// errWitness says that a witness was written wrong.
var errWitness = fault.New(fault.Invalid, "bad_witness", "A witness is file:/path, syslog, syslog:/path/of/a/socket, or the https address of a receiver.").At("witnesses")

// ParseWitness reads "file:/path", "syslog", "syslog:/path/of/a/socket" or an http or https address.
func ParseWitness(text string) (Witness, error) {
	text = strings.TrimSpace(text)
	kind, rest, _ := strings.Cut(text, ":")
	switch kind {
	case "file":
		if filepath.IsAbs(rest) && filepath.Clean(rest) == rest {
			return Witness{kind, rest}, nil
		}
	case "syslog":
		if text == kind {
			return Witness{kind, "/dev/log"}, nil
		}
		if filepath.IsAbs(rest) {
			return Witness{kind, rest}, nil
		}
	case "https", "http": // the guard refuses plain http beyond what the operator opened
		if u, err := url.Parse(text); err == nil && u.Host != "" && u.User == nil && u.Fragment == "" {
			return Witness{"webhook", text}, nil
		}
	}
	return Witness{}, errWitness
}

// Shown names the witness for people: its kind, and its file or host. The rest of an address may be a secret.
func (w Witness) Shown() string {
	if u, err := url.Parse(w.target); err == nil && w.kind == "webhook" {
		return w.kind + " " + u.Host
	}
	return w.kind + " " + w.target
}

func (w Witness) name() string {
	sum := sha256.Sum256([]byte(w.target))
	return w.kind + "-" + hex.EncodeToString(sum[:8])
}

const (
	witnessLook  = 2 * time.Second  // between looks for something to publish
	witnessEvery = time.Minute      // least time between two checkpoints to one witness: the newest says what those between said
	witnessHold  = time.Minute      // how long a process that died keeps a witness from the others
	witnessCall  = 20 * time.Second // longest attempt
	witnessWorst = 15 * time.Minute // longest wait after a failure
)

// Publish tells every witness the newest checkpoint until ctx ends, apart from the sequencer: a witness that is down or slow holds up nothing but itself.
func (l *Log) Publish(ctx context.Context) {
	if len(l.witnesses) == 0 {
		return
	}
	tick := time.NewTicker(witnessLook)
	defer tick.Stop()
	for {
		for _, w := range l.witnesses {
			if _, err := l.PublishTo(ctx, w); err != nil && ctx.Err() == nil {
				l.log.WarnContext(ctx, "a witness could not be told the audit log's checkpoint", "witness", w.Shown(), "error", err.Error())
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// PublishTo tells one witness the newest checkpoint, where it is due and no other process does. It says whether it did. A failure is noted with the witness and tried again: after 5 seconds, then
// twice as long each time, up to 15 minutes.
func (l *Log) PublishTo(ctx context.Context, w Witness) (bool, error) {
	now := l.now().UTC()
	var last models.Checkpoint
	var tries int
	mine := false
	err := l.store.OnPlatform(ctx, "take a witness", func(tx *store.Tx) (err error) {
		if last, err = tx.LatestCheckpoint(); err != nil {
			return err
		}
		if err := tx.InsertWitness(models.Witness{Name: w.name(), Shown: w.Shown(), NextAt: now}); err != nil {
			return err
		}
		if mine, err = tx.TakeWitness(w.name(), last.Size, now, now.Add(witnessHold)); err != nil || !mine {
			return err
		}
		known, err := tx.Witnesses()
		for _, k := range known {
			if k.Name == w.name() {
				tries = k.Tries
			}
		}
		return err
	})
	if errors.Is(err, store.ErrNotFound) || err == nil && !mine {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	calling, cancel := context.WithTimeout(ctx, witnessCall)
	defer cancel()
	problem := l.tell(calling, w, last)
	noting := context.WithoutCancel(ctx)
	err = l.store.OnPlatform(noting, "note what a witness answered", func(tx *store.Tx) error {
		at := l.now().UTC()
		if problem == nil {
			return tx.MarkWitnessTold(w.name(), last.Size, at, at.Add(witnessEvery))
		}
		return tx.MarkWitnessFailed(w.name(), words(problem), at.Add(min(witnessWorst, 5*time.Second<<min(tries, 8))))
	})
	return problem == nil && err == nil, errors.Join(problem, err)
}

// words are what people may read of a failure.
func words(err error) string {
	if f, ok := fault.As(err); ok {
		return f.Public
	}
	return "It could not be told."
}

func (l *Log) tell(ctx context.Context, w Witness, c models.Checkpoint) error {
	switch w.kind {
	case "file":
		return toFile(w.target, c.Note)
	case "syslog":
		return l.toSyslog(ctx, w.target, c)
	default:
		return l.toWebhook(ctx, w.target, c.Note)
	}
}

var (
	errWitnessFile   = fault.New(fault.Unavailable, "witness_file", "The file cannot be written. Let Postern's user write it, and look at the space on its disk.")
	errWitnessSyslog = fault.New(fault.Unavailable, "witness_syslog", "The machine's log does not answer at that socket.")
	errWitnessAnswer = fault.New(fault.Upstream, "witness_answer", "The receiver did not answer with a 2xx status.")
	errWitnessCall   = fault.New(fault.Upstream, "witness_call", "The receiver could not be reached.")
)

// toFile adds the note to the file's end, in one write, and waits for the disk. An empty line parts it from the next one.
func toFile(path, text string) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o640) //nolint:gosec // the operator names it, and others are meant to read it
	if err != nil {
		return errWitnessFile.Because(err)
	}
	_, err = file.WriteString(text + "\n")
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return errWitnessFile.Because(err)
	}
	return nil
}

// toSyslog writes one line as local syslog takes it: priority 110 is log audit, informational (RFC 5424 section 6.2.1). The note stands in it as a JSON text, because it has several lines.
func (l *Log) toSyslog(ctx context.Context, path string, c models.Checkpoint) error {
	conn, err := l.local(ctx, path)
	if err != nil {
		return errWitnessSyslog.Because(err)
	}
	defer conn.Close() //nolint:errcheck // what was written is with the kernel
	if end, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(end) // a socket that takes none has none
	}
	text, err := json.Marshal(c.Note)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(conn, "<110>%s postern[%d]: audit checkpoint size %d %s\n", c.At.UTC().Format(time.Stamp), os.Getpid(), c.Size, text); err != nil {
		return errWitnessSyslog.Because(err)
	}
	return nil
}

// toWebhook posts the note. It needs no signature of ours beside its own.
func (l *Log) toWebhook(ctx context.Context, address, text string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader([]byte(text)))
	if err != nil {
		return errWitnessCall.Because(errors.New("not an address"))
	}
	request.Header.Set("Content-Type", "text/plain; charset=utf-8")
	request.Header.Set("User-Agent", "postern-audit")
	answer, err := l.client.Do(request)
	if err != nil {
		var call *url.Error // holds the address, which may hold a token
		if errors.As(err, &call) {
			err = call.Err
		}
		return errWitnessCall.Because(err)
	}
	defer answer.Body.Close()                                       //nolint:errcheck // read to its end or given up
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, 64<<10)) // so that the connection can be used again
	if answer.StatusCode/100 != 2 {
		return errWitnessAnswer.Because(fmt.Errorf("status %d", answer.StatusCode))
	}
	return nil
}

// Witnesses tells how far each witness of this program's settings was told, in their order. One that was never tried has only its name.
func (l *Log) Witnesses(ctx context.Context) ([]models.Witness, error) {
	var out []models.Witness
	if len(l.witnesses) == 0 {
		return nil, nil
	}
	err := l.store.OnPlatform(ctx, "show the witnesses", func(tx *store.Tx) error {
		known, err := tx.Witnesses()
		out = nil
		for _, w := range l.witnesses {
			row := models.Witness{Name: w.name(), Shown: w.Shown()}
			for _, k := range known {
				if k.Name == row.Name {
					row = k
				}
			}
			out = append(out, row)
		}
		return err
	})
	return out, err
}

// SplitNotes takes apart checkpoints that stand in one text, as a witness's file holds them. An incomplete one at the end, cut off by a crash, stays a text of its own and does not verify.
func SplitNotes(text string) []string {
	var out []string
	var one strings.Builder
	signed := false
	for line := range strings.Lines(text) {
		if signed && !strings.HasPrefix(line, "\u2014 ") {
			out, signed = append(out, one.String()), false
			one.Reset()
			if strings.TrimSpace(line) == "" {
				continue
			}
		}
		signed = signed || strings.HasPrefix(line, "\u2014 ")
		one.WriteString(line)
	}
	if strings.TrimSpace(one.String()) != "" {
		out = append(out, one.String())
	}
	return out
}
