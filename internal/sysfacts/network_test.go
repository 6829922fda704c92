package sysfacts

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/macos-fleet/terraform-provider-macos/internal/macsim"
	"github.com/macos-fleet/terraform-provider-macos/internal/remote"
)

func TestInterfaces(t *testing.T) {
	const out = `lo0: flags=8049<UP,LOOPBACK,RUNNING,MULTICAST> mtu 16384
	options=1203<RXCSUM,TXCSUM,TXSTATUS,SW_TIMESTAMP>
	inet 127.0.0.1 netmask 0xff000000
	inet6 ::1 prefixlen 128
	inet6 fe80::1%lo0 prefixlen 64 scopeid 0x1
	nd6 options=201<PERFORMNUD,DAD>
gif0: flags=8010<POINTOPOINT,MULTICAST> mtu 1280
en0: flags=8863<UP,BROADCAST,SMART,RUNNING,SIMPLEX,MULTICAST> mtu 1500
	options=6460<TSO4,TSO6,CHANNEL_IO,PARTIAL_CSUM,ZEROINVERT_CSUM>
	ether 14:7d:da:00:00:00
	inet6 fe80::c0:ffee%en0 prefixlen 64 secured scopeid 0xb
	inet 192.168.1.20 netmask 0xffffff00 broadcast 192.168.1.255
	media: autoselect
	status: active
utun4: flags=8051<UP,POINTOPOINT,RUNNING,MULTICAST> mtu 1280
	inet 100.101.102.103 --> 100.101.102.103 netmask 0xffffffff
	inet6 fd7a:115c:a1e0::1234 prefixlen 48
`
	addr, prefix := netip.MustParseAddr, netip.MustParsePrefix
	want := []Interface{
		{Name: "lo0", Index: 1, Up: true, Loopback: true, Addrs: []Addr{
			{Prefix: prefix("127.0.0.1/8")}, {Prefix: prefix("::1/128")}, {Prefix: prefix("fe80::1/64")},
		}},
		{Name: "gif0", PointToPoint: true},
		{Name: "en0", MAC: "14:7d:da:00:00:00", Index: 11, Up: true, Broadcast: true, Addrs: []Addr{
			{Prefix: prefix("fe80::c0:ffee/64")}, {Prefix: prefix("192.168.1.20/24"), Broadcast: addr("192.168.1.255")},
		}},
		{Name: "utun4", Up: true, PointToPoint: true, Addrs: []Addr{
			{Prefix: prefix("100.101.102.103/32"), Peer: addr("100.101.102.103")}, {Prefix: prefix("fd7a:115c:a1e0::1234/48")},
		}},
	}
	if diff := cmp.Diff(want, interfacesOf([]byte(out)), compareAddrs); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestWays(t *testing.T) {
	const out = `Internet:
default            192.168.1.1        UGScg                 en0
default            link#19            UCSIg           bridge100      !
default            10.0.0.1           UGScIgR               en7
0/1                10.8.0.1           UGScg               utun5
128.0/1            10.8.0.1           UGScg               utun5
192.168.1/24       link#11            UCS                   en0      !
Internet6:
default                                 fe80::1%en0                             UGcg                  en0
default                                 fe80::%utun0                            UGcIg               utun0
2000::/3                                fd00::1                                 UGSc                utun5
`
	addr := netip.MustParseAddr
	want := []Way{
		{Interface: "en0", Gateway: addr("192.168.1.1"), Default: true},
		{Interface: "bridge100", Default: true, Scoped: true},
		{Interface: "utun5", Gateway: addr("10.8.0.1")},
		{Interface: "utun5", Gateway: addr("10.8.0.1")},
		{Interface: "en0", IPv6: true, Gateway: addr("fe80::1"), Default: true},
		{Interface: "utun0", IPv6: true, Gateway: addr("fe80::"), Default: true, Scoped: true},
		{Interface: "utun5", IPv6: true, Gateway: addr("fd00::1")},
	}
	if diff := cmp.Diff(want, waysOf([]byte(out)), compareAddrs); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestPath(t *testing.T) {
	end := netip.MustParseAddrPort
	for args, want := range map[string][2]netip.AddrPort{
		"198.51.100.7 50123 192.168.1.10 22":        {end("198.51.100.7:50123"), end("192.168.1.10:22")},
		"::ffff:198.51.100.7 50123 192.168.1.10 22": {end("198.51.100.7:50123"), end("192.168.1.10:22")},
		"fe80::7%en0 50123 fe80::c0:ffee%en0 22":    {end("[fe80::7]:50123"), end("[fe80::c0:ffee%en0]:22")},
		"unknown":                                   {},
		"198.51.100.7 50123 mini.lan 22":            {end("198.51.100.7:50123"), {}},
	} {
		if client, server := pathOf(args); client != want[0] || server != want[1] {
			t.Errorf("%s: got %v and %v, want %v", args, client, server, want)
		}
	}
}

func TestLookAtNetwork(t *testing.T) {
	onEach(t, macsim.Mac{}, func(t *testing.T, mac *macsim.Mac, h *remote.Host) {
		n, err := LookAtNetwork(t.Context(), h)
		if err != nil {
			t.Fatal(err)
		}
		if len(n.Interfaces) != len(mac.Interfaces) {
			t.Errorf("%d interfaces, want %d", len(n.Interfaces), len(mac.Interfaces))
		}
		if got := n.InterfaceOf(n.Server.Addr()); got != "lo0" || !n.Client.IsValid() {
			t.Errorf("we come from %s by %q", n.Client, got)
		}
		if got := n.Tailnet(); got != "utun3" {
			t.Errorf("Tailnet() = %q", got)
		}
		if diff := cmp.Diff([]string{"en0"}, n.DefaultInterfaces()); diff != "" {
			t.Errorf("DefaultInterfaces(), -want +got:\n%s", diff)
		}
		if diff := cmp.Diff([]netip.Addr{netip.MustParseAddr("2001:db8:1::10")}, n.PublicAddrs(), compareAddrs); diff != "" {
			t.Errorf("PublicAddrs(), -want +got:\n%s", diff)
		}
	})
}

func TestTailnet(t *testing.T) {
	with := func(name, addr string, tunnel bool) Interface {
		return Interface{Name: name, PointToPoint: tunnel, Addrs: []Addr{{Prefix: netip.MustParsePrefix(addr)}}}
	}
	for name, test := range map[string]struct {
		interfaces []Interface
		want       string
	}{
		"none":          {[]Interface{with("en0", "192.168.1.10/24", false), with("utun0", "10.8.0.2/32", true)}, ""},
		"tunnel":        {[]Interface{with("utun9", "100.101.102.103/32", true)}, "utun9"},
		"carrier":       {[]Interface{with("en0", "100.72.3.4/10", false)}, ""},
		"carrier-first": {[]Interface{with("en0", "100.72.3.4/10", false), with("utun4", "100.101.102.103/32", true)}, "utun4"},
		"other-vpn":     {[]Interface{with("utun2", "100.96.0.1/32", true), with("utun4", "fd7a:115c:a1e0::1/48", true)}, "utun4"},
		"renamed":       {[]Interface{with("tailscale0", "fd7a:115c:a1e0::1/48", true)}, "tailscale0"},
	} {
		if got := (&Network{Interfaces: test.interfaces}).Tailnet(); got != test.want {
			t.Errorf("%s: got %q, want %q", name, got, test.want)
		}
	}
}

func TestDefaultInterfaces(t *testing.T) {
	gateway, prefix := netip.MustParseAddr("192.168.1.1"), netip.MustParsePrefix
	n := &Network{
		Interfaces: []Interface{
			{Name: "en0", Addrs: []Addr{{Prefix: prefix("192.168.1.10/24")}}},
			{Name: "en1", Addrs: []Addr{{Prefix: prefix("192.168.1.11/24")}, {Prefix: prefix("2001:db8::7/64")}}},
			{Name: "bridge100", Addrs: []Addr{{Prefix: prefix("192.168.64.1/24")}}},
			{Name: "utun0", PointToPoint: true, Addrs: []Addr{{Prefix: prefix("fe80::1/64")}}},
			{Name: "utun7", PointToPoint: true, Addrs: []Addr{{Prefix: prefix("10.8.0.2/32")}}},
		},
		Ways: []Way{
			{Interface: "utun7", Default: true},
			{Interface: "en0", Default: true, Scoped: true, Gateway: gateway},
			{Interface: "bridge100", Default: true, Scoped: true},
			{Interface: "en1", IPv6: true, Default: true, Gateway: netip.MustParseAddr("fe80::1")},
			{Interface: "utun0", IPv6: true, Default: true, Scoped: true, Gateway: netip.MustParseAddr("fe80::")},
			{Interface: "en1", Gateway: gateway},
		},
	}
	if diff := cmp.Diff([]string{"utun7", "en1", "en0"}, n.DefaultInterfaces()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
