package remote

// AwaitGone returns when h has noticed that its connection ended.
func (h *Host) AwaitGone() { <-h.shell.gone }
