package remote_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/macos-fleet/terraform-provider-macos/internal/macsim"
	"github.com/macos-fleet/terraform-provider-macos/internal/remote"
)

// line is a network between the client and a server, which can fail.
type line struct {
	port int
	// How many bytes of a connection get through, to the server and to the client; negative: all. What happens then.
	up, down atomic.Int64
	silent   atomic.Bool // nothing gets through any more; otherwise the connection is cut

	sentUp, sentDown atomic.Int64 // of all connections

	mu    sync.Mutex
	conns []net.Conn
}

// cut breaks all connections that there are.
func (n *line) cut() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, c := range n.conns {
		_ = c.Close()
	}
}

// network leads to a server until the test ends.
func network(t *testing.T, server string) *line {
	t.Helper()
	n := &line{}
	n.up.Store(-1)
	n.down.Store(-1)
	_, n.port = serve(t, func(client net.Conn) {
		there, err := net.Dial("tcp", server)
		if err != nil {
			t.Error(err)
			return
		}
		n.mu.Lock()
		n.conns = append(n.conns, client, there)
		n.mu.Unlock()
		var both sync.WaitGroup
		cut := func() {
			_ = client.Close()
			_ = there.Close()
		}
		both.Go(func() { n.carry(there, client, &n.up, &n.sentUp, cut) })
		both.Go(func() { n.carry(client, there, &n.down, &n.sentDown, cut) })
		both.Wait()
	})
	return n
}

func (n *line) carry(to, from net.Conn, most, sent *atomic.Int64, cut func()) {
	defer cut()
	b := make([]byte, 32<<10)
	for passed := int64(0); ; {
		got, err := from.Read(b)
		part := b[:got]
		if limit := most.Load(); limit >= 0 {
			part = part[:min(int64(got), max(0, limit-passed))]
		}
		passed += int64(len(part))
		sent.Add(int64(len(part)))
		_, writeErr := to.Write(part)
		if len(part) < got && n.silent.Load() {
			_, _ = io.Copy(io.Discard, from) // until the client gives up
			return
		}
		if err != nil || writeErr != nil || len(part) < got {
			return
		}
	}
}

// silence lets nothing through any more, or all again.
func (n *line) silence(silent bool) {
	most := int64(-1)
	if silent {
		most = 0
	}
	n.silent.Store(silent)
	n.up.Store(most)
	n.down.Store(most)
}

// fallible is a Mac behind a network that can fall silent, and is asked every three seconds for a sign of life. It is connected.
func fallible(t *testing.T, mac *macsim.Mac) (*line, *remote.Host) {
	t.Helper()
	n, to := network(t, mac.Addr()), target(t, mac)
	to.Port, to.ConfigFile = n.port, configured(t, "Host *\n  ServerAliveInterval 3\n").ConfigFile
	h := remote.NewHost(to)
	t.Cleanup(h.Close)
	if _, err := h.Run(t.Context(), remote.Cmd{Script: "say hello"}); err != nil {
		t.Fatal(err)
	}
	return n, h
}

// quiet fails the test when, at its end, goroutines are left: of connections that were not closed, say.
func quiet(t *testing.T) {
	t.Helper()
	before := runtime.NumGoroutine()
	t.Cleanup(func() {
		for patience := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before; runtime.Gosched() {
			if time.Now().After(patience) {
				stacks := make([]byte, 1<<20)
				t.Errorf("%d goroutines instead of %d:\n%s", runtime.NumGoroutine(), before, stacks[:runtime.Stack(stacks, true)])
				return
			}
		}
	})
}

// whole is a script with much to send in both directions, which can be told to have run.
var whole = remote.Cmd{
	Script: "/usr/bin/true \"$1\"\nsay data\n/bin/cat \"$D/data\"",
	Files:  map[string][]byte{"data": bytes.Repeat([]byte("all work and no play\n"), 500)},
}

// place is where a network fails.
type place struct {
	at       int64 // after so many bytes
	up, fine bool  // to the server, otherwise to the client; fine: it does not fail
	reads    bool  // the script only reads, so that it is sent with the greeting
	silent   bool  // it takes what comes and passes nothing on
}

// run runs the whole script over a network that fails once, and says what became of it: "done", "lost" or the stage where dialling
// failed. Whatever did: it runs once at most, its result is whole or an error, and if it writes the error tells whether it may have run.
func (p place) run(t *testing.T, mac *macsim.Mac, n *line, to remote.Target) string {
	t.Helper()
	n.silent.Store(p.silent)
	if p.up {
		n.up.Store(p.at)
	} else if !p.fine {
		n.down.Store(p.at)
	}
	h := remote.NewHost(to)
	defer h.Close()
	cmd := whole
	cmd.Writes = !p.reads
	cmd.Args = []string{fmt.Sprintf("%+v", p)}
	result, err := h.Run(t.Context(), cmd)
	n.up.Store(-1)
	n.down.Store(-1)
	ran := 0
	for _, c := range mac.Calls() {
		if c.Argv[0] == "/usr/bin/true" && len(c.Argv) > 1 && c.Argv[1] == cmd.Args[0] {
			ran++
		}
	}
	var dial *remote.DialError
	var lost *remote.LostError
	var busy *remote.BusyError
	switch {
	case errors.As(err, &busy):
		if ran != 0 {
			t.Errorf("%+v: ran %d times although %v", p, ran, err)
		}
		return "busy" // others at other places write as well
	case err == nil:
		if ran != 1 || !bytes.Equal(result.Records[0].Body, whole.Files["data"]) {
			t.Errorf("%+v: ran %d times, and %d bytes came back", p, ran, len(result.Records[0].Body))
		}
		return "done"
	case errors.As(err, &dial):
		most := 0
		if p.reads && dial.Stage == remote.StageShell {
			most = 1
		}
		if ran > most || dial.Stage == "" {
			t.Errorf("%+v: ran %d times although %v", p, ran, err)
		}
		return string(dial.Stage)
	case errors.As(err, &lost):
		if ran > 1 {
			t.Errorf("%+v: ran %d times", p, ran)
		}
		return "lost"
	default:
		t.Errorf("%+v: %v", p, err)
		return ""
	}
}

// Wherever a connection to a Mac is cut or falls silent.
func TestCut(t *testing.T) {
	mac := start(t)
	to := target(t, mac)
	n := network(t, mac.Addr())
	to.Port = n.port
	began := time.Now()
	if got := (place{fine: true}).run(t, mac, n, to); got != "done" {
		t.Fatal(got)
	}
	// Time enough to come as far as the place, however slow this machine is.
	hasty := to
	hasty.ConnectTimeout = 500*time.Millisecond + 10*time.Since(began)
	hasty.CommandTimeout = hasty.ConnectTimeout
	mac.ForgetCalls()
	up, down := n.sentUp.Load(), n.sentDown.Load()
	for _, p := range []place{{up: true}, {up: false}, {up: true, silent: true}, {up: false, silent: true}, {up: false, reads: true}} {
		t.Run(fmt.Sprintf("up-%v-silent-%v-reads-%v", p.up, p.silent, p.reads), func(t *testing.T) {
			quiet(t)
			total := down
			if p.up {
				total = up
			}
			var mu sync.Mutex
			seen := map[string]int{}
			var all sync.WaitGroup
			slots := make(chan struct{}, 20)
			// The first bytes one by one as far as the greeting, the key exchange and the login go; then in larger steps.
			for at := int64(0); at < total; at += 1 + at/8 {
				p.at = at
				here := p
				slots <- struct{}{}
				all.Go(func() {
					defer func() { <-slots }()
					n := network(t, mac.Addr())
					to := hasty
					to.Port = n.port
					got := here.run(t, mac, n, to)
					mu.Lock()
					defer mu.Unlock()
					seen[got]++
				})
			}
			all.Wait()
			for _, stage := range []remote.Stage{remote.StageSSH, remote.StageAuth, remote.StageShell, "lost"} {
				if seen[string(stage)] == 0 {
					t.Errorf("this met too little: %v", seen)
				}
			}
			mac.ForgetCalls()
			if got := (place{fine: true}).run(t, mac, n, to); got != "done" {
				t.Errorf("afterwards: %s", got)
			}
			mac.ForgetCalls()
		})
	}
}

// The same with a real sshd, at one place of each kind.
func TestSSHD_cut(t *testing.T) {
	mac := start(t)
	s := sshd(t, mac)
	n := network(t, "127.0.0.1:"+s.port)
	config := func(n *line) remote.Target {
		config := s.config(t, "mini", "HostKeyAlias [127.0.0.1]:"+s.port)
		return configured(t, strings.Replace(config, "Port "+s.port, fmt.Sprintf("Port %d", n.port), 1))
	}
	if got := (place{fine: true}).run(t, mac, n, config(n)); got != "done" {
		t.Fatal(got)
	}
	total := n.sentDown.Load()
	quiet(t)
	var all sync.WaitGroup
	for at, want := range map[int64]string{
		0: "dial", 10: "dial", 100: "dial", 1200: "dial", 1700: "dial", 2200: "dial", total - 9000: "lost", total - 500: "lost",
	} {
		for _, silent := range []bool{false, true} {
			all.Go(func() {
				n := network(t, "127.0.0.1:"+s.port)
				to := config(n)
				to.CommandTimeout = 5 * time.Second
				if to.ConnectTimeout = 5 * time.Second; want == "lost" {
					to.ConnectTimeout = patience
				}
				if got := (place{at: at, silent: silent}).run(t, mac, n, to); got == "done" || (got == "lost") != (want == "lost") {
					t.Errorf("at %d of %d, silent %v: got %s, want %s", at, total, silent, got, want)
				}
			})
		}
	}
	all.Wait()
}

// A network that dies between two scripts is noticed by itself, and the next script finds another connection.
func TestSilentNetwork(t *testing.T) {
	t.Parallel()
	n, h := fallible(t, start(t))
	n.silence(true)
	h.AwaitGone()
	n.silence(false)
	if _, err := h.Run(t.Context(), remote.Cmd{Script: "say hello"}); err != nil {
		t.Error(err)
	}
}

// A server that drops a connection before it said anything, as sshd does with too many at once, is tried again.
func TestDialDropped(t *testing.T) {
	t.Parallel()
	mac := start(t)
	var came atomic.Int32
	address, port := serve(t, func(client net.Conn) {
		if came.Add(1) <= 2 {
			_, _ = client.Write([]byte("Exceeded MaxStartups\r\n"))
			return
		}
		there, err := net.Dial("tcp", mac.Addr())
		if err != nil {
			t.Error(err)
			return
		}
		go func() { _, _ = io.Copy(there, client); _ = there.Close() }()
		_, _ = io.Copy(client, there)
	})
	to := target(t, mac)
	to.Address, to.Port = address, port
	if err := hello(t, to); err != nil || came.Load() != 3 {
		t.Errorf("got %v after %d connections", err, came.Load())
	}
}
