package remote_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/macos-fleet/terraform-provider-macos/internal/macsim"
	"github.com/macos-fleet/terraform-provider-macos/internal/remote"
)

// What waits is sent together, before the first of it is answered, and each gets its own result.
func TestReadTogether(t *testing.T) {
	t.Parallel()
	const n = 20
	mac := start(t)
	line, to := network(t, mac.Addr()), target(t, mac)
	to.Port = line.port
	h := remote.NewHost(to)
	t.Cleanup(h.Close)
	release := mac.Hold("true")
	var all sync.WaitGroup
	all.Go(func() {
		if _, err := h.Run(t.Context(), remote.Cmd{Script: "/usr/bin/true"}); err != nil {
			t.Error(err)
		}
	})
	mac.Await("true")
	content := func(i int) string { return strings.Repeat(fmt.Sprint(i), 1000) }
	for i := range n {
		all.Go(func() {
			want := content(i)
			result, err := h.Run(t.Context(), remote.Cmd{
				Script: `say file; /bin/cat "$D/f"; printf %s "$1" >&2; exit "$1"`, Args: []string{fmt.Sprint(i)}, Files: map[string][]byte{"f": []byte(want)},
			})
			var exit *remote.ExitError
			if i == 0 && err != nil || i > 0 && (!errors.As(err, &exit) || exit.Exit != i) || string(result.Records[0].Body) != want || result.Stderr != fmt.Sprint(i) {
				t.Errorf("%d got %v and %+v", i, err, result)
			}
		})
	}
	h.AwaitReadings(n)
	answer, sent, least := mac.Hold("cat"), line.sentUp.Load(), 0
	for i := range n {
		least += len(content(i))
	}
	release()
	mac.Await("cat")
	for end := time.Now().Add(patience); line.sentUp.Load()-sent < int64(least); runtime.Gosched() {
		if time.Now().After(end) {
			t.Errorf("%d bytes of %d were sent before the first answer", line.sentUp.Load()-sent, least)
			break
		}
	}
	answer()
	all.Wait()
}

// More than the connection may hold at once takes turns.
func TestReadMuch(t *testing.T) {
	t.Parallel()
	mac := start(t)
	h := host(t, mac)
	release := mac.Hold("true")
	var all sync.WaitGroup
	all.Go(func() { _, _ = h.Run(t.Context(), remote.Cmd{Script: "/usr/bin/true"}) })
	mac.Await("true")
	content := make([]byte, 300<<10)
	for range 12 {
		all.Go(func() {
			result, err := h.Run(t.Context(), remote.Cmd{Script: `say file; /bin/cat "$D/f"`, Files: map[string][]byte{"f": content}})
			if err != nil || len(result.Records[0].Body) != len(content) {
				t.Errorf("got %v and %d bytes", err, len(result.Records[0].Body))
			}
		})
	}
	h.AwaitReadings(12)
	release()
	all.Wait()
}

// A connection that dies under one of several makes the outcome of all those unknown that had not ended, and none is sent again.
func TestReadLost(t *testing.T) {
	t.Parallel()
	mac := start(t)
	h := host(t, mac)
	release := mac.Hold("true")
	var all sync.WaitGroup
	all.Go(func() { _, _ = h.Run(t.Context(), remote.Cmd{Script: "/usr/bin/true"}) })
	mac.Await("true")
	var ran atomic.Int32
	mac.Fail(func(argv []string) *macsim.Failure {
		if argv[0] == "/usr/bin/false" && ran.Add(1) == 3 {
			return &macsim.Failure{Cut: macsim.CutBefore}
		}
		return nil
	})
	var fine, lost atomic.Int32
	for range 6 {
		all.Go(func() {
			_, err := h.Run(t.Context(), remote.Cmd{Script: "/usr/bin/false"})
			var exit *remote.ExitError
			var gone *remote.LostError
			switch {
			case errors.As(err, &exit):
				fine.Add(1)
			case errors.As(err, &gone):
				lost.Add(1)
			default:
				t.Errorf("got %v", err)
			}
		})
	}
	h.AwaitReadings(6)
	release()
	all.Wait()
	if fine.Load() != 2 || lost.Load() != 4 || ran.Load() != 3 {
		t.Errorf("%d were fine and %d lost, of which %d ran", fine.Load(), lost.Load(), ran.Load())
	}
}

// All who wait for a Mac that is away learn it at once, from one connection.
func TestReadAway(t *testing.T) {
	t.Parallel()
	came := make(chan struct{}, 10)
	address, port := serve(t, func(conn net.Conn) {
		came <- struct{}{}
		_, _ = io.Copy(io.Discard, conn)
	})
	to := target(t, start(t))
	to.Address, to.Port, to.ConnectTimeout = address, port, time.Second
	h := remote.NewHost(to)
	t.Cleanup(h.Close)
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() {
			_, err := h.Run(t.Context(), remote.Cmd{Script: "say hello"})
			var dial *remote.DialError
			if !errors.As(err, &dial) {
				t.Errorf("got %v", err)
			}
		})
	}
	all.Wait()
	if <-came; len(came) > 0 {
		t.Errorf("%d connections more than one", len(came))
	}
}

// A script that went with the greeting and does not end takes the connection along, and no other script.
func TestFirstReadingLost(t *testing.T) {
	t.Parallel()
	mac := start(t)
	to := target(t, mac)
	to.CommandTimeout = 500 * time.Millisecond
	h := remote.NewHost(to)
	t.Cleanup(h.Close)
	release := mac.Hold("true")
	defer release()
	results := make(chan error, 1)
	go func() {
		_, err := h.Run(t.Context(), remote.Cmd{Script: "/usr/bin/true"})
		results <- err
	}()
	mac.Await("true")
	if _, err := h.Run(t.Context(), remote.Cmd{Script: "say hello", Writes: true, Takes: time.Minute}); err != nil {
		t.Error(err)
	}
	var lost *remote.LostError
	if err := <-results; !errors.As(err, &lost) {
		t.Errorf("got %v", err)
	}
}

// Who gives up does so alone: while it dials, and while it waits.
func TestReadGivesUp(t *testing.T) {
	t.Parallel()
	mac := start(t)
	h := host(t, mac)
	release := mac.Hold("uname") // which ends the greeting
	defer release()
	dialling, giveUp := context.WithCancel(t.Context())
	waiting, leave := context.WithCancel(t.Context())
	results := make(chan error, 3)
	run := func(ctx context.Context) {
		_, err := h.Run(ctx, remote.Cmd{Script: "say hello"})
		results <- err
	}
	go run(dialling)
	mac.Await("uname")
	go run(waiting)
	h.AwaitReadings(1) // the other was sent with the greeting
	leave()
	if err := <-results; !errors.Is(err, context.Canceled) {
		t.Errorf("who waited got %v", err)
	}
	h.AwaitReadings(0)
	go run(t.Context())
	h.AwaitReadings(1)
	giveUp()
	errs := []error{<-results, <-results}
	if errors.Is(errs[1], context.Canceled) {
		errs[0], errs[1] = errs[1], errs[0]
	}
	if !errors.Is(errs[0], context.Canceled) || errs[1] != nil {
		t.Errorf("got %v", errs)
	}
}

// A script that does not end within the command timeout is waited for once, however many resources run it to read: all that do in the next
// two minutes fail as the first did, unless something was done there meanwhile. Another script is tried, and a word to what goes on there.
func TestReadHangs(t *testing.T) {
	t.Parallel()
	mac := start(t)
	to := target(t, mac)
	to.CommandTimeout = 5 * time.Second
	h := remote.NewHost(to)
	t.Cleanup(h.Close)
	if _, err := h.Run(t.Context(), remote.Cmd{Script: "say hello"}); err != nil {
		t.Fatal(err)
	}
	release := mac.Hold("true")
	failures := map[*remote.DialError]bool{}
	for range 3 { // waves, as Terraform asks
		var all sync.WaitGroup
		var mu sync.Mutex
		for range 10 {
			all.Go(func() {
				_, err := h.Run(t.Context(), remote.Cmd{Script: "/usr/bin/true"})
				var lost *remote.LostError
				if !errors.As(err, &lost) || lost.Reading == nil || !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("got %v", err)
					return
				}
				mu.Lock()
				defer mu.Unlock()
				failures[lost.Reading] = true
			})
		}
		all.Wait()
	}
	release()
	if len(failures) != 1 {
		t.Errorf("%d failures", len(failures))
	}
	if tried := calls(mac, "/usr/bin/true"); tried != 1 {
		t.Errorf("the Mac was waited for %d times", tried)
	}
	for _, c := range []remote.Cmd{
		{Script: "/usr/bin/true", Tells: true}, {Script: "/usr/bin/true another"}, {Script: "/usr/bin/true", Writes: true}, {Script: "/usr/bin/true"},
	} {
		if _, err := h.Run(t.Context(), c); err != nil {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

// calls is how often a program ran.
func calls(mac *macsim.Mac, program string) int {
	n := 0
	for _, c := range mac.Calls() {
		if c.Argv[0] == program {
			n++
		}
	}
	return n
}

// A network that falls silent during a reading is one failure with its reason, not one more for each dial that gets no answer either.
func TestReadSilentNetwork(t *testing.T) {
	t.Parallel()
	mac := start(t)
	n, h := fallible(t, mac)
	release := mac.Hold("true")
	first := make(chan error, 1)
	go func() {
		_, err := h.Run(t.Context(), remote.Cmd{Script: "/usr/bin/true"})
		first <- err
	}()
	mac.Await("true")
	n.silence(true)
	var lost, again *remote.LostError
	if err := <-first; !errors.As(err, &lost) || lost.Reading == nil || !strings.Contains(err.Error(), "no sign of life for 6s") {
		t.Fatalf("got %v", err)
	}
	if _, err := h.Run(t.Context(), remote.Cmd{Script: "say hello"}); !errors.As(err, &again) || again.Reading != lost.Reading {
		t.Errorf("then %v", err)
	}
	release()
	n.silence(false)
	if err := h.Reconnect(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Run(t.Context(), remote.Cmd{Script: "say hello"}); err != nil {
		t.Error(err)
	}
}

// Whether a word got to what goes on there is not known when the connection ends: that was no mere reading.
func TestReadLostWord(t *testing.T) {
	t.Parallel()
	mac := start(t)
	mac.Fail(func(argv []string) *macsim.Failure {
		if argv[0] == "/usr/bin/true" {
			return &macsim.Failure{Cut: macsim.CutAfter}
		}
		return nil
	})
	h := host(t, mac)
	for _, tells := range []bool{true, false} {
		_, err := h.Run(t.Context(), remote.Cmd{Script: "/usr/bin/true; say done", Tells: tells})
		var lost *remote.LostError
		if !errors.As(err, &lost) || (lost.Reading == nil) != tells {
			t.Errorf("Tells %v: got %v", tells, err)
		}
	}
}
