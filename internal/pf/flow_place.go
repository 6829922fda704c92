package pf

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// A place is where conversations of a flow can be: one interface, one address family, one protocol, and the sets of ends.
type place struct {
	iface string
	af    Family
	proto uint8

	own, remote           spans // Addresses.
	ownPorts, remotePorts spans // {0} for protocols without.

	// guess is set when the host does not say which addresses the interface has: own is what it may have.
	guess bool
}

// What lies in no network of anybody's: this network, loopback, multicast, reserved; link-local addresses are apart.
var (
	martians4 = prefixes("0.0.0.0/8", "127.0.0.0/8", "224.0.0.0/3")
	martians6 = prefixes("::/128", "::1/128", "::ffff:0:0/96", "ff00::/8")
	linkLocal = prefixes("fe80::/10")
	tailnet   = prefixes("100.64.0.0/10", "fd7a:115c:a1e0::/48")
)

// ephemeral are the ports that a Mac takes for the connections that it opens; it is likely that no Mac is set otherwise.
var ephemeral = portSpan(49152, 65535)

func prefixes(words ...string) []netip.Prefix {
	var list []netip.Prefix
	for _, w := range words {
		list = append(list, netip.MustParsePrefix(w))
	}
	return list
}

func martians(af Family) spans {
	if af == Inet {
		return prefixSpans(af, martians4)
	}
	return prefixSpans(af, martians6)
}

// places are where conversations of f can be, for rules that a packet can meet.
func (f Flow) places(k *Kernel, h *Host) []place {
	var places []place
	for _, iface := range f.interfaces(k, h) {
		for _, af := range f.families() {
			p := place{iface: iface, af: af}
			p.own, p.guess = f.ownAddrs(h, iface, af)
			p.remote = f.remoteAddrs(h, iface, af)
			if len(p.own) == 0 || len(p.remote) == 0 {
				continue
			}
			for _, p.proto = range f.protos(k, af) {
				p.ownPorts, p.remotePorts = f.ports(p.proto)
				places = append(places, p)
			}
		}
	}
	return places
}

// usualLoopback is the loopback interface of a Mac that does not say which it has.
var usualLoopback = Interface{
	Name: "lo0", Loopback: true,
	Addrs: []InterfaceAddr{{Prefix: netip.MustParsePrefix("127.0.0.1/8")}, {Prefix: netip.MustParsePrefix("::1/128")}},
}

// flowIface is the interface of a name, nil if nothing is known about it.
func (h *Host) flowIface(name string) *Interface {
	if i := h.iface(name); i != nil && len(i.Addrs) > 0 {
		return i
	}
	if name == usualLoopback.Name {
		return &usualLoopback
	}
	return nil
}

// ownPrefixes and remotePrefixes are the ends as seen from the Mac.
func (f Flow) ownPrefixes() []netip.Prefix {
	if f.Direction == In {
		return f.Dst
	}
	return f.Src
}

func (f Flow) remotePrefixes() []netip.Prefix {
	if f.Direction == In {
		return f.Src
	}
	return f.Dst
}

// interfaces are those that the flow can be on. When h has none, they are those that the rules tell apart.
func (f Flow) interfaces(k *Kernel, h *Host) []string {
	if f.Interface != "" {
		return []string{f.Interface}
	}
	if len(h.Interfaces) == 0 {
		return k.interfaceNames()
	}
	var all, with []string
	for _, i := range h.Interfaces {
		if i.Loopback || len(i.Addrs) == 0 {
			continue
		}
		all = append(all, i.Name)
		for _, af := range []Family{Inet, Inet6} {
			if i.own(af).meets(prefixSpans(af, f.ownPrefixes())) {
				with = append(with, i.Name)
				break
			}
		}
	}
	if with != nil {
		return with
	}
	return all
}

// interfaceNames are the interfaces that the rules name, but for loopback, and one that they do not.
func (k *Kernel) interfaceNames() []string {
	var names []string
	for name := range k.skip {
		names = append(names, name)
	}
	k.each(func(_ string, r *Rule) {
		names = append(names, r.Interface)
		for _, a := range []Addr{r.Src.Addr, r.Dst.Addr} {
			if a.Kind == AddrDynamic && a.Name != "self" {
				names = append(names, a.Name)
			}
		}
	})
	slices.Sort(names)
	names = slices.DeleteFunc(slices.Compact(names), func(name string) bool { return name == "" || strings.HasPrefix(name, "lo") })
	for n := 0; ; n++ {
		if other := "en" + strconv.Itoa(n); !slices.Contains(names, other) {
			return append(names, other)
		}
	}
}

// protos are the protocols of f that the rules tell apart.
func (f Flow) protos(k *Kernel, af Family) []uint8 {
	if f.Proto != 0 {
		return []uint8{f.Proto}
	}
	const other = 253 // For experiments.
	protos := []uint8{protoTCP, protoUDP, other}
	if af == Inet {
		protos = append(protos, protoICMP)
	} else {
		protos = append(protos, protoICMPv6)
	}
	k.each(func(_ string, r *Rule) {
		if n := r.Proto.Number; n != 0 && n != protoICMP && n != protoICMPv6 && !slices.Contains(protos, n) {
			protos = append(protos, n)
		}
	})
	return protos
}

// own are the addresses of i.
func (i *Interface) own(af Family) spans {
	var s spans
	for _, a := range i.Addrs {
		if ip := a.Prefix.Addr().WithZone(""); familyOf(ip) == af {
			s = append(s, span{pointOf(ip), pointOf(ip)})
		}
	}
	return s.tidy()
}

// networks are the addresses that are reached by i and no other way, as far as its own addresses tell. Tailscale gives its
// interface one address and routes all of the tailnet there.
func (i *Interface) networks(af Family) spans {
	var list []netip.Prefix
	for _, a := range i.Addrs {
		ip := a.Prefix.Addr().WithZone("")
		if ip.IsLinkLocalUnicast() {
			continue
		}
		list = append(list, netip.PrefixFrom(ip, a.Prefix.Bits()).Masked())
		for _, net := range tailnet {
			if i.PointToPoint && net.Contains(ip) {
				list = append(list, net)
			}
		}
	}
	return prefixSpans(af, list)
}

// ownAddrs are the addresses of the Mac's own end, and whether they are only what the interface may have.
func (f Flow) ownAddrs(h *Host, iface string, af Family) (own spans, guess bool) {
	named := prefixSpans(af, f.ownPrefixes())
	i := h.flowIface(iface)
	if i == nil {
		if f.ownPrefixes() == nil {
			named = everything(af)
		}
		return named.without(martians(af)), true
	}
	own = i.own(af)
	if f.ownPrefixes() == nil {
		return own, false
	}
	if both := own.and(named); len(both) > 0 {
		return both, false
	}
	return named, false
}

// remoteAddrs are the addresses of the other end.
func (f Flow) remoteAddrs(h *Host, iface string, af Family) spans {
	set := prefixSpans(af, f.remotePrefixes())
	if f.remotePrefixes() == nil {
		set = everything(af)
	}
	var own, elsewhere spans
	for _, i := range h.Interfaces {
		own = append(own, i.own(af)...)
		if i.Name != iface && !i.Loopback {
			elsewhere = append(elsewhere, i.networks(af)...)
		}
	}
	own, elsewhere = own.tidy(), elsewhere.tidy()
	if here := h.flowIface(iface); here != nil {
		if here.Loopback {
			return set.and(append(own, here.own(af)...).tidy())
		}
		elsewhere = elsewhere.minus(here.networks(af))
	}
	set = set.without(martians(af)).without(own)
	if f.Interface == "" {
		return set.minus(elsewhere)
	}
	return set.without(elsewhere)
}

// without is s less t, or s if nothing would be left.
func (s spans) without(t spans) spans {
	if rest := s.minus(t); len(rest) > 0 {
		return rest
	}
	return s
}

// ports are the ports of both ends.
func (f Flow) ports(proto uint8) (own, remote spans) {
	if proto != protoTCP && proto != protoUDP {
		none := spans{portSpan(0, 0)}
		return none, none
	}
	client, server := f.SrcPort.spans(), f.DstPort.spans()
	if f.DstPort.Op == OpNone {
		server = spans{portSpan(1, 65535)}
	}
	switch {
	case f.SrcPort.Op != OpNone:
	case f.Direction == Out:
		client = spans{ephemeral}
	default:
		client = spans{portSpan(1024, 65535)}
	}
	if f.Direction == In {
		return server, client
	}
	return client, server
}

// spans are the ports in r.
func (r PortRange) spans() spans {
	const last = 65535
	a, b := r.A, r.B
	all := spans{portSpan(0, last)}
	switch r.Op {
	case OpInside:
		if a == last || b == 0 {
			return nil
		}
		return spans{portSpan(a+1, b-1)}.tidy()
	case OpOutside:
		return all.minus(spans{portSpan(a, b)}.tidy())
	case OpRange:
		return spans{portSpan(a, b)}.tidy()
	case OpEqual:
		return spans{portSpan(a, a)}
	case OpNotEqual:
		return all.minus(spans{portSpan(a, a)})
	case OpLess:
		return all.minus(spans{portSpan(a, last)})
	case OpLessEq:
		return spans{portSpan(0, a)}
	case OpGreater:
		return all.minus(spans{portSpan(0, a)})
	case OpGreaterEq:
		return spans{portSpan(a, last)}
	}
	return all
}
