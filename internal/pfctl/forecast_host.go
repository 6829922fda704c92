package pfctl

import (
	"math/bits"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/macos-fleet/terraform-provider-macos/internal/pf"
)

// A way is where packets leave the Mac that no narrower route takes: an interface, for one family.
type way struct {
	iface   string
	family  pf.Family
	gateway netip.Addr // zero where there is none, as through a tunnel
}

// interfacesOf reads what `ifconfig -a` prints. A line of it that is not understood says nothing of addresses.
func interfacesOf(out []byte) []pf.Interface {
	var all []pf.Interface
	for _, line := range lines(out) {
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		if name, ok := strings.CutSuffix(fields[0], ":"); ok && !strings.HasPrefix(line, "\t") && len(fields) > 1 {
			_, flags, _ := strings.Cut(strings.TrimSuffix(fields[1], ">"), "<")
			is := func(flag string) bool { return slices.Contains(strings.Split(flags, ","), flag) }
			all = append(all, pf.Interface{
				Name: name, Loopback: is("LOOPBACK"), PointToPoint: is("POINTOPOINT"), Broadcast: is("BROADCAST"),
			})
			continue
		}
		if a, ok := addressOf(fields); ok && len(all) > 0 {
			last := &all[len(all)-1]
			last.Addrs = append(last.Addrs, a)
		}
	}
	return all
}

// addressOf reads `inet ADDR [--> PEER] netmask 0xMASK [broadcast ADDR]` and `inet6 ADDR%IF [--> PEER] prefixlen BITS`.
func addressOf(fields []string) (a pf.InterfaceAddr, ok bool) {
	if len(fields) < 2 || fields[0] != "inet" && fields[0] != "inet6" {
		return a, false
	}
	addr, ok := plainAddr(fields[1])
	if !ok {
		return a, false
	}
	size := addr.BitLen()
	for i := 2; i+1 < len(fields); i++ {
		switch value := fields[i+1]; fields[i] {
		case "-->":
			a.Peer, _ = plainAddr(value)
		case "broadcast":
			a.Broadcast, _ = plainAddr(value)
		case "netmask":
			if mask, err := strconv.ParseUint(value, 0, 32); err == nil {
				size = bits.LeadingZeros32(^uint32(mask))
			}
		case "prefixlen":
			if n, err := strconv.Atoi(value); err == nil {
				size = n
			}
		}
	}
	a.Prefix = netip.PrefixFrom(addr, size)
	return a, a.Prefix.IsValid()
}

// plainAddr reads an address without its zone, which pf does not know; an IPv4 address in IPv6's clothes is one of IPv4.
func plainAddr(text string) (netip.Addr, bool) {
	addr, err := netip.ParseAddr(text)
	return addr.Unmap().WithZone(""), err == nil
}

// waysOf reads what `netstat -rn` prints: the routes that take most of the Internet. Beside the default routes, of which macOS has
// one for every network that offers one, these are the halves and quarters by which VPNs outdo them. Routes that refuse are none.
func waysOf(out []byte) []way {
	var ways []way
	family := pf.AnyFamily
	for _, line := range lines(out) {
		switch fields := strings.Fields(line); {
		case line == "Internet:":
			family = pf.Inet
		case line == "Internet6:":
			family = pf.Inet6
		case family == pf.AnyFamily || len(fields) < 4 || !wide(fields[0]) || strings.ContainsAny(fields[2], "RB"):
		default:
			w := way{iface: fields[3], family: family}
			w.gateway, _ = plainAddr(fields[1])
			same := func(other way) bool { return other.iface == w.iface && other.family == w.family }
			if !slices.ContainsFunc(ways, same) {
				ways = append(ways, w)
			}
		}
	}
	return ways
}

// wide reports whether a route's destination is everything or at least an eighth of it, such as 128.0/1 or 2000::/3.
func wide(destination string) bool {
	_, size, ok := strings.Cut(destination, "/")
	n, err := strconv.Atoi(size)
	return destination == "default" || ok && err == nil && n <= 3
}

// pathOf reads the connection's ends: "CLIENT PORT SERVER PORT", as sshd says them. The server's end keeps its zone, which is an
// interface.
func pathOf(args string) (client, server netip.AddrPort) {
	fields := strings.Fields(args)
	if len(fields) != 4 {
		return client, server
	}
	end := func(addr, port string) netip.AddrPort {
		a, err := netip.ParseAddr(addr)
		n, errPort := strconv.ParseUint(port, 10, 16)
		if err != nil || errPort != nil {
			return netip.AddrPort{}
		}
		return netip.AddrPortFrom(a.Unmap(), uint16(n))
	}
	client = end(fields[0], fields[1])
	return netip.AddrPortFrom(client.Addr().WithZone(""), client.Port()), end(fields[2], fields[3])
}
