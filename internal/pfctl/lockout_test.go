package pfctl

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/macos-fleet/terraform-provider-macos/internal/macsim"
	"github.com/macos-fleet/terraform-provider-macos/internal/remote"
	"github.com/macos-fleet/terraform-provider-macos/internal/watchdog"
)

// Thirteen ways in which people have cut themselves off, or in which a net under them could tear. The rules of the Macs here really decide
// who gets in.
//
//  1. New rules block new connections, while the old one lives on its state.  TestOldConnectionLives
//  2. The rules are fine, but enabling pf kills the old connection.           TestOldConnectionDies
//  3. The client is killed right after the load.                              TestClientKilled
//  4. The client is killed between confirmation and disk.                     TestClientKilled; TestRestart
//  5. The watchdog does not start.                                            TestWatchdogMissing
//  6. The watchdog dies before the load.                                      TestWatchdogDies
//  7. The confirmation comes in the second of the deadline.                   TestLastSecond
//  8. The Mac sleeps for five minutes meanwhile.                              TestSleepsOnIt
//  9. Two apply at once; one of them dies.                                    TestTwoClients, TestDeadHolder
// 10. The old connection pretends to be a new one.                            TestNewConnection; watchdog.TestOldConnection
// 11. The old rules cannot be loaded again.                                   TestNoWayBack
// 12. Tailscale's SSH server reports exit status 0 whatever happens.          TestTailscaleSSH
// 13. The way in dies a while after the load.                                 TestDiesLater
//
// Beside them, TestSweep has the client killed, the network cut and the Mac restarted at every step.

const walled = "block in quick proto tcp from any to any port 22\n"

// lane is a Mac that is reached through pf, with pf enabled and the rules ssh22 in anchor ssh, and the errand to replace those by others.
// Its second is 200 ms, so that it undoes after four seconds what nobody confirms within twenty of its own: to be told to go takes less on any
// machine.
func lane(t *testing.T, rules string) (mac *macsim.Mac, e errand, before string) {
	t.Helper()
	return slowLane(t, rules, 200*time.Millisecond)
}

// slowLane is lane with the length of the Mac's seconds.
func slowLane(t *testing.T, rules string, second time.Duration) (mac *macsim.Mac, e errand, before string) {
	t.Helper()
	mac, err := behind(macsim.Mac{Second: second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(mac.Close)
	byHand(t, mac, holding(ssh22)+pfOn+":")
	e = errand{
		Name: "ssh", Rules: rules, Confirm: 20 * time.Second, Connect: 20 * time.Second,
		Seen: Seen{Exists: true, Text: ssh22, Loaded: []string{"pass in proto tcp from any to any port = 22 flags S/SA keep state"}},
	}
	return mac, e.to(mac, mac.Addr()), textOf(mac)
}

// loads are the words of the program that loads new rules into anchor ssh.
const loads = "-o none -a ssh -f rules"

// at has f called once, before or after the first program with these words.
func at(mac *macsim.Mac, words string, after bool, f func()) {
	once := sync.OnceFunc(f)
	mac.Watch(func(argv []string, done bool) {
		if done == after && strings.Contains(strings.Join(argv, " "), words) {
			once()
		}
	})
}

// over waits until nothing of a watchdog is left on the Mac.
func over(t *testing.T, mac *macsim.Mac) {
	t.Helper()
	for tick := time.NewTicker(20 * time.Millisecond); ; <-tick.C {
		if left, _ := remains(mac); left == "" {
			return
		}
	}
}

// jobOf is the label of the watchdog that a Mac has.
func jobOf(mac *macsim.Mac) string {
	for line := range strings.Lines(mac.String()) {
		if label, _, ok := strings.Cut(strings.TrimSpace(line), ", loaded from "); ok && strings.Contains(label, "watchdog") {
			return label
		}
	}
	return "none"
}

// unconfirmed checks that a change was undone since nobody could confirm it.
func unconfirmed(t *testing.T, err error) {
	t.Helper()
	var undone *watchdog.UndoneError
	if !errors.As(err, &undone) || !undone.Unconfirmed() || undone.Left {
		t.Errorf("got %v, want that nobody could confirm it", err)
	}
}

// asBefore checks that a Mac is as it was, that it lets new connections in, and that nothing is left over.
func asBefore(t *testing.T, mac *macsim.Mac, before string) {
	t.Helper()
	over(t, mac)
	if diff := cmp.Diff(before, textOf(mac)); diff != "" {
		t.Errorf("it is not as it was, -want +got:\n%s", diff)
	}
	letsIn(t, mac)
}

func letsIn(t *testing.T, mac *macsim.Mac) {
	t.Helper()
	h := reach(t, errand{Connect: 20 * time.Second}.to(mac, mac.Addr()))
	if _, err := look(t.Context(), h); err != nil {
		t.Errorf("it does not let new connections in: %v", err)
	}
}

func reach(t *testing.T, e errand) *remote.Host {
	t.Helper()
	h, err := e.host()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	return h
}

// changed checks that anchor ssh has these rules, in the kernel and on disk, and no drift.
func changed(t *testing.T, mac *macsim.Mac, rules, line string) {
	t.Helper()
	over(t, mac)
	s, err := look(t.Context(), reach(t, errand{Connect: 20 * time.Second}.to(mac, mac.Addr())))
	if err != nil {
		t.Fatal(err)
	}
	a := s.Anchor("ssh")
	if a.Text != rules || len(a.Loaded) != 1 || a.Loaded[0] != line || s.Drift("ssh") != nil {
		t.Errorf("on disk %q, loaded %q, drift %q", a.Text, a.Loaded, s.Drift("ssh"))
	}
}

const (
	narrow     = "pass in proto tcp from 100.64.0.0/10 to any port 22\n"
	narrowLine = "pass in inet proto tcp from 100.64.0.0/10 to any port = 22 flags S/SA keep state"
)

func TestOldConnectionLives(t *testing.T) {
	t.Parallel()
	mac, e, before := lane(t, walled)
	other := reach(t, e)
	if _, err := look(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	at(mac, loads, true, func() {
		if mac.Reaches("utun3", netip.MustParseAddr("100.64.0.7"), netip.MustParseAddr("100.64.0.5"), "tcp", 22) {
			t.Error("new connections get in, so this tests nothing")
		}
		if _, err := look(t.Context(), other); err != nil {
			t.Errorf("an old connection does not live: %v", err)
		}
	})
	unconfirmed(t, e.run(t.Context()))
	asBefore(t, mac, before)
}

func TestOldConnectionDies(t *testing.T) {
	t.Parallel()
	mac, _, _ := lane(t, "")
	byHand(t, mac, "/sbin/pfctl -q -d 2>/dev/null\n"+holding("block in all\npass in proto tcp to any port 22\npass out all\n")+":")
	e := errand{Confirm: 10 * time.Minute}.to(mac, mac.Addr())
	other := reach(t, errand{Command: 5 * time.Second}.to(mac, mac.Addr()))
	if _, err := look(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	if err := e.run(t.Context()); err != nil {
		t.Error(err)
	}
	var lost *remote.LostError
	if _, err := look(t.Context(), other); !errors.As(err, &lost) {
		t.Errorf("an old connection lives, so this tests nothing: %v", err)
	}
	s, err := look(t.Context(), reach(t, e))
	if err != nil || !s.Enabled || !s.Held {
		t.Errorf("pf is not enabled by us: %+v, %v", s, err)
	}
	over(t, mac)
}

// A client that is killed before it has confirmed leaves the old rules; one that is killed after it, the new ones, which the watchdog
// writes to disk by itself.
func TestClientKilled(t *testing.T) {
	for name, test := range map[string]struct {
		at   string
		kept bool
	}{
		"loaded":    {loads, false},
		"confirmed": {"confirm.new /private", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mac, e, before := lane(t, narrow)
			e.Confirm = 60 * time.Second
			var c *client
			ready := make(chan struct{})
			at(mac, test.at, true, func() { <-ready; c.kill() })
			c, err := e.start()
			close(ready)
			if err != nil {
				t.Fatal(err)
			}
			if err := c.wait(); err == nil {
				t.Error("it was not killed")
			}
			// Nobody is there who would confirm it, or read how it ended.
			if test.kept {
				awaitState(t, mac, "kept")
				mac.Sleep(2 * time.Minute)
				changed(t, mac, narrow, narrowLine)
			} else {
				awaitState(t, mac, "loaded")
				mac.Sleep(2 * time.Minute)
				awaitState(t, mac, "undone")
				mac.Sleep(2 * time.Minute)
				asBefore(t, mac, before)
			}
		})
	}
}

// Between confirmation and disk, a restart brings the old rules back.
func TestRestart(t *testing.T) {
	t.Parallel()
	mac, e, _ := lane(t, narrow)
	e.Confirm = 10 * time.Minute
	at(mac, "change.sh keep", false, mac.Reboot)
	if err := e.run(t.Context()); err == nil {
		t.Error("the client believes that it is done")
	}
	changed(t, mac, ssh22, e.Seen.Loaded[0])
}

func TestWatchdogMissing(t *testing.T) {
	for name, failure := range map[string]*macsim.Failure{
		"bootstrap-fails":   {Stderr: "Bootstrap failed: 5: Input/output error\n", Exit: 5},
		"it-does-not-start": {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mac, e, before := lane(t, narrow)
			mac.Fail(func(argv []string) *macsim.Failure {
				switch words := strings.Join(argv, " "); {
				case strings.HasPrefix(words, "/bin/launchctl bootstrap"), strings.HasPrefix(words, "/bin/launchctl kickstart"):
					return failure
				case strings.Contains(words, loads):
					t.Error("rules were loaded")
				}
				return nil
			})
			if err := e.run(t.Context()); !errors.Is(err, watchdog.ErrNotArmed) || !strings.Contains(err.Error(), strings.TrimSpace(failure.Stderr)) {
				t.Errorf("got %v", err)
			}
			mac.Fail(nil)
			asBefore(t, mac, before)
		})
	}
}

// lose has launchd lose the watchdog with the label $1, which undoes nothing then. Its program does nothing meanwhile: launchd starts what
// was killed again.
const lose = `cd /private/var/run/macos-fleet.watchdog.* && /bin/mv watchdog.sh away && : >watchdog.sh &&
	/bin/launchctl kill KILL "system/$1" && /bin/launchctl bootout "system/$1" && /bin/mv away watchdog.sh`

// A watchdog that dies before it is told to go has loaded nothing, since nobody else does.
func TestWatchdogDies(t *testing.T) {
	for name, end := range map[string]string{
		"killed": `/bin/launchctl kill KILL "system/$1"`,
		"lost":   lose,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mac, e, before := lane(t, narrow)
			at(mac, "go.new", false, func() {
				if err := script(mac, end, jobOf(mac)); err != nil {
					t.Error(err)
				}
			})
			mac.Fail(func(argv []string) *macsim.Failure {
				if strings.Contains(strings.Join(argv, " "), loads) {
					t.Error("rules were loaded")
				}
				return nil
			})
			err := e.run(t.Context())
			var undone *watchdog.UndoneError
			if !errors.As(err, &undone) || undone.Left {
				t.Errorf("got %v", err)
			}
			asBefore(t, mac, before)
		})
	}
}

// TestLastSecond has the confirmation come before and after each program that the watchdog starts around the deadline.
func TestLastSecond(t *testing.T) {
	t.Parallel()
	kept := make([]bool, 24)
	var work sync.WaitGroup
	slots := make(chan struct{}, 8) // more at once are too slow to meet the moments
	for k := range kept {
		slots <- struct{}{}
		work.Go(func() {
			defer func() { <-slots }()
			mac, e, _ := slowLane(t, narrow, 400*time.Millisecond) // so that the first moments come before the deadline on a slow machine too
			e.Confirm = 10 * time.Second
			var mu sync.Mutex
			left := -1
			arrived, released := make(chan struct{}), make(chan struct{})
			release := sync.OnceFunc(func() { close(released) })
			confirming := sync.OnceFunc(func() { close(arrived); <-released })
			// A machine so slow that nothing runs any more when the moment is counted: then it comes after the deadline.
			defer time.AfterFunc(30*time.Second, release).Stop()
			mac.Watch(func(argv []string, done bool) {
				words := strings.Join(argv, " ")
				if !done && strings.HasPrefix(words, "/bin/mv -f ") && strings.Contains(words, "confirm.new") {
					confirming()
					return
				}
				mu.Lock()
				defer mu.Unlock()
				if left >= 0 && !done {
					if left--; left < 0 {
						release()
					}
				}
			})
			go func() {
				<-arrived
				if err := untilDeadline(mac); err != nil {
					t.Error(err)
				}
				mu.Lock()
				left = k
				mu.Unlock()
			}()
			err := e.run(t.Context())
			release() // what is still held, if that went wrong
			mac.Watch(nil)
			var undone *watchdog.UndoneError
			if kept[k] = err == nil; err != nil && (!errors.As(err, &undone) || undone.Left) {
				t.Errorf("%d: %v", k, err)
			}
			if kept[k] {
				changed(t, mac, narrow, narrowLine)
			} else {
				changed(t, mac, ssh22, e.Seen.Loaded[0])
			}
		})
	}
	work.Wait()
	text := fmt.Sprint(kept)
	t.Log(text)
	if !strings.Contains(text, "true") || !strings.Contains(text, "false") {
		t.Error("the deadline was not among these moments")
	}
}

// untilDeadline waits until a second or less before the watchdog's deadline.
func untilDeadline(mac *macsim.Mac) error {
	_, stderr, exit := mac.Run(context.Background(), `until [ $(($(/bin/cat /private/var/run/macos-fleet.watchdog.*/deadline) - $(/bin/date +%s))) -le 1 ]; do /bin/sleep 0.2; done`)
	if exit != 0 {
		return errors.New(stderr)
	}
	return nil
}

func TestSleepsOnIt(t *testing.T) {
	t.Parallel()
	mac, e, before := lane(t, narrow)
	e.Confirm = 4 * time.Minute
	at(mac, loads, true, func() { mac.RefuseConnections(true) }) // so that the Mac sleeps before it is confirmed
	ended := make(chan error, 1)
	go func() { ended <- e.run(t.Context()) }()
	awaitState(t, mac, "loaded")
	mac.Sleep(5 * time.Minute)
	awaitState(t, mac, "undone")
	mac.RefuseConnections(false)
	unconfirmed(t, <-ended)
	asBefore(t, mac, before)
}

// awaitState waits until the watchdog is in a state.
func awaitState(t *testing.T, mac *macsim.Mac, state string) {
	t.Helper()
	byHand(t, mac, `until /usr/bin/grep -q "^$1" /private/var/run/macos-fleet.watchdog.*/state 2>/dev/null; do /bin/sleep 0.1; done`, state)
}

// Of two clients at once, one waits for the other, or is told who it is.
func TestTwoClients(t *testing.T) {
	for name, patience := range map[string]time.Duration{"waits": time.Minute, "refused": 5 * time.Second} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mac, first, _ := lane(t, narrow)
			first.Confirm = 10 * time.Minute
			second := first
			second.Name, second.Rules, second.Seen, second.Command = "web", web, Seen{}, patience
			arrived, release := make(chan struct{}), make(chan struct{})
			at(mac, loads, true, func() { close(arrived); <-release })
			ended, alsoEnded := make(chan error, 1), make(chan error, 1)
			go func() { ended <- first.run(t.Context()) }()
			<-arrived
			calls := len(mac.Calls())
			go func() { alsoEnded <- second.run(t.Context()) }()
			if name == "refused" {
				var busy *remote.BusyError
				if err := <-alsoEnded; !errors.As(err, &busy) || busy.Holder != "admin from 100.64.0.7" {
					t.Errorf("got %v", err)
				}
			} else {
				for tick := time.NewTicker(10 * time.Millisecond); !triedLock(mac, calls); <-tick.C {
				}
			}
			close(release)
			if err := <-ended; err != nil {
				t.Error(err)
			}
			changed(t, mac, narrow, narrowLine)
			if name == "waits" {
				if err := <-alsoEnded; err != nil {
					t.Error(err)
				}
				over(t, mac)
			}
		})
	}
}

// triedLock reports whether somebody tried to take the lock since so many calls.
func triedLock(mac *macsim.Mac, since int) bool {
	for _, c := range mac.Calls()[since:] {
		if c.Argv[0] == "/bin/ln" {
			return true
		}
	}
	return false
}

// A client that has died with its watchdog leaves rules that nobody undoes, and a lock. When that has run out, the next apply undoes them, and
// makes its own change.
func TestDeadHolder(t *testing.T) {
	t.Parallel()
	mac, dies, _ := lane(t, narrow)
	dies.Confirm = 10 * time.Minute
	var c *client
	ready, dead := make(chan struct{}), make(chan struct{})
	at(mac, "confirm.new", false, func() {
		<-ready
		c.kill()
		if err := script(mac, lose, jobOf(mac)); err != nil {
			t.Error(err)
		}
		close(dead)
	})
	c, err := dies.start()
	close(ready)
	if err != nil {
		t.Fatal(err)
	}
	_ = c.wait()
	<-dead
	mac.Watch(nil)
	if !strings.Contains(mac.String(), narrowLine) {
		t.Fatal("the rules of the dead are not there, so this tests nothing")
	}

	next := errand{Name: "web", Rules: web, Confirm: 10 * time.Minute, Command: 5 * time.Second, Connect: 20 * time.Second}.to(mac, mac.Addr())
	var busy *remote.BusyError
	if err := next.run(t.Context()); !errors.As(err, &busy) || busy.Holder != "admin from 100.64.0.7" {
		t.Errorf("before the lock has run out: %v", err)
	}
	mac.Sleep(time.Hour)
	next.Command = 20 * time.Second
	if err := next.run(t.Context()); err != nil {
		t.Error(err)
	}
	mac.Sleep(2 * time.Minute) // for nobody reads how the first one ended
	changed(t, mac, ssh22, dies.Seen.Loaded[0])
	if a := seen(t, reach(t, next), "web"); a.Text != web || len(a.Loaded) != 2 {
		t.Errorf("the next change: %+v", a)
	}
}

// What confirms is another connection than the one over which the change came, as the Mac sees them. That the watchdog believes no other is
// tested there.
func TestNewConnection(t *testing.T) {
	t.Parallel()
	mac, e, _ := lane(t, narrow)
	e.Confirm = 10 * time.Minute
	var came, confirmed string
	at(mac, "/usr/bin/cmp -s confirm client", false, func() {
		came, _, _ = mac.Run(context.Background(), "/bin/cat /private/var/run/macos-fleet.watchdog.*/client")
		confirmed, _, _ = mac.Run(context.Background(), "/bin/cat /private/var/run/macos-fleet.watchdog.*/confirm")
	})
	if err := e.run(t.Context()); err != nil {
		t.Error(err)
	}
	if !strings.HasPrefix(came, "100.64.0.7 ") || !strings.HasPrefix(confirmed, "100.64.0.7 ") || came == confirmed {
		t.Errorf("it came over %q and was confirmed over %q", came, confirmed)
	}
	changed(t, mac, narrow, narrowLine)
}

// If what is on disk does not load any more, the rules as they were printed do. If those do not either, the anchor is emptied, so that nobody
// is cut off, and that is said.
func TestNoWayBack(t *testing.T) {
	office := "table <office> persist file \"/etc/office\"\npass in proto tcp from <office> to any port 22\npass in proto tcp from 100.64.0.0/10 to any port 22\n"
	for name, neither := range map[string]bool{"file-gone": false, "neither": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mac, e, _ := lane(t, walled)
			byHand(t, mac, "echo 192.0.2.0/24 >/etc/office\n"+holding(office)+":")
			e.Seen = seen(t, reach(t, e), "ssh")
			before := textOf(mac)
			at(mac, loads, true, func() { _ = mac.Files().Remove("/etc/office") })
			var undoing []string
			mac.Fail(func(argv []string) *macsim.Failure {
				words := strings.Join(argv, " ")
				if strings.Contains(words, "-a ssh -f undo") || strings.Contains(words, "-a ssh -f old.load") {
					undoing = append(undoing, argv[len(argv)-1])
					if neither {
						return &macsim.Failure{Stderr: "pfctl: no\n", Exit: 1}
					}
				}
				return nil
			})
			err := e.run(t.Context())
			mac.Fail(nil)
			if err := mac.Files().Write("/etc/office", "192.0.2.0/24\n"); err != nil {
				t.Error(err)
			}
			if !neither {
				unconfirmed(t, err)
				asBefore(t, mac, before)
			} else {
				var undone *watchdog.UndoneError
				if !errors.As(err, &undone) || !undone.Left || !strings.Contains(undone.Log, "anchor ssh is empty now") {
					t.Errorf("got %v", err)
				}
				over(t, mac)
				letsIn(t, mac)
			}
			if len(undoing) < 2 {
				t.Errorf("it was tried to load %q", undoing)
			}
		})
	}
}

// How scripts end is read from what they print, so that it does not matter what the server says.
func TestTailscaleSSH(t *testing.T) {
	tailscale := func(t *testing.T) (*macsim.Mac, errand) {
		t.Helper()
		mac, err := behind(macsim.Mac{Second: 200 * time.Millisecond, TailscaleSSH: true, Noise: "Welcome\n"})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(mac.Close)
		byHand(t, mac, pfOn+":")
		return mac, errand{Name: "ssh", Rules: narrow, Confirm: 10 * time.Minute}.to(mac, mac.Addr())
	}
	t.Run("done", func(t *testing.T) {
		t.Parallel()
		mac, e := tailscale(t)
		if err := e.run(t.Context()); err != nil {
			t.Error(err)
		}
		changed(t, mac, narrow, narrowLine)
	})
	t.Run("refused", func(t *testing.T) {
		t.Parallel()
		mac, e := tailscale(t)
		before := textOf(mac)
		e.Seen = Seen{Exists: true, Text: ssh22}
		if err := e.run(t.Context()); !errors.Is(err, ErrChanged) {
			t.Errorf("got %v", err)
		}
		asBefore(t, mac, before)
	})
	t.Run("cannot-be-loaded", func(t *testing.T) {
		t.Parallel()
		mac, e := tailscale(t)
		before := textOf(mac)
		mac.Fail(func(argv []string) *macsim.Failure {
			if strings.Contains(strings.Join(argv, " "), loads) {
				return &macsim.Failure{Stderr: "pfctl: no\n", Exit: 1}
			}
			return nil
		})
		if err := e.run(t.Context()); !errors.Is(err, ErrLoad) {
			t.Errorf("got %v", err)
		}
		mac.Fail(nil)
		asBefore(t, mac, before)
	})
	t.Run("unconfirmed", func(t *testing.T) {
		t.Parallel()
		mac, e := tailscale(t)
		before := textOf(mac)
		e.Confirm = 20 * time.Second
		at(mac, loads, true, func() { mac.RefuseConnections(true) })
		ended := make(chan error, 1)
		go func() { ended <- e.run(t.Context()) }()
		awaitState(t, mac, "undone")
		mac.RefuseConnections(false)
		unconfirmed(t, <-ended)
		asBefore(t, mac, before)
	})
}

// The tunnel that we come by lives on an old state when the rules have cut it already, and dies with that: the second confirmation is not
// given.
func TestDiesLater(t *testing.T) {
	t.Parallel()
	public, tailscale := netip.MustParseAddr("203.0.113.11"), netip.MustParseAddr("100.64.0.5")
	mac, err := behind(macsim.Mac{Second: 2 * time.Second, Interfaces: []macsim.Interface{
		{Name: "lo0", Addrs: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/8")}},
		{Name: "en0", Addrs: []netip.Prefix{netip.PrefixFrom(public, 24)}},
		{Name: "utun3", Addrs: []netip.Prefix{netip.PrefixFrom(tailscale, 32)}, Over: &macsim.Carrier{
			Interface: "en0", TCP: true, Local: netip.AddrPortFrom(public, 49152), Remote: netip.MustParseAddrPort("199.38.181.104:443"),
		}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer mac.Close()
	byHand(t, mac, pfOn+`printf 'pass out on en0 all keep state\nblock drop in on en0 proto tcp all\n' | /sbin/pfctl -q -a com.apple/100.first -f - 2>/dev/null`)
	before := textOf(mac)
	e := errand{
		Name: "com.apple/200.derp", Rules: "block drop out quick on en0 proto tcp to any port 443\n",
		Confirm: 4 * time.Second, Settle: time.Second, Connect: 20 * time.Second,
	}.to(mac, mac.Addr())
	var settled atomic.Bool
	mac.Watch(func(argv []string, done bool) {
		if !done || argv[len(argv)-1] != "state" {
			return
		}
		// The watchdog stands still meanwhile, and the client waits for another second.
		if what, _ := remains(mac); strings.Contains(what, " settling") && settled.CompareAndSwap(false, true) {
			if err := script(mac, "/sbin/pfctl -q -F states 2>/dev/null"); err != nil {
				t.Error(err)
			}
		}
	})
	unconfirmed(t, e.run(t.Context()))
	if !settled.Load() {
		t.Error("it was not confirmed the first time")
	}
	asBefore(t, mac, before)
}
