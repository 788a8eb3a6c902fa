// Package offboardings ends everything of a tenant: dry run, a second person's approval, execution in durable steps, certificate.
//
// It relies on the store's door for a tenant (migrations: tenant_is_open), which refuses whatever would begin anew, and on the deeds that cut a grant and delete a webhook, handed in by
// the engine. It never approves for anybody, never ends more than the frozen plan lists, and never does a step twice: each is one statement, or is guarded by the row it ends.
package offboardings
