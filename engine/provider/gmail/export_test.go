package gmail

import "time"

// Hurry makes the pauses between repetitions short.
func (c *Connector) Hurry() { c.pause1 = time.Millisecond }

// Shorten bounds answers.
func (c *Connector) Shorten(n int64) { c.wire.most = n }
