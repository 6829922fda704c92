package macsim

import (
	"context"
	"sync"
	"time"
)

// now is the Mac's clock, which runs faster than the world's when Second is short.
func (m *Mac) now() time.Time {
	return m.started.Add(m.macTime(time.Since(m.started)) + time.Duration(m.slept.Load()))
}

// macTime is how long the real time d is on the Mac.
func (m *Mac) macTime(d time.Duration) time.Duration {
	return time.Duration(float64(d) * float64(time.Second) / float64(m.Second))
}

// realTime is how long d of the Mac is in the world.
func (m *Mac) realTime(d time.Duration) time.Duration {
	return time.Duration(float64(d) * float64(m.Second) / float64(time.Second))
}

// A nap is a time that the Mac sleeps.
type nap struct {
	begun, over chan struct{}
	once        sync.Once
}

func newNap() *nap { return &nap{begun: make(chan struct{}), over: make(chan struct{})} }

func (n *nap) end() { n.once.Do(func() { close(n.over) }) }

// Sleep makes the Mac sleep for d on its clock, which in the world takes no time. See FallAsleep.
func (m *Mac) Sleep(d time.Duration) { m.FallAsleep()(d) }

// FallAsleep makes the Mac sleep until wake is called, or the Mac is restarted: no program goes on, the timers of sleep(1) and of launchd
// stand still, and no packet of any connection gets through, as after Unplug. When it wakes, its clock has gone forward by d (and by what
// passed in the world meanwhile), while what waited has still to wait as long as before. A Mac that sleeps already is not made to sleep
// again; wake then does nothing, nor does it a second time.
//
// A program that has begun is not stopped in the middle. There are no dark wakes.
func (m *Mac) FallAsleep() (wake func(d time.Duration)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := m.nap
	select {
	case <-n.begun:
		return func(time.Duration) {}
	default:
	}
	close(n.begun)
	m.line.setAsleep(true)
	return func(d time.Duration) {
		m.mu.Lock()
		sleeps := m.nap == n
		if sleeps {
			m.nap = newNap()
		}
		m.mu.Unlock()
		if sleeps {
			m.slept.Add(int64(d))
			m.line.setAsleep(false)
			m.pf.announceChange()
			n.end()
		}
	}
}

func (m *Mac) nextNap() *nap {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.nap
}

// awake returns when the Mac does not sleep. It is false when done was closed before.
func (m *Mac) awake(done <-chan struct{}) bool {
	n := m.nextNap()
	select {
	case <-n.begun:
	default:
		return true
	}
	select {
	case <-n.over:
		return true
	case <-done:
		return false
	}
}

// pause waits for d of the Mac's time in which it is awake. It is false when done was closed before.
func (m *Mac) pause(done <-chan struct{}, d time.Duration) bool {
	for m.awake(done) {
		n, start := m.nextNap(), time.Now()
		timer := time.NewTimer(m.realTime(d))
		select {
		case <-timer.C:
			return m.awake(done)
		case <-n.begun:
			d -= m.macTime(time.Since(start))
		case <-done:
			timer.Stop()
			return false
		}
		timer.Stop()
	}
	return false
}

// sleep waits as pause does, until that time of the Mac unless it sleeps, and for ever if it is zero.
func (m *Mac) sleep(done <-chan struct{}, until time.Time) bool {
	if until.IsZero() {
		<-done
		return false
	}
	return m.pause(done, until.Sub(m.now()))
}

// boot starts a Mac that is off.
func (m *Mac) boot() {
	m.mu.Lock()
	m.ctx, m.cancel = context.WithCancel(context.Background())
	m.off = false
	m.bootTime = m.now()
	m.mu.Unlock()
	m.pf.boot(m)
	m.launchd.boot(m)
	m.mu.Lock()
	m.ready = true
	m.mu.Unlock()
	m.up.Broadcast()
}

// shutdown ends every program and every connection, and returns when they have ended.
func (m *Mac) shutdown() {
	m.mu.Lock()
	m.off, m.ready = true, false
	m.cancel()
	m.nap.end()
	m.nap = newNap()
	m.line.setAsleep(false)
	for w := range m.wires {
		w.cut()
	}
	m.mu.Unlock()
	m.work.Wait()
}

// Reboot is a restart: connections break, programs end without being asked, the kernel forgets pf's rules, /private/var/run and
// /private/tmp are emptied; then pf and launchd start as they do at boot. It returns when launchd has started its jobs.
func (m *Mac) Reboot() {
	m.power.Lock()
	defer m.power.Unlock()
	if m.isClosed() {
		return
	}
	m.shutdown()
	for _, dir := range []string{"/private/var/run", "/private/tmp"} {
		names, _ := m.files.List(dir)
		for _, name := range names {
			_ = m.files.Remove(dir + "/" + name)
		}
	}
	m.boot()
}

func (m *Mac) isClosed() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.closed
}

// Close stops the Mac and waits until nothing of it runs any more.
func (m *Mac) Close() {
	m.turnOff()
	m.watching.Wait() // They may wait for turnOff.
}

func (m *Mac) turnOff() {
	m.power.Lock()
	defer m.power.Unlock()
	m.mu.Lock()
	m.closed = true
	for _, d := range m.doors {
		_ = d.listener.Close()
		if d.keeps != nil {
			d.keeps()
		}
	}
	m.mu.Unlock()
	m.up.Broadcast()
	m.accepting.Wait()
	m.shutdown()
	m.line.plug()
}

// enter notes that something starts to run; m.work.Done ends it. It is false when the Mac is off, or was restarted since
// ctx began.
func (m *Mac) enter(ctx context.Context) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.off || ctx.Err() != nil {
		return false
	}
	m.work.Add(1)
	return true
}

// running is the context of what runs until the next restart.
func (m *Mac) running() context.Context {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.ctx
}
