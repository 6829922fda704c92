package sysfacts

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/macos-fleet/terraform-provider-macos/internal/macsim"
	"github.com/macos-fleet/terraform-provider-macos/internal/remote"
)

func is(b bool) *bool { return &b }

func TestLookAtHost(t *testing.T) {
	builds := map[string]string{"12.7.6": "21G90", "15.6": "24G90", "26.5.1": "25G90"} // as the simulated Mac makes them up
	onEach(t, macsim.Mac{About: macsim.About{FileVault: "On."}}, func(t *testing.T, mac *macsim.Mac, h *remote.Host) {
		got, err := LookAtHost(t.Context(), h)
		if err != nil {
			t.Fatal(err)
		}
		if since := time.Since(got.Boot); since < 0 || since > time.Minute {
			t.Errorf("booted at %s", got.Boot)
		}
		if got.Power["AC Power"]["sleep"] != "1" || got.Power["AC Power"]["autorestart"] != "0" {
			t.Errorf("power: %v", got.Power)
		}
		host := *got
		host.Boot, host.Power = time.Time{}, nil
		want := Host{
			User: "admin", Model: "Mac14,3", Chip: "Apple M2", Architecture: "arm64", Version: mac.Version, Build: builds[mac.Version],
			ComputerName: "mini", LocalHostName: "mini", FileVault: is(true), SIP: is(true),
		}
		if diff := cmp.Diff(want, host); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	})
}

// A Mac on which each of the tools fails is still a Mac.
func TestLookAtHost_silent(t *testing.T) {
	mac := macsim.Start(t, macsim.Mac{})
	mac.Fail(func(argv []string) *macsim.Failure {
		for _, tool := range []string{"sysctl", "scutil", "fdesetup", "csrutil", "pmset"} {
			if strings.HasSuffix(argv[0], "/"+tool) {
				return &macsim.Failure{Exit: 1, Stderr: tool + ": Operation not permitted\n"}
			}
		}
		return nil
	})
	got, err := LookAtHost(t.Context(), dial(t, mac))
	if err != nil {
		t.Fatal(err)
	}
	want := &Host{User: "admin", Architecture: "arm64", Version: "15.6", Build: "24G90", Power: map[string]map[string]string{}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestVersion(t *testing.T) {
	for out, want := range map[string][2]string{
		"ProductName:\t\tmacOS\nProductVersion:\t\t26.5.1\nBuildVersion:\t\t25F80\n":                                 {"26.5.1", "25F80"},
		"ProductName:\tmacOS\nProductVersion:\t12.7.6\nBuildVersion:\t21H1320\n":                                     {"12.7.6", "21H1320"},
		"ProductName:\t\tmacOS\nProductVersion:\t\t13.3.1\nProductVersionExtra:\t(a)\nBuildVersion:\t\t22E772610a\n": {"13.3.1 (a)", "22E772610a"},
		"": {"", ""},
	} {
		if version, build := versionOf(out); version != want[0] || build != want[1] {
			t.Errorf("%q: got %q and %q, want %q", out, version, build, want)
		}
	}
}

func TestBoot(t *testing.T) {
	for out, want := range map[string]time.Time{
		"{ sec = 1764212345, usec = 123456 } Thu Nov 27 02:59:05 2025": time.Unix(1764212345, 0).UTC(),
		"":             {},
		"{ usec = 1 }": {},
	} {
		if got := bootOf(out); !got.Equal(want) {
			t.Errorf("%q: got %s, want %s", out, got, want)
		}
	}
}

func TestState(t *testing.T) {
	filevault := func(out string) *bool { return stateOf(out, "FileVault is ", "On", "Off") }
	sip := func(out string) *bool {
		return stateOf(out, "System Integrity Protection status: ", "enabled", "disabled")
	}
	for _, test := range []struct {
		out  string
		read func(string) *bool
		want *bool
	}{
		{"FileVault is On.", filevault, is(true)},
		{"FileVault is Off.", filevault, is(false)},
		{"FileVault is Off, but will be enabled after the next restart.", filevault, is(false)},
		{"FileVault is On, but needs to be restarted to finish.", filevault, is(true)},
		{"FileVault is On.\nEncryption in progress: Percent completed = 12", filevault, is(true)},
		{"FileVault is On\nDecryption in progress: Percent completed = 12", filevault, is(true)},
		{"FileVault is Only something else.", filevault, nil},
		{"", filevault, nil},
		{"Error: something", filevault, nil},
		{"System Integrity Protection status: enabled.", sip, is(true)},
		{"System Integrity Protection status: disabled.", sip, is(false)},
		{"System Integrity Protection status: unknown (Custom Configuration).\n\nConfiguration:\n\tApple Internal: disabled\n", sip, nil},
	} {
		if got := test.read(test.out); (got == nil) != (test.want == nil) || got != nil && *got != *test.want {
			t.Errorf("%q: got %v, want %v", test.out, got, test.want)
		}
	}
}

// What pmset -g custom and then pmset -g print on a portable Mac with Apple silicon and on a desktop one.
func TestPower(t *testing.T) {
	const portable = `Battery Power:
 Sleep On Power Button 1
 powermode            0
 ttyskeepawake        1
 hibernatefile        /var/vm/sleepimage
 sleep                1
 disksleep            10
AC Power:
 Sleep On Power Button 1
 womp                 1
 sleep                0
System-wide power settings:
 SleepDisabled		1
Currently in use:
 sleep                0 (sleep prevented by coreaudiod, powerd)
 displaysleep         20 (display sleep prevented by caffeinate)
`
	want := map[string]map[string]string{
		"Battery Power": {
			"Sleep On Power Button": "1", "powermode": "0", "ttyskeepawake": "1", "hibernatefile": "/var/vm/sleepimage", "sleep": "1", "disksleep": "10",
		},
		"AC Power":                   {"Sleep On Power Button": "1", "womp": "1", "sleep": "0"},
		"System-wide power settings": {"SleepDisabled": "1"},
		"Currently in use":           {"sleep": "0", "displaysleep": "20"},
	}
	if diff := cmp.Diff(want, powerOf(portable)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	const desktop = "AC Power:\n Sleep On Power Button 1\n autorestart          1\nSystem-wide power settings:\nCurrently in use:\n standby              0\n"
	if diff := cmp.Diff(map[string]map[string]string{
		"AC Power": {"Sleep On Power Button": "1", "autorestart": "1"}, "Currently in use": {"standby": "0"},
	}, powerOf(desktop)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
