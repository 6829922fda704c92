package macsim

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

func init() { programs(map[string]command{"/usr/sbin/netstat": netstat}) }

// netstat knows -rn, of which it shows the default routes and those of the interfaces' networks, in columns as wide as macOS has them for
// numbers; the flags are those that such routes were seen to have.
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
		row := func(destination, gateway, flags, iface string) {
			fmt.Fprintln(p.Stdout, strings.TrimRight(fmt.Sprintf(f.columns, destination, gateway, flags, iface, ""), " \n"))
		}
		fmt.Fprintln(p.Stdout, strings.TrimRight(fmt.Sprintf(f.columns, "Destination", "Gateway", "Flags", "Netif", "Expire"), " \n"))
		if i, gateway, ok := m.defaultRoute(f.v4); ok {
			row("default", gateway.String(), "UGScg", i.Name)
		}
		for n, i := range m.Interfaces {
			for _, a := range i.Addrs {
				switch addr := a.Addr(); {
				case addr.Is4() != f.v4 || addr.IsLinkLocalUnicast():
				case i.Name == "lo0":
					row(addr.String(), addr.String(), "UH", i.Name)
				case strings.HasPrefix(i.Name, "utun"):
					row(i.peer(addr).String(), addr.String(), "UH", i.Name)
				default:
					row(shortNet(a.Masked()), fmt.Sprintf("link#%d", n+1), "UCS", i.Name)
				}
			}
		}
	}
	return 0
}

// defaultRoute leads to the first address of the first network that is neither loopback nor a tunnel.
func (m *Mac) defaultRoute(v4 bool) (i Interface, gateway netip.Addr, ok bool) {
	for _, i := range m.Interfaces {
		if i.Name == "lo0" || strings.HasPrefix(i.Name, "utun") {
			continue
		}
		for _, a := range i.Addrs {
			if a.Addr().Is4() == v4 && !a.Addr().IsLinkLocalUnicast() {
				return i, a.Masked().Addr().Next(), true
			}
		}
	}
	return i, gateway, false
}

// shortNet is a network as macOS prints it: without the zeros at its end, and without the length where that is as long as they say.
func shortNet(p netip.Prefix) string {
	if !p.Addr().Is4() {
		return p.String()
	}
	parts := strings.Split(p.Addr().String(), ".")
	n := (p.Bits() + 7) / 8
	if n == 0 {
		return p.String()
	}
	short := strings.Join(parts[:n], ".")
	if p.Bits()%8 == 0 && n > 2 {
		return short
	}
	return fmt.Sprintf("%s/%d", short, p.Bits())
}
