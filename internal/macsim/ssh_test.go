package macsim

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/ssh"
)

// dial logs in as the Mac's user.
func dial(t *testing.T, m *Mac) *ssh.Client {
	t.Helper()
	c, err := tryDial(m)
	if err != nil {
		t.Fatal(err)
	}
	stuck := time.AfterFunc(20*time.Second, func() { _ = c.Close() })
	t.Cleanup(func() {
		stuck.Stop()
		_ = c.Close()
	})
	return c
}

func tryDial(m *Mac) (*ssh.Client, error) {
	config, err := clientConfig(m)
	if err != nil {
		return nil, err
	}
	return ssh.Dial("tcp", m.Addr(), config)
}

func clientConfig(m *Mac) (*ssh.ClientConfig, error) {
	config := &ssh.ClientConfig{User: m.User, HostKeyCallback: ssh.FixedHostKey(m.HostKey()), Timeout: 10 * time.Second}
	if key := m.ClientKey(); key != "" {
		signer, err := ssh.ParsePrivateKey([]byte(key))
		if err != nil {
			return nil, err
		}
		config.Auth = append(config.Auth, ssh.PublicKeys(signer))
	} else {
		config.Auth = append(config.Auth, ssh.Password(m.Password))
	}
	return config, nil
}

type result struct {
	Stdout, Stderr string
	Exit           int
}

// over runs a command over SSH.
func over(t *testing.T, c *ssh.Client, command, stdin string) result {
	t.Helper()
	s, err := c.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	var out, errs bytes.Buffer
	s.Stdout, s.Stderr = &out, &errs
	in, err := s.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	go func() { // not s.Stdin, with which a command that ends without reading is an error
		_, _ = io.WriteString(in, stdin)
		_ = in.Close()
	}()
	r := result{}
	var exit *ssh.ExitError
	if err := s.Run(command); errors.As(err, &exit) {
		r.Exit = exit.ExitStatus()
	} else if err != nil {
		t.Fatalf("%s: %v", command, err)
	}
	r.Stdout, r.Stderr = out.String(), errs.String()
	return r
}

func TestExec(t *testing.T) {
	m := Start(t, Mac{Client: netip.MustParseAddrPort("100.64.0.9:51234"), Server: netip.MustParseAddrPort("100.64.0.5:22")})
	c := dial(t, m)
	for _, tt := range []struct {
		name, command, stdin string
		want                 result
	}{
		{"plain", "echo hi; exit 3", "", result{Stdout: "hi\n", Exit: 3}},
		{"stdin", "cat", "a\nb", result{Stdout: "a\nb"}},
		{"sh", "exec /bin/sh -s", "read -r x\nhello\necho \"$x $0\"\n", result{Stdout: "hello /bin/sh\n"}},
		{"who", "id -u; id -un; echo $HOME $SHELL; pwd; uname -s", "", result{Stdout: "501\nadmin\n/Users/admin /bin/zsh\n/Users/admin\nDarwin\n"}},
		{"path", "echo $PATH; echo $SSH_CONNECTION", "", result{Stdout: "/usr/bin:/bin:/usr/sbin:/sbin\n100.64.0.9 51234 100.64.0.5 22\n"}},
		{"missing", "timeout 1 true", "", result{Stderr: "zsh:1: command not found: timeout\n", Exit: 127}},
		{"missing-path", "/usr/bin/flock x", "", result{Stderr: "zsh:1: no such file or directory: /usr/bin/flock\n", Exit: 127}},
		{"missing-sh", "/bin/sh -c 'getent passwd'", "", result{Stderr: "sh: getent: command not found\n", Exit: 127}},
		{"no-access", "cat /var/root/x; echo x >/etc/x", "", result{Stderr: "cat: /var/root/x: Permission denied\nzsh:1: permission denied: /etc/x\n", Exit: 1}},
		{"sudo", "sudo -n -H /bin/sh -c 'id -u; echo $HOME; echo x >/etc/x; cat'", "rest\n", result{Stdout: "0\n/var/root\nrest\n"}},
		{"sealed", "sudo rm /bin/sh; sudo touch /usr/bin/x; sudo touch /usr/local/bin/x", "", result{
			Stderr: "rm: /bin/sh: Read-only file system\ntouch: /usr/bin/x: Read-only file system\n",
		}},
		{"group", "touch /tmp/a ~/b; stat -f '%p %Su:%Sg %N' /tmp/a b; stat -f '%Lp %HT' /private/etc /etc /tmp/", "", result{
			Stdout: "100644 admin:wheel /tmp/a\n100644 admin:staff b\n755 Directory\n755 Symbolic Link\n777 Directory\n",
		}},
		{"case", "cd ~; echo 1 >File; echo 2 >file; ls; cat FILE", "", result{Stdout: "File\nLibrary\nb\n2\n"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, over(t, c, tt.command, tt.stdin)); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

func TestSudo(t *testing.T) {
	const script = "sudo -n true; sudo true; echo $?"
	const noTerminal = "sudo: a terminal is required to read the password; either use the -S option to read from standard input or configure an askpass helper\n"
	for _, tt := range []struct {
		name           string
		sudo           Sudo
		command, stdin string
		want           result
	}{
		{"free", SudoFree, script, "", result{Stdout: "0\n"}},
		{"free-reads-nothing", SudoFree, "sudo -S -p '' cat", "secret\nrest\n", result{Stdout: "secret\nrest\n"}},
		{"password", SudoPassword, script, "", result{
			Stdout: "1\n", Stderr: "sudo: a password is required\n" + noTerminal + "sudo: a password is required\n",
		}},
		{"right", SudoPassword, "sudo -S -p '' cat", "secret\nrest\n", result{Stdout: "rest\n"}},
		{"prompt", SudoPassword, "sudo -S true", "secret\n", result{Stderr: "Password:"}},
		{"wrong", SudoPassword, "sudo -S -p '' cat", "a\nb\nc\nrest\n", result{
			Stderr: "Sorry, try again.\nSorry, try again.\nsudo: 3 incorrect password attempts\n", Exit: 1,
		}},
		{"wrong-once", SudoPassword, "sudo -S -p '' cat", "a\n", result{Stderr: "Sorry, try again.\nsudo: 1 incorrect password attempt\n", Exit: 1}},
		{"end", SudoPassword, "sudo -S -p '' cat", "", result{Stderr: "\nsudo: no password was provided\n", Exit: 1}},
		{"refused", SudoRefused, "sudo -S -p '' cat", "secret\n", result{
			Stderr: "admin is not in the sudoers file.\nThis incident has been reported to the administrator.\n", Exit: 1,
		}},
		{"refused-n", SudoRefused, "sudo -n true", "", result{Stderr: "sudo: a password is required\n", Exit: 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := Start(t, Mac{Sudo: tt.sudo, Password: "secret"})
			if diff := cmp.Diff(tt.want, over(t, dial(t, m), tt.command, tt.stdin)); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

// TestRootShell is a shell that reads what it does from its stdin, a line at a time, as root.
func TestRootShell(t *testing.T) {
	for _, shell := range []string{"zsh", "bash", "fish", "tcsh"} {
		t.Run(shell, func(t *testing.T) {
			m := Start(t, Mac{Shell: shell, Noise: "noise\n"})
			s, err := dial(t, m).NewSession()
			if err != nil {
				t.Fatal(err)
			}
			stdin, _ := s.StdinPipe()
			stdout, _ := s.StdoutPipe()
			lines := bufio.NewScanner(stdout)
			if err := s.Start(`exec sudo -n /bin/sh -c 'IFS= read -r s && eval "$(printf %s "$s" | /usr/bin/base64 -d)"'`); err != nil {
				t.Fatal(err)
			}
			send := func(text string) { _, _ = fmt.Fprintln(stdin, base64.StdEncoding.EncodeToString([]byte(text))) }
			var got []string
			until := func(last string) {
				for lines.Scan() {
					got = append(got, lines.Text())
					if lines.Text() == last {
						return
					}
				}
				t.Fatalf("no %q after %q", last, got)
			}
			send("answer() {\n  echo \"= $1\"\n}\nn=0\nwhile IFS= read -r x; do\n  n=$((n + 1))\n" +
				"  (eval \"$(printf %s \"$x\" | /usr/bin/base64 -d)\") </dev/null\n  answer \"$n $?\"\ndone\n")
			send("id -u; cat; n=9; exit 4")
			until("= 1 4")
			send("set -eu\nfalse\necho never")
			until("= 2 1")
			_ = stdin.Close()
			if err := s.Wait(); err != nil {
				t.Error(err)
			}
			if diff := cmp.Diff([]string{"noise", "0", "= 1 4", "= 2 1"}, got); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

func TestMaxSessions(t *testing.T) {
	c := dial(t, Start(t, Mac{}))
	var open []*ssh.Session
	for range maxSessions {
		s, err := c.NewSession()
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, s)
	}
	_, err := c.NewSession()
	var refused *ssh.OpenChannelError
	if !errors.As(err, &refused) || refused.Reason != ssh.ConnectionFailed || refused.Message != "open failed" {
		t.Errorf("the 11th session: %v", err)
	}
	_ = open[0].Close()
}

func TestAuthentication(t *testing.T) {
	m := Start(t, Mac{Password: "secret", Banner: "Hello\n"})
	if got := over(t, dial(t, m), "echo in", ""); got.Stdout != "in\n" {
		t.Errorf("with the password: %+v", got)
	}
	banner := ""
	_, err := ssh.Dial("tcp", m.Addr(), &ssh.ClientConfig{
		User: m.User, Auth: []ssh.AuthMethod{ssh.Password("wrong")}, HostKeyCallback: ssh.FixedHostKey(m.HostKey()),
		BannerCallback: func(text string) error { banner = text; return nil },
	})
	if err == nil || !strings.Contains(err.Error(), "unable to authenticate") || banner != "Hello\n" {
		t.Errorf("with a wrong one: %v, banner %q", err, banner)
	}
}

func TestKeepalive(t *testing.T) {
	c := dial(t, Start(t, Mac{}))
	if ok, _, err := c.SendRequest("keepalive@openssh.com", true, nil); ok || err != nil {
		t.Errorf("answered with %v, %v; sshd refuses", ok, err)
	}
	if v := string(c.ServerVersion()); v != "SSH-2.0-OpenSSH_9.9" {
		t.Errorf("version %q", v)
	}
}

func TestLatency(t *testing.T) {
	m := Start(t, Mac{Latency: 20 * time.Millisecond})
	c := dial(t, m)
	start := time.Now()
	if _, _, err := c.SendRequest("keepalive@openssh.com", true, nil); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(start); took < 40*time.Millisecond {
		t.Errorf("a round trip took %v", took)
	}
	if got := over(t, c, "printf %s \"$(cat)\" | wc -c", strings.Repeat("x", 1<<20)); strings.TrimSpace(got.Stdout) != "1048576" {
		t.Errorf("%+v", got)
	}
}

func TestEnv(t *testing.T) {
	m := Start(t, Mac{})
	s, err := dial(t, m).NewSession()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Setenv("LC_ALL", "C"); err != nil {
		t.Error(err)
	}
	if err := s.Setenv("FOO", "x"); err == nil {
		t.Error("FOO was accepted")
	}
	if out, err := s.Output("echo $LC_ALL-$FOO"); err != nil || string(out) != "C-\n" {
		t.Errorf("%q, %v", out, err)
	}
}

func TestCut(t *testing.T) {
	for _, tt := range []struct {
		name string
		cut  Cut
		want string // of the file that follows the cut
	}{
		{"before", CutBefore, ""},
		{"after", CutAfter, "moved\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := Start(t, Mac{})
			m.Fail(func(argv []string) *Failure {
				if argv[0] == "mv" {
					return &Failure{Cut: tt.cut}
				}
				return nil
			})
			s, err := dial(t, m).NewSession()
			if err != nil {
				t.Fatal(err)
			}
			err = s.Run("echo moved >/tmp/a; mv /tmp/a /tmp/b; cp /tmp/b /tmp/c; touch /tmp/done; sleep 3600")
			var missing *ssh.ExitMissingError
			if !errors.As(err, &missing) {
				t.Fatalf("Run: %v", err)
			}
			if tt.cut == CutAfter {
				release := m.Hold("nothing")
				defer release()
				waitFor(t, m, "/tmp/done")
			}
			if got, _ := m.Files().Read("/tmp/c"); got != tt.want {
				t.Errorf("/tmp/c is %q, want %q", got, tt.want)
			}
		})
	}
}

// waitFor waits until a file exists.
func waitFor(t *testing.T, m *Mac, path string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if _, stderr, exit := m.Run(ctx, `until [ -e "$1" ]; do sleep 0.01; done`, path); exit != 0 {
		t.Fatalf("%s does not appear: %s", path, stderr)
	}
}

func TestLevers(t *testing.T) {
	m := Start(t, Mac{})
	c := dial(t, m)

	m.Fail(func(argv []string) *Failure {
		if argv[0] == "/bin/chmod" {
			return &Failure{Stderr: "chmod: no\n", Exit: 9}
		}
		return nil
	})
	if diff := cmp.Diff(result{Stderr: "chmod: no\n", Exit: 9}, over(t, c, "/bin/chmod 0 /tmp", "")); diff != "" {
		t.Error(diff)
	}
	m.Fail(nil)

	m.ForgetCalls()
	release := m.Hold("touch")
	done := make(chan result)
	go func() { done <- over(t, c, "sudo touch /tmp/x; true", "") }()
	m.Await("touch")
	if _, err := m.Files().Stat("/tmp/x"); err == nil {
		t.Error("touch ran while it was held")
	}
	release()
	release()
	if got := <-done; got.Exit != 0 {
		t.Errorf("%+v", got)
	}
	m.Await("touch")
	want := []Call{{[]string{"sudo", "touch", "/tmp/x"}, 501, true}, {[]string{"touch", "/tmp/x"}, 0, true}}
	if diff := cmp.Diff(want, m.Calls()); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}

	m.RefuseConnections(true)
	if _, err := tryDial(m); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("dialling while connections are refused: %v", err)
	}
	if got := over(t, c, "echo still", ""); got.Stdout != "still\n" {
		t.Errorf("%+v", got)
	}
	m.RefuseConnections(false)
	dial(t, m)

	m.CutConnections()
	if _, err := c.NewSession(); err == nil {
		t.Error("the connection lives")
	}
	dial(t, m)
}

// Other systems than Linux have not been tried.
func TestKeepPort(t *testing.T) {
	m := Start(t, Mac{})
	m.RefuseConnections(true)
	if l, err := net.Listen("tcp", m.Addr()); err == nil {
		_ = l.Close()
		if runtime.GOOS == "linux" {
			t.Error("somebody else got the port")
		}
	}
	m.RefuseConnections(false)
	dial(t, m)
}

func TestReboot(t *testing.T) {
	m := Start(t, Mac{})
	c := dial(t, m)
	before := m.String()
	s, err := c.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := s.Start("sudo sh -c 'echo a >/var/run/a; echo b >/tmp/b; echo c >/etc/c; sleep 3600 & echo d >/tmp/d; cat'"); err != nil {
		t.Fatal(err)
	}
	waitFor(t, m, "/tmp/d")
	m.Reboot()
	if err := s.Wait(); err == nil {
		t.Error("the session ended well")
	}
	if diff := cmp.Diff("/private/etc/c -rw-r--r-- 0:0\n\tc\n"+before, m.String()); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if got := over(t, dial(t, m), "cat /etc/c", ""); got.Stdout != "c\n" {
		t.Errorf("%+v", got)
	}
}

func TestPTY(t *testing.T) {
	m := Start(t, Mac{})
	s, err := dial(t, m).NewSession()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.RequestPty("xterm", 24, 80, ssh.TerminalModes{}); err != nil {
		t.Fatal(err)
	}
	stdin, _ := s.StdinPipe()
	stdout, _ := s.StdoutPipe()
	if err := s.Shell(); err != nil {
		t.Fatal(err)
	}
	defer m.Hold("sleep")()
	var screen bytes.Buffer
	for _, step := range []struct{ await, keys string }{
		{"~ % ", "cd /etc\r"},
		{"etc % ", "cat\r"},
		{"cat\r\n", "typedX\x7f\r\x04"},
		{"etc % ", "sudo id -u\r"},
		{"etc % ", "sleep 3600\r"},
		{"3600\r\n", "\x03"},
		{"etc % ", "oops\x03"},
		{"\r\nadmin@mini etc % ", "sudo -s\r"},
		{"# ", "id -un; cat\r"},
		{"cat\r\nroot\r\n", "nested\r\x04"},
		{"# ", "for x in a b\r"},
		{"> ", "do echo $x; done\r"},
		{"# ", "\x04"},
		{"etc % ", "if true\r"},
		{"> ", "then echo yes\r"},
		{"> ", "fi\r"},
		{"etc % ", "exit 5\r"},
	} {
		if step.keys == "\x03" {
			m.Await("sleep") // what is typed before a program runs is for the shell
		}
		from := screen.Len()
		for !strings.HasSuffix(screen.String()[from:], step.await) {
			if _, err := io.CopyN(&screen, stdout, 1); err != nil {
				t.Fatalf("awaiting %q: %v\n%s", step.await, err, screen.String())
			}
		}
		_, _ = io.WriteString(stdin, step.keys)
	}
	_, _ = io.Copy(&screen, stdout)
	var exit *ssh.ExitError
	if err := s.Wait(); !errors.As(err, &exit) || exit.ExitStatus() != 5 {
		t.Errorf("Wait: %v", err)
	}
	_, got, _ := strings.Cut(screen.String(), "\r\n") // the last login
	want := "admin@mini ~ % cd /etc\r\n" +
		"admin@mini etc % cat\r\ntypedX\b \b\r\ntyped\r\n" +
		"admin@mini etc % sudo id -u\r\n0\r\n" +
		"admin@mini etc % sleep 3600\r\n^C\r\n" +
		"admin@mini etc % oops\x1b[4D    \x1b[4D\r\n" +
		"admin@mini etc % sudo -s\r\nsh-3.2# id -un; cat\r\nroot\r\nnested\r\nnested\r\n" +
		"sh-3.2# for x in a b\r\n> do echo $x; done\r\na\r\nb\r\nsh-3.2# " +
		"admin@mini etc % if true\r\n> then echo yes\r\n> fi\r\nyes\r\n" +
		"admin@mini etc % exit 5\r\n"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

// TestClose leaves nothing behind that runs, whatever was going on.
func TestClose(t *testing.T) {
	m := Start(t, Mac{Latency: time.Millisecond})
	for _, command := range []string{"sleep 3600 & sleep 3600 & wait", "cat /dev/zero | tee /dev/null | cat", "sudo cat >/tmp/x", "read -r x", ""} {
		c := dial(t, m)
		s, err := c.NewSession()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.StdinPipe(); err != nil {
			t.Fatal(err)
		}
		if command == "" {
			err = errors.Join(s.RequestPty("xterm", 24, 80, ssh.TerminalModes{}), s.Shell())
		} else {
			err = s.Start("touch /tmp/begun; " + command)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	script(t, m, "com.acme.loop", "while :; do sleep 0.1; done", alive)
	waitFor(t, m, "/tmp/begun")
	m.Close()
	nothingRuns(t)
}

// nothingRuns waits until no goroutine of a Mac is left.
func nothingRuns(t *testing.T) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for {
		b := make([]byte, 1<<20)
		var left []string
		for stack := range strings.SplitSeq(string(b[:runtime.Stack(b, true)]), "\n\n") {
			if strings.Contains(stack, "mvdan.cc/sh") || strings.Contains(stack, "macsim.(*") {
				left = append(left, stack)
			}
		}
		if len(left) == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("still there:\n%s", strings.Join(left, "\n\n"))
		}
		runtime.Gosched()
	}
}

func TestSudoOnTTY(t *testing.T) {
	m := Start(t, Mac{Password: "secret", Sudo: SudoPassword})
	s, err := dial(t, m).NewSession()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.RequestPty("xterm", 24, 80, ssh.TerminalModes{}); err != nil {
		t.Fatal(err)
	}
	stdin, _ := s.StdinPipe()
	stdout, _ := s.StdoutPipe()
	if err := s.Start("tty; sudo id -un; test -t 0 && test -t 1 && echo terminal; true </dev/null | cat; test -t 0 </dev/null || echo none"); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 1)
	var screen strings.Builder
	for !strings.HasSuffix(screen.String(), "Password:") {
		if _, err := stdout.Read(b); err != nil {
			t.Fatalf("%v after %q", err, screen.String())
		}
		screen.Write(b)
	}
	_, _ = io.WriteString(stdin, "secret\r")
	_, _ = io.Copy(&screen, stdout)
	if diff := cmp.Diff("/dev/ttys001\r\nPassword:\r\nroot\r\nterminal\r\nnone\r\n", screen.String()); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}
