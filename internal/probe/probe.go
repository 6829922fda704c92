// Package probe finds out which TCP ports of a machine answer: from here, or from a Mac. It sends nothing over the connections that it
// makes, and it does not judge whom it may ask: that is for who calls it.
package probe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// A Port's answer.
type answer int

const (
	unasked  answer = iota
	open            // somebody listens there
	closed          // nobody does, and the machine says so
	filtered        // nothing is heard, or that it cannot be reached
)

// Ports are what became of those that were asked for, each in ascending order.
type Ports struct {
	Open     []uint16 // somebody listens, and lets us connect
	Closed   []uint16 // the machine answers that nobody does
	Filtered []uint16 // no answer came in time, or one that says that the machine cannot be reached; as from one that is switched off
}

// Options say how to ask.
type Options struct {
	Parallel int           // how many ports at the same time
	Timeout  time.Duration // how long to wait for an answer
	// Progress is told now and then how many ports have been asked; nil: nobody is told.
	Progress func(done int)
}

// UnfinishedError is a scan whose context ended before all ports had been asked.
type UnfinishedError struct {
	Done, Of int
	Err      error
}

func (e *UnfinishedError) Error() string {
	return fmt.Sprintf("%d of %d ports were asked: %v", e.Done, e.Of, e.Err)
}

func (e *UnfinishedError) Unwrap() error { return e.Err }

// Scan asks the ports of an address from here. What keeps this machine itself from asking, such as no route or too many open files, is
// an error: it says nothing of the port.
func Scan(ctx context.Context, addr netip.Addr, ports []uint16, o Options) (Ports, error) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	answers := make([]answer, len(ports))
	next := make(chan int)
	done := make(chan struct{})
	var askers sync.WaitGroup
	for range min(o.Parallel, len(ports)) {
		askers.Go(func() {
			for i := range next {
				var err error
				if answers[i], err = ask(ctx, netip.AddrPortFrom(addr, ports[i]), o.Timeout); err != nil {
					stop(err)
					continue
				}
				done <- struct{}{}
			}
		})
	}
	go func() {
		defer func() { askers.Wait(); close(done) }()
		defer close(next)
		for i := range ports {
			select {
			case next <- i:
			case <-ctx.Done():
				return
			}
		}
	}()
	n := 0
	for range done {
		if n++; o.Progress != nil {
			o.Progress(n)
		}
	}
	if n < len(ports) {
		return Ports{}, &UnfinishedError{Done: n, Of: len(ports), Err: context.Cause(ctx)}
	}
	return sorted(ports, answers), nil
}

// ask asks one port.
func ask(ctx context.Context, to netip.AddrPort, timeout time.Duration) (answer, error) {
	dialer, began := net.Dialer{Timeout: timeout, KeepAlive: -1}, time.Now()
	conn, err := dialer.DialContext(ctx, "tcp", to.String())
	if err == nil {
		_ = conn.Close()
		return open, nil
	}
	if ctx.Err() != nil {
		return unasked, context.Cause(ctx)
	}
	is := func(targets ...syscall.Errno) bool {
		return slices.ContainsFunc(targets, func(target syscall.Errno) bool { return errors.Is(err, target) })
	}
	var timedOut net.Error
	switch {
	case is(syscall.ECONNREFUSED, syscall.ECONNRESET, errWSARefused, errWSAReset):
		return closed, nil
	case errors.As(err, &timedOut) && timedOut.Timeout() && time.Since(began) < timeout && !is(syscall.ETIMEDOUT, errWSATimedOut):
		return unasked, context.DeadlineExceeded // the context's deadline, which it tells of a moment later
	case errors.As(err, &timedOut) && timedOut.Timeout(), is(syscall.ETIMEDOUT, syscall.EHOSTUNREACH, errWSATimedOut, errWSAUnreachable):
		return filtered, nil
	}
	return unasked, err
}

// What Windows says, which package syscall has no names for.
const (
	errWSAReset       syscall.Errno = 10054
	errWSATimedOut    syscall.Errno = 10060
	errWSARefused     syscall.Errno = 10061
	errWSAUnreachable syscall.Errno = 10065
)

func sorted(ports []uint16, answers []answer) Ports {
	var p Ports
	for i, port := range ports {
		switch answers[i] {
		case open:
			p.Open = append(p.Open, port)
		case closed:
			p.Closed = append(p.Closed, port)
		default:
			p.Filtered = append(p.Filtered, port)
		}
	}
	for _, list := range [][]uint16{p.Open, p.Closed, p.Filtered} {
		slices.Sort(list)
	}
	return p
}

// ParsePorts reads ports and ranges of them, such as 22 and 8000-8100. The result is in ascending order, each port once.
func ParsePorts(words []string) ([]uint16, error) {
	var ports []uint16
	for _, word := range words {
		first, last, isRange := strings.Cut(word, "-")
		if !isRange {
			last = first
		}
		a, errA := strconv.ParseUint(first, 10, 16)
		b, errB := strconv.ParseUint(last, 10, 16)
		if errA != nil || errB != nil || a == 0 || b < a {
			return nil, fmt.Errorf("%q is neither a port from 1 to 65535 nor a range of them, such as 8000-8100", word)
		}
		for port := a; port <= b; port++ {
			ports = append(ports, uint16(port))
		}
	}
	slices.Sort(ports)
	return slices.Compact(ports), nil
}

// Ranges is the reverse of ParsePorts, in as few words as can be. The ports are in ascending order.
func Ranges(ports []uint16) []string {
	var words []string
	for i := 0; i < len(ports); {
		last := i
		for last+1 < len(ports) && ports[last+1] == ports[last]+1 {
			last++
		}
		word := strconv.Itoa(int(ports[i]))
		if last > i {
			word += "-" + strconv.Itoa(int(ports[last]))
		}
		words, i = append(words, word), last+1
	}
	return words
}

// Resolve is the address that a name or an address stands for: the first one that is looked up here.
func Resolve(ctx context.Context, name string) (netip.Addr, error) {
	if addr, err := netip.ParseAddr(name); err == nil {
		return addr.Unmap(), nil
	}
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", name)
	switch {
	case err != nil:
		return netip.Addr{}, err
	case len(addrs) == 0:
		return netip.Addr{}, io.ErrUnexpectedEOF // not seen: a look-up without a result is an error
	}
	return addrs[0].Unmap(), nil
}
