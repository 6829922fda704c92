package sysfacts

import (
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/macos-fleet/terraform-provider-macos/internal/macsim"
	"github.com/macos-fleet/terraform-provider-macos/internal/remote"
)

var compareAddrs = cmp.Options{
	cmp.Comparer(func(a, b netip.Addr) bool { return a == b }), cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
}

func TestLookAtListeners(t *testing.T) {
	onEach(t, macsim.Mac{}, func(t *testing.T, mac *macsim.Mac, h *remote.Host) {
		got, err := LookAtListeners(t.Context(), h)
		if err != nil {
			t.Fatal(err)
		}
		want := []Listener{
			{Protocol: "tcp", Port: 22, PID: 1, Process: "launchd", User: "root", Launchd: true},
			{Protocol: "udp", Port: 5353, PID: 173, Process: "mDNSResponder", User: "_mdnsresponder"},
			{Protocol: "tcp", Port: 49152, PID: 612, Process: "rapportd", User: "admin"},
		}
		if diff := cmp.Diff(want, got, compareAddrs); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	})
}

// That nothing could be read is not that nobody listens.
func TestLookAtListeners_silent(t *testing.T) {
	mac := macsim.Start(t, macsim.Mac{Sockets: []macsim.Socket{}})
	h := dial(t, mac)
	if _, stderr, exit := mac.Run(t.Context(), "/bin/launchctl disable system/com.openssh.sshd"); exit != 0 {
		t.Fatal(stderr)
	}
	mac.Reboot()
	if got, err := LookAtListeners(t.Context(), h); err != nil || len(got) != 0 {
		t.Errorf("got %v %v, where nobody listens", got, err)
	}
	h.Forget()
	mac.Fail(func(argv []string) *macsim.Failure {
		if argv[0] == "/usr/sbin/lsof" {
			return &macsim.Failure{Exit: 1, Stderr: "lsof: can't get PID list: Operation not permitted\n"}
		}
		return nil
	})
	_, err := LookAtListeners(t.Context(), h)
	if err == nil || !strings.Contains(err.Error(), "mini does not say who listens there: lsof: can't get PID list") {
		t.Errorf("got %v", err)
	}
}

// transcripts are what lsof said. The first has the lines of a Mac with Remote Login and Screen Sharing, and with a T2 chip; the names are
// as lsof prints them there, in fields.
var transcripts = map[string]struct {
	tcp, udp string
	want     []Listener
}{
	"mac": {
		tcp: "p1\nclaunchd\nu0\nLroot\nf8\nPTCP\nn*:22\nf9\nPTCP\nn*:22\nf11\nPTCP\nn*:22\nf12\nPTCP\nn*:22\nf16\nPTCP\nn*:5900\nf17\nPTCP\nn*:5900\n" +
			"p70\ncexpressvpnd\nu0\nLroot\nf5\nPTCP\nn127.0.0.1:2015\n" +
			"p77\ncremoted\nu0\nLroot\nf4\nPTCP\nn[fe80:5::aede:48ff:fe00:1122]:49154\nf5\nPTCP\nn[fe80:5::aede:48ff:fe00:1122]:49155\n" +
			"p853\ncCode\\x20Helper\nu501\nLalice\nf47\nPTCP\nn*:5500\n" +
			"p4310\ncpostgres\nu501\nLalice\nf7\nPTCP\nn[::1]:5432\nf8\nPTCP\nn127.0.0.1:5432\n" +
			"p5120\ncscreensharingd\nu0\nLroot\nf3\nPTCP\nn*:5900\n",
		udp: "p173\ncmDNSResponder\nu65\nL_mdnsresponder\nf6\nPUDP\nn*:5353\nf7\nPUDP\nn*:5353\n" +
			"p612\ncrapportd\nu501\nLalice\nf3\nPUDP\nn*:*\n" +
			"p700\ncGoogle Chrome Helper\nu501\nLalice\nf9\nPUDP\nn192.168.1.20:59211->142.250.1.1:443\nf10\nPUDP\nn[2001:db8::7]:123\n",
		want: []Listener{
			{Protocol: "tcp", Port: 22, PID: 1, Process: "launchd", User: "root", Launchd: true},
			{Protocol: "udp", Addr: netip.MustParseAddr("2001:db8::7"), Port: 123, PID: 700, Process: "Google Chrome Helper", User: "alice"},
			{Protocol: "tcp", Addr: netip.MustParseAddr("127.0.0.1"), Port: 2015, PID: 70, Process: "expressvpnd", User: "root"},
			{Protocol: "udp", Port: 5353, PID: 173, Process: "mDNSResponder", User: "_mdnsresponder"},
			{Protocol: "tcp", Addr: netip.MustParseAddr("127.0.0.1"), Port: 5432, PID: 4310, Process: "postgres", User: "alice"},
			{Protocol: "tcp", Addr: netip.MustParseAddr("::1"), Port: 5432, PID: 4310, Process: "postgres", User: "alice"},
			{Protocol: "tcp", Port: 5500, PID: 853, Process: "Code Helper", User: "alice"},
			{Protocol: "tcp", Port: 5900, PID: 1, Process: "launchd", User: "root", Launchd: true},
			{Protocol: "tcp", Port: 5900, PID: 5120, Process: "screensharingd", User: "root", Launchd: true},
			{Protocol: "tcp", Addr: netip.MustParseAddr("fe80::aede:48ff:fe00:1122"), Scope: 5, Port: 49154, PID: 77, Process: "remoted", User: "root"},
			{Protocol: "tcp", Addr: netip.MustParseAddr("fe80::aede:48ff:fe00:1122"), Scope: 5, Port: 49155, PID: 77, Process: "remoted", User: "root"},
		},
	},
	"with-complaints": {
		tcp:  "lsof: WARNING: can't stat() smbfs file system /Volumes/x\np1\nclaunchd\nLroot\nf7\nPTCP\nn0.0.0.0:22\nf8\nPTCP\nnnonsense\n",
		want: []Listener{{Protocol: "tcp", Port: 22, PID: 1, Process: "launchd", User: "root", Launchd: true}},
	},
	"nobody": {},
}

func TestListeners(t *testing.T) {
	for name, test := range transcripts {
		t.Run(name, func(t *testing.T) {
			got, err := parseListeners([]remote.Record{{Key: "tcp", Body: []byte(test.tcp)}, {Key: "udp", Body: []byte(test.udp)}})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got, compareAddrs); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
	for _, said := range []string{"/bin/sh: /usr/sbin/lsof: No such file or directory\n", "lsof: can't fork\n"} {
		if got, err := parseListeners([]remote.Record{{Key: "tcp", Body: []byte(said)}, {Key: "udp"}}); err == nil {
			t.Errorf("%q: got %v, and no error", said, got)
		}
	}
}

// The lsof of this machine, whatever that is, shows what this test listens on.
func TestListeners_real(t *testing.T) {
	tool, err := exec.LookPath("lsof")
	if err != nil {
		t.Skip("there is no lsof here")
	}
	tcp, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	udp, err := net.ListenPacket("udp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	all, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer all.Close()
	var records []remote.Record
	for _, which := range [][]string{{"-iTCP", "-sTCP:LISTEN"}, {"-iUDP"}} {
		out, _ := exec.Command(tool, append([]string{"-nP", "-FpcLPn"}, which...)...).CombinedOutput()
		records = append(records, remote.Record{Body: out})
	}
	got, err := parseListeners(records)
	if err != nil {
		t.Fatal(err)
	}
	got = slices.DeleteFunc(got, func(l Listener) bool { return l.PID != os.Getpid() })
	for _, want := range []Listener{
		{Protocol: "tcp", Addr: netip.MustParseAddr("127.0.0.1"), Port: tcp.Addr().(*net.TCPAddr).Port},
		{Protocol: "tcp", Port: all.Addr().(*net.TCPAddr).Port},
		{Protocol: "udp", Port: udp.LocalAddr().(*net.UDPAddr).Port},
	} {
		if !slices.ContainsFunc(got, func(l Listener) bool {
			return l.Protocol == want.Protocol && l.Addr == want.Addr && l.Port == want.Port && l.Process != "" && l.User != ""
		}) {
			t.Errorf("%+v is not in %+v", want, got)
		}
	}
}

func TestListenerInterface(t *testing.T) {
	n := &Network{Interfaces: []Interface{
		{Name: "en0", Index: 4, Addrs: []Addr{{Prefix: netip.MustParsePrefix("fe80::1/64")}, {Prefix: netip.MustParsePrefix("192.168.1.10/24")}}},
		{Name: "en1", Index: 5, Addrs: []Addr{{Prefix: netip.MustParsePrefix("fe80::1/64")}}},
	}}
	for name, want := range map[string]string{
		"*:22": "", "192.168.1.10:22": "en0", "[fe80:5::1]:22": "en1", "[fe80:4::1]:22": "en0", "[fe80:9::1]:22": "", "10.0.0.1:22": "",
	} {
		var l Listener
		l.Addr, l.Scope, l.Port, _ = socketOf(name)
		if got := l.Interface(n); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

func TestExposed(t *testing.T) {
	for name, want := range map[string]bool{
		"*:22": true, "[2a01:4f8::1]:443": true, "203.0.113.7:80": true, "8.8.8.8:53": true,
		"127.0.0.1:631": false, "[::1]:631": false, "192.168.1.10:22": false, "10.8.0.2:22": false, "172.31.0.1:22": false, "100.64.0.5:22": false,
		"169.254.7.7:22": false, "[fe80:4::1]:22": false, "[fd7a:115c:a1e0::5]:22": false, "192.0.0.2:22": false, "198.18.0.1:22": false,
		"172.32.0.1:22": true, "224.0.0.251:5353": false, "[ff02::fb]:5353": false,
	} {
		var l Listener
		l.Addr, l.Scope, l.Port, _ = socketOf(name)
		if got := l.Exposed(); got != want {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}
}
