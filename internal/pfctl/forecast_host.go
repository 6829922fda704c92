package pfctl

import (
	"net/netip"
	"slices"

	"github.com/macos-fleet/terraform-provider-macos/internal/pf"
	"github.com/macos-fleet/terraform-provider-macos/internal/sysfacts"
)

// A way is where packets leave the Mac that no narrower route takes: an interface, for one family.
type way struct {
	iface   string
	family  pf.Family
	gateway netip.Addr // zero where there is none, as through a tunnel
}

// connect adds how the Mac is connected.
func (s *Survey) connect(n *sysfacts.Network) {
	s.interfaces, s.ways, s.client, s.server = interfacesOf(n), waysOf(n), n.Client, n.Server
}

// interfacesOf are the Mac's interfaces as rules meet them.
func interfacesOf(n *sysfacts.Network) []pf.Interface {
	var all []pf.Interface
	for _, i := range n.Interfaces {
		known := pf.Interface{Name: i.Name, Loopback: i.Loopback, PointToPoint: i.PointToPoint, Broadcast: i.Broadcast}
		for _, a := range i.Addrs {
			known.Addrs = append(known.Addrs, pf.InterfaceAddr{Prefix: a.Prefix, Peer: a.Peer, Broadcast: a.Broadcast})
		}
		all = append(all, known)
	}
	return all
}

// waysOf are the ways out of the Mac, each once, by its first route.
func waysOf(n *sysfacts.Network) []way {
	var ways []way
	for _, route := range n.Ways {
		w := way{iface: route.Interface, family: pf.Inet, gateway: route.Gateway}
		if route.IPv6 {
			w.family = pf.Inet6
		}
		if !slices.ContainsFunc(ways, func(other way) bool { return other.iface == w.iface && other.family == w.family }) {
			ways = append(ways, w)
		}
	}
	return ways
}
