// Package webhook verifies what Postern sends, on the receiver's side. It needs nothing but Go's standard library.
//
// It owns the check of both signatures that Postern writes: X-Nylas-Signature, and the headers of Standard Webhooks where the webhook asked
// for them. It relies on the caller for the body exactly as it came over the wire: not parsed, not written anew, not decompressed. It keeps
// nothing, logs nothing, and knows nothing of events that came before: deliveries come at least once, so remember the ids.
//
//	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
//	...
//	if err := webhook.Verify(body, r.Header, os.Getenv("WEBHOOK_SECRET")); err != nil {
//		http.Error(w, "", http.StatusUnauthorized)
//		return
//	}
//	plain, err := webhook.Open(body, r.Header) // decompresses, if need be
package webhook
