package store

import (
	"time"

	"github.com/postern-mail/postern/models"
)

// Inventory is everything a tenant has, for the dry run of an offboarding. Digests are SHA-256 over the ids in order, hexadecimal.
type Inventory struct {
	Grants        []ProviderGrants
	GrantsDigest  string
	Keys          []string // "name (prefix)"
	KeysDigest    string
	Links         int // that could still be followed
	LinksDigest   string
	Webhooks      []string // addresses
	WebhookIDs    []models.WebhookID
	HooksDigest   string
	Members       int
	MembersDigest string
	Sessions      int
	Apps          []ProviderApp
}

// ProviderGrants is how many grants of one provider there are.
type ProviderGrants struct {
	Provider string
	Live     int // to be severed
	Revoked  int // cut before: only their record is left
}

// ProviderApp is a registration at a provider through which a tenant's grants go.
type ProviderApp struct {
	Provider    string
	Application string
	ClientID    string
}

const digestOf = `encode(sha256(convert_to(COALESCE(string_agg(id::text, ',' ORDER BY id), ''), 'UTF8')), 'hex')`

// Inventory reads what a tenant has. It is for the platform's scope.
func (t *Tx) Inventory(tenant models.TenantID, at time.Time) (Inventory, error) {
	var v Inventory
	if err := t.db.Raw(`SELECT provider, count(*) FILTER (WHERE revoked_at IS NULL) AS live, count(*) FILTER (WHERE revoked_at IS NOT NULL) AS revoked FROM grants WHERE tenant_id = ? GROUP BY provider ORDER BY provider`,
		tenant).Scan(&v.Grants).Error; err != nil {
		return v, wrap(err)
	}
	digest, err := t.GrantsDigest(tenant)
	if err != nil {
		return v, err
	}
	v.GrantsDigest = digest
	for _, q := range []struct {
		into any
		sql  string
	}{
		{&v.Keys, `SELECT name || ' (' || prefix || '…)' FROM api_keys WHERE tenant_id = ? AND revoked_at IS NULL ORDER BY id`},
		{&v.KeysDigest, `SELECT ` + digestOf + ` FROM api_keys WHERE tenant_id = ? AND revoked_at IS NULL`},
		{&v.Links, `SELECT count(*) FROM connect_links WHERE tenant_id = ? AND used_at IS NULL AND revoked_at IS NULL`},
		{&v.LinksDigest, `SELECT ` + digestOf + ` FROM connect_links WHERE tenant_id = ? AND used_at IS NULL AND revoked_at IS NULL`},
		{&v.Webhooks, `SELECT url FROM webhooks WHERE tenant_id = ? ORDER BY id`},
		{&v.WebhookIDs, `SELECT id FROM webhooks WHERE tenant_id = ? ORDER BY id`},
		{&v.HooksDigest, `SELECT ` + digestOf + ` FROM webhooks WHERE tenant_id = ?`},
		{&v.Members, `SELECT count(*) FROM memberships WHERE tenant_id = ?`},
		{&v.MembersDigest, `SELECT ` + digestOf + ` FROM memberships WHERE tenant_id = ?`},
		{&v.Apps, `SELECT c.provider, a.name AS application, c.client_id FROM connectors c JOIN applications a ON a.id = c.application_id
			WHERE EXISTS (SELECT FROM grants g WHERE g.tenant_id = ? AND g.application_id = c.application_id AND g.provider = c.provider) ORDER BY 1, 2`},
	} {
		if err := t.db.Raw(q.sql, tenant).Scan(q.into).Error; err != nil {
			return v, wrap(err)
		}
	}
	err = t.db.Raw(`SELECT count(*) FROM sessions WHERE expires_at > ? AND member_id IN (SELECT member_id FROM memberships WHERE tenant_id = ?)`, at, tenant).Scan(&v.Sessions).Error
	return v, wrap(err)
}

// GrantsDigest tells which grants a tenant has, in 64 characters.
func (t *Tx) GrantsDigest(tenant models.TenantID) (string, error) {
	var digest string
	err := t.db.Raw(`SELECT `+digestOf+` FROM grants WHERE tenant_id = ?`, tenant).Scan(&digest).Error
	return digest, wrap(err)
}
