package macsim

import (
	"bytes"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// snippets mean the same to every POSIX shell. Each runs here and, where the host has a sh, there.
var snippets = map[string]string{
	"exit":          `exit 7`,
	"and-or":        `false || echo or; true && echo and; ! false && echo not`,
	"set-e":         `set -e; false; echo no`,
	"set-e-if":      `set -eu; if false; then echo a; else echo b; fi; false || echo c`,
	"function":      `f() { printf '%s-' "$@"; return 3; }; f a 'b c' || echo $?`,
	"positional":    `set -- a 'b c' d; echo $# "$2"; shift; echo "$*"; for x; do echo "<$x>"; done`,
	"arg0":          `sh -c 'echo "$0" "$1"' zero one`,
	"case":          `for x in a.plist b.conf c; do case $x in *.plist) echo p;; b*|d*) echo b;; *) echo other;; esac; done`,
	"substitution":  `x=$(printf 'a\nb\n\n'); echo "$x"; echo "$(echo "$(echo deep)")"`,
	"parameters":    `x=/a/b.c; echo ${x##*/} ${x%.*} ${x%%/*} ${x#/} ${y:-unset} ${x:+set} ${#x}`,
	"arithmetic":    `i=0; while [ $i -lt 3 ]; do i=$((i + 1)); echo $i; done`,
	"heredoc":       "x=1\ncat <<E\na $x\n\tb\nE\ncat <<'E'\n$x\nE\ncat <<-E\n\ttab\n\tE\n",
	"pipe":          `printf '%s\n' c a b | sort | head -n 2 | tr a-z A-Z`,
	"pipe-status":   `false | true; echo $?; true | false; echo $?`,
	"pipe-subshell": `x=1; echo 2 | while read -r y; do x=$y; done; echo $x`,
	"read":          `printf 'a b  c\n d\\e \n' | { read -r x y; IFS= read -r z; printf '%s\n' "$x|$y|$z|"; read -r w || echo "end<$w>"; }`,
	"read-nl":       `printf 'cut' | { IFS= read -r x; echo "$? $x"; }`,
	"read-rest":     `printf 'first\nsecond\nthird\n' | { read -r x; echo "$x"; cat; }`,
	"read-sh":       `printf 'first\nsecond\nthird\n' | { read -r x; sh -c 'read -r y; echo "sh $y"'; cat; }`,
	"sh-s":          `printf 'read -r x\nthe line\necho "got $x"; exit 4\nnever\n' | sh -s; echo $?`,
	"sh-s-args":     `printf 'echo "$#" "$2"' | sh -s a b`,
	"sh-s-block":    `printf 'if true\nthen cat <<E\nin here\nE\nfi\necho after\n' | sh`,
	"eval":          `x='echo "a   b"'; eval "$x"; eval 'y=1; (exit 3)'; echo $? $y`,
	"eval-subshell": `status=0; (eval 'cd /; exit 5') || status=$?; echo $status`,
	"loop":          `printf '%s\n' 'echo 1' 'exit 2' 'x=3; echo $x' | while IFS= read -r line; do (eval "$line") </dev/null; echo "= $?"; done`,
	"trap-exit":     `trap 'echo bye $?' EXIT; echo hi; exit 3`,
	"trap-end":      `trap 'echo bye' EXIT; echo hi`,
	"trap-signal":   `trap 'echo bye' EXIT HUP INT TERM; trap '' HUP; trap - EXIT; echo hi`,
	"trap-own":      `trap 'echo "caught $?"; x=2' TERM; x=1; kill -TERM $$; echo "x $x"; f() { kill $$; echo "after $?"; }; f && echo and`,
	"trap-exits":    `trap 'echo a; exit 9' TERM; trap 'echo "bye $?"' EXIT; kill -s TERM $$; echo never`,
	"trap-return":   `trap 'return 3' TERM; f() { kill -15 $$; echo never; }; f; echo $?; trap - TERM; trap 'echo "end $?"; exit' INT; (exit 4); kill -INT $$; echo never`,
	"trap-status":   `trap 'false; exit' EXIT; exit 3`,
	"trap-changes":  `trap 'exit 5' EXIT; exit 3`,
	"trap-both":     `trap 'echo x' EXIT TERM; kill -TERM $$; echo after`,
	"trap-killed":   `trap 'echo bye' EXIT; kill -TERM $$; echo never`,
	"trap-kill":     `sh -c 'trap "echo bye" EXIT; kill -KILL $$; echo never'; echo $?`,
	"trap-none":     `sh -c 'kill -TERM $$; echo never'; echo $?`,
	"trap-ignore":   `trap '' TERM; kill -TERM $$; echo here; sh -c 'trap "echo no" TERM; kill $$; echo "deaf too"'; trap; trap - TERM; kill $$; echo never`,
	"trap-exec":     `trap 'echo never' EXIT TERM; trap '' HUP; exec sh -c 'kill -HUP $$; echo became; kill $$; echo never'`,
	"trap-subshell": `trap 'echo main' TERM; (trap 'echo never' TERM; trap - HUP; trap '' INT; sh -c 'kill -INT $$; echo deaf'); kill $$; sh -c 'kill -INT $$'; echo $?`,
	"trap-last":     `trap 'echo "in the end"' TERM; kill $$`,
	"trap-pipe":     `(trap '' PIPE; while echo y; do :; done 2>/dev/null; echo "went on" >&2) 2>&1 | head -n 1 | cat; (while echo y; do :; done; echo "never" >&2) | head -n 1`,
	"trap-errexit":  `set -e; trap 'echo "bye $?"' EXIT; trap 'false; echo never' TERM; kill $$; echo never`,
	"trap-name":     `trap 'echo x' NOSUCH 2>/dev/null; echo $?; kill -NOSUCH $$ 2>/dev/null; echo $?; trap 'echo 0' 0; trap - EXIT`,
	"trap-words":    `trap 'set -- $1 c' TERM; set -- 'a b'; f() { echo "$# $1"; }; kill $$; f "$@" "it's  \"; shift; exec 2>&1; echo "$@"`,
	"unset":         `set -u; x=; echo "${x}" "${y-none}"; (echo "$z"; echo never) 2>/dev/null || echo failed`,
	"redirect":      `{ echo a; echo b >&2; } >macsim.1 2>&1; cat macsim.1; echo c >>macsim.1; wc -l <macsim.1 | tr -d ' '; rm macsim.1`,
	"devnull":       `echo a >/dev/null; cat </dev/null; echo $?; ls /nowhere 2>/dev/null || echo failed`,
	"stderr-order":  `(echo out; echo err >&2) 2>&1 | sort`,
	"test":          `[ a = a ] && [ a != b ] && [ -n x ] && [ -z "" ] && [ 2 -gt 1 ] && [ ! -e /nowhere ] && [ -d / ] && ! [ -f / ] && echo ok`,
	"test-words":    `[ ! ]; echo $?; [ -n ]; echo $?; [ "" ]; echo $?; [ = = = ]; echo $?; [ "(" = ")" ]; echo $?; [ 1 -eq 1 -a 2 -eq 2 ]; echo $?; [ "" -o x ]; echo $?`,
	"test-not-int":  `[ a -eq 1 ] 2>/dev/null; echo $?`,
	"printf":        `printf '%s|%5s|%-5s|%.2s|%c|%d|%05d|%x|%%|%b\n' a b c defg hi 42 42 255 'x\ty'`,
	"printf-reuse":  `printf '%s %s\n' a b c; printf '%s\n'; printf '\101\\n\n'; printf '%d %s\n' 3`,
	"printf-stop":   `printf '%b' 'a\cb'; printf 'end\n'`,
	"quoting":       `x='a  b'; echo $x "$x" 'it'\''s' "\$x \"q\"" \*`,
	"glob-none":     `echo /nowhere/*.plist`,
	"glob":          `mkdir m.d && cd m.d && : >a:b && : >.hidden && : >c && echo * ../m.d/a*; cd ..; rm -r m.d`,
	"command-v":     `command -v nowhere || echo none; command -v cd; command -v : ; command echo hi`,
	"notfound":      `nowhere 2>/dev/null; echo $?; /tmp 2>/dev/null; echo $?`,
	"umask":         `umask 077; umask; (umask 022; umask); sh -c umask`,
	"exec":          `exec sh -c 'echo replaced; exit 9'; echo never`,
	"exec-redirect": `exec >macsim.2; echo inside; exec 1>&2; cat macsim.2; rm macsim.2`,
	"background":    `x=$( (echo bg) & wait); echo "$x"; true & wait $!; echo $?`,
	"subshell-cd":   `cd /; (cd usr; pwd); pwd; cd /usr/..; pwd`,
	"env":           `x=1 sh -c 'echo $x'; export y=2; sh -c 'echo $y'; z=3; sh -c 'echo "<$z>"'; unset y; sh -c 'echo "<$y>"'`,
	"local":         `x=1; f() { x=2; }; f; echo $x; g() { echo "$1 $#"; }; set -- p; g q r; echo $1`,
	"while-break":   `for i in 1 2 3 4; do [ $i = 2 ] && continue; [ $i = 4 ] && break; echo $i; done`,
	"base64":        `printf 'hello\000world' | base64 | base64 -d | wc -c | tr -d ' '; printf %s 'ZWNobyBoaQ==' | base64 -d | sh`,
	"sed":           `printf 'Token : 12\nother\nToken : 34\n' | sed -n 's/^Token : *//p'; printf 'a/b/c\n' | sed 's,/,:,g; s/\(a\):\(b\)/\2-\1/'`,
	"sed-address":   `printf '%s\n' 1 2 3 4 5 | sed -n '2,4p'; printf '%s\n' 1 2 3 | sed '$d'; printf '%s\n' a b c d | sed '/b/,/c/d'; printf '%s\n' a b | sed 1q`,
	"sed-misc":      `printf 'a.b\n' | sed 's/\./[&]/; y/ab/xy/'; printf 'aXbXc\n' | sed 's/X/-/2'; printf 'x\n' | sed -e 's/x/y/' -e '/y/s/$/!/'; printf nonl | sed 's/n/N/'`,
	"grep":          `printf '%s\n' foo bar 'foo bar' | grep foo; printf 'a\nb\n' | grep -c .; printf 'a.c\nabc\n' | grep -F -x a.c; echo abc | grep -q b && echo yes; echo x | grep -v x; echo $?`,
	"grep-e":        `printf '%s\n' ab12 cd | grep -E '^[a-z]+[0-9]{2}$'; printf '%s\n' 'a word b' wordy | grep -w word; printf 'a\nb\n' | grep -n b; echo 'a+b' | grep 'a+b'; printf 'ab\n' | grep -o 'b'`,
	"tr":            `echo 'a/b:c' | tr / :; echo aabbc | tr -s ab; echo 'a1b2' | tr -d '[:digit:]'; echo abc | tr -c 'a\n' x; echo Hello | tr '[:upper:]' '[:lower:]'`,
	"cut":           `echo a:b:c | cut -d: -f2; echo a:b:c | cut -d: -f2-; echo abcdef | cut -c2-3,5; echo none | cut -d: -f2`,
	"sort":          `printf '%s\n' 10 9 9 a | sort -u; printf '%s\n' 10 9 2 | sort -n; printf '%s\n' a b | sort -r`,
	"head-tail":     `printf '%s\n' 1 2 3 4 | head -n 2; printf '%s\n' 1 2 3 4 | tail -n 1; printf '%s\n' 1 2 3 | tail -n +2; printf abcdef | head -c 3; echo`,
	"cmp":           `printf a >m.1; printf a >m.2; cmp -s m.1 m.2; echo $?; printf b >m.2; cmp -s m.1 m.2; echo $?; cmp -s m.1 m.3; echo $?; rm m.1 m.2`,
	"mv":            `echo a >m.1; echo b >m.2; mv -f m.1 m.2; cat m.2; [ -e m.1 ] || echo gone; mkdir m.d; mv m.2 m.d; ls m.d; rm -rf m.d`,
	"cp":            `echo a >m.1; chmod 600 m.1; cp m.1 m.2; echo b >m.1; cp m.1 m.2; cat m.2; ls -l m.2 | cut -c1-10; rm -f m.1 m.2`,
	"mkdir":         `mkdir -p m.a/b/c; mkdir -p m.a/b; mkdir m.a 2>/dev/null; echo $?; rmdir m.a 2>/dev/null; echo $?; rm -r m.a; ls -d m.a 2>/dev/null; echo done`,
	"ln":            `echo x >m.1; ln -s m.1 m.2; cat m.2; [ -L m.2 ] && echo link; rm m.2; cat m.1; rm m.1`,
	"chmod":         `: >m.1; for m in 600 u+x go=r a-w,u+w 1755; do chmod $m m.1; ls -l m.1 | cut -c1-10; done; rm -f m.1`,
	"mktemp":        `f=$(mktemp m.XXXXXX) && ls -l "$f" | cut -c1-10 && rm "$f"; d=$(mktemp -d m.XXXXXX) && ls -ld "$d" | cut -c1-10; rmdir "$d"`,
	"tee":           `echo a | tee m.1; echo b | tee -a m.1; cat m.1; rm m.1`,
	"dd":            `printf 'abcdefgh' | { dd bs=1 count=3 2>/dev/null; echo; cat; }`,
	"uniq":          `printf 'a\na\nb\na\n' | uniq; printf 'a\na\nb\n' | uniq -d`,
	"diff":          `printf '1\n2\n3\n4\n5\n6\n7\n8\n9\n' >m.1; printf '1\n2\nx\n4\n5\n6\n7\n8\n9\ny\n' >m.2; diff -u m.1 m.2 | tail -n +3; rm m.1 m.2`,
	"test-times":    `: >m.1; sleep 0.01; : >m.2; [ m.2 -nt m.1 ] && echo newer; [ m.1 -ot m.2 ] && echo older; [ m.1 -ef m.1 ] && echo same; rm m.1 m.2`,
	"dash-dash":     `: >-x; ls -- -x; rm -- -x; set -- -- a; echo "$1"; printf -- '-%s\n' a`,
	"basename":      `basename /a/b.txt .txt; dirname /a/b/c; basename /; dirname a`,
	"wc":            `printf 'a b\nc\n' | wc -w | tr -d ' '; printf 'abc' | wc -c | tr -d ' '`,
	"env-i":         `env -i A=1 B=2 sh -c 'echo $A$B'; A=1 env | grep '^A='`,
	"nohup":         `nohup sh -c 'echo hi' </dev/null 2>/dev/null | cat`,
	"big":           `x=$(head -c 200000 /dev/zero | tr '\0' x); printf %s "$x" | wc -c | tr -d ' '; printf %s "$x" | head -c 1; echo`,
	"sigpipe":       `while :; do echo y; done | head -n 2`,
	"pipe-odd": "printf 'a\nb\n' | # c\n while read -r x; do echo $x; done >m.1; cat m.1; echo a | { cat; } | cat && echo | cat; " +
		"case a in a|b) echo c | tr c d;; esac; echo x | cat <<E | tr h H\nhere\nE\necho 1 | exit 3; echo $?; rm m.1",
	"script": `printf '#!/bin/sh\necho "$0:$1"\n' >m.s; chmod +x m.s; ./m.s a; sh m.s b; ./m.s c; ` +
		`printf 'echo "sourced $1"; x=9\n' >m.s; set -- d;  . ./m.s; echo $x; rm m.s`,
	"errexit": `set -e; f() { false; echo in; }; f || echo handled; if f; then echo y; fi; ! true; echo $(false); x=$(false); echo never`,
	"fields":  `IFS=:; set -- a:b; x=a:b:c; for i in $x; do echo $i; done; echo "$*"; f() { echo "$#"; }; f $empty "" "$empty"`,
	"shasum":  `printf abc >m.1; shasum -a 256 m.1; shasum -a 256 <m.1; rm m.1`,
}

// TestConformance compares the Mac's sh with the host's: with bash, which is what it is on a Mac, or else with any sh.
func TestConformance(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the shells that come with Windows' git have files and signals of their own")
	}
	m := Start(t, Mac{})
	bin := t.TempDir()
	if bash, err := exec.LookPath("bash"); err == nil {
		if err := os.Symlink(bash, filepath.Join(bin, "sh")); err != nil {
			t.Fatal(err)
		}
	} else if _, err := exec.LookPath("sh"); err != nil {
		t.Skip("no shell to compare with")
	}
	before := m.String()
	// What this process ignores, as under nohup, the host's shell would ignore as well: a handler makes it the default again.
	hangUps := make(chan os.Signal, 1)
	signal.Notify(hangUps, syscall.SIGHUP)
	defer signal.Stop(hangUps)
	for name, script := range snippets {
		t.Run(name, func(t *testing.T) {
			cmd := exec.Command("/usr/bin/env", "PATH="+bin+":/usr/bin:/bin:/usr/sbin:/sbin", "sh", "-c", script, "sh")
			var want bytes.Buffer
			cmd.Dir, cmd.Stdout = t.TempDir(), &want
			cmd.Env = []string{"LC_ALL=C", "HOME=" + cmd.Dir}
			_ = cmd.Run()
			got, stderr, exit := m.Run(t.Context(), script)
			if diff := cmp.Diff(want.String(), got); diff != "" {
				t.Errorf("stdout (-host +mac):\n%s\nstderr: %s", diff, stderr)
			}
			if on := cmd.ProcessState.ExitCode(); exit != on && (on >= 0 || exit < 128) { // Below 0: a signal.
				t.Errorf("exit status %d, on the host %d; stderr: %s", exit, on, stderr)
			}
			if strings.Contains(stderr, "macsim") {
				t.Errorf("not modelled: %s", stderr)
			}
		})
	}
	if diff := cmp.Diff(before, m.String()); diff != "" {
		t.Errorf("left behind:\n%s", diff)
	}
}
