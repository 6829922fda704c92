package remote

import "runtime"

// AwaitGone returns when h has noticed that its connection ended.
func (h *Host) AwaitGone() { <-h.shell.gone }

// AwaitReadings returns when so many scripts that only read wait for the turn.
func (h *Host) AwaitReadings(n int) {
	for {
		h.mu.Lock()
		waiting := len(h.readings)
		h.mu.Unlock()
		if waiting == n {
			return
		}
		runtime.Gosched()
	}
}
