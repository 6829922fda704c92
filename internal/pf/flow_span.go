package pf

import (
	"cmp"
	"encoding/binary"
	"math"
	"net/netip"
	"slices"
)

// A point is an address of one family, or a port, as a number.
type point struct{ hi, lo uint64 }

func (p point) compare(q point) int {
	return cmp.Or(cmp.Compare(p.hi, q.hi), cmp.Compare(p.lo, q.lo))
}

// next is the number after p. There is none after the last address of IPv6, which is for the caller to mind.
func (p point) next() point {
	if p.lo == math.MaxUint64 {
		return point{p.hi + 1, 0}
	}
	return point{p.hi, p.lo + 1}
}

func (p point) prev() point {
	if p.lo == 0 {
		return point{p.hi - 1, math.MaxUint64}
	}
	return point{p.hi, p.lo - 1}
}

func pointOf(ip netip.Addr) point {
	b := ip.As16()
	if ip.Is4() {
		return point{0, uint64(binary.BigEndian.Uint32(b[12:]))}
	}
	return point{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])}
}

// addr is the address of a family that p is.
func (p point) addr(af Family) netip.Addr {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], p.hi)
	binary.BigEndian.PutUint64(b[8:], p.lo)
	if af == Inet {
		return netip.AddrFrom4([4]byte(b[12:]))
	}
	return netip.AddrFrom16(b)
}

// A span is the points from first to last, both included.
type span struct{ first, last point }

func (s span) has(p point) bool { return s.first.compare(p) <= 0 && p.compare(s.last) <= 0 }

// A spans is a set of points: spans in order that do not touch.
type spans []span

// everything is all addresses of a family.
func everything(af Family) spans { return prefixSpans(af, []netip.Prefix{{}}) }

// portSpan is the ports from a to b.
func portSpan(a, b uint16) span { return span{point{0, uint64(a)}, point{0, uint64(b)}} }

// prefixSpans are the addresses of a family in prefixes. The zero Prefix is all of it.
func prefixSpans(af Family, prefixes []netip.Prefix) spans {
	var s spans
	for _, p := range prefixes {
		if p == (netip.Prefix{}) {
			p = netip.PrefixFrom(zeroIP(af), 0)
		}
		if familyOf(p.Addr()) == af {
			s = append(s, prefixSpan(p))
		}
	}
	return s.tidy()
}

func prefixSpan(p netip.Prefix) span {
	first := pointOf(p.Masked().Addr())
	last := first
	switch host := p.Addr().BitLen() - p.Bits(); {
	case host >= 64:
		last.hi |= 1<<(host-64) - 1
		last.lo = math.MaxUint64
	default:
		last.lo |= 1<<host - 1
	}
	return span{first, last}
}

// tidy makes s a set: in order, and what overlaps or touches is one.
func (s spans) tidy() spans {
	slices.SortFunc(s, func(x, y span) int { return x.first.compare(y.first) })
	out := s[:0]
	for _, x := range s {
		if x.first.compare(x.last) > 0 {
			continue
		}
		if n := len(out) - 1; n >= 0 && (x.first.compare(out[n].last) <= 0 || x.first == out[n].last.next()) {
			if x.last.compare(out[n].last) > 0 {
				out[n].last = x.last
			}
			continue
		}
		out = append(out, x)
	}
	return out
}

// minus is what is in s and not in t.
func (s spans) minus(t spans) spans {
	var out spans
	for _, x := range s {
		i, _ := slices.BinarySearchFunc(t, x.first, func(y span, p point) int { return y.last.compare(p) })
		for ; i < len(t) && t[i].first.compare(x.last) <= 0; i++ {
			if t[i].first.compare(x.first) > 0 {
				out = append(out, span{x.first, t[i].first.prev()})
			}
			if t[i].last.compare(x.last) >= 0 {
				x.first, x.last = point{0, 1}, point{} // nothing is left
				break
			}
			x.first = t[i].last.next()
		}
		if x.first.compare(x.last) <= 0 {
			out = append(out, x)
		}
	}
	return out
}

// and is what is in both sets.
func (s spans) and(t spans) spans { return s.minus(s.minus(t)) }

// meets says whether the sets have something in common.
func (s spans) meets(t spans) bool {
	for _, x := range s {
		i, _ := slices.BinarySearchFunc(t, x.first, func(y span, p point) int { return y.last.compare(p) })
		if i < len(t) && t[i].first.compare(x.last) <= 0 {
			return true
		}
	}
	return false
}

// A cut is where a question begins or ceases to be answered with yes.
type cut struct {
	at    point
	id    int
	begin bool
}

// A partition divides a set of points by questions that can be asked of each, of which some are of the same id: what counts
// is whether one of these is answered with yes.
type partition struct {
	cuts []cut
	ids  int
}

// ask adds the question whether a point is in s.
func (p *partition) ask(id int, s spans) {
	for _, x := range s {
		p.cuts = append(p.cuts, cut{x.first, id, true})
		if after := x.last.next(); after != (point{}) {
			p.cuts = append(p.cuts, cut{after, id, false})
		}
	}
	p.ids = max(p.ids, id+1)
}

// classes are parts of the set, of which each stands for all points that have the same answers; if that is possible, it is
// the part that has the point familiar. With apart, they are all parts that have the same answers throughout.
func (p *partition) classes(set spans, familiar point, apart bool) []span {
	inside := p.ids
	p.ask(inside, set)
	slices.SortFunc(p.cuts, func(x, y cut) int { return x.at.compare(y.at) })
	var (
		classes []span
		counts  = make([]int32, p.ids)
		yes     signature // Of the questions that are answered with yes.
		seen    = make(map[signature]int)
		end     point
	)
	if len(set) > 0 {
		end = set[len(set)-1].last
	}
	for i := 0; i < len(p.cuts); {
		at := p.cuts[i].at
		for ; i < len(p.cuts) && p.cuts[i].at == at; i++ {
			id, was := p.cuts[i].id, counts[p.cuts[i].id] > 0
			if p.cuts[i].begin {
				counts[id]++
			} else {
				counts[id]--
			}
			if is := counts[id] > 0; is != was {
				yes = yes.toggle(id)
			}
		}
		if counts[inside] == 0 {
			continue
		}
		part := span{at, end}
		if i < len(p.cuts) {
			part.last = p.cuts[i].at.prev()
		}
		if j, ok := seen[yes]; ok && !apart {
			if part.has(familiar) {
				classes[j] = part
			}
			continue
		}
		seen[yes] = len(classes)
		classes = append(classes, part)
	}
	return classes
}

// A signature stands for a set of numbers. Two sets have the same one by a chance of 1 in 2 to the 128.
type signature [2]uint64

// toggle adds a number to the set, or takes it out.
func (s signature) toggle(n int) signature {
	for i := range s {
		x := uint64(2*n+i+1) * 0x9e3779b97f4a7c15 // As SplitMix64 scatters numbers.
		x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
		x = (x ^ x>>27) * 0x94d049bb133111eb
		s[i] ^= x ^ x>>31
	}
	return s
}
