package store

import (
	"slices"
	"time"

	"github.com/postern-mail/postern/models"
)

// DeliveryCount is how often an outcome was recorded on one day (UTC). Outcomes are the statuses of a delivery; waiting is an attempt that failed and is to be made again.
type DeliveryCount struct {
	Day     time.Time `gorm:"column:day"`
	Outcome string    `gorm:"column:outcome"`
	Count   int       `gorm:"column:count"`
}

// AddDeliveryHours adds to the sums of the hour what came of a webhook's deliveries. Outcomes that did not happen are left out.
func (t *Tx) AddDeliveryHours(application models.ApplicationID, webhook models.WebhookID, at time.Time, outcomes map[string]int) error {
	var names []string
	for name, n := range outcomes {
		if n > 0 {
			names = append(names, name)
		}
	}
	slices.Sort(names) // whoever else writes these rows takes them in the same order
	for _, name := range names {
		if err := t.db.Exec(`INSERT INTO delivery_hours AS h (application_id, webhook_id, hour, outcome, count) VALUES (?, ?, ?, ?, ?)
			ON CONFLICT (webhook_id, hour, outcome) DO UPDATE SET count = h.count + excluded.count`, application, webhook, at.UTC().Truncate(time.Hour), name, outcomes[name]).Error; err != nil {
			return wrap(err)
		}
	}
	return nil
}

// DeliveryCounts sums what came of a webhook's deliveries by day since a time.
func (t *Tx) DeliveryCounts(application models.ApplicationID, webhook models.WebhookID, since time.Time) ([]DeliveryCount, error) {
	return all[DeliveryCount](t.db.Raw(`SELECT date_trunc('day', hour, 'UTC') AS day, outcome, sum(count)::bigint AS count FROM delivery_hours
		WHERE application_id = ? AND webhook_id = ? AND hour >= ? GROUP BY 1, 2 ORDER BY 1, 2`, application, webhook, since))
}

// PruneDeliveryHours removes the sums of a webhook from before a time.
func (t *Tx) PruneDeliveryHours(application models.ApplicationID, webhook models.WebhookID, before time.Time) error {
	return wrap(t.db.Exec(`DELETE FROM delivery_hours WHERE application_id = ? AND webhook_id = ? AND hour < ?`, application, webhook, before).Error)
}
