package macsim

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"
)

func init() { programs(map[string]command{"/usr/bin/perl": perl}) }

// alarmProgram is one of two programs in Perl that are modelled: a time limit for another program, since a Mac has no timeout(1). The other
// is one that forks, whatever its words, and kills the other program: those in Go do not end of SIGALRM.
const alarmProgram = "alarm shift; exec @ARGV"

// perl runs a program that SIGALRM ends after so many seconds, or SIGKILL, on the Mac's clock, in which it waits for something on the Mac:
// what it takes to do its work here is no time there.
func perl(ctx context.Context, m *Mac, p *process) int {
	forks := len(p.Args) > 4 && strings.Contains(p.Args[2], "fork") && strings.Contains(p.Args[2], "waitpid")
	if len(p.Args) < 5 || p.Args[1] != "-e" || p.Args[2] != alarmProgram && !forks {
		return p.errorf("macsim: this program is not modelled")
	}
	seconds, err := strconv.Atoi(p.Args[3])
	if err != nil {
		return p.errorf("macsim: an alarm in %s seconds is not modelled", p.Args[3])
	}
	c := p.child(p.Args[4:]...)
	file, err := m.lookPath(c)
	if err != nil {
		fmt.Fprintf(p.Stderr, "Can't exec %q: %v at -e line 1.\n", c.Args[0], err)
		return 2
	}
	ctx, kill := context.WithCancelCause(ctx)
	defer kill(nil)
	status := m.start(context.WithValue(ctx, waitsKey{}, func(done <-chan struct{}) {
		if m.pause(done, time.Duration(seconds)*time.Second) {
			kill(errAlarm)
		}
	}), file, c)
	switch {
	case context.Cause(ctx) == errAlarm && forks:
		return 124
	case context.Cause(ctx) == errAlarm:
		return 128 + 14
	}
	return status
}

var errAlarm = fmt.Errorf("SIGALRM")

// waitsKey is in the context of what perl runs: a func to be called, in a goroutine, while it waits.
type waitsKey struct{}

// waiting starts what ends a program that waits too long; stop ends that.
func waiting(ctx context.Context) (stop func()) {
	alarm, ok := ctx.Value(waitsKey{}).(func(<-chan struct{}))
	if !ok {
		return func() {}
	}
	done := make(chan struct{})
	go alarm(done)
	return func() { close(done) }
}
