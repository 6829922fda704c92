package macsim

import (
	"context"
	"path"
	"slices"
)

// Call is one program that was run.
type Call struct {
	Argv []string
	UID  int
	SSH  bool // whether it came over SSH: false for Run, and for what launchd starts
}

// Calls are the programs that were run so far, in the order in which they began. What is built into the shell is not among them.
func (m *Mac) Calls() []Call {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.calls)
}

// ForgetCalls empties Calls.
func (m *Mac) ForgetCalls() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calls = nil
}

// Failure is what happens to a program instead of what it would do, such as a launchctl bootstrap that fails with 5 and says nothing of
// why, or says so although it loaded the job.
type Failure struct {
	Stderr string // what it prints
	Exit   int    // its exit status
	Done   bool   // it does its work all the same, and only says otherwise
	// Cut cuts the SSH connection that the program came over, and the fields above mean nothing. For a program that did not come
	// over SSH it means nothing.
	Cut Cut
}

// Cut is when a connection is cut.
type Cut int

// When a connection is cut.
const (
	CutNever  Cut = iota
	CutBefore     // the program does not run, nor does what would follow: as if the Mac's sshd had been killed
	CutAfter      // the program has run; its script goes on, as on a real Mac, until it next writes to the connection
)

// Watch has f called right before and right after every program that runs, whoever started it; nil ends that. What is built into the shell
// is no program, and one that Fail makes fail is never done. The program, and what waits for it, stand still meanwhile. So f can do
// something before and after the k-th program: cut connections, kill a client, Unplug, Sleep, even Reboot, after which the program does
// not begin, or nobody hears of its end. Programs run at once, so f is called at once. Close waits until f has returned.
func (m *Mac) Watch(f func(argv []string, done bool)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.watch = f
}

// tell calls Watch's function. It returns early when ctx ends, in a goroutine of its own, so that f may end ctx and wait for that.
func (m *Mac) tell(ctx context.Context, argv []string, done bool) {
	m.mu.Lock()
	f := m.watch
	m.mu.Unlock()
	if f != nil {
		m.apart(ctx, func() { f(slices.Clone(argv), done) })
	}
}

// apart runs a function of a test's. It returns when that has or, as false, when ctx ends.
func (m *Mac) apart(ctx context.Context, f func()) bool {
	returned := make(chan struct{})
	m.watching.Go(func() {
		defer close(returned)
		f()
	})
	select {
	case <-returned:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

// Fail asks f about every program before it runs; nil lets it run. A nil f ends the asking. f may do what Watch's function may.
func (m *Mac) Fail(f func(argv []string) *Failure) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fail = f
}

// hold is a program to be held, or held.
type hold struct {
	arrived, release chan struct{}
	taken            bool
}

// Hold stops the next program of this name (as in "pfctl") before it does anything, until release is called, which may be done
// more than once.
func (m *Mac) Hold(name string) (release func()) {
	h := &hold{arrived: make(chan struct{}), release: make(chan struct{})}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.holds[name] = h
	return func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		if m.holds[name] == h {
			delete(m.holds, name)
		}
		select {
		case <-h.release:
		default:
			close(h.release)
		}
	}
}

// Await returns when the program that Hold(name) stops has come: at once when nothing is held, and when the Mac shuts down.
func (m *Mac) Await(name string) {
	m.mu.Lock()
	h, ctx := m.holds[name], m.ctx
	m.mu.Unlock()
	if h == nil {
		return
	}
	select {
	case <-h.arrived:
	case <-ctx.Done():
	}
}

// AwaitHeld returns when pf holds back n packets of SSH connections, of each connection at most one in either direction; and when
// the Mac shuts down.
func (m *Mac) AwaitHeld(n int) {
	ctx := m.running()
	for {
		changed := m.pf.changes()
		m.pf.mu.Lock()
		held := m.pf.held
		m.pf.mu.Unlock()
		if held >= n {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

// begin records a program, holds it, and says how it fails.
func (m *Mac) begin(ctx context.Context, file string, p *process) *Failure {
	m.mu.Lock()
	m.calls = append(m.calls, Call{Argv: slices.Clone(p.Args), UID: p.UID, SSH: p.session != nil})
	fail, h := m.fail, m.holds[path.Base(file)]
	if h != nil && h.taken {
		h = nil
	}
	if h != nil {
		h.taken = true
		close(h.arrived)
	}
	m.mu.Unlock()
	if h != nil {
		rests(ctx)
		select {
		case <-h.release:
		case <-ctx.Done():
			return nil
		}
	}
	if !m.awake(ctx.Done()) {
		return nil
	}
	if m.tell(ctx, p.Args, false); ctx.Err() != nil || fail == nil {
		return nil
	}
	var f *Failure
	if !m.apart(ctx, func() { f = fail(p.Args) }) {
		return nil
	}
	if f != nil && f.Cut != CutNever && p.session == nil {
		return nil
	}
	return f
}
