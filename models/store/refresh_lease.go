package store

import (
	"time"

	"github.com/postern-mail/postern/models"
)

// TakeRefreshLease makes holder, a random word, the one who may refresh a grant's credential for length, by the database's clock. It says false when somebody else is at it,
// or when the grant is not valid. A holder who asks again extends its own lease. Read the grant after it, in the same transaction: who waited for the
// row may find the work done.
func (t *Tx) TakeRefreshLease(tenant models.TenantID, id models.GrantID, holder string, length time.Duration) (bool, error) {
	done := t.db.Exec(`INSERT INTO refresh_leases (tenant_id, grant_id, holder, credential, until)
		SELECT tenant_id, id, ?, credential, clock_timestamp() + ? * interval '1 millisecond' FROM grants WHERE tenant_id = ? AND id = ? AND status = 'valid'
		ON CONFLICT (tenant_id, grant_id) DO UPDATE SET holder = excluded.holder, credential = excluded.credential, until = excluded.until
		WHERE refresh_leases.holder = excluded.holder OR refresh_leases.until < clock_timestamp() OR refresh_leases.credential < excluded.credential`,
		holder, length.Milliseconds(), tenant, id)
	return done.RowsAffected == 1, wrap(done.Error)
}

// EndRefreshLease gives a lease back. One that another holder has taken since stays.
func (t *Tx) EndRefreshLease(tenant models.TenantID, id models.GrantID, holder string) error {
	return wrap(t.db.Exec(`DELETE FROM refresh_leases WHERE tenant_id = ? AND grant_id = ? AND holder = ?`, tenant, id, holder).Error)
}
