package audit

// SetLeafVersion makes the sequencer write leaves of an older version, as the program before it did.
func (l *Log) SetLeafVersion(v int) { l.version = v }
