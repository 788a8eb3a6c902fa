// Package portal is the door for people: sign-in, and the pages of staff, reviewers and customers.
//
// It owns the addresses of those pages, the permission beside each, and the turning of rows into what a page shows. It relies on web for
// sessions and permissions and on the deeds for everything that is true. It never decides what an actor may know of: it passes the
// actor on, and a foreign id comes back as not found.
package portal
