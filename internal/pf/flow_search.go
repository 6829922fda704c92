package pf

import (
	"net/netip"
	"slices"
)

// Limits of one flow, which no flow meets that somebody has written by hand.
const (
	maxConversations = 4096    // Kinds that are looked at.
	maxAsked         = 1 << 24 // Rules that are asked whether they can be met; it takes a second.
)

// Converse says what becomes of the flow's conversations on a pf that is enabled: of the opening packet, of the answer, and of
// the packets after that. It works on copies: k is unchanged, and the states that k has are not looked at. A nil h is the
// zero Host.
//
// The answer leaves by the interface that the question came in by, and the other way round: routes that are not symmetric
// are not modelled, nor is what becomes of a packet that is sent on to elsewhere, which is Unsure. What [Kernel.Test] does
// not model is not modelled here: of limits on states and sources, the first connection is taken to be within them.
// synproxy is taken to work. ICMP errors and the neighbor discovery that IPv6 lives on are no part of a flow.
//
// On an interface that h says nothing about, each address that the rules tell apart is tried as the Mac's own. If h has no
// interfaces, a flow that names none is tried on each that the rules name, and on one that they do not.
//
// The set of conversations is divided by all that the rules compare, and one of each part is tried, so the answer holds for
// all of them unless Sampled is set. It takes time linear in the rules that the flow can meet, times the parts.
func (k *Kernel) Converse(h *Host, f Flow) Outcome {
	if h == nil {
		h = &Host{}
	}
	s := &search{full: k, h: h, f: f, tables: make(map[*table][3]spans)}
	called := k.called()
	places := f.places(called, h)
	budget := maxConversations
	for i, p := range places {
		t := talk{iface: p.iface, proto: p.proto, guess: p.guess}
		budget -= s.descend(s.here(called, p), p, t, ownPort, budget-(len(places)-i-1))
	}
	s.explain()
	return s.out
}

// A search looks for the fates that conversations of a flow have.
type search struct {
	full   *Kernel // All rules.
	h      *Host
	f      Flow
	out    Outcome
	found  [3]*talk // The conversation of out that has each verdict.
	tables map[*table][3]spans
	asked  int // Rules so far; see maxAsked.
}

// A talk is one conversation: where it is, and who has it.
type talk struct {
	iface               string
	proto               uint8
	own, remote         netip.Addr
	ownPort, remotePort uint16
	guess               bool // The host does not know that own is an address of iface.
	ownClass            span // That own was taken from.
}

// A dim is one of the things by which conversations at one place differ.
type dim uint8

const (
	ownPort dim = iota
	remotePort
	ownAddr
	remoteAddr
	dims
)

// own says whether it is about the Mac's own end; port, whether it is a port.
func (d dim) own() bool  { return d == ownPort || d == ownAddr }
func (d dim) port() bool { return d == ownPort || d == remotePort }

// descend divides the conversations at a place by one thing after the other, and tries one of each part. k has the rules
// only that are left to be met. It returns how many it tried, which is no more than budget.
func (s *search) descend(k *Kernel, p place, t talk, d dim, budget int) int {
	if s.out.Pass != nil && s.out.Cut != nil && s.out.Unsure != nil {
		return 0
	}
	if d == dims {
		s.try(k, t)
		return 1
	}
	classes := s.divide(k, p, t, d)
	if most := min(budget, 1+max(0, maxAsked-s.asked)/(1+k.size())); len(classes) > most {
		s.out.Sampled = true
		for i := range most {
			classes[i] = classes[i*len(classes)/most]
		}
		classes = classes[:most]
	}
	used := 0
	for i, c := range classes {
		if t.set(d, c, p.af); t.own == t.remote && t.guess && d == remoteAddr {
			t.parted(c, p.af)
		}
		left := k
		if len(classes) > 1 {
			left = s.left(k, t, d)
		}
		used += s.descend(left, p, t, d+1, budget-used-(len(classes)-i-1))
	}
	return used
}

// set takes one of a class.
func (t *talk) set(d dim, class span, af Family) {
	one := class.first
	switch {
	case class.has(d.familiar(af)):
		one = d.familiar(af)
	case !d.port() && class.last.compare(one.next()) > 0:
		one = one.next() // The first address of a network is no host's.
	}
	switch d {
	case ownPort:
		t.ownPort = uint16(one.lo)
	case remotePort:
		t.remotePort = uint16(one.lo)
	case ownAddr:
		t.own, t.ownClass = one.addr(af), class
	case remoteAddr:
		t.remote = one.addr(af)
	}
}

// familiar is what a reader expects to see: a client's port, and addresses that are for documentation.
func (d dim) familiar(af Family) point {
	own, remote := netip.AddrFrom4([4]byte{192, 0, 2, 1}), netip.AddrFrom4([4]byte{198, 51, 100, 7})
	if af == Inet6 {
		own, remote = netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::7")
	}
	return [dims]point{{0, 50000}, {0, 50000}, pointOf(own), pointOf(remote)}[d]
}

// parted gives the ends of t, which are the same address, different ones of their classes. One of these has another.
func (t *talk) parted(remote span, af Family) {
	other := func(class span) netip.Addr {
		if class.first.addr(af) != t.own {
			return class.first.addr(af)
		}
		return class.last.addr(af)
	}
	if remote.first != remote.last {
		t.remote = other(remote)
	} else {
		t.own = other(t.ownClass)
	}
}

// divide are the parts of what is at a place that the rules tell apart in one thing.
func (s *search) divide(k *Kernel, p place, t talk, d dim) []span {
	set := [dims]spans{p.ownPorts, p.remotePorts, p.own, p.remote}[d]
	ll := prefixSpans(p.af, linkLocal)
	var parts partition
	switch d {
	case ownAddr:
		parts.ask(0, ll)
	case remoteAddr:
		own := span{pointOf(t.own), pointOf(t.own)}
		if t.own.IsLinkLocalUnicast() && p.af == Inet6 {
			set = set.and(ll)
		} else {
			set = set.minus(ll)
		}
		if p.guess && t.ownClass == own {
			set = set.minus(spans{own})
		}
	}
	if len(set) == 0 || set[0].first == set[len(set)-1].last {
		return set
	}
	moved := d.own() && k.translates()
	e := s.evaluation(k, t)
	ids := questions{numbers: make(map[question]int)}
	k.each(func(path string, r *Rule) {
		e.path = path
		ids.next(path, r)
		s.asked++
		for _, dir := range []Direction{In, Out} {
			if peer, ok := r.end(dir, d.own()); ok {
				if asked, ok := s.asks(e, peer, p.af, d); ok {
					parts.ask(ids.of(r, dir, d), asked)
				}
			}
		}
		if moved && r.isTranslation() && r.Call == nil { // An end that is translated to itself is not.
			for _, to := range r.Pool.Addrs {
				if asked, ok := s.asks(e, Peer{Addr: to.Addr, Port: PortRange{OpEqual, r.Pool.LowPort, 0}}, p.af, d); ok {
					parts.ask(0, asked)
				}
			}
		}
	})
	classes := parts.classes(set, d.familiar(p.af), moved)
	if moved && slices.ContainsFunc(classes, func(c span) bool { return c.first != c.last }) && k.maps(d.port()) {
		s.out.Sampled = true // Which of the class it is makes a difference after the translation.
	}
	return classes
}

// asks are the addresses or ports that a rule looks for at one end. ok is false when it makes no difference between those of
// the place.
func (s *search) asks(e *evaluation, peer Peer, af Family, d dim) (set spans, ok bool) {
	if d.port() {
		return peer.Port.spans(), peer.Port.Op != OpNone
	}
	switch a := peer.Addr; a.Kind {
	case AddrMask:
		if a == (Addr{}) || familyOf(a.IP) != af {
			return nil, false
		}
		set = prefixSpans(af, []netip.Prefix{netip.PrefixFrom(a.IP, int(a.Bits))})
	case AddrRange:
		if familyOf(a.IP) != af {
			return nil, false
		}
		set = spans{{pointOf(a.IP), pointOf(a.End)}}.tidy()
	case AddrTable:
		set = s.table(e.k.tableOf(e.path, a.Name), af)
	case AddrDynamic:
		if len(s.h.Interfaces) == 0 || e.own.IsValid() && a.Name == e.p.Interface {
			return nil, false
		}
		for _, n := range s.h.addrs(a.Name, a.Mods) {
			if n.addr.IP.IsValid() && familyOf(n.addr.IP) == af {
				bits := min(int(n.addr.Bits), int(a.Bits))
				set = append(set, prefixSpan(netip.PrefixFrom(n.addr.IP, bits)))
			}
		}
		set = set.tidy()
	default:
		return nil, false
	}
	if peer.Not {
		set = everything(af).minus(set)
	}
	return set, true
}

// table are the addresses in a table; nil is no table.
func (s *search) table(t *table, af Family) spans {
	if t == nil {
		return nil
	}
	cached, ok := s.tables[t]
	if !ok {
		cached[Inet], cached[Inet6] = t.spans(Inet), t.spans(Inet6)
		s.tables[t] = cached
	}
	return cached[af]
}

// spans are the addresses of a family that are in t: of the prefixes that have one, the longest decides.
func (t *table) spans(af Family) spans {
	var add, remove [129][]netip.Prefix
	for e := range t.entries {
		switch bits := e.Prefix.Bits(); {
		case e.Not:
			remove[bits] = append(remove[bits], e.Prefix)
		default:
			add[bits] = append(add[bits], e.Prefix)
		}
	}
	var s spans
	for bits := range add {
		if remove[bits] != nil {
			s = s.minus(prefixSpans(af, remove[bits]))
		}
		if add[bits] != nil {
			s = append(s, prefixSpans(af, add[bits])...).tidy()
		}
	}
	return s
}

// evaluation asks whether rules match packets of a talk.
func (s *search) evaluation(k *Kernel, t talk) *evaluation {
	e := &evaluation{k: k, h: s.h, anyTOS: true, p: Packet{Interface: t.iface, Proto: t.proto}}
	if t.guess {
		e.own = t.own
	}
	return e
}

// here are the rules of k that conversations at a place can meet.
func (s *search) here(k *Kernel, p place) *Kernel {
	if k.skip[p.iface] {
		return &Kernel{skip: k.skip}
	}
	sets := [dims]spans{p.ownPorts, p.remotePorts, p.own, p.remote}
	translates := k.translates()
	e := s.evaluation(k, talk{iface: p.iface, proto: p.proto})
	return k.only(func(path string, r *Rule) bool {
		if r.Interface != "" && (r.Interface == p.iface) == r.IfNot ||
			r.Family != AnyFamily && r.Family != p.af ||
			r.Proto.Number != 0 && r.Proto.Number != p.proto {
			return false
		}
		e.path = path
		return r.anyWay(func(dir Direction) bool {
			for d := range dims {
				if d.own() && translates && !r.isTranslation() {
					continue // It sees another end than the packet came with.
				}
				peer, ok := r.end(dir, d.own())
				if !ok {
					return false
				}
				if p.guess && peer.Addr.Kind == AddrDynamic {
					continue
				}
				if asked, ok := s.asks(e, peer, p.af, d); ok && !asked.meets(sets[d]) {
					return false
				}
			}
			return true
		})
	})
}

// left are the rules of k that can be met when one thing is settled.
func (s *search) left(k *Kernel, t talk, d dim) *Kernel {
	translates := d.own() && k.translates()
	e := s.evaluation(k, t)
	return k.only(func(path string, r *Rule) bool {
		e.path = path
		s.asked++
		return r.anyWay(func(dir Direction) bool {
			peer, ok := r.end(dir, d.own())
			if !ok || translates && !r.isTranslation() {
				return ok
			}
			switch d {
			case ownPort:
				return peer.Port.has(t.ownPort)
			case remotePort:
				return peer.Port.has(t.remotePort)
			case ownAddr:
				peer.Port = PortRange{}
				return e.matchPeer(peer, netip.AddrPortFrom(t.own, 0)) != no
			}
			peer.Port = PortRange{}
			return e.matchPeer(peer, netip.AddrPortFrom(t.remote, 0)) != no
		})
	})
}
