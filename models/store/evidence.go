package store

import (
	"time"

	"github.com/postern-mail/postern/models"
)

// InstallationFacts is what the requirement map asks of the whole installation. Everything is read from the catalogue and the tables as they are.
type InstallationFacts struct {
	TenantTables     int // tables that carry tenant_id
	Unwalled         int // of them, without forced row-level security
	StrongRoles      int // runtime roles that are superuser or pass by row-level security
	SealedReachable  int // tables of sealed values that the role for all tenants can read
	AuditWritable    int // ways in which a runtime role can change or delete audit entries
	AuditGuards      int // enabled triggers that refuse a change of audit entries
	AuditWaiting     int // entries that are not in the Merkle log
	AuditOldest      *time.Time
	Staff            int // members with a role, not locked out
	StaffNoPasskey   int
	LongSessions     int // sessions that were given more than the longest life of a role
	Keys             int // API keys in force
	KeysForever      int // of them, without an end and older than a year
	Webhooks         int
	WebhooksNoSecret int
	OldSecrets       int // webhook secrets in force, older than 180 days
	PlainCallbacks   int // callback addresses over plain http that are not this machine
	Callbacks        int
	Elsewhere        int // tenants of another region
	Tenants          int
	NewHosts         int // outside hosts that nobody has looked at
	Hosts            int
	SelfChecked      bool // a signed event of our own was accepted within a day
	LastingTokens    int  // access tokens of ours without an end, or of more than a day
}

// InstallationFacts reads them. region is this installation's; longest the longest life of a session.
func (t *Tx) InstallationFacts(region string, longest time.Duration, now time.Time) (InstallationFacts, error) {
	var f InstallationFacts
	err := t.db.Raw(`SELECT
		(SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND a.attname = 'tenant_id' AND NOT a.attisdropped) AS tenant_tables,
		(SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND a.attname = 'tenant_id' AND NOT a.attisdropped
			AND NOT (c.relrowsecurity AND c.relforcerowsecurity)) AS unwalled,
		(SELECT count(*) FROM pg_roles WHERE (rolname = current_user OR rolname IN ('postern_app', 'postern_platform', 'postern_lookup', 'postern_eraser')) AND (rolsuper OR rolbypassrls)) AS strong_roles,
		(SELECT count(*) FROM unnest(ARRAY['sealed', 'data_keys']) AS name WHERE has_table_privilege(current_user, 'public.' || name, 'SELECT')) AS sealed_reachable,
		(SELECT count(*) FROM unnest(ARRAY['postern_app', 'postern_platform', current_user]) AS role, unnest(ARRAY['UPDATE', 'DELETE', 'TRUNCATE']) AS act WHERE has_table_privilege(role, 'public.audit_entries', act)
			OR act = 'UPDATE' AND has_any_column_privilege(role, 'public.audit_entries', act)) AS audit_writable,
		(SELECT count(*) FROM pg_trigger g WHERE g.tgrelid = 'public.audit_entries'::regclass AND NOT g.tgisinternal AND g.tgenabled IN ('O', 'A') AND g.tgfoid IN ('public.audit_is_final()'::regprocedure, 'public.audit_is_erased()'::regprocedure)) AS audit_guards,
		(SELECT count(*) FROM (SELECT FROM audit_pending LIMIT 10000) p) AS audit_waiting,
		(SELECT e.at FROM audit_pending p JOIN audit_entries e ON e.id = p.entry_id ORDER BY p.place LIMIT 1) AS audit_oldest,
		(SELECT count(*) FROM members m WHERE m.disabled_at IS NULL AND EXISTS (SELECT FROM memberships s WHERE s.member_id = m.id)) AS staff,
		(SELECT count(*) FROM members m WHERE m.disabled_at IS NULL AND EXISTS (SELECT FROM memberships s WHERE s.member_id = m.id) AND NOT EXISTS (SELECT FROM passkeys k WHERE k.member_id = m.id)) AS staff_no_passkey,
		(SELECT count(*) FROM sessions WHERE expires_at > ? AND expires_at - created_at > make_interval(secs => ?)) AS long_sessions,
		(SELECT count(*) FROM api_keys WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > ?)) AS keys,
		(SELECT count(*) FROM api_keys WHERE revoked_at IS NULL AND expires_at IS NULL AND created_at < ?) AS keys_forever,
		(SELECT count(*) FROM webhooks) AS webhooks,
		(SELECT count(*) FROM webhooks w WHERE NOT EXISTS (SELECT FROM webhook_secrets s WHERE s.application_id = w.application_id AND s.webhook_id = w.id AND (s.valid_until IS NULL OR s.valid_until > ?))) AS webhooks_no_secret,
		(SELECT count(*) FROM webhook_secrets s WHERE (s.valid_until IS NULL OR s.valid_until > ?) AND s.valid_from < ?) AS old_secrets,
		(SELECT count(*) FROM callback_uris WHERE deleted_at IS NULL) AS callbacks,
		(SELECT count(*) FROM callback_uris WHERE deleted_at IS NULL AND url ILIKE 'http://%' AND url !~* '^http://(localhost|127\.0\.0\.1|\[::1\])([:/]|$)') AS plain_callbacks,
		(SELECT count(*) FROM tenants WHERE region <> ?) AS elsewhere, (SELECT count(*) FROM tenants) AS tenants,
		(SELECT count(*) FROM egress_hosts WHERE seen_at IS NULL) AS new_hosts, (SELECT count(*) FROM egress_hosts) AS hosts,
		EXISTS (SELECT FROM verifications WHERE verdict = 'accepted' AND at > ?) AS self_checked,
		(SELECT count(*) FROM (SELECT FROM issued_tokens WHERE kind = 'access' AND (expires_at IS NULL OR expires_at - created_at > interval '1 day') LIMIT 1000) k) AS lasting_tokens`,
		now, longest.Seconds(), now, now.AddDate(-1, 0, 0), now, now, now.AddDate(0, 0, -180), region, now.AddDate(0, 0, -1)).Scan(&f).Error
	return f, wrap(err)
}

// TenantFacts is what the requirement map asks of one tenant's rows, or of all.
type TenantFacts struct {
	Unrecorded int // mailboxes that can be reached without a record of the rights that were given; counted up to 1000
	Overdue    int // severances that wait for a provider for more than 72 hours; counted up to 1000
	Open       int // severances that are not closed; counted up to 1000
	NoReceipt  int // severances that are closed, without their receipt; counted up to 1000
}

// TenantFacts reads them in the scope of the transaction; the zero tenant stands for all that it sees.
func (t *Tx) TenantFacts(tenant models.TenantID, now time.Time) (TenantFacts, error) {
	var f TenantFacts
	where, args := "true", []any{now.Add(-72 * time.Hour)}
	if !tenant.IsZero() {
		where, args = "tenant_id = ?", []any{tenant, now.Add(-72 * time.Hour), tenant, tenant, tenant}
	}
	err := t.db.Raw(`SELECT
		(SELECT count(*) FROM (SELECT FROM grants WHERE status = 'valid' AND cardinality(scopes_requested) > 0 AND cardinality(scopes_granted) = 0 AND `+where+` LIMIT 1000) g) AS unrecorded,
		(SELECT count(*) FROM (SELECT FROM severances WHERE closed_at IS NULL AND cut_at < ? AND `+where+` LIMIT 1000) s) AS overdue,
		(SELECT count(*) FROM (SELECT FROM severances WHERE closed_at IS NULL AND `+where+` LIMIT 1000) s) AS open,
		(SELECT count(*) FROM (SELECT FROM severances s WHERE closed_at IS NOT NULL AND `+where+` AND NOT EXISTS (SELECT FROM receipts r WHERE r.tenant_id = s.tenant_id AND r.severance_id = s.id) LIMIT 1000) s) AS no_receipt`, args...).Scan(&f).Error
	return f, wrap(err)
}

// ScopeCount is how many mailboxes that can be reached have just these scopes.
type ScopeCount struct {
	Provider string
	Scopes   models.Strings
	Count    int
}

// sampled is above how many grants the counts of scopes are taken from a sample.
const sampled = 50_000

// ScopeCounts counts mailboxes that can be reached by provider and granted scopes. Over many grants it is an estimate from a sample of about 20,000: share is the
// part that was looked at, 1 for all.
func (t *Tx) ScopeCounts(tenant models.TenantID) (rows []ScopeCount, share float64, err error) {
	var whole float64
	if err := t.db.Raw(`SELECT greatest(reltuples, 0) FROM pg_class WHERE oid = 'public.grants'::regclass`).Scan(&whole).Error; err != nil {
		return nil, 0, wrap(err)
	}
	share, from, args := 1.0, "grants", []any{}
	where := "status = 'valid'"
	if !tenant.IsZero() {
		where += " AND tenant_id = ?"
		args = append(args, tenant)
	} else if whole > sampled {
		share = 20_000 / whole
		from = "grants TABLESAMPLE SYSTEM (?)"
		args = append(args, share*100)
	}
	rows = []ScopeCount{}
	err = t.db.Raw(`SELECT provider, scopes_granted AS scopes, count(*) AS count FROM `+from+` WHERE `+where+` GROUP BY 1, 2 ORDER BY 3 DESC LIMIT 2000`, args...).Scan(&rows).Error
	return rows, share, wrap(err)
}

// UseCount is how many mailboxes used a right within 30 and 90 days.
type UseCount struct {
	Capability string
	In30, In90 int
}

// UseCounts counts the mailboxes that used each right since two times.
func (t *Tx) UseCounts(tenant models.TenantID, day30, day90 time.Time) ([]UseCount, error) {
	where, args := "last_at >= ?", []any{day30, day90}
	if !tenant.IsZero() {
		where, args = where+" AND tenant_id = ?", append(args, tenant)
	}
	rows := []UseCount{}
	err := t.db.Raw(`SELECT capability, count(*) FILTER (WHERE last_at >= ?) AS in30, count(*) AS in90 FROM capability_uses WHERE `+where+` GROUP BY 1`, args...).Scan(&rows).Error
	return rows, wrap(err)
}

// UsesOfGrants lists the uses of some grants.
func (t *Tx) UsesOfGrants(ids []models.GrantID) ([]models.CapabilityUse, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	return all[models.CapabilityUse](t.db.Table("capability_uses").Where("grant_id IN ?", ids))
}

// InsertEvidenceDocument adds what tells of a document.
func (t *Tx) InsertEvidenceDocument(d models.EvidenceDocument) error {
	return wrap(t.db.Exec(`INSERT INTO evidence_documents (id, requirement, name, kind, digest, size, expires_at, added_by, added_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		d.ID, d.Requirement, d.Name, d.Kind, d.Digest, d.Size, d.ExpiresAt, d.AddedBy, d.AddedAt).Error)
}

// EvidenceDocuments lists the documents that are attached; an empty requirement stands for all.
func (t *Tx) EvidenceDocuments(requirement string) ([]models.EvidenceDocument, error) {
	query := t.db.Table("evidence_documents").Where("removed_at IS NULL")
	if requirement != "" {
		query = query.Where("requirement = ?", requirement)
	}
	return all[models.EvidenceDocument](query.Order("added_at DESC").Limit(200))
}

// EvidenceDocument reads one that is attached.
func (t *Tx) EvidenceDocument(id models.DocumentID) (models.EvidenceDocument, error) {
	return one[models.EvidenceDocument](t.db.Where("id = ? AND removed_at IS NULL", id))
}

// MarkEvidenceDocumentRemoved takes one off.
func (t *Tx) MarkEvidenceDocumentRemoved(id models.DocumentID, at time.Time) error {
	return changed(t.db.Exec(`UPDATE evidence_documents SET removed_at = ? WHERE id = ? AND removed_at IS NULL`, at, id))
}

// InsertEvidencePack adds a pack that is to be made.
func (t *Tx) InsertEvidencePack(p models.EvidencePack) error {
	return wrap(t.db.Exec(`INSERT INTO evidence_packs (id, tenant_id, requested_by, masked, state, steps, created_at) VALUES (?, ?, ?, ?, 'waiting', ?, ?)`,
		p.ID, p.TenantID, p.RequestedBy, p.Masked, p.Steps, p.CreatedAt).Error)
}

// EvidencePack reads one.
func (t *Tx) EvidencePack(id models.PackID) (models.EvidencePack, error) {
	return one[models.EvidencePack](t.db.Where("id = ?", id))
}

// EvidencePacks lists packs, the newest first. maskedOnly leaves out those that name mailboxes.
func (t *Tx) EvidencePacks(tenant models.TenantID, maskedOnly bool) ([]models.EvidencePack, error) {
	query := t.db.Table("evidence_packs")
	if !tenant.IsZero() {
		query = query.Where("tenant_id = ?", tenant)
	}
	if maskedOnly {
		query = query.Where("masked")
	}
	return all[models.EvidencePack](query.Order("created_at DESC").Limit(100))
}

// MarkEvidencePack notes how far a pack is. ErrNotFound: it is finished, or its tenant left.
func (t *Tx) MarkEvidencePack(id models.PackID, state string, step int, problem string) error {
	return changed(t.db.Exec(`UPDATE evidence_packs SET state = ?, step = ?, problem = ? WHERE id = ? AND state NOT IN ('ready', 'destroyed')`, state, step, problem, id))
}

// FinishEvidencePack keeps the file. ErrNotFound: it was finished already, or its tenant left.
func (t *Tx) FinishEvidencePack(p models.EvidencePack, content []byte) error {
	if err := changed(t.db.Exec(`UPDATE evidence_packs SET state = 'ready', step = steps, problem = '', digest = ?, size = ?, finished_at = ? WHERE id = ? AND state NOT IN ('ready', 'destroyed')`,
		p.Digest, p.Size, p.FinishedAt, p.ID)); err != nil {
		return err
	}
	return wrap(t.db.Exec(`INSERT INTO evidence_contents (pack_id, tenant_id, content) VALUES (?, ?, ?)`, p.ID, p.TenantID, content).Error)
}

// DestroyEvidencePacksOfTenant deletes the files of a tenant's packs and keeps the rows. It says how many packs of the tenant are destroyed, now or before.
func (t *Tx) DestroyEvidencePacksOfTenant(tenant models.TenantID) (int, error) {
	if err := t.db.Exec(`UPDATE evidence_packs SET state = 'destroyed' WHERE tenant_id = ? AND state <> 'destroyed'`, tenant).Error; err != nil {
		return 0, wrap(err)
	}
	if err := t.db.Exec(`DELETE FROM evidence_contents WHERE tenant_id = ?`, tenant).Error; err != nil {
		return 0, wrap(err)
	}
	var n int64
	err := t.db.Table("evidence_packs").Where("tenant_id = ? AND state = 'destroyed'", tenant).Count(&n).Error
	return int(n), wrap(err)
}

// EvidenceContent reads the file of a pack.
func (t *Tx) EvidenceContent(id models.PackID) ([]byte, error) {
	row := struct{ Content []byte }{}
	err := t.db.Raw(`SELECT content FROM evidence_contents WHERE pack_id = ?`, id).Take(&row).Error
	return row.Content, wrap(err)
}

// CountEgress adds what a process saw of a host. fresh: the host was not known.
func (t *Tx) CountEgress(h models.EgressHost) (fresh bool, err error) {
	err = t.db.Raw(`INSERT INTO egress_hosts (purpose, host, port, connected, refused, failed, first_at, last_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (purpose, host, port) DO UPDATE SET connected = egress_hosts.connected + excluded.connected, refused = egress_hosts.refused + excluded.refused,
		failed = egress_hosts.failed + excluded.failed, last_at = greatest(egress_hosts.last_at, excluded.last_at) RETURNING xmax = 0`,
		h.Purpose, h.Host, h.Port, h.Connected, h.Refused, h.Failed, h.FirstAt, h.LastAt).Scan(&fresh).Error
	return fresh, wrap(err)
}

// EgressHosts lists outside hosts: the new ones first, then by their last use.
func (t *Tx) EgressHosts(most int) ([]models.EgressHost, error) {
	return all[models.EgressHost](t.db.Order("seen_at IS NOT NULL, last_at DESC").Limit(most))
}

// CountNewEgressHosts counts hosts that nobody has looked at.
func (t *Tx) CountNewEgressHosts() (int, error) {
	var n int
	err := t.db.Raw(`SELECT count(*) FROM egress_hosts WHERE seen_at IS NULL`).Scan(&n).Error
	return n, wrap(err)
}

// MarkEgressSeen notes who looked at the new hosts, up to those that were new at a time, and says how many there were.
func (t *Tx) MarkEgressSeen(by string, upTo, at time.Time) (int, error) {
	done := t.db.Exec(`UPDATE egress_hosts SET seen_at = ?, seen_by = ? WHERE seen_at IS NULL AND first_at <= ?`, at, by, upTo)
	return int(done.RowsAffected), wrap(done.Error)
}

// TenantsElsewhere counts the tenants that belong to another region.
func (t *Tx) TenantsElsewhere(region string) (n int, err error) {
	err = t.db.Raw(`SELECT count(*) FROM tenants WHERE region <> ?`, region).Scan(&n).Error
	return n, wrap(err)
}
