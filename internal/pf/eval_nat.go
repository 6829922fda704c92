package pf

import (
	"net/netip"
)

// translate applies the first translation rule that matches, and returns it; nil is none. A packet that comes in is
// redirected, else its binat undone; one that goes out is changed by binat, else by nat. A rule that perhaps matches, or
// a pool with several addresses, makes the rest unknowable.
func (e *evaluation) translate() *Rule {
	lists := []Action{Binat, NAT}
	if e.p.Direction == In {
		lists = []Action{RDR, Binat}
	}
	for _, action := range lists {
		e.path, e.outer = "", nil
		r := e.firstMatch("", action)
		if e.lost != "" {
			return nil
		}
		if r == nil {
			continue
		}
		switch r.Action {
		case NoNAT, NoRDR, NoBinat:
			continue
		}
		e.rewrite(r)
		return r
	}
	return nil
}

// firstMatch is the first rule of a kind that matches, in an anchor and those it calls.
func (e *evaluation) firstMatch(path string, action Action) *Rule {
	for _, r := range e.enter(path, action) {
		m := e.matchesNAT(r)
		if m == no {
			continue
		}
		if m == perhaps {
			e.lost = e.why
			return nil
		}
		e.setTag(r.Tag, yes)
		if r.Call == nil {
			return r
		}
		for _, target := range e.k.targets(r.Call) {
			if r := e.firstMatch(target, action); r != nil || e.lost != "" {
				return r
			}
		}
	}
	e.leave()
	return nil
}

// matchesNAT is matches, but that a binat rule for packets that come in is read backwards.
func (e *evaluation) matchesNAT(r *Rule) truth {
	if r.Action != Binat || r.Call != nil || e.p.Direction != In {
		return e.matches(r)
	}
	back := *r
	back.Src, back.Dst = r.Dst, Peer{Addr: r.Pool.Addrs[0].Addr}
	return e.matches(&back)
}

// rewrite changes the packet as a translation rule says.
func (e *evaluation) rewrite(r *Rule) {
	p := &e.p
	switch {
	case r.Action == Binat && p.Direction == In:
		p.Dst = netip.AddrPortFrom(e.poolAddr(r.Src.Addr, p.Dst.Addr(), false), p.Dst.Port())
	case r.Action == Binat:
		p.Src = netip.AddrPortFrom(e.poolTarget(r.Pool, p.Src.Addr(), false), p.Src.Port())
	case r.Action == NAT:
		port := p.Src.Port()
		if r.Pool.LowPort != 0 && (p.Proto == protoTCP || p.Proto == protoUDP) {
			port = r.Pool.LowPort
		}
		p.Src = netip.AddrPortFrom(e.poolTarget(r.Pool, p.Src.Addr(), true), port)
	case r.Action == RDR:
		port := p.Dst.Port()
		switch low, high := r.Pool.LowPort, r.Pool.HighPort; {
		case high != 0:
			port = low + uint16(uint32(port-r.Dst.Port.A)%(uint32(high-low)+1))
		case low != 0:
			port = low
		}
		p.Dst = netip.AddrPortFrom(e.poolTarget(r.Pool, p.Dst.Addr(), true), port)
	}
}

// poolTarget is the address that a pool gives. hostOnly is set when a network is a set to choose from, rather than one to
// map into.
func (e *evaluation) poolTarget(pool *Pool, ip netip.Addr, hostOnly bool) netip.Addr {
	if len(pool.Addrs) > 1 {
		e.lost = "one of several addresses is chosen"
		return ip
	}
	return e.poolAddr(pool.Addrs[0].Addr, ip, hostOnly && pool.Type != PoolBitmask)
}

// poolAddr is the address that stands for ip in a.
func (e *evaluation) poolAddr(a Addr, ip netip.Addr, hostOnly bool) netip.Addr {
	switch a.Kind {
	case AddrMask:
		if int(a.Bits) == ip.BitLen() {
			return a.IP
		}
		if !hostOnly {
			return mapInto(a, ip)
		}
	case AddrDynamic:
		if e.h != nil {
			for _, n := range e.h.addrs(a.Name, a.Mods) {
				if n.af == familyOf(ip) && n.scope == "" && n.addr.IP.IsValid() {
					return n.addr.IP
				}
			}
		}
		e.lost = "the addresses of " + a.Name + " are not known"
		return ip
	}
	e.lost = "one of several addresses is chosen"
	return ip
}

// mapInto is ip with its network part replaced by a's.
func mapInto(a Addr, ip netip.Addr) netip.Addr {
	from, to := ip.AsSlice(), a.IP.AsSlice()
	for i := range to {
		keep := byte(0xff)
		if bits := int(a.Bits) - 8*i; bits >= 8 {
			keep = 0
		} else if bits > 0 {
			keep >>= bits
		}
		to[i] |= from[i] & keep
	}
	out, _ := netip.AddrFromSlice(to)
	return out
}
