package pf

import (
	"net/netip"
	"slices"
	"strconv"
)

// tableThreshold is the number of rules from which on a table is faster.
const tableThreshold = 6

// An optimizer does to filter rules what pfctl's optimizer does, in its order, so that the same rules come out. It cuts
// the rules into blocks in which the order does not matter, and in each block drops rules that another covers, makes
// tables of rules that differ in one address, and moves rules with the same field together, so that the kernel can skip
// more of them at once.
//
// It takes time quadratic in the size of the largest block, as pfctl does, and unlike pfctl leaves the rest as it is when it
// has compared so many pairs of rules that nobody would wait for more.
type optimizer struct {
	file  *File
	made  int // Tables begun, for their numbers.
	names func() string
	pairs int // Pairs of rules compared.
}

const maxPairs = 1 << 24

// afford says whether n more pairs of rules may be compared, and counts them.
func (o *optimizer) afford(n int) bool {
	if n > maxPairs-o.pairs {
		return false
	}
	o.pairs += n
	return true
}

// An optRule is a rule in a block. It may share a table under construction with others.
type optRule struct {
	*Rule
	src, dst *optTable
}

type optTable struct {
	number  int
	count   int
	entries []Addr
	family  Family
	done    bool
}

// optimize rewrites rs and the inline anchors in it.
func (o *optimizer) optimize(rs *Ruleset) {
	if rs.optimized {
		return
	}
	rs.optimized = true
	var out []*Rule
	for _, block := range superblocks(rs.Filter) {
		if n := len(block); n > 1 && o.afford(n*n) {
			block = reorder(o.combine(rs, dropCovered(block)))
		}
		for _, r := range block {
			out = append(out, r.Rule)
		}
	}
	rs.Filter = out
	for _, r := range out {
		if r.Call != nil && r.Call.Body != nil {
			o.optimize(r.Call.Body)
		}
	}
}

// superblocks cuts rules into blocks of neighbours that may change places.
func superblocks(rules []*Rule) [][]*optRule {
	var blocks [][]*optRule
	for _, r := range rules {
		n := len(blocks)
		if n == 0 || !inBlock(blocks[n-1][0].Rule, r) {
			blocks = append(blocks, nil)
			n++
		}
		blocks[n-1] = append(blocks[n-1], &optRule{Rule: r})
	}
	return blocks
}

func inBlock(first, r *Rule) bool {
	alone := r.Label != "" || r.Probability != 0 || r.Call != nil || r.SourceTrack == SourceTrackRule ||
		r.MaxStates|r.MaxSrcNodes|r.MaxSrcStates|r.MaxSrcConn|r.MaxSrcConnLimit != 0
	if alone || (isClass(r.Interface) || isClass(first.Interface)) && r.Interface != first.Interface {
		return false
	}
	return blockKey(first) == blockKey(r)
}

// isClass says whether a name may be that of a class of interfaces, which end in no digit.
func isClass(name string) bool { return name != "" && !isDigit(int(name[len(name)-1])) }

// blockKey is what the rules of a block agree in. Ports are part of it, as they are not in the release that macOS's pf
// descends from: Apple keeps them in another place of the rule, which pfctl's list of fields does not name (inferred from
// golden cases).
func blockKey(r *Rule) Rule {
	k := withoutAddrs(r)
	k.Family, k.IfNot, k.Interface = 0, false, ""
	k.Tagged, k.TaggedNot, k.OS = "", false, ""
	k.Timeouts = [timeoutCount]uint32{}
	k.ICMP4, k.ICMP6 = 0, 0
	k.User, k.Group = IDRange{}, IDRange{}
	k.Direction, k.Proto, k.ICMP, k.TOS = 0, Proto{}, ICMPType{}, 0
	k.Flags, k.FlagSet = 0, 0
	k.Src, k.Dst = Peer{Port: r.Src.Port}, Peer{Port: r.Dst.Port}
	return k
}

// withoutAddrs is r but for its place and its addresses.
func withoutAddrs(r *Rule) Rule {
	k := *r
	k.Pos = Pos{}
	k.Src.Addr, k.Dst.Addr = Addr{}, Addr{}
	return k
}

// dropCovered removes rules that are the same as another of the block or match a part of its packets only.
func dropCovered(block []*optRule) []*optRule {
	for i := 0; i < len(block); i++ {
		for j := i + 1; j < len(block); j++ {
			a, b := block[i].Rule, block[j].Rule
			if covers(a, b) {
				block = slices.Delete(block, j, j+1)
				j--
			} else if covers(b, a) {
				block = slices.Delete(block, i, i+1)
				i--
				break
			}
		}
	}
	return block
}

// covers says whether super matches every packet that sub matches, and does the same with it.
func covers(super, sub *Rule) bool {
	if super.Interface != "" && super.Interface != sub.Interface ||
		super.Direction != InOut && super.Direction != sub.Direction ||
		super.Proto.Number != 0 && super.Proto != sub.Proto ||
		!mayCover(super.Src.Addr, sub.Src.Addr) || !mayCover(super.Dst.Addr, sub.Dst.Addr) {
		return false // Most pairs end here.
	}
	w, s := widened(sub, super), *super
	w.Pos, s.Pos = Pos{}, Pos{}
	return w == s
}

func mayCover(super, sub Addr) bool {
	return super == sub || super.Kind == AddrMask && (super.Bits == 0 || super.Bits < sub.Bits)
}

// widened is sub with everything that super does not ask for taken away.
func widened(sub, super *Rule) Rule {
	s := *sub
	if super.Interface == "" {
		s.Interface = ""
	}
	if super.Direction == InOut {
		s.Direction = InOut
	}
	if (super.Proto.Number == 0 || super.Proto == s.Proto) && super.Flags|super.FlagSet == 0 {
		s.Flags, s.FlagSet = 0, 0
	}
	if super.Proto.Number == 0 {
		s.Proto = Proto{}
	}
	widenPeer(&s.Src, super.Src, s.Family == super.Family)
	widenPeer(&s.Dst, super.Dst, s.Family == super.Family)
	if super.Family == AnyFamily {
		s.Family = AnyFamily
	}
	return s
}

func widenPeer(sub *Peer, super Peer, sameFamily bool) {
	if super.Port.Op == OpNone {
		sub.Port = PortRange{}
	}
	switch {
	case super.Addr.Kind == AddrMask && !super.Not && !sub.Not && super.Addr.Bits == 0:
		sub.Addr = Addr{}
	case super.Addr.Kind == AddrMask && sub.Addr.Kind == AddrMask && super.Not == sub.Not && sameFamily &&
		super.Addr.Bits < sub.Addr.Bits && contains(super.Addr, sub.Addr.IP):
		sub.Addr = super.Addr
	}
}

// contains says whether ip is in network a.
func contains(a Addr, ip netip.Addr) bool {
	p, err := ip.Prefix(int(a.Bits))
	return err == nil && p.Addr() == a.IP
}

// combine makes tables. A pair of rules is combined when it differs in one address only; a table comes into being when it
// has enough of them.
func (o *optimizer) combine(rs *Ruleset, block []*optRule) []*optRule {
	for i := 0; i < len(block); i++ {
		a := block[i]
		for j := i + 1; j < len(block); j++ {
			b := block[j]
			srcSame, dstSame := sameAddr(a.Src, b.Src), sameAddr(a.Dst, b.Dst)
			var t **optTable
			switch {
			case srcSame && !dstSame && a.src == nil && b.src == nil && b.dst == nil && combineable(a.Dst, b.Dst):
				t = &a.dst
			case !srcSame && dstSame && a.dst == nil && b.src == nil && b.dst == nil && combineable(a.Src, b.Src):
				t = &a.src
			}
			if t == nil || a.Family != b.Family || a.Proto != b.Proto || a.Interface != b.Interface ||
				withoutAddrs(a.Rule) != withoutAddrs(b.Rule) {
				continue
			}
			first, second := a.Dst.Addr, b.Dst.Addr
			if t == &a.src {
				first, second = a.Src.Addr, b.Src.Addr
			}
			if *t == nil {
				*t = &optTable{number: o.made, family: a.Family}
				o.made++
				(*t).add(first)
			}
			(*t).add(second)
			if t == &a.src {
				b.src = *t
			} else {
				b.dst = *t
			}
			if (*t).count >= tableThreshold {
				block = slices.Delete(block, j, j+1)
				j--
			}
		}
	}
	return slices.DeleteFunc(block, func(r *optRule) bool { return o.makeTable(rs, r) })
}

func (t *optTable) add(a Addr) {
	t.entries = append(t.entries, a)
	t.count++
}

func sameAddr(a, b Peer) bool { return a.Addr == b.Addr && a.Not == b.Not }

func combineable(a, b Peer) bool {
	return a.Addr.Kind == AddrMask && b.Addr.Kind == AddrMask && a.Not == b.Not && a.Port == b.Port
}

// makeTable gives a rule its table, if that has become one. It returns true for a rule that another with the same table
// stands for.
func (o *optimizer) makeTable(rs *Ruleset, r *optRule) (drop bool) {
	t := r.src
	if t == nil {
		t = r.dst
	}
	if t == nil || t.count < tableThreshold {
		return false
	}
	if t.done {
		return true
	}
	t.done = true
	def := Table{Pos: r.Pos, Name: "__automatic_" + strconv.Itoa(t.number), Const: true, Init: true}
	if o.names != nil {
		def.Name = o.names()
	}
	line := []byte("table <" + def.Name + "> const {")
	for _, a := range t.entries {
		line = appendAddr(append(line, ' '), a, t.family)
		ip := a.IP
		if !ip.IsValid() {
			ip = zeroIP(t.family)
		}
		def.Entries = append(def.Entries, TableEntry{Prefix: netip.PrefixFrom(ip, int(a.Bits))})
	}
	rs.made = append(rs.made, string(line)+" }")
	o.file.Tables = append(o.file.Tables, def)
	rule := *r.Rule
	if t == r.src {
		rule.Src.Addr = Addr{Kind: AddrTable, Name: def.Name}
	} else {
		rule.Dst.Addr = Addr{Kind: AddrTable, Name: def.Name}
	}
	r.Rule = &rule
	return false
}
