package pf

import (
	"slices"
	"sort"
)

// A ChangeKind says what happened to a rule.
type ChangeKind uint8

// What can happen to a rule.
const (
	Added ChangeKind = iota
	Removed
	Moved // It is in both, in another order.
)

// A Change is one difference between two rule texts.
type Change struct {
	Kind ChangeKind
	Line string // The rule or table as pfctl prints it.
	Pos  Pos    // Where it is: in the new text, for a removed rule in the old one.
}

// Equal says whether two texts load to the same rules and tables, however they are written.
func Equal(a, b *File) bool { return len(Diff(a, b)) == 0 }

// Diff says what is to be done to the rules and tables of text a to make them those of text b: tables first, then the
// rules in the order of pfctl -nvf. It says of as few rules as it can that they moved.
//
// It takes time n log n in the number of rules.
func Diff(a, b *File) []Change {
	changes := diffLines(tableItems(a), tableItems(b))
	x, y := a.Rules.lists(), b.Rules.lists()
	for i := range x {
		changes = append(changes, diffLines(ruleItems(x[i], ""), ruleItems(y[i], ""))...)
	}
	return changes
}

// An item is one line to be compared.
type item struct {
	line string
	pos  Pos
}

func ruleItems(rules []*Rule, indent string) []item {
	var items []item
	printed := make(map[*Ruleset]bool)
	for _, r := range rules {
		items = append(items, item{indent + r.String(), r.Pos})
		if r.Call != nil && r.Call.Body != nil && !printed[r.Call.Body] {
			printed[r.Call.Body] = true
			items = append(items, ruleItems(r.Call.Body.Filter, indent+"  ")...)
		}
	}
	return items
}

// tableItems are the tables of a text in the order of their names, each with its addresses in order.
func tableItems(f *File) []item {
	var items []item
	for _, t := range f.Tables {
		t.Entries = slices.Clone(t.Entries)
		slices.SortFunc(t.Entries, compareEntries)
		line := "table <" + t.Name + ">"
		if t.Const {
			line += " const"
		}
		if t.Persist {
			line += " persist"
		}
		if t.Init {
			line += " {"
			for _, e := range slices.Compact(t.Entries) {
				line += " " + e.String()
			}
			line += " }"
		}
		items = append(items, item{line, t.Pos})
	}
	sort.SliceStable(items, func(i, j int) bool { return items[i].line < items[j].line })
	return items
}

// diffLines pairs equal lines, the first with the first and so on. The longest run of pairs that are in the same order
// in both stays; the others moved.
func diffLines(a, b []item) []Change {
	places := make(map[string][]int)
	for i, it := range b {
		places[it.line] = append(places[it.line], i)
	}
	var changes []Change
	var paired []int // Places in b of what is in both, in a's order.
	inBoth := make([]bool, len(b))
	for _, it := range a {
		p := places[it.line]
		if len(p) == 0 {
			changes = append(changes, Change{Removed, it.line, it.pos})
			continue
		}
		places[it.line] = p[1:]
		paired = append(paired, p[0])
		inBoth[p[0]] = true
	}
	stays := longestRun(paired)
	for i, it := range b {
		switch {
		case !inBoth[i]:
			changes = append(changes, Change{Added, it.line, it.pos})
		case !stays[i]:
			changes = append(changes, Change{Moved, it.line, it.pos})
		}
	}
	return changes
}

// longestRun is a longest rising subsequence of distinct numbers, as a set.
func longestRun(list []int) map[int]bool {
	var ends []int // ends[n] is the index in list of the smallest end of a rising run of n+1 numbers.
	before := make([]int, len(list))
	for i, v := range list {
		n := sort.Search(len(ends), func(n int) bool { return list[ends[n]] > v })
		before[i] = -1
		if n > 0 {
			before[i] = ends[n-1]
		}
		if n == len(ends) {
			ends = append(ends, i)
		} else {
			ends[n] = i
		}
	}
	run := make(map[int]bool)
	if len(ends) > 0 {
		for i := ends[len(ends)-1]; i >= 0; i = before[i] {
			run[list[i]] = true
		}
	}
	return run
}
