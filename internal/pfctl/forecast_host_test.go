package pfctl

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/macos-fleet/terraform-provider-macos/internal/pf"
	"github.com/macos-fleet/terraform-provider-macos/internal/sysfacts"
)

// Of several routes of a family through one interface, the first is its way.
func TestWays(t *testing.T) {
	addr := netip.MustParseAddr
	got := waysOf(&sysfacts.Network{Ways: []sysfacts.Way{
		{Interface: "en0", Gateway: addr("192.168.1.1"), Default: true},
		{Interface: "utun5", Gateway: addr("10.8.0.1")},
		{Interface: "utun5", Gateway: addr("10.8.0.2")},
		{Interface: "en0", IPv6: true, Gateway: addr("fe80::1"), Default: true},
	}})
	want := []way{{"en0", pf.Inet, addr("192.168.1.1")}, {"utun5", pf.Inet, addr("10.8.0.1")}, {"en0", pf.Inet6, addr("fe80::1")}}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// What a survey of all of a Mac says beyond its anchors, and one of single anchors does not.
func TestLookAround(t *testing.T) {
	mac, h := start(t)
	byHand(t, mac, `printf 'table <bad> persist { 203.0.113.0/24 !203.0.113.7 }\nblock in from <bad>\n' | /sbin/pfctl -q -a web -f - 2>/dev/null
/sbin/pfctl -q -t friends -T add 198.51.100.1 2>/dev/null`)
	s, err := Look(t.Context(), h)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string][]string{"friends": {"198.51.100.1"}}, s.tables); diff != "" {
		t.Errorf("tables of the main ruleset, -want +got:\n%s", diff)
	}
	want := map[string][]string{"bad": {"203.0.113.0/24", "!203.0.113.7"}}
	if diff := cmp.Diff(want, s.Anchor("web").tables); diff != "" {
		t.Errorf("tables of the anchor, -want +got:\n%s", diff)
	}
	if s.server.Addr() != netip.MustParseAddr("127.0.0.1") || s.client.Port() == 0 {
		t.Errorf("the connection leads from %s to %s", s.client, s.server)
	}
	if len(s.interfaces) != len(mac.Interfaces) {
		t.Errorf("%d interfaces, want %d", len(s.interfaces), len(mac.Interfaces))
	}
	if s, err = look(t.Context(), h, "web"); err != nil {
		t.Fatal(err)
	}
	if s.interfaces != nil || s.tables != nil || s.server.IsValid() {
		t.Error("a survey of one anchor tells more than that")
	}
}
