// Package consent is the door of the hosted pages: what a mailbox owner sees between a connect link, or a program's connect/auth, and a connected mailbox.
//
// It owns the cookie that ties a flow to one browser, and the order of the pages. It relies on engine/grants for every decision. It has no session and
// knows nobody: a flow, a cookie and the provider's word are all there is.
package consent
