package macsim

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/macos-fleet/terraform-provider-macos/internal/plist"
)

// daemon is a property list of a job with this label.
func daemon(t *testing.T, label string, more ...plist.Entry) string {
	t.Helper()
	dict := append(plist.Dict{{Key: "Label", Value: label}}, more...)
	if dict.Get("Program") == nil && dict.Get("ProgramArguments") == nil {
		dict = append(dict, plist.Entry{Key: "ProgramArguments", Value: plist.Array{"/usr/local/bin/agent", "-v"}})
	}
	text, err := plist.Encode(dict)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func newMac(t *testing.T, cfg Mac) *Mac {
	t.Helper()
	m, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	put(t, m, "/usr/local/bin/agent", "\xcf\xfa\xed\xfe", 0o755)
	return m
}

func put(t *testing.T, m *Mac, path, content string, mode uint32) {
	t.Helper()
	if err := m.Files().Write(path, content); err != nil {
		t.Fatal(err)
	}
	if err := m.Files().Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

// transcript runs each line in a shell of its own and notes what it printed and its exit status, unless that is 0.
func transcript(t *testing.T, m *Mac, script string) string {
	t.Helper()
	var b strings.Builder
	for line := range strings.Lines(script) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		out, errs, exit := m.Run(t.Context(), line)
		fmt.Fprintf(&b, "$ %s\n%s%s", line, out, errs)
		if exit != 0 {
			fmt.Fprintf(&b, "exit %d\n", exit)
		}
	}
	return b.String()
}

// check compares a transcript with one in which the lines with "$ " are the commands.
func check(t *testing.T, m *Mac, want string) {
	t.Helper()
	want = strings.TrimPrefix(want, "\n")
	var script strings.Builder
	for line := range strings.Lines(want) {
		if command, ok := strings.CutPrefix(line, "$ "); ok {
			script.WriteString(command)
		}
	}
	got := transcript(t, m, script.String())
	got = regexp.MustCompile(`(?m)^(\s*pid = |)4\d\d\b`).ReplaceAllString(got, "${1}PID")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

const agent = daemonsDir + "/com.acme.agent.plist"

// alive makes a job run as soon as it is loaded.
var alive = plist.Entry{Key: "KeepAlive", Value: true}

func TestBootstrap(t *testing.T) {
	for name, test := range map[string]struct {
		mac     Mac
		text    string
		arrange func(m *Mac)
		want    string
	}{
		"works": {want: `
$ launchctl bootstrap system /Library/LaunchDaemons/com.acme.agent.plist
`},
		"loaded": {arrange: loadAgent, want: `
$ launchctl bootstrap system /Library/LaunchDaemons/com.acme.agent.plist
/Library/LaunchDaemons/com.acme.agent.plist: service already bootstrapped
Bootstrap failed: 37: Operation already in progress
exit 37
`},
		"loaded-26": {mac: Mac{Version: "26.5.2"}, arrange: loadAgent, want: `
$ launchctl bootstrap system /Library/LaunchDaemons/com.acme.agent.plist
Bootstrap failed: 5: Input/output error
exit 5
`},
		"disabled": {arrange: disableAgent, want: `
$ launchctl bootstrap system /Library/LaunchDaemons/com.acme.agent.plist
/Library/LaunchDaemons/com.acme.agent.plist: Service is disabled
Bootstrap failed: 119: Service is disabled
exit 119
$ launchctl enable system/com.acme.agent
$ launchctl bootstrap system /Library/LaunchDaemons/com.acme.agent.plist
`},
		"disabled-vague": {arrange: func(m *Mac) { disableAgent(m); m.SetLaunchd(Launchd{Vague: true}) }, want: `
$ launchctl bootstrap system /Library/LaunchDaemons/com.acme.agent.plist
Bootstrap failed: 5: Input/output error
exit 5
`},
		"writable": {arrange: func(m *Mac) { _ = m.Files().Chmod(agent, 0o664) }, want: `
$ launchctl bootstrap system /Library/LaunchDaemons/com.acme.agent.plist
/Library/LaunchDaemons/com.acme.agent.plist: Path had bad ownership/permissions
Bootstrap failed: 122: Path had bad ownership/permissions
exit 122
`},
		"not-root's": {arrange: func(m *Mac) { _ = m.Files().Chown(agent, 501, 0) }, want: `
$ launchctl bootstrap system /Library/LaunchDaemons/com.acme.agent.plist
/Library/LaunchDaemons/com.acme.agent.plist: Path had bad ownership/permissions
Bootstrap failed: 122: Path had bad ownership/permissions
exit 122
`},
		"json": {text: `{"Label": "com.acme.agent"}`, want: `
$ launchctl bootstrap system /Library/LaunchDaemons/com.acme.agent.plist
/Library/LaunchDaemons/com.acme.agent.plist: Invalid property list
Bootstrap failed: 109: Invalid property list
exit 109
`},
		"no-label": {text: "<plist><dict><key>Program</key><string>/bin/sh</string></dict></plist>", want: `
$ launchctl bootstrap system /Library/LaunchDaemons/com.acme.agent.plist
/Library/LaunchDaemons/com.acme.agent.plist: Invalid or missing service identifier
Bootstrap failed: 110: Invalid or missing service identifier
exit 110
`},
		"no-program": {text: "<plist><dict><key>Label</key><string>a</string></dict></plist>", want: `
$ launchctl bootstrap system /Library/LaunchDaemons/com.acme.agent.plist
/Library/LaunchDaemons/com.acme.agent.plist: Invalid or missing Program/ProgramArguments
Bootstrap failed: 111: Invalid or missing Program/ProgramArguments
exit 111
`},
		"quarantined": {mac: Mac{Version: "27.0"}, arrange: func(m *Mac) { _ = m.Files().SetXattr(agent, "com.apple.quarantine", "0083") }, want: `
$ launchctl bootstrap system /Library/LaunchDaemons/com.acme.agent.plist
Bootstrap failed: 5: Input/output error
exit 5
`},
		"several": {arrange: func(m *Mac) { _ = m.Files().Write("/tmp/b.plist", "b") }, want: `
$ launchctl bootstrap system /tmp/a.plist /tmp/b.plist
/tmp/b.plist: Invalid property list
Bootstrap failed: 133: Multiple errors were returned; see stderr
exit 133
`},
		"absent": {want: `
$ launchctl bootstrap system /tmp/nothing.plist
Bootstrap failed: 5: Input/output error
exit 5
`},
		"other-domain": {want: `
$ launchctl bootstrap gui/501 /Library/LaunchDaemons/com.acme.agent.plist
Bootstrap failed: 125: Domain does not support specified action
exit 125
`},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMac(t, test.mac)
			if test.text == "" {
				test.text = daemon(t, "com.acme.agent")
			}
			put(t, m, agent, test.text, 0o644)
			if test.arrange != nil {
				test.arrange(m)
			}
			check(t, m, test.want)
		})
	}
}

func loadAgent(m *Mac)    { m.Run(m.running(), "launchctl bootstrap system "+agent) }
func disableAgent(m *Mac) { m.Run(m.running(), "launchctl disable system/com.acme.agent") }

// TestBootout lets a job take its time to end. A second of the Mac is long here, so that nothing ends unseen.
func TestBootout(t *testing.T) {
	m := newMac(t, Mac{Second: time.Hour})
	put(t, m, agent, daemon(t, "com.acme.agent", alive), 0o644)
	m.SetJob("com.acme.agent", Job{Drain: 3 * time.Second})
	check(t, m, `
$ launchctl bootout system/com.acme.agent
Boot-out failed: 3: No such process
exit 3
$ launchctl bootout system /Library/LaunchDaemons/com.acme.agent.plist
Boot-out failed: 5: Input/output error
exit 5
$ launchctl bootstrap system /Library/LaunchDaemons/com.acme.agent.plist
$ launchctl bootout --wait system/com.acme.agent
Unrecognized target specifier.
Usage: launchctl bootout <service-target>
exit 64
$ launchctl print system/com.acme.agent | grep state
	state = running
$ launchctl bootout system /Library/LaunchDaemons/com.acme.agent.plist
$ launchctl print system/com.acme.agent | grep -e state -e pid
	state = SIGTERMed
	pid = PID
$ launchctl bootout system/com.acme.agent
$ launchctl bootstrap system /Library/LaunchDaemons/com.acme.agent.plist
Bootstrap failed: 5: Input/output error
exit 5
$ launchctl kickstart -k system/com.acme.agent
Could not kickstart service "com.acme.agent": 37: Operation already in progress
exit 37
$ launchctl bootout system/com.openssh.sshd
Boot-out failed: 150: Operation not permitted while System Integrity Protection is engaged
exit 150
`)
}

func TestBootoutEnds(t *testing.T) {
	for name, test := range map[string]struct {
		drain, timeout time.Duration
		at             time.Duration // after the bootout
		want           string        // "" when the job has gone
	}{
		"at-once":        {0, 5, 0, ""},
		"later":          {time.Second, 5, 999 * time.Millisecond, "SIGTERMed"},
		"later-gone":     {time.Second, 5, time.Second, ""},
		"killed":         {time.Hour, 7, 7 * time.Second, ""},
		"not-yet-killed": {time.Hour, 7, 6 * time.Second, "SIGTERMed"},
		"unkillable":     {Forever, 5, time.Hour, "SIGKILLed"},
		"never-killed":   {time.Hour, 0, time.Minute, "SIGTERMed"},
		"never-at-all":   {Forever, 0, time.Hour, "SIGTERMed"},
	} {
		t.Run(name, func(t *testing.T) {
			j := newJob("system", "", plist.Dict{{Key: "ExitTimeOut", Value: int64(test.timeout)}})
			j.pid = 1
			l := &launchdState{mac: &Mac{machine: &machine{started: time.Now()}, Second: 1000 * time.Hour}, jobs: map[string]*job{"system/": j}}
			begin := l.mac.now().Add(-test.at)
			j.dying = true
			j.killed, j.gone = j.stop(begin, test.drain)
			state := ""
			if found := l.find("system/"); found != nil {
				state = found.state(l.mac.now())
			}
			if state != test.want {
				t.Errorf("got %q, want %q", state, test.want)
			}
		})
	}
}

func TestLaunchctlWithoutRoot(t *testing.T) {
	m := newMac(t, Mac{})
	put(t, m, agent, daemon(t, "com.acme.agent", alive), 0o644)
	loadAgent(m)
	var got strings.Builder
	for _, args := range [][]string{
		{"bootstrap", "system", agent},
		{"bootout", "system/com.acme.agent"},
		{"enable", "system/com.acme.agent"},
		{"disable", "system/com.acme.agent"},
		{"kickstart", "system/com.acme.agent"},
		{"kill", "TERM", "system/com.acme.agent"},
		{"list"},
		{"list", "com.acme.agent"},
	} {
		p := m.process(501, append([]string{"launchctl"}, args...))
		p.Stdout, p.Stderr = &got, &got
		exit := launchctl(t.Context(), m, p)
		fmt.Fprintf(&got, "exit %d\n", exit)
	}
	want := `Bootstrap failed: 5: Input/output error
Try re-running the command as root for richer errors.
exit 5
Boot-out failed: 1: Operation not permitted
exit 1
Could not enable service: 1: Operation not permitted
exit 1
Could not disable service: 1: Operation not permitted
exit 1
Could not kickstart service "com.acme.agent": 1: Operation not permitted
exit 1
Not privileged to signal service.
exit 1
PID	Status	Label
exit 0
Could not find service "com.acme.agent" in domain for system
exit 113
`
	if diff := cmp.Diff(want, got.String()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestLaunchctl(t *testing.T) {
	m := newMac(t, Mac{})
	put(t, m, agent, daemon(t, "com.acme.agent"), 0o644)
	put(t, m, "/tmp/missing.plist", daemon(t, "com.acme.missing", alive, plist.Entry{Key: "Program", Value: "/opt/nothing"}), 0o644)
	m.SetJob("com.acme.fails", Job{Exits: true, Exit: 1})
	put(t, m, "/tmp/fails.plist", daemon(t, "com.acme.fails", plist.Entry{Key: "RunAtLoad", Value: true}), 0o644)
	check(t, m, `
$ launchctl print system/com.acme.agent
Bad request.
Could not find service "com.acme.agent" in domain for system
exit 113
$ launchctl print gui/501/com.acme.agent
Bad request.
Could not find service "com.acme.agent" in domain for user gui: 501
exit 113
$ launchctl kickstart system/com.acme.agent
Could not find service "com.acme.agent" in domain for system
exit 113
$ launchctl kickstart com.acme.agent
Unrecognized target specifier, did you mean gui/<uid>/com.acme.agent
Usage: launchctl kickstart <service-target>
exit 64
$ launchctl frobnicate
Unrecognized subcommand: frobnicate
exit 1
$ launchctl error 119
119: Service is disabled
$ launchctl load /Library/LaunchDaemons/com.acme.agent.plist
$ launchctl load /Library/LaunchDaemons/com.acme.agent.plist 2>&1
Load failed: 37: Operation already in progress
Try running `+"`launchctl bootstrap`"+` as root for richer errors.
$ launchctl print system/com.acme.agent | grep -e 'state =' -e runs -e exit
	state = not running
	exit timeout = 5
	runs = 0
	last exit code = (never exited)
$ launchctl kill TERM system/com.acme.agent
No process to signal.
exit 3
$ launchctl kickstart system/com.acme.agent
$ launchctl kickstart -p system/com.acme.agent
PID
$ launchctl blame system/com.acme.agent
non-ipc demand
$ launchctl kill SIGTERM system/com.acme.agent
$ launchctl print system/com.acme.agent | grep -e 'state =' -e runs -e last
	state = not running
	runs = 1
	last terminating signal = Terminated: 15
$ launchctl bootstrap system /tmp/missing.plist
$ launchctl print system/com.acme.missing | grep -e 'state =' -e 'last exit' -e 'properties ='
	state = spawn scheduled
	last exit code = 78: EX_CONFIG
	properties = keepalive | penalty box | system service | tle system
$ launchctl bootstrap system /tmp/fails.plist
$ launchctl list
PID	Status	Label
-	-15	com.acme.agent
-	1	com.acme.fails
-	78	com.acme.missing
-	0	com.apple.pfctl
-	0	com.openssh.sshd
$ launchctl list com.acme.fails
{
	"LimitLoadToSessionType" = "System";
	"Label" = "com.acme.fails";
	"OnDemand" = true;
	"LastExitStatus" = 256;
	"Program" = "/usr/local/bin/agent";
	"ProgramArguments" = (
		"/usr/local/bin/agent";
		"-v";
	);
	};
$ launchctl unload -w /Library/LaunchDaemons/com.acme.agent.plist
$ launchctl list com.acme.agent
Could not find service "com.acme.agent" in domain for system
exit 113
$ launchctl print-disabled system
disabled services = {
	"com.acme.agent" => disabled
	"com.apple.ftpd" => disabled
	"com.openssh.sshd" => enabled
}
`)
}

func TestPrintDisabledLayouts(t *testing.T) {
	for version, want := range map[string]string{
		"12.7": `
$ launchctl print-disabled system
disabled services = {
	"com.apple.ftpd" => true
	"com.openssh.sshd" => false
}
`,
		"26.6.2": `
$ launchctl print-disabled system

	disabled services = {
		"com.apple.ftpd" => disabled
		"com.openssh.sshd" => enabled
	}

	login item associations = {
		"com.example.app" => enabled
	}
`,
	} {
		t.Run(version, func(t *testing.T) { check(t, newMac(t, Mac{Version: version}), want) })
	}
}

func TestKickstartRunsTheCachedDefinition(t *testing.T) {
	m := newMac(t, Mac{})
	entry := func(word string) plist.Entry {
		return plist.Entry{Key: "ProgramArguments", Value: plist.Array{"/bin/sh", "-c", "printf " + word + " >>/tmp/out"}}
	}
	put(t, m, agent, daemon(t, "com.acme.agent", entry("old."), plist.Entry{Key: "RunAtLoad", Value: true}), 0o644)
	loadAgent(m)
	put(t, m, agent, daemon(t, "com.acme.agent", entry("new.")), 0o644)
	check(t, m, `
$ launchctl kickstart -k system/com.acme.agent
$ cat /tmp/out && echo
old.old.
$ launchctl bootout system/com.acme.agent && launchctl bootstrap system /Library/LaunchDaemons/com.acme.agent.plist
$ launchctl kickstart system/com.acme.agent
$ cat /tmp/out && echo
old.old.new.
`)
}

func TestLaunchdBoot(t *testing.T) {
	m := newMac(t, Mac{})
	runs := plist.Entry{Key: "RunAtLoad", Value: true}
	put(t, m, daemonsDir+"/com.acme.boot.plist", daemon(t, "com.acme.boot", runs, plist.Entry{
		Key: "ProgramArguments", Value: plist.Array{"/bin/sh", "-c", "printf booted >/Library/Logs/boot"},
	}), 0o644)
	put(t, m, daemonsDir+"/com.acme.disabled.plist", daemon(t, "com.acme.disabled", runs), 0o644)
	put(t, m, daemonsDir+"/com.acme.denied.plist", daemon(t, "com.acme.denied", runs), 0o644)
	put(t, m, daemonsDir+"/com.acme.open.plist", daemon(t, "com.acme.open", runs), 0o666)
	put(t, m, daemonsDir+"/com.acme.other", daemon(t, "com.acme.other", runs), 0o644)
	put(t, m, "/Users/Shared/link.plist", daemon(t, "com.acme.link", runs), 0o644)
	if err := m.Files().Symlink("/Users/Shared/link.plist", daemonsDir+"/com.acme.link.plist"); err != nil {
		t.Fatal(err)
	}
	put(t, m, "/Users/Shared/elsewhere.plist", daemon(t, "com.acme.elsewhere", runs), 0o644)
	check(t, m, `
$ launchctl bootstrap system /Users/Shared/elsewhere.plist
$ launchctl disable system/com.acme.disabled
$ launchctl disable system/com.acme.never-heard-of
$ launchctl bootstrap system /Library/LaunchDaemons/com.acme.link.plist
`)
	m.SetLaunchd(Launchd{Denied: []string{"com.acme.denied"}})
	m.Reboot()
	want := `com.acme.boot, loaded from /Library/LaunchDaemons/com.acme.boot.plist, not running, last exit code = 0
	<dict>
		<key>Label</key>
		<string>com.acme.boot</string>
		<key>ProgramArguments</key>
		<array>
			<string>/bin/sh</string>
			<string>-c</string>
			<string>printf booted &gt;/Library/Logs/boot</string>
		</array>
		<key>RunAtLoad</key>
		<true/>
	</dict>
com.acme.disabled, disabled
com.acme.never-heard-of, disabled`
	if diff := cmp.Diff(want, m.launchd.text()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if text, err := m.Files().Read("/Library/Logs/boot"); text != "booted" {
		t.Errorf("the boot job wrote %q, %v", text, err)
	}
}

// A boot job that enables pf and loads its rules does so at boot: com.apple.pfctl's own load comes first.
func TestBootJobLoadsPF(t *testing.T) {
	m := newMac(t, Mac{})
	put(t, m, "/etc/pf.anchors/story", "block in quick on en0 proto tcp to any port 8080\n", 0o644)
	put(t, m, daemonsDir+"/com.pf.story.plist", daemon(t, "com.pf.story", plist.Entry{Key: "RunAtLoad", Value: true}, plist.Entry{
		Key: "ProgramArguments", Value: plist.Array{
			"/bin/sh", "-c", "/sbin/pfctl -E -f /etc/pf.conf; /sbin/pfctl -a com.apple/250.story -f /etc/pf.anchors/story",
		},
	}, plist.Entry{Key: "StandardErrorPath", Value: "/var/log/com.pf.story.log"}), 0o644)
	m.Reboot()
	check(t, m, `
$ pfctl -q -s info 2>/dev/null | grep Status | cut -d ' ' -f 1-2
Status: Enabled
$ pfctl -q -a com.apple/250.story -s rules
block drop in quick on en0 proto tcp from any to any port = 8080
$ grep -c '^Token' /var/log/com.pf.story.log
1
$ launchctl print system/com.pf.story | grep -e 'state =' -e runs -e 'last exit'
	state = not running
	runs = 1
	last exit code = 0
`)
}

// kickstart -k waits for the end of the old process; nobody else can load or start the job meanwhile.
func TestKickstartWaits(t *testing.T) {
	m := newMac(t, Mac{Second: time.Millisecond})
	put(t, m, agent, daemon(t, "com.acme.agent", alive), 0o644)
	m.SetJob("com.acme.agent", Job{Drain: 3 * time.Second})
	loadAgent(m)
	before := m.now()
	check(t, m, `
$ launchctl kickstart -k system/com.acme.agent
$ launchctl print system/com.acme.agent | grep -e 'state =' -e runs -e last
	state = running
	runs = 2
	last terminating signal = Terminated: 15
`)
	if took := m.now().Sub(before); took < 3*time.Second {
		t.Errorf("it took %v of the Mac's time", took)
	}
}
