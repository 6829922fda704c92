package remote

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
)

// jumps are the connections to jump hosts. Each is for all Macs behind it: a fleet that dials at once would otherwise be turned away by
// its jump host (MaxStartups), and log in there once for each Mac. It lasts as long as one of them is connected. The zero value has none.
type jumps struct {
	mu   sync.Mutex
	open map[string]*jump // by all that matters for the way there
}

// jump is a connection to a jump host. Its client and err may be read once ready is closed.
type jump struct {
	ready  chan struct{}
	client *ssh.Client
	err    error
	users  int // guarded by the mutex of jumps
}

// to returns a connection to the n-th of r's hops, and what gives it back. For n = 0, which is this machine, it is nil. Every error is a
// *DialError.
func (j *jumps) to(ctx context.Context, r *route, n int) (client *ssh.Client, done func(), err error) {
	if n == 0 {
		return nil, func() {}, nil
	}
	h, way := r.hops[n-1], r.way(n)
	for {
		jump, first := j.take(way)
		if first {
			jump.client, jump.err = r.arrive(ctx, n)
			j.dialled(way, jump)
		}
		if jump.await(ctx) {
			err = jump.err
		} else {
			err = r.failure(h, StageTCP, withCause(ctx, ctx.Err()))
		}
		if err == nil {
			return jump.client, func() { j.giveBack(way, jump) }, nil
		}
		j.giveBack(way, jump)
		if first || !errors.Is(err, context.Canceled) || ctx.Err() != nil {
			return nil, nil, r.mine(err)
		}
		// Whoever dialled gave up; we did not.
	}
}

// await waits until the connection is made, or could not be. It is false when ctx is done before. Of Macs that are dialled at once, the one
// that dials the jump host may have a moment longer than another: then it is about to know what is wrong, which says more than that time
// is over.
func (c *jump) await(ctx context.Context) bool {
	const moment = 100 * time.Millisecond
	select {
	case <-c.ready:
		return true
	case <-ctx.Done():
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		select {
		case <-c.ready:
			return true
		case <-time.After(moment):
		}
	}
	return false
}

// take returns the connection for a way, and whether the caller is the one to dial it.
func (j *jumps) take(way string) (_ *jump, first bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	c := j.open[way]
	if c == nil {
		c, first = &jump{ready: make(chan struct{})}, true
		if j.open == nil {
			j.open = map[string]*jump{}
		}
		j.open[way] = c
	}
	c.users++
	return c, first
}

// dialled tells those who wait for c. Nobody who comes later gets a connection that failed, or one that has ended.
func (j *jumps) dialled(way string, c *jump) {
	if c.err != nil {
		j.forget(way, c)
	} else {
		go func() {
			_ = c.client.Wait()
			j.forget(way, c)
		}()
	}
	close(c.ready)
}

func (j *jumps) forget(way string, c *jump) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.open[way] == c {
		delete(j.open, way)
	}
}

// have reports whether client is still the one for a way. One that has ended is not.
func (j *jumps) have(way string, client *ssh.Client) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	c := j.open[way]
	return c != nil && c.client == client
}

// giveBack closes c when nobody uses it any more. Whoever dials it uses it.
func (j *jumps) giveBack(way string, c *jump) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if c.users--; c.users > 0 {
		return
	}
	if j.open[way] == c {
		delete(j.open, way)
	}
	if c.client != nil {
		_ = c.client.Close()
	}
}

// way is all that matters for the way to the n-th hop.
func (r *route) way(n int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%q", r.proxy)
	for _, h := range r.hops[:n] {
		same := *h
		same.worked = nil
		fmt.Fprintf(&b, "\n%+v", same)
	}
	return b.String()
}

// mine is err, which may have come to others as well, for the Mac that r leads to.
func (r *route) mine(err error) error {
	var dial *DialError
	if !errors.As(err, &dial) {
		return err
	}
	same := *dial
	same.Host = r.mac
	return &same
}
