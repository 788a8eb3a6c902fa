package watch

// Freeze makes the end of Run give nothing back, as the end of a killed process does not.
func (s *Service) Freeze(on bool) { s.frozen = on }
