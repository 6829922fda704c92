package sysfacts

import (
	"net/netip"
	"slices"
)

// Addresses by what they are for. Those for documentation count as public, since nobody has them.
var (
	tailnets  = prefixes("100.64.0.0/10", "fd7a:115c:a1e0::/48")
	internet6 = prefixes("2000::/3")
	// What is not for the Internet: this host, private networks, carriers' networks, loopback, links, protocols' own (with macOS's end of
	// a translation to IPv6, 192.0.0.2), measurements (which some proxies give their tunnels), groups and the rest.
	notInternet = prefixes("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
		"192.168.0.0/16", "198.18.0.0/15", "224.0.0.0/3")
)

// Public reports whether an address is one of the Internet's: whoever has it can be reached there, unless a firewall is in between.
func Public(addr netip.Addr) bool {
	addr = addr.Unmap()
	return addr.IsValid() && (addr.Is4() && !within(addr, notInternet) || within(addr, internet6))
}

// PublicAddrs are the public addresses that the Mac itself has, without those of a router before it.
func (n *Network) PublicAddrs() []netip.Addr {
	var all []netip.Addr
	for _, i := range n.Interfaces {
		for _, a := range i.Addrs {
			if Public(a.Prefix.Addr()) {
				all = append(all, a.Prefix.Addr())
			}
		}
	}
	return all
}

// Tailnet is the name of the interface that leads to Tailscale's network, by its address, since the number of a utun is another after each
// start; "": there is none. Carriers use the same addresses of IPv4, but not for tunnels; other VPNs do, but have no address of
// Tailscale's network of IPv6.
func (n *Network) Tailnet() string {
	name := ""
	for _, i := range n.Interfaces {
		for _, a := range i.Addrs {
			switch addr := a.Prefix.Addr(); {
			case !i.PointToPoint || !within(addr, tailnets):
			case addr.Is6():
				return i.Name
			case name == "":
				name = i.Name
			}
		}
	}
	return name
}

// DefaultInterfaces are the names of the interfaces that default routes lead out of: first those that are taken, that for IPv4 before
// that for IPv6, and then those that only what is bound to them takes. Every Mac has default routes of IPv6 into tunnels that have no
// address to be answered at, and may have one into a network of virtual machines, which has no router; these are none.
func (n *Network) DefaultInterfaces() []string {
	var names []string
	for _, scoped := range []bool{false, true} {
		for _, w := range n.Ways {
			if w.Default && w.Scoped == scoped && !slices.Contains(names, w.Interface) && n.leads(w) {
				names = append(names, w.Interface)
			}
		}
	}
	return names
}

func (n *Network) leads(w Way) bool {
	return slices.ContainsFunc(n.Interfaces, func(i Interface) bool {
		return i.Name == w.Interface && (w.Gateway.IsValid() || i.PointToPoint) && slices.ContainsFunc(i.Addrs, func(a Addr) bool {
			addr := a.Prefix.Addr()
			return addr.Is6() == w.IPv6 && !addr.IsLinkLocalUnicast() && !addr.IsLoopback()
		})
	})
}

// InterfaceOf is the name of the interface that has an address; "" if none has it. An address of a link can be that of several: its zone
// says which.
func (n *Network) InterfaceOf(addr netip.Addr) string {
	for _, i := range n.Interfaces {
		for _, a := range i.Addrs {
			if a.Prefix.Addr() == addr.WithZone("") && (addr.Zone() == "" || addr.Zone() == i.Name) {
				return i.Name
			}
		}
	}
	return ""
}

func within(addr netip.Addr, networks []netip.Prefix) bool {
	return slices.ContainsFunc(networks, func(net netip.Prefix) bool { return net.Contains(addr) })
}

func prefixes(texts ...string) []netip.Prefix {
	var all []netip.Prefix
	for _, text := range texts {
		all = append(all, netip.MustParsePrefix(text))
	}
	return all
}
