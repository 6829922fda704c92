package macsim

import (
	"maps"
	"slices"
)

// stockPFConf is /etc/pf.conf as macOS has shipped it since 10.9: a comment, then these six lines.
const stockPFConf = `#
# The main ruleset of the packet filter, loaded once at startup.
#
# pf is off by default: take a reference with pfctl -E and give it back with -X. System services put rules into the anchors
# below, so keep these lines, in this order. See pf.conf(5).
#

#
# com.apple anchor point
#
scrub-anchor "com.apple/*"
nat-anchor "com.apple/*"
rdr-anchor "com.apple/*"
dummynet-anchor "com.apple/*"
anchor "com.apple/*"
load anchor "com.apple" from "/etc/pf.anchors/com.apple"
`

const stockPFAnchor = `#
# com.apple ruleset, called from the main ruleset in pf.conf.
#

#
# AirDrop anchor point.
#
anchor "200.AirDrop/*"

#
# Application Firewall anchor point.
#
anchor "250.ApplicationFirewall/*"
`

const sshPlist = plistHeader + `<dict>
	<key>Disabled</key>
	<true/>
	<key>Label</key>
	<string>com.openssh.sshd</string>
	<key>Program</key>
	<string>/usr/libexec/sshd-keygen-wrapper</string>
	<key>Sockets</key>
	<dict>
		<key>Listeners</key>
		<dict>
			<key>SockServiceName</key>
			<string>ssh</string>
			<key>Bonjour</key>
			<array>
				<string>ssh</string>
				<string>sftp-ssh</string>
			</array>
		</dict>
	</dict>
	<key>inetdCompatibility</key>
	<dict>
		<key>Wait</key>
		<false/>
		<key>Instances</key>
		<integer>42</integer>
	</dict>
	<key>StandardErrorPath</key>
	<string>/dev/null</string>
	<key>POSIXSpawnType</key>
	<string>Interactive</string>
</dict>
</plist>
`

const pfctlPlist = plistHeader + `<dict>
	<key>Label</key>
	<string>com.apple.pfctl</string>
	<key>ProgramArguments</key>
	<array>
		<string>/sbin/pfctl</string>
		<string>-f</string>
		<string>/etc/pf.conf</string>
	</array>
	<key>RunAtLoad</key>
	<true/>
</dict>
</plist>
`

const plistHeader = `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
`

const stockHosts = `##
# Host Database
##
127.0.0.1	localhost
255.255.255.255	broadcasthost
::1             localhost
`

// stockServices is the part of /etc/services that rules and jobs name.
const stockServices = `ftp-data         20/tcp
ftp              21/tcp
ssh              22/udp
ssh              22/tcp
telnet           23/tcp
smtp             25/tcp
domain           53/udp
domain           53/tcp
bootps           67/udp
bootpc           68/udp
tftp             69/udp
http             80/udp     www www-http
http             80/tcp     www www-http
kerberos         88/udp
kerberos         88/tcp
pop3            110/tcp
sunrpc          111/udp
sunrpc          111/tcp
ntp             123/udp
netbios-ns      137/udp
netbios-dgm     138/udp
netbios-ssn     139/tcp
imap            143/tcp
snmp            161/udp
bgp             179/tcp
ldap            389/tcp
https           443/udp
https           443/tcp
microsoft-ds    445/tcp
isakmp          500/udp
syslog          514/udp
printer         515/tcp
afpovertcp      548/tcp
rtsp            554/tcp
submission      587/tcp
ipp             631/tcp
ldaps           636/tcp
rsync           873/tcp
imaps           993/tcp
pop3s           995/tcp
openvpn        1194/udp
ms-sql-s       1433/tcp
l2tp           1701/udp
nfsd           2049/tcp
mysql          3306/tcp
svn            3690/tcp
sip            5060/udp
xmpp-client    5222/tcp
mdns           5353/udp
postgresql     5432/tcp
rfb            5900/tcp
http-alt       8080/tcp
`

// user is an account of the Mac.
type user struct {
	name string
	uid  int
	gids []int // the first is the primary group
	home string
}

// accounts are those of the Mac: system ones, the Mac's user, and other people.
func (m *Mac) accounts() []user {
	all := []user{
		{"root", 0, []int{0, 1, 2, 3, 4, 5, 8, 12, 20, 29, 61, 80}, "/var/root"},
		{"daemon", 1, []int{1}, "/var/root"},
		{"_uucp", 4, []int{66}, "/var/spool/uucp"},
		{"_mdnsresponder", 65, []int{65}, "/var/empty"},
		{"_www", 70, []int{70}, "/Library/WebServer"},
		{"_mysql", 74, []int{74}, "/var/empty"},
		{"_sshd", 75, []int{75}, "/var/empty"},
		{"nobody", 4294967294, []int{4294967294}, "/var/empty"},
		{m.User, 501, []int{20, 12, 61, 79, 80, 98, 399}, "/Users/" + m.User},
	}
	for i, name := range m.People {
		all = append(all, user{name, 502 + i, []int{20, 12, 61}, "/Users/" + name})
	}
	return all
}

// groups are the names of the groups.
var groups = map[int]string{
	0: "wheel", 1: "daemon", 2: "kmem", 3: "sys", 4: "tty", 5: "operator", 8: "procview", 12: "everyone", 20: "staff",
	29: "certusers", 61: "localaccounts", 65: "_mdnsresponder", 66: "_uucp", 70: "_www", 74: "_mysql", 75: "_sshd",
	79: "_appserverusr", 80: "admin", 98: "_lpadmin", 399: "com.apple.access_ssh", 4294967294: "nobody",
}

// install writes the files of macOS.
func (m *Mac) install() error {
	f := m.files
	type entry struct {
		path, content string
		mode          uint32
		uid, gid      int
	}
	home := "/Users/" + m.User
	dirs := []entry{
		{path: "/private", mode: 0o755},
		{path: "/private/etc", mode: 0o755},
		{path: "/private/etc/pf.anchors", mode: 0o755},
		{path: "/private/etc/ssh", mode: 0o755},
		{path: "/private/etc/sudoers.d", mode: 0o755},
		{path: "/private/tmp", mode: modeSticky | 0o777},
		{path: "/private/var", mode: 0o755},
		{path: "/private/var/db", mode: 0o755},
		{path: "/private/var/db/com.apple.xpc.launchd", mode: 0o755},
		{path: "/private/var/log", mode: 0o755},
		{path: "/private/var/run", mode: 0o775, gid: 1},
		{path: "/private/var/root", mode: 0o750},
		{path: "/private/var/empty", mode: 0o755, gid: 3},
		{path: "/private/var/tmp", mode: modeSticky | 0o777},
		{path: "/Library", mode: 0o755},
		{path: "/Library/LaunchAgents", mode: 0o755},
		{path: "/Library/LaunchDaemons", mode: 0o755},
		{path: "/Library/Preferences", mode: 0o755},
		{path: "/Library/Logs", mode: 0o755, gid: 80},
		{path: "/Applications", mode: 0o775, gid: 80},
		{path: "/Users", mode: 0o755, gid: 80},
		{path: "/Users/Shared", mode: modeSticky | 0o777},
		{path: home, mode: 0o750, uid: 501, gid: 20},
		{path: home + "/Library", mode: 0o700, uid: 501, gid: 20},
		{path: "/System", mode: 0o755},
		{path: "/System/Library", mode: 0o755},
		{path: "/System/Library/LaunchDaemons", mode: 0o755},
		{path: "/bin", mode: 0o755},
		{path: "/sbin", mode: 0o755},
		{path: "/usr", mode: 0o755},
		{path: "/usr/bin", mode: 0o755},
		{path: "/usr/sbin", mode: 0o755},
		{path: "/usr/libexec", mode: 0o755},
		{path: "/usr/local", mode: 0o755},
		{path: "/usr/local/bin", mode: 0o755},
		{path: "/opt", mode: 0o755},
		{path: "/dev", mode: 0o755},
		{path: "/Volumes", mode: 0o755},
	}
	for i, name := range m.People {
		dirs = append(dirs, entry{path: "/Users/" + name, mode: 0o750, uid: 502 + i, gid: 20},
			entry{path: "/Users/" + name + "/Library", mode: 0o700, uid: 502 + i, gid: 20})
	}
	texts := []entry{
		{path: "/private/etc/pf.conf", content: stockPFConf, mode: 0o644},
		{path: "/private/etc/pf.anchors/com.apple", content: stockPFAnchor, mode: 0o644},
		{path: "/private/etc/hosts", content: stockHosts, mode: 0o644},
		{path: "/private/etc/services", content: stockServices, mode: 0o644},
		{path: "/private/etc/shells", content: "/bin/bash\n/bin/csh\n/bin/dash\n/bin/ksh\n/bin/sh\n/bin/tcsh\n/bin/zsh\n", mode: 0o644},
		{path: "/System/Library/LaunchDaemons/ssh.plist", content: sshPlist, mode: 0o644},
		{path: "/System/Library/LaunchDaemons/com.apple.pfctl.plist", content: pfctlPlist, mode: 0o644},
		{path: "/usr/libexec/sshd-keygen-wrapper", mode: 0o755},
	}
	for _, p := range slices.Sorted(maps.Keys(commands)) {
		if !isTailscale(p) && (!m.NoPerl || p != "/usr/bin/perl") {
			texts = append(texts, entry{path: p, mode: 0o755})
		}
	}
	set := func(e entry, create func() error) error {
		err := create()
		if err == nil {
			err = f.Chmod(e.path, e.mode)
		}
		if err == nil {
			err = f.Chown(e.path, e.uid, e.gid)
		}
		return err
	}
	for _, e := range dirs {
		if err := set(e, func() error { return f.Mkdir(e.path) }); err != nil {
			return err
		}
	}
	for _, e := range texts {
		if err := set(e, func() error { return f.Write(e.path, e.content) }); err != nil {
			return err
		}
	}
	for link, target := range map[string]string{"/etc": "private/etc", "/tmp": "private/tmp", "/var": "private/var"} {
		if err := f.Symlink(target, link); err != nil {
			return err
		}
	}
	if err := m.installTailscale(); err != nil {
		return err
	}
	return f.finish()
}

// finish makes the devices, and seals the system volume.
func (f *Files) finish() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	dev, err := f.find(rootCred, "/dev", true)
	if err != nil {
		return err
	}
	for name, mode := range map[string]uint32{"console": 0o600, "null": 0o666, "zero": 0o666, "tty": 0o666, "pf": 0o600} {
		f.link(dev, f.node(name, modeDevice|mode, 0, 0))
	}
	for _, path := range []string{"/System", "/bin", "/sbin", "/usr"} {
		n, err := f.find(rootCred, path, true)
		if err != nil {
			return err
		}
		n.seal()
	}
	return nil
}

// seal makes n and what is below it read-only, except /usr/local, which is on the other volume.
func (n *node) seal() {
	if n.name == "local" && n.parent.name == "usr" {
		return
	}
	n.sealed = true
	for _, k := range n.kids {
		k.seal()
	}
}
