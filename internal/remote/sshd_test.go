package remote_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/macos-fleet/terraform-provider-macos/internal/macsim"
	"github.com/macos-fleet/terraform-provider-macos/internal/remote"
)

// TestMain lets this program play the parts that others have in these tests: what sshd runs for a login, and a ProxyCommand.
func TestMain(m *testing.M) {
	var err error
	switch os.Getenv("REMOTE_TEST_PART") {
	case "":
		os.Exit(leftovers(m.Run()))
	case "forward":
		err = forward()
	case "login":
		err = login()
	case "sh":
		err = sh(os.Args[1:])
	case "netcat":
		err = netcat(os.Args[1], os.Args[2])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// part is a command line that makes this program play a part.
func part(t *testing.T, name string, environment ...string) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("env REMOTE_TEST_PART=%s %s %s", name, strings.Join(environment, " "), self)
}

// forward hands what a client of sshd asked for to a simulated Mac, so that OpenSSH carries and a Mac answers.
func forward() error {
	auth := ssh.Password(os.Getenv("MAC_PASSWORD"))
	if pem, err := os.ReadFile(os.Getenv("MAC_KEY")); err == nil && len(pem) > 0 {
		signer, err := ssh.ParsePrivateKey(pem)
		if err != nil {
			return err
		}
		auth = ssh.PublicKeys(signer)
	}
	client, err := ssh.Dial("tcp", os.Getenv("MAC_ADDR"), &ssh.ClientConfig{
		User: "admin", Auth: []ssh.AuthMethod{auth}, HostKeyCallback: ssh.InsecureIgnoreHostKey(),
	})
	if err != nil {
		return err
	}
	session, err := client.NewSession()
	if err != nil {
		return err
	}
	session.Stdout, session.Stderr = os.Stdout, os.Stderr
	stdin, err := session.StdinPipe()
	if err != nil {
		return err
	}
	go func() {
		_, _ = io.Copy(stdin, os.Stdin)
		_ = stdin.Close()
	}()
	err = session.Run(os.Getenv("SSH_ORIGINAL_COMMAND"))
	var exit *ssh.ExitError
	if errors.As(err, &exit) {
		os.Exit(exit.ExitStatus())
	}
	return err
}

// netcat is what `tailscale nc` and the like do. The host fails.invalid is one that it cannot reach.
func netcat(host, port string) error {
	if host == "fails.invalid" {
		return errors.New("netcat: no way to " + host)
	}
	conn, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", port))
	if err != nil {
		return err
	}
	go func() {
		_, _ = io.Copy(conn, os.Stdin)
		os.Exit(0)
	}()
	_, err = io.Copy(os.Stdout, conn)
	return err
}

// server is OpenSSH's sshd, started for each connection, as launchd does it on a Mac.
type server struct {
	dir     string // for whatever a test puts beside its files
	port    string
	user    string // who may log in
	hostKey ssh.Signer
	client  string // the file of the private key that may log in

	connections atomic.Int32
	mu          sync.Mutex
	env         []string // of sshd, besides ours
	log         bytes.Buffer
	serving     int
	served      sync.Cond // signalled when serving gets less
	open        []*net.TCPConn
}

// sshd starts a server until the test ends. What logs in meets the Mac, or a shell if that is nil. The options come first in sshd's
// configuration, where they win.
func sshd(t *testing.T, mac *macsim.Mac, options ...string) *server {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("sshd is given its connection as its standard input, which cannot be done on Windows")
	}
	program, err := exec.LookPath("sshd")
	if err != nil {
		program = "/usr/sbin/sshd"
	}
	if _, err := os.Stat(program); err != nil {
		t.Skip("OpenSSH's sshd is not installed")
	}
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	if me.Uid == "0" {
		// sshd wants this empty folder when root starts it. Its service would make it.
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
			t.Skip(err)
		}
	}
	s := &server{dir: t.TempDir(), user: me.Username}
	s.served.L = &s.mu
	s.hostKey = newKey(t, filepath.Join(s.dir, "host_ed25519"), "ed25519", "")
	s.client = filepath.Join(s.dir, "client")
	may := newKey(t, s.client, "ed25519", "")
	write(t, filepath.Join(s.dir, "authorized_keys"), string(ssh.MarshalAuthorizedKey(may.PublicKey())))
	// The login shell of whoever runs this reads that user's files, which may take seconds, if it finds them.
	config := append(options, "SetEnv HOME="+s.dir, "HostKey "+filepath.Join(s.dir, "host_ed25519"), "AuthorizedKeysFile "+filepath.Join(s.dir, "authorized_keys"),
		"StrictModes no", "UsePAM no", "PasswordAuthentication no", "KbdInteractiveAuthentication no", "LogLevel VERBOSE")
	if mac != nil {
		key := filepath.Join(s.dir, "mac")
		write(t, key, mac.ClientKey())
		config = append(config, "ForceCommand "+part(t, "forward", "MAC_ADDR="+mac.Addr(), "MAC_KEY="+key, "MAC_PASSWORD="+mac.Password))
	}
	write(t, filepath.Join(s.dir, "sshd_config"), strings.Join(config, "\n")+"\n")

	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, s.port, _ = net.SplitHostPort(l.Addr().String())
	var running sync.WaitGroup
	running.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			s.connections.Add(1)
			s.mu.Lock()
			s.serving++
			s.mu.Unlock()
			running.Go(func() {
				s.serve(t, program, conn.(*net.TCPConn))
				s.mu.Lock()
				defer s.mu.Unlock()
				s.serving--
				s.served.Broadcast()
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		running.Wait()
		if t.Failed() {
			s.mu.Lock()
			defer s.mu.Unlock()
			t.Logf("sshd at %s:\n%s", s.port, s.log.String())
		}
	})
	return s
}

func (s *server) serve(t *testing.T, program string, conn *net.TCPConn) {
	file, err := conn.File()
	defer conn.Close()
	s.mu.Lock()
	s.open = append(s.open, conn)
	env := append(os.Environ(), s.env...)
	s.mu.Unlock()
	if err != nil {
		t.Error(err)
		return
	}
	defer file.Close()
	cmd := exec.Command(program, "-i", "-e", "-f", filepath.Join(s.dir, "sshd_config"))
	cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.Env = file, file, s, env
	_ = cmd.Run() // ends with whatever the connection ended with
}

// cut ends every connection for both sides.
func (s *server) cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, conn := range s.open {
		_ = conn.CloseRead()
		_ = conn.CloseWrite()
	}
}

// Write takes what sshd logs.
func (s *server) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.Write(b)
}

// logged counts what sshd has logged of all connections, once they are over: what it says of one may come later than what it does.
func (s *server) logged(what string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.serving > 0 {
		s.served.Wait()
	}
	return strings.Count(s.log.String(), what)
}

// known is the server's line for a known_hosts file.
func (s *server) known() string {
	return fmt.Sprintf("[127.0.0.1]:%s %s", s.port, ssh.MarshalAuthorizedKey(s.hostKey.PublicKey()))
}

// config is what ssh users have in their configuration for this server, under a name, with more lines for it.
func (s *server) config(t *testing.T, name string, more ...string) string {
	t.Helper()
	file := filepath.Join(s.dir, "known_hosts")
	if _, err := os.Stat(file); err != nil {
		write(t, file, s.known())
	}
	lines := append(more, "HostName 127.0.0.1", "Port "+s.port, "User "+s.user, "IdentityAgent none", "IdentityFile "+s.client,
		"UserKnownHostsFile "+file, "GlobalKnownHostsFile none")
	return "Host " + name + "\n  " + strings.Join(lines, "\n  ") + "\n"
}

// target is a Mac that is called mini in a configuration of this text.
func configured(t *testing.T, text string) remote.Target {
	t.Helper()
	file := filepath.Join(t.TempDir(), "config")
	write(t, file, text)
	return remote.Target{Address: "mini", ConfigFile: file}
}

// hello runs a script on what the Target reaches.
func hello(t *testing.T, to remote.Target) error {
	t.Helper()
	h := remote.NewHost(to)
	defer h.Close()
	result, err := h.Run(t.Context(), remote.Cmd{Script: "say hello there"})
	if err == nil && (len(result.Records) != 1 || result.Records[0].Args != "there") {
		t.Errorf("got %q", result.Records)
	}
	return err
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func number(t *testing.T, port string) int {
	t.Helper()
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// authorized is a key as authorized_keys and known_hosts have it.
func authorized(key ssh.PublicKey) string {
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key)))
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// newKey writes a new private key, encrypted if there is a passphrase, and its public key beside it.
func newKey(t *testing.T, file, kind, passphrase string) ssh.Signer {
	t.Helper()
	var private crypto.Signer
	var err error
	switch kind {
	case "ed25519":
		_, private, err = ed25519.GenerateKey(rand.Reader)
	case "ecdsa":
		private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "rsa":
		private, err = rsa.GenerateKey(rand.Reader, 2048)
	}
	if err != nil {
		t.Fatal(err)
	}
	return writeKey(t, file, private, passphrase)
}

func writeKey(t *testing.T, file string, private any, passphrase string) ssh.Signer {
	t.Helper()
	block, err := ssh.MarshalPrivateKey(private, "")
	if passphrase != "" {
		block, err = ssh.MarshalPrivateKeyWithPassphrase(private, "", []byte(passphrase))
	}
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	write(t, file, string(pem.EncodeToMemory(block)))
	write(t, file+".pub", string(ssh.MarshalAuthorizedKey(signer.PublicKey())))
	return signer
}

// A connection that dies between two scripts is opened anew, and nobody notices. One that dies under a script is not: the script may have run,
// and is never sent again.
func TestSSHD_lost(t *testing.T) {
	t.Parallel()
	mac := start(t)
	s := sshd(t, mac)
	h := remote.NewHost(configured(t, s.config(t, "mini")))
	defer h.Close()
	run := func(script string) error {
		_, err := h.Run(t.Context(), remote.Cmd{Script: script, Writes: true})
		return err
	}
	if err := run("say hello"); err != nil {
		t.Fatal(err)
	}
	s.cut()
	h.AwaitGone()
	for _, test := range []struct{ writes, tells, harmless bool }{{true, false, false}, {false, true, false}, {false, false, true}} {
		if err := run("say hello"); err != nil {
			t.Error(err)
		}
		release := mac.Hold("true")
		result := make(chan error, 1)
		go func() {
			_, err := h.Run(t.Context(), remote.Cmd{Script: "/usr/bin/true", Writes: test.writes, Tells: test.tells})
			result <- err
		}()
		arrived := make(chan struct{})
		go func() {
			mac.Await("true")
			close(arrived)
		}()
		select {
		case <-arrived:
		case err := <-result:
			t.Fatalf("%+v: it ended before it ran: %v", test, err)
		}
		s.cut()
		var lost *remote.LostError
		err := <-result
		release()
		switch {
		case !errors.As(err, &lost) || lost.Host != "mini" || (lost.Reading != nil) != test.harmless:
			t.Errorf("%+v: got %v", test, err)
		case test.harmless && (lost.Reading.Stage != remote.StageReading || lost.Reading.Host != "mini"):
			t.Errorf("got %+v", lost.Reading)
		}
	}
	h.Close()
	ran := 0
	for _, c := range mac.Calls() {
		if c.Argv[0] == "/usr/bin/true" && c.UID == 0 {
			ran++
		}
	}
	if ran != 3 {
		t.Errorf("three scripts were sent %d times", ran)
	}
}

// All that is done on a Mac goes over one connection, one login and one session, however many resources ask at once.
func TestSSHD_oneSession(t *testing.T) {
	t.Parallel()
	s := sshd(t, start(t), "MaxSessions 1")
	h := new(remote.Fleet).Host(configured(t, s.config(t, "mini")))
	defer h.Close()
	h.Need()
	var all sync.WaitGroup
	for i := range 100 {
		all.Go(func() {
			if _, err := h.Run(t.Context(), remote.Cmd{Script: "say hello", Writes: i%10 == 0}); err != nil {
				t.Error(err)
			}
			if _, err := remote.AskAhead(t.Context(), h, "n", func(ctx context.Context, h *remote.Host) (int, error) {
				_, err := h.Run(ctx, remote.Cmd{Script: "say hello"})
				return 0, err
			}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	h.Close()
	for what, got := range map[string]int{
		"connections": int(s.connections.Load()), "logins": s.logged("Accepted publickey"), "sessions": s.logged("Starting session"),
	} {
		if got != 1 {
			t.Errorf("%d %s", got, what)
		}
	}
}
