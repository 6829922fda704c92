package pfctl

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/macos-fleet/terraform-provider-macos/internal/pf"
)

// protocol numbers, as flows have them.
const (
	tcp = 6
	udp = 17
)

// clientPorts are those that clients take for new connections: Linux from 32768 on, macOS and Windows from 49152 on. A router that
// translates addresses may take others, as is seen from the connection that there is.
var clientPorts = pf.PortRange{Op: pf.OpRange, A: 32768, B: 65535}

// path is our connection: on the interface that has the address at which it came in.
func (s *Survey) path() (f pf.Flow, ok bool) {
	server := s.server.Addr()
	for _, i := range s.interfaces {
		for _, a := range i.Addrs {
			if a.Prefix.Addr() == server.WithZone("") && (server.Zone() == "" || server.Zone() == i.Name) && s.client.IsValid() {
				return pf.Flow{
					Direction: pf.In, Interface: i.Name, Proto: tcp,
					Src: one(s.client.Addr()), SrcPort: port(s.client.Port()),
					Dst: one(a.Prefix.Addr()), DstPort: port(s.server.Port()),
				}, true
			}
		}
	}
	return f, false
}

func one(a netip.Addr) []netip.Prefix { return []netip.Prefix{netip.PrefixFrom(a, a.BitLen())} }

func port(n uint16) pf.PortRange { return pf.PortRange{Op: pf.OpEqual, A: n} }

// A service is what Macs ask the Internet for, by an address of IPv4 and one of IPv6 that it has today. They are examples of anywhere, and
// not from the ranges for documentation, which rules may well block.
type service struct {
	what       string
	proto      uint8
	from, port uint16 // from 0 is any port
	addrs      [2]netip.Addr
	carries    bool // tunnels
}

var (
	services = []service{
		{"DNS from a public resolver", udp, 0, 53, both("1.1.1.1", "2606:4700:4700::1111"), false},
		{"the time from Apple (NTP)", udp, 0, 123, both("17.253.4.125", "2620:149:a33:3000::1f2"), false},
		{"HTTPS", tcp, 0, 443, both("17.253.144.10", "2620:149:af0::10"), false},
	}
	// tailscale is asked for by Macs that have an address in a tailnet. Its port is 41641 unless that is taken; tailscaled without its app
	// picks one at random.
	tailscale = []service{
		{"Tailscale's coordination server", tcp, 0, 443, both("192.200.0.101", "2606:b740:49::101"), false},
		{"a relay of Tailscale (DERP)", tcp, 0, 443, both("199.38.181.104", "2607:f740:f::bc"), true},
		{"the Mac's peers in the tailnet (WireGuard)", udp, 41641, 41641, both("79.192.0.1", "2003:c0::1"), true},
	}
	tailnets = []netip.Prefix{netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("fd7a:115c:a1e0::/48")}
)

func both(v4, v6 string) [2]netip.Addr {
	return [2]netip.Addr{netip.MustParseAddr(v4), netip.MustParseAddr(v6)}
}

// asksFor is what the Mac asks for over each interface that leads out, from its addresses there that can be answered. A network
// without a router, such as that of virtual machines, has a default route all the same; it leads nowhere.
func (s *Survey) asksFor() []need {
	wanted := services
	if slices.ContainsFunc(s.interfaces, inTailnet) {
		wanted = slices.Concat(services, tailscale)
	}
	var needs []need
	carried := ""
	path, _ := s.path() // on no interface, if it is not known
	if slices.ContainsFunc(s.interfaces, func(i pf.Interface) bool { return i.Name == path.Interface && inTailnet(i) }) {
		carried = ", through which SSH may come"
	}
	for _, w := range s.ways {
		own := s.addresses(w)
		i := slices.IndexFunc(s.interfaces, func(i pf.Interface) bool { return i.Name == w.iface })
		if len(own) == 0 || !w.gateway.IsValid() && !s.interfaces[i].PointToPoint {
			continue
		}
		add := func(what string, proto uint8, from uint16, to netip.Addr, at uint16) {
			f := pf.Flow{Direction: pf.Out, Interface: w.iface, Family: w.family, Proto: proto, Src: own, Dst: one(to), DstPort: port(at)}
			general := f
			general.Src, general.Dst = nil, nil
			if from != 0 {
				f.SrcPort, general.SrcPort, general.DstPort = port(from), port(from), pf.PortRange{}
			}
			needs = append(needs, need{what: fmt.Sprintf("%s, over %s", what, w.iface), flow: f, general: &general, kind: Cut})
		}
		if w.gateway.IsValid() && !w.gateway.IsLinkLocalUnicast() {
			add("DNS from the router", udp, 0, w.gateway, 53)
		}
		for _, service := range wanted {
			what := service.what
			if service.carries {
				what += carried
			}
			add(what, service.proto, service.from, service.addrs[w.family-pf.Inet], service.port)
		}
	}
	return needs
}

func inTailnet(i pf.Interface) bool {
	return i.PointToPoint && slices.ContainsFunc(i.Addrs, func(a pf.InterfaceAddr) bool {
		return slices.ContainsFunc(tailnets, func(net netip.Prefix) bool { return net.Contains(a.Prefix.Addr()) })
	})
}

// addresses are those with which the Mac can speak to the Internet that way. Every Mac has default routes of IPv6 into tunnels that have
// none.
func (s *Survey) addresses(w way) []netip.Prefix {
	var own []netip.Prefix
	for _, i := range s.interfaces {
		for _, a := range i.Addrs {
			addr := a.Prefix.Addr()
			if i.Name == w.iface && addr.Is4() == (w.family == pf.Inet) && !addr.IsLinkLocalUnicast() && !addr.IsLoopback() {
				own = append(own, one(addr)...)
			}
		}
	}
	return own
}
