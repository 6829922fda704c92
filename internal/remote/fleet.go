package remote

import (
	"context"
	"math"
	"sync"
	"time"
)

// Fleet is the Macs that a configuration names. They share their connections to jump hosts, and what becomes known of the work: a Mac is
// dialled before its turn comes, and asked what the others are asked.
//
// Terraform asks for ten resources at a time, so a fleet whose Macs are dialled when they are asked takes as many logins one after the
// other as it has tens of Macs. What a plan will be about is not known beforehand: it may be targeted at one Mac of three hundred. So the
// first Mac that is needed is dialled alone; with each further one, another is dialled that nobody has needed yet. That way no more logins
// are made in vain than with a reason, and each wave doubles the number of Macs that are connected, instead of adding ten.
//
// Macs that are away break that: ten of them hold up all others for the connect timeout, and those that Terraform asks for next are seldom
// the ones that were dialled ahead, since its order is its own. So once as many are needed as it asks for at a time, and one of them takes
// long to dial, all are dialled.
type Fleet struct {
	// Said is told what an SSH server says before a login, such as an URL to visit, when it says so: the login may wait for that. It may
	// be called from many goroutines. nil: the text is in the error only.
	Said func(mac, banner string)

	jumps jumps

	mu        sync.Mutex
	later     []*Host // that were not dialled yet, in the order in which they were added
	started   []*Host
	needed    int
	slow      int // how many are being dialled for long
	questions map[string]question
}

// question asks a Mac what all are asked; see [Foresee].
type question func(context.Context, *Host)

// Host adds the Mac that t reaches. It is not dialled before it is needed, or another one is.
func (f *Fleet) Host(t Target) *Host {
	h := &Host{target: t, fleet: f, turn: make(chan struct{}, 1), alone: make(chan struct{}, 1)}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.later = append(f.later, h)
	return h
}

// Need says that the Mac is about to be asked something. It may be said again and again, and need not: it makes what comes faster.
func (h *Host) Need() {
	f := h.fleet
	f.mu.Lock()
	defer f.mu.Unlock()
	if h.needed {
		return
	}
	h.needed = true
	f.needed++
	f.start(h)
	f.ahead()
}

// How many Macs Terraform asks for at a time, unless told otherwise, and after which time a Mac takes long to dial.
const (
	parallelism = 10
	long        = time.Second
)

// ahead dials Macs that nobody has needed yet. The caller holds the mutex.
func (f *Fleet) ahead() {
	most := 2 * f.needed
	switch {
	case f.needed == 1:
		return
	case f.needed >= parallelism && f.slow > 0:
		most = math.MaxInt
	}
	for len(f.later) > 0 && len(f.started) < most {
		f.start(f.later[0])
	}
}

// mind watches how long the dialling of a Mac takes, until it is told that it is over.
func (f *Fleet) mind() (over func()) {
	count := func(n int) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.slow += n
		f.ahead()
	}
	late := time.AfterFunc(long, func() { count(1) })
	return func() {
		if !late.Stop() {
			count(-1)
		}
	}
}

// start dials h, unless that was done before, and asks it all that others were asked. The caller holds the mutex.
func (f *Fleet) start(h *Host) {
	for i, other := range f.later {
		if other == h {
			f.later = append(f.later[:i:i], f.later[i+1:]...)
			f.started = append(f.started, h)
			go h.dial()
			for _, q := range f.questions {
				go q(context.Background(), h)
			}
			return
		}
	}
}

// learn has all Macs that are dialled asked a question, now or later.
func (f *Fleet) learn(name string, q question) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.questions[name] != nil {
		return
	}
	if f.questions == nil {
		f.questions = map[string]question{}
	}
	f.questions[name] = q
	for _, h := range f.started {
		go q(context.Background(), h)
	}
}

// dial connects to the Mac. That it cannot be reached is remembered for who asks it something.
func (h *Host) dial() {
	h.turn <- struct{}{}
	defer func() { <-h.turn }()
	_ = h.connect(context.Background())
}
