// Package web is Postern's HTTP plumbing: one server, its order of middleware, its routes with their permissions, and how an
// error becomes a status.
//
// It owns request ids, security headers, the access log, body limits, the session cookie, the cross-origin check, the permission
// check, rendering, static files, health and metrics. It relies on echo, templ and gorilla/sessions, and on a keeper of sessions and
// a door's own way to tell the actor, both handed in. It never decides what a person or program may do beyond the permission
// that stands beside the route, and never reads or writes the database.
package web
