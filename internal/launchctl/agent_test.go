package launchctl_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/macos-fleet/terraform-provider-macos/internal/launchctl"
	"github.com/macos-fleet/terraform-provider-macos/internal/macsim"
	"github.com/macos-fleet/terraform-provider-macos/internal/plist"
	"github.com/macos-fleet/terraform-provider-macos/internal/remote"
)

var (
	everybody = launchctl.Place{Agents: true}
	annas     = launchctl.Place{Agents: true, User: "anna"}
)

const (
	agentFile = "/Library/LaunchAgents/com.acme.agent.plist"
	annasFile = "/Users/anna/Library/LaunchAgents/com.acme.agent.plist"
)

// startWith makes a Mac with a user anna, at whose screen these are logged in.
func startWith(t *testing.T, users ...string) (*macsim.Mac, *remote.Host) {
	t.Helper()
	mac, h := start(t, macsim.Mac{People: []string{"anna"}})
	for _, name := range users {
		if err := mac.LogIn(name); err != nil {
			t.Fatal(err)
		}
	}
	return mac, h
}

// settled installs an agent that must come out as it was meant.
func settled(t *testing.T, h *remote.Host, in launchctl.Intent) *launchctl.Job {
	t.Helper()
	in.Label = label
	s, err := launchctl.Install(t.Context(), h, in)
	if err != nil {
		t.Fatal(err)
	}
	drift := s.Job(label).Drift()
	if in.Disabled {
		drift = s.Job(label).DriftDisabled()
	}
	if drift != nil {
		t.Errorf("after the installation: %q", drift)
	}
	return s.Job(label)
}

func lookIn(t *testing.T, h *remote.Host, p launchctl.Place) *launchctl.Job {
	t.Helper()
	h.Forget()
	s, err := launchctl.Look(t.Context(), h, p)
	if err != nil {
		t.Fatal(err)
	}
	return s.Job(label)
}

func TestAgents(t *testing.T) {
	for name, test := range map[string]struct {
		place   launchctl.Place
		users   []string // at the screen
		file    string
		owner   string
		domains []string
	}{
		"nobody-there": {place: everybody, file: agentFile, owner: "0:0"},
		"one":          {everybody, []string{"admin"}, agentFile, "0:0", []string{"gui/501"}},
		"two":          {everybody, []string{"admin", "anna"}, agentFile, "0:0", []string{"gui/501", "gui/502"}},
		"own":          {annas, []string{"anna"}, annasFile, "502:20", []string{"gui/502"}},
		"own-away":     {annas, []string{"admin"}, annasFile, "502:20", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mac, h := startWith(t, test.users...)
			before := mac.String()
			first, second := job(), job(key("StartInterval", int64(900)))
			var loads, reloads []string
			for _, domain := range test.domains {
				loads = append(loads, "bootstrap "+domain+" "+test.file)
				reloads = append(reloads, "bootout "+domain+"/"+label, "bootstrap "+domain+" "+test.file)
			}
			found := settled(t, h, launchctl.Intent{Place: test.place, File: text(t, first)})
			if found.File != test.file || found.Owner != test.owner || len(found.LoadedFor()) != len(test.domains) {
				t.Errorf("found %s of %s, loaded for %q", found.File, found.Owner, found.LoadedFor())
			}
			if diff := cmp.Diff(loads, verbs(mac)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			mac.ForgetCalls()
			settled(t, h, launchctl.Intent{Place: test.place, File: text(t, second), Seen: seen(first)})
			if diff := cmp.Diff(reloads, verbs(mac)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}

			// Who was away finds it at the next login.
			for _, user := range []string{"admin", "anna"} {
				if err := mac.LogIn(user); err != nil {
					t.Fatal(err)
				}
			}
			found = lookIn(t, h, test.place)
			if drift := found.Drift(); drift != nil || len(found.LoadedFor()) == 0 {
				t.Errorf("after a login: drift %q, loaded for %q", drift, found.LoadedFor())
			}
			if _, err := launchctl.Remove(t.Context(), h, launchctl.Intent{Place: test.place, Label: label, Seen: seen(second)}); err != nil {
				t.Fatal(err)
			}
			for _, user := range []string{"admin", "anna"} {
				mac.LogOut(user)
			}
			for _, user := range test.users {
				if err := mac.LogIn(user); err != nil {
					t.Fatal(err)
				}
			}
			after := mac.String()
			if test.place == annas { // its folder was made, and may have others by now
				after = strings.Replace(after, "/Users/anna/Library/LaunchAgents drwxr-xr-x 502:20\n", "", 1)
			}
			if diff := cmp.Diff(before, after); diff != "" {
				t.Errorf("left behind: -want +got:\n%s", diff)
			}
		})
	}
}

// What one session refuses is taken back in the other as well.
func TestAgentsAllOrNone(t *testing.T) {
	mac, h := startWith(t, "admin", "anna")
	first := job()
	settled(t, h, launchctl.Intent{Place: everybody, File: text(t, first)})
	before := mac.String()
	mac.Fail(func(argv []string) *macsim.Failure {
		second, _ := mac.Files().Read(agentFile)
		if argv[0] == "/bin/launchctl" && argv[1] == "bootstrap" && argv[2] == "gui/502" && strings.Contains(second, "StartInterval") {
			return &macsim.Failure{Exit: 5, Stderr: "Bootstrap failed: 5: Input/output error\n"}
		}
		return nil
	})
	_, err := launchctl.Install(t.Context(), h, launchctl.Intent{
		Place: everybody, Label: label, File: text(t, job(key("StartInterval", int64(900)))), Seen: seen(first),
	})
	if !errors.Is(err, launchctl.ErrLoad) {
		t.Fatalf("got %v", err)
	}
	mac.Fail(nil)
	if diff := cmp.Diff(before, mac.String()); diff != "" {
		t.Errorf("the Mac changed: -want +got:\n%s", diff)
	}
}

func TestAgentDrift(t *testing.T) {
	for name, test := range map[string]struct {
		place  launchctl.Place
		script string
		want   []string
	}{
		"booted-out-for-one": {everybody, "launchctl bootout gui/502/com.acme.agent", []string{"the job is not loaded for anna"}},
		"disabled-by-one": {everybody, "launchctl disable gui/501/com.acme.agent", []string{
			"the job is disabled for admin, by `launchctl disable` or in System Settings, so it is not loaded at login",
		}},
		"file-gone": {everybody, "rm " + agentFile, []string{agentFile + " does not exist, so a logout would end the job"}},
		"owner": {annas, "chown root:wheel " + annasFile, []string{
			annasFile + " has mode 0644 and owner 0:0 instead of 0644 and 502:20",
		}},
		"elsewhere": {
			annas, "launchctl bootout gui/502/com.acme.agent; cp " + annasFile + " /tmp/x.plist; launchctl bootstrap gui/502 /private/tmp/x.plist",
			[]string{"the job that is loaded for anna is another one, from /private/tmp/x.plist"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			mac, h := startWith(t, "admin", "anna")
			settled(t, h, launchctl.Intent{Place: test.place, File: text(t, job())})
			byHand(t, mac, test.script)
			found := lookIn(t, h, test.place)
			if diff := cmp.Diff(test.want, found.Drift()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			settled(t, h, launchctl.Intent{Place: test.place, File: text(t, job()), Seen: found.Seen()})
		})
	}
}

func TestAgentRefused(t *testing.T) {
	mac, h := startWith(t, "anna")
	nobody := launchctl.Place{Agents: true, User: "nobody-here"}
	if _, err := launchctl.Look(t.Context(), h, nobody); !errors.Is(err, launchctl.ErrNobody) {
		t.Errorf("a user who is not there: got %v", err)
	}
	byHand(t, mac, "ln -s /Library/LaunchDaemons /Users/anna/Library/LaunchAgents")
	before := mac.String()
	in := launchctl.Intent{Place: annas, Label: label, File: text(t, job())}
	if _, err := launchctl.Install(t.Context(), h, in); !errors.Is(err, launchctl.ErrLinked) {
		t.Errorf("a linked folder: got %v", err)
	}
	if diff := cmp.Diff(before, mac.String()); diff != "" {
		t.Errorf("the Mac changed: -want +got:\n%s", diff)
	}
}

// A user who logs out in the middle has the job at the next login.
func TestAgentLogout(t *testing.T) {
	mac, h := startWith(t, "anna")
	mac.Fail(func(argv []string) *macsim.Failure {
		if argv[0] == "/bin/launchctl" && argv[1] == "bootstrap" {
			mac.Fail(nil)
			mac.LogOut("anna")
		}
		return nil
	})
	if found := settled(t, h, launchctl.Intent{Place: annas, File: text(t, job())}); found.Domain != "" || !found.Exists {
		t.Errorf("found %+v", found)
	}
}

func TestDisabled(t *testing.T) {
	mac, h := startWith(t)
	before := mac.String()
	off := launchctl.Intent{File: text(t, job()), Disabled: true}
	settled(t, h, off)
	want := []string{"disable system/" + label}
	if diff := cmp.Diff(want, verbs(mac)); diff != "" {
		t.Errorf("new: -want +got:\n%s", diff)
	}
	mac.ForgetCalls()
	off.Seen = seen(job())
	settled(t, h, off)
	if got := verbs(mac); got != nil {
		t.Errorf("again: %q", got)
	}
	settled(t, h, launchctl.Intent{File: text(t, job()), Seen: seen(job())})
	if diff := cmp.Diff([]string{"enable system/" + label, bootstrap}, verbs(mac)); diff != "" {
		t.Errorf("enabled: -want +got:\n%s", diff)
	}
	mac.ForgetCalls()
	mac.SetJob(label, macsim.Job{Drain: 2 * time.Second})
	settled(t, h, off)
	if diff := cmp.Diff([]string{bootout, "disable system/" + label}, verbs(mac)); diff != "" {
		t.Errorf("disabled: -want +got:\n%s", diff)
	}
	mac.Reboot()
	h = connect(t, mac)
	if found := look(t, h); found.Loaded != nil || found.DriftDisabled() != nil {
		t.Errorf("after a reboot: loaded %v, drift %q", found.Loaded, found.DriftDisabled())
	}
	byHand(t, mac, "launchctl enable system/com.acme.agent && launchctl bootstrap system "+file)
	want = []string{"the job is enabled, so it is loaded at boot", "the job is loaded, though it is to be disabled"}
	if diff := cmp.Diff(want, look(t, h).DriftDisabled()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	settled(t, h, off)
	if _, err := launchctl.Remove(t.Context(), h, launchctl.Intent{Label: label, Seen: seen(job())}); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(mac.String(), label+", disabled") || strings.Contains(before, label) {
		t.Errorf("a removal leaves the flag as it is:\n%s", mac)
	}
}

// A job that cannot be stopped is not disabled either.
func TestDisabledDraining(t *testing.T) {
	mac, h := start(t, macsim.Mac{})
	mac.SetJob(label, macsim.Job{Drain: macsim.Forever})
	install(t, h, job(), launchctl.Seen{})
	_, err := launchctl.Install(t.Context(), h, launchctl.Intent{Label: label, File: text(t, job()), Seen: seen(job()), Disabled: true})
	if !errors.Is(err, launchctl.ErrDraining) || look(t, h).Disabled {
		t.Errorf("got %v, disabled %v", err, look(t, h).Disabled)
	}
}

func TestRestart(t *testing.T) {
	mac, h := start(t, macsim.Mac{})
	install(t, h, job(), launchctl.Seen{})
	pid := look(t, h).Loaded.PID
	mac.ForgetCalls()
	found := settled(t, h, launchctl.Intent{File: text(t, job()), Seen: seen(job()), Restart: true})
	if diff := cmp.Diff([]string{bootout, bootstrap}, verbs(mac)); diff != "" || found.Loaded.PID == pid || found.Loaded.PID == 0 {
		t.Errorf("process %d after %d: -want +got:\n%s", found.Loaded.PID, pid, diff)
	}
}

// What launchd does not read again is no reason to stop a job.
func TestUnread(t *testing.T) {
	mac, h := start(t, macsim.Mac{})
	install(t, h, job(), launchctl.Seen{})
	mac.ForgetCalls()
	install(t, h, job(key("Disabled", true), key("TimeOut", int64(9))), seen(job()))
	if diff := cmp.Diff([]string{"enable system/" + label}, verbs(mac)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	mac.ForgetCalls()
	install(t, h, job(), seen(job(key("Disabled", true), key("TimeOut", int64(9)))))
	if got := verbs(mac); got != nil {
		t.Errorf("got %q", got)
	}
}

// An agent for another kind of session is put in place, and left to macOS.
func TestAgentOfAnotherSession(t *testing.T) {
	mac, h := startWith(t, "anna")
	window := job(key("LimitLoadToSessionType", "LoginWindow"))
	if found := settled(t, h, launchctl.Intent{Place: everybody, File: text(t, window)}); found.Loaded != nil || verbs(mac) != nil {
		t.Errorf("loaded %v by %q", found.Loaded, verbs(mac))
	}
	settled(t, h, launchctl.Intent{Place: everybody, File: text(t, job()), Seen: seen(window)})
	settled(t, h, launchctl.Intent{Place: everybody, File: text(t, window), Seen: seen(job())})
	want := []string{"bootstrap gui/502 " + agentFile, "bootout gui/502/" + label}
	if diff := cmp.Diff(want, verbs(mac)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// A link that leads nowhere is in the way of a file, and replaced by one.
func TestDanglingLink(t *testing.T) {
	for name, link := range map[string]string{"nowhere": "ln -s /nowhere " + file, "itself": "ln -s " + file + " " + file} {
		t.Run(name, func(t *testing.T) {
			mac, h := start(t, macsim.Mac{})
			byHand(t, mac, link)
			found := look(t, h)
			if !found.Exists || found.Plist != nil {
				t.Fatalf("found %+v", found)
			}
			if _, err := launchctl.Install(t.Context(), h, launchctl.Intent{Label: label, File: text(t, job())}); !errors.Is(err, launchctl.ErrChanged) {
				t.Errorf("taken over silently: %v", err)
			}
			install(t, h, job(), found.Seen())
		})
	}
}

// What is begun for one user and fails for another is taken back: also that the label is disabled, and a folder that was made.
func TestAgentTakenBack(t *testing.T) {
	t.Run("disabled", func(t *testing.T) {
		mac, h := startWith(t, "admin", "anna")
		settled(t, h, launchctl.Intent{Place: everybody, File: text(t, job())})
		mac.Fail(func(argv []string) *macsim.Failure {
			if argv[0] == "/bin/launchctl" && argv[1] == "disable" && argv[2] == "gui/502/"+label {
				return &macsim.Failure{Exit: 5, Stderr: "Could not disable service: 5: Input/output error\n"}
			}
			return nil
		})
		in := launchctl.Intent{Place: everybody, Label: label, File: text(t, job()), Seen: seen(job()), Disabled: true}
		if _, err := launchctl.Install(t.Context(), h, in); err == nil {
			t.Fatal("it succeeded")
		}
		if found := lookIn(t, h, everybody); found.Drift() != nil || len(found.LoadedFor()) != 2 {
			t.Errorf("drift %q, loaded for %q", found.Drift(), found.LoadedFor())
		}
	})
	t.Run("folder", func(t *testing.T) {
		mac, h := startWith(t, "anna")
		before := mac.String()
		in := launchctl.Intent{Place: annas, Label: label, File: text(t, plist.Dict{key("Label", label)})}
		if _, err := launchctl.Install(t.Context(), h, in); !errors.Is(err, launchctl.ErrLoad) {
			t.Errorf("got %v", err)
		}
		if diff := cmp.Diff(before, mac.String()); diff != "" {
			t.Errorf("the Mac changed: -want +got:\n%s", diff)
		}
	})
}
