package macsim

import (
	"strings"
	"time"

	"github.com/macos-fleet/terraform-provider-macos/internal/plist"
)

// settle is how long, in the world, launchd waits at most for a program that it really runs to end or to sleep, so that a short one has
// done its work when the command that started it returns. (On a real Mac nothing waits; there, though, nobody writes down what is there a
// millisecond later.)
const settle = time.Second

// startLoaded starts a job that was just loaded, if launchd does so.
func (l *launchdState) startLoaded(j *job) {
	l.mu.Lock()
	late := l.behavior[j.label].Late
	l.mu.Unlock()
	reason := "speculative"
	if _, conditions := j.dict.Get("KeepAlive").(plist.Dict); conditions {
		reason = "semaphore"
	}
	if j.wanted() && !late {
		l.start(j, reason)
	}
}

// start starts the job's program. It is no error when that fails: the job says so.
func (l *launchdState) start(j *job, reason string) {
	m := l.mac
	l.mu.Lock()
	if l.jobs[j.label] != j || j.dying || j.pid != 0 {
		l.mu.Unlock()
		return
	}
	behavior, simulated := l.behavior[j.label]
	j.runs++
	j.reason, j.waits, j.failed = reason, false, false
	path, found := m.jobProgram(j)
	switch {
	case !m.hasUser(j.word("UserName")), !simulated && !found:
		j.refused()
	case simulated && behavior.Exits:
		j.exited(behavior.Exit)
	default:
		j.pid = m.newPID()
	}
	run := j.pid != 0 && !simulated && m.canRun(path)
	pid := j.pid
	l.mu.Unlock()
	if run {
		l.run(j, pid)
	}
}

// run really runs the job's program.
func (l *launchdState) run(j *job, pid int) {
	env := map[string]string{"XPC_SERVICE_NAME": j.label, "OSLogRateLimit": "64"}
	for _, e := range j.environment() {
		env[e.Key], _ = e.Value.(string)
	}
	wait, rests := l.mac.spawn(j.argv(), env, j.word("StandardOutPath"), j.word("StandardErrorPath"))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		status := wait()
		l.mu.Lock()
		defer l.mu.Unlock()
		if j.pid == pid {
			j.exited(status)
		}
	}()
	select {
	case <-ended:
	case <-rests:
	case <-time.After(settle):
	}
}

// kill sends a signal to a job that runs; ok is false when none does. What does not end a process does nothing here.
func (l *launchdState) kill(label, signal string) (ok bool) {
	l.mu.Lock()
	j := l.find(label)
	if j == nil || j.pid == 0 {
		l.mu.Unlock()
		return false
	}
	end := map[string]string{"TERM": "Terminated: 15", "KILL": "Killed: 9", "INT": "Interrupt: 2", "HUP": "Hangup: 1"}[signal]
	if end == "" || j.dying {
		l.mu.Unlock()
		return true
	}
	j.pid = 0
	j.ended = "last terminating signal = " + end
	again := j.keptAlive(128)
	l.mu.Unlock()
	if again {
		l.start(j, "inefficient")
	}
	return true
}

// restart is kickstart -k: SIGTERM, the wait until the process has gone, and a new start of the same definition.
func (l *launchdState) restart(done <-chan struct{}, j *job) {
	l.mu.Lock()
	killed, gone := j.stop(l.mac.now(), l.behavior[j.label].Drain)
	running := j.pid != 0
	l.mu.Unlock()
	if running {
		if !l.mac.sleep(done, gone) {
			return
		}
		l.mu.Lock()
		j.pid = 0
		j.ended = "last terminating signal = Terminated: 15"
		if gone.Equal(killed) {
			j.ended = "last terminating signal = Killed: 9"
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
	for _, u := range m.users() {
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
