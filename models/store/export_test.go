package store

import "gorm.io/gorm"

// GrantColumns are the columns that a glance at grants reads, in their order.
var GrantColumns = grantColumns

// ExplainVerifications gives the plan of Verifications, for the test of its indexes.
func (t *Tx) ExplainVerifications(q VerificationQuery) (string, error) {
	query := narrowVerifications(t.db.Table("verifications"), q)
	if !q.BeforeAt.IsZero() {
		query = query.Where("(at, id) < (?, ?)", q.BeforeAt, q.BeforeID)
	}
	sql := query.ToSQL(func(tx *gorm.DB) *gorm.DB {
		var rows []map[string]any
		return tx.Order("at DESC, id DESC").Limit(q.Limit).Find(&rows)
	})
	var plan []string
	err := t.db.Raw("EXPLAIN (FORMAT JSON) " + sql).Scan(&plan).Error
	if err != nil || len(plan) == 0 {
		return "", err
	}
	return plan[0], nil
}
