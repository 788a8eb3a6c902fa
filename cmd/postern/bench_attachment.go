package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/textproto"

	"github.com/postern-mail/postern/cmd/postern/load"
)

// attachmentSize with its wrapping stays below the 25 MB that a request may have.
const attachmentSize = 24_000_000

// benchAttachment puts a large file into a mailbox through the API and reads it back. Issue figure: each adds at most 4 MiB to the process.
func benchAttachment(ctx context.Context, b *bench) error {
	const name = "attachment"
	w, err := b.world(ctx)
	if err != nil {
		return err
	}
	server, err := load.StartDovecot(ctx)
	if err != nil {
		return err
	}
	defer server.Close() //nolint:errcheck // it served its purpose
	id, err := w.connectIMAP(ctx, server)
	if err != nil {
		return err
	}
	mailbox := "http://" + w.addr + "/v3/grants/" + id
	var draft struct {
		Data struct {
			ID          string `json:"id"`
			Attachments []struct {
				ID string `json:"id"`
			} `json:"attachments"`
		} `json:"data"`
	}
	up := func() error {
		body, kind := fileForm()
		defer body.Close() //nolint:errcheck // ends the goroutine that writes it
		answer, err := w.call(ctx, http.MethodPost, mailbox+"/drafts", body, kind)
		if err != nil {
			return err
		}
		return json.Unmarshal(answer, &draft)
	}
	down := func() error {
		request, err := w.request(ctx, http.MethodGet, fmt.Sprintf("%s/attachments/%s/download?message_id=%s", mailbox, draft.Data.Attachments[0].ID, draft.Data.ID), nil)
		if err != nil {
			return err
		}
		answer, err := w.client().Do(request)
		if err != nil {
			return err
		}
		defer answer.Body.Close() //nolint:errcheck // read to its end
		n, err := io.Copy(io.Discard, answer.Body)
		if err == nil && (answer.StatusCode != http.StatusOK || n != attachmentSize) {
			err = fmt.Errorf("the file came back with %d and %d bytes", answer.StatusCode, n)
		}
		return err
	}
	for _, way := range []struct {
		what string
		do   func() error
	}{{"up, into a draft", up}, {"down", down}} {
		if err := way.do(); err != nil { // once unmeasured: connections, and what is made at first use
			return fmt.Errorf("a file %s: %w", way.what, err)
		}
		if len(draft.Data.Attachments) != 1 {
			return fmt.Errorf("the draft has %d attachments", len(draft.Data.Attachments))
		}
		added, err := heapAdded(way.do)
		if err != nil {
			return fmt.Errorf("a file %s: %w", way.what, err)
		}
		b.note(figure{Measure: name, What: "memory that 24 MB " + way.what + ", adds", Value: added, Unit: "MiB", Goal: 4, AtMost: true, Note: "heap of the whole process, client and garbage included"})
	}
	return nil
}

// request is one of the world's program.
func (w *world) request(ctx context.Context, method, url string, body io.Reader) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, method, url, body)
	if err == nil {
		r.Header.Set("Authorization", "Bearer "+w.key)
	}
	return r, err
}

// call makes a request and reads its small answer, which must be 200.
func (w *world) call(ctx context.Context, method, url string, body io.Reader, kind string) ([]byte, error) {
	r, err := w.request(ctx, method, url, body)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", kind)
	answer, err := w.client().Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close() //nolint:errcheck // read to its end
	text, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s answered %d: %.200s", url, answer.StatusCode, text)
	}
	return text, err
}

// fileForm is a form with a message and a file, written while it is read.
func fileForm() (body *io.PipeReader, kind string) {
	body, in := io.Pipe()
	form := multipart.NewWriter(in)
	go func() {
		in.CloseWithError(func() error {
			if err := form.WriteField("message", `{"subject":"A large file","body":"It is attached."}`); err != nil {
				return err
			}
			part, err := form.CreatePart(textproto.MIMEHeader{"Content-Disposition": {`form-data; name="file0"; filename="large.bin"`}, "Content-Type": {"application/octet-stream"}})
			if err != nil {
				return err
			}
			block := bytes.Repeat([]byte("0123456789abcdef"), 2000)
			for sent := 0; sent < attachmentSize; sent += len(block) {
				if _, err := part.Write(block[:min(len(block), attachmentSize-sent)]); err != nil {
					return err
				}
			}
			return form.Close()
		}())
	}()
	return body, form.FormDataContentType()
}
