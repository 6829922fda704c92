package macsim

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

func init() { programs(map[string]command{"/usr/sbin/netstat": netstat, "/sbin/route": route}) }

// A way is a route: packets to a network leave by an interface, through a router or not.
type way struct {
	to      netip.Prefix
	gateway string // an address, or link#N
	flags   string
	iface   Interface
	scoped  bool // only taken by what is bound to the interface
}

// ways are the routes of one family: the default routes and those of the interfaces' networks. The router of a network is its first
// address, and that of IPv6 fe80::1, as routers of IPv6 have addresses of the link only. On real Macs there are more, and tunnels without
// an address of their own have a default route of IPv6 that nothing takes.
func (m *Mac) ways(v4 bool) []way {
	everything := netip.PrefixFrom(netip.IPv6Unspecified(), 0)
	if v4 {
		everything = netip.PrefixFrom(netip.IPv4Unspecified(), 0)
	}
	var all []way
	for _, name := range m.defaultRoutes() {
		n := slices.IndexFunc(m.Interfaces, func(i Interface) bool { return i.Name == name })
		if n < 0 {
			continue
		}
		i := m.Interfaces[n]
		a := slices.IndexFunc(i.Addrs, func(a netip.Prefix) bool { return a.Addr().Is4() == v4 && !a.Addr().IsLinkLocalUnicast() })
		if a < 0 {
			continue
		}
		w := way{to: everything, iface: i, scoped: len(all) > 0, gateway: "fe80::1%" + name, flags: "UGc"}
		switch {
		case i.tunnel():
			w.gateway, w.flags = fmt.Sprintf("link#%d", n+1), "UCS"
		case v4:
			w.gateway, w.flags = i.Addrs[a].Masked().Addr().Next().String(), "UGSc"
		}
		if w.scoped {
			w.flags += "I"
		}
		w.flags += "g"
		all = append(all, w)
	}
	for n, i := range m.Interfaces {
		link := fmt.Sprintf("link#%d", n+1)
		for _, a := range i.Addrs {
			addr := a.Addr()
			switch host := netip.PrefixFrom(addr, addr.BitLen()); {
			case addr.Is4() != v4 || addr.IsLinkLocalUnicast():
			case i.Name == "lo0":
				all = append(all, way{host, addr.String(), "UH", i, false})
			case i.tunnel():
				peer := i.peer(addr)
				all = append(all, way{netip.PrefixFrom(peer, peer.BitLen()), addr.String(), "UH", i, false})
			default:
				all = append(all, way{a.Masked(), link, "UCS", i, false})
			}
		}
		for _, to := range i.Routes {
			if to.Addr().Is4() == v4 {
				all = append(all, way{to.Masked(), link, "UCS", i, false})
			}
		}
	}
	return all
}

// defaultRoutes is DefaultRoutes, or if that is nil the first network that is neither loopback nor a tunnel.
func (m *Mac) defaultRoutes() []string {
	if m.DefaultRoutes != nil {
		return m.DefaultRoutes
	}
	for _, i := range m.Interfaces {
		if i.Name != "lo0" && !i.tunnel() && slices.ContainsFunc(i.Addrs, func(a netip.Prefix) bool { return a.Addr().Is4() }) {
			return []string{i.Name}
		}
	}
	return nil
}

func (i Interface) tunnel() bool { return strings.HasPrefix(i.Name, "utun") }

// netstat knows -rn, in columns as wide as macOS has them for numbers; the flags are those that such routes were seen to have.
func netstat(_ context.Context, m *Mac, p *process) int {
	family := ""
	switch args := p.Args[1:]; {
	case slices.Equal(args, []string{"-rn"}), slices.Equal(args, []string{"-nr"}):
	case len(args) == 3 && args[0] == "-rn" && args[1] == "-f" && (args[2] == "inet" || args[2] == "inet6"):
		family = args[2]
	default:
		return p.errorf("macsim: only netstat -rn is modelled")
	}
	fmt.Fprintln(p.Stdout, "Routing tables")
	for _, f := range []struct {
		name, title, columns string
		v4                   bool
	}{
		{"inet", "Internet", "%-18s %-18s %-15s %9s %6s\n", true},
		{"inet6", "Internet6", "%-39s %-39s %-15s %9s %6s\n", false},
	} {
		if family != "" && family != f.name {
			continue
		}
		fmt.Fprintf(p.Stdout, "\n%s:\n", f.title)
		row := func(destination, gateway, flags, iface, expire string) {
			fmt.Fprintln(p.Stdout, strings.TrimRight(fmt.Sprintf(f.columns, destination, gateway, flags, iface, expire), " \n"))
		}
		row("Destination", "Gateway", "Flags", "Netif", "Expire")
		for _, w := range m.ways(f.v4) {
			row(netName(w.to), w.gateway, w.flags, w.iface.Name, "")
		}
	}
	return 0
}

// netName is a network as netstat prints it: of IPv4 without the zeros that its old class allows to leave out, and without a length
// that is its class's.
func netName(p netip.Prefix) string {
	addr := p.Addr()
	switch {
	case p.Bits() == 0:
		return "default"
	case p.IsSingleIP():
		return addr.String()
	case !addr.Is4():
		return p.String()
	}
	b := addr.As4()
	class := 3
	switch {
	case b[0] < 128:
		class = 1
	case b[0] < 192:
		class = 2
	}
	n := class
	for i, x := range b {
		if x != 0 {
			n = max(n, i+1)
		}
	}
	short := strings.Join(strings.Split(addr.String(), ".")[:n], ".")
	if p.Bits() == 8*class {
		return short
	}
	return fmt.Sprintf("%s/%d", short, p.Bits())
}

// route knows "get default" and "get ADDRESS", after -n, and with -inet6.
func route(_ context.Context, m *Mac, p *process) int {
	v6 := false
	words := slices.DeleteFunc(slices.Clone(p.Args[1:]), func(s string) bool {
		v6 = v6 || s == "-inet6"
		return s == "-n" || s == "-inet6" || s == "-inet"
	})
	if len(words) != 2 || words[0] != "get" {
		return p.errorf("macsim: only route get is modelled")
	}
	addr := netip.IPv4Unspecified()
	if v6 {
		addr = netip.IPv6Unspecified()
	}
	if words[1] != "default" {
		var err error
		if addr, err = netip.ParseAddr(words[1]); err != nil {
			return p.errorf("bad address: %s", words[1])
		}
	}
	best := way{}
	for _, w := range m.ways(addr.Is4()) {
		everything := w.to.Bits() == 0
		if !w.scoped && (everything || words[1] != "default" && w.to.Contains(addr)) && (best.iface.Name == "" || w.to.Bits() > best.to.Bits()) {
			best = w
		}
	}
	if best.iface.Name == "" {
		return p.errorf("writing to routing socket: not in table")
	}
	fmt.Fprint(p.Stdout, best.describe(words[1]))
	return 0
}

// describe is a route to what was asked for as route(8) shows it. The flags of routes without a router were not seen on a Mac.
func (w way) describe(asked string) string {
	var b strings.Builder
	destination, mask, flags := "default", "default", "<UP,DONE,CLONING,STATIC>"
	switch {
	case w.to.Bits() == 0 && w.iface.tunnel():
		flags = "<UP,DONE,CLONING,STATIC,GLOBAL>"
	case w.to.Bits() == 0:
		flags = "<UP,GATEWAY,DONE,STATIC,PRCLONING,GLOBAL>"
	case w.to.IsSingleIP():
		destination, mask, flags = w.to.Addr().String(), "", "<UP,HOST,DONE>"
	case w.to.Addr().Is4():
		destination, mask = w.to.Addr().String(), maskOf(w.to.Bits()).String()
	default:
		destination, mask = w.to.Addr().String(), fmt.Sprintf("/%d", w.to.Bits())
	}
	fmt.Fprintf(&b, "   route to: %s\ndestination: %s\n", asked, destination)
	if mask != "" {
		fmt.Fprintf(&b, "       mask: %s\n", mask)
	}
	if strings.Contains(flags, "GATEWAY") {
		fmt.Fprintf(&b, "    gateway: %s\n", w.gateway)
	}
	fmt.Fprintf(&b, "  interface: %s\n      flags: %s\n"+
		" recvpipe  sendpipe  ssthresh  rtt,msec    rttvar  hopcount      mtu     expire\n"+
		"       0         0         0         0         0         0      1500         0\n", w.iface.Name, flags)
	return b.String()
}

func maskOf(bits int) netip.Addr {
	var mask [4]byte
	for i := range bits {
		mask[i/8] |= 0x80 >> (i % 8)
	}
	return netip.AddrFrom4(mask)
}
