package macsim

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/macos-fleet/terraform-provider-macos/internal/plist"
)

// TestSleep puts a Mac to sleep under a script that measures time in two ways.
func TestSleep(t *testing.T) {
	m := newMac(t, Mac{Second: 10 * time.Millisecond})
	world := time.Now()
	script(t, m, "job", `a=$(date +%s); : >/tmp/begun; sleep 200; b=$(date +%s); : >/tmp/stamp; echo $((b - a)) >/tmp/took`)
	waitFor(t, m, "/tmp/begun")
	before := m.now()
	m.Sleep(5 * time.Minute)
	if d := m.now().Sub(before); d < 5*time.Minute {
		t.Errorf("the clock went forward by %v", d)
	}
	until(t, m, "[ -s /tmp/took ]")
	var took int
	text, _ := m.Files().Read("/tmp/took")
	if _, err := fmt.Sscan(text, &took); err != nil || took < 500 {
		t.Errorf("sleep 200 and five minutes of sleep took %q", text)
	}
	if d := time.Since(world); d < 2*time.Second {
		t.Errorf("sleep 200 ended after %v of the world", d)
	}
	if i, err := m.Files().Stat("/tmp/stamp"); err != nil || i.Modified.Sub(before) < 5*time.Minute {
		t.Errorf("the file is of %v, the Mac fell asleep at %v", i.Modified, before)
	}
}

// TestAsleep is what a Mac does while it sleeps: nothing.
func TestAsleep(t *testing.T) {
	m := Start(t, Mac{Second: time.Millisecond})
	c := dial(t, m)
	script(t, m, "job", `while :; do echo x >>/tmp/beat; sleep 1; done`)
	waitFor(t, m, "/tmp/beat")
	calls := func() int { return len(m.Calls()) }

	wake := m.FallAsleep()
	asleep := calls() // A sleep may have begun, and no more.
	word := say(c, "hello")
	stranger := knockAt(t, m, m.Addr())
	m.AwaitHeld(2)
	stranger.waits(t)
	if n := calls() - asleep; n > 1 {
		t.Errorf("%d programs began while it slept", n)
	}
	m.FallAsleep()(1000 * time.Hour) // It sleeps already.
	before := m.now()
	wake(time.Minute)
	if d := m.now().Sub(before); d < time.Minute || d > 1000*time.Hour {
		t.Errorf("it slept for %v", d)
	}
	wake(1000 * time.Hour)
	if got := <-word; got != "hello" {
		t.Errorf("said %q", got)
	}
	lives(t, stranger.in(t))
	if d := m.now().Sub(before); d > 1000*time.Hour {
		t.Errorf("it slept for %v, woken twice", d)
	}

	m.FallAsleep()
	m.Reboot()
	if out, _, _ := m.Run(t.Context(), "echo up"); out != "up\n" {
		t.Errorf("after a restart it said %q", out)
	}
}

// TestUnplug pulls the cable under connections that pf knows and that it does not.
func TestUnplug(t *testing.T) {
	for name, cfg := range map[string]Mac{"plain": {}, "pf": {Client: lanClient, Server: lanServer}, "far": {Latency: time.Millisecond}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := Start(t, cfg)
			old, ended, begun := dial(t, m), dial(t, m), dial(t, m)
			s, err := begun.NewSession()
			if err != nil {
				t.Fatal(err)
			}
			const goesOn = "touch /tmp/begun; until [ -e /tmp/pulled ]; do sleep 0.01; done; echo lost; touch /tmp/done"
			if err := s.Start(goesOn); err != nil {
				t.Fatal(err)
			}
			waitFor(t, m, "/tmp/begun")

			m.Unplug()
			byHand(t, m, "touch /tmp/pulled")
			waitFor(t, m, "/tmp/done") // What it said is on its way, as far as it can tell.
			word := say(old, "hello")
			_ = ended.Close()
			stranger := knockAt(t, m, m.Addr())
			m.AwaitHeld(4)
			select {
			case got := <-word:
				t.Errorf("said %q through no cable", got)
			default:
			}
			stranger.waits(t)

			m.Plug()
			if got := <-word; got != "hello" {
				t.Errorf("said %q", got)
			}
			lives(t, stranger.in(t))
			if err := s.Wait(); err != nil {
				t.Error(err)
			}
		})
	}
}

// A Mac that restarts while its cable is out tells nobody, not even when the cable is back: it only answers who asks.
func TestUnpluggedReboot(t *testing.T) {
	m := Start(t, Mac{})
	c := dial(t, m)
	gone := make(chan error, 1)
	go func() { gone <- c.Wait() }()
	m.Unplug()
	m.Reboot()
	stranger := knockAt(t, m, m.Addr())
	m.AwaitHeld(1)
	stranger.waits(t)
	select {
	case err := <-gone:
		t.Errorf("through no cable: %v", err)
	default:
	}
	m.Plug()
	if err := <-gone; err == nil {
		t.Error("the old connection ended well")
	}
	lives(t, stranger.in(t))
}

func TestCloseInTheDark(t *testing.T) {
	for name, dark := range map[string]func(m *Mac){"unplugged": (*Mac).Unplug, "asleep": func(m *Mac) { m.FallAsleep() }} {
		t.Run(name, func(t *testing.T) {
			m := Start(t, Mac{})
			c := dial(t, m)
			word := say(c, "hello")
			<-word
			dark(m)
			word = say(c, "lost")
			stranger := knockAt(t, m, m.Addr())
			m.AwaitHeld(2)
			m.Close()
			<-word
			if c := <-stranger.client; c != nil {
				t.Error("logged in")
			}
			nothingRuns(t)
		})
	}
}

// TestWatch does to a Mac whatever can be done, before and after each program of a script over SSH and of a job.
func TestWatch(t *testing.T) {
	const text = "/bin/cp /etc/hosts /tmp/a; /bin/mv /tmp/a /etc/b && /usr/bin/printf done >/etc/done"
	programs := []string{"/bin/cp", "/bin/mv", "/usr/bin/printf"}
	for what, do := range map[string]func(m *Mac, c *ssh.Client){
		"nothing": func(*Mac, *ssh.Client) {},
		"cut":     func(m *Mac, _ *ssh.Client) { m.CutConnections() },
		"kill":    func(_ *Mac, c *ssh.Client) { _ = c.Close() },
		"unplug":  func(m *Mac, _ *ssh.Client) { m.Unplug() },
		"sleep":   func(m *Mac, _ *ssh.Client) { m.Sleep(time.Hour) },
		"reboot":  func(m *Mac, _ *ssh.Client) { m.Reboot() },
	} {
		for k := range 2 * len(programs) {
			for _, job := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s-%d-%v", what, k, job), func(t *testing.T) {
					t.Parallel()
					m := Start(t, Mac{})
					c := dial(t, m)
					var mu sync.Mutex
					var seen []string
					acted := make(chan struct{})
					m.Watch(func(argv []string, done bool) {
						if !slices.Contains(programs, argv[0]) {
							return
						}
						mu.Lock()
						n := len(seen)
						seen = append(seen, fmt.Sprint(argv[0], done))
						mu.Unlock()
						if n == k {
							do(m, c)
							close(acted)
						}
					})
					put(t, m, "/tmp/job.plist", daemon(t, "job", plist.Entry{Key: "RunAtLoad", Value: true},
						plist.Entry{Key: "ProgramArguments", Value: plist.Array{"/bin/sh", "-c", text}}), 0o644)
					ended := make(chan struct{})
					go func() {
						defer close(ended)
						if job {
							m.Run(t.Context(), "launchctl bootstrap system /tmp/job.plist")
						} else if s, err := c.NewSession(); err == nil {
							_ = s.Run("sudo sh -c " + quote(text))
						}
					}()
					<-acted
					if what == "reboot" {
						if b, _ := m.Files().Read("/etc/done"); b != "" && k < len(programs)*2-1 {
							t.Errorf("it went on after %v", seen)
						}
						if _, err := m.Files().Stat("/etc/b"); (err == nil) != (k >= 3) {
							t.Errorf("/etc/b is there: %v, after %v", err == nil, seen)
						}
						if len(seen) != k+1 {
							t.Errorf("seen %v", seen)
						}
						lives(t, dial(t, m))
						<-ended
						return
					}
					waitFor(t, m, "/etc/done")
					until(t, m, "[ -s /etc/done ]")
					m.Plug()
					<-ended
				})
			}
		}
	}
}

// What Fail is asked may do the same.
func TestFailReboots(t *testing.T) {
	m := Start(t, Mac{})
	var once atomic.Bool
	m.Fail(func(argv []string) *Failure {
		if argv[0] == "mv" && once.CompareAndSwap(false, true) {
			m.Reboot()
		}
		return nil
	})
	s, err := dial(t, m).NewSession()
	if err != nil {
		t.Fatal(err)
	}
	var missing *ssh.ExitMissingError
	if err := s.Run("echo x >/Users/Shared/a; mv /Users/Shared/a /Users/Shared/b; touch /Users/Shared/c"); !errors.As(err, &missing) {
		t.Errorf("Run: %v", err)
	}
	if names, _ := m.Files().List("/Users/Shared"); strings.Join(names, " ") != "a" {
		t.Errorf("left: %v", names)
	}
}
