package pf

import (
	"encoding/json"
	"errors"
	"net/netip"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// goldenHost is the host that answered the golden cases.
func goldenHost() *Host {
	addr := func(s string) InterfaceAddr { return InterfaceAddr{Prefix: netip.MustParsePrefix(s)} }
	ether := func(prefix, broadcast string) InterfaceAddr {
		return InterfaceAddr{Prefix: netip.MustParsePrefix(prefix), Broadcast: netip.MustParseAddr(broadcast)}
	}
	link := func(prefix, peer string) InterfaceAddr {
		return InterfaceAddr{Prefix: netip.MustParsePrefix(prefix), Peer: netip.MustParseAddr(peer)}
	}
	h := &Host{
		Interfaces: []Interface{
			{Name: "lo0", Loopback: true, Addrs: []InterfaceAddr{addr("127.0.0.1/8"), addr("::1/128"), addr("fe80::1/64")}},
			{Name: "en0", Broadcast: true, Addrs: []InterfaceAddr{
				addr("fe80::1c2b:3aff:fe4d:5e6f/64"), ether("192.168.1.10/24", "192.168.1.255"), addr("2001:db8:1::10/64"),
			}},
			{Name: "en1", Broadcast: true, Addrs: []InterfaceAddr{ether("10.0.1.5/16", "10.0.255.255")}},
			{Name: "bridge100", Broadcast: true, Addrs: []InterfaceAddr{ether("192.168.64.1/24", "192.168.64.255")}},
			{Name: "utun3", PointToPoint: true, Addrs: []InterfaceAddr{link("100.64.0.5/32", "100.64.0.5")}},
			{Name: "utun4", PointToPoint: true, Addrs: []InterfaceAddr{link("10.8.0.2/32", "10.8.0.1")}},
		},
		Users: map[string]uint32{
			"root": 0, "daemon": 1, "_uucp": 4, "_mdnsresponder": 65, "_www": 70, "_mysql": 74, "_sshd": 75, "_ntp": 266,
			"alice": 501, "bob": 502, "nobody": 4294967294,
		},
		Groups: map[string]uint32{
			"wheel": 0, "daemon": 1, "everyone": 12, "staff": 20, "_mdnsresponder": 65, "_www": 70, "admin": 80, "nobody": 4294967294,
		},
	}
	for _, name := range []string{"gif0", "stf0", "en5", "awdl0", "bridge0", "utun0", "vlan0"} {
		h.Interfaces = append(h.Interfaces, Interface{Name: name})
	}
	return h
}

type goldenCase struct {
	Name      string   `json:"name"`
	Rules     string   `json:"rules"`
	Stdout    []string `json:"stdout"`
	Stderr    []string `json:"stderr"`
	Exit      int      `json:"exit"`
	Optimized []string `json:"stdout_default_optimizer"`
}

func readGolden[T any](t testing.TB, file string) []T {
	t.Helper()
	data, err := os.ReadFile("testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	var cases []T
	if err := json.Unmarshal(data, &cases); err != nil {
		t.Fatal(err)
	}
	return cases
}

// verbose is what pfctl -nvf prints for a text, and its exit status.
func verbose(rules string, optimize bool) (stdout, stderr []string, exit int) {
	f, err := Parse("rules.pf", []byte(rules), Options{Host: goldenHost(), Optimize: optimize})
	if errs := Errors(nil); errors.As(err, &errs) {
		return f.Echo, errs.Lines(), 1
	}
	return f.Verbose(), []string{}, 0
}

// loaderCases need files and are answered by pfctl, not by this package.
var loaderCases = map[string]bool{"error/load-missing-file": true}

// TestGolden compares with what a pfctl of the release that Apple's descends from printed for pfctl -o none -nvf, and
// without -o none where that differs.
func TestGolden(t *testing.T) {
	for _, file := range []string{"golden-open.json", "golden-files-open.json"} {
		for _, c := range readGolden[goldenCase](t, file) {
			t.Run(c.Name, func(t *testing.T) {
				if loaderCases[c.Name] {
					t.Skip("answered by pfctl")
				}
				stdout, stderr, exit := verbose(c.Rules, false)
				if diff := cmp.Diff(c.Stdout, append([]string{}, stdout...)); diff != "" {
					t.Errorf("stdout (-want +got):\n%s", diff)
				}
				if diff := cmp.Diff(c.Stderr, stderr); diff != "" {
					t.Errorf("stderr (-want +got):\n%s", diff)
				}
				if exit != c.Exit {
					t.Errorf("exit %d, want %d", exit, c.Exit)
				}
				want := c.Stdout
				if c.Optimized != nil {
					want = c.Optimized
				}
				if stdout, _, _ := verbose(c.Rules, true); exit == 0 {
					if diff := cmp.Diff(want, append([]string{}, stdout...)); diff != "" {
						t.Errorf("stdout with the optimizer (-want +got):\n%s", diff)
					}
				}
			})
		}
	}
}
