package pf

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"
)

// A Kernel is what the kernel holds of pf: rulesets by anchor, tables, skipped interfaces, states. The zero Kernel is
// empty and ready. Whether pf is enabled is not part of it. A Kernel is not safe for concurrent use.
type Kernel struct {
	anchors map[string]*anchor // By path; "" is the main ruleset.
	skip    map[string]bool
	states  []*State
	byKey   map[stateKey][]*State
}

// An anchor is one ruleset in the kernel. It exists from the first time that something names it, and does not go away.
type anchor struct {
	rules  Ruleset
	tables map[string]*table
}

// A table is one table of an anchor. One that is only named in rules is not in the map.
type table struct {
	persist, constant bool
	entries           map[TableEntry]time.Time // When it was added.
}

var (
	// ErrNoAnchor is returned for an anchor that does not exist.
	ErrNoAnchor = errors.New("no such anchor")
	// ErrCall is returned for an anchor call that leads out of the main ruleset with ../.
	ErrCall = errors.New("anchor call above the main ruleset")
)

// Clone is a copy of k: what is done to one is not seen in the other. It is for asking what would be.
func (k *Kernel) Clone() *Kernel {
	c := &Kernel{anchors: make(map[string]*anchor), skip: maps.Clone(k.skip)}
	for path, a := range k.anchors {
		tables := make(map[string]*table)
		for name, t := range a.tables {
			tables[name] = &table{t.persist, t.constant, maps.Clone(t.entries)}
		}
		c.anchors[path] = &anchor{a.rules, tables}
	}
	for _, s := range k.states {
		copied := *s
		c.addState(&copied)
	}
	return c
}

// anchor finds or makes an anchor and those above it.
func (k *Kernel) anchor(path string) *anchor {
	if k.anchors == nil {
		k.anchors = make(map[string]*anchor)
	}
	for i := 0; i <= len(path); i++ {
		if i < len(path) && path[i] != '/' || k.anchors[path[:i]] != nil {
			continue
		}
		k.anchors[path[:i]] = &anchor{tables: map[string]*table{}}
	}
	return k.anchors[path]
}

// Has says whether an anchor exists. An anchor without rules does, once anything has named it.
func (k *Kernel) Has(path string) bool { return path == "" || k.anchors[path] != nil }

// Load replaces the rules of the anchors that the texts are for, and their tables as far as the texts define them, all or
// nothing. Tables that a text does not define keep their addresses. Skipped interfaces are those of the main text, if it
// is among them.
//
// An inline anchor in a text for anchor NAME is loaded to NAME/inner but called as NAME/NAME/inner, as the release that
// macOS's pf descends from does (not seen on a Mac): so it is shown and never evaluated.
func (k *Kernel) Load(now time.Time, files ...*File) error {
	rulesets := make(map[string]*Ruleset)
	for _, f := range files {
		if err := flatten(rulesets, f.Anchor, f.Rules); err != nil {
			return err
		}
	}
	for path, rules := range rulesets {
		k.anchor(path).rules = *rules
		for _, list := range rules.lists() {
			for _, r := range list {
				if r.Call != nil {
					k.anchor(r.Call.path)
				}
			}
		}
	}
	for _, f := range files {
		for _, t := range f.Tables {
			k.define(now, f.Anchor, t)
		}
		if f.Anchor == "" {
			k.skip = make(map[string]bool)
			for _, name := range f.Skip {
				k.skip[name] = true
			}
		}
	}
	k.sweep()
	return nil
}

// flatten puts a ruleset and its inline anchors into rulesets, with all calls resolved.
func flatten(rulesets map[string]*Ruleset, path string, rs *Ruleset) error {
	out := new(Ruleset)
	rulesets[path] = out
	loaded := make(map[*Ruleset]bool)
	from, to := rs.lists(), out.lists()
	for i := range from {
		for _, r := range from[i] {
			if r.Call != nil {
				name := r.Call.Name
				if body := r.Call.Body; body != nil {
					name = strings.TrimPrefix(path+"/"+name[strings.LastIndexByte(name, '/')+1:], "/")
					if !loaded[body] {
						loaded[body] = true
						if err := flatten(rulesets, name, body); err != nil {
							return err
						}
					}
				}
				call, err := resolveCall(path, name)
				if err != nil {
					return err
				}
				copied := *r
				copied.Call = &call
				r = &copied
			}
			to[i] = append(to[i], r)
		}
	}
	out.Scrub, out.NAT, out.RDR, out.Binat, out.Filter, out.Dummynet = to[0], to[1], to[2], to[3], to[4], to[5]
	return nil
}

func (rs *Ruleset) lists() [6][]*Rule {
	return [6][]*Rule{rs.Scrub, rs.NAT, rs.RDR, rs.Binat, rs.Filter, rs.Dummynet}
}

// resolveCall works out what a call in anchor path means.
func resolveCall(path, name string) (Call, error) {
	c := Call{Name: name}
	if rest, ok := strings.CutPrefix(name, "/"); ok {
		c.path = rest
	} else {
		c.up = 1
		for strings.HasPrefix(name, "../") {
			if path == "" {
				return c, ErrCall
			}
			path, name = parent(path), name[3:]
			c.up++
		}
		c.path = strings.TrimPrefix(path+"/"+name, "/")
	}
	if i := strings.LastIndexByte(c.path, '/'); i >= 0 && c.path[i:] == "/*" {
		c.path, c.wildcard = c.path[:i], true
	}
	c.path = strings.Trim(c.path, "/")
	return c, nil
}

func parent(path string) string {
	return path[:max(strings.LastIndexByte(path, '/'), 0)]
}

// shown is the name of a call as the kernel gives it back to a reader of anchor path.
func (c *Call) shown(path string) string {
	var name string
	if c.up == 0 {
		name = "/" + c.path
	} else {
		for range c.up - 1 {
			path = parent(path)
			name += "../"
		}
		if len(c.path) > len(path) {
			name += strings.TrimPrefix(c.path[len(path):], "/")
		}
	}
	if !c.wildcard {
		return name
	}
	if name == "" {
		return "*"
	}
	return name + "/*"
}

// Children are the anchors directly below path, as full paths, sorted.
func (k *Kernel) Children(path string) ([]string, error) {
	if !k.Has(path) {
		return nil, ErrNoAnchor
	}
	var paths []string
	for p := range k.anchors {
		if p != "" && parent(p) == path {
			paths = append(paths, p)
		}
	}
	slices.Sort(paths)
	return paths, nil
}

// Flush removes rules of an anchor: scrub and filter rules, or translation rules, or dummynet rules.
func (k *Kernel) Flush(path string, what Kind) {
	rules := &k.anchor(path).rules
	switch what {
	case FilterRules:
		rules.Scrub, rules.Filter = nil, nil
	case NATRules:
		rules.NAT, rules.RDR, rules.Binat = nil, nil, nil
	case DummynetRules:
		rules.Dummynet = nil
	}
	k.sweep()
}

// Skipped are the interfaces that pf does not look at, sorted; nil is none.
func (k *Kernel) Skipped() []string {
	return slices.Sorted(maps.Keys(k.skip))
}

// ClearSkip makes pf look at all interfaces again.
func (k *Kernel) ClearSkip() { k.skip = nil }

// A Kind is a kind of rules that pfctl shows and flushes together.
type Kind uint8

// The kinds.
const (
	FilterRules Kind = iota // -s rules: scrub and filter.
	NATRules                // -s nat: nat, rdr, binat.
	DummynetRules
)

// Rules are the rules of an anchor as pfctl -s prints them. Inline anchors without a name are printed with their rules.
func (k *Kernel) Rules(path string, what Kind) ([]string, error) {
	if !k.Has(path) {
		return nil, ErrNoAnchor
	}
	rules := &k.anchor(path).rules
	var lines []string
	plain := func(list []*Rule) {
		for _, r := range list {
			lines = append(lines, string(appendRule(nil, r, r.callName(path))))
		}
	}
	switch what {
	case FilterRules:
		plain(rules.Scrub)
		lines = k.appendFilter(lines, path, "")
	case NATRules:
		plain(rules.NAT)
		plain(rules.RDR)
		plain(rules.Binat)
	case DummynetRules:
		plain(rules.Dummynet)
	}
	return lines, nil
}

func (r *Rule) callName(path string) string {
	if r.Call == nil {
		return ""
	}
	return r.Call.shown(path)
}

func (k *Kernel) appendFilter(lines []string, path, indent string) []string {
	for _, r := range k.anchor(path).rules.Filter {
		name := r.callName(path)
		last := name[strings.LastIndexByte(name, '/')+1:]
		if !strings.HasPrefix(last, "_") {
			lines = append(lines, string(appendRule([]byte(indent), r, name)))
			continue
		}
		lines = append(lines, string(appendRule([]byte(indent), r, last))+" {")
		if body := strings.TrimPrefix(path+"/"+last, "/"); k.Has(body) {
			lines = k.appendFilter(lines, body, indent+"  ")
		}
		lines = append(lines, indent+"}")
	}
	return lines
}

// Anchors are all anchors but the main ruleset, sorted.
func (k *Kernel) Anchors() []string {
	paths := slices.Sorted(maps.Keys(k.anchors))
	return slices.DeleteFunc(paths, func(p string) bool { return p == "" })
}

// Tables are the tables of an anchor that have content to show, sorted.
func (k *Kernel) Tables(path string) []string {
	if !k.Has(path) {
		return nil
	}
	return slices.Sorted(maps.Keys(k.anchor(path).tables))
}

// define makes or changes a table as a table line of a loaded text says.
func (k *Kernel) define(now time.Time, path string, def Table) {
	a := k.anchor(path)
	t := a.tables[def.Name]
	if t == nil {
		t = &table{entries: make(map[TableEntry]time.Time)}
		a.tables[def.Name] = t
	}
	t.persist, t.constant = def.Persist, def.Const
	if def.Init {
		t.entries = make(map[TableEntry]time.Time)
		for _, e := range def.Entries {
			t.entries[e] = now
		}
	}
}

// sweep removes the tables that no rule of their anchor names and that are not persistent.
func (k *Kernel) sweep() {
	for _, a := range k.anchors {
		if len(a.tables) == 0 {
			continue
		}
		named := make(map[string]bool)
		for _, list := range a.rules.lists() {
			for _, r := range list {
				r.eachTable(func(name string) { named[name] = true })
			}
		}
		maps.DeleteFunc(a.tables, func(name string, t *table) bool { return !t.persist && !named[name] })
	}
}

// eachTable calls f with every table that r names.
func (r *Rule) eachTable(f func(name string)) {
	for _, a := range []Addr{r.Src.Addr, r.Dst.Addr} {
		if a.Kind == AddrTable {
			f(a.Name)
		}
	}
	if r.Overload != "" {
		f(r.Overload)
	}
	if r.Pool != nil {
		for _, a := range r.Pool.Addrs {
			if a.Addr.Kind == AddrTable {
				f(a.Addr.Name)
			}
		}
	}
}

func compareEntries(a, b TableEntry) int {
	return cmp.Or(a.Prefix.Addr().Compare(b.Prefix.Addr()), cmp.Compare(a.Prefix.Bits(), b.Prefix.Bits()))
}
