package macsim

import (
	"testing"
	"time"

	"github.com/macos-fleet/terraform-provider-macos/internal/plist"
)

// Agents are loaded where somebody is logged in at the screen, from /Library/LaunchAgents and from the user's own folder, unless the
// user has them disabled, or they belong into another kind of session.
func TestLogIn(t *testing.T) {
	m := newMac(t, Mac{People: []string{"anna"}})
	runs := plist.Entry{Key: "RunAtLoad", Value: true}
	session := func(kind string) plist.Entry { return plist.Entry{Key: "LimitLoadToSessionType", Value: kind} }
	put(t, m, agentsDir+"/all.plist", daemon(t, "com.acme.all", runs), 0o644)
	put(t, m, agentsDir+"/window.plist", daemon(t, "com.acme.window", runs, session("LoginWindow")), 0o644)
	put(t, m, agentsDir+"/off.plist", daemon(t, "com.acme.off", runs), 0o644)
	if err := m.Files().Mkdir("/Users/anna/Library/LaunchAgents"); err != nil {
		t.Fatal(err)
	}
	put(t, m, "/Users/anna/Library/LaunchAgents/own.plist", daemon(t, "com.acme.own", runs, session("Aqua")), 0o600)
	if err := m.Files().Chown("/Users/anna/Library/LaunchAgents/own.plist", 502, 20); err != nil {
		t.Fatal(err)
	}
	put(t, m, "/Users/anna/Library/LaunchAgents/stranger.plist", daemon(t, "com.acme.stranger", runs), 0o644)
	if err := m.Files().Chown("/Users/anna/Library/LaunchAgents/stranger.plist", 501, 20); err != nil {
		t.Fatal(err)
	}
	check(t, m, `
$ stat -f %u /dev/console
0
$ launchctl print gui/502
Bad request.
Could not find domain for user gui: 502
exit 112
$ launchctl bootstrap gui/502 /Library/LaunchAgents/all.plist
Bootstrap failed: 125: Domain does not support specified action
exit 125
`)
	for _, name := range []string{"admin", "anna"} {
		if err := m.LogIn(name); err != nil {
			t.Fatal(err)
		}
	}
	check(t, m, `
$ stat -f %u /dev/console
502
$ ps -axo uid=,comm= | grep loginwindow
  501 /System/Library/CoreServices/loginwindow.app/Contents/MacOS/loginwindow
  502 /System/Library/CoreServices/loginwindow.app/Contents/MacOS/loginwindow
$ launchctl disable gui/501/com.acme.off
$ launchctl print-disabled user/501
disabled services = {
	"com.acme.off" => disabled
}
$ launchctl print gui/502/com.acme.own | grep -e path -e 'domain =' -e asid -e 'state =' -e 'type = L' -e 'properties ='
	path = /Users/anna/Library/LaunchAgents/own.plist
	type = LaunchAgent
	state = running
	domain = gui/502 [100020]
	asid = 100020
	properties = runatload | inferred program
$ launchctl print gui/502/com.acme.stranger
Bad request.
Could not find service "com.acme.stranger" in domain for user gui: 502
exit 113
$ launchctl bootstrap gui/502 /Library/LaunchAgents/window.plist
/Library/LaunchAgents/window.plist: Service cannot load in requested session
Bootstrap failed: 134: Service cannot load in requested session
exit 134
$ launchctl bootstrap user/502 /Library/LaunchAgents/all.plist
$ launchctl print gui/502 | sed -n '/services =/,/}/p'
	services = {
		     403      - 	com.acme.all
		     404      - 	com.acme.off
		     405      - 	com.acme.own
	}
$ dscl /Search -read /Users/anna NFSHomeDirectory
NFSHomeDirectory: /Users/anna
$ dscl /Search -read /Users/nobody-here NFSHomeDirectory
<dscl_cmd> DS Error: -14136 (eDSRecordNotFound)
exit 56
`)
	m.LogOut("anna")
	check(t, m, `
$ stat -f %u /dev/console
501
$ launchctl print gui/502/com.acme.own
Bad request.
Could not find service "com.acme.own" in domain for user gui: 502
exit 113
`)
	m.Reboot()
	if err := m.LogIn("admin"); err != nil {
		t.Fatal(err)
	}
	check(t, m, `
$ launchctl print gui/501/com.acme.off
Bad request.
Could not find service "com.acme.off" in domain for user gui: 501
exit 113
$ launchctl print gui/501/com.acme.all | head -n 1
gui/501/com.acme.all = {
`)
}

// A user may do in the own domains what root may everywhere.
func TestLaunchctlInOwnDomain(t *testing.T) {
	m := newMac(t, Mac{People: []string{"anna"}})
	if err := m.LogIn("admin"); err != nil {
		t.Fatal(err)
	}
	put(t, m, "/tmp/a.plist", daemon(t, "com.acme.agent", alive), 0o644)
	for _, test := range []struct {
		uid  int
		args []string
		want int
	}{
		{502, []string{"bootstrap", "gui/501", "/tmp/a.plist"}, 5},
		{501, []string{"bootstrap", "gui/501", "/tmp/a.plist"}, 0},
		{502, []string{"print", "gui/501/com.acme.agent"}, 0},
		{502, []string{"kickstart", "-k", "gui/501/com.acme.agent"}, 1},
		{501, []string{"kickstart", "-k", "gui/501/com.acme.agent"}, 0},
		{502, []string{"bootout", "gui/501/com.acme.agent"}, 1},
		{501, []string{"list", "com.acme.agent"}, 0},
		{501, []string{"bootout", "gui/501/com.acme.agent"}, 0},
	} {
		p := m.process(test.uid, append([]string{"launchctl"}, test.args...))
		if got := launchctl(t.Context(), m, p); got != test.want {
			t.Errorf("user %d: %v: got %d, want %d", test.uid, test.args, got, test.want)
		}
	}
}

// That a job is draining can be said, and calls can hang: perl's alarm ends them.
func TestLaunchdFrankAndHanging(t *testing.T) {
	m := newMac(t, Mac{Second: 20 * time.Millisecond})
	put(t, m, agent, daemon(t, "com.acme.agent", alive), 0o644)
	m.SetJob("com.acme.agent", Job{Drain: Forever})
	m.SetLaunchd(Launchd{Frank: true, Hangs: []string{"kickstart"}})
	loadAgent(m)
	before := m.now()
	check(t, m, `
$ perl -e 'alarm shift; exec @ARGV' 5 /bin/launchctl kickstart system/com.acme.agent
exit 142
$ perl -e 'alarm shift; exec @ARGV' 5 /bin/launchctl bootout system/com.acme.agent
$ launchctl bootout system/com.acme.agent
Boot-out failed: 36: Operation now in progress
exit 36
$ launchctl bootstrap system /Library/LaunchDaemons/com.acme.agent.plist
/Library/LaunchDaemons/com.acme.agent.plist: service already bootstrapped
Bootstrap failed: 37: Operation already in progress
exit 37
$ perl -e 'print 1' 2>&1
perl: macsim: this program is not modelled
exit 1
`)
	if took := m.now().Sub(before); took < 5*time.Second || took > time.Hour {
		t.Errorf("it took %v of the Mac's time", took)
	}
}

// What differs from one macOS to the next.
func TestLaunchdVersions(t *testing.T) {
	for version, want := range map[string]string{
		"12.7.6": `
$ launchctl bootstrap system /Library/LaunchDaemons/com.acme.agent.plist 2>/dev/null
exit 37
$ launchctl print system/com.acme.agent | head -n 1
com.acme.agent = {
$ launchctl print system/com.acme.agent | grep -c -e 'inherited environment' -e 'job state' -e LWCR
0
exit 1
$ launchctl bootout --wait system/com.acme.agent 2>/dev/null
exit 64
$ launchctl print system/com.acme.link | grep -c 'path = '
1
$ launchctl print system/com.acme.quarantined | grep -c 'path = '
1
`,
		"13.7": `
$ launchctl bootstrap system /Library/LaunchDaemons/com.acme.agent.plist 2>/dev/null
exit 37
$ launchctl print system/com.acme.agent | head -n 1
system/com.acme.agent = {
$ launchctl print system/com.acme.link | grep -c 'path = '
1
`,
		"15.6": `
$ launchctl bootstrap system /Library/LaunchDaemons/com.acme.agent.plist 2>/dev/null
exit 37
$ launchctl bootout --wait system/com.acme.agent 2>/dev/null
exit 64
$ launchctl print system/com.acme.agent | grep -c 'path = '
1
$ launchctl print system/com.acme.link 2>/dev/null
exit 113
$ launchctl print system/com.acme.quarantined | grep -c 'path = '
1
`,
		"26.6.2": `
$ launchctl bootstrap system /Library/LaunchDaemons/com.acme.agent.plist 2>/dev/null
exit 5
$ launchctl print system/com.acme.agent | grep -c -e 'inherited environment' -e LWCR
2
$ launchctl print system/com.acme.agent | grep -c 'job state'
0
exit 1
$ launchctl bootout --wait system/com.acme.agent
$ launchctl print system/com.acme.agent 2>/dev/null
exit 113
$ launchctl print system/com.acme.quarantined | grep -c 'path = '
1
`,
		"27.0": `
$ launchctl bootstrap system /Library/LaunchDaemons/com.acme.agent.plist 2>/dev/null
exit 5
$ launchctl print system/com.acme.agent | grep -e 'job state'
	job state = running
$ launchctl print system/com.acme.quarantined 2>/dev/null
exit 113
`,
	} {
		t.Run(version, func(t *testing.T) {
			m := newMac(t, Mac{Version: version})
			put(t, m, agent, daemon(t, "com.acme.agent", alive), 0o644)
			put(t, m, daemonsDir+"/com.acme.quarantined.plist", daemon(t, "com.acme.quarantined"), 0o644)
			put(t, m, "/Users/Shared/link.plist", daemon(t, "com.acme.link"), 0o644)
			if err := m.Files().SetXattr(daemonsDir+"/com.acme.quarantined.plist", "com.apple.quarantine", "0083"); err != nil {
				t.Fatal(err)
			}
			if err := m.Files().Symlink("/Users/Shared/link.plist", daemonsDir+"/com.acme.link.plist"); err != nil {
				t.Fatal(err)
			}
			m.Reboot()
			check(t, m, want)
		})
	}
}
