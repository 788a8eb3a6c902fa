// Package inbound is the door for signed requests from outside: /hooks/{endpoint}, and providers' pushes under /push.
//
// It owns the answers: 200 for what is genuine, 401 for what is not, 413 for what is too large, 404 where there is no such endpoint, and 503,
// never another 5xx, when the fault is ours, so that the sender tries again. It relies on engine/verifications, which checks and logs. It reads no
// session, trusts no header but the signature, and shows nothing of a body, a secret or a reason to the caller.
package inbound
