package launchctl_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/ssh"

	"github.com/macos-fleet/terraform-provider-macos/internal/launchctl"
	"github.com/macos-fleet/terraform-provider-macos/internal/macsim"
	"github.com/macos-fleet/terraform-provider-macos/internal/plist"
	"github.com/macos-fleet/terraform-provider-macos/internal/remote"
	"github.com/macos-fleet/terraform-provider-macos/internal/watchdog"
)

// startGuarded makes a simulated Mac that has the program of the jobs here, and connects to it with this much of its time to confirm a change.
// A watchdog tells for a minute how it ended, and a client dials every three seconds of ours; and waits at least twelve of the Mac's for the end.
func startGuarded(t *testing.T, confirm time.Duration) (*macsim.Mac, *remote.Host) {
	t.Helper()
	mac := macsim.Start(t, macsim.Mac{Second: 250 * time.Millisecond})
	put(t, mac, agent, "\xcf\xfa\xed\xfe", 0o755)
	return mac, connectGuarded(t, mac, confirm)
}

func connectGuarded(t *testing.T, mac *macsim.Mac, confirm time.Duration) *remote.Host {
	t.Helper()
	address, port, err := net.SplitHostPort(mac.Addr())
	if err != nil {
		t.Fatal(err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	h := remote.NewHost(remote.Target{
		Name: "mini", Address: address, Port: number, User: "admin", PrivateKey: mac.ClientKey(),
		HostKey: string(ssh.MarshalAuthorizedKey(mac.HostKey())), ConfirmTimeout: confirm,
	})
	t.Cleanup(h.Close)
	return h
}

// Long is for a change that is good, short for one that is not.
const long, short = 10 * time.Minute, 25 * time.Second

// The old and the new definition, and one that breaks the tunnel.
var (
	older  = job()
	newer  = job(key("StartInterval", int64(60)))
	broken = job(environment("ENDPOINT", "nowhere"))
)

// tunnel makes all connections run through the job: they break when it is stopped, and come back when one is loaded that works.
func tunnel(mac *macsim.Mac) {
	mac.Fail(func(argv []string) *macsim.Failure {
		switch {
		case argv[0] != "/bin/launchctl":
		case argv[1] == "bootout" && argv[2] == "system/"+label:
			mac.RefuseConnections(true)
			mac.CutConnections()
		case argv[1] == "bootstrap":
			text, _ := mac.Files().Read(argv[3])
			if strings.Contains(text, agent) {
				mac.RefuseConnections(strings.Contains(text, "nowhere"))
			}
		}
		return nil
	})
}

// clean reports what is left of a watchdog on the Mac.
func clean(t *testing.T, mac *macsim.Mac) {
	t.Helper()
	left, _, _ := mac.Run(context.WithoutCancel(t.Context()),
		"/bin/ls /private/var/run | /usr/bin/grep macos-fleet; /bin/launchctl list | /usr/bin/grep macos-fleet")
	if left != "" {
		t.Errorf("left on the Mac:\n%s", left)
	}
}

// over waits until nothing is left of a watchdog on the Mac.
func over(t *testing.T, mac *macsim.Mac) {
	t.Helper()
	byHand(t, mac, "while /bin/ls /private/var/run | /usr/bin/grep -q macos-fleet || /bin/launchctl list | /usr/bin/grep -q macos-fleet; do /bin/sleep 1; done")
}

// ofJob are the calls of launchctl about our job, with the watchdog's folder left out.
func ofJob(mac *macsim.Mac) []string {
	var all []string
	for _, verb := range verbs(mac) {
		if i := strings.Index(verb, "/1/job.plist"); i >= 0 {
			verb = "bootstrap" + verb[i:]
		}
		if !strings.Contains(verb, "macos-fleet") {
			all = append(all, verb)
		}
	}
	return all
}

// A job through which connections run is changed twice, and then everything is as if nothing had run through it.
func TestConfirmed(t *testing.T) {
	for name, test := range map[string]struct {
		before, after plist.Dict
		verbs         []string
	}{
		"changed": {older, newer, []string{bootout, "bootstrap/1/job.plist", bootout, bootstrap}},
		"new":     {nil, newer, []string{"bootstrap/1/job.plist", bootout, bootstrap}},
		"as-is":   {older, plist.Dict{older[1], older[0], older[2]}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var macs []string
			for _, confirm := range []bool{true, false} {
				mac, h := startGuarded(t, long)
				if test.before != nil {
					install(t, h, test.before, launchctl.Seen{})
				}
				if confirm {
					tunnel(mac)
				}
				mac.ForgetCalls()
				s, err := launchctl.Install(t.Context(), h, launchctl.Intent{Label: label, File: text(t, test.after), Seen: seen(test.before), Confirm: confirm})
				if err != nil {
					t.Fatal(err)
				}
				if drift := s.Job(label).Drift(); drift != nil || !plist.Equal(s.Job(label).Plist, test.after) {
					t.Errorf("drift %q, file %v", drift, s.Job(label).Plist)
				}
				if diff := cmp.Diff(test.verbs, ofJob(mac)); confirm && diff != "" {
					t.Errorf("-want +got:\n%s", diff)
				}
				clean(t, mac)
				macs = append(macs, mac.String())
			}
			if diff := cmp.Diff(macs[1], macs[0]); diff != "" {
				t.Errorf("-without a watchdog +with one:\n%s", diff)
			}
		})
	}
}

func TestConfirmedRemoval(t *testing.T) {
	t.Parallel()
	mac, h := startGuarded(t, long)
	before := mac.String()
	install(t, h, older, launchctl.Seen{})
	s, err := launchctl.Remove(t.Context(), h, launchctl.Intent{Label: label, Seen: seen(older), Confirm: true})
	if err != nil || !s.Job(label).Gone() {
		t.Fatalf("got %v with %+v", err, s)
	}
	if diff := cmp.Diff(before, mac.String()); diff != "" {
		t.Errorf("left behind: -want +got:\n%s", diff)
	}
	clean(t, mac)
}

// A change after which no connection comes through is undone by the Mac.
func TestUnconfirmed(t *testing.T) {
	for name, test := range map[string]struct {
		arrange string // a script; the job is there if it is not empty
		change  func(context.Context, *remote.Host, []byte) error
	}{
		"changed": {":", installGuarded},
		"new":     {"", installGuarded},
		"removed": {":", removeGuarded},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mac, h := startGuarded(t, short)
			if test.arrange != "" {
				install(t, h, older, launchctl.Seen{})
				byHand(t, mac, test.arrange)
			} else {
				byHand(t, mac, "/bin/launchctl enable system/"+label)
			}
			before := mac.String()
			tunnel(mac)
			if test.arrange == "" { // the way is another one, which the new job closes
				mac.Fail(func(argv []string) *macsim.Failure {
					if argv[0] == "/bin/launchctl" && strings.Contains(strings.Join(argv, " "), "/1/job.plist") {
						mac.RefuseConnections(true)
						mac.CutConnections()
					} else if argv[0] == "/bin/launchctl" && argv[1] == "bootout" && argv[2] == "system/"+label {
						mac.RefuseConnections(false)
					}
					return nil
				})
			}
			err := test.change(t.Context(), h, text(t, broken))
			var undone *watchdog.UndoneError
			if !errors.As(err, &undone) || !undone.Unconfirmed() || undone.Left {
				t.Fatalf("got %v", err)
			}
			if diff := cmp.Diff(before, mac.String()); diff != "" {
				t.Errorf("the Mac changed: -want +got:\n%s", diff)
			}
			clean(t, mac)
		})
	}
}

// installGuarded replaces whatever is there.
func installGuarded(ctx context.Context, h *remote.Host, data []byte) error {
	s, err := launchctl.Look(ctx, h, launchctl.Place{})
	if err != nil {
		return err
	}
	_, err = launchctl.Install(ctx, h, launchctl.Intent{Label: label, File: data, Seen: s.Job(label).Seen(), Confirm: true})
	return err
}

func removeGuarded(ctx context.Context, h *remote.Host, _ []byte) error {
	_, err := launchctl.Remove(ctx, h, launchctl.Intent{Label: label, Seen: seen(older), Confirm: true})
	return err
}

// A job that could not be loaded again is not stopped.
func TestNoWayBack(t *testing.T) {
	t.Parallel()
	mac, h := startGuarded(t, long)
	install(t, h, older, launchctl.Seen{})
	byHand(t, mac, "rm "+file)
	before := mac.String()
	for name, change := range map[string]func(context.Context, *remote.Host, []byte) error{"installing": installGuarded, "removing": removeGuarded} {
		if err := change(t.Context(), h, text(t, newer)); !errors.Is(err, launchctl.ErrNoWayBack) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if diff := cmp.Diff(before, mac.String()); diff != "" {
		t.Errorf("the Mac changed: -want +got:\n%s", diff)
	}
	clean(t, mac)
}

// Whatever launchctl refuses, and whenever, the job is as it was: its file, from where it is loaded, and whether it is disabled. launchctl's
// words are told.
func TestRefusedByLaunchd(t *testing.T) {
	words := map[int]string{
		5: "Input/output error", 37: "Operation already in progress", 119: "Service is disabled", 122: "Path had bad ownership/permissions",
	}
	for name, arrange := range map[string]string{
		"usual":     ":",
		"disabled":  "/bin/launchctl disable system/" + label,
		"elsewhere": "mv " + file + " /tmp/x.plist; launchctl bootout system/" + label + "; launchctl bootstrap system /tmp/x.plist",
	} {
		for part, confirm := range map[string]bool{"try": true, "keep": true, "direct": false} {
			for code, said := range words {
				t.Run(fmt.Sprintf("%s/%s-%d", name, part, code), func(t *testing.T) {
					t.Parallel()
					mac, h := startGuarded(t, long)
					install(t, h, older, launchctl.Seen{})
					byHand(t, mac, arrange)
					before := mac.String()
					found := look(t, h).Seen()
					mac.Fail(func(argv []string) *macsim.Failure {
						if argv[0] != "/bin/launchctl" || argv[1] != "bootstrap" || argv[3] == file == (part == "try") {
							return nil
						}
						if now, _ := mac.Files().Read(argv[3]); now != string(text(t, newer)) {
							return nil
						}
						return &macsim.Failure{Stderr: fmt.Sprintf("Bootstrap failed: %d: %s\n", code, said), Exit: code}
					})
					_, err := launchctl.Install(t.Context(), h, launchctl.Intent{Label: label, File: text(t, newer), Seen: found, Confirm: confirm})
					var undone *watchdog.UndoneError
					if !errors.Is(err, launchctl.ErrLoad) || !errors.As(err, &undone) || undone.Left || !strings.Contains(undone.Log, said) {
						t.Fatalf("got %v", err)
					}
					if want := strings.Replace(part, "direct", "keep", 1); undone.Why != want {
						t.Errorf("it was undone because of %s, want %s", undone.Why, want)
					}
					if diff := cmp.Diff(before, mac.String()); diff != "" {
						t.Errorf("the Mac changed: -want +got:\n%s", diff)
					}
					clean(t, mac)
				})
			}
		}
	}
}

// What cannot be brought back is said.
func TestNotRestored(t *testing.T) {
	for name, test := range map[string]struct {
		verb string
		err  error
	}{
		"bootstrap": {"bootstrap", launchctl.ErrNotRestored},
		"bootout":   {"bootout", launchctl.ErrDraining},
	} {
		for how, confirm := range map[string]bool{"confirmed": true, "direct": false} {
			t.Run(name+"-"+how, func(t *testing.T) {
				t.Parallel()
				mac, h := startGuarded(t, long)
				install(t, h, older, launchctl.Seen{})
				mac.Fail(func(argv []string) *macsim.Failure {
					if argv[0] == "/bin/launchctl" && argv[1] == test.verb && !strings.Contains(strings.Join(argv, " "), "watchdog.") ||
						strings.HasSuffix(argv[len(argv)-1], "/1/job.plist") && argv[0] == "/bin/launchctl" && argv[1] == test.verb {
						return &macsim.Failure{Stderr: "no\n", Exit: 150}
					}
					return nil
				})
				_, err := launchctl.Install(t.Context(), h, launchctl.Intent{Label: label, File: text(t, newer), Seen: seen(older), Confirm: confirm})
				var undone *watchdog.UndoneError
				if !errors.Is(err, test.err) || !errors.As(err, &undone) || !undone.Left {
					t.Errorf("got %v", err)
				}
				mac.Fail(nil)
				found := look(t, h)
				if !plist.Equal(found.Plist, older) || (found.Loaded == nil) != (test.verb == "bootstrap") {
					t.Errorf("got %+v", found)
				}
				clean(t, mac)
				install(t, h, newer, seen(older))
			})
		}
	}
}

// TestConfirmSweep has something happen right before the k-th launchctl or mv of an installation, for every k: the client goes and does not come
// back, or the Mac is restarted. Afterwards file and job are both the old ones or both the new ones, nothing else is left, and the next
// installation works.
func TestConfirmSweep(t *testing.T) {
	happenings := map[string]func(*testing.T, *macsim.Mac, func()){
		"gone": func(t *testing.T, mac *macsim.Mac, release func()) {
			t.Helper()
			mac.RefuseConnections(true)
			mac.CutConnections()
			release()
			over(t, mac)
			mac.RefuseConnections(false)
		},
		"restart": func(_ *testing.T, mac *macsim.Mac, _ func()) { mac.Reboot() },
	}
	for name, happen := range happenings {
		for program, steps := range map[string]int{"launchctl": 22, "mv": 12} {
			for k := range steps {
				t.Run(fmt.Sprintf("%s/%s-%d", name, program, k), func(t *testing.T) {
					t.Parallel()
					mac, _ := start(t, macsim.Mac{})
					h := connectGuarded(t, mac, 100*time.Second)
					install(t, h, older, launchctl.Seen{})
					arrived, release := holdAt(mac, program, k)
					done := make(chan error)
					go func() {
						_, err := launchctl.Install(t.Context(), h, launchctl.Intent{Label: label, File: text(t, newer), Seen: seen(older), Confirm: true})
						done <- err
					}()
					select {
					case <-arrived:
						happen(t, mac, release)
						<-done
					case <-done: // it took less, if it got less far in the time that it had
						release()
					}
					h = connect(t, mac)
					found := look(t, h)
					if drift := found.Drift(); drift != nil || !plist.Equal(found.Plist, older) && !plist.Equal(found.Plist, newer) {
						t.Errorf("drift %q, file %v", drift, found.Plist)
					}
					over(t, mac) // whose seconds are too short for the client to wait for it
					install(t, h, newer, found.Seen())
				})
			}
		}
	}
}

// holdAt holds the k-th run of a program from now on, and closes arrived when it has come.
func holdAt(mac *macsim.Mac, program string, k int) (arrived <-chan struct{}, release func()) {
	var (
		mu     sync.Mutex
		seen   int
		over   bool
		letGo  = func() {}
		closes = make(chan struct{})
	)
	count := func() {
		mu.Lock()
		defer mu.Unlock()
		if seen == k && !over {
			letGo = mac.Hold(program)
			go func() { mac.Await(program); close(closes) }()
		}
		seen++
	}
	count()
	mac.Fail(func(argv []string) *macsim.Failure {
		if path.Base(argv[0]) == program {
			count()
		}
		return nil
	})
	return closes, func() {
		mu.Lock()
		defer mu.Unlock()
		over = true
		letGo()
	}
}
