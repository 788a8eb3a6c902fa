package verifications

import "slices"

// Advice says in words what a reason means and what to do about it; Do is empty where there is nothing to do.
type Advice struct {
	Reason  string
	Title   string
	Meaning string
	Do      string
}

var advices = []Advice{
	{OK, "Genuine", "The signature matches the body under the secret in force, and the event came for the first time.", ""},
	{OKPreviousSecret, "Genuine, previous secret", "The signature matches under the secret before the last rotation, and its overlap is still running.",
		"Give the sender the new secret before the overlap ends. After that, calls like this one are refused."},
	{Duplicate, "Genuine, seen before", "The signature matches, and an event with this id was accepted earlier. It was answered with 200 and had no further effect.",
		"Senders deliver at least once, so this is expected; many repeats say that an answer reaches the sender too late."},
	{MissingSignature, "No signature", "The request had no X-Nylas-Signature header or, for a sender by Standard Webhooks, not all three of its headers.",
		"If the sender is yours, check that a proxy between it and Postern does not strip the header. Otherwise somebody tried the address; nothing got in."},
	{MalformedSignature, "Unreadable signature", "The signature header was not 64 hexadecimal digits, or it was there more than once. For a sender by Standard Webhooks: id, time or signature could not be read.",
		"Let the sender write HMAC-SHA256 in hexadecimal, not in base64, in one header and with nothing before it."},
	{WrongSecret, "Wrong secret", "The signature matches the body under no secret of this endpoint.",
		"Compare the secret that the sender uses with the one shown at the last rotation. If it is right, the sender signs other bytes than it sends. If you do not know the sender, somebody tried to forge an event; nothing got in."},
	{AlteredBody, "Body altered", "This signature was genuine, for another body: the body was changed after it was signed.",
		"Look for a proxy, a gateway or a firewall that rewrites bodies on the way. If there is none, somebody tried to reuse a signature; nothing got in."},
	{SignedOtherRepresentation, "Signed the decompressed body", "The body came compressed, and the signature covers it as it was before compression.",
		"Let the sender compress first and sign the compressed bytes, just as they go over the wire."},
	{OldSecret, "Secret has ended", "The signature matches under a secret that was rotated away and no longer counts.",
		"Give the sender the new secret. For the next rotation choose an overlap, so that no event is lost meanwhile."},
	{NotAllowlisted, "Address not allowed", "The request came from an address outside this endpoint's list. Its signature was not looked at.",
		"If the sender has new addresses, add them to the endpoint's list. Otherwise nothing."},
	{Oversize, "Too large", "The body was larger than 1 MiB and was not read to its end.",
		"Let the sender shorten its events. Postern's own never reach that size."},
	{DecompressionBomb, "Opens too far", "The signature is good, but the compressed body opens to more than 10 MiB or more than a hundred times its size.",
		"Ask whoever runs the sender what it sent: it knows the secret."},
	{BadEncoding, "Unreadable compression", "The signature is good, but the body is not in the encoding that its header names.",
		"Let the sender use gzip or none, and name it in Content-Encoding."},
	{NotJSON, "Not an event", "The signature is good, but the body is not the JSON of an event: one object with an id and a type, each name once.",
		"Ask whoever runs the sender what it sent: it knows the secret."},
	{Stale, "Too old", "The signature is good, but the call names a time more than 5 minutes from Postern's own. A captured call that is sent again later looks like this.",
		"Compare the clocks of the sender and of this machine. If both are right, somebody kept the call and sent it again; nothing got in."},
	{Replayed, "Sent again unchanged", "The very same call, with the same signature, was accepted before. It was answered with 200 and had no further effect.",
		"A network device that repeats requests does this now and then. Many of them say that somebody sends a captured call again; nothing got in."},
	{RotationWindow, "Put off during a rotation", "No known secret explains the signature, and a rotation of the sender's secret is declared. The call was answered with 503, so that the sender tries again.",
		"Enter the new secret before the window ends. The sender's next attempt is then accepted."},
	{WrongClaims, "A token for somebody else", "The provider's token is genuine, and was made for another audience, another account or another app.",
		"Compare the audience and the service account of the subscription with Postern's settings. If they are right, somebody tried a token of theirs; nothing got in."},
	{Paused, "Put off: the source is paused", "Somebody paused this source. The call was answered with 503 and not looked at, so that the sender tries again.",
		"Resume the source when it is time. Senders try again for hours or days, and give up after that."},
	{UnknownEndpoint, "No such endpoint", "The request went to an endpoint that does not exist or was turned off.",
		"If the sender is yours, give it the endpoint's present address. Otherwise nothing."},
}

// AdviceFor gives the words for a reason. For one that it does not know it repeats the reason.
func AdviceFor(reason string) Advice {
	i := slices.IndexFunc(advices, func(a Advice) bool { return a.Reason == reason })
	if i < 0 {
		return Advice{Reason: reason, Title: reason, Meaning: "This version of Postern has no words for this reason.", Do: "Look it up in the version that wrote it."}
	}
	return advices[i]
}

// Reasons lists every reason, acceptances first.
func Reasons() []string {
	out := make([]string, len(advices))
	for i, a := range advices {
		out[i] = a.Reason
	}
	return out
}

// Sources lists what can stand as the source of a call.
func Sources() []string {
	return []string{selfKind, KindV3, KindStandard, googleSource, microsoftSource, receiverSource, unknownSource}
}
