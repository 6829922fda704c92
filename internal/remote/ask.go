package remote

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"time"
)

// fresh is how long an answer is shared. It has to outlive the refresh of a fleet, of which this Mac may be asked last: whoever writes
// checks on the Mac, in the same script, that what it believes is still so.
const fresh = 2 * time.Minute

// answer is one question's result. Value and err may be read once done is closed.
type answer struct {
	done   chan struct{}
	until  time.Time // zero while the question is under way
	wanted bool      // somebody waits for it; guarded by the Host's mutex
	value  any
	err    error
}

// purpose is the key of the answer that a script is run for, in a context. Of a question that asks another, it is the first's.
type purpose struct{}

// Ask returns f's answer about h, asking once for all who ask by that name: callers share a question under way, and an
// answer is kept for two minutes or until the next script that writes. Errors are shared but not kept. T must be the same
// for every use of a name, and the value is shared: it must not be changed.
func Ask[T any](ctx context.Context, h *Host, name string, f func(context.Context) (T, error)) (T, error) {
	return ask(ctx, h, name, true, f)
}

func ask[T any](ctx context.Context, h *Host, name string, wanted bool, f func(context.Context) (T, error)) (T, error) {
	failed, once := ctx.Value(failures{}).(*sync.Map)
	if once {
		if before, ok := failed.Load(asked{h, name}); ok {
			err, _ := before.(error)
			return *new(T), err
		}
	}
	for {
		a, mine := h.question(name, wanted)
		if mine {
			asking := ctx
			if ctx.Value(purpose{}) == nil {
				asking = context.WithValue(ctx, purpose{}, a)
			}
			value, err := f(asking)
			h.answered(name, a, value, err)
		}
		select {
		case <-a.done:
		case <-ctx.Done():
			var zero T
			return zero, ctx.Err()
		}
		if !mine && errors.Is(a.err, context.Canceled) && ctx.Err() == nil {
			continue // whoever asked gave up; we did not
		}
		if once && a.err != nil {
			failed.Store(asked{h, name}, a.err)
		}
		value, _ := a.value.(T)
		return value, a.err
	}
}

// Once returns a context in which a question that failed fails again as it did, without being asked.
func Once(ctx context.Context) context.Context {
	return context.WithValue(ctx, failures{}, new(sync.Map))
}

// failures is the key of what failed in a context, by asked.
type failures struct{}

// asked is a question.
type asked struct {
	host *Host
	name string
}

// AskAhead is [Ask] for what is asked of each Mac of a fleet, once it is asked of one; see [Foresee].
func AskAhead[T any](ctx context.Context, h *Host, name string, f func(context.Context, *Host) (T, error)) (T, error) {
	Foresee(h.fleet, name, f)
	return Ask(ctx, h, name, func(ctx context.Context) (T, error) { return f(ctx, h) })
}

// Foresee has the Macs of a fleet asked a question as soon as they are dialled, before anybody needs their answer, but after what somebody
// waits for. f must be the same for every use of a name.
func Foresee[T any](fleet *Fleet, name string, f func(context.Context, *Host) (T, error)) {
	fleet.learn(name, func(ctx context.Context, h *Host) {
		_, _ = ask(ctx, h, name, false, func(ctx context.Context) (T, error) { return f(ctx, h) })
	})
}

// Both asks two questions about h at once, so that they need one round trip between them.
func Both[A, B any](
	ctx context.Context, h *Host, first func(context.Context, *Host) (A, error), second func(context.Context, *Host) (B, error),
) (a A, b B, err error) {
	answered := make(chan error, 1)
	go func() {
		var err error
		b, err = second(ctx, h)
		answered <- err
	}()
	a, err = first(ctx, h)
	return a, b, cmp.Or(err, <-answered)
}

// question returns the answer to wait for, and whether the caller is the one to find it.
func (h *Host) question(name string, wanted bool) (a *answer, mine bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if a := h.answers[name]; a != nil && (a.until.IsZero() || time.Now().Before(a.until)) {
		a.wanted = a.wanted || wanted
		return a, false
	}
	a = &answer{done: make(chan struct{}), wanted: wanted}
	if h.answers == nil {
		h.answers = map[string]*answer{}
	}
	h.answers[name] = a
	return a, true
}

func (h *Host) answered(name string, a *answer, value any, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	a.value, a.err, a.until = value, err, time.Now().Add(fresh)
	if err != nil && h.answers[name] == a {
		delete(h.answers, name)
	}
	close(a.done)
}

// Forget drops every answer, also those under way: they may be about the time before a write. Run does so for scripts that write;
// what changes the Mac in other ways, as a job of its own, is followed by this.
func (h *Host) Forget() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.answers = nil
}
