package launchctl_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/macos-fleet/terraform-provider-macos/internal/launchctl"
	"github.com/macos-fleet/terraform-provider-macos/internal/macsim"
)

func TestList(t *testing.T) {
	mac, h := startWith(t, "anna")
	install(t, h, job(), launchctl.Seen{})
	settled(t, h, launchctl.Intent{Place: everybody, File: text(t, job(key("RunAtLoad", true)))})
	put(t, mac, "/Library/LaunchDaemons/com.acme.waiting.plist", "<plist/>", 0o644)
	byHand(t, mac, "launchctl disable system/com.acme.banned; launchctl enable system/com.acme.welcome; launchctl disable gui/502/org.other")
	for name, test := range map[string]struct {
		query launchctl.Query
		want  []string
		err   error
	}{
		"system": {launchctl.Query{Domain: "system"}, []string{
			"com.acme.agent running /Library/LaunchDaemons/com.acme.agent.plist",
			"com.acme.banned disabled", "com.acme.waiting /Library/LaunchDaemons/com.acme.waiting.plist",
		}, nil},
		"apple": {launchctl.Query{Domain: "system", Apple: true, Prefix: "com.apple."}, []string{
			"com.apple.ftpd disabled", "com.apple.pfctl not running",
		}, nil},
		"prefix": {launchctl.Query{Domain: "gui/502", Prefix: "com.acme."}, []string{"com.acme.agent running " + agentFile}, nil},
		"one":    {launchctl.Query{Domain: "gui/502", Label: "org.other"}, []string{"org.other disabled"}, nil},
		"absent": {launchctl.Query{Domain: "user/502", Label: "com.acme.agent"}, []string{"com.acme.agent"}, nil},
		"nobody": {launchctl.Query{Domain: "gui/501"}, nil, launchctl.ErrNoDomain},
	} {
		t.Run(name, func(t *testing.T) {
			entries, err := launchctl.List(t.Context(), h, test.query)
			if !errors.Is(err, test.err) {
				t.Fatal(err)
			}
			var got []string
			for _, e := range entries {
				line := e.Label
				if e.Loaded != nil {
					line += " " + e.Loaded.State
				}
				if e.Disabled {
					line += " disabled"
				}
				if e.File != "" {
					line += " " + e.File
				}
				got = append(got, line)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
	mac.SetLaunchd(macsim.Launchd{Hangs: []string{"print"}})
	if _, err := launchctl.List(t.Context(), h, launchctl.Query{Domain: "user/501"}); !errors.Is(err, launchctl.ErrHangs) {
		t.Errorf("a launchctl that hangs: got %v", err)
	}
}

func TestListShowsWhatLaunchdHas(t *testing.T) {
	_, h := start(t, macsim.Mac{Version: "27.0"})
	install(t, h, job(environment("TOKEN", "secret"), key("StandardErrorPath", "/var/log/a b"), key("WorkingDirectory", "/opt")), launchctl.Seen{})
	entries, err := launchctl.List(t.Context(), h, launchctl.Query{Domain: "system", Label: label})
	if err != nil {
		t.Fatal(err)
	}
	l := entries[0].Loaded
	got := fmt.Sprintln(l.Field("program"), l.Arguments(), l.Variables(), l.Field("stderr path"), l.Field("working directory"), l.Runs, l.PID > 0)
	want := "/usr/local/bin/agent [/usr/local/bin/agent -v] [TOKEN] /var/log/a b /opt 1 true\n"
	if got != want {
		t.Errorf("got  %swant %s", got, want)
	}
}
