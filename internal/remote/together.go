package remote

import "context"

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
		batch := h.takeWaiting(name)
		if len(batch) == 0 {
			break // somebody did it already, ours included
		}
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
	result, _ := w.result.(R)
	return result, nil
}

func (h *Host) takeWaiting(name string) []*waiter {
	h.mu.Lock()
	defer h.mu.Unlock()
	batch := h.waiting[name]
	delete(h.waiting, name)
	return batch
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
