package pf

import (
	"net/netip"
)

// matches says whether the packet is one that r is for.
func (e *evaluation) matches(r *Rule) truth {
	p := &e.p
	if r.Direction != InOut && r.Direction != p.Direction ||
		r.Interface != "" && (r.Interface == p.Interface) == r.IfNot ||
		r.Family != AnyFamily && r.Family != familyOf(p.Src.Addr()) ||
		r.Proto.Number != 0 && r.Proto.Number != p.Proto ||
		r.TOS != 0 && r.TOS != p.TOS && !e.anyTOS {
		return no
	}
	why := e.why
	m := e.matchPeer(r.Src, p.Src)
	if m != no {
		m = min(m, e.matchPeer(r.Dst, p.Dst))
	}
	if m != no {
		m = min(m, e.matchRest(r))
	}
	if m == no {
		e.why = why // What was not known about r did not matter.
	}
	return m
}

// matchRest looks at what few rules ask for.
func (e *evaluation) matchRest(r *Rule) truth {
	p := &e.p
	if r.Fragment && !p.Fragment {
		return no
	}
	if p.Fragment && (r.Src.Port.Op != OpNone || r.Dst.Port.Op != OpNone || r.FlagSet != 0 || r.ICMP.Type != 0) {
		return no // A fragment has none of these.
	}
	if r.FlagSet != 0 && p.Proto == protoTCP && p.Flags&r.FlagSet != r.Flags {
		return no
	}
	if r.ICMP.Type != 0 && (r.ICMP.Type-1 != uint16(p.ICMP.Type) || r.ICMP.Code != 0 && r.ICMP.Code-1 != uint16(p.ICMP.Code)) {
		return no
	}
	m := yes
	if r.TOS != 0 && e.anyTOS {
		m = e.unsure("the type of service of the packets is not known: " + r.String())
	}
	if r.Tagged != "" {
		if e.tagOpen {
			m = e.unsure("the tag depends on a rule that perhaps matches")
		} else if (r.Tagged == e.tag) == r.TaggedNot {
			return no
		}
	}
	if (r.User.Op != OpNone || r.Group.Op != OpNone) && (p.Proto == protoTCP || p.Proto == protoUDP) {
		switch {
		case p.Owner == nil:
			m = e.unsure("the owner of the socket is not known: " + r.String())
		case !r.User.has(p.Owner.User) || !r.Group.has(p.Owner.Group):
			return no
		}
	}
	if r.OS != "" {
		m = e.unsure("the system of the sender is not known: " + r.String())
	}
	if r.Probability != 0 && r.Probability != 1<<32-1 {
		m = e.unsure("chance decides: " + r.String())
	}
	return m
}

func (e *evaluation) matchPeer(peer Peer, end netip.AddrPort) truth {
	if !peer.Port.has(end.Port()) {
		return no
	}
	if peer.Addr == (Addr{}) {
		return yes
	}
	m := e.matchAddr(peer.Addr, end.Addr())
	if peer.Not && m != perhaps {
		return yes - m
	}
	return m
}

func truthOf(b bool) truth {
	if b {
		return yes
	}
	return no
}

func (e *evaluation) matchAddr(a Addr, ip netip.Addr) truth {
	switch a.Kind {
	case AddrMask:
		return truthOf(a == (Addr{}) || a.IP.Is4() == ip.Is4() && contains(a, ip))
	case AddrRange:
		return truthOf(a.IP.Is4() == ip.Is4() && a.IP.Compare(ip) <= 0 && ip.Compare(a.End) <= 0)
	case AddrTable:
		return truthOf(e.k.InTable(e.path, a.Name, ip))
	case AddrDynamic:
		if e.own.IsValid() && (a.Name == e.p.Interface || a.Name == "self") {
			switch {
			case a.Mods&^ModNetwork == 0 && ip == e.own:
				return yes
			case a.Mods != 0 || int(a.Bits) < ip.BitLen():
				return e.unsure("the addresses of " + a.Name + " are not known")
			}
		} else if e.h == nil || e.h.Interfaces == nil {
			return e.unsure("the addresses of " + a.Name + " are not known")
		}
		for _, n := range e.h.addrs(a.Name, a.Mods) {
			n.addr.Bits = min(n.addr.Bits, a.Bits)
			if n.addr.IP.IsValid() && n.addr.IP.Is4() == ip.Is4() && contains(maskAddr(n.addr.IP, int(n.addr.Bits)), ip) {
				return yes
			}
		}
		return no
	}
	return e.unsure("the routes of the host are not known")
}

// has says whether a port is in the range.
func (r PortRange) has(port uint16) bool {
	return IDRange{r.Op, uint32(r.A), uint32(r.B)}.has(uint32(port))
}

// has says whether a number is in the range.
func (r IDRange) has(n uint32) bool {
	switch r.Op {
	case OpInside:
		return n > r.A && n < r.B
	case OpOutside:
		return n < r.A || n > r.B
	case OpRange:
		return n >= r.A && n <= r.B
	case OpEqual:
		return n == r.A
	case OpNotEqual:
		return n != r.A
	case OpLess:
		return n < r.A
	case OpLessEq:
		return n <= r.A
	case OpGreater:
		return n > r.A
	case OpGreaterEq:
		return n >= r.A
	}
	return true
}
