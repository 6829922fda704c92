package macsim

import (
	"context"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/macos-fleet/terraform-provider-macos/internal/plist"
)

// settle is how long, in the world, launchd waits at most for a program that it really runs to end or to sleep, so that a short one has
// done its work when the command that started it returns, however slow this machine is. (On a real Mac nothing waits; there, though, nobody
// writes down what is there a millisecond later.)
const settle = time.Minute

// A run is one run of a job's program, really run.
type run struct {
	task  *task
	rests chan struct{} // closed when it sleeps, or is held, for the first time
	ended chan struct{} // closed when it has ended and launchd knows
}

// startLoaded starts a job that was just loaded, if launchd does so.
func (l *launchdState) startLoaded(j *job) {
	l.mu.Lock()
	late := l.behavior[j.label].Late || l.ways.Late
	l.mu.Unlock()
	reason := "speculative"
	if _, conditions := j.dict.Get("KeepAlive").(plist.Dict); conditions {
		reason = "semaphore"
	}
	if j.wanted() && !late {
		l.start(j, reason)
	}
}

// start starts the job's program, unless it runs. It is no error when that fails: the job says so.
func (l *launchdState) start(j *job, reason string) {
	m := l.mac
	l.mu.Lock()
	if l.jobs[j.target()] != j || j.dying || j.pid != 0 {
		l.mu.Unlock()
		return
	}
	behavior, simulated := l.behavior[j.label]
	j.runs++
	j.reason, j.waits, j.failed, j.launched = reason, false, false, m.now()
	path, found := m.jobProgram(j)
	switch {
	case l.ways.Unable, !m.hasUser(j.word("UserName")), !simulated && !found:
		j.refused()
	case simulated && behavior.Exits:
		j.exited(behavior.Exit)
	default:
		j.pid = m.newPID()
	}
	if j.pid != 0 && !simulated && m.canRun(path) {
		j.run = l.spawn(j)
	}
	r := j.run
	l.mu.Unlock()
	if r != nil {
		select {
		case <-r.ended:
		case <-r.rests:
		case <-time.After(settle):
		}
	}
}

// restsKey is in the context of what launchd runs: a func() to be called when it sleeps or is held.
type restsKey struct{}

// rests says that what runs in ctx, if that is a job's, does nothing for a while.
func rests(ctx context.Context) {
	if tell, ok := ctx.Value(restsKey{}).(func()); ok {
		tell()
	}
}

// spawn really runs the job's program: as root or the domain's user, in the folder /, with nothing on stdin, and with stdout and stderr
// appended to the files that the definition names. It ends at shutdown at the latest. l.mu is held.
func (l *launchdState) spawn(j *job) *run {
	m := l.mac
	p := m.process(userOf(j.domain), j.argv())
	p.Dir = "/"
	p.environ = environ{"PATH": defaultPath, "XPC_SERVICE_NAME": j.label, "OSLogRateLimit": "64"}
	for _, e := range j.environment() {
		p.environ[e.Key], _ = e.Value.(string)
	}
	p.Env = p.environ.get
	p.Stdout, p.Stderr = m.appendTo(j.word("StandardOutPath")), m.appendTo(j.word("StandardErrorPath"))
	r := &run{task: new(task), rests: make(chan struct{}), ended: make(chan struct{})}
	p.task = r.task
	ctx, kill := context.WithCancel(m.running())
	ctx = context.WithValue(ctx, restsKey{}, sync.OnceFunc(func() { close(r.rests) }))
	r.task.stop, r.task.kill = kill, kill
	if !m.enter(ctx) {
		kill()
		close(r.ended)
		return r
	}
	go func() {
		defer m.work.Done()
		defer close(r.ended)
		status := 127
		if path, err := m.lookPath(p); err == nil {
			status = m.start(ctx, path, p)
		}
		if !j.is("AbandonProcessGroup") {
			kill()
		}
		l.reap(j, status, r.task.signal())
	}()
	return r
}

// appendTo opens a log file as launchd does.
func (m *Mac) appendTo(path string) io.Writer {
	if path == "" {
		return io.Discard
	}
	f, err := m.files.open(rootCred, path, appendFlags, 0o644)
	if err != nil {
		return io.Discard
	}
	return f
}

// reap notes that the job's run has ended, and does what is to follow.
func (l *launchdState) reap(j *job, status, signal int) {
	l.mu.Lock()
	j.run = nil
	if signal != 0 {
		j.signaled(signal)
	} else {
		j.exited(status)
	}
	again := j.again
	j.again = false
	if l.jobs[j.target()] != j {
		l.mu.Unlock()
		return
	}
	if j.dying {
		delete(l.jobs, j.target())
	} else if j.waits && !again {
		l.respawn(j)
	}
	l.mu.Unlock()
	if again {
		l.start(j, "non-ipc demand")
	}
}

// respawn starts a job that is kept alive again when its throttle interval is over. l.mu is held.
func (l *launchdState) respawn(j *job) {
	m, ctx := l.mac, l.mac.running()
	if !m.enter(ctx) {
		return
	}
	launched := j.launched
	go func() {
		defer m.work.Done()
		if !m.sleep(ctx.Done(), launched.Add(time.Duration(j.throttle())*time.Second)) {
			return
		}
		l.mu.Lock()
		wanted := j.waits && j.launched.Equal(launched)
		l.mu.Unlock()
		if wanted {
			l.start(j, "inefficient")
		}
	}()
}

// terminate sends the job's run SIGTERM, and SIGKILL when its time is over. l.mu is held.
func (l *launchdState) terminate(j *job) {
	m, r, timeout := l.mac, j.run, j.exitTimeout()
	r.task.send(sigTERM)
	if timeout == 0 || !m.enter(m.running()) {
		return
	}
	j.killed = m.now().Add(timeout)
	until := j.killed
	go func() {
		defer m.work.Done()
		if m.sleep(r.ended, until) {
			r.task.send(sigKILL)
		}
	}()
}

// awaitEnd returns when the process of a job that is to end has gone. It is false when done was closed first.
func (l *launchdState) awaitEnd(done <-chan struct{}, j *job) bool {
	l.mu.Lock()
	r, gone := j.run, j.gone
	l.mu.Unlock()
	if r == nil {
		return l.mac.sleep(done, gone)
	}
	select {
	case <-r.ended:
		return true
	case <-done:
		return false
	}
}

// kill sends a signal to a job that runs; ok is false when none does. Of a job that is not really run, signals that do not end a process
// do nothing.
func (l *launchdState) kill(target string, n int) (ok bool) {
	l.mu.Lock()
	j := l.find(target)
	if j == nil || j.pid == 0 {
		l.mu.Unlock()
		return false
	}
	if j.run != nil || signals[n].text == "" || j.dying {
		if j.run != nil {
			j.run.task.send(n)
		}
		l.mu.Unlock()
		return true
	}
	j.signaled(n)
	again := j.waits
	l.mu.Unlock()
	if again {
		l.start(j, "inefficient")
	}
	return true
}

// signal sends a signal to the job with this process.
func (l *launchdState) signal(pid, n int) {
	l.mu.Lock()
	target := ""
	for name, j := range l.jobs {
		if j.pid == pid {
			target = name
		}
	}
	l.mu.Unlock()
	if target != "" {
		l.kill(target, n)
	}
}

// restart is kickstart -k: SIGTERM, the wait until the process has gone, and a new start of the same definition. launchd does it even when
// nobody waits for it any more.
func (l *launchdState) restart(done <-chan struct{}, j *job) {
	l.mu.Lock()
	if j.run != nil {
		j.again = true
		l.terminate(j)
		l.mu.Unlock()
		l.awaitEnd(done, j)
		return
	}
	killed, gone := j.stop(l.mac.now(), l.behavior[j.label].Drain)
	running := j.pid != 0
	l.mu.Unlock()
	if running {
		if !l.mac.sleep(done, gone) {
			return
		}
		l.mu.Lock()
		if j.signaled(sigTERM); gone.Equal(killed) {
			j.signaled(sigKILL)
		}
		l.mu.Unlock()
	}
	l.start(j, "non-ipc demand")
}

// jobProgram is the file of the job's program; ok is false when it cannot be executed.
func (m *Mac) jobProgram(j *job) (path string, ok bool) {
	p := m.process(0, j.argv())
	p.Dir = "/"
	path, err := m.lookPath(p)
	return path, err == nil
}

// canRun tells whether this Mac can really run the program: it is one of its own, or a script.
func (m *Mac) canRun(path string) bool {
	if commands[path] != nil {
		return true
	}
	text, err := m.files.Read(path)
	return err == nil && strings.HasPrefix(text, "#!")
}

func (m *Mac) hasUser(name string) bool {
	for _, u := range m.users {
		if name == "" || u.name == name {
			return true
		}
	}
	return false
}

func (m *Mac) newPID() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.nextPID++
	return m.nextPID
}
