package remote

import (
	"runtime"
	"slices"
)

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

// AwaitWanted returns when somebody waits for so many of them.
func (h *Host) AwaitWanted(n int) {
	for {
		h.mu.Lock()
		wanted := 0
		for _, r := range h.readings {
			if r.of == nil || r.of.wanted {
				wanted++
			}
		}
		h.mu.Unlock()
		if wanted == n {
			return
		}
		runtime.Gosched()
	}
}

// AwaitConnected returns when h is connected, and nobody uses the connection.
func (h *Host) AwaitConnected() {
	for {
		h.turn <- struct{}{}
		connected := h.shell != nil
		<-h.turn
		if connected {
			return
		}
		runtime.Gosched()
	}
}

// Started are those that were dialled, or are being dialled.
func (f *Fleet) Started() []*Host {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.started)
}
