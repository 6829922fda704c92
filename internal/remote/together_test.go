package remote

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
)

// What comes while the Mac is taken is done at once.
func TestTogether(t *testing.T) {
	t.Parallel()
	h := NewHost(Target{Address: "192.0.2.1"})
	release, err := h.Alone(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var batches [][]int
	double := func(_ context.Context, items []int) []int {
		batches = append(batches, slices.Sorted(slices.Values(items)))
		var results []int
		for _, n := range items {
			results = append(results, 2*n)
		}
		return results
	}
	var came, all sync.WaitGroup
	for n := range 10 {
		came.Add(1)
		all.Go(func() {
			came.Done()
			if got, err := Together(t.Context(), h, "double", n, double); err != nil || got != 2*n {
				t.Errorf("of %d: %d, %v", n, got, err)
			}
		})
	}
	came.Wait()
	for h.waitingFor("double") < 10 {
	}
	release()
	all.Wait()
	if len(batches) != 1 || len(batches[0]) != 10 {
		t.Errorf("got %v", batches)
	}
}

// Who gives up waiting is not done for.
func TestTogetherGivesUp(t *testing.T) {
	t.Parallel()
	h := NewHost(Target{Address: "192.0.2.1"})
	release, err := h.Alone(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	never := func(context.Context, []int) []int { t.Error("done"); return nil }
	if _, err := Together(ctx, h, "never", 1, never); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	release()
	if n := h.waitingFor("never"); n != 0 {
		t.Errorf("%d wait", n)
	}
}

func (h *Host) waitingFor(name string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.waiting[name])
}
