package remote

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// Of Macs behind one jump host, all learn what is wrong with it: not those whose time is over first that it was.
func TestJumpFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, testJumpFails)
}

func testJumpFails(t *testing.T) {
	var j jumps
	r := &route{mac: "mini", hops: []*hop{{name: "gate", jump: true}, {name: "mini"}}}
	jump, first := j.take(r.way(1))
	if !first {
		t.Fatal("somebody dials already")
	}
	over, done := context.WithDeadline(t.Context(), time.Now())
	defer done()
	left, leave := context.WithCancel(t.Context())
	leave()
	if _, _, err := j.to(left, r, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("who left got %v", err)
	}
	got := make(chan error, 1)
	go func() {
		_, _, err := j.to(over, r, 1)
		got <- err
	}()
	if synctest.Wait(); len(got) > 0 { // for the moment that who is too late still has
		t.Fatalf("it did not wait: %v", <-got)
	}
	refused := errors.New("refused")
	jump.err = (&route{mac: "maxi"}).failure(r.hops[0], StageTCP, refused)
	j.dialled(r.way(1), jump)
	var dial *DialError
	if err := <-got; !errors.Is(err, refused) || !errors.As(err, &dial) || dial.Host != "mini" || dial.Jump != "gate" {
		t.Errorf("got %v", err)
	}
}
