package provider

import (
	"regexp"
	"testing"
)

// TestFacts asks a Mac what this provider takes for a fact although no Mac was at hand to ask: what manuals and sources say, what was
// published of other Macs, what follows from them. It prints each answer, and fails where the Mac says something else: then a comment in the
// code that leans on it is wrong, and perhaps the code. Nothing is changed there, apart from files in a folder that is removed, and from pf,
// which is enabled and disabled again if it is off and nobody has a reference.
//
//	make testacc MACOS_TEST_HOST=admin@mini-01.lan TESTFLAGS='-run TestFacts'
//
// The simulated Mac must answer likewise; what it does not model is asked of real ones only.
func TestFacts(t *testing.T) {
	const (
		// rules have pfctl read some, without loading them.
		rules = `pfctl -q -nvf - <<'END' 2>&1 | grep -v -e '^pfctl: Use of -f' -e '^present in the main' -e '^See /etc/pf.conf' -e '^$'` + "\n"
		off   = `pfctl -q -s info | grep -q '^Status: Disabled' && pfctl -q -s References | grep -q '^No pf' || { echo pf is in use; exit; }` + "\n"
	)
	// load has launchd load a file of this mode and text. It must refuse.
	load := func(mode, text string) string {
		return `cat <<'END' | ( dir=$(mktemp -d /private/tmp/tfacc.XXXXXX); cat >"$dir/x.plist"; chmod ` + mode +
			` "$dir/x.plist"; launchctl bootstrap system "$dir/x.plist"; status=$?; [ $status != 0 ] || launchctl bootout system/tfacc.none; rm -rf "$dir"; exit $status )` + "\n" + text + "\nEND"
	}
	for _, fact := range []struct {
		is     string
		script string
		want   string // a pattern, of what it prints on both streams and "exit N"
		real   bool   // the simulated Mac does not model it
	}{
		// The tools that scripts use.
		{"sw_vers has two TABs after the colon", `sw_vers`, `^ProductName:\t\tmacOS\nProductVersion:\t\t[\d.]+\n(ProductVersionExtra:.*\n)?BuildVersion:\t\t\w+\nexit 0`, false},
		{"sysctl knows the chip", `sysctl -n machdep.cpu.brand_string`, `^(Apple|Intel|VirtualApple).*\nexit 0`, false},
		{"sysctl knows when the Mac was started", `sysctl -n kern.boottime`, `^\{ sec = \d+, usec = \d+ \} .*\nexit 0`, false},
		{"sysctl says which name it does not know", `sysctl -n macos.fleet`, `^sysctl: unknown oid 'macos\.fleet'\nexit 1`, false},
		{"connections take ports from 49152 on", `sysctl -n net.inet.ip.portrange.first net.inet.ip.portrange.last`, `^49152\n65535\nexit 0`, true},
		{"scutil says that no host name is set", `scutil --get HostName`, `^(HostName: not set\nexit 1|\S+\nexit 0)`, false},
		{"pmset shows each source and its settings", `pmset -g custom`, `(?m)^AC Power:\n(.*\n)* sleep +\d+$`, false},
		{"pmset says what holds for the whole Mac first", `pmset -g`, `^System-wide power settings:\n(.*\n)*Currently in use:\n`, false},
		{"fdesetup says whether FileVault is on", `fdesetup status`, `^FileVault is (On|Off)[.,]`, false},
		{"csrutil says whether SIP is on", `csrutil status`, `^System Integrity Protection status: (enabled|disabled|unknown)\b`, false},
		{"lsof shows launchd holding port 22, as fields", `lsof -nP -iTCP -sTCP:LISTEN -FpcLPn | sed -n '/^p1$/,/^p[^1]/p'`, `^p1\nclaunchd\nLroot\n(f\d+\nPTCP\nn.*\n)*f\d+\nPTCP\nn\*:22\n`, false},
		{"lsof ends with 1 when it has nothing to show", `lsof -nP -iTCP:1 -sTCP:LISTEN -FpcLPn`, `^exit 1`, true},
		{"lsof keeps the interface in addresses of a link", `lsof -nP -i -FpcLPn | grep '^n.fe80:' | head -1`, `^(n\[fe80:[0-9a-f]+:.*\n)?exit 0`, true},
		{"ifconfig shows loopback", `ifconfig lo0`, `^lo0: flags=\w+<UP,LOOPBACK,RUNNING,MULTICAST> mtu 16384\n(.*\n)*\tinet 127\.0\.0\.1 netmask 0xff000000\n(.*\n)*\tinet6 fe80::1%lo0 prefixlen 64 scopeid 0x1\b`, false},
		{"netstat shows a default route of IPv4", `netstat -rn | sed '/^Internet6/q' | grep '^default'`, `^default +\S+ +U\S* +\S+\n`, false},
		{"xattr says which attribute there is not", `xattr -p com.apple.quarantine /private/etc/hosts`, `^xattr: /private/etc/hosts: No such xattr: com\.apple\.quarantine\nexit 1`, false},
		{"stat shows mode and owner", `stat -f '%p %u:%g' /private/etc/hosts`, `^100644 0:0\nexit 0`, false},
		{"the console belongs to who is at the screen", `stat -f %Su /dev/console`, `^\w+\nexit 0`, false},
		{"an argument list can have a mebibyte", `getconf ARG_MAX`, `^1048576\nexit 0`, true},
		{"there is perl", `perl -e 'print "$^V\n"'`, `^v5\.\d+`, true},
		{"perl ends what takes too long", `perl -e 'my $p = fork // exit 126; unless ($p) { exec @ARGV; exit 127 } $SIG{ALRM} = sub { kill 9, $p; exit 124 }; alarm 1; waitpid $p, 0' /bin/sleep 30`, `exit 124`, true},
		{"sudo of root needs no password", `sudo -n -H -u nobody /usr/bin/id -un`, `^nobody\nexit 0`, false},
		{"sshd takes ten sessions on a connection", `/usr/sbin/sshd -T | grep -i '^maxsessions'`, `(?i)^maxsessions 10\n`, true},
		{"Remote Login is on, and root may know", `systemsetup -getremotelogin`, `^Remote Login: On\n`, true},

		// pf.
		{"with -n, root's table commands are a dummy", `pfctl -n -t tfacc -T add 192.0.2.1`, `\(dummy\)`, true},
		{"pfctl refuses what is no token", `pfctl -X abc | head -1`, `^pfctl: Invalid token value 'abc'`, true},
		{"giving back a reference needs an enabled pf", off + `pfctl -X 1`, `^(pf is in use|(.*\n)*pfctl: pf not enabled\nexit 1)`, false},
		{"the last reference disables pf", off + `pfctl -X "$(pfctl -E 2>&1 | sed -n 's/^Token : //p')"`, `^(pf is in use|(.*\n)*pf disabled\nexit 0)`, false},
		{"a macro's value is one word", rules + "x = 22 80\nEND", `syntax error`, false},
		{"a macro's value in quotes is text", rules + "x = \"22 80\"\npass in proto tcp to any port { $x }\nEND", `(?s)port = 22 .*port = 80 `, false},
		{"an anchor's body begins with a rule", rules + "anchor \"x\" {\n# no comment\npass all\n}\nEND", `syntax error`, false},
		{"numbers of ports are not made names", rules + "pass in proto tcp to any port ssh\nEND", `port = 22 `, false},
		{"the user nobody is a number", rules + "pass out proto tcp all user nobody\nEND", `user = 4294967294 `, false},
		{"interfaces can be shown with what is skipped", `pfctl -q -v -s Interfaces | grep -A 1 '^lo0'`, `^lo0`, true},

		// launchd.
		{"launchctl ends with 1 for an unknown verb", `launchctl tfacc`, `Unrecognized subcommand: tfacc\n(.*\n)*exit (1|64)`, true},
		{"a label that is not loaded is 113", `launchctl print system/tfacc.none`, `Could not find service "tfacc\.none" in domain for system\nexit 113`, false},
		{"a domain that there is not is 112", `launchctl print gui/4711`, `Could not find domain for .*4711\nexit (112|125)`, false},
		{"a path that there is not is 5", `launchctl bootstrap system /Library/LaunchDaemons/tfacc.none.plist`, `Bootstrap failed: (5|2): .*\n(.*\n)*exit (5|2)`, false},
		{"a file that is no property list is 109", load("644", "no list"), `Bootstrap failed: (109|5): `, false},
		{"a job without a program is 111", load("644", `<plist version="1.0"><dict><key>Label</key><string>tfacc.none</string></dict></plist>`), `Bootstrap failed: (111|5): `, false},
		{"a file that the group may write is 122", load("664", `<plist version="1.0"><dict><key>Label</key><string>tfacc.none</string><key>Program</key><string>/usr/bin/true</string></dict></plist>`), `Bootstrap failed: (122|5): `, false},
		{"the store says that sshd is enabled", `launchctl print-disabled system | sed -n '/disabled services = {/,/}/p' | grep openssh.sshd`, `"com\.openssh\.sshd" => (enabled|false)\n`, false},
		{"sshd's job is Apple's file", `launchctl print system/com.openssh.sshd | grep '^	path = '`, `^\tpath = /System/Library/LaunchDaemons/ssh\.plist\n`, false},
	} {
		t.Run(fact.is, func(t *testing.T) {
			macs(t, func(t *testing.T, mac *testMac) {
				if mac.Mac != nil && fact.real {
					t.Skip("the simulated Mac does not model this")
				}
				got := mac.sh("(\n" + fact.script + "\n) 2>&1\nprintf 'exit %s\\n' $?")
				t.Logf("%s\n%s", fact.script, got)
				if !regexp.MustCompile(fact.want).MatchString(got) {
					t.Errorf("it does not match %s", fact.want)
				}
			})
		})
	}
}
