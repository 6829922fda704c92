package macsim

import (
	"errors"
	"io/fs"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestFiles is what differs from the host's file system, and so is not in TestConformance.
func TestFiles(t *testing.T) {
	for _, tt := range []struct {
		name, script string
		want         result
	}{
		{"case", `cd /tmp; echo a >Name; mv Name nAME; ls; echo b >>NAME; cat name; mkdir D; touch d/x; ls D`, result{Stdout: "nAME\na\nb\nx\n"}},
		{"case-rename-over", `cd /tmp; echo a >A; echo b >b; mv b a; ls; cat A`, result{Stdout: "a\nb\n"}},
		{"colon", `: >/etc/pf.anchors/a:b; ls /etc/pf.anchors`, result{Stdout: "a:b\ncom.apple\n"}},
		{"links", `ls -ld /etc | cut -c1; cd /etc; pwd; pwd -P; readlink /var`, result{Stdout: "l\n/etc\n/private/etc\nprivate/var\n"}},
		{"loop", `cd /tmp; ln -s b a; ln -s a b; cat a`, result{Stderr: "cat: a: Too many levels of symbolic links\n", Exit: 1}},
		{"sealed", `echo x >/System/x; rm -rf /bin/ls; mv /tmp /usr/x`, result{
			Stderr: "sh: /System/x: Read-only file system\nrm: /bin/ls: Read-only file system\nmv: rename /tmp to /usr/x: Read-only file system\n", Exit: 1,
		}},
		{"immutable", `cd /tmp; echo a >f; chflags uchg f; echo b >f; rm -f f; mv f g; chmod 600 f; stat -f %Sf f; chflags nouchg f; rm f; ls`, result{
			Stdout: "uchg\n",
			Stderr: "sh: f: Operation not permitted\nrm: f: Operation not permitted\nmv: rename f to g: Operation not permitted\n" +
				"chmod: Unable to change file mode on f: Operation not permitted\n",
		}},
		{"sticky", `touch /tmp/f; sudo -u admin rm /tmp/f; ls /tmp`, result{Stdout: "f\n", Stderr: "rm: /tmp/f: Operation not permitted\n"}},
		{"group", `cd /Users/admin; touch a; mkdir d; stat -f '%Sg %g' a d; cd /tmp; touch b; stat -f %Sg b`, result{Stdout: "staff 20\nstaff 20\nwheel\n"}},
		{"xattr", `cd /tmp; : >f; xattr -w com.apple.quarantine 0081 f; xattr f; xattr -p com.apple.quarantine f; cp f g; mv f h; xattr -l g h; xattr -d com.apple.quarantine g; xattr -p com.apple.quarantine g`, result{
			Stdout: "com.apple.quarantine\n0081\ng: com.apple.quarantine: 0081\nh: com.apple.quarantine: 0081\n",
			Stderr: "xattr: g: No such xattr: com.apple.quarantine\n", Exit: 1,
		}},
		{"cp-inode", `cd /tmp; echo a >f; i=$(stat -f %i f); echo b >g; cp g f; [ $i = $(stat -f %i f) ] && echo kept; mv g f; [ $i = $(stat -f %i f) ] || echo new`, result{Stdout: "kept\nnew\n"}},
		{"stat", `cd /tmp; printf abc >f; chmod 4755 f; chown nobody:staff f; stat -f '%p %Lp %OMp %Su %Sg %u %g %z %HT %N %Sp' f; date -r 0 -u; stat -f %m f | tr -d 0-9; stat f2 2>&1; stat -c %a f`, result{
			Stdout: "104755 755 4 nobody staff 4294967294 20 3 Regular File f -rwsr-xr-x\nThu Jan  1 00:00:00 UTC 1970\n\nstat: macsim: only stat -f FORMAT FILE is modelled\n",
			Stderr: "stat: illegal option -- c\nusage: stat [-FLnq] [-f format | -l | -r | -s | -x] [-t timefmt] [file ...]\n", Exit: 1,
		}},
		{"mktemp", `mktemp /tmp/a.XXX.y; mktemp /tmp/a.XXX.y; mktemp -d /nowhere/x.XXXXXX`, result{
			Stdout: "/tmp/a.XXX.y\n",
			Stderr: "mktemp: mkstemp failed on /tmp/a.XXX.y: File exists\nmktemp: mkdtemp failed on /nowhere/x.XXXXXX: No such file or directory\n", Exit: 1,
		}},
		{"long", `{ : >/tmp/$(printf %0256d 0); } 2>/dev/null || echo no; : >/tmp/$(printf %0255d 0) && echo yes`, result{Stdout: "no\nyes\n"}},
		{"install", `cd /tmp; echo a >f; install -m 0640 -o admin -g admin f g; stat -f '%Lp %Su:%Sg' g; install -d -m 700 x/y; stat -f %Lp x/y`, result{Stdout: "640 admin:admin\n700\n"}},
		{"owner", `cd /tmp; : >f; chown nosuch f; chgrp nosuch f; sudo -u admin chown admin f; chown admin f; sudo -u admin chgrp staff f; stat -f %Su:%Sg f`, result{
			Stdout: "admin:staff\n",
			Stderr: "chown: nosuch: illegal user name\nchgrp: nosuch: illegal group name\nchown: f: Operation not permitted\n",
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := Start(t, Mac{})
			var got result
			got.Stdout, got.Stderr, got.Exit = m.Run(t.Context(), tt.script)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

func TestByHand(t *testing.T) {
	m := Start(t, Mac{})
	f := m.Files()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Error(err)
		}
	}
	before := m.String()
	check(f.Mkdir("/opt/a/b"))
	check(f.Write("/opt/a/b/c", "text"))
	check(f.Chmod("/opt/a/b/c", 0o640))
	check(f.Chown("/opt/a/b/c", 501, 20))
	check(f.SetXattr("/opt/a/b/c", "com.apple.quarantine", "0081;"))
	check(f.Symlink("b/c", "/opt/a/d"))
	check(f.Write("/etc/hosts", "changed\n"))
	check(f.Remove("/etc/shells"))
	check(f.SetImmutable("/etc/hosts", true))
	want := "/opt/a drwxr-xr-x 0:0\n/opt/a/b drwxr-xr-x 0:0\n" +
		"/opt/a/b/c -rw-r----- 501:20 com.apple.quarantine=\"0081;\"\n\ttext\n\\ No newline at end of file\n" +
		"/opt/a/d lrwxr-xr-x 0:0 -> b/c\n/private/etc/hosts -rw-r--r-- 0:0 uchg\n\tchanged\n/private/etc/shells is gone\n" + before
	if diff := cmp.Diff(want, m.String()); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}

	if text, err := f.Read("/opt/A/D"); text != "text" || err != nil {
		t.Errorf("through the link: %q, %v", text, err)
	}
	i, err := f.Stat("/opt/a/d")
	check(err)
	if i.Name() != "c" || i.Mode() != 0o640 || i.UID != 501 || i.Size() != 4 || time.Since(i.ModTime()) > time.Minute {
		t.Errorf("Stat: %+v", i)
	}
	if i, err = f.Lstat("/opt/a/d"); err != nil || i.Mode()&fs.ModeSymlink == 0 || i.Link != "b/c" {
		t.Errorf("Lstat: %+v, %v", i, err)
	}
	names, err := f.List("/opt/a")
	check(err)
	if diff := cmp.Diff([]string{"b", "d"}, names); diff != "" {
		t.Error(diff)
	}
	check(f.Rename("/opt/a", "/opt/z"))
	for _, err := range []error{f.Rename("/opt/a", "/opt/b"), f.Remove("/opt/a"), f.Chmod("/opt/a", 0)} {
		if !errors.Is(err, os.ErrNotExist) {
			t.Errorf("on what is not there: %v", err)
		}
	}
	if err := f.Write("/etc/hosts", ""); !errors.Is(err, os.ErrPermission) {
		t.Errorf("writing what is immutable: %v", err)
	}
}

func TestFull(t *testing.T) {
	m := Start(t, Mac{})
	m.Files().Fill("/etc", 5)
	_, stderr, exit := m.Run(t.Context(), `printf 12345678 >/tmp/a && cp /tmp/a /etc/a`)
	if want := "cp: /etc/a: No space left on device\n"; stderr != want || exit != 1 {
		t.Errorf("%q, exit %d", stderr, exit)
	}
	if text, _ := m.Files().Read("/etc/a"); text != "12345" {
		t.Errorf("/etc/a is %q", text)
	}
	_, stderr, _ = m.Run(t.Context(), `mkdir /etc/b; ln -s x /etc/c; : >/etc/d; printf x >/etc/a; mkdir /var/run/b && printf fits >/var/run/b/c`)
	want := `mkdir: /etc/b: No space left on device
ln: /etc/c: No space left on device
sh: /etc/d: No space left on device
sh: line 0: printf: write error: No space left on device
`
	if diff := cmp.Diff(want, stderr); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	m.Files().Free()
	if _, stderr, exit := m.Run(t.Context(), `cp /tmp/a /etc/a`); exit != 0 {
		t.Errorf("when it is free again: %s", stderr)
	}
}

func TestClock(t *testing.T) {
	m := Start(t, Mac{Second: time.Millisecond})
	start := time.Now()
	out, _, _ := m.Run(t.Context(), `a=$(date +%s); sleep 100; b=$(date +%s); [ $((b - a)) -ge 100 ] && echo yes`)
	if took := time.Since(start); out != "yes\n" || took < 100*time.Millisecond {
		t.Errorf("%q after %v", out, took)
	}
}
