package remote_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/macos-fleet/terraform-provider-macos/internal/macsim"
	"github.com/macos-fleet/terraform-provider-macos/internal/remote"
)

// Jump hosts, each with its own key, user and known hosts, lead to the Mac in every way in which they can be given.
func TestSSHD_jump(t *testing.T) {
	t.Parallel()
	first, second, mac := sshd(t, nil), sshd(t, nil), sshd(t, start(t))
	one, two, mini := first.config(t, "one"), second.config(t, "two"), mac.config(t, "mini")
	both := filepath.Join(t.TempDir(), "known_hosts")
	write(t, both, first.known()+mac.known())
	for name, test := range map[string]struct {
		config string
		jump   string // of the provider
		ways   [2]int32
	}{
		"one":                     {one + mac.config(t, "mini", "ProxyJump one"), "", [2]int32{1, 0}},
		"two":                     {one + two + mac.config(t, "mini", "ProxyJump one,two"), "", [2]int32{1, 1}},
		"two-by-their-own-config": {one + second.config(t, "two", "ProxyJump one") + mac.config(t, "mini", "ProxyJump ssh://two"), "", [2]int32{1, 1}},
		"of-the-provider":         {one + two + mini, "one,two", [2]int32{1, 1}},
		"provider-instead":        {one + two + mac.config(t, "mini", "ProxyJump one"), "two", [2]int32{0, 1}},
		"none":                    {mac.config(t, "mini", "ProxyJump nowhere.invalid"), "none", [2]int32{0, 0}},
		"everything-behind-one":   {"Match all\n  ProxyJump one\n" + one + mini, "", [2]int32{1, 0}},
		"same-address": {
			mac.config(t, "mini", "ProxyJump mini:"+first.port, "IdentityFile "+first.client, "UserKnownHostsFile "+both), "", [2]int32{1, 0},
		},
		"not-given-twice": {"Host two\n  ProxyJump nowhere.invalid\n" + one + two + mac.config(t, "mini", "ProxyJump one,two"), "", [2]int32{1, 1}},
	} {
		t.Run(name, func(t *testing.T) { // one by one, since connections are counted
			before := [2]int32{first.connections.Load(), second.connections.Load()}
			to := configured(t, test.config)
			to.ProxyJump = test.jump
			if err := hello(t, to); err != nil {
				t.Error(err)
			}
			if got := [2]int32{first.connections.Load() - before[0], second.connections.Load() - before[1]}; got != test.ways {
				t.Errorf("connections to the jump hosts: %v, want %v", got, test.ways)
			}
		})
	}
}

// All Macs behind a jump host share one connection to it, as long as one of them is connected. When it breaks, there is another one.
func TestSSHD_jumpShared(t *testing.T) {
	mac := start(t)
	jump, broken := sshd(t, nil), sshd(t, nil, "AllowUsers nobody-here")
	quiet(t)
	n := network(t, "127.0.0.1:"+jump.port)
	way := strings.Replace(jump.config(t, "one", "HostKeyAlias [127.0.0.1]:"+jump.port), "Port "+jump.port, fmt.Sprintf("Port %d", n.port), 1)
	config := configured(t, way+broken.config(t, "two")).ConfigFile
	fleet := func(jump string) (all []*remote.Host) {
		to, fleet := target(t, mac), new(remote.Fleet)
		for i := range 20 {
			to.Name, to.ConfigFile, to.ProxyJump = fmt.Sprint("mini-", i), config, jump
			to.ConnectTimeout = patience
			all = append(all, fleet.Host(to))
		}
		return all
	}
	each := func(all []*remote.Host, f func(*remote.Host)) {
		var done sync.WaitGroup
		for _, h := range all {
			done.Go(func() { f(h) })
		}
		done.Wait()
	}
	run := func(h *remote.Host) {
		if _, err := h.Run(t.Context(), remote.Cmd{Script: "say hello"}); err != nil {
			t.Error(err)
		}
	}
	macs := fleet("one")
	each(macs, run)
	if n := jump.connections.Load(); n != 1 {
		t.Errorf("%d connections", n)
	}
	n.cut()
	each(macs, (*remote.Host).AwaitGone)
	each(macs, run)
	if n := jump.connections.Load(); n != 2 {
		t.Errorf("%d connections after one broke", n)
	}
	each(macs, (*remote.Host).Close)

	// A jump host that refuses does so once, and each Mac is told under its own name.
	each(fleet("two"), func(h *remote.Host) {
		_, err := h.Run(t.Context(), remote.Cmd{Script: "say hello"})
		var dial *remote.DialError
		if !errors.As(err, &dial) || dial.Host != h.Name() || dial.Jump != "two" || dial.Stage != remote.StageAuth {
			t.Errorf("%s: got %v", h.Name(), err)
		}
	})
	if n := broken.connections.Load(); n > 3 {
		t.Errorf("%d connections to a jump host that refuses", n)
	}
}

// Without any configuration of ssh, the provider's key is what jump hosts get, and its known hosts are theirs. Its password and its host
// key are not.
func TestSSHD_jumpByProvider(t *testing.T) {
	t.Parallel()
	jump, mac := sshd(t, nil), sshd(t, start(t))
	key := read(t, mac.client)
	write(t, filepath.Join(jump.dir, "authorized_keys"), read(t, mac.client+".pub"))
	known := filepath.Join(t.TempDir(), "known_hosts")
	write(t, known, jump.known())
	to := remote.Target{
		Name: "mini", Address: "127.0.0.1", Port: number(t, mac.port), User: mac.user, ConfigFile: "none", Agent: "none", PrivateKey: key,
		ProxyJump: mac.user + "@127.0.0.1:" + jump.port, KnownHosts: []string{known}, HostKey: authorized(mac.hostKey.PublicKey()),
		Password: "not for the jump host",
	}
	if err := hello(t, to); err != nil {
		t.Error(err)
	}
}

// What fails on the way is told by where it failed.
func TestSSHD_jumpFails(t *testing.T) {
	t.Parallel()
	jump, closed, mac := sshd(t, nil), sshd(t, nil, "AllowTcpForwarding no"), sshd(t, start(t))
	mini := func(options ...string) string { return mac.config(t, "mini", options...) }
	for name, test := range map[string]struct {
		config, jump string
		stage        remote.Stage
		says         string
	}{
		"no-name":       {mini("ProxyJump nowhere.invalid"), "nowhere.invalid", remote.StageName, ""},
		"refused":       {"Host one\n  HostName 127.0.0.1\n  Port 1\n" + mini("ProxyJump one"), "one", remote.StageTCP, ""},
		"host-key":      {jump.config(t, "one", "UserKnownHostsFile none") + mini("ProxyJump one"), "one", remote.StageHostKey, "unknown"},
		"login":         {jump.config(t, "one", "User nobody-here") + mini("ProxyJump one"), "one", remote.StageAuth, "offered: "},
		"second":        {jump.config(t, "one") + closed.config(t, "two", "UserKnownHostsFile none") + mini("ProxyJump one,two"), "two", remote.StageHostKey, "unknown"},
		"no-forwarding": {closed.config(t, "one") + mini("ProxyJump one"), "", remote.StageTCP, "administratively prohibited"},
		"mac-refuses":   {jump.config(t, "one") + "Host mini\n  Port 1\n" + mini("ProxyJump one"), "", remote.StageTCP, "refused"},
		"mac-no-name":   {jump.config(t, "one") + "Host mini\n  HostName nowhere.invalid\n" + mini("ProxyJump one"), "", remote.StageTCP, ""},
		"mac-host-key":  {jump.config(t, "one") + mini("ProxyJump one", "UserKnownHostsFile none"), "", remote.StageHostKey, "unknown"},
		"bad-jump":      {jump.config(t, "one") + mini("ProxyJump one"), "", remote.StageConfig, "is not the name of a host"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			to := configured(t, test.config)
			switch name {
			case "bad-jump":
				to.ProxyJump = "one,-oProxyCommand=x"
			case "refused":
				to.ConnectTimeout = time.Second
			}
			err := hello(t, to)
			var dial *remote.DialError
			if !errors.As(err, &dial) || dial.Stage != test.stage || dial.Jump != test.jump || dial.Host != "mini" || !strings.Contains(err.Error(), test.says) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// A command is as good as a connection; when it fails, it is told in its own words.
func TestSSHD_proxyCommand(t *testing.T) {
	t.Parallel()
	s := sshd(t, start(t))
	netcat := part(t, "netcat") + " %h %p"
	for name, test := range map[string]struct {
		options []string
		command string // of the provider
		says    string // "": it works
	}{
		"of-ssh":          {options: []string{"ProxyCommand " + netcat}},
		"of-the-provider": {options: []string{"ProxyCommand false"}, command: netcat},
		"none":            {options: []string{"ProxyCommand false"}, command: "none"},
		"original-name":   {options: []string{"HostName elsewhere.invalid", "HostKeyAlias [127.0.0.1]:" + s.port, "ProxyCommand sh -c 'test %n%% = mini%% && exec " + netcat + "'"}},
		"says-why":        {options: []string{"HostName fails.invalid", "ProxyCommand " + netcat}, says: "the ProxyCommand ended: netcat: no way to fails.invalid"},
		"says-nothing":    {options: []string{"ProxyCommand false"}, says: "the ProxyCommand ended: exit status 1"},
		"ends-well":       {options: []string{"ProxyCommand true"}, says: "the ProxyCommand ended: without a word"},
		"not-found":       {command: "no-such-command %h", says: "no-such-command"},
		"unknown-token":   {command: "nc --password secret %x", says: "the ProxyCommand: %x is not supported"},
		"stays-silent":    {options: []string{"ProxyCommand sleep 10"}, says: "no answer within the connect timeout of 1s"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			to := configured(t, s.config(t, "mini", test.options...))
			to.ProxyCommand = test.command
			if name == "stays-silent" {
				to.ConnectTimeout = time.Second
			}
			err := hello(t, to)
			if test.says == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			var dial *remote.DialError
			if !errors.As(err, &dial) || !strings.Contains(err.Error(), test.says) || strings.Contains(err.Error(), "secret") {
				t.Errorf("got %v", err)
			} else if dial.Stage != remote.StageProxy && name != "unknown-token" && name != "stays-silent" {
				t.Errorf("stage %q", dial.Stage)
			}
		})
	}
}

// A ProxyCommand that is given up ends with all that it has started.
func TestSSHD_proxyCommandEnds(t *testing.T) {
	t.Parallel()
	s := sshd(t, start(t))
	file := filepath.Join(t.TempDir(), "pid")
	to := configured(t, s.config(t, "mini"))
	to.ProxyCommand = "sh -c 'sleep 600 & echo $! >" + file + ".new; mv " + file + ".new " + file + "; wait'"
	h := remote.NewHost(to)
	defer h.Close()
	ctx, giveUp := context.WithCancel(t.Context())
	go func() {
		for _, err := os.Stat(file); err != nil; _, err = os.Stat(file) {
			time.Sleep(10 * time.Millisecond)
		}
		giveUp()
	}()
	if _, err := h.Run(ctx, remote.Cmd{Script: "say hello"}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	// One that nobody waits for, as in a container without an init, stays as a zombie.
	const runs = `kill -0 "$1" 2>/dev/null && ! grep -q "^State:.Z" "/proc/$1/status" 2>/dev/null`
	for exec.Command("sh", "-c", runs, "sh", strings.TrimSpace(read(t, file))).Run() == nil {
		time.Sleep(10 * time.Millisecond)
	}
}

// socks is a SOCKS server that knows where one name leads, as that of tailscaled does.
func socks(t *testing.T, name, to string) (addr string, asked *atomic.Int32) {
	t.Helper()
	asked = new(atomic.Int32)
	host, port := serve(t, func(client net.Conn) {
		b := make([]byte, 256)
		_, _ = io.ReadFull(client, b[:2])
		_, _ = io.ReadFull(client, b[2:2+b[1]])
		_, _ = client.Write([]byte{5, 0})
		_, _ = io.ReadFull(client, b[:5])
		wanted := ""
		if b[3] == 3 {
			n := int(b[4])
			_, _ = io.ReadFull(client, b[:n+2])
			wanted = fmt.Sprintf("%s:%d", b[:n], binary.BigEndian.Uint16(b[n:]))
		}
		asked.Add(1)
		if wanted != name {
			_, _ = client.Write([]byte{5, 4, 0, 1, 0, 0, 0, 0, 0, 0})
			return
		}
		server, err := net.Dial("tcp", to)
		if err != nil {
			t.Error(err)
			return
		}
		defer server.Close()
		_, _ = client.Write([]byte{5, 0, 0, 1, 0, 0, 0, 0, 0, 0})
		go func() {
			_, _ = io.Copy(server, client)
			_ = server.Close()
		}()
		_, _ = io.Copy(client, server)
	})
	return fmt.Sprintf("%s:%d", host, port), asked
}

// A SOCKS server gets the name as it stands, from the provider or from the environment.
func TestSSHD_socks(t *testing.T) {
	s := sshd(t, start(t))
	server, asked := socks(t, "mini.tail.invalid:"+s.port, "127.0.0.1:"+s.port)
	alias := "HostKeyAlias [127.0.0.1]:" + s.port
	away := s.config(t, "mini", "HostName mini.tail.invalid", alias)
	for name, test := range map[string]struct {
		config, proxy, all, no string
		asked                  int32
		says                   string // "": it works
	}{
		"of-the-provider": {config: away, proxy: "socks5://" + server, all: "socks5://127.0.0.1:1", asked: 1},
		"with-a-command":  {config: s.config(t, "mini", "HostName mini.tail.invalid", alias, "ProxyCommand false"), proxy: "socks5h://" + server, asked: 1},
		"environment":     {config: away, all: "socks5://" + server, asked: 1},
		"not-for-this":    {config: s.config(t, "mini", "HostName nowhere.invalid"), all: "socks5://" + server, no: ".invalid", says: "name look-up"},
		"this-machine":    {config: s.config(t, "mini"), all: "socks5://127.0.0.1:1"},
		"ssh-before":      {config: s.config(t, "mini", "ProxyCommand "+part(t, "netcat")+" %h %p"), all: "socks5://127.0.0.1:1"},
		"for-the-web":     {config: s.config(t, "mini"), all: "http://127.0.0.1:1"},
		"none":            {config: s.config(t, "mini"), proxy: "none", all: "socks5://127.0.0.1:1"},
		"cannot-reach":    {config: s.config(t, "mini", "HostName maxi.tail.invalid"), proxy: "socks5://" + server, asked: 1, says: "proxy: "},
		"away":            {config: away, proxy: "socks5://user:secret@127.0.0.1:1", says: "proxy: through socks5://user:xxxxx@127.0.0.1:1"},
		"of-another-kind": {config: away, proxy: "http://user:secret@127.0.0.1:1", says: `the proxy is no SOCKS server: its URL begins with "http://"`},
		"without-a-kind":  {config: away, proxy: "user:secret@127.0.0.1:1", says: "the proxy is no URL of a SOCKS server"},
		"nonsense":        {config: away, proxy: "socks5://user:secret%zz@127.0.0.1:1", says: "the proxy is no URL of a SOCKS server"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("ALL_PROXY", test.all)
			t.Setenv("NO_PROXY", test.no)
			before := asked.Load()
			to := configured(t, test.config)
			to.Proxy = test.proxy
			err := hello(t, to)
			if (err == nil) != (test.says == "") || err != nil && (!strings.Contains(err.Error(), test.says) || strings.Contains(err.Error(), "secret")) {
				t.Errorf("got %v", err)
			}
			if n := asked.Load() - before; n != test.asked {
				t.Errorf("asked %d times", n)
			}
		})
	}
}

// A server that has other algorithms is told by what it has, and by the line that would change it.
func TestSSHD_algorithms(t *testing.T) {
	t.Parallel()
	other := newKey(t, filepath.Join(t.TempDir(), "other"), "ecdsa", "")
	for option, offered := range map[string]string{
		"KexAlgorithms":     "sntrup761x25519-sha512@openssh.com",
		"Ciphers":           "aes256-cbc",
		"MACs":              "umac-64@openssh.com",
		"HostKeyAlgorithms": "ssh-ed25519",
	} {
		t.Run(option, func(t *testing.T) {
			t.Parallel()
			lines := []string{option + " " + offered}
			if option == "MACs" {
				lines = append(lines, "Ciphers aes256-ctr") // others need none
			}
			s := sshd(t, nil, lines...)
			to := configured(t, s.config(t, "mini"))
			stage := remote.StageSSH
			if option == "HostKeyAlgorithms" {
				to.HostKey, stage = authorized(other.PublicKey()), remote.StageHostKey
			}
			var dial *remote.DialError
			var none *remote.AlgorithmsError
			err := hello(t, to)
			if !errors.As(err, &dial) || dial.Stage != stage || !errors.As(err, &none) || none.Option != option || strings.Join(none.Server, ",") != offered {
				t.Fatalf("got %v: %+v", err, none)
			}
			if stage == remote.StageHostKey {
				return // a server needs a key of that kind as well
			}
			// What is told can be added there. Then the login is made, and shows another system than a Mac's.
			write(t, filepath.Join(s.dir, "sshd_config"), option+" "+offered+","+none.Usual+"\n"+read(t, filepath.Join(s.dir, "sshd_config")))
			if err := hello(t, to); !errors.As(err, &dial) || dial.Stage != remote.StageShell {
				t.Errorf("got %v", err)
			}
		})
	}
}

// What sudo says to one who may not use it comes through. It is asked without a terminal, where it would show a password or wait for one.
func TestSSHD_sudo(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		sudo     macsim.Sudo
		password string
		says     string
	}{
		"free":           {macsim.SudoFree, "", ""},
		"needless":       {macsim.SudoFree, "secret", ""},
		"password":       {macsim.SudoPassword, "secret", ""},
		"only-the-shell": {macsim.SudoShell, "secret", ""},
		"no-password":    {macsim.SudoPassword, "", "a password is required"},
		"wrong-password": {macsim.SudoPassword, "wrong", "incorrect password attempt"},
		"not-allowed":    {macsim.SudoRefused, "secret", "not in the sudoers file"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := sshd(t, macsim.Start(t, macsim.Mac{Sudo: test.sudo, Password: "secret"}), "LogLevel DEBUG")
			to := configured(t, s.config(t, "mini"))
			to.SudoPassword = test.password
			err := hello(t, to)
			var dial *remote.DialError
			if test.says == "" && err != nil || test.says != "" &&
				(!errors.As(err, &dial) || dial.Stage != remote.StageSudo || dial.User != s.user || !strings.Contains(err.Error(), test.says)) {
				t.Errorf("got %v", err)
			}
			if ran, terminals := s.logged("req exec"), s.logged("req pty-req"); ran != 1 || terminals != 0 {
				t.Errorf("sshd was asked for %d commands and %d terminals", ran, terminals)
			}
		})
	}
}
