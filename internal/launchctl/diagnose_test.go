package launchctl_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/macos-fleet/terraform-provider-macos/internal/launchctl"
	"github.com/macos-fleet/terraform-provider-macos/internal/macsim"
	"github.com/macos-fleet/terraform-provider-macos/internal/plist"
	"github.com/macos-fleet/terraform-provider-macos/internal/remote"
	"github.com/macos-fleet/terraform-provider-macos/internal/watchdog"
)

// said is what the Mac's tools said of a change that failed.
func said(err error) string {
	var undone *watchdog.UndoneError
	var exit *remote.ExitError
	switch {
	case errors.As(err, &undone):
		return undone.Log
	case errors.As(err, &exit):
		return exit.Stderr
	}
	return ""
}

// A call of launchctl that hangs ends, and is told; what there was before is there again, as far as launchd answers.
func TestHangs(t *testing.T) {
	for _, test := range []struct {
		verb string
		err  error
		said string
	}{
		{"bootstrap", launchctl.ErrLoad, "launchctl bootstrap did not answer within 20 seconds."},
		{"bootout", launchctl.ErrDraining, "launchctl bootout did not answer within 20 seconds."},
		{"enable", launchctl.ErrLoad, "launchctl enable did not answer within 20 seconds."},
		{"print", launchctl.ErrHangs, ""},
		{"print-disabled", launchctl.ErrHangs, ""},
		{"kickstart", nil, ""},
	} {
		t.Run(test.verb, func(t *testing.T) {
			t.Parallel()
			mac, h := start(t, macsim.Mac{})
			mac.SetJob(label, macsim.Job{Late: true})
			first, second := job(), job(key("StartInterval", int64(60)))
			install(t, h, first, launchctl.Seen{})
			byHand(t, mac, "launchctl disable system/com.acme.agent")
			hanging := false
			mac.Fail(func(argv []string) *macsim.Failure {
				// Only until it hangs for the first time, so that undoing it can do without.
				if argv[0] == "/bin/launchctl" && argv[1] == test.verb && !hanging {
					hanging = true
					mac.SetLaunchd(macsim.Launchd{Hangs: []string{test.verb}})
				} else if argv[0] == "/bin/launchctl" && argv[1] != test.verb && hanging && test.verb != "kickstart" {
					mac.SetLaunchd(macsim.Launchd{})
				}
				return nil
			})
			_, err := launchctl.Install(t.Context(), h, launchctl.Intent{Label: label, File: text(t, second), Seen: seen(first)})
			if !errors.Is(err, test.err) || err == nil != (test.err == nil) {
				t.Fatalf("got %v, want %v", err, test.err)
			}
			if !strings.Contains(said(err), test.said) {
				t.Errorf("it said\n%s", said(err))
			}
			mac.Fail(nil)
			mac.SetLaunchd(macsim.Launchd{})
			want := first
			if test.err == nil {
				want = second
			}
			if found := look(t, h); !plist.Equal(found.Plist, want) || found.Loaded == nil {
				t.Errorf("found %v, loaded %v", found.Plist, found.Loaded)
			}
		})
	}
}

// A launchd that stops to answer in the middle is not waited for for ever.
func TestHangsLater(t *testing.T) {
	mac, h := start(t, macsim.Mac{})
	install(t, h, job(), launchctl.Seen{})
	mac.Fail(func(argv []string) *macsim.Failure {
		if argv[0] == "/bin/launchctl" && argv[1] == "bootout" {
			mac.SetLaunchd(macsim.Launchd{Hangs: []string{"print"}})
		}
		return nil
	})
	_, err := launchctl.Install(t.Context(), h, launchctl.Intent{Label: label, File: text(t, job(key("Nice", int64(1)))), Seen: seen(job())})
	var undone *watchdog.UndoneError
	if !errors.Is(err, launchctl.ErrDraining) || !errors.As(err, &undone) || !undone.Left {
		t.Errorf("got %v", err)
	}
	hung := 0
	for _, c := range mac.Calls() {
		if c.Argv[0] == "/usr/bin/perl" && c.Argv[5] == "print" {
			hung++
		}
	}
	if hung > 20 {
		t.Errorf("it was asked %d times", hung)
	}
}

// Without perl there is no limit, and all else works.
func TestWithoutPerl(t *testing.T) {
	mac, h := start(t, macsim.Mac{NoPerl: true})
	install(t, h, job(), launchctl.Seen{})
	for _, c := range mac.Calls() {
		if c.Argv[0] == "/usr/bin/perl" {
			t.Errorf("called %q", c.Argv)
		}
	}
}

// Why launchd did not load a file is looked for when it says 5, which says nothing.
func TestDiagnosed(t *testing.T) {
	for name, test := range map[string]struct {
		version string
		meddle  string // just before the job is loaded
		dict    plist.Dict
		want    string
	}{
		"disabled":    {meddle: "launchctl disable system/com.acme.agent", want: "The label is disabled: somebody did that just now."},
		"writable":    {meddle: "chmod 0664 " + file, want: "has mode and owner 664 0:0: others than its owner may write it."},
		"owner":       {meddle: "chown admin " + file, want: "has mode and owner 644 501:0: it belongs to somebody else."},
		"removed":     {meddle: "rm " + file, want: file + " is not there any more."},
		"broken":      {meddle: "echo rubbish >" + file, want: file + ": "},
		"quarantined": {version: "27.0", meddle: "xattr -w com.apple.quarantine 0083 " + file, want: file + " is quarantined, so macOS 27 does not load it."},
		"unknown":     {dict: plist.Dict{key("Label", label)}, want: "Invalid or missing Program/ProgramArguments"},
	} {
		for _, vague := range []bool{false, true} {
			t.Run(name+map[bool]string{true: "/vague"}[vague], func(t *testing.T) {
				t.Parallel()
				mac, h := start(t, macsim.Mac{Version: test.version})
				mac.SetLaunchd(macsim.Launchd{Vague: vague})
				before := mac.String()
				dict := test.dict
				if dict == nil {
					dict = job()
				}
				mac.Fail(func(argv []string) *macsim.Failure {
					if argv[0] == "/bin/launchctl" && argv[1] == "bootstrap" && test.meddle != "" {
						mac.Fail(nil)
						byHand(t, mac, test.meddle)
					}
					return nil
				})
				_, err := launchctl.Install(t.Context(), h, launchctl.Intent{Label: label, File: text(t, dict)})
				if !errors.Is(err, launchctl.ErrLoad) || !strings.Contains(said(err), test.want) {
					t.Errorf("got %v, which said\n%s", err, said(err))
				}
				if name == "unknown" || name == "writable" {
					if diff := cmp.Diff(before, mac.String()); diff != "" {
						t.Errorf("the Mac changed: -want +got:\n%s", diff)
					}
				}
			})
		}
	}
}

// The end of the log of a job in trouble is shown, if it is a file, and no more of it than people read.
func TestTroubleLog(t *testing.T) {
	const log = "/Library/Logs/agent.log"
	fails := func(more ...plist.Entry) plist.Dict { return job(append(more, key("StandardErrorPath", log))...) }
	for name, test := range map[string]struct {
		arrange string
		dict    plist.Dict
		exits   bool
		want    []string
	}{
		"none":    {dict: fails(), exits: true},
		"short":   {arrange: "printf 'no licence\\n' >" + log, dict: fails(), exits: true, want: []string{log + ":", "no licence"}},
		"running": {arrange: "printf 'all is well\\n' >" + log, dict: fails()},
		"long": {
			arrange: "for i in 1 2 3 4 5 6 7; do printf 'line %s\\n' $i; done >" + log, dict: fails(), exits: true,
			want: []string{log + ":", "line 3", "line 4", "line 5", "line 6", "line 7"},
		},
		"binary": {arrange: "printf 'a\\001\\377\\033[1mb\\n' >" + log, dict: fails(), exits: true, want: []string{log + ":", "a   [1mb"}},
		"link":   {arrange: "printf secret >/Library/Logs/other; ln -s other " + log, dict: fails(), exits: true},
		"stdout": {
			arrange: "printf 'said so\\n' >/Library/Logs/out", exits: true,
			dict: fails(key("StandardOutPath", "/Library/Logs/out")), want: []string{"/Library/Logs/out:", "said so"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			mac, h := start(t, macsim.Mac{})
			if test.arrange != "" {
				byHand(t, mac, test.arrange)
			}
			mac.SetJob(label, macsim.Job{Exits: test.exits, Exit: 3})
			s, err := launchctl.Install(t.Context(), h, launchctl.Intent{Label: label, File: text(t, test.dict)})
			if err != nil {
				t.Fatal(err)
			}
			why, got := s.Job(label).Trouble()
			if diff := cmp.Diff(test.want, got); diff != "" || test.exits != (why != "") {
				t.Errorf("%q: -want +got:\n%s", why, diff)
			}
		})
	}
}

// However launchd words it that a job is draining, it is waited for.
func TestFrank(t *testing.T) {
	for _, version := range versions {
		for _, frank := range []bool{false, true} {
			mac, h := start(t, macsim.Mac{Version: version})
			mac.SetLaunchd(macsim.Launchd{Frank: frank, Vague: frank, Extra: "\tfuture = {\n\t\tstate = odd\n\t}\n\tpath = /elsewhere\n"})
			mac.SetJob(label, macsim.Job{Drain: 3 * time.Second})
			first := job()
			install(t, h, first, launchctl.Seen{})
			byHand(t, mac, "launchctl bootout system/"+label)
			mac.ForgetCalls()
			install(t, h, first, seen(first))
			if got := verbs(mac); !slices.Contains(got, bootstrap) {
				t.Errorf("%s: %q", version, got)
			}
		}
	}
}

// A job that System Settings do not allow is absent after a restart, though its file is there; it can be loaded by hand.
func TestDenied(t *testing.T) {
	mac, h := start(t, macsim.Mac{Version: "15.6"})
	install(t, h, job(), launchctl.Seen{})
	mac.SetLaunchd(macsim.Launchd{Denied: []string{label}})
	mac.Reboot()
	h = connect(t, mac)
	found := look(t, h)
	if diff := cmp.Diff([]string{"the job is not loaded"}, found.Drift()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	install(t, h, job(), found.Seen())
}

// A launchd that stops to answer when it is to load the job is not taken for one that has loaded it.
func TestHangsLoading(t *testing.T) {
	mac, h := start(t, macsim.Mac{})
	mac.Fail(func(argv []string) *macsim.Failure {
		if argv[0] == "/bin/launchctl" && argv[1] == "bootstrap" {
			mac.SetLaunchd(macsim.Launchd{Hangs: []string{"bootstrap", "print"}})
		}
		return nil
	})
	_, err := launchctl.Install(t.Context(), h, launchctl.Intent{Label: label, File: text(t, job())})
	if err == nil || !strings.Contains(said(err), "launchctl bootstrap did not answer") {
		t.Errorf("got %v, which said\n%s", err, said(err))
	}
}
