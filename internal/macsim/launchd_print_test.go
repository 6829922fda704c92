package macsim

import (
	"testing"

	"github.com/macos-fleet/terraform-provider-macos/internal/plist"
)

// TestPrint holds print to captures from real Macs (with other names in them): a daemon that runs and one that never ran
// on macOS 26, and a job between its runs on 27.
func TestPrint(t *testing.T) {
	m := newMac(t, Mac{Version: "26.5"})
	put(t, m, agent, daemon(t, "com.acme.agent",
		plist.Entry{Key: "MachServices", Value: plist.Dict{{Key: "com.acme.agent", Value: true}}},
		plist.Entry{Key: "KeepAlive", Value: plist.Dict{{Key: "SuccessfulExit", Value: false}}},
		plist.Entry{Key: "ProgramArguments", Value: plist.Array{"/usr/local/bin/agent", "--service", "com.acme.agent"}}), 0o644)
	put(t, m, "/tmp/com.acme.never.plist", daemon(t, "com.acme.never",
		plist.Entry{Key: "ProgramArguments", Value: plist.Array{"/bin/sleep", "600"}}), 0o644)
	check(t, m, `
$ launchctl bootstrap system /Library/LaunchDaemons/com.acme.agent.plist /private/tmp/com.acme.never.plist
$ launchctl print system/com.acme.agent
system/com.acme.agent = {
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
	pid = PID
	immediate reason = semaphore
	forks = 1
	execs = 1
	initialized = 1
	trampolined = 1
	started suspended = 0
	proxy started suspended = 0
	checked allocations = 0 (queried = 1)
	checked allocations reason = no host
	checked allocations flags = 0x0
	last exit code = (never exited)

	semaphores = {
		successful exit => 0
	}

	endpoints = {
		"com.acme.agent" = {
			port = 0x2b103
			active = 1
			managed = 1
			reset = 0
			hide = 0
			watching = 0
		}
	}

	resource coalition = {
		ID = 513
		type = resource
		state = active
		active count = 1
		name = com.acme.agent
	}

	jetsam coalition = {
		ID = 514
		type = jetsam
		state = active
		active count = 1
		name = com.acme.agent
	}

	spawn type = daemon (3)
	jetsam priority = 40
	jetsam memory limit (active) = (unlimited)
	jetsam memory limit (inactive) = (unlimited)
	jetsamproperties category = daemon
	jetsam thread limit = 32
	cpumon = default

	properties = inferred program | system service | managed LWCR | has LWCR | tle system
}
$ launchctl print system/com.acme.never
system/com.acme.never = {
	active count = 0
	path = /private/tmp/com.acme.never.plist
	type = LaunchDaemon
	state = not running

	program = /bin/sleep
	arguments = {
		/bin/sleep
		600
	}

	inherited environment = {
		DBUS_LAUNCHD_SESSION_BUS_SOCKET => /private/tmp/com.apple.launchd.CcCJ3ofoTQ/unix_domain_listener
	}

	default environment = {
		PATH => /usr/bin:/bin:/usr/sbin:/sbin
	}

	environment = {
		OSLogRateLimit => 64
		XPC_SERVICE_NAME => com.acme.never
	}

	domain = system
	minimum runtime = 10
	exit timeout = 5
	runs = 0
	last exit code = (never exited)

	spawn type = daemon (3)
	jetsam priority = 40
	jetsam memory limit (active) = (unlimited)
	jetsam memory limit (inactive) = (unlimited)
	jetsamproperties category = daemon
	jetsam thread limit = 32
	cpumon = default

	properties = inferred program | system service | tle system
}
`)
}

func TestPrintInterval(t *testing.T) {
	m := newMac(t, Mac{Version: "27.0"})
	m.SetJob("com.acme.agent", Job{Exits: true})
	put(t, m, agent, daemon(t, "com.acme.agent",
		plist.Entry{Key: "ProgramArguments", Value: plist.Array{"/usr/local/bin/agent", "two\n}\nlines"}},
		plist.Entry{Key: "RunAtLoad", Value: true},
		plist.Entry{Key: "LowPriorityIO", Value: true},
		plist.Entry{Key: "ProcessType", Value: "Background"},
		plist.Entry{Key: "StartInterval", Value: int64(900)},
		plist.Entry{Key: "StandardOutPath", Value: "/var/log/agent.log"},
		plist.Entry{Key: "StandardErrorPath", Value: "/var/log/agent.err"},
		plist.Entry{Key: "EnvironmentVariables", Value: plist.Dict{{Key: "B", Value: "1"}, {Key: "A", Value: "2"}, {Key: "N", Value: int64(3)}}},
		plist.Entry{Key: "StartCalendarInterval", Value: plist.Dict{{Key: "Minute", Value: int64(0)}, {Key: "Hour", Value: int64(12)}}}),
		0o644)
	m.SetLaunchd(Launchd{Extra: "\tnew field = 1\n"})
	check(t, m, `
$ launchctl bootstrap system /Library/LaunchDaemons/com.acme.agent.plist
$ launchctl print system/com.acme.agent
system/com.acme.agent = {
	active count = 0
	path = /Library/LaunchDaemons/com.acme.agent.plist
	type = LaunchDaemon
	state = not running

	program = /usr/local/bin/agent
	arguments = {
		/usr/local/bin/agent
		two
}
lines
	}

	stdout path = /var/log/agent.log
	stderr path = /var/log/agent.err
	inherited environment = {
		DBUS_LAUNCHD_SESSION_BUS_SOCKET => /private/tmp/com.apple.launchd.CcCJ3ofoTQ/unix_domain_listener
	}

	default environment = {
		PATH => /usr/bin:/bin:/usr/sbin:/sbin
	}

	environment = {
		OSLogRateLimit => 64
		B => 1
		A => 2
		XPC_SERVICE_NAME => com.acme.agent
	}

	domain = system
	minimum runtime = 10
	exit timeout = 5
	runs = 1
	last exit code = 0

	event triggers = {
		com.acme.agent.268435472 => {
			keepalive = 0
			service = com.acme.agent
			stream = com.apple.launchd.calendarinterval
			monitor = com.apple.UserEventAgent-System
			descriptor = {
				"Minute" => 0
				"Hour" => 12
			}
		}
	}

	event channels = {
		"com.apple.launchd.calendarinterval" = {
			port = 0x0
			active = 0
			managed = 1
			reset = 0
			hide = 0
			watching = 1
		}
	}

	resource coalition = {
		ID = 513
		type = resource
		state = active
		active count = 0
		name = com.acme.agent
	}

	jetsam coalition = {
		ID = 514
		type = jetsam
		state = active
		active count = 0
		name = com.acme.agent
	}

	spawn type = background (5)
	jetsam priority = 40
	jetsam memory limit (active) = (unlimited)
	jetsam memory limit (inactive) = (unlimited)
	jetsamproperties category = daemon
	jetsam thread limit = 32
	cpumon = default
	run interval = 900 seconds
	job state = exited
	sanitizer flags = 0x0

	properties = runatload | low priority i/o | inferred program | system service | managed LWCR | has LWCR | tle system
	new field = 1
}
`)
}

func TestPlutil(t *testing.T) {
	m := newMac(t, Mac{})
	for name, text := range map[string]string{
		"good":  "<plist><dict><key>b.c</key><array><true/><integer>7</integer></array><key>a</key><string>x y</string></dict></plist>",
		"true":  "<plist><true></true></plist>",
		"json":  `{"b": [1, 2.5], "a": "x"}`,
		"novl":  "<plist>\n<dict>\n<key>a</key>\n</dict></plist>",
		"nokey": "<plist>\n<dict>\n<true/>\n</dict></plist>",
		"cut":   "<plist>\n<dict>\n",
	} {
		put(t, m, "/tmp/"+name, text, 0o644)
	}
	check(t, m, `
$ plutil -lint /tmp/good /tmp/true /tmp/novl /tmp/nokey /tmp/cut
/tmp/good: OK
/tmp/true: OK
/tmp/novl: Value missing for key inside <dict> at line 4
/tmp/nokey: Found non-key inside <dict> at line 3
/tmp/cut: Encountered unexpected EOF at line 3
exit 1
$ plutil -lint -s - </tmp/good
<stdin>: OK
$ plutil -convert xml1 -o - -- /tmp/good
<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
	<key>a</key>
	<string>x y</string>
	<key>b.c</key>
	<array>
		<true/>
		<integer>7</integer>
	</array>
</dict>
</plist>
$ plutil -extract 'b\.c.1' raw -o - /tmp/good
7
$ plutil -extract nothing raw -o - /tmp/good
/tmp/good: Could not extract value, error: No value at that key path or invalid key path: nothing
exit 1
$ plutil -convert xml1 /tmp/json && plutil -extract a raw -o - /tmp/json
x
$ plutil -convert xml1 -o - /tmp/novl 2>&1 | cut -c 1-79
/tmp/novl: Property List error: Value missing for key inside <dict> at line 4 /
$ plutil -lint /tmp/nothing
/tmp/nothing: file does not exist or is not readable or is not a regular file (Error: No such file or directory)
exit 1
`)
}
