package remote

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// Whoever asks while a question is under way gets the same answer.
func TestAskShares(t *testing.T) { synctest.Test(t, testAskShares) }

func testAskShares(t *testing.T) {
	h := NewHost(Target{})
	asked, release := 0, make(chan struct{})
	var all sync.WaitGroup
	var mu sync.Mutex
	for range 20 {
		all.Go(func() {
			got, err := Ask(t.Context(), h, "n", func(context.Context) (int, error) {
				mu.Lock()
				asked++
				mu.Unlock()
				<-release
				return 7, nil
			})
			if got != 7 || err != nil {
				t.Errorf("got %d, %v", got, err)
			}
		})
	}
	synctest.Wait() // until one asks and the others wait
	close(release)
	all.Wait()
	if asked != 1 {
		t.Errorf("asked %d times", asked)
	}
}

// An answer from before a write is not kept, not even one that was under way.
func TestAskForgets(t *testing.T) {
	h := NewHost(Target{})
	n := 0
	ask := func(during func()) int {
		got, err := Ask(t.Context(), h, "n", func(context.Context) (int, error) { n++; during(); return n, nil })
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	nothing := func() {}
	if a, b := ask(nothing), ask(nothing); a != 1 || b != 1 {
		t.Errorf("got %d and %d, want the first answer twice", a, b)
	}
	h.Forget()
	if got := ask(h.Forget); got != 2 {
		t.Errorf("got %d after a write, want 2", got)
	}
	if got := ask(nothing); got != 3 {
		t.Errorf("got %d after a write during the question, want 3", got)
	}
}

// An answer outlives the refresh of a fleet, and not much more.
func TestAskExpires(t *testing.T) { synctest.Test(t, testAskExpires) }

func testAskExpires(t *testing.T) {
	h := NewHost(Target{})
	asked := 0
	for _, later := range []struct {
		by   time.Duration
		want int
	}{{0, 1}, {119 * time.Second, 1}, {2 * time.Second, 2}, {time.Minute, 2}} {
		time.Sleep(later.by)
		got, err := Ask(t.Context(), h, "n", func(context.Context) (int, error) { asked++; return asked, nil })
		if got != later.want || err != nil {
			t.Errorf("%v later: got %d, %v", later.by, got, err)
		}
	}
}

// An error is not kept, and one that is due to another caller's giving up is not shared.
func TestAskErrors(t *testing.T) { synctest.Test(t, testAskErrors) }

func testAskErrors(t *testing.T) {
	h := NewHost(Target{})
	broken := errors.New("broken")
	if _, err := Ask(t.Context(), h, "n", func(context.Context) (int, error) { return 0, broken }); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	impatient, giveUp := context.WithCancel(t.Context())
	started := make(chan struct{})
	go func() {
		_, _ = Ask(impatient, h, "n", func(ctx context.Context) (int, error) {
			close(started)
			<-ctx.Done()
			return 0, ctx.Err()
		})
	}()
	<-started
	patient := make(chan int)
	go func() {
		got, _ := Ask(t.Context(), h, "n", func(context.Context) (int, error) { return 5, nil })
		patient <- got
	}()
	synctest.Wait() // until who is patient waits for the other's answer
	giveUp()
	if got := <-patient; got != 5 {
		t.Errorf("got %d, want 5", got)
	}
}

// What failed is asked again, but not within a call that asks it twice.
func TestOnce(t *testing.T) {
	t.Parallel()
	h := NewHost(Target{Name: "mini"})
	asked := 0
	ask := func(ctx context.Context, name string) error {
		_, err := Ask(ctx, h, name, func(context.Context) (int, error) {
			asked++
			return 0, fmt.Errorf("%s: failure %d", name, asked)
		})
		return err
	}
	within, another := Once(t.Context()), Once(t.Context())
	for i, got := range []error{
		ask(within, "pf"), ask(within, "pf"), ask(within, "jobs"), ask(t.Context(), "pf"), ask(another, "pf"), ask(within, "pf"),
	} {
		want := []string{"pf: failure 1", "pf: failure 1", "jobs: failure 2", "pf: failure 3", "pf: failure 4", "pf: failure 1"}[i]
		if got == nil || got.Error() != want {
			t.Errorf("got %v instead of %s", got, want)
		}
	}
}
