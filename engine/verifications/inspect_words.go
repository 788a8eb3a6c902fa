package verifications

import "slices"

// findings are the words for what Inspect finds. Those that the log has too are taken from there.
var findings = []Advice{
	{MistakeReencoded, "The JSON was written anew", "The signature covers the same JSON in another spelling. The bytes that were checked were parsed and written again: spaces, escapes or the order of names changed.",
		"Verify the request's body as it came, before anything parses it. In most frameworks that needs a raw-body reader on this route."},
	{MistakeDecompressed, "The body was decompressed", "The call says Content-Encoding: gzip, and these bytes are not compressed. The signature covers the compressed bytes, so it cannot be checked against these.",
		"Verify first and decompress then. A proxy or a framework that decompresses unasked must be told to leave this route alone."},
	{MistakeNotOpened, "The decompressed bytes were signed", "The signature covers the body as it was before compression. Postern and Nylas sign the compressed bytes.",
		"Let the sender compress first and sign what goes over the wire."},
	{MistakeNewline, "A line break at the end", "The signature fits when a line break at the end of the body is taken away or added.",
		"Look for a tool that adds or cuts a line break: an editor, echo without -n, a template. Verify the bytes as they came."},
	{MistakeLines, "Line endings were changed", "The signature fits when the line endings, or the byte order mark, are as they were.",
		"Treat the body as bytes, not as text, from the socket to the check."},
	{MistakeSpelling, "The signature is spelled otherwise", "The signature is right, in another spelling than its header demands: base64 for hexadecimal or the other way, or with something before it.",
		"X-Nylas-Signature is 64 hexadecimal digits and nothing else. Webhook-Signature is v1, and base64."},
	{MistakeSecretForm, "The secret was read in another way", "The signature fits when the secret is read in another way than its scheme says.",
		"Use the secret as it was shown: for X-Nylas-Signature the text itself, for Standard Webhooks what follows whsec_, decoded from base64. Take no line break with it from a file."},
	{MistakeHeader, "The signature is in another header", "The signature is right, and it stands in a header where a receiver does not look for it.",
		"Let the sender use X-Nylas-Signature, or Webhook-Signature together with Webhook-Id and Webhook-Timestamp."},
	{WrongSecret, "No match", "Under this secret no signature in the headers fits these bytes, in any of the ways that are usually meant.",
		"Most likely the secret is another one: compare it with the one shown at the last rotation. Or the body was changed: capture it again, as bytes, straight from the socket."},
	{MissingSignature, "No signature", "None of the headers holds a signature.", "Paste the headers too: X-Nylas-Signature, or the three of Standard Webhooks. If the sender wrote one, a proxy takes it away."},
	{MalformedSignature, "Unreadable signature", "The header of the signature is there, and what it holds is no signature, or it is there more than once.", "It must hold 32 bytes: 64 hexadecimal digits or, in Webhook-Signature, v1, and base64."},
}

// say puts the words to a finding.
func say(f Finding) Finding {
	if f.Genuine {
		f.Title, f.Meaning = "Genuine", "The signature fits these bytes under this secret."
		return f
	}
	if i := slices.IndexFunc(findings, func(a Advice) bool { return a.Reason == f.Mistake }); i >= 0 {
		f.Title, f.Meaning, f.Do = findings[i].Title, findings[i].Meaning, findings[i].Do
		return f
	}
	a := AdviceFor(f.Mistake)
	f.Title, f.Meaning, f.Do = a.Title, a.Meaning, a.Do
	return f
}
