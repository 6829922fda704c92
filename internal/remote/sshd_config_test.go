package remote_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/macos-fleet/terraform-provider-macos/internal/remote"
)

// Whoever has a working `ssh mini` needs nothing more. One connection and one login serve everything.
func TestSSHD(t *testing.T) {
	t.Parallel()
	s := sshd(t, start(t))
	h := remote.NewHost(configured(t, s.config(t, "mini")))
	defer h.Close()
	for range 3 {
		if _, err := h.Run(t.Context(), remote.Cmd{Script: "say hello"}); err != nil {
			t.Error(err)
		}
	}
	h.Close()
	if n, m := s.connections.Load(), s.logged("Accepted publickey"); n != 1 || m != 1 {
		t.Errorf("%d connections, %d logins", n, m)
	}
}

// What decides for whom an option is meant is left to ssh.
func TestSSHD_config(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("ssh"); err != nil {
		t.Skip("OpenSSH's ssh is not installed")
	}
	s := sshd(t, start(t))
	folder := t.TempDir()
	block := s.config(t, "mini")
	write(t, filepath.Join(folder, "fleet"), block)
	_, options, _ := strings.Cut(block, "\n")
	for name, text := range map[string]string{
		"include":      "Include " + filepath.Join(folder, "fl*") + "\n",
		"match-exec":   "Match host mini exec \"test %n = mini\"\n" + options,
		"match-none":   "Match host mini exec false\n  Port 1\nMatch all\n" + options,
		"negation":     "Host * !mini\n  Port 1\n" + block,
		"first-wins":   block + "Host *\n  Port 1\n  User nobody\n",
		"alias":        "Host mini\n  HostKeyAlias other\n  UserKnownHostsFile " + filepath.Join(folder, "known_hosts") + "\n" + block,
		"quoted-names": strings.ReplaceAll(block, "IdentityFile ", "IdentityFile "+filepath.Join(folder, "none")+"\n  IdentityFile \"") + "\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if name == "quoted-names" {
				text = strings.Replace(text, s.client, s.client+"\"", 1)
			}
			if name == "alias" {
				write(t, filepath.Join(folder, "known_hosts"), strings.Replace(s.known(), "[127.0.0.1]:"+s.port, "OTHER", 1))
			}
			if err := hello(t, configured(t, text)); err != nil {
				t.Error(err)
			}
		})
	}
}

// What the provider is told wins over ssh's configuration, which decides what is left.
func TestSSHD_attributesWin(t *testing.T) {
	t.Parallel()
	s := sshd(t, start(t))
	wrong := "Host mini\n  HostName 127.0.0.1\n  Port 1\n  User nobody\n  IdentityFile /nowhere\n  IdentitiesOnly yes\n  UserKnownHostsFile /nowhere\n" +
		"  ProxyCommand false\n  ConnectTimeout 1\n"
	to := configured(t, wrong)
	to.Port, to.User, to.PrivateKey, to.HostKey = number(t, s.port), s.user, read(t, s.client), authorized(s.hostKey.PublicKey())
	to.ProxyCommand, to.ConnectTimeout = "none", 20*time.Second
	if err := hello(t, to); err != nil {
		t.Error(err)
	}
	to.HostKey, to.KnownHosts = "", []string{filepath.Join(s.dir, "known")}
	write(t, to.KnownHosts[0], s.known())
	if err := hello(t, to); err != nil {
		t.Error(err)
	}
	to.ConfigFile, to.Address, to.ProxyCommand = "none", "127.0.0.1", ""
	if err := hello(t, to); err != nil {
		t.Error(err)
	}
	to.Address, to.User = s.user+"@127.0.0.1", ""
	if err := hello(t, to); err != nil {
		t.Error(err)
	}
	to.Address, to.User = "nobody@127.0.0.1", s.user
	if err := hello(t, to); err != nil {
		t.Error(err)
	}
}

// A name that Go's resolver does not know, Linux may.
func TestSSHD_lookUp(t *testing.T) {
	s := sshd(t, start(t))
	if runtime.GOOS != "linux" {
		t.Skip("only Linux is asked")
	}
	folder := t.TempDir()
	getent := "#!/bin/sh\n[ \"$*\" = 'ahostsv4 -- mini.invalid' ] || exit 2\necho '127.0.0.1       STREAM mini.invalid'\necho '127.0.0.1       DGRAM'\n"
	write(t, filepath.Join(folder, "getent"), getent)
	if err := os.Chmod(filepath.Join(folder, "getent"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", folder+string(os.PathListSeparator)+os.Getenv("PATH"))
	to := configured(t, s.config(t, "mini", "HostName mini.invalid", "AddressFamily inet", "HostKeyAlias [127.0.0.1]:"+s.port))
	if err := hello(t, to); err != nil {
		t.Error(err)
	}
	to = configured(t, s.config(t, "mini", "HostName maxi.invalid"))
	var dial *remote.DialError
	if err := hello(t, to); !errors.As(err, &dial) || dial.Stage != remote.StageName {
		t.Errorf("got %v", err)
	}
}

// A Mac is dialled by the family of addresses that is said, and by no other.
func TestSSHD_addressFamily(t *testing.T) {
	t.Parallel()
	s := sshd(t, start(t))
	for family, reaches := range map[string]bool{"any": true, "inet": true, "INET": true, "inet6": false} {
		to := configured(t, s.config(t, "mini", "AddressFamily "+family))
		to.ConnectTimeout = patience
		err := hello(t, to)
		var dial *remote.DialError
		if reaches != (err == nil) || !reaches && (!errors.As(err, &dial) || dial.Stage != remote.StageTCP) {
			t.Errorf("%s: got %v", family, err)
		}
	}
	if n := s.connections.Load(); n != 3 {
		t.Errorf("%d connections", n)
	}
}

// A configuration that cannot be read is told in ssh's own words.
func TestSSHD_configBroken(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("the commands of these configurations are for sh")
	}
	if _, err := exec.LookPath("ssh"); err != nil {
		t.Skip("OpenSSH's ssh is not installed")
	}
	for name, test := range map[string]struct{ text, want string }{
		"mistake":     {"Host mini\n  Port 22\n  Prot 22\n", "line 3: Bad configuration option: prot"},
		"exec-hangs":  {"Match exec \"sleep 10\"\n  Port 22\n", "no answer within the connect timeout"},
		"fdpass":      {"ProxyUseFdpass yes\n", "ProxyUseFdpass is not supported"},
		"variable":    {"IdentityFile ${REMOTE_TEST_UNSET}/key\n", "REMOTE_TEST_UNSET is not set"},
		"circle":      {"Host mini\n  ProxyJump b\nHost b\n  ProxyJump mini\n", "circles"},
		"jump-broken": {"ProxyJump a\nMatch host a exec \"sleep 10\"\n  Port 22\n", "no answer within the connect timeout"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			to := configured(t, test.text)
			if strings.Contains(test.text, "sleep") {
				to.ConnectTimeout = 500 * time.Millisecond
			}
			err := hello(t, to)
			var dial *remote.DialError
			if !errors.As(err, &dial) || dial.Stage != remote.StageConfig || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v", err)
			}
		})
	}
}
