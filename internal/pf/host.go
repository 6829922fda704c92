package pf

import (
	_ "embed"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// A Host is what a rule text means different things on: the addresses, users, groups and names of one Mac. Package pf
// reads nothing from the machine it runs on. The zero Host has no interfaces, no users and the usual names of services
// and protocols.
type Host struct {
	Interfaces []Interface // In the host's order, which is the order that "self" expands in.
	Users      map[string]uint32
	Groups     map[string]uint32
	Services   map[string]uint16 // Nil is the usual ones.
	Protocols  []Protocol        // Nil is the usual ones.

	// Names resolves host names. Names that are not in it do not resolve.
	Names map[string][]netip.Addr

	// Files holds the address files that tables name, by path.
	Files func(path string) ([]byte, error)
}

// An Interface is one network interface of a Host.
type Interface struct {
	Name         string
	Loopback     bool
	PointToPoint bool
	Broadcast    bool
	Addrs        []InterfaceAddr // In the host's order.
}

// An InterfaceAddr is one address of an interface.
type InterfaceAddr struct {
	Prefix    netip.Prefix // Address and netmask, host bits kept.
	Broadcast netip.Addr   // The zero Addr when it has none.
	Peer      netip.Addr   // Of a point-to-point link.
}

// A Protocol is a row of /etc/protocols.
type Protocol struct {
	Number  uint8
	Name    string
	Aliases []string
}

var usualProtocols = []Protocol{
	{0, "ip", []string{"IP"}},
	{1, "icmp", []string{"ICMP"}},
	{2, "igmp", []string{"IGMP"}},
	{4, "ipencap", []string{"IP-ENCAP"}},
	{6, "tcp", []string{"TCP"}},
	{8, "egp", []string{"EGP"}},
	{17, "udp", []string{"UDP"}},
	{41, "ipv6", []string{"IPV6"}},
	{46, "rsvp", []string{"RSVP"}},
	{47, "gre", []string{"GRE"}},
	{50, "esp", []string{"ESP"}},
	{51, "ah", []string{"AH"}},
	{58, "ipv6-icmp", []string{"IPV6-ICMP", "icmp6"}},
	{89, "ospf", []string{"OSPFIGP"}},
	{103, "pim", []string{"PIM"}},
	{108, "ipcomp", []string{"IPCOMP"}},
	{132, "sctp", []string{"SCTP"}},
}

//go:embed services.txt
var servicesText string

// usualServices are the names of any /etc/services.
var usualServices = sync.OnceValue(func() map[string]uint16 {
	m := make(map[string]uint16)
	for line := range strings.Lines(servicesText) {
		name, port, _ := strings.Cut(strings.TrimSpace(line), " ")
		if n, err := strconv.ParseUint(port, 10, 16); err == nil {
			m[name] = uint16(n)
		}
	}
	return m
})

func (h *Host) service(name string) (uint16, bool) {
	services := h.Services
	if services == nil {
		services = usualServices()
	}
	port, ok := services[name]
	return port, ok
}

func (h *Host) protocols() []Protocol {
	if h.Protocols == nil {
		return usualProtocols
	}
	return h.Protocols
}

func (h *Host) protoByName(name string) (uint8, bool) {
	for _, p := range h.protocols() {
		if p.Name == name {
			return p.Number, true
		}
		for _, alias := range p.Aliases {
			if alias == name {
				return p.Number, true
			}
		}
	}
	return 0, false
}

// proto is protocol n with its name on h.
func (h *Host) proto(n uint8) Proto {
	for _, p := range h.protocols() {
		if p.Number == n {
			return Proto{n, p.Name}
		}
	}
	return Proto{Number: n}
}

func (h *Host) iface(name string) *Interface {
	for i := range h.Interfaces {
		if h.Interfaces[i].Name == name {
			return &h.Interfaces[i]
		}
	}
	return nil
}

// knows says whether name is an interface of h or the class of one.
func (h *Host) knows(name string) bool {
	return slices.ContainsFunc(h.Interfaces, func(i Interface) bool { return inClass(i.Name, name) })
}

// inClass says whether interface name is class, or belongs to it: "en" is en0, en1 and so on.
func inClass(name, class string) bool {
	if name == class {
		return true
	}
	if class == "" || isDigit(int(class[len(class)-1])) || !strings.HasPrefix(name, class) {
		return false
	}
	return isDigit(int(name[len(class)]))
}

// addrs are the addresses that interface name, a class of interfaces or "self" stands for, as a rule text's
// name:modifiers asks for them.
func (h *Host) addrs(name string, mods Mods) []hostNode {
	var nodes []hostNode
	for _, i := range h.Interfaces {
		if name != "self" && !inClass(i.Name, name) {
			continue
		}
		var got4, got6 bool
		for _, a := range i.Addrs {
			ip := a.Prefix.Addr()
			scoped := ip.Is6() && ip.IsLinkLocalUnicast()
			if mods&ModBroadcast != 0 && (!ip.Is4() || !i.Broadcast) ||
				mods&ModPeer != 0 && !i.PointToPoint ||
				mods&ModNetwork != 0 && scoped ||
				mods&ModNoAlias != 0 && (ip.Is4() && got4 || ip.Is6() && got6) {
				continue
			}
			got4, got6 = got4 || ip.Is4(), got6 || ip.Is6()
			bits := ip.BitLen()
			switch {
			case mods&ModBroadcast != 0:
				ip = a.Broadcast
			case mods&ModPeer != 0:
				ip = a.Peer
			}
			if !ip.IsValid() {
				ip = zeroIP(familyOf(a.Prefix.Addr()))
			}
			if mods&ModNetwork != 0 {
				bits = a.Prefix.Bits()
			}
			n := hostNode{addr: maskAddr(ip, bits), af: familyOf(ip)}
			if scoped {
				n.scope = i.Name
			}
			nodes = append(nodes, n)
		}
	}
	return nodes
}

func familyOf(ip netip.Addr) Family {
	if ip.Is4() {
		return Inet
	}
	return Inet6
}

func zeroIP(af Family) netip.Addr {
	if af == Inet {
		return netip.IPv4Unspecified()
	}
	return netip.IPv6Unspecified()
}

// maskAddr is ip/bits with the host bits cleared. Bits beyond the family are kept for later complaint.
func maskAddr(ip netip.Addr, bits int) Addr {
	ip = ip.WithZone("")
	if p, err := ip.Prefix(bits); err == nil {
		ip = p.Addr()
	}
	if bits == 0 {
		return Addr{} // 0.0.0.0/0 and ::/0 are any.
	}
	return Addr{IP: ip, Bits: uint8(bits)}
}
