// Package outbox records what must follow a change: an event to tell, a job to do.
//
// It owns the rule that both are committed with the change that caused them, or not at all. It relies on River for jobs, on models/store for events
// and on engine/sealed for their payloads. It sends nothing: the deeds' workers do. Job arguments hold ids only.
package outbox
