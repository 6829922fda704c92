package macsim

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// The signals that are named in this package.
const (
	sigHUP  = 1
	sigKILL = 9
	sigPIPE = 13
	sigTERM = 15
)

// signals are the signals of a Mac by number, with their names and what strsignal(3) calls them. Those that stop a process and let it go
// on are not modelled.
var signals = map[int]struct{ name, text string }{
	sigHUP: {"HUP", "Hangup"}, 2: {"INT", "Interrupt"}, 3: {"QUIT", "Quit"}, 6: {"ABRT", "Abort trap"}, sigKILL: {"KILL", "Killed"},
	sigPIPE: {"PIPE", "Broken pipe"}, 14: {"ALRM", "Alarm clock"}, sigTERM: {"TERM", "Terminated"}, 16: {"URG", ""}, 20: {"CHLD", ""},
	28: {"WINCH", ""}, 29: {"INFO", ""}, 30: {"USR1", "User defined signal 1"}, 31: {"USR2", "User defined signal 2"},
}

// signalNumber reads a signal, as in TERM, SIGTERM or 15. EXIT, which no process is sent, is 0.
func signalNumber(word string) (n int, ok bool) {
	name := strings.TrimPrefix(word, "SIG")
	if name == "EXIT" || name == "0" {
		return 0, true
	}
	for n, s := range signals {
		if s.name == name || strconv.Itoa(n) == word {
			return n, true
		}
	}
	return 0, false
}

// signalText is a signal as launchd shows it, as in "Terminated: 15".
func signalText(n int) string { return fmt.Sprintf("%s: %d", signals[n].text, n) }

func init() {
	programs(map[string]command{
		"/bin/kill": func(_ context.Context, m *Mac, p *process) int { return m.kill(p, p.parent, "kill") },
	})
}

// A task is a process that signals can be sent to: a shell, or the program that a job of launchd's consists of. All other programs end
// with the shell that started them, if not before.
type task struct {
	mu      sync.Mutex
	traps   map[int]string // what a shell does at a signal, for 0 at its end: nothing if ""; without a trap it ends
	pending []int          // signals that came and have a trap, which the shell comes to before its next command
	killed  int            // the signal that it ends of; 0: none
	over    bool           // it has ended
	stop    func()         // ends it; a shell still comes to its trap on EXIT
	kill    func()         // ends it at once
}

// send sends the task a signal.
func (t *task) send(n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	trap, trapped := t.traps[n]
	switch {
	case t.over:
	case n == sigKILL:
		t.killed = n
		t.kill()
	case trap != "":
		if !slices.Contains(t.pending, n) {
			t.pending = append(t.pending, n)
		}
	case trapped, signals[n].text == "":
	default:
		if t.killed == 0 {
			t.killed = n
		}
		t.stop()
	}
}

// become is the start of a program in the task: what was trapped is not any more. Signals that are ignored stay so.
func (t *task) become(ignored []int, stop context.CancelFunc) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.traps, t.pending = map[int]string{}, nil
	for _, n := range ignored {
		t.traps[n] = ""
	}
	t.stop = stop
	if t.kill == nil {
		t.kill = stop
	}
}

// set is the builtin trap.
func (t *task) set(n int, trap string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if trap == "-" {
		delete(t.traps, n)
	} else {
		t.traps[n] = trap
	}
}

// next takes the trap of a signal that came.
func (t *task) next() (trap string, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.pending) == 0 || t.killed != 0 {
		return "", false
	}
	trap = t.traps[t.pending[0]]
	t.pending = t.pending[1:]
	return trap, true
}

// last takes what a shell has still to do when its script has ended; ok is false when that was all, and the task is over then.
func (t *task) last() (trap string, ok bool) {
	if trap, ok = t.next(); ok {
		return trap, true
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	trap = t.traps[0]
	delete(t.traps, 0)
	if trap == "" || t.killed == sigKILL {
		t.over = true
		return "", false
	}
	return trap, true
}

// signal is the signal that the task ends of, 0 if it ends by itself.
func (t *task) signal() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.killed
}

// lines are the traps as the builtin trap prints them.
func (t *task) lines() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var b strings.Builder
	for n := range 32 {
		if trap, ok := t.traps[n]; ok {
			name := "EXIT"
			if n != 0 {
				name = signals[n].name
			}
			fmt.Fprintf(&b, "trap -- %s %s\n", quote(trap), name)
		}
	}
	return b.String()
}

// ignored are the signals that a process ignores, which those that it starts do as well.
func (p *process) ignored() []int {
	var all []int
	for word := range strings.FieldsSeq(p.Env(ignoredVar)) {
		if n, err := strconv.Atoi(word); err == nil {
			all = append(all, n)
		}
	}
	return all
}

// ignore makes p ignore a signal.
func (p *process) ignore(n int) {
	p.environ[ignoredVar] = strings.TrimSpace(p.environ[ignoredVar] + " " + strconv.Itoa(n))
}

// kill is the program and the builtin, as name calls it. It knows launchd and its jobs, and the shell that it is called in, which has the
// number of all shells.
func (m *Mac) kill(p *process, shell *task, name string) int {
	args, signal, status := p.Args[1:], sigTERM, 0
	say := func(format string, args ...any) {
		fmt.Fprintf(p.Stderr, name+": "+format+"\n", args...)
		status = 1
	}
	word := ""
	switch {
	case len(args) > 1 && args[0] == "-s":
		word, args = args[1], args[2:]
	case len(args) > 0 && strings.HasPrefix(args[0], "-"):
		word, args = args[0][1:], args[1:]
	}
	if word != "" {
		var ok bool
		if signal, ok = signalNumber(word); !ok {
			say("%s: invalid signal specification", word)
			return status
		}
	}
	for _, arg := range args {
		pid, err := strconv.Atoi(arg)
		switch {
		case err != nil:
			say("%s: arguments must be process or job IDs", arg)
		case m.processes()[pid].argv == nil:
			say("(%d) - No such process", pid)
		case pid == os.Getpid():
			if shell != nil && signal != 0 {
				shell.send(signal)
			}
		case p.UID != 0:
			say("(%d) - Operation not permitted", pid)
		case pid != 1 && signal != 0:
			m.launchd.signal(pid, signal)
		}
	}
	return status
}
