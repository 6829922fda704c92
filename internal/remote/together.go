package remote

import (
	"context"
	"time"
)

// For how long nobody else must have come before f is called. Terraform's applies come in waves, ten at a time, and nothing tells when a
// wave is over. The first comes within milliseconds; the next, within wave, while those of the one before end and Terraform writes its
// state.
const (
	firstWave = 25 * time.Millisecond
	nextWave  = 200 * time.Millisecond
	wave      = time.Second
)

// waiter is what somebody wants done together with others.
type waiter struct {
	item   any
	done   chan struct{} // closed when result may be read
	result any
}

// Together has f do what many want done on h, all at once: whoever comes while the Mac is taken (see [Host.Alone]) waits, and the
// first who then has it does it for all who wait by this name. f gets at least one item and returns as many results, in their
// order. It is for what costs the same once or ten times. T and R must be the same for every use of a name. The error is the
// context's; f then has not had the item.
func Together[T, R any](ctx context.Context, h *Host, name string, item T, f func(context.Context, []T) []R) (R, error) {
	w := &waiter{item: item, done: make(chan struct{})}
	h.mu.Lock()
	if h.waiting == nil {
		h.waiting = map[string][]*waiter{}
	}
	h.waiting[name] = append(h.waiting[name], w)
	h.mu.Unlock()
	var zero R
	select {
	case <-w.done:
	case h.alone <- struct{}{}:
		defer func() { <-h.alone }()
		select {
		case <-w.done: // somebody did it already
			return resultOf[R](w), nil
		default:
		}
		batch := h.gather(name)
		defer h.rest(name)
		items := make([]T, len(batch))
		for i, other := range batch {
			items[i], _ = other.item.(T)
		}
		for i, result := range f(ctx, items) {
			batch[i].result = result
			close(batch[i].done)
		}
	case <-ctx.Done():
		if h.leaveWaiting(name, w) {
			return zero, ctx.Err()
		}
	}
	<-w.done // at once, or soon: it is being done
	return resultOf[R](w), nil
}

func resultOf[R any](w *waiter) R {
	result, _ := w.result.(R)
	return result
}

// gather takes all who wait by this name, when for a moment nobody else has come.
func (h *Host) gather(name string) []*waiter {
	pause := firstWave
	for seen := 0; ; {
		h.mu.Lock()
		if time.Since(h.rested[name]) < wave {
			pause = nextWave
		}
		batch := h.waiting[name]
		if len(batch) == seen {
			delete(h.waiting, name)
			h.mu.Unlock()
			return batch
		}
		seen = len(batch)
		h.mu.Unlock()
		time.Sleep(pause)
	}
}

// rest notes when something was last done by this name.
func (h *Host) rest(name string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.rested == nil {
		h.rested = map[string]time.Time{}
	}
	h.rested[name] = time.Now()
}

// leaveWaiting is false when w does not wait any more.
func (h *Host) leaveWaiting(name string, w *waiter) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i, other := range h.waiting[name] {
		if other == w {
			h.waiting[name] = append(h.waiting[name][:i:i], h.waiting[name][i+1:]...)
			return true
		}
	}
	return false
}
