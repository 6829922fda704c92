package macsim

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestPrograms is what programs say on a Mac and nowhere else.
func TestPrograms(t *testing.T) {
	m := Start(t, Mac{Hostname: "studio", Version: "26.5.1"})
	for _, tt := range []struct {
		name, script string
		want         result
	}{
		{"version", `sw_vers; sw_vers -productVersion; uname -sr; uname -m`, result{
			Stdout: "ProductName:\t\tmacOS\nProductVersion:\t\t26.5.1\nBuildVersion:\t\t25G90\n26.5.1\nDarwin 25.5.0\narm64\n",
		}},
		{"names", `hostname; scutil --get LocalHostName; scutil --get HostName`, result{
			Stdout: "studio.local\nstudio\n", Stderr: "HostName: not set\n", Exit: 1,
		}},
		{"sysctl", `sysctl -n hw.model; sysctl hw.ncpu; sysctl -n hw.nothing`, result{
			Stdout: "Mac14,3\nhw.ncpu: 8\n", Stderr: "sysctl: unknown oid 'hw.nothing'\n", Exit: 1,
		}},
		{"id", `id -un; id -g; whoami; id admin; id nosuch`, result{
			Stdout: "root\n0\nroot\nuid=501(admin) gid=20(staff) groups=20(staff),12(everyone),61(localaccounts),79(_appserverusr)," +
				"80(admin),98(_lpadmin),399(com.apple.access_ssh)\n",
			Stderr: "id: nosuch: no such user\n", Exit: 1,
		}},
		{"ifconfig", `ifconfig -l; ifconfig en0; ifconfig utun3; ifconfig utun4; ifconfig en9`, result{
			Stdout: "lo0 gif0 stf0 en0 en1 en5 awdl0 bridge0 bridge100 utun0 utun3 utun4 vlan0\n" +
				"en0: flags=8863<UP,BROADCAST,SMART,RUNNING,SIMPLEX,MULTICAST> mtu 1500\n" +
				"\toptions=6460<TSO4,TSO6,CHANNEL_IO,PARTIAL_CSUM,ZEROINVERT_CSUM>\n" +
				"\tether 14:7d:da:00:00:04\n" +
				"\tinet6 fe80::1c2b:3aff:fe4d:5e6f%en0 prefixlen 64 secured scopeid 0x4\n" +
				"\tinet 192.168.1.10 netmask 0xffffff00 broadcast 192.168.1.255\n" +
				"\tinet6 2001:db8:1::10 prefixlen 64\n" +
				"\tnd6 options=201<PERFORMNUD,DAD>\n\tmedia: autoselect\n\tstatus: active\n" +
				"utun3: flags=8051<UP,POINTOPOINT,RUNNING,MULTICAST> mtu 1280\n" +
				"\tinet 100.64.0.5 --> 100.64.0.5 netmask 0xffffffff\n" +
				"\tnd6 options=201<PERFORMNUD,DAD>\n" +
				"utun4: flags=8051<UP,POINTOPOINT,RUNNING,MULTICAST> mtu 1280\n" +
				"\tinet 10.8.0.2 --> 10.8.0.1 netmask 0xffffffff\n" +
				"\tnd6 options=201<PERFORMNUD,DAD>\n",
			Stderr: "ifconfig: interface en9 does not exist\n", Exit: 1,
		}},
		{"route", `route -n get default | sed -n '2,5p'`, result{
			Stdout: "destination: default\n       mask: default\n    gateway: 192.168.1.1\n  interface: en0\n",
		}},
		{"date", `date -u -r 1000000000 +%Y-%m-%dT%H:%M:%SZ; date -d now`, result{
			Stdout: "2001-09-09T01:46:40Z\n",
			Stderr: "date: illegal option -- d\n" +
				"usage: date [-jnRu] [-I[date|hours|minutes|seconds|ns]] [-f input_fmt] [ -z output_zone ] [-r filename|seconds]\n" +
				"            [-v[+|-]val[y|m|w|d|H|M|S]] [[[[mm]dd]HH]MM[[cc]yy][.SS] | new_date] [+output_fmt]\n",
			Exit: 1,
		}},
		{"base64", `printf hello | base64; printf 'aGVs!!' | base64 -d; printf aGVsbG8= | base64 -D`, result{
			Stdout: "aGVsbG8=\nhelhello", Stderr: "base64: stdin: (null): error decoding base64 input stream\n",
		}},
		{"gnu", `cat -A x; head --lines=1; ls --color; cp --backup a b; rm --verbose x; mkdir --parents x; touch --date=now x; echo $?`, result{
			Stdout: "1\n",
			Stderr: "cat: illegal option -- A\nusage: cat [-belnstuv] [file ...]\n" +
				"head: illegal option -- -\nusage: head [-n lines | -c bytes] [file ...]\n" +
				"ls: illegal option -- -\nusage: ls [-@ABCFGHILOPRSTUWabcdefghiklmnopqrstuvwxy1%,] [--color=when] [-D format] [file ...]\n" +
				"cp: illegal option -- -\nusage: cp [-R [-H | -L | -P]] [-fi | -n] [-aclpSsvXx] source_file target_file\n" +
				"       cp [-R [-H | -L | -P]] [-fi | -n] [-aclpSsvXx] source_file ... target_directory\n" +
				"rm: illegal option -- -\nusage: rm [-f | -i] [-dIPRrvWx] file ...\n       unlink [--] file\n" +
				"mkdir: illegal option -- -\nusage: mkdir [-pv] [-m mode] directory_name ...\n" +
				"touch: illegal option -- -\nusage: touch [-A [-][[hh]mm]SS] [-achm] [-r file] [-t [[CC]YY]MMDDhhmm[.SS]]\n" +
				"       [-d YYYY-MM-DDThh:mm:SS[.frac][tz]] file ...\n",
		}},
		{"digests", `printf abc >/tmp/a; md5 -q /tmp/a; md5 /tmp/a; shasum -a 256 /tmp/a; shasum -a 256 /tmp/a >/tmp/b; shasum -a 256 -c /tmp/b; rm /tmp/a /tmp/b`, result{
			Stdout: "900150983cd24fb0d6963f7d28e17f72\nMD5 (/tmp/a) = 900150983cd24fb0d6963f7d28e17f72\n" +
				"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  /tmp/a\n/tmp/a: OK\n",
		}},
		{"echo", `echo -n 'a\tb'; /bin/echo -n 'a\tb'; echo; /bin/sh -c 'echo "x\c"; echo y'`, result{Stdout: "-n a\tb\na\\tb\nxy\n"}},
		{"missing", `timeout 1 true; flock x; setsid x; ss; echo $?`, result{
			Stdout: "127\n",
			Stderr: "sh: timeout: command not found\nsh: flock: command not found\nsh: setsid: command not found\nsh: ss: command not found\n",
		}},
		{"errors", `cat /etc; cat nowhere; cp /etc x; mv nowhere x; rm /etc/pf.anchors; rmdir /etc/pf.anchors; mkdir /etc; cd nowhere; cd /etc/hosts`, result{
			Stderr: "cat: /etc: Is a directory\ncat: nowhere: No such file or directory\ncp: /etc is a directory (not copied).\n" +
				"mv: rename nowhere to x: No such file or directory\nrm: /etc/pf.anchors: is a directory\n" +
				"rmdir: /etc/pf.anchors: Directory not empty\nmkdir: /etc: File exists\n" +
				"sh: line 0: cd: nowhere: No such file or directory\nsh: line 0: cd: /etc/hosts: Not a directory\n",
			Exit: 1,
		}},
		{"nested-errors", `env nowhere; echo $?; sudo nowhere; echo $?; /bin/sh nowhere; echo $?; /etc; /etc/hosts; echo $?`, result{
			Stdout: "127\n1\n127\n126\n",
			Stderr: "env: nowhere: No such file or directory\nsudo: nowhere: command not found\nsh: nowhere: No such file or directory\n" +
				"sh: /etc: Is a directory\nsh: /etc/hosts: Permission denied\n",
		}},
		{"processes", `ps -p 1 -o pid=,command=; ps -p 99999; echo $?; kill -0 1 && echo lives; kill 99999`, result{
			Stdout: "    1 /sbin/launchd\n  PID TTY           TIME CMD\n1\nlives\n", Stderr: "sh: line 0: kill: (99999) - No such process\n", Exit: 1,
		}},
		{"signal", `echo a; kill -TERM $$; echo never`, result{Stdout: "a\n", Exit: 143}},
		{"root-environment", `env | grep -v __; cd; pwd`, result{
			Stdout: "HOME=/var/root\nLOGNAME=root\nPATH=/usr/bin:/bin:/usr/sbin:/sbin\nPWD=/var/root\nSHELL=/bin/sh\nUSER=root\n/var/root\n",
		}},
		{"not-modelled", `stat /etc; sed -i '' s/a/b/ x; route add 10.0.0.1`, result{
			Stderr: "stat: macsim: only stat -f FORMAT FILE is modelled\nsed: macsim: -i is not modelled\n" +
				"route: macsim: only route get is modelled\n",
			Exit: 1,
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got result
			got.Stdout, got.Stderr, got.Exit = m.Run(t.Context(), tt.script)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}
