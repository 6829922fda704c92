package macsim

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/macos-fleet/terraform-provider-macos/internal/plist"
)

// script loads a job that runs a script, which sleeps or has ended when it returns.
func script(t *testing.T, m *Mac, label, text string, more ...plist.Entry) {
	t.Helper()
	more = append(more, plist.Entry{Key: "ProgramArguments", Value: plist.Array{"/bin/sh", "-c", text}},
		plist.Entry{Key: "RunAtLoad", Value: true}, plist.Entry{Key: "StandardOutPath", Value: "/tmp/out"},
		plist.Entry{Key: "StandardErrorPath", Value: "/tmp/out"})
	file := "/tmp/" + label + ".plist"
	put(t, m, file, daemon(t, label, more...), 0o644)
	if _, stderr, exit := m.Run(t.Context(), "launchctl bootstrap system "+file); exit != 0 {
		t.Fatal(stderr)
	}
}

// until waits until a condition, which is a script, is true.
func until(t *testing.T, m *Mac, condition string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if _, stderr, exit := m.Run(ctx, `until eval "$1"; do sleep 0.1; done`, condition); exit != 0 {
		t.Fatalf("never true: %s\n%s\n%s", condition, stderr, m)
	}
}

// awaitGone waits until launchd does not know the job any more.
func awaitGone(t *testing.T, m *Mac, label string) {
	t.Helper()
	until(t, m, "! launchctl print system/"+label+" >/dev/null 2>&1")
}

// TestJobEnds ends a job whose script really runs, in all the ways there are.
func TestJobEnds(t *testing.T) {
	const loop = "; echo begun; while :; do /bin/sleep 0.1; done"
	for name, test := range map[string]struct {
		script string // of the job
		end    string // what somebody does then
		out    string // what the job had printed in the end
		last   string // how launchd says it ended; "" when it does not know the job any more
	}{
		"bootout":           {":" + loop, "launchctl bootout system/job", "begun\n", ""},
		"bootout-trap":      {"trap 'echo told; exit 3' TERM" + loop, "launchctl bootout system/job", "begun\ntold\n", ""},
		"bootout-exit-trap": {"trap 'echo bye' EXIT" + loop, "launchctl bootout system/job", "begun\nbye\n", ""},
		"bootout-both":      {"trap 'echo told; exit' TERM; trap 'echo bye' EXIT" + loop, "launchctl bootout system/job", "begun\ntold\nbye\n", ""},
		"bootout-reset":     {"trap 'echo never' TERM; trap - TERM" + loop, "launchctl bootout system/job", "begun\n", ""},
		"remove":            {":" + loop, "launchctl remove job", "begun\n", ""},
		"unload":            {":" + loop, "launchctl unload /tmp/job.plist", "begun\n", ""},
		"TERM":              {":" + loop, "launchctl kill TERM system/job", "begun\n", "last terminating signal = Terminated: 15"},
		"TERM-trap":         {"trap 'echo told; exit 3' TERM" + loop, "launchctl kill 15 system/job", "begun\ntold\n", "last exit code = 3"},
		"KILL":              {"trap 'echo never' TERM EXIT" + loop, "launchctl kill SIGKILL system/job", "begun\n", "last terminating signal = Killed: 9"},
		"HUP-deaf":          {"trap '' HUP" + loop, "launchctl kill HUP system/job; launchctl kill USR1 system/job", "begun\n", "last terminating signal = User defined signal 1: 30"},
		"stop":              {":" + loop, "launchctl stop job", "begun\n", "last terminating signal = Terminated: 15"},
		"by-pid": {
			"trap 'echo told; exit 3' TERM" + loop, `kill -TERM "$(launchctl print system/job | sed -n 's/^.pid = //p')"`,
			"begun\ntold\n", "last exit code = 3",
		},
		"by-pid-program": {
			":" + loop, `/bin/kill -9 "$(launchctl print system/job | sed -n 's/^.pid = //p')"`,
			"begun\n", "last terminating signal = Killed: 9",
		},
		"what-it-became": {"trap 'echo never' TERM EXIT; echo begun; exec /bin/sleep 1000000", "launchctl kill TERM system/job", "begun\n", "last terminating signal = Terminated: 15"},
		"its-children":   {"(while :; do /bin/sleep 0.1; done) & trap 'echo told; exit' TERM" + loop, "launchctl bootout system/job", "begun\ntold\n", ""},
		// A program is in its way to the end; sh comes to its trap after that.
		"after-the-program": {
			"trap 'echo told; exit' TERM; echo begun; /bin/sh -c 'until [ -e /tmp/asked ]; do /bin/sleep 0.1; done'; echo never",
			"launchctl bootout system/job; touch /tmp/asked", "begun\ntold\n", "",
		},

		"itself":       {"echo begun; launchctl bootout system/job; echo never", ":", "begun\n", ""},
		"itself-last":  {"trap 'echo bye' EXIT; echo begun; launchctl remove job", ":", "begun\nbye\n", ""},
		"itself-exec":  {"echo begun; exec launchctl bootout system/job", ":", "begun\n", ""},
		"itself-deaf":  {"trap '' TERM; echo begun; launchctl bootout system/job; echo \"still here $?\"", ":", "begun\nstill here 0\n", ""},
		"itself-trap":  {"trap 'echo told' TERM; echo begun; launchctl bootout system/job; echo on", ":", "begun\ntold\non\n", ""},
		"ends-unasked": {"echo begun; exit 7", ":", "begun\n", "last exit code = 7"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMac(t, Mac{Second: 10 * time.Millisecond})
			script(t, m, "job", test.script, plist.Entry{Key: "ExitTimeOut", Value: int64(6000)})
			until(t, m, "grep -q begun /tmp/out") // which a sleeping child does not prove
			if out, stderr, _ := m.Run(t.Context(), test.end); out+stderr != "" {
				t.Errorf("%s said %q", test.end, out+stderr)
			}
			if test.last == "" {
				awaitGone(t, m, "job")
			} else {
				until(t, m, "launchctl print system/job | grep -q 'state = not running'")
				out, _, _ := m.Run(t.Context(), `launchctl print system/job | grep last`)
				if strings.TrimSpace(out) != test.last {
					t.Errorf("it ended with %q, want %q", strings.TrimSpace(out), test.last)
				}
			}
			if out, _ := m.Files().Read("/tmp/out"); out != test.out {
				t.Errorf("it printed %q, want %q", out, test.out)
			}
		})
	}
}

// TestExitTimeOut is how long launchd lets a job have that does not care for SIGTERM.
func TestExitTimeOut(t *testing.T) {
	const deaf = "trap 'echo told' TERM; trap 'echo never' EXIT; while :; do sleep 1; done"
	m := newMac(t, Mac{Second: 10 * time.Millisecond})
	script(t, m, "deaf", deaf, plist.Entry{Key: "ExitTimeOut", Value: int64(30)})
	before := m.now()
	byHand(t, m, "launchctl bootout system/deaf")
	awaitGone(t, m, "deaf")
	if took := m.now().Sub(before); took < 30*time.Second {
		t.Errorf("it was killed after %v", took)
	}
	if out, _ := m.Files().Read("/tmp/out"); out != "told\n" {
		t.Errorf("it printed %q", out)
	}

	script(t, m, "deaf", deaf, plist.Entry{Key: "ExitTimeOut", Value: int64(1000000)})
	check(t, m, `
$ launchctl bootout system/deaf
$ launchctl print system/deaf | grep -e state -e pid
	state = SIGTERMed
	pid = PID
$ launchctl bootstrap system /tmp/deaf.plist
Bootstrap failed: 5: Input/output error
exit 5
`)
}

// TestKeptAlive is what becomes of a job that launchd is to start again.
func TestKeptAlive(t *testing.T) {
	onFailure := plist.Entry{Key: "KeepAlive", Value: plist.Dict{{Key: "SuccessfulExit", Value: false}}}
	for name, test := range map[string]struct {
		script, end string
		more        []plist.Entry
		runs        int
		after       time.Duration // between the first launch and the second
	}{
		"failed":     {"echo run; [ -e /tmp/again ] && exec sleep 1000000; : >/tmp/again; exit 1", ":", []plist.Entry{onFailure}, 2, 10 * time.Second},
		"killed":     {"echo run; exec sleep 1000000", "launchctl kill KILL system/job", []plist.Entry{onFailure}, 2, 10 * time.Second},
		"throttle":   {"echo run; exec sleep 1000000", "launchctl kill KILL system/job", []plist.Entry{onFailure, {Key: "ThrottleInterval", Value: int64(25)}}, 2, 25 * time.Second},
		"successful": {"echo run; sleep 1; exit 0", ":", []plist.Entry{onFailure}, 1, 0},
		"always":     {"echo run; [ -e /tmp/again ] && exec sleep 1000000; : >/tmp/again; exit 0", ":", []plist.Entry{alive}, 2, 10 * time.Second},
		"kicked":     {"echo run; exec sleep 1000000", "launchctl kickstart -k system/job", nil, 2, 0},
		"kicks-itself": {
			"echo run; [ -e /tmp/again ] && exec sleep 1000000; : >/tmp/again; launchctl kickstart -k system/job; echo never", ":", nil, 2, 0,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMac(t, Mac{Second: 5 * time.Millisecond})
			before := m.now()
			script(t, m, "job", test.script, test.more...)
			m.Run(t.Context(), test.end)
			ready := "running"
			if test.runs == 1 {
				ready = "not running"
			}
			until(t, m, fmt.Sprintf(`launchctl print system/job | grep -q 'runs = %d' && launchctl print system/job | grep -q 'state = %s'`, test.runs, ready))
			if took := m.now().Sub(before); took < test.after {
				t.Errorf("after %v it ran again", took)
			}
			until(t, m, fmt.Sprintf(`[ "$(grep -c run /tmp/out)" -ge %d ]`, test.runs))
			m.Run(t.Context(), "sleep 12")
			if out, _ := m.Files().Read("/tmp/out"); out != strings.Repeat("run\n", test.runs) {
				t.Errorf("it printed %q", out)
			}
		})
	}
}

// A restart of the Mac asks nobody.
func TestRebootKills(t *testing.T) {
	m := newMac(t, Mac{Second: 10 * time.Millisecond})
	put(t, m, "/tmp/job.sh", "trap 'echo never >>/etc/out' TERM EXIT\necho begun >>/etc/out\nwhile :; do sleep 0.1; done\n", 0o644)
	script(t, m, "job", ". /tmp/job.sh", alive)
	m.Reboot()
	if out, _ := m.Files().Read("/etc/out"); out != "begun\n" {
		t.Errorf("it printed %q", out)
	}
	check(t, m, `
$ launchctl print system/job 2>&1 | tail -1
Could not find service "job" in domain for system
`)
}

// TestBootstrapFails makes launchd refuse a job as often as it is told to, with or without loading it.
func TestBootstrapFails(t *testing.T) {
	for name, done := range map[string]bool{"refused": false, "loaded": true} {
		t.Run(name, func(t *testing.T) {
			m := newMac(t, Mac{})
			put(t, m, "/tmp/job.plist", daemon(t, "job", alive), 0o644)
			left := 2
			m.Fail(func(argv []string) *Failure {
				if argv[0] != "launchctl" || argv[1] != "bootstrap" || argv[3] != "/tmp/job.plist" || left == 0 {
					return nil
				}
				left--
				return &Failure{Stderr: "Bootstrap failed: 5: Input/output error\n", Exit: 5, Done: done}
			})
			want := `
$ launchctl bootstrap system /tmp/job.plist
Bootstrap failed: 5: Input/output error
exit 5
$ launchctl print system/job | grep state
Bad request.
Could not find service "job" in domain for system
exit 1
$ launchctl bootstrap system /tmp/job.plist
Bootstrap failed: 5: Input/output error
exit 5
$ launchctl bootstrap system /tmp/job.plist
`
			if done {
				want = `
$ launchctl bootstrap system /tmp/job.plist
Bootstrap failed: 5: Input/output error
exit 5
$ launchctl print system/job | grep state
	state = running
`
			}
			check(t, m, want)
		})
	}
}

// Unable is a launchd that loads jobs and cannot start their programs.
func TestUnable(t *testing.T) {
	m := newMac(t, Mac{})
	m.SetLaunchd(Launchd{Unable: true})
	script(t, m, "job", "echo never", alive)
	check(t, m, `
$ launchctl print system/job | grep -e 'state =' -e last
	state = spawn scheduled
	last exit code = 78: EX_CONFIG
$ cat /tmp/out 2>/dev/null
exit 1
`)
}

// Late is a launchd that loads a job and does not start it.
func TestLate(t *testing.T) {
	m := newMac(t, Mac{})
	m.SetLaunchd(Launchd{Late: true})
	script(t, m, "job", "echo run; exec sleep 1000000")
	check(t, m, `
$ launchctl print system/job | grep -e state -e runs
	state = not running
	runs = 0
$ launchctl kickstart system/job
$ launchctl print system/job | grep -e 'state =' -e runs
	state = running
	runs = 1
`)
}

// TestClientGone is what becomes of a script that says something to nobody.
func TestClientGone(t *testing.T) {
	for name, test := range map[string]struct{ script, want string }{
		"builtin":      {"echo lost; echo never >/tmp/out", ""},
		"builtin-deaf": {"trap '' PIPE; echo lost; echo $? >/tmp/out", "1\n"},
		"program":      {"/bin/echo lost; echo $? >/tmp/out", "141\n"},
		"program-deaf": {"trap '' PIPE; sh -c '/bin/echo lost; echo $? >/tmp/out'", "1\n"},
		"pfctl":        {"sudo pfctl -e; sudo -n pfctl -q -s info | head -1 | cut -c 1-16 >/tmp/out", "Status: Disabled\n"},
		"pfctl-deaf":   {"trap '' PIPE; sudo pfctl -e; sudo pfctl -q -s info | head -1 | cut -c 1-15 >/tmp/out", "Status: Enabled\n"},
		"pfctl-quiet":  {"sudo pfctl -q -e; sudo pfctl -q -s info | head -1 | cut -c 1-15 >/tmp/out", "Status: Enabled\n"},
		"silent":       {"sleep 0.1; echo on >/tmp/out", "on\n"},
	} {
		for _, cut := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s-%v", name, cut), func(t *testing.T) {
				t.Parallel()
				m := Start(t, Mac{})
				c := dial(t, m)
				s, err := c.NewSession()
				if err != nil {
					t.Fatal(err)
				}
				if _, err := s.StdinPipe(); err != nil {
					t.Fatal(err)
				}
				const outer = `touch /tmp/begun; cat >/dev/null; until [ -e /tmp/gone ]; do sleep 0.01; done; sh -c %s; touch /tmp/done`
				if err := s.Start(fmt.Sprintf(outer, quote(test.script))); err != nil {
					t.Fatal(err)
				}
				waitFor(t, m, "/tmp/begun")
				if cut {
					m.CutConnections()
				} else {
					_ = c.Close()
				}
				_ = s.Wait()
				byHand(t, m, "touch /tmp/gone")
				waitFor(t, m, "/tmp/done")
				if got, _ := m.Files().Read("/tmp/out"); got != test.want {
					t.Errorf("it wrote %q, want %q", got, test.want)
				}
			})
		}
	}
}

// What a script leaves in the background goes on when the script and its connection have ended.
func TestBackground(t *testing.T) {
	m := Start(t, Mac{})
	c := dial(t, m)
	const command = `sudo sh -c '(until [ -e /tmp/gone ]; do sleep 0.01; done; /usr/bin/touch /tmp/done) </dev/null >/dev/null 2>&1 &'`
	if got := over(t, c, command, ""); got != (result{}) {
		t.Errorf("%+v", got)
	}
	_ = c.Close()
	byHand(t, m, "touch /tmp/gone")
	waitFor(t, m, "/tmp/done")
}
