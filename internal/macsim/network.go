package macsim

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

func init() { programs(map[string]command{"/sbin/ifconfig": ifconfig}) }

// ifconfig shows interfaces. It changes none.
func ifconfig(_ context.Context, m *Mac, p *process) int {
	args := p.Args[1:]
	if len(args) == 1 && args[0] == "-l" {
		var names []string
		for _, i := range m.Interfaces {
			names = append(names, i.Name)
		}
		fmt.Fprintln(p.Stdout, strings.Join(names, " "))
		return 0
	}
	if len(args) > 0 && args[0] == "-a" {
		args = args[1:]
	}
	if len(args) > 1 {
		return p.errorf("macsim: only showing interfaces is modelled")
	}
	if len(args) == 1 && !slices.ContainsFunc(m.Interfaces, func(i Interface) bool { return i.Name == args[0] }) {
		return p.errorf("interface %s does not exist", args[0])
	}
	for n, i := range m.Interfaces {
		if len(args) == 0 || i.Name == args[0] {
			fmt.Fprint(p.Stdout, i.describe(n+1))
		}
	}
	return 0
}

func (i Interface) describe(scope int) string {
	var b strings.Builder
	tunnel := i.tunnel()
	switch {
	case i.Name == "lo0":
		fmt.Fprintf(&b, "lo0: flags=8049<UP,LOOPBACK,RUNNING,MULTICAST> mtu 16384\n\toptions=1203<RXCSUM,TXCSUM,TXSTATUS,SW_TIMESTAMP>\n")
	case tunnel:
		fmt.Fprintf(&b, "%s: flags=8051<UP,POINTOPOINT,RUNNING,MULTICAST> mtu 1280\n", i.Name)
	default:
		fmt.Fprintf(&b, "%s: flags=8863<UP,BROADCAST,SMART,RUNNING,SIMPLEX,MULTICAST> mtu 1500\n"+
			"\toptions=6460<TSO4,TSO6,CHANNEL_IO,PARTIAL_CSUM,ZEROINVERT_CSUM>\n\tether 14:7d:da:00:00:%02x\n", i.Name, scope)
	}
	for _, a := range i.Addrs {
		addr, bits := a.Addr(), a.Bits()
		switch {
		case addr.Is4():
			mask := uint32(0)
			if bits > 0 {
				mask = ^uint32(0) << (32 - bits)
			}
			fmt.Fprintf(&b, "\tinet %s ", addr)
			if tunnel {
				fmt.Fprintf(&b, "--> %s ", i.peer(addr))
			}
			fmt.Fprintf(&b, "netmask 0x%08x", mask)
			if !tunnel && i.Name != "lo0" {
				fmt.Fprintf(&b, " broadcast %s", broadcast(a))
			}
		case addr.IsLinkLocalUnicast():
			fmt.Fprintf(&b, "\tinet6 %s%%%s prefixlen %d", addr, i.Name, bits)
			if i.Name != "lo0" && !tunnel {
				b.WriteString(" secured")
			}
			fmt.Fprintf(&b, " scopeid 0x%x", scope)
		default:
			fmt.Fprintf(&b, "\tinet6 %s prefixlen %d", addr, bits)
		}
		b.WriteString(" \n")
	}
	b.WriteString("\tnd6 options=201<PERFORMNUD,DAD>\n")
	if i.Name != "lo0" && !tunnel {
		b.WriteString("\tmedia: autoselect\n\tstatus: active\n")
	}
	return strings.ReplaceAll(b.String(), " \n", "\n")
}

// peer is the far end of a tunnel with this address.
func (i Interface) peer(addr netip.Addr) netip.Addr {
	if i.Peer.IsValid() {
		return i.Peer
	}
	return addr
}

func broadcast(p netip.Prefix) netip.Addr {
	a := p.Addr().As4()
	for bit := p.Bits(); bit < 32; bit++ {
		a[bit/8] |= 0x80 >> (bit % 8)
	}
	return netip.AddrFrom4(a)
}
