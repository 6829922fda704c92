package pf

import (
	"maps"
	"slices"
)

// This file chooses the rules that packets of a flow can meet, so that each is tried on few of them.

// each calls f with every rule that a packet is tested with, and its anchor.
func (k *Kernel) each(f func(path string, r *Rule)) {
	for _, path := range slices.Sorted(maps.Keys(k.anchors)) {
		a := k.anchors[path]
		for _, list := range [][]*Rule{a.rules.NAT, a.rules.RDR, a.rules.Binat, a.rules.Filter} {
			for _, r := range list {
				f(path, r)
			}
		}
	}
}

// size is how many rules each calls its function with.
func (k *Kernel) size() int {
	n := 0
	for _, a := range k.anchors {
		n += len(a.rules.NAT) + len(a.rules.RDR) + len(a.rules.Binat) + len(a.rules.Filter)
	}
	return n
}

// only is k with the rules that a packet is tested with, if keep says so. It shares k's tables and has no states.
func (k *Kernel) only(keep func(path string, r *Rule) bool) *Kernel {
	out := &Kernel{anchors: make(map[string]*anchor, len(k.anchors)), skip: k.skip}
	for path, a := range k.anchors {
		choose := func(list []*Rule) []*Rule {
			var kept []*Rule
			for _, r := range list {
				if keep(path, r) {
					kept = append(kept, r)
				}
			}
			return kept
		}
		out.anchors[path] = &anchor{tables: a.tables, rules: Ruleset{
			NAT: choose(a.rules.NAT), RDR: choose(a.rules.RDR), Binat: choose(a.rules.Binat), Filter: choose(a.rules.Filter),
		}}
	}
	return out
}

// called is k with the rules that are called from the main ruleset.
func (k *Kernel) called() *Kernel {
	out := &Kernel{anchors: make(map[string]*anchor), skip: k.skip}
	for _, action := range []Action{NAT, RDR, Binat, Pass} {
		k.call(out, "", action)
	}
	return out
}

// call copies the rules of a kind to out: those of an anchor and of those that it calls.
func (k *Kernel) call(out *Kernel, path string, action Action) {
	from, to := k.anchors[path], out.anchors[path]
	if from == nil {
		return
	}
	if to == nil {
		to = &anchor{tables: from.tables}
		out.anchors[path] = to
	}
	list := to.rules.list(action)
	if *list != nil {
		return
	}
	*list = *from.rules.list(action)
	for _, r := range *list {
		if r.Call == nil {
			continue
		}
		if r.Call.wildcard && out.anchors[r.Call.path] == nil {
			out.anchors[r.Call.path] = &anchor{} // Its children are found by it.
		}
		for _, target := range k.targets(r.Call) {
			k.call(out, target, action)
		}
	}
}

// tableOf is the table that a name means in an anchor, nil if there is none; see InTable.
func (k *Kernel) tableOf(path, name string) *table {
	t, err := k.table(path, name)
	if err != nil {
		t, _ = k.table("", name)
	}
	return t
}

func (r *Rule) isTranslation() bool { return r.Action == NAT || r.Action == RDR || r.Action == Binat }

// translates says whether a rule may change the Mac's own end of a packet.
func (k *Kernel) translates() bool {
	for _, a := range k.anchors {
		if len(a.rules.NAT)+len(a.rules.RDR)+len(a.rules.Binat) > 0 {
			return true
		}
	}
	return false
}

// maps says whether a rule may change different ends into different ones, in their ports or in their addresses.
func (k *Kernel) maps(ports bool) bool {
	found := false
	k.each(func(_ string, r *Rule) {
		switch {
		case !r.isTranslation() || r.Call != nil:
		case ports:
			found = found || r.Action == RDR && r.Pool.HighPort != 0
		default:
			found = found || r.Action == Binat || r.Pool.Type == PoolBitmask
		}
	})
	return found
}

// anyWay says whether f says so for one of the directions that r is for.
func (r *Rule) anyWay(f func(Direction) bool) bool {
	return r.Direction != Out && f(In) || r.Direction != In && f(Out)
}

// end is what r compares one end of a packet with, the Mac's own or the other. ok is false if r is not for packets in that
// direction.
func (r *Rule) end(dir Direction, own bool) (peer Peer, ok bool) {
	if r.Direction != InOut && r.Direction != dir {
		return Peer{}, false
	}
	src, dst := r.Src, r.Dst
	switch r.Action {
	case NAT, NoNAT:
		ok = dir == Out
	case RDR, NoRDR:
		ok = dir == In
	case Binat:
		ok = true
		if dir == In && r.Call == nil {
			src, dst = r.Dst, Peer{Addr: r.Pool.Addrs[0].Addr}
		}
	default:
		ok = true
	}
	if own == (dir == In) {
		return dst, ok
	}
	return src, ok
}

// questions numbers what rules ask about one thing, such as the address of the other end. Filter rules that stand together
// and differ in nothing but their ends have the same effect, so it does not matter which of them matches; those of them
// that also agree in the rest have the same number.
type questions struct {
	numbers map[question]int
	run     int    // Of rules with the same effect.
	effect  Rule   // Theirs.
	path    string // Their anchor.
}

// A question is the rest of a rule with the effect of a run: its peers, without what is asked.
type question struct {
	run         int
	dir         Direction
	peer, other Peer
}

// next goes on to a rule. It is called for one after the other.
func (q *questions) next(path string, r *Rule) {
	effect := *r
	effect.Src, effect.Dst, effect.Pos, effect.Label = Peer{}, Peer{}, Pos{}, ""
	if effect != q.effect || path != q.path || r.Call != nil || r.isTranslation() {
		q.run++
		q.effect, q.path = effect, path
	}
}

// of is the number of what r, to which next has gone, asks in d about packets in a direction. 0 is nobody's.
func (q *questions) of(r *Rule, dir Direction, d dim) int {
	peer, _ := r.end(dir, d.own())
	other, _ := r.end(dir, !d.own())
	if d.port() {
		peer.Port = PortRange{}
	} else {
		peer.Addr, peer.Not = Addr{}, false
	}
	rest := question{q.run, dir, peer, other}
	n, ok := q.numbers[rest]
	if !ok {
		n = len(q.numbers) + 1
		q.numbers[rest] = n
	}
	return n
}
