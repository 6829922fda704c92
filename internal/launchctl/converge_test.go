package launchctl_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/macos-fleet/terraform-provider-macos/internal/launchctl"
	"github.com/macos-fleet/terraform-provider-macos/internal/macsim"
)

// A meddling is one way in which somebody leaves a job other than it was installed.
type meddling struct {
	name, script string
	says         string   // what Drift says of it
	not          []string // those that it leaves no room for
}

const (
	bootsOut = "launchctl bootout system/com.acme.agent 2>/dev/null || :"
	writes   = "printf '%s' '<plist><dict><key>Label</key><string>com.acme.agent</string><key>ProgramArguments</key><array><string>" + agent +
		"</string></array><key>StartInterval</key><integer>60</integer></dict></plist>'"
)

// meddlings are the kinds of drift. Done in this order, none undoes another.
var meddlings = []meddling{
	{"booted-out", bootsOut, "the job is not loaded", []string{"elsewhere", "edited"}}, // what is not loaded has no other definition
	{
		"elsewhere", bootsOut + "; " + writes + " >/Users/Shared/x.plist; launchctl bootstrap system /Users/Shared/x.plist",
		"the job that is loaded is another one, from /Users/Shared/x.plist",
		[]string{"edited"},
	},
	{"edited", writes + " >" + file, "launchd still has the interval none, while the file says 60 seconds", []string{"deleted"}},
	{"mode", "chmod 0664 " + file, "has mode 0664", []string{"linked", "deleted"}},
	{"owner", "chown admin:staff " + file, "owner 501:20", []string{"linked", "deleted"}},
	{"quarantined", "xattr -w com.apple.quarantine 0083 " + file, "is quarantined", []string{"deleted"}},
	{"linked", "mv " + file + " /Users/Shared/y.plist; ln -s /Users/Shared/y.plist " + file, "is a symbolic link", []string{"deleted"}},
	{"deleted", "rm -f " + file, "does not exist", nil},
	{"disabled", "launchctl disable system/com.acme.agent", "the job is disabled, by `launchctl disable` or in System Settings", nil},
}

// Each kind of drift is told in words of its own, alone and together with each other one, and an installation leaves nothing of it.
func TestDriftPairs(t *testing.T) {
	for i, one := range meddlings {
		for _, other := range meddlings[i:] {
			if slices.Contains(one.not, other.name) {
				continue
			}
			t.Run(one.name+"/"+other.name, func(t *testing.T) {
				t.Parallel()
				mac, h := start(t, macsim.Mac{Version: "27.0"})
				install(t, h, job(), launchctl.Seen{})
				want := settledText(mac)
				byHand(t, mac, one.script)
				if one.name != other.name {
					byHand(t, mac, other.script)
				}
				found := look(t, h)
				drift := strings.Join(found.Drift(), "\n")
				for _, m := range meddlings {
					if told := strings.Contains(drift, m.says); told != (m.name == one.name || m.name == other.name) {
						t.Errorf("of %s it is told %v:\n%s", m.name, told, drift)
					}
				}
				install(t, h, job(), found.Seen())
				byHand(t, mac, "rm -f /Users/Shared/x.plist /Users/Shared/y.plist")
				if diff := cmp.Diff(want, settledText(mac)); diff != "" {
					t.Errorf("-want +got:\n%s", diff)
				}
			})
		}
	}
}

// settledText is the whole Mac, without a label that was enabled, which launchd does not forget, and how a job ended before.
func settledText(mac *macsim.Mac) string {
	var lines []string
	store := false
	for line := range strings.Lines(mac.String()) {
		if strings.HasPrefix(line, "/private/var/db/com.apple.xpc.launchd/disabled.plist") {
			store = true
			continue
		}
		if store = store && strings.HasPrefix(line, "\t"); store || strings.Contains(line, label+", enabled") || strings.Contains(line, "No newline") {
			continue
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "")
}

// Whatever was done to a job, in whatever order and however often, one installation brings it to the same end.
func TestConvergence(t *testing.T) {
	kinds := append([]meddling{
		{name: "killed", script: "launchctl kill KILL system/com.acme.agent"},
		{name: "enabled", script: "launchctl enable system/com.acme.agent"},
		{name: "loaded", script: "launchctl bootstrap system " + file},
		{name: "rubbish", script: "echo rubbish >" + file},
	}, meddlings...)
	for seed := range uint64(40) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(seed, 6))
			mac, h := start(t, macsim.Mac{Version: versions[random.IntN(len(versions))]})
			mac.SetLaunchd(macsim.Launchd{Frank: random.IntN(2) == 0, Vague: random.IntN(2) == 0})
			mac.SetJob(label, macsim.Job{Drain: time.Duration(random.IntN(3)) * time.Second})
			install(t, h, job(), launchctl.Seen{})
			want := settledText(mac)
			var done []string
			for range 1 + random.IntN(6) {
				m := kinds[random.IntN(len(kinds))]
				done = append(done, m.name)
				mac.Run(t.Context(), m.script) // nobody minds what fails, nor waits
			}
			install(t, h, job(), look(t, h).Seen())
			mac.Run(t.Context(), "rm -f /Users/Shared/x.plist /Users/Shared/y.plist")
			if diff := cmp.Diff(want, settledText(mac)); diff != "" {
				t.Errorf("after %q: -want +got:\n%s", done, diff)
			}
		})
	}
}
