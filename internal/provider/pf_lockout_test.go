package provider

import (
	"context"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/terraform-plugin-testing/helper/resource"

	"github.com/macos-fleet/terraform-provider-macos/internal/macsim"
	"github.com/macos-fleet/terraform-provider-macos/internal/pfctl"
)

// guarded is a Mac whose rules decide about us, with pf enabled by somebody.
func guarded(t *testing.T, second time.Duration) *testMac {
	t.Helper()
	sim := macsim.Start(t, macsim.Mac{
		Second: second, Client: netip.MustParseAddrPort("198.51.100.7:50000"), Server: netip.MustParseAddrPort("192.168.1.10:22"),
	})
	mac := &testMac{Mac: sim, t: t, provider: providerBlock(sim)}
	mac.sh("/sbin/pfctl -q -E 2>/dev/null")
	return mac
}

// with replaces what the provider block says of times.
func (m *testMac) with(times string) *testMac {
	first, rest, _ := strings.Cut(m.provider, "confirm_timeout")
	_, rest, _ = strings.Cut(rest, "\n")
	return &testMac{Mac: m.Mac, t: m.t, provider: first + times + "\n" + rest}
}

// once has f called once, after the first program with these words.
func (m *testMac) once(words string, f func()) {
	once := sync.OnceFunc(f)
	m.Watch(func(argv []string, done bool) {
		if done && strings.Contains(strings.Join(argv, " "), words) {
			once()
		}
	})
}

// alone waits until nothing of a watchdog is left.
func (m *testMac) alone() {
	m.t.Helper()
	m.sh(`while /bin/ls /private/var/run | /usr/bin/grep -v token | /usr/bin/grep -q macos-fleet || /bin/launchctl list | /usr/bin/grep -q macos-fleet.watchdog; do /bin/sleep 0.5; done`)
}

// unconfirmed puts the Mac's clock forward, so that the time to confirm a change is over, when that is in force and cut has returned.
func (m *testMac) unconfirmed(cut func()) {
	_, _, _ = m.Run(m.t.Context(), "until /usr/bin/grep -q loaded /private/var/run/macos-fleet.watchdog.*/state; do /bin/sleep 0.1; done")
	cut()
	m.Sleep(10 * time.Minute)
}

// held returns when the Mac holds back what we send.
func (m *testMac) held() { m.AwaitHeld(1) }

// loads are the words of the program that loads new rules.
const loads = "-o none -a com.apple/250.x -f rules"

// Rules that cut us off, and are applied all the same, are undone by the Mac. It is said what was tried, which rule it was, and that the Mac is as
// it was.
func TestLockout_undone(t *testing.T) {
	mac := guarded(t, second)
	before := mac.state()
	mac.run(
		resource.TestStep{
			PreConfig: func() { go mac.unconfirmed(mac.held) },
			Config:    strings.Replace(mac.anchor("com.apple/250.x", walls), "  rules", "  allow_lockout = true\n  rules", 1),
			ExpectError: wrapped(`(?s)Unable to Load pf Anchor "com.apple/250.x".*rules = .*tried on mini, and then no new connection could be made.*` +
				`mini has undone it by itself and is as it was before\..*probably why.*This was cut: .*a new SSH connection, the way this one came: in on en0 proto tcp from 198.51.100.7 to 192.168.1.10 port 22.*` +
				`Line 2 of the rules of anchor "com.apple/250.x" cut it: block drop in all`),
		},
		resource.TestStep{
			PreConfig: func() {
				if after := mac.state(); after != before {
					t.Errorf("the Mac is not as before:\n%s", diff(before, after))
				}
			},
			Config: mac.anchor("com.apple/250.x", ways+walls),
		},
	)
}

// While the apply of another machine changes the Mac, ours says whose it is, or waits for it.
func TestLockout_twoAtOnce(t *testing.T) {
	t.Parallel()
	mac := guarded(t, time.Second) // the other is held up
	impatient := mac.with("confirm_timeout = \"10m\"\n  command_timeout = \"10s\"")
	arrived, released := make(chan struct{}), make(chan struct{})
	release := sync.OnceFunc(func() { close(released) })
	t.Cleanup(release) // or the Mac would not end
	ended := make(chan error, 1)
	var calls int
	mac.run(
		resource.TestStep{
			PreConfig: func() {
				mac.once("-o none -a com.apple/200.other -f rules", func() { close(arrived); <-released })
				other := reach(t, mac)
				go func() {
					_, err := pfctl.Apply(context.WithoutCancel(t.Context()), other, "com.apple/200.other", ways, pfctl.Seen{})
					ended <- err
				}()
				select {
				case <-arrived:
				case err := <-ended:
					t.Fatalf("the other: %v", err)
				}
			},
			Config:      impatient.anchor("com.apple/250.x", ways),
			ExpectError: wrapped(`(?s)Unable to Load pf Anchor.*Another apply is changing mini: that of admin from 198.51.100.7\. .*command_timeout`),
		},
		resource.TestStep{
			PreConfig: func() {
				calls = len(mac.Calls())
				mac.Watch(nil)
				go func() { // until ours has tried to take the lock
					for tick := time.NewTicker(20 * time.Millisecond); ; <-tick.C {
						for _, c := range mac.Calls()[calls:] {
							if c.Argv[0] == "/bin/ln" {
								release()
								return
							}
						}
					}
				}()
			},
			Config: mac.anchor("com.apple/250.x", ways),
		},
		resource.TestStep{
			PreConfig: func() {
				if err := <-ended; err != nil {
					t.Errorf("the other: %v", err)
				}
				mac.sh("/sbin/pfctl -q -a com.apple/200.other -F rules 2>/dev/null; /bin/rm /etc/pf.anchors/com.apple:200.other")
			},
			Config: mac.anchor("com.apple/250.x", ways), PlanOnly: true,
		},
	)
}

// The lock of a machine that has died holds ours up for as long as it says. (That what it has left in force is undone first is tested in package
// pfctl.)
func TestLockout_deadHolder(t *testing.T) {
	t.Parallel()
	mac := guarded(t, second)
	impatient := mac.with("confirm_timeout = \"10m\"\n  command_timeout = \"10s\"")
	mac.run(
		resource.TestStep{
			PreConfig: func() {
				mac.sh(`/bin/ln -s "$(($(/bin/date +%s) + 3000)) eve from 100.64.0.9 50000" /private/var/run/macos-fleet.lock`)
			},
			Config:      impatient.anchor("com.apple/250.x", ways),
			ExpectError: wrapped(`Another apply is changing mini: that of eve from 100.64.0.9`),
		},
		resource.TestStep{
			PreConfig: func() { mac.Sleep(time.Hour) },
			Config:    mac.anchor("com.apple/250.x", ways),
		},
	)
}

// A provider process that is killed right after the load leaves a Mac that goes back to its old rules, and the next apply works.
func TestLockout_killed(t *testing.T) {
	mac := guarded(t, second)
	pid := filepath.Join(t.TempDir(), "pid")
	c := newCLI(t, pidEnv+"="+pid)
	c.configure(mac.anchor("com.apple/250.x", ways))
	before := mac.state()
	loaded := make(chan struct{})
	mac.once(loads, func() {
		close(loaded)
		text, err := os.ReadFile(pid)
		number, _ := strconv.Atoi(string(text))
		var process *os.Process
		if err == nil {
			process, err = os.FindProcess(number)
		}
		if err == nil {
			err = process.Kill()
		}
		if err != nil {
			t.Error(err)
		}
	})
	cmd := exec.CommandContext(t.Context(), c.path, "apply", "-auto-approve")
	cmd.Dir, cmd.Env = c.dir, c.env
	out, err := cmd.CombinedOutput()
	if err == nil {
		t.Errorf("nobody was killed:\n%s", out)
	}
	select {
	case <-loaded:
	default:
		t.Fatalf("it ended before the load:\n%s", out)
	}
	mac.Watch(nil)
	mac.unconfirmed(func() {})
	if after := mac.state(); after != before {
		t.Errorf("the Mac is not as before:\n%s", diff(before, after))
	}
	c.configure(mac.anchor("com.apple/250.x", ways))
	c.run("apply", "-auto-approve")
	c.run("destroy", "-auto-approve")
	if after := mac.state(); after != before {
		t.Errorf("after destroy, the Mac is not as before:\n%s", diff(before, after))
	}
}
