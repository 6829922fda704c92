package probe

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/ssh"

	"github.com/macos-fleet/terraform-provider-macos/internal/macsim"
	"github.com/macos-fleet/terraform-provider-macos/internal/remote"
)

var loopback = netip.MustParseAddr("127.0.0.1")

// listen returns a port on which somebody listens, until the test ends.
func listen(t *testing.T) uint16 {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return portOf(l.Addr())
}

func portOf(addr net.Addr) uint16 { return netip.MustParseAddrPort(addr.String()).Port() }

// nobody returns a port on which nobody listens: one end of a connection has it, so that nobody else is given it.
func nobody(t *testing.T) uint16 {
	t.Helper()
	conn, err := net.Dial("tcp", netip.AddrPortFrom(loopback, listen(t)).String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return portOf(conn.LocalAddr())
}

// A scan from here, and one from a Mac, come to the same.
func TestScan(t *testing.T) {
	t.Parallel()
	mac := macsim.Start(t, macsim.Mac{})
	for name, scan := range map[string]func([]uint16, Options) (Ports, error){
		"here": func(ports []uint16, o Options) (Ports, error) { return Scan(t.Context(), loopback, ports, o) },
		"from a Mac": func(ports []uint16, o Options) (Ports, error) {
			return ScanFrom(t.Context(), dial(t, mac), loopback, ports, o)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, b, none := listen(t), listen(t), nobody(t)
			ports := []uint16{min(a, b), max(a, b), none}
			want := Ports{Open: []uint16{min(a, b), max(a, b)}, Closed: []uint16{none}}
			if runtime.GOOS == "linux" { // whose full backlog drops what comes
				silent := silent(t)
				ports, want.Filtered = append(ports, silent), []uint16{silent}
			}
			last := 0
			got, err := scan(ports, Options{Parallel: 2, Timeout: 5 * time.Second, Progress: func(done int) { last = done }})
			if d := cmp.Diff(want, got); d != "" || err != nil || last != len(ports) {
				t.Errorf("%v, %d asked\n%s", err, last, d)
			}
		})
	}
}

func dial(t *testing.T, mac *macsim.Mac) *remote.Host {
	t.Helper()
	addr := netip.MustParseAddrPort(mac.Addr())
	h := remote.NewHost(remote.Target{
		Name: "mini", Address: addr.Addr().String(), Port: int(addr.Port()), User: "admin",
		HostKey: string(ssh.MarshalAuthorizedKey(mac.HostKey())), PrivateKey: mac.ClientKey(),
	})
	t.Cleanup(h.Close)
	return h
}

// No more are asked at a time than was said, and a scan that is over its time ends at once and says how far it came.
func TestScan_bounded(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("a full backlog drops what comes on Linux only")
	}
	port := silent(t)
	ports := make([]uint16, 100)
	for i := range ports {
		ports[i] = port
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	began := time.Now()
	_, err := Scan(ctx, loopback, ports, Options{Parallel: 3, Timeout: 50 * time.Millisecond})
	var unfinished *UnfinishedError
	if !errors.As(err, &unfinished) || !errors.Is(err, context.DeadlineExceeded) || unfinished.Done > 15 || unfinished.Of != 100 {
		t.Errorf("after %v: %v", time.Since(began), err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
}

// What keeps this machine from asking says nothing of the port. Nothing is sent to a broadcast address.
func TestScan_cannotAsk(t *testing.T) {
	got, err := Scan(t.Context(), netip.MustParseAddr("255.255.255.255"), []uint16{1, 2, 3}, Options{Parallel: 1, Timeout: time.Second})
	var unfinished *UnfinishedError
	if !errors.As(err, &unfinished) || unfinished.Done != 0 {
		t.Errorf("%+v, %v", got, err)
	}
}

// The words of nc on a Mac, from transcripts.
func TestParseScan(t *testing.T) {
	heard := func(text string) (map[uint16]answer, error) {
		return parseScan([]remote.Record{{Key: "ports", Body: []byte(text)}})
	}
	got, err := heard(`nc: connectx to 0.0.0.0 port 3098 (tcp) failed: Connection refused
Connection to 0.0.0.0 port 3100 [tcp/opcon-xps] succeeded!
Connection to 127.0.0.1 port 45001 [tcp/*] succeeded!
nc: connectx to 10.0.0.7 port 9910 (tcp) failed: Operation timed out
nc: connectx to 10.0.0.7 port 993 (tcp) failed: Connection timed out
nc: connectx to 10.0.0.7 port 994 (tcp) failed: Host is down
`)
	if d := cmp.Diff(map[uint16]answer{3098: closed, 3100: open, 45001: open, 9910: filtered, 993: filtered, 994: filtered}, got); d != "" || err != nil {
		t.Errorf("%v\n%s", err, d)
	}
	for _, text := range []string{
		"nc: connectx to 1.1.1.1 port 443 (tcp) failed: Operation not permitted\n", "nc: connectx to 1.1.1.1 port 443 (tcp) failed: Network is unreachable\n",
		"usage: nc [-46AacCDdEFhklMnOortUuvz] [-K tc]\n",
	} {
		if got, err := heard(text); err == nil {
			t.Errorf("%s%v", text, got)
		}
	}
}

// A Mac whose nc says nothing of a port does not make it open, closed or filtered.
func TestScanFrom_silentTool(t *testing.T) {
	mac := macsim.Start(t, macsim.Mac{})
	mac.Fail(func(argv []string) *macsim.Failure {
		if strings.HasSuffix(argv[0], "/nc") {
			return &macsim.Failure{Exit: 1}
		}
		return nil
	})
	if got, err := ScanFrom(t.Context(), dial(t, mac), loopback, []uint16{22}, Options{Parallel: 1, Timeout: time.Second}); err == nil {
		t.Errorf("%+v", got)
	}
}

// Many ports are asked in turns, by as many programs at a time as was said.
func TestScanFrom_turns(t *testing.T) {
	mac := macsim.Start(t, macsim.Mac{})
	var running, most atomic.Int32
	mac.Watch(func(argv []string, done bool) {
		if !strings.HasSuffix(argv[0], "/nc") {
			return
		}
		if done {
			running.Add(-1)
			return
		}
		for n := running.Add(1); ; {
			was := most.Load()
			if n <= was || most.CompareAndSwap(was, n) {
				return
			}
		}
	})
	first := nobody(t)
	var ports []uint16
	for i := range uint16(20) {
		ports = append(ports, first-20+i)
	}
	got, err := ScanFrom(t.Context(), dial(t, mac), loopback, ports, Options{Parallel: 3, Timeout: time.Second})
	if err != nil || len(got.Open)+len(got.Closed)+len(got.Filtered) != len(ports) {
		t.Fatalf("%+v, %v", got, err)
	}
	if most.Load() > 3 {
		t.Errorf("%d at a time", most.Load())
	}
}

func TestParsePorts(t *testing.T) {
	for text, want := range map[string]string{
		"22": "22", "80 22 22": "22 80", "8000-8002 8001-8004 22": "22 8000-8004", "1-65535": "1-65535", "65535": "65535", "7 8": "7-8",
		"0": "", "65536": "", "-1": "", "5-": "", "9-8": "", "ssh": "", "1-2-3": "", "+5": "", " ": "",
	} {
		ports, err := ParsePorts(strings.Fields(strings.ReplaceAll(text, "  ", "x")))
		if text == " " {
			ports, err = ParsePorts([]string{text})
		}
		if got := strings.Join(Ranges(ports), " "); got != want || (err != nil) != (want == "") {
			t.Errorf("%q: got %q, %v", text, got, err)
		}
	}
	if ports, err := ParsePorts([]string{"1-65535"}); len(ports) != 65535 {
		t.Error(len(ports), err)
	}
}
