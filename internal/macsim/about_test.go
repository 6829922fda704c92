package macsim

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestAbout is what a Mac says of itself.
func TestAbout(t *testing.T) {
	m := Start(t, Mac{About: About{Model: "MacBookPro18,3", Chip: "Apple M1 Pro", FileVault: "On."}})
	for _, tt := range []struct {
		name, script string
		want         result
	}{
		{"hardware", `sysctl -n hw.model machdep.cpu.brand_string; uname -m`, result{Stdout: "MacBookPro18,3\nApple M1 Pro\narm64\n"}},
		{"locks", `fdesetup status; csrutil status`, result{Stdout: "FileVault is On.\nSystem Integrity Protection status: enabled.\n"}},
		{"power", `pmset -c sleep 0 disksleep 5; pmset -g custom | grep -e : -e ' sleep '; pmset disablesleep 1; pmset -a disablesleep 1; pmset -g | head -2`, result{
			Stdout: "Battery Power:\n sleep                1\nAC Power:\n sleep                0\nSystem-wide power settings:\n SleepDisabled\t\t1\n",
			Stderr: "pmset: macsim: this use of pmset is not modelled\n",
		}},
		{"power-user", `sudo -u admin pmset -a sleep 0`, result{Stderr: "'pmset' must be run as root...\n", Exit: 77}},
		{"lsof", `lsof -nP -iTCP -sTCP:LISTEN -FpcLn | head -9; lsof -nP -iTCP -sTCP:LISTEN | head -2`, result{
			Stdout: "p1\nclaunchd\nLroot\nf7\nn*:22\nf8\nn*:22\nf9\nn*:22\n" +
				"COMMAND     PID            USER   FD   TYPE             DEVICE SIZE/OFF NODE NAME\n" +
				"launchd       1            root    7u  IPv6 0x4770fd006dd6d93      0t0  TCP *:22 (LISTEN)\n",
		}},
		{"lsof-user", `sudo -u admin lsof -nP -iTCP -sTCP:LISTEN -FpLtTn`, result{
			Stdout: "p612\nLadmin\nf7\ntIPv4\nn*:49152\nTST=LISTEN\nTQR=0\nTQS=0\nf8\ntIPv6\nn*:49152\nTST=LISTEN\nTQR=0\nTQS=0\n",
		}},
		{"lsof-none", `sudo -u _www lsof -nP -iUDP -Fp`, result{Exit: 1}},
		{"limit", `perl -e 'fork; alarm; waitpid' 5 /bin/sh -c 'exit 3'`, result{Exit: 3}},
		{"no-tailscale", `/usr/local/bin/tailscale status --json 2>/dev/null`, result{Exit: 127}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			stdout, stderr, exit := m.Run(t.Context(), tt.script)
			if diff := cmp.Diff(tt.want, result{Stdout: stdout, Stderr: stderr, Exit: exit}); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// launchd holds the sockets of the jobs that it has.
func TestLsofJob(t *testing.T) {
	m := Start(t, Mac{Sockets: []Socket{}})
	_, stderr, exit := m.Run(t.Context(), `printf %s "$1" >/Library/LaunchDaemons/com.acme.vnc.plist && launchctl bootstrap system /Library/LaunchDaemons/com.acme.vnc.plist`,
		plistHeader+`<dict><key>Label</key><string>com.acme.vnc</string><key>Program</key><string>/usr/bin/true</string><key>Sockets</key><dict>
<key>A</key><dict><key>SockServiceName</key><string>5900</string></dict>
<key>B</key><array><dict><key>SockServiceName</key><integer>631</integer><key>SockNodeName</key><string>localhost</string><key>SockFamily</key><string>IPv4</string></dict></array>
<key>C</key><dict><key>SockServiceName</key><string>123</string><key>SockType</key><string>dgram</string><key>SockNodeName</key><string>192.168.1.10</string></dict>
</dict></dict></plist>`)
	if exit != 0 {
		t.Fatal(stderr)
	}
	got, _, _ := m.Run(t.Context(), `lsof -nP -iTCP -sTCP:LISTEN -Fn | grep ^n | sort -u; lsof -nP -iUDP -Fn | grep ^n | sort -u`)
	if want := "n*:22\nn*:5900\nn127.0.0.1:631\nn192.168.1.10:123\n"; got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

// A program that never ends is ended by the one that limits its time.
func TestPerlLimit(t *testing.T) {
	m := Start(t, Mac{Second: time.Millisecond, Tailscale: Tailscale{Variant: "tailscaled", Stuck: true}})
	if _, stderr, exit := m.Run(t.Context(), `perl -e 'fork; alarm; waitpid' 10 /usr/local/bin/tailscale status --json`); exit != 124 {
		t.Errorf("exit %d: %s", exit, stderr)
	}
}

// Which of Tailscale's programs answers whom.
func TestTailscaleCLI(t *testing.T) {
	const app = "/Applications/Tailscale.app/Contents/MacOS/Tailscale"
	const ask = " status --json | grep -c BackendState"
	for name, tt := range map[string]struct {
		variant  string
		down     bool
		atScreen bool
		script   string
		want     string
	}{
		"tailscaled":          {"tailscaled", false, false, "/usr/local/bin/tailscale" + ask, "1\n"},
		"homebrew":            {"homebrew", false, false, "/opt/homebrew/bin/tailscale" + ask, "1\n"},
		"down":                {"homebrew", true, false, "/opt/homebrew/bin/tailscale" + ask, "0\n"},
		"standalone-root":     {"standalone", false, true, "TAILSCALE_BE_CLI=1 " + app + ask, "1\n"},
		"standalone-window":   {"standalone", false, true, app + ask, "0\n"},
		"standalone-no-login": {"standalone", false, false, "TAILSCALE_BE_CLI=1 " + app + ask, "0\n"},
		"app-store-root":      {"app-store", false, true, "TAILSCALE_BE_CLI=1 " + app + ask, "0\n"},
		"app-store-user": {
			"app-store", false, true, "sudo -u $(stat -f %Su /dev/console) /usr/bin/env TAILSCALE_BE_CLI=1 " + app + ask, "1\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := Start(t, Mac{Tailscale: Tailscale{Variant: tt.variant, Down: tt.down}})
			if tt.atScreen {
				if err := m.LogIn("admin"); err != nil {
					t.Fatal(err)
				}
			}
			if got, stderr, _ := m.Run(t.Context(), tt.script); got != tt.want {
				t.Errorf("got %q, want %q: %s", got, tt.want, stderr)
			}
		})
	}
}
