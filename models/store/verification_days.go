package store

// TurnVerifications makes the log's parts for today and the days ahead, and drops days that are older than keep. It says how many of each. keep is
// 30 at least; the database refuses less. Safe to call at any time and from several processes.
func (t *Tx) TurnVerifications(keep, ahead int) (made, dropped int, err error) {
	var row struct {
		Made    int `gorm:"column:made"`
		Dropped int `gorm:"column:dropped"`
	}
	err = t.db.Raw("SELECT made, dropped FROM sec.turn_verifications(?, ?)", keep, ahead).Scan(&row).Error
	return row.Made, row.Dropped, wrap(err)
}
