package pf

import "slices"

// The kernel can skip all following rules that have the same value in a field. These tell, field by field in the kernel's
// order, whether two rules have.
var skipSame = [...]func(a, b *Rule) bool{
	func(a, b *Rule) bool { return a.Interface == b.Interface && a.Interface != "" && a.IfNot == b.IfNot },
	func(a, b *Rule) bool { return a.Direction == b.Direction && a.Direction != InOut },
	func(a, b *Rule) bool { return a.Family == b.Family && a.Family != AnyFamily },
	func(a, b *Rule) bool { return a.Proto == b.Proto && a.Proto.Number != 0 },
	func(a, b *Rule) bool { return skipSameAddr(a.Src, b.Src) },
	func(a, b *Rule) bool { return a.Src.Port == b.Src.Port && a.Src.Port.Op != OpNone },
	func(a, b *Rule) bool { return skipSameAddr(a.Dst, b.Dst) },
	func(a, b *Rule) bool { return a.Dst.Port == b.Dst.Port && a.Dst.Port.Op != OpNone },
}

func skipSameAddr(a, b Peer) bool {
	if a.Not != b.Not || a.Addr.Kind != b.Addr.Kind {
		return false
	}
	switch a.Addr.Kind {
	case AddrMask:
		return a.Addr == b.Addr && a.Addr.IP.IsValid() && !a.Addr.IP.IsUnspecified()
	case AddrDynamic:
		return a.Addr.Name == b.Addr.Name && a.Addr.Bits == b.Addr.Bits
	case AddrNoRoute, AddrURPF:
		return true
	case AddrTable:
		return a.Addr.Name == b.Addr.Name
	}
	return false
}

// A skipList is the rules of a block with the same value in one field. Count is what is left of them to be placed, or 0
// for a list of no use.
type skipList struct {
	rules []*optRule
	count int
}

// reorder moves rules of a block together that have fields in common: the largest group first, and in a group of more than
// two again.
func reorder(block []*optRule) []*optRule {
	var skips [len(skipSame)][]*skipList
	useful := false
	for i, same := range skipSame {
		for _, r := range block {
			skips[i] = addToSkipList(skips[i], r, same)
		}
		switch first := skips[i][0]; first.count {
		case len(block), 1:
			first.count = 0
		default:
			useful = true
		}
	}
	if !useful {
		return block
	}
	var before, own []*optRule
	left := slices.Clone(block)
	for len(left) > 0 {
		best, largest := -1, 1
		for i := range skips {
			if len(skips[i]) > 0 && skips[i][0].count > largest {
				best, largest = i, skips[i][0].count
			}
		}
		if best < 0 {
			own = append(own, left...)
			break
		}
		group := skips[best][0]
		skips[best] = skips[best][1:]
		for _, r := range group.rules {
			left = slices.DeleteFunc(left, func(o *optRule) bool { return o == r })
			for i := range skips {
				takeFromSkipLists(skips[i], r)
			}
		}
		if group.count > 2 {
			before = append(before, reorder(group.rules)...)
		} else {
			own = append(own, group.rules...)
		}
	}
	return append(before, own...)
}

// addToSkipList puts r into the list of its like, and keeps the lists sorted, the longest first.
func addToSkipList(lists []*skipList, r *optRule, same func(a, b *Rule) bool) []*skipList {
	i := slices.IndexFunc(lists, func(l *skipList) bool { return same(r.Rule, l.rules[0].Rule) })
	if i < 0 {
		i = len(lists)
		lists = append(lists, &skipList{})
	}
	l := lists[i]
	l.rules = append(l.rules, r)
	l.count++
	for ; i > 0 && lists[i-1].count < l.count; i-- {
		lists[i-1], lists[i] = lists[i], lists[i-1]
	}
	return lists
}

// takeFromSkipLists removes a placed rule from the lists of one field, unless they are of no use anyway.
func takeFromSkipLists(lists []*skipList, r *optRule) {
	if len(lists) == 0 || lists[0].count <= 1 {
		return
	}
	for i, l := range lists {
		j := slices.Index(l.rules, r)
		if j < 0 {
			continue
		}
		l.rules = slices.Delete(slices.Clone(l.rules), j, j+1)
		l.count--
		for ; i+1 < len(lists) && lists[i+1].count > l.count; i++ {
			lists[i], lists[i+1] = lists[i+1], lists[i]
		}
		return
	}
}
