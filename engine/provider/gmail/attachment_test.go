package gmail_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/postern-mail/postern/engine/dial"
	"github.com/postern-mail/postern/engine/fault"
	"github.com/postern-mail/postern/engine/provider"
	"github.com/postern-mail/postern/engine/provider/gmail"
	"github.com/postern-mail/postern/engine/secret"
)

// attachmentServer answers one message with one attachment, whose answer is written by serve.
func attachmentServer(t *testing.T, serve http.HandlerFunc) (*gmail.Connector, provider.Account) {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if strings.Contains(r.URL.Path, "/attachments/") {
			serve(w, r)
			return
		}
		fmt.Fprint(w, `{"id":"18f0000000000001","threadId":"18f0000000000001","payload":{"mimeType":"multipart/mixed","parts":[{"partId":"0","mimeType":"text/plain","body":{"size":1}},
			{"partId":"1","mimeType":"application/zip","filename":"a.zip","headers":[{"name":"Content-Disposition","value":"attachment"}],"body":{"size":10,"attachmentId":"ANGjdJ"}}]}}`)
	}))
	t.Cleanup(s.Close)
	c := gmail.New(gmail.Config{Guard: dial.New(dial.Config{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}), APIURL: s.URL})
	return c, provider.Account{Key: "g:1", Credential: func(context.Context) (provider.Credential, error) {
		return provider.Credential{AccessToken: secret.New("ya29.x")}, nil
	}}
}

// An attachment is decoded while it comes: its first bytes are read before the last were sent.
func TestAttachmentStreams(t *testing.T) {
	read := make(chan struct{})
	c, a := attachmentServer(t, func(w http.ResponseWriter, r *http.Request) {
		encoded := base64.URLEncoding.EncodeToString([]byte("first and after"))
		fmt.Fprint(w, `{"size": 15, "data": "`+encoded[:12])
		_ = http.NewResponseController(w).Flush()
		select {
		case <-read:
			fmt.Fprint(w, strings.ReplaceAll(encoded[12:], "=", `\u003d`)+"\",\n \"attachmentId\":\"x\"}")
		case <-r.Context().Done():
		}
	})
	about, r, err := c.Attachment(context.Background(), a, "18f0000000000001", "2")
	if err != nil || about.Filename != "a.zip" || about.Size != 10 {
		t.Fatalf("%+v %v", about, err)
	}
	defer r.Close()
	first := make([]byte, 6)
	if _, err := io.ReadFull(r, first); err != nil || string(first) != "first " {
		t.Fatalf("%q %v", first, err)
	}
	close(read)
	if rest, err := io.ReadAll(r); err != nil || string(rest) != "and after" {
		t.Errorf("%q %v", rest, err)
	}
	if _, _, err := c.Attachment(context.Background(), a, "18f0000000000001", "1"); !errors.Is(err, provider.ErrAttachmentNotFound) {
		t.Errorf("the text as an attachment: %v", err)
	}
}

// Half a file is never taken for a whole one, whatever breaks.
func TestBrokenAttachments(t *testing.T) {
	blob := bytes.Repeat([]byte{0xfb, 0xff, 0x00}, 30_000)
	encoded := base64.URLEncoding.EncodeToString(blob)
	for name, answer := range map[string]string{"cut in the midst": `{"data":"` + encoded[:50_000], "no JSON": `<html>`, "not base64": `{"data":"` + encoded[:1000] + `!!!!"}`, "an object": `{"data":{}}`, "cut before": `{"size"`, "endless name": `{"` + strings.Repeat("x", 1000) + `":1}`} {
		c, a := attachmentServer(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, answer) })
		_, r, err := c.Attachment(context.Background(), a, "18f0000000000001", "2")
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if b, err := io.ReadAll(r); err == nil {
			t.Errorf("%s: read to the end, %d bytes", name, len(b))
		}
		_ = r.Close()
	}
	for name, answer := range map[string]string{"other fields first": `{"attachmentId":"a\"b","size":1,"x":null,"data":"` + encoded + `"}`, "the standard alphabet": `{"data":"` + strings.ReplaceAll(base64.StdEncoding.EncodeToString(blob), "/", `\/`) + `"}`} {
		c, a := attachmentServer(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, answer) })
		_, r, err := c.Attachment(context.Background(), a, "18f0000000000001", "2")
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(r); err != nil || !bytes.Equal(b, blob) {
			t.Errorf("%s: %d bytes, %v", name, len(b), err)
		}
		_ = r.Close()
	}
	// A connection that is cut while somebody reads.
	c, a := attachmentServer(t, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, `{"data":"`+encoded[:1000])
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	_, r, err := c.Attachment(context.Background(), a, "18f0000000000001", "2")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	c.Close(a.Key)
	if _, err := io.ReadAll(r); err == nil {
		t.Error("read to the end after the cut")
	}
	// A refusal is one.
	c, a = attachmentServer(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprint(w, `{"error":{"code":403,"errors":[{"reason":"insufficientPermissions"}]}}`)
	})
	if _, _, err := c.Attachment(context.Background(), a, "18f0000000000001", "2"); !errors.Is(err, provider.ErrScopeMissing) || fault.KindOf(err) != fault.Denied {
		t.Errorf("%v", err)
	}
}
