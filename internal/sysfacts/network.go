package sysfacts

import (
	"context"
	_ "embed"
	"fmt"
	"math/bits"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/macos-fleet/terraform-provider-macos/internal/remote"
)

//go:embed network.sh
var networkScript string

// Network is how one Mac is connected at one moment. It is shared by all who ask, and not to be changed.
type Network struct {
	Interfaces []Interface // in ifconfig's order; nil: not known
	Ways       []Way       // in netstat's order; nil: not known
	// Client and Server are the ends of our connection, as the Mac sees them; zero: not known. The server's end keeps its zone, which is
	// an interface.
	Client, Server netip.AddrPort
}

// Interface is a network interface.
type Interface struct {
	Name                                  string
	MAC                                   string // "": it has none
	Index                                 int    // the number by which the kernel knows it; 0: not known, as without an IPv6 address
	Up, Loopback, PointToPoint, Broadcast bool
	Addrs                                 []Addr
}

// Addr is an address of an interface, without zone.
type Addr struct {
	netip.Prefix
	Peer, Broadcast netip.Addr // zero: none
}

// Way is a route out of the Mac for all packets of one family, or for at least an eighth of all addresses. Beside the default routes,
// of which macOS has one for every network that offers one, these are the halves and quarters by which VPNs outdo them.
type Way struct {
	Interface string
	IPv6      bool
	Gateway   netip.Addr // zero where there is none, as through a tunnel
	Default   bool       // it is for all addresses
	Scoped    bool       // only what is bound to the interface takes it
}

// LookAtNetwork returns how h is connected, by one remote call that all who ask share.
func LookAtNetwork(ctx context.Context, h *remote.Host) (*Network, error) {
	return remote.Ask(ctx, h, "network", func(ctx context.Context) (*Network, error) {
		result, err := h.Run(ctx, remote.Cmd{Script: networkScript})
		if err != nil {
			return nil, fmt.Errorf("sysfacts: reading interfaces and routes: %w", err)
		}
		return ParseNetwork(result.Records), nil
	})
}

// ParseNetwork reads the records of the script that looks at the network; see [LookAtNetwork].
func ParseNetwork(records []remote.Record) *Network {
	n := new(Network)
	for _, r := range records {
		switch r.Key {
		case "path":
			n.Client, n.Server = pathOf(r.Args)
		case "interfaces":
			n.Interfaces = interfacesOf(r.Body)
		case "routes":
			n.Ways = waysOf(r.Body)
		}
	}
	return n
}

// interfacesOf reads what `ifconfig -a` prints. A line of it that is not understood says nothing.
func interfacesOf(out []byte) []Interface {
	var all []Interface
	for _, line := range lines(out) {
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}
		if name, ok := strings.CutSuffix(fields[0], ":"); ok && !strings.HasPrefix(line, "\t") {
			_, flags, _ := strings.Cut(strings.TrimSuffix(fields[1], ">"), "<")
			is := func(flag string) bool { return slices.Contains(strings.Split(flags, ","), flag) }
			all = append(all, Interface{
				Name: name, Up: is("UP"), Loopback: is("LOOPBACK"), PointToPoint: is("POINTOPOINT"), Broadcast: is("BROADCAST"),
			})
			continue
		}
		if len(all) == 0 {
			continue
		}
		last := &all[len(all)-1]
		if fields[0] == "ether" {
			last.MAC = fields[1]
		}
		if a, ok := addrOf(fields); ok {
			last.Addrs = append(last.Addrs, a)
		}
		if i := slices.Index(fields, "scopeid"); i > 0 && i+1 < len(fields) {
			if scope, err := strconv.ParseInt(fields[i+1], 0, 32); err == nil {
				last.Index = int(scope)
			}
		}
	}
	return all
}

// addrOf reads `inet ADDR [--> PEER] netmask 0xMASK [broadcast ADDR]` and `inet6 ADDR%IF [--> PEER] prefixlen BITS`.
func addrOf(fields []string) (a Addr, ok bool) {
	if fields[0] != "inet" && fields[0] != "inet6" {
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
	return a, a.IsValid()
}

// plainAddr reads an address without its zone; an IPv4 address in IPv6's clothes is one of IPv4.
func plainAddr(text string) (netip.Addr, bool) {
	addr, err := netip.ParseAddr(text)
	return addr.Unmap().WithZone(""), err == nil
}

// waysOf reads what `netstat -rn` prints. Routes that refuse are no ways.
func waysOf(out []byte) []Way {
	var ways []Way
	family := ""
	for _, line := range lines(out) {
		switch fields := strings.Fields(line); {
		case line == "Internet:", line == "Internet6:":
			if family = line; ways == nil {
				ways = []Way{}
			}
		case family == "" || len(fields) < 4 || !wide(fields[0]) || strings.ContainsAny(fields[2], "RB"):
		default:
			w := Way{
				Interface: fields[3], IPv6: family == "Internet6:", Default: fields[0] == "default", Scoped: strings.Contains(fields[2], "I"),
			}
			w.Gateway, _ = plainAddr(fields[1])
			ways = append(ways, w)
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

// pathOf reads the connection's ends: "CLIENT PORT SERVER PORT", as sshd says them.
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

func lines(out []byte) []string {
	text := strings.TrimSuffix(string(out), "\n")
	if text == "" {
		return nil
	}
	return strings.Split(text, "\n")
}
