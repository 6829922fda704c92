package launchctl_test

import (
	"context"
	"errors"
	"flag"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/macos-fleet/terraform-provider-macos/internal/launchctl"
	"github.com/macos-fleet/terraform-provider-macos/internal/macsim"
	"github.com/macos-fleet/terraform-provider-macos/internal/plist"
	"github.com/macos-fleet/terraform-provider-macos/internal/remote"
)

const (
	label = "com.acme.agent"
	file  = "/Library/LaunchDaemons/com.acme.agent.plist"
	agent = "/usr/local/bin/agent" // a program, for all that launchd knows
)

// TestMain runs more tests at once than there are processors: most of them wait.
func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", "8"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// start makes a simulated Mac that has the program of the jobs here, and connects to it. Its seconds are short.
func start(t *testing.T, cfg macsim.Mac) (*macsim.Mac, *remote.Host) {
	t.Helper()
	cfg.Second = 4 * time.Millisecond
	mac := macsim.Start(t, cfg)
	put(t, mac, agent, "\xcf\xfa\xed\xfe", 0o755)
	return mac, connect(t, mac)
}

func connect(t *testing.T, mac *macsim.Mac) *remote.Host {
	t.Helper()
	return connectGuarded(t, mac, 0)
}

func put(t *testing.T, mac *macsim.Mac, path, content string, mode uint32) {
	t.Helper()
	if err := mac.Files().Write(path, content); err != nil {
		t.Fatal(err)
	}
	if err := mac.Files().Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

// byHand runs a script at the Mac itself.
func byHand(t *testing.T, mac *macsim.Mac, script string) {
	t.Helper()
	if out, errs, exit := mac.Run(context.WithoutCancel(t.Context()), script); exit != 0 {
		t.Fatalf("%s\nexit %d\n%s%s", script, exit, out, errs)
	}
}

// job is a property list of our job, which is kept running unless more says otherwise.
func job(more ...plist.Entry) plist.Dict {
	dict := plist.Dict{{Key: "Label", Value: label}}
	usual := plist.Dict{key("ProgramArguments", plist.Array{agent, "-v"}), key("KeepAlive", true)}
	for _, e := range usual {
		if plist.Dict(more).Get(e.Key) == nil {
			dict = append(dict, e)
		}
	}
	return append(dict, more...)
}

func key(name string, value plist.Value) plist.Entry { return plist.Entry{Key: name, Value: value} }

func environment(words ...string) plist.Entry {
	var dict plist.Dict
	for pair := range slices.Chunk(words, 2) {
		dict = append(dict, key(pair[0], pair[1]))
	}
	return key("EnvironmentVariables", dict)
}

func text(t *testing.T, dict plist.Dict) []byte {
	t.Helper()
	b, err := plist.Encode(dict)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// install installs a job that must come out as it was meant.
func install(t *testing.T, h *remote.Host, want plist.Dict, seen launchctl.Seen) {
	t.Helper()
	s, err := launchctl.Install(t.Context(), h, launchctl.Intent{Label: label, File: text(t, want), Seen: seen})
	if err != nil {
		t.Fatal(err)
	}
	if drift := s.Job(label).Drift(); drift != nil {
		t.Errorf("after the installation: %q", drift)
	}
	if got := s.Job(label).Plist; !plist.Equal(got, want) {
		t.Errorf("the file: %v", plist.Diff(want, got))
	}
}

func look(t *testing.T, h *remote.Host) *launchctl.Job {
	t.Helper()
	// A script that writes makes the host forget what it knew.
	if _, err := h.Run(t.Context(), remote.Cmd{Script: ":", Writes: true}); err != nil {
		t.Fatal(err)
	}
	s, err := launchctl.Look(t.Context(), h, launchctl.Place{})
	if err != nil {
		t.Fatal(err)
	}
	return s.Job(label)
}

func seen(dict plist.Dict) launchctl.Seen { return launchctl.Seen{File: dict, Managed: true} }

// verbs are the launchctl subcommands that were run, without print and the like.
func verbs(mac *macsim.Mac) []string {
	var all []string
	for _, c := range mac.Calls() {
		if c.Argv[0] == "/bin/launchctl" && !slices.Contains([]string{"print", "print-disabled", "list"}, c.Argv[1]) {
			all = append(all, strings.Join(c.Argv[1:], " "))
		}
	}
	return all
}

const (
	bootout   = "bootout system/" + label
	bootstrap = "bootstrap system " + file
)

var versions = []string{"12.7.6", "13.7", "15.6", "26.6.2", "27.0"}

func TestInstall(t *testing.T) {
	for _, version := range versions {
		t.Run(version, func(t *testing.T) {
			mac, h := start(t, macsim.Mac{Version: version})
			before := mac.String()
			first := job()
			install(t, h, first, launchctl.Seen{})
			if info, err := mac.Files().Stat(file); err != nil || info.StMode != 0o100644 || info.UID != 0 || info.GID != 0 {
				t.Errorf("the file: %v, %v", info, err)
			}

			second := job(key("StartInterval", int64(900)))
			mac.SetJob(label, macsim.Job{Drain: 2 * time.Second})
			mac.ForgetCalls()
			install(t, h, second, seen(first))
			if diff := cmp.Diff([]string{bootout, bootstrap}, verbs(mac)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}

			mac.Reboot()
			h = connect(t, mac)
			if drift := look(t, h).Drift(); drift != nil {
				t.Errorf("after a reboot: %q", drift)
			}
			s, err := launchctl.Remove(t.Context(), h, launchctl.Intent{Label: label, Seen: seen(second)})
			if err != nil {
				t.Fatal(err)
			}
			if !s.Job(label).Gone() {
				t.Errorf("after the removal: %+v", s.Job(label))
			}
			if diff := cmp.Diff(before, mac.String()); diff != "" {
				t.Errorf("left behind: -want +got:\n%s", diff)
			}
		})
	}
}

// Every key that print shows in some way comes out without a difference.
func TestInstallKeys(t *testing.T) {
	for name, more := range map[string][]plist.Entry{
		"on-demand":       {key("KeepAlive", false)},
		"conditions":      {key("KeepAlive", plist.Dict{key("SuccessfulExit", false)})},
		"old-on-demand":   {key("KeepAlive", false), key("OnDemand", false)},
		"at-load":         {key("KeepAlive", false), key("RunAtLoad", true)},
		"both":            {key("RunAtLoad", true)},
		"program":         {key("Program", agent), key("ProgramArguments", plist.Array{"agent", "-v"})},
		"program-only":    {key("Program", agent), key("ProgramArguments", plist.Array{})},
		"arguments":       {key("ProgramArguments", plist.Array{agent, "", " a  b ", "two\nlines", "\t\tx\n\t\ty", "a = {", "é"})},
		"brace":           {key("ProgramArguments", plist.Array{agent, "{\n}\n", "z\n\t}\n\tpath = /x"})},
		"environment":     {environment("B", "1", "A", "x => y = z", "E", "")},
		"environment-two": {environment("B", "two\nlines", "C", "x\n\t\tD => y", "MallocSpaceEfficient", "1")},
		"environment-odd": {key("EnvironmentVariables", plist.Dict{key("N", int64(1)), key("S", "s")})},
		"paths":           {key("StandardOutPath", "/tmp/a b"), key("StandardErrorPath", "/var/log/x"), key("WorkingDirectory", "/usr/local")},
		"user":            {key("UserName", "_www"), key("GroupName", "staff")},
		"root":            {key("UserName", "root"), key("GroupName", "wheel")},
		"interval":        {key("StartInterval", int64(900)), key("ThrottleInterval", int64(30)), key("ExitTimeOut", int64(20))},
		"zero-throttle":   {key("ThrottleInterval", int64(0))},
		"calendar": {key("StartCalendarInterval", plist.Array{
			plist.Dict{key("Hour", int64(3)), key("Minute", int64(0))}, plist.Dict{key("Weekday", int64(1))},
		})},
		"watch":      {key("WatchPaths", plist.Array{"/etc/pf.conf", "/etc/hosts"})},
		"background": {key("ProcessType", "Background"), key("LowPriorityIO", true), key("Nice", int64(5)), key("Umask", int64(0o77))},
		"services":   {key("MachServices", plist.Dict{key(label, true)})},
		"disabled":   {key("Disabled", true)},
	} {
		t.Run(name, func(t *testing.T) {
			_, h := start(t, macsim.Mac{Version: "27.0"})
			install(t, h, job(more...), launchctl.Seen{})
			install(t, h, job(), seen(job(more...)))
			install(t, h, job(more...), seen(job()))
		})
	}
}

func TestInstallReloadsOnlyWhatChanged(t *testing.T) {
	mac, h := start(t, macsim.Mac{})
	install(t, h, job(), launchctl.Seen{})
	mac.ForgetCalls()

	// The same meaning in another order, with the owner and the mode as they should not be.
	put(t, mac, file, string(text(t, job())), 0o600)
	again := plist.Dict{job()[2], job()[0], job()[1]}
	install(t, h, again, seen(job()))
	if got := verbs(mac); got != nil {
		t.Errorf("a new order: %q", got)
	}
	if info, _ := mac.Files().Stat(file); info.StMode != 0o100644 {
		t.Errorf("the file: %v", info)
	}

	byHand(t, mac, "launchctl disable system/com.acme.agent")
	mac.ForgetCalls()
	install(t, h, job(), seen(job()))
	if diff := cmp.Diff([]string{"enable system/" + label}, verbs(mac)); diff != "" {
		t.Errorf("disabled: -want +got:\n%s", diff)
	}
}

// An installation is two requests: one reads, one writes and reads again.
func TestInstallRoundTrips(t *testing.T) {
	mac, h := start(t, macsim.Mac{})
	install(t, h, job(), launchctl.Seen{})
	mac.ForgetCalls()
	install(t, h, job(key("Nice", int64(1))), seen(job()))
	reads, writes := 0, 0
	for _, c := range mac.Calls() {
		switch {
		case c.Argv[0] == "/bin/ln": // the lock's
			writes++
		case len(c.Argv) > 1 && c.Argv[1] == "print-disabled":
			reads++
		}
	}
	if reads != 2 || writes != 1 {
		t.Errorf("the Mac was read %d times and written %d times, want 2 and 1", reads, writes)
	}
}

func TestDrift(t *testing.T) {
	edited := string(text(t, job(key("StartInterval", int64(60)))))
	for name, test := range map[string]struct {
		version string
		script  string
		edit    func(*testing.T, *macsim.Mac)
		want    []string
	}{
		"nothing":     {script: ":"},
		"booted-out":  {script: "launchctl bootout system/com.acme.agent", want: []string{"the job is not loaded"}},
		"not-running": {script: "launchctl kill TERM system/com.acme.agent"},
		"disabled": {
			script: "launchctl disable system/com.acme.agent",
			want:   []string{"the job is disabled, by `launchctl disable` or in System Settings, so it is not loaded at boot"},
		},
		"disabled-12": {
			version: "12.7", script: "launchctl disable system/com.acme.agent",
			want: []string{"the job is disabled, by `launchctl disable` or in System Settings, so it is not loaded at boot"},
		},
		"disabled-26": {
			version: "26.6.2", script: "launchctl disable system/com.acme.agent",
			want: []string{"the job is disabled, by `launchctl disable` or in System Settings, so it is not loaded at boot"},
		},
		"file-gone": {script: "rm " + file, want: []string{file + " does not exist, so a reboot would end the job"}},
		"mode":      {script: "chmod 0600 " + file, want: []string{file + " has mode 0600 and owner 0:0 instead of 0644 and 0:0 (root:wheel)"}},
		"owner":     {script: "chown admin:staff " + file, want: []string{file + " has mode 0644 and owner 501:20 instead of 0644 and 0:0 (root:wheel)"}},
		"link": {
			script: "mv " + file + " /Users/Shared/x && ln -s /Users/Shared/x " + file,
			want:   []string{file + " is a symbolic link, which macOS does not follow at boot"},
		},
		"quarantined": {
			script: "xattr -w com.apple.quarantine 0083 " + file,
			want:   []string{file + " is quarantined, so macOS 27 does not load it"},
		},
		"json": {
			edit: func(t *testing.T, mac *macsim.Mac) { put(t, mac, file, "{}", 0o644) },
			want: []string{file + " cannot be read as a property list: line 1: this is neither an XML nor a binary property list; " +
				"JSON and old-style ASCII property lists are not loaded by launchd"},
		},
		"array": {
			edit: func(t *testing.T, mac *macsim.Mac) { put(t, mac, file, "<plist><array/></plist>", 0o644) },
			want: []string{file + " cannot be read as a property list: it is not a dictionary"},
		},
		"edited": { // the file's own difference shows in what it holds
			edit: func(t *testing.T, mac *macsim.Mac) { put(t, mac, file, edited, 0o644) },
			want: []string{`launchd still has the interval none, while the file says 60 seconds`},
		},
		"loaded-from-elsewhere": {
			script: "launchctl bootout system/com.acme.agent && cp " + file + " /tmp/x.plist && launchctl bootstrap system /private/tmp/x.plist",
			want:   []string{"the job that is loaded is another one, from /private/tmp/x.plist"},
		},
		"pair": {
			script: "launchctl bootout system/com.acme.agent && launchctl disable system/com.acme.agent && chmod 0664 " + file,
			want: []string{
				file + " has mode 0664 and owner 0:0 instead of 0644 and 0:0 (root:wheel)",
				"the job is disabled, by `launchctl disable` or in System Settings, so it is not loaded at boot",
				"the job is not loaded",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			mac, h := start(t, macsim.Mac{Version: test.version})
			install(t, h, job(), launchctl.Seen{})
			if test.script != "" {
				byHand(t, mac, test.script)
			}
			if test.edit != nil {
				test.edit(t, mac)
			}
			found := look(t, h)
			if diff := cmp.Diff(test.want, found.Drift()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			// Whatever it is, an installation over it leaves nothing of it.
			install(t, h, job(), found.Seen())
		})
	}
}

func TestInstallRefused(t *testing.T) {
	for name, test := range map[string]struct {
		arrange func(*testing.T, *macsim.Mac)
		want    plist.Dict
		seen    launchctl.Seen
		err     error
	}{
		"exists": {
			arrange: func(t *testing.T, mac *macsim.Mac) {
				put(t, mac, file, string(text(t, job(key("Nice", int64(1))))), 0o644)
			},
			want: job(), err: launchctl.ErrChanged,
		},
		"edited-since": {
			arrange: func(t *testing.T, mac *macsim.Mac) {
				put(t, mac, file, string(text(t, job(key("Nice", int64(1))))), 0o644)
			},
			want: job(), seen: seen(job(key("Nice", int64(2)))), err: launchctl.ErrChanged,
		},
		"loaded-by-another": {
			arrange: func(t *testing.T, mac *macsim.Mac) {
				put(t, mac, "/tmp/x.plist", string(text(t, job())), 0o644)
				byHand(t, mac, "launchctl bootstrap system /tmp/x.plist")
			},
			want: job(), err: launchctl.ErrChanged,
		},
		"app": {
			arrange: func(t *testing.T, mac *macsim.Mac) {
				err := mac.RegisterAppJob("/Applications/Acme.app/Contents/Library/LaunchDaemons/"+label+".plist", string(text(t, job())))
				if err != nil {
					t.Fatal(err)
				}
			},
			want: job(), seen: seen(nil), err: launchctl.ErrForeign,
		},
		"submitted": {
			arrange: func(t *testing.T, mac *macsim.Mac) {
				byHand(t, mac, "launchctl submit -l com.acme.agent -- "+agent)
			},
			want: job(), seen: seen(nil), err: launchctl.ErrForeign,
		},
		"no-program":      {want: plist.Dict{key("Label", label)}, err: launchctl.ErrLoad},
		"no-program-over": {arrange: installed, want: plist.Dict{key("Label", label)}, seen: seen(job()), err: launchctl.ErrLoad},
		"no-program-over-disabled": {
			arrange: func(t *testing.T, mac *macsim.Mac) {
				installed(t, mac)
				byHand(t, mac, "launchctl disable system/com.acme.agent")
			},
			want: plist.Dict{key("Label", label)}, seen: seen(job()), err: launchctl.ErrLoad,
		},
		"no-program-but-disabled": {
			arrange: func(t *testing.T, mac *macsim.Mac) { byHand(t, mac, "launchctl enable system/com.acme.agent") },
			want:    plist.Dict{key("Label", label), key("Disabled", true)}, err: launchctl.ErrLoad,
		},
		"protected": {
			arrange: func(t *testing.T, mac *macsim.Mac) {
				installed(t, mac)
				if err := mac.Files().SetImmutable(file, true); err != nil {
					t.Fatal(err)
				}
			},
			want: job(key("Nice", int64(1))), seen: seen(job()), err: launchctl.ErrDisk,
		},
	} {
		t.Run(name, func(t *testing.T) {
			mac, h := start(t, macsim.Mac{})
			if test.arrange != nil {
				test.arrange(t, mac)
			}
			before := mac.String()
			_, err := launchctl.Install(t.Context(), h, launchctl.Intent{Label: label, File: text(t, test.want), Seen: test.seen})
			if !errors.Is(err, test.err) {
				t.Errorf("got %v, want %v", err, test.err)
			}
			if diff := cmp.Diff(before, mac.String()); diff != "" {
				t.Errorf("the Mac changed: -want +got:\n%s", diff)
			}
		})
	}
}

// However much room there is on the disk, an installation changes nothing unless it succeeds.
func TestInstallFull(t *testing.T) {
	mac, h := start(t, macsim.Mac{})
	install(t, h, job(), launchctl.Seen{})
	before := mac.String()
	var full int
	for room := int64(0); ; room += 250 {
		mac.Files().Fill("/", room)
		_, err := launchctl.Install(t.Context(), h, launchctl.Intent{Label: label, File: text(t, job(key("Nice", int64(1)))), Seen: seen(job())})
		mac.Files().Free()
		if err == nil {
			break
		}
		if errors.Is(err, launchctl.ErrDisk) {
			full++
		}
		if diff := cmp.Diff(before, mac.String()); diff != "" {
			t.Fatalf("with room for %d bytes: %v: -want +got:\n%s", room, err, diff)
		}
	}
	if full == 0 {
		t.Error("the script never had too little room")
	}
}

// What was loaded, from wherever it was, is loaded again when the new definition is not; what has no file any more cannot be, and
// that is said.
func TestInstallRestores(t *testing.T) {
	const other = "/Users/Shared/x.plist"
	elsewhere := func(t *testing.T, mac *macsim.Mac) {
		t.Helper()
		put(t, mac, other, string(text(t, job())), 0o644)
		byHand(t, mac, "launchctl bootstrap system "+other)
	}
	for name, test := range map[string]struct {
		arrange func(*testing.T, *macsim.Mac)
		seen    launchctl.Seen
		err     error
	}{
		"from-elsewhere": {arrange: elsewhere, seen: launchctl.Seen{Managed: true}, err: launchctl.ErrLoad},
		"from-elsewhere-beside-a-file": {
			arrange: func(t *testing.T, mac *macsim.Mac) {
				t.Helper()
				elsewhere(t, mac)
				put(t, mac, file, string(text(t, job())), 0o644)
			},
			seen: seen(job()), err: launchctl.ErrLoad,
		},
		"file-removed": {
			arrange: func(t *testing.T, mac *macsim.Mac) {
				t.Helper()
				installed(t, mac)
				byHand(t, mac, "rm "+file)
			},
			seen: launchctl.Seen{Managed: true}, err: launchctl.ErrStopped,
		},
		"other-file-removed": {
			arrange: func(t *testing.T, mac *macsim.Mac) {
				t.Helper()
				elsewhere(t, mac)
				byHand(t, mac, "rm "+other)
			},
			seen: launchctl.Seen{Managed: true}, err: launchctl.ErrStopped,
		},
	} {
		t.Run(name, func(t *testing.T) {
			mac, h := start(t, macsim.Mac{})
			clean := mac.String()
			test.arrange(t, mac)
			want := mac.String()
			if errors.Is(test.err, launchctl.ErrStopped) {
				want = clean
			}
			_, err := launchctl.Install(t.Context(), h, launchctl.Intent{Label: label, File: text(t, plist.Dict{key("Label", label)}), Seen: test.seen})
			if !errors.Is(err, test.err) {
				t.Errorf("got %v, want %v", err, test.err)
			}
			if diff := cmp.Diff(want, mac.String()); diff != "" {
				t.Errorf("the Mac: -want +got:\n%s", diff)
			}
		})
	}
}

// A file that is written in between, by somebody who means the same, is no obstacle; one that means something else is shown as
// it is then.
func TestInstallBetween(t *testing.T) {
	second := job(key("Nice", int64(1)))
	for name, test := range map[string]struct {
		between plist.Dict
		err     error
	}{
		"same-meaning": {plist.Dict{job()[2], job()[0], job()[1]}, nil},
		"other":        {job(key("Nice", int64(2))), launchctl.ErrChanged},
	} {
		t.Run(name, func(t *testing.T) {
			mac, h := start(t, macsim.Mac{})
			install(t, h, job(), launchctl.Seen{})
			edit := func(verb string) {
				mac.Fail(func(argv []string) *macsim.Failure {
					if strings.HasSuffix(argv[0], verb) { // the first of a script that writes
						mac.Fail(nil)
						put(t, mac, file, string(text(t, test.between)), 0o644)
					}
					return nil
				})
			}
			edit("/ln")
			s, err := launchctl.Install(t.Context(), h, launchctl.Intent{Label: label, File: text(t, second), Seen: seen(job())})
			if !errors.Is(err, test.err) || err == nil != (test.err == nil) {
				t.Fatalf("installing: got %v, want %v", err, test.err)
			}
			if test.err != nil && !plist.Equal(s.Job(label).Plist, test.between) {
				t.Errorf("shown is %v", s.Job(label).Plist)
			}
			put(t, mac, file, string(text(t, second)), 0o644)
			edit("/ln")
			s, err = launchctl.Remove(t.Context(), h, launchctl.Intent{Label: label, Seen: seen(second)})
			if !errors.Is(err, launchctl.ErrChanged) || !plist.Equal(s.Job(label).Plist, test.between) {
				t.Errorf("removing: got %v with %v", err, s.Job(label).Plist)
			}
		})
	}
}

// A job that does not end stays disabled, if it was.
func TestDrainDisabled(t *testing.T) {
	mac, h := start(t, macsim.Mac{})
	mac.SetJob(label, macsim.Job{Drain: macsim.Forever})
	install(t, h, job(), launchctl.Seen{})
	byHand(t, mac, "launchctl disable system/com.acme.agent")
	_, err := launchctl.Install(t.Context(), h, launchctl.Intent{Label: label, File: text(t, job(key("Nice", int64(1)))), Seen: seen(job())})
	if !errors.Is(err, launchctl.ErrDraining) || !look(t, h).Disabled {
		t.Errorf("got %v, disabled %v", err, look(t, h).Disabled)
	}
}

// installed is a job as our Install leaves it.
func installed(t *testing.T, mac *macsim.Mac) {
	t.Helper()
	put(t, mac, file, string(text(t, job())), 0o644)
	byHand(t, mac, "launchctl bootstrap system "+file)
}

func TestDrain(t *testing.T) {
	for name, test := range map[string]struct {
		drain   time.Duration
		timeout int64
		err     error
	}{
		"at-once":      {0, 5, nil},
		"a-second":     {time.Second, 5, nil},
		"until-killed": {time.Hour, 8, nil},
		"longer":       {30 * time.Second, 60, nil},
		"no-limit":     {30 * time.Second, 0, nil},
		"unkillable":   {macsim.Forever, 5, launchctl.ErrDraining},
		"never":        {macsim.Forever, 0, launchctl.ErrDraining},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mac, h := start(t, macsim.Mac{})
			first, second := job(key("ExitTimeOut", test.timeout)), job()
			mac.SetJob(label, macsim.Job{Drain: test.drain})
			install(t, h, first, launchctl.Seen{})
			mac.ForgetCalls()
			_, err := launchctl.Install(t.Context(), h, launchctl.Intent{Label: label, File: text(t, second), Seen: seen(first)})
			if !errors.Is(err, test.err) || err == nil != (test.err == nil) {
				t.Fatalf("got %v, want %v", err, test.err)
			}
			want := []string{bootout, bootstrap}
			if test.err != nil {
				want = []string{bootout, bootout} // once more, to undo it
			}
			if diff := cmp.Diff(want, verbs(mac)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if got, _ := mac.Files().Read(file); (got == string(text(t, first))) != (test.err != nil) {
				t.Errorf("the file is now\n%s", got)
			}
			_, err = launchctl.Remove(t.Context(), h, launchctl.Intent{Label: label, Seen: look(t, h).Seen()})
			if !errors.Is(err, test.err) {
				t.Errorf("removing: got %v, want %v", err, test.err)
			}
		})
	}
}

func TestInstallAfterACut(t *testing.T) {
	for _, verb := range []string{"plutil", "launchctl enable", "launchctl bootout", "mv", "launchctl bootstrap", "launchctl print"} {
		for name, cut := range map[string]macsim.Cut{"before": macsim.CutBefore, "after": macsim.CutAfter} {
			t.Run(strings.ReplaceAll(verb, " ", "-")+"/"+name, func(t *testing.T) {
				t.Parallel()
				mac, h := start(t, macsim.Mac{})
				first, second := job(), job(key("StartInterval", int64(60)))
				install(t, h, first, launchctl.Seen{})
				byHand(t, mac, "launchctl disable system/com.acme.agent")
				var begun atomic.Bool // programs of a pipe start at once
				mac.Fail(func(argv []string) *macsim.Failure {
					line := strings.Join(argv, " ")
					if strings.HasPrefix(line, "/usr/bin/plutil") {
						begun.Store(true)
					}
					if begun.Load() && strings.Contains(line, "/"+verb) {
						mac.Fail(nil)
						return &macsim.Failure{Cut: cut}
					}
					return nil
				})
				_, err := launchctl.Install(t.Context(), h, launchctl.Intent{Label: label, File: text(t, second), Seen: seen(first)})
				var lost *remote.LostError
				if err != nil && !errors.As(err, &lost) {
					t.Fatalf("got %v", err)
				}
				mac.Fail(nil)
				found := look(t, h)
				if !plist.Equal(found.Plist, first) && !plist.Equal(found.Plist, second) {
					t.Errorf("the file is neither the old nor the new one: %v", found.Plist)
				}
				install(t, h, second, found.Seen())
				if names, _ := mac.Files().List("/Library/LaunchDaemons"); len(names) != 1 {
					t.Errorf("left in the folder: %q", names)
				}
			})
		}
	}
}

// A client that has gone does not keep a script from putting back what was there.
func TestInstallRestoresAfterACut(t *testing.T) {
	for name, verb := range map[string]string{"stopping": "bootout", "loading": "bootstrap"} {
		t.Run(name, func(t *testing.T) {
			mac, h := start(t, macsim.Mac{})
			install(t, h, job(), launchctl.Seen{})
			before := mac.String()
			mac.Fail(func(argv []string) *macsim.Failure {
				if argv[0] != "/bin/launchctl" || argv[1] != verb {
					return nil
				}
				mac.Fail(nil)
				return &macsim.Failure{Cut: macsim.CutAfter}
			})
			_, err := launchctl.Install(t.Context(), h, launchctl.Intent{Label: label, File: text(t, plist.Dict{key("Label", label)}), Seen: seen(job())})
			var lost *remote.LostError
			if !errors.As(err, &lost) {
				t.Fatalf("got %v", err)
			}
			look(t, h) // writes, so it waits for the script's lock
			if diff := cmp.Diff(before, mac.String()); diff != "" {
				t.Errorf("the Mac changed: -want +got:\n%s", diff)
			}
		})
	}
}

func TestTrouble(t *testing.T) {
	for name, test := range map[string]struct {
		behavior *macsim.Job
		dict     plist.Dict
		want     string
		verbs    []string
	}{
		"runs":       {dict: job(), verbs: []string{bootstrap}},
		"no-program": {dict: job(key("Program", "/opt/nothing")), want: "could not start its program", verbs: []string{bootstrap}},
		"no-user":    {dict: job(key("UserName", "nobody-here")), want: "could not start its program", verbs: []string{bootstrap}},
		"fails":      {behavior: &macsim.Job{Exits: true, Exit: 3}, dict: job(), want: "ended at once (last exit code 3)", verbs: []string{bootstrap}},
		"late": { // it has to be kicked
			behavior: &macsim.Job{Late: true}, dict: job(), verbs: []string{bootstrap, "kickstart system/" + label},
		},
	} {
		t.Run(name, func(t *testing.T) {
			mac, h := start(t, macsim.Mac{})
			if test.behavior != nil {
				mac.SetJob(label, *test.behavior)
			}
			install(t, h, test.dict, launchctl.Seen{})
			found := look(t, h)
			if got, _ := found.Trouble(); test.want == "" && got != "" || !strings.Contains(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
			if diff := cmp.Diff(test.verbs, verbs(mac)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestRemove(t *testing.T) {
	for name, test := range map[string]struct {
		script string
		seen   launchctl.Seen
		err    error
		left   string
	}{
		"as-seen":  {seen: seen(job())},
		"unloaded": {script: "launchctl bootout system/com.acme.agent", seen: seen(job())},
		"no-file":  {script: "rm " + file, seen: seen(job())},
		"gone":     {script: "rm " + file + "; launchctl bootout system/com.acme.agent", seen: seen(job())},
		"disabled": {script: "launchctl disable system/com.acme.agent", seen: seen(job()), left: "com.acme.agent, disabled"},
		"edited":   {seen: seen(job(key("Nice", int64(1)))), err: launchctl.ErrChanged},
		"broken":   {script: "echo rubbish >" + file, seen: launchctl.Seen{Broken: true, Managed: true}},
		"broke":    {script: "echo rubbish >" + file, seen: seen(job()), err: launchctl.ErrChanged},
		"mended":   {seen: launchctl.Seen{Broken: true, Managed: true}, err: launchctl.ErrChanged},
	} {
		t.Run(name, func(t *testing.T) {
			mac, h := start(t, macsim.Mac{})
			clean := mac.String()
			installed(t, mac)
			if test.script != "" {
				byHand(t, mac, test.script)
			}
			before := mac.String()
			_, err := launchctl.Remove(t.Context(), h, launchctl.Intent{Label: label, Seen: test.seen})
			if !errors.Is(err, test.err) || err == nil != (test.err == nil) {
				t.Fatalf("got %v, want %v", err, test.err)
			}
			after := mac.String()
			switch {
			case test.err != nil && after != before:
				t.Errorf("the Mac changed: %s", cmp.Diff(before, after))
			case test.err == nil && test.left == "" && after != clean:
				t.Errorf("left behind: %s", cmp.Diff(clean, after))
			case !strings.Contains(after, test.left):
				t.Errorf("not left: %q in\n%s", test.left, after)
			}
		})
	}
}

// A job that was loaded from another file under our label is somebody else's.
func TestRemoveLeavesAnother(t *testing.T) {
	mac, h := start(t, macsim.Mac{})
	put(t, mac, file, string(text(t, job())), 0o644)
	put(t, mac, "/Users/Shared/x.plist", string(text(t, job())), 0o644)
	byHand(t, mac, "launchctl bootstrap system /Users/Shared/x.plist")
	if _, err := launchctl.Remove(t.Context(), h, launchctl.Intent{Label: label, Seen: seen(job())}); err != nil {
		t.Fatal(err)
	}
	if found := look(t, h); found.Exists || found.Loaded == nil || found.Loaded.Path != "/Users/Shared/x.plist" {
		t.Errorf("got %+v", found)
	}
}

// A file that cannot be removed keeps its job.
func TestRemoveProtected(t *testing.T) {
	mac, h := start(t, macsim.Mac{})
	installed(t, mac)
	if err := mac.Files().SetImmutable(file, true); err != nil {
		t.Fatal(err)
	}
	before := mac.String()
	if _, err := launchctl.Remove(t.Context(), h, launchctl.Intent{Label: label, Seen: seen(job())}); !errors.Is(err, launchctl.ErrDisk) {
		t.Errorf("got %v", err)
	}
	if diff := cmp.Diff(before, mac.String()); diff != "" {
		t.Errorf("the Mac changed: -want +got:\n%s", diff)
	}
}
