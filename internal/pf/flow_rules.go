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

// maps says whether a rule may change different ends into different ones.
func (k *Kernel) maps() bool {
	found := false
	k.each(func(_ string, r *Rule) {
		found = found || r.isTranslation() && r.Call == nil &&
			(r.Action == Binat || r.Pool.Type == PoolBitmask || r.Action == RDR && r.Pool.HighPort != 0)
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
	d       dim
	numbers map[question]int
	run     int  // Of rules with the same effect.
	effect  Rule // Theirs.
}

type question struct {
	run  int
	path string
	dir  Direction
	rest Rule
}

// newQuestions leaves number 0 free.
func newQuestions(d dim) *questions { return &questions{d: d, numbers: make(map[question]int)} }

// next goes on to a rule. It is called for one after the other.
func (q *questions) next(r *Rule) {
	effect := *r
	effect.Src, effect.Dst, effect.Pos, effect.Label = Peer{}, Peer{}, Pos{}, ""
	if effect != q.effect || r.Call != nil || r.isTranslation() {
		q.run++
		q.effect = effect
	}
}

// of is the number of what r, to which next has gone, asks about packets in a direction.
func (q *questions) of(path string, r *Rule, dir Direction) int {
	rest := question{q.run, path, dir, q.effect}
	rest.rest.Src, rest.rest.Dst = r.Src, r.Dst
	peer := &rest.rest.Src
	if (q.d == ownPort || q.d == ownAddr) == (dir == In) {
		peer = &rest.rest.Dst
	}
	if q.d == ownPort || q.d == remotePort {
		peer.Port = PortRange{}
	} else {
		peer.Addr, peer.Not = Addr{}, false
	}
	n, ok := q.numbers[rest]
	if !ok {
		n = len(q.numbers) + 1
		q.numbers[rest] = n
	}
	return n
}
