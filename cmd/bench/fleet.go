//go:build unix

package main

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/macos-fleet/terraform-provider-macos/internal/macsim"
)

// fleet is Macs that are reached by OpenSSH over a distance.
type fleet struct {
	dir   string // has the file ssh_config, in which each has its name
	user  string // who logs in
	key   ssh.Signer
	hosts []*host
}

// host is one of them: a simulated Mac, an sshd of its own that hands every login to it, and the way there.
type host struct {
	name   string
	mac    *macsim.Mac
	logins net.Listener
	key    ssh.PublicKey
	sshd   *exec.Cmd
	log    log
	way    *distance
}

// newFleet starts so many Macs. Their files are in dir until it is closed.
func newFleet(dir, relay string, n int, roundTrip time.Duration) (*fleet, error) {
	me, err := user.Current()
	if err != nil {
		return nil, err
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	f := &fleet{dir: dir, user: me.Username}
	if f.key, err = newKey(filepath.Join(dir, "key")); err != nil {
		return nil, err
	}
	authorized := ssh.MarshalAuthorizedKey(f.key.PublicKey())
	if err := os.WriteFile(filepath.Join(dir, "authorized_keys"), authorized, 0o600); err != nil {
		return nil, err
	}
	for i := range n {
		h := &host{name: fmt.Sprintf("mini-%02d", i+1)}
		f.hosts = append(f.hosts, h)
		if err := h.start(dir, relay, roundTrip); err != nil {
			f.close()
			return nil, fmt.Errorf("%s: %w", h.name, err)
		}
	}
	return f, f.writeConfig()
}

// writeConfig writes what people have in ~/.ssh who can say `ssh mini-01`.
func (f *fleet) writeConfig() error {
	var config, known strings.Builder
	for _, h := range f.hosts {
		_, port, err := net.SplitHostPort(h.way.Addr().String())
		if err != nil {
			return err
		}
		fmt.Fprintf(&config, "Host %s\n  Port %s\n  HostKeyAlias %s\n", h.name, port, h.name)
		fmt.Fprintf(&known, "%s %s", h.name, ssh.MarshalAuthorizedKey(h.key))
	}
	fmt.Fprintf(&config, "Host *\n  HostName 127.0.0.1\n  User %s\n  IdentityAgent none\n  IdentityFile %s\n  UserKnownHostsFile %s\n",
		f.user, filepath.Join(f.dir, "key"), filepath.Join(f.dir, "known_hosts"))
	return errors.Join(
		os.WriteFile(filepath.Join(f.dir, "ssh_config"), []byte(config.String()), 0o600),
		os.WriteFile(filepath.Join(f.dir, "known_hosts"), []byte(known.String()), 0o600),
	)
}

// start starts a Mac and its sshd, which is Debian's as it comes, but for where its files are and who may log in.
func (h *host) start(dir, relay string, roundTrip time.Duration) error {
	program, err := findSSHD()
	if err != nil {
		return err
	}
	if h.mac, err = macsim.New(macsim.Mac{Hostname: h.name}); err != nil {
		return err
	}
	file := func(suffix string) string { return filepath.Join(dir, h.name+suffix) }
	if h.logins, err = takeLogins(h.mac, file(".socket")); err != nil {
		return err
	}
	key, err := newKey(file(".host-key"))
	if err != nil {
		return err
	}
	h.key = key.PublicKey()
	addr, err := freeAddr()
	if err != nil {
		return err
	}
	_, port, _ := net.SplitHostPort(addr)
	config := []string{
		"ListenAddress 127.0.0.1", "Port " + port, "HostKey " + file(".host-key"), "PidFile none", "UsePAM no", "StrictModes no",
		"AuthorizedKeysFile " + filepath.Join(dir, "authorized_keys"),
		// The login shell of whoever runs this would read that user's files, which may take seconds.
		"SetEnv HOME=" + dir,
		fmt.Sprintf("ForceCommand exec %s %s", relay, file(".socket")),
	}
	if err := os.WriteFile(file(".sshd_config"), []byte(strings.Join(config, "\n")+"\n"), 0o600); err != nil {
		return err
	}
	h.sshd = exec.Command(program, "-D", "-e", "-f", file(".sshd_config"))
	h.sshd.Stderr = &h.log
	if err := h.sshd.Start(); err != nil {
		return err
	}
	for patience := time.Now().Add(10 * time.Second); !h.log.has("Server listening"); time.Sleep(time.Millisecond) {
		if time.Now().After(patience) {
			return fmt.Errorf("sshd does not listen: %s", &h.log)
		}
	}
	h.way, err = from(addr, roundTrip)
	return err
}

func findSSHD() (string, error) {
	path, err := exec.LookPath("sshd")
	if err != nil {
		path, err = exec.LookPath("/usr/sbin/sshd") // Which is not on everybody's PATH.
	}
	if err != nil {
		return "", errors.New("OpenSSH's sshd is not installed; on Debian: apt-get install openssh-server")
	}
	if os.Geteuid() == 0 {
		// sshd wants this empty folder when root starts it. Its service would make it.
		return path, os.MkdirAll("/run/sshd", 0o755)
	}
	return path, nil
}

func (f *fleet) close() {
	for _, h := range f.hosts {
		if h.way != nil {
			_ = h.way.Close()
		}
		if h.sshd != nil && h.sshd.Process != nil {
			_ = h.sshd.Process.Kill()
			_ = h.sshd.Wait()
		}
		if h.logins != nil {
			_ = h.logins.Close()
		}
		if h.mac != nil {
			h.mac.Close()
		}
	}
}

// count is what came of something at all Macs together.
type count struct{ connections, logins, execs, scripts, roundTrips int }

// count counts what has come so far. Scripts are the lines that a root shell reads after the two that start it, each of which is decoded
// by a base64 of its own. A script's files would count as well.
func (f *fleet) count() count {
	var c count
	for _, h := range f.hosts {
		c.connections += int(h.way.connections.Load())
		c.roundTrips += int(h.way.roundTrips.Load())
		c.logins += h.log.count("Accepted publickey")
		execs, lines := 0, 0
		for _, call := range h.mac.Calls() {
			switch {
			case call.SSH && call.Argv[0] == "/usr/bin/base64":
				lines++
			case call.SSH && call.Argv[0] == "/usr/bin/uname": // Once in each root shell, when it is ready.
				execs++
			}
		}
		c.execs += execs
		c.scripts += lines - 2*execs
	}
	return c
}

func (c count) since(before count) count {
	return count{
		c.connections - before.connections, c.logins - before.logins, c.execs - before.execs, c.scripts - before.scripts,
		c.roundTrips - before.roundTrips,
	}
}

// bare logs in to the first Mac and runs one command, as `ssh mini-01 true` does.
func (f *fleet) bare(context.Context) error {
	h := f.hosts[0]
	client, err := ssh.Dial("tcp", h.way.Addr().String(), &ssh.ClientConfig{
		User: f.user, Auth: []ssh.AuthMethod{ssh.PublicKeys(f.key)}, HostKeyCallback: ssh.FixedHostKey(h.key),
		HostKeyAlgorithms: []string{h.key.Type()},
	})
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }()
	session, err := client.NewSession()
	if err != nil {
		return err
	}
	return session.Run("/usr/bin/true")
}

// newKey writes a new private key to a file.
func newKey(file string) (ssh.Signer, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
		return nil, err
	}
	return ssh.NewSignerFromSigner(private)
}

// freeAddr is an address of loopback that nobody listens at.
func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// log is what an sshd logs.
type log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *log) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *log) count(what string) int { return strings.Count(l.String(), what) }
func (l *log) has(what string) bool  { return l.count(what) > 0 }
