package macsim

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// Ends of connections to a Mac like any other.
var (
	lanClient, lanServer   = netip.MustParseAddrPort("192.168.1.77:50000"), netip.MustParseAddrPort("192.168.1.10:22") // en0
	tailClient, tailServer = netip.MustParseAddrPort("100.64.0.9:0"), netip.MustParseAddrPort("100.64.0.5:22")         // utun3
)

// wiredMac answers at Addr from the local network and at tail from the tailnet. pf is disabled, with these rules loaded.
func wiredMac(t *testing.T, rules string) (m *Mac, tail string) {
	t.Helper()
	m = Start(t, Mac{Client: lanClient, Server: lanServer})
	tail, err := m.ListenFor(tailClient, tailServer)
	if err != nil {
		t.Fatal(err)
	}
	loadByHand(t, m, rules)
	return m, tail
}

func byHand(t *testing.T, m *Mac, script string, args ...string) string {
	t.Helper()
	out, stderr, exit := m.Run(t.Context(), script, args...)
	if exit != 0 {
		t.Fatalf("%s: %d, %s", script, exit, stderr)
	}
	return out
}

func loadByHand(t *testing.T, m *Mac, rules string) {
	t.Helper()
	byHand(t, m, `printf '%s\n' "$1" | pfctl -q -a com.apple/250.test -f -`, rules)
}

// A knock is a login that may take as long as it likes.
type knock struct {
	raw    net.Conn
	client chan *ssh.Client // The client, or nil.
	err    error            // Of a nil client.
}

func knockAt(t *testing.T, m *Mac, addr string) *knock {
	t.Helper()
	config, err := clientConfig(m)
	if err != nil {
		t.Fatal(err)
	}
	k := &knock{client: make(chan *ssh.Client, 1)}
	if k.raw, err = net.Dial("tcp", addr); err != nil { // A reset may be as fast as that.
		k.err = err
		k.client <- nil
		return k
	}
	t.Cleanup(func() { _ = k.raw.Close() })
	_ = k.raw.SetDeadline(time.Now().Add(20 * time.Second))
	go func() {
		sc, channels, requests, err := ssh.NewClientConn(k.raw, addr, config)
		if err != nil {
			k.err = err
			k.client <- nil
			return
		}
		k.client <- ssh.NewClient(sc, channels, requests)
	}()
	return k
}

// in is the client, which is logged in now.
func (k *knock) in(t *testing.T) *ssh.Client {
	t.Helper()
	c := <-k.client
	if c == nil {
		t.Fatal(k.err)
	}
	return c
}

// waits fails the test if the login has ended either way.
func (k *knock) waits(t *testing.T) {
	t.Helper()
	select {
	case c := <-k.client:
		t.Fatalf("the login has ended: logged in %v, %v", c != nil, k.err)
	default:
	}
}

// lives fails the test if a session of c does not.
func lives(t *testing.T, c *ssh.Client) {
	t.Helper()
	if got := over(t, c, "echo alive", ""); got.Stdout != "alive\n" {
		t.Errorf("%+v", got)
	}
}

// say runs echo over c, and returns what comes back when it does.
func say(c *ssh.Client, word string) <-chan string {
	out := make(chan string, 1)
	go func() {
		s, err := c.NewSession()
		if err != nil {
			out <- err.Error()
			return
		}
		b, err := s.Output("echo " + word)
		if err != nil {
			out <- err.Error()
			return
		}
		out <- strings.TrimSpace(string(b))
	}()
	return out
}

func TestStateOutlivesRules(t *testing.T) {
	m, _ := wiredMac(t, "pass in on en0 proto tcp to port 22")
	byHand(t, m, "pfctl -q -e")
	old := knockAt(t, m, m.Addr()).in(t)
	loadByHand(t, m, "block in on en0 proto tcp to port 22")
	lives(t, old)
	k := knockAt(t, m, m.Addr())
	m.AwaitHeld(1)
	lives(t, old)
	k.waits(t)
	_ = k.raw.Close() // As a client that loses patience.
	if c := <-k.client; c != nil {
		t.Error("logged in through a blocked port")
	}
	const state = "ALL tcp 192.168.1.10:22 <- 192.168.1.77:50000       ESTABLISHED:ESTABLISHED\n"
	if got := byHand(t, m, "pfctl -q -s states"); got != state {
		t.Errorf("states: %q, want %q", got, state)
	}

	byHand(t, m, "pfctl -q -k 192.168.1.77")
	heard := say(old, "hello")
	m.AwaitHeld(1)
	loadByHand(t, m, "pass in on en0 proto tcp to port 22 flags any") // Which takes up a connection in its middle.
	if got := <-heard; got != "hello" {
		t.Errorf("after its state was made again the session says %q", got)
	}
}

func TestPFJustEnabled(t *testing.T) {
	m, _ := wiredMac(t, "block on en0\npass in on en0 proto tcp to port 22\npass out on en0")
	var want strings.Builder
	for i := range 100000 {
		fmt.Fprintln(&want, i)
	}
	if err := m.Files().Write("/tmp/lines", want.String()); err != nil {
		t.Fatal(err)
	}
	old := knockAt(t, m, m.Addr()).in(t)
	s, err := old.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	out, err := s.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start("echo before; sudo pfctl -q -e; cat /tmp/lines; touch /tmp/done"); err != nil {
		t.Fatal(err)
	}
	m.AwaitHeld(1) // An answer, since the client has nothing to say.
	// The script is stuck once its socket is full, and the client has heard what came before.
	before := make([]byte, len("before\n"))
	if _, err := io.ReadFull(out, before); err != nil || string(before) != "before\n" {
		t.Errorf("%q, %v", before, err)
	}
	fresh := knockAt(t, m, m.Addr()).in(t)
	if got := over(t, fresh, "echo $SSH_CONNECTION; ls /tmp/done", ""); got.Stdout != "192.168.1.77 50001 192.168.1.10 22\n" {
		t.Errorf("%+v", got)
	}
	byHand(t, m, "pfctl -q -d")
	if got, err := io.ReadAll(out); err != nil || string(got) != want.String() {
		t.Errorf("%d bytes arrive of %d: %v", len(got), want.Len(), err)
	}
	if err := s.Wait(); err != nil {
		t.Error(err)
	}
}

// What a stalled session would print keeps no script from going on, until the socket is full.
func TestStalledScriptGoesOn(t *testing.T) {
	m, _ := wiredMac(t, "block on en0")
	old := knockAt(t, m, m.Addr()).in(t)
	s, err := old.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start("sudo pfctl -q -e; echo after; touch /tmp/done"); err != nil {
		t.Fatal(err)
	}
	waitFor(t, m, "/tmp/done")
	m.AwaitHeld(1)
}

func TestLockOut(t *testing.T) {
	const first = "block on en0\npass in on en0 proto udp from any to any port 41641"
	const last = "pass out on en0 keep state\nblock in on en0 proto tcp\npass in on en0 proto udp from any to any port 41641"
	for _, tt := range []struct{ name, rules, way string }{
		{"no-syn-in", first, "pfctl -q -d"},
		{"no-reply-out", "block out on en0\npass in on en0 no state", "pfctl -q -a com.apple/250.test -F rules"},
		{"final", last, "pfctl -q -a com.apple/250.test -F rules"},
		{"final-and-permitted", last, "echo pass in on en0 proto tcp from 192.168.1.77 | pfctl -q -a com.apple/250.test -f -"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m, tail := wiredMac(t, tt.rules)
			byHand(t, m, "pfctl -q -e")
			lan := knockAt(t, m, m.Addr())
			m.AwaitHeld(1)
			lives(t, knockAt(t, m, tail).in(t))
			lan.waits(t)
			byHand(t, m, tt.way)
			lives(t, lan.in(t))
			lives(t, knockAt(t, m, tail).in(t))
		})
	}
}

func TestBlockReturn(t *testing.T) {
	m, tail := wiredMac(t, "")
	byHand(t, m, "pfctl -q -e")
	old := knockAt(t, m, m.Addr()).in(t) // No rule matches: it has no state.
	loadByHand(t, m, "block return in on en0 proto tcp")
	k := knockAt(t, m, m.Addr())
	var timeout net.Error
	if c := <-k.client; c != nil || errors.As(k.err, &timeout) && timeout.Timeout() {
		t.Errorf("a new connection: logged in %v, %v", c != nil, k.err)
	}
	if got := <-say(old, "hello"); got == "hello" {
		t.Error("the old connection lives")
	}
	lives(t, knockAt(t, m, tail).in(t))
}

func TestTranslatedConnection(t *testing.T) {
	m := Start(t, Mac{})
	addr, err := m.ListenFor(lanClient, netip.AddrPortFrom(lanServer.Addr(), 2222))
	if err != nil {
		t.Fatal(err)
	}
	loadByHand(t, m, "rdr on en0 proto tcp to port 2222 -> 192.168.1.10 port 22\nblock on en0\npass in on en0 proto tcp to port 22")
	byHand(t, m, "pfctl -q -e")
	c := knockAt(t, m, addr).in(t)
	if got := over(t, c, "echo $SSH_CONNECTION", ""); got.Stdout != "192.168.1.77 50000 192.168.1.10 22\n" {
		t.Errorf("%+v", got)
	}
}

// What no rule of a real Mac filters: the loopback interface.
func TestLoopbackIsFree(t *testing.T) {
	m := Start(t, Mac{})
	loadByHand(t, m, "block all")
	byHand(t, m, "pfctl -q -e")
	lives(t, dial(t, m))
}

func TestNoSuchEnds(t *testing.T) {
	m := Start(t, Mac{})
	for _, ends := range [][2]netip.AddrPort{
		{lanClient, netip.MustParseAddrPort("192.168.1.11:22")},
		{lanClient, netip.MustParseAddrPort("[2001:db8:1::10]:22")},
	} {
		if _, err := m.ListenFor(ends[0], ends[1]); err == nil {
			t.Errorf("%s answers %s", ends[1], ends[0])
		}
	}
}

func TestCloseWhileHeld(t *testing.T) {
	for _, latency := range []time.Duration{0, time.Millisecond} {
		m := Start(t, Mac{Client: lanClient, Server: lanServer, Latency: latency})
		loadByHand(t, m, "block on en0")
		old := knockAt(t, m, m.Addr()).in(t)
		s, err := old.NewSession()
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Start("sudo pfctl -q -e; cat /dev/zero"); err != nil {
			t.Fatal(err)
		}
		m.AwaitHeld(1) // The answer.
		knockAt(t, m, m.Addr())
		m.AwaitHeld(2) // And a SYN.
		say(old, "hello")
		m.AwaitHeld(3)
		m.Reboot()
		old = knockAt(t, m, m.Addr()).in(t) // pf is not enabled at boot.
		loadByHand(t, m, "block on en0")
		byHand(t, m, "pfctl -q -e")
		heard := say(old, "hello")
		m.AwaitHeld(1)
		m.CutConnections()
		if got := <-heard; got == "hello" {
			t.Error("a connection that was cut lives")
		}
		knockAt(t, m, m.Addr())
		m.AwaitHeld(1)
		m.Close()
		nothingRuns(t)
	}
}

// What runs for a client that is gone ends as it would on any Mac, though pf lets none of its output out: it reads the end of its input, and
// cannot write any more.
func TestStalledClientGone(t *testing.T) {
	m := Start(t, Mac{Client: lanClient, Server: lanServer})
	loadByHand(t, m, "block out on en0\npass in on en0 no state")
	c := knockAt(t, m, m.Addr()).in(t)
	for _, command := range []string{
		"cat >/dev/null; echo $? >/tmp/read",
		"sudo pfctl -q -e; sh -c 'cat /dev/zero'; echo $? >/tmp/wrote",
	} {
		s, err := c.NewSession()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.StdinPipe(); err != nil {
			t.Fatal(err)
		}
		if err := s.Start(command); err != nil {
			t.Fatal(err)
		}
	}
	m.AwaitHeld(1)
	_ = c.Close()
	for name, want := range map[string]string{"/tmp/read": "0\n", "/tmp/wrote": "141\n"} {
		until(t, m, "[ -s "+name+" ]")
		if got, _ := m.Files().Read(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestOpenSSHAndPF(t *testing.T) {
	if _, err := exec.LookPath("ssh"); err != nil {
		t.Skip("no ssh here")
	}
	m, tail := wiredMac(t, "block in on en0 proto tcp")
	byHand(t, m, "pfctl -q -e")
	dir := t.TempDir()
	key, hosts := filepath.Join(dir, "key"), filepath.Join(dir, "known_hosts")
	for name, text := range map[string]string{key: m.ClientKey(), hosts: m.KnownHostsLine() + "\n"} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run := func(addr string, seconds int) (out, errs string, err error) {
		_, port, _ := net.SplitHostPort(addr)
		var stdout, stderr strings.Builder
		c := exec.CommandContext(t.Context(), "ssh", "-F", "none", "-i", key, "-o", "UserKnownHostsFile="+hosts, "-o", "BatchMode=yes",
			"-o", fmt.Sprint("ConnectTimeout=", seconds), "-p", port, m.User+"@127.0.0.1", "echo $SSH_CONNECTION")
		c.Stdout, c.Stderr = &stdout, &stderr
		err = c.Run()
		return stdout.String(), stderr.String(), err
	}
	out, errs, err := run(tail, 60)
	if err != nil || !strings.HasPrefix(out, "100.64.0.9 ") || !strings.HasSuffix(out, " 100.64.0.5 22\n") {
		t.Errorf("from the tailnet: %q, %q, %v", out, errs, err)
	}
	out, errs, err = run(m.Addr(), 1)
	if err == nil || !strings.Contains(errs, "timed out") {
		t.Errorf("from the local network: %q, %q, %v", out, errs, err)
	}
	loadByHand(t, m, "block return in on en0 proto tcp")
	out, errs, err = run(m.Addr(), 60)
	if err == nil || strings.Contains(errs, "timed out") {
		t.Errorf("from the local network, refused: %q, %q, %v", out, errs, err)
	}
}
