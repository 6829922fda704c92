package launchctl

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/macos-fleet/terraform-provider-macos/internal/plist"
	"github.com/macos-fleet/terraform-provider-macos/internal/remote"
)

// What real Macs printed, with other names in it. The simulated Mac is not asked here.
const (
	// macOS 26: a daemon with a Mach service and a KeepAlive dictionary, running. Nested blocks repeat its fields.
	printed26 = `system/com.acme.agent = {
	active count = 2
	path = /Library/LaunchDaemons/com.acme.agent.plist
	type = LaunchDaemon
	state = running

	program = /usr/local/bin/agent
	arguments = {
		/usr/local/bin/agent
		--service
		com.acme.agent
	}

	inherited environment = {
		DBUS_LAUNCHD_SESSION_BUS_SOCKET => /private/tmp/com.apple.launchd.CcCJ3ofoTQ/unix_domain_listener
	}

	default environment = {
		PATH => /usr/bin:/bin:/usr/sbin:/sbin
	}

	environment = {
		OSLogRateLimit => 64
		XPC_SERVICE_NAME => com.acme.agent
	}

	domain = system
	minimum runtime = 10
	exit timeout = 5
	runs = 1
	pid = 573
	immediate reason = semaphore
	last exit code = (never exited)

	semaphores = {
		successful exit => 0
	}

	endpoints = {
		"com.acme.agent" = {
			port = 0x2b103
			active = 1
		}
	}

	resource coalition = {
		ID = 513
		type = resource
		state = active
		active count = 1
		name = com.acme.agent
	}

	spawn type = daemon (3)
	jetsam priority = 40

	properties = inferred program | system service | managed LWCR | has LWCR | tle system
}
`
	// An earlier macOS: no inherited environment, and no blank line before the next block.
	printed15 = `system/com.acme.guard = {
	active count = 1
	path = /Library/LaunchDaemons/com.acme.guard.plist
	type = LaunchDaemon
	state = running

	program = /usr/local/bin/guard
	arguments = {
		/usr/local/bin/guard
		start
		--port=8443
	}

	stdout path = /var/db/guard/daemon.log
	stderr path = /var/db/guard/daemon.err
	default environment = {
		PATH => /usr/bin:/bin:/usr/sbin:/sbin
	}

	environment = {
		OSLogRateLimit => 64
		PATH => /usr/bin:/bin:/usr/sbin:/sbin:/opt/homebrew/bin
		HOME => /var/db/guard
		XPC_SERVICE_NAME => com.acme.guard
	}

	domain = system
	minimum runtime = 10
	exit timeout = 5
	runs = 48
	pid = 893
	last terminating signal = Killed: 9

	properties = keepalive | runatload | inferred program | system service | tle system
}
`
	// macOS 27: a calendar job whose program could not be started.
	printed27 = `system/com.acme.nightly = {
	active count = 0
	path = /private/tmp/com.acme.nightly.plist
	type = LaunchDaemon
	managed_by = com.apple.xpc.ServiceManagement
	state = spawn scheduled

	program = /opt/nightly
	arguments = {
		/opt/nightly
	}

	environment = {
		OSLogRateLimit => 64
		XPC_SERVICE_NAME => com.acme.nightly
	}

	minimum runtime = 20
	base minimum runtime = 10
	runs = 54
	last exit code = 78: EX_CONFIG

	event triggers = {
		com.acme.nightly.268435472 => {
			keepalive = 0
			service = com.acme.nightly
			stream = com.apple.launchd.calendarinterval
			monitor = com.apple.UserEventAgent-System
			descriptor = {
				"Minute" => 0
				"Hour" => 12
				"Weekday" => 3
			}
		}
		com.acme.nightly.268435473 => {
			stream = com.apple.other
			descriptor = {
				"Minute" => 1
			}
		}
	}

	run interval = 900 seconds
	job state = spawn failed
	sanitizer flags = 0x0

	properties = inferred program | penalty box
}
`
)

func TestParsePrint(t *testing.T) {
	agent, guard, nightly := parsePrint(printed26), parsePrint(printed15), parsePrint(printed27)
	for name, test := range map[string][2]any{
		"path":       {agent.Path, "/Library/LaunchDaemons/com.acme.agent.plist"},
		"type":       {agent.Type, "LaunchDaemon"},
		"state":      {agent.State, "running"},
		"pid":        {agent.PID, 573},
		"exit":       {agent.LastExit, ""},
		"arguments":  {agent.blocks["arguments"], "\t\t/usr/local/bin/agent\n\t\t--service\n\t\tcom.acme.agent\n"},
		"keepalive":  {agent.has("keepalive"), false},
		"stdout":     {guard.fields["stdout path"], "/var/db/guard/daemon.log"},
		"keepalive2": {guard.has("keepalive"), true},
		"killed":     {guard.LastExit, "Killed: 9"},
		"managed":    {nightly.ManagedBy, "com.apple.xpc.ServiceManagement"},
		"no-pid":     {nightly.PID, 0},
		"calendar":   {strings.Join(nightly.calendar(), "; "), "Hour 12, Minute 0, Weekday 3"},
		"foreign":    {(&Job{Session: Session{Loaded: nightly}}).Foreign(), true},
		"own":        {(&Job{Session: Session{Loaded: guard}}).Foreign(), false},
		"trouble":    {nightly.trouble() != "", true},
		"no-trouble": {guard.trouble(), ""},
	} {
		if test[0] != test[1] {
			t.Errorf("%s: got %q, want %q", name, test[0], test[1])
		}
	}
}

func TestDifferences(t *testing.T) {
	guard := plist.Dict{
		{Key: "ProgramArguments", Value: plist.Array{"/usr/local/bin/guard", "start", "--port=8443"}},
		{Key: "StandardOutPath", Value: "/var/db/guard/daemon.log"},
		{Key: "StandardErrorPath", Value: "/var/db/guard/daemon.err"},
		{Key: "EnvironmentVariables", Value: plist.Dict{
			{Key: "HOME", Value: "/var/db/guard"}, {Key: "PATH", Value: "/usr/bin:/bin:/usr/sbin:/sbin:/opt/homebrew/bin"},
		}},
		{Key: "KeepAlive", Value: true},
		{Key: "WorkingDirectory", Value: "/var/db/guard"}, // not printed there, so not compared
	}
	with := func(key string, v plist.Value) plist.Dict {
		dict := plist.Dict{{Key: key, Value: v}}
		for _, e := range guard {
			if e.Key != key {
				dict = append(dict, e)
			}
		}
		return slices.DeleteFunc(dict, func(e plist.Entry) bool { return e.Value == nil })
	}
	for name, test := range map[string]struct {
		file plist.Dict
		want []string
	}{
		"same": {guard, nil},
		"arguments": {with("ProgramArguments", plist.Array{"/usr/local/bin/guard", "stop"}), []string{
			"launchd still has the arguments /usr/local/bin/guard start --port=8443, while the file says /usr/local/bin/guard stop",
		}},
		"program":   {with("Program", "/opt/guard"), []string{"launchd still has the program /usr/local/bin/guard, while the file says /opt/guard"}},
		"no-output": {with("StandardOutPath", nil), []string{"launchd still has the standard output /var/db/guard/daemon.log, while the file says none"}},
		"interval":  {with("StartInterval", int64(60)), []string{"launchd still has the interval none, while the file says 60 seconds"}},
		"throttle":  {with("ThrottleInterval", int64(60)), []string{"launchd still has the throttle interval 10, while the file says 60"}},
		"keepalive": {with("KeepAlive", nil), []string{
			"launchd still has keep-alive on, while the file says off", "launchd still has run-at-load on, while the file says off",
		}},
		"environment": {
			with("EnvironmentVariables", plist.Dict{{Key: "HOME", Value: "/x"}, {Key: "NEW", Value: "1"}}),
			[]string{"launchd still has another environment than the file: HOME, NEW, PATH"},
		},
		"calendar-not-printed": {with("StartCalendarInterval", plist.Dict{{Key: "Hour", Value: int64(3)}}), nil},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, parsePrint(printed15).differences(test.file)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestDifferencesOfACalendar(t *testing.T) {
	file := plist.Dict{
		{Key: "Program", Value: "/opt/nightly"},
		{Key: "StartInterval", Value: int64(900)},
		{Key: "StartCalendarInterval", Value: plist.Array{plist.Dict{
			{Key: "Weekday", Value: int64(3)}, {Key: "Hour", Value: int64(11)}, {Key: "Minute", Value: int64(0)},
		}}},
	}
	want := []string{"launchd still has the calendar Hour 12, Minute 0, Weekday 3, while the file says Hour 11, Minute 0, Weekday 3"}
	if diff := cmp.Diff(want, parsePrint(printed27).differences(file)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestParseDisabled(t *testing.T) {
	for name, text := range map[string]string{
		"12":   "disabled services = {\n\t\"com.acme.a\" => true\n\t\"com.acme.b\" => false\n}\n",
		"15":   "disabled services = {\n\t\"com.acme.a\" => disabled\n\t\"com.acme.b\" => enabled\n}\n",
		"26.6": "\n\tdisabled services = {\n\t\t\"com.acme.a\" => disabled\n\t\t\"com.acme.b\" => enabled\n\t}\n\n\tlogin item associations = {\n\t\t\"com.acme.b\" => disabled\n\t}\n",
	} {
		if diff := cmp.Diff(map[string]bool{"com.acme.a": true, "com.acme.b": false}, parseDisabled(text)); diff != "" {
			t.Errorf("%s: -want +got:\n%s", name, diff)
		}
	}
	if got := parseDisabled("disabled services = (no disabled services)\n"); len(got) > 0 {
		t.Errorf("got %v", got)
	}
}

func TestParseSurvey(t *testing.T) {
	s := parseSurvey(Place{}, []remote.Record{
		{Key: "place", Args: "0:0 /Library/LaunchDaemons"},
		{Key: "domain", Args: "system", Body: []byte("disabled services = {\n\t\"com.acme.off\" => disabled\n\t\"com.acme.on\" => enabled\n}\n")},
		{Key: "file", Args: "100644 0:0 com.acme.agent", Body: []byte("<plist><dict><key>Disabled</key><true/></dict></plist>")},
		{Key: "quarantine", Args: "com.acme.agent"},
		{Key: "print", Args: "system com.acme.agent", Body: []byte(printed26)},
		{Key: "file", Args: "100644 0:0 com.acme.on", Body: []byte("<plist><dict><key>Disabled</key><true/></dict></plist>")},
		{Key: "print", Args: "system com.acme.on"},
		{Key: "file", Args: "100644 0:0 com.acme.list", Body: []byte("<plist><array/></plist>")},
		{Key: "file", Args: "120755 0:0 a label with blanks", Body: nil},
	})
	var got []string
	for _, label := range slices.Sorted(maps.Keys(s.jobs)) {
		j := s.jobs[label]
		var facts []string
		for fact, is := range map[string]bool{
			"exists": j.Exists, "quarantined": j.Quarantined, "disabled": j.Disabled, "loaded": j.Loaded != nil, "broken": j.Err != nil,
		} {
			if is {
				facts = append(facts, fact)
			}
		}
		slices.Sort(facts)
		got = append(got, label+": "+strings.Join(facts, " "))
	}
	want := []string{
		"a label with blanks: broken exists",
		"com.acme.agent: disabled exists loaded quarantined", // by its own property list
		"com.acme.list: broken exists",
		"com.acme.on: exists", // the store wins
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if !s.Job("com.acme.off").Disabled || s.Job("com.acme.nothing").Disabled || !s.Job("com.acme.off").Gone() {
		t.Error("a job that is not there is disabled if the store says so")
	}
}

// FuzzParsePrint looks for output on which reading it fails, or that names a path which is not the first.
func FuzzParsePrint(f *testing.F) {
	f.Add(printed26)
	f.Add(printed15)
	f.Add(printed27)
	f.Fuzz(func(t *testing.T, text string) {
		l := parsePrint(text)
		_ = l.differences(plist.Dict{{Key: "Program", Value: "/x"}, {Key: "StartCalendarInterval", Value: plist.Dict{{Key: "Hour", Value: true}}}})
		if l.Path != "" && !strings.Contains(text, "\tpath = "+l.Path) {
			t.Errorf("the path %q is not there", l.Path)
		}
	})
}
