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
	"github.com/macos-fleet/terraform-provider-macos/internal/remote"
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

// loads are the words of the program that loads new rules.
const loads = "-o none -a com.apple/250.x -f rules"

// Rules that cut us off, and are applied all the same, are undone by the Mac. It is said what was tried, which rule it was, and that the Mac is as
// it was.
func TestLockout_undone(t *testing.T) {
	mac := guarded(t, 100*time.Millisecond)
	short := mac.with(`confirm_timeout = "20s"`)
	before := mac.state()
	mac.run(
		resource.TestStep{
			Config: strings.Replace(short.anchor("com.apple/250.x", walls), "  rules", "  allow_lockout = true\n  rules", 1),
			ExpectError: wrapped(`(?s)Unable to Load pf Anchor "com.apple/250.x".*rules = .*tried on mini, and then no new connection could be made.*` +
				`mini has undone it by itself and is as it was before\..*probably why.*This was cut: .*a new SSH connection, the way this one came: in on en0 proto tcp from 198.51.100.7 to 192.168.1.10 port 22.*` +
				`Line 2 of the rules of anchor "com.apple/250.x" cut it: block drop in all`),
		},
		resource.TestStep{
			PreConfig: func() {
				mac.alone()
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
	mac := guarded(t, time.Second)
	impatient := mac.with("confirm_timeout = \"10m\"\n  command_timeout = \"2s\"")
	arrived, release := make(chan struct{}), make(chan struct{})
	ended := make(chan error, 1)
	var calls int
	mac.run(
		resource.TestStep{
			PreConfig: func() {
				mac.once("-o none -a com.apple/200.other -f rules", func() { close(arrived); <-release })
				target := reach(t, mac).Target()
				target.ConfirmTimeout = 10 * time.Minute // it is held up
				other := remote.NewHost(target)
				t.Cleanup(other.Close)
				go func() {
					_, err := pfctl.Apply(context.WithoutCancel(t.Context()), other, "com.apple/200.other", ways, pfctl.Seen{})
					ended <- err
				}()
				<-arrived
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
								close(release)
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
	mac := guarded(t, 100*time.Millisecond)
	impatient := mac.with("confirm_timeout = \"10m\"\n  command_timeout = \"2s\"")
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
	mac := guarded(t, 100*time.Millisecond)
	pid := filepath.Join(t.TempDir(), "pid")
	c := newCLI(t, pidEnv+"="+pid)
	c.configure(mac.with(`confirm_timeout = "20s"`).anchor("com.apple/250.x", ways))
	before := mac.state()
	killed := false
	mac.once(loads, func() {
		text, err := os.ReadFile(pid)
		if err != nil {
			t.Error(err)
			return
		}
		number, _ := strconv.Atoi(string(text))
		process, err := os.FindProcess(number)
		if err == nil {
			err = process.Kill()
		}
		if killed = err == nil; !killed {
			t.Error(err)
		}
	})
	cmd := exec.CommandContext(t.Context(), c.path, "apply", "-auto-approve")
	cmd.Dir, cmd.Env = c.dir, c.env
	if out, err := cmd.CombinedOutput(); err == nil || !killed {
		t.Errorf("nobody was killed:\n%s", out)
	}
	mac.Watch(nil)
	mac.alone()
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
