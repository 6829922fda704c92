package pf

import (
	"errors"
	"maps"
	"net/netip"
	"slices"
	"time"
)

// ErrNoTable is returned for a table that does not exist, in an anchor that does.
var ErrNoTable = errors.New("no such table")

// ErrConst is returned for a change of a const table.
var ErrConst = errors.New("table is const")

func (k *Kernel) table(path, name string) (*table, error) {
	if !k.Has(path) {
		return nil, ErrNoAnchor
	}
	t := k.anchor(path).tables[name]
	if t == nil {
		return nil, ErrNoTable
	}
	return t, nil
}

// MakeTable makes a persistent table unless there is one. It says whether it did.
func (k *Kernel) MakeTable(path, name string) bool {
	a := k.anchor(path)
	if a.tables[name] != nil {
		return false
	}
	a.tables[name] = &table{persist: true, entries: make(map[TableEntry]time.Time)}
	return true
}

// KillTable removes a table.
func (k *Kernel) KillTable(path, name string) error {
	if _, err := k.table(path, name); err != nil {
		return err
	}
	delete(k.anchor(path).tables, name)
	return nil
}

// KillTables removes all tables of an anchor and returns how many there were.
func (k *Kernel) KillTables(path string) int {
	if !k.Has(path) {
		return 0
	}
	n := len(k.anchor(path).tables)
	clear(k.anchor(path).tables)
	return n
}

// TableFlags are the flags of a table as pfctl -v -s Tables prints them.
func (k *Kernel) TableFlags(path, name string) string {
	t, err := k.table(path, name)
	if err != nil {
		return ""
	}
	flags := []byte("--a---")
	if t.constant {
		flags[0] = 'c'
	}
	if t.persist {
		flags[1] = 'p'
	}
	for _, list := range k.anchor(path).rules.lists() {
		for _, r := range list {
			r.eachTable(func(n string) {
				if n == name {
					flags[4] = 'r'
				}
			})
		}
	}
	return string(flags)
}

// TableEntries are the addresses of a table, sorted as the kernel gives them.
func (k *Kernel) TableEntries(path, name string) ([]TableEntry, error) {
	t, err := k.table(path, name)
	if err != nil {
		return nil, err
	}
	return slices.SortedFunc(maps.Keys(t.entries), compareEntries), nil
}

// find is the entry of t for a prefix, whatever its sign.
func (t *table) find(p netip.Prefix) (TableEntry, bool) {
	for _, not := range []bool{false, true} {
		e := TableEntry{not, p}
		if _, ok := t.entries[e]; ok {
			return e, true
		}
	}
	return TableEntry{}, false
}

func (k *Kernel) changeable(path, name string) (*table, error) {
	t, err := k.table(path, name)
	if err == nil && t.constant {
		err = ErrConst
	}
	return t, err
}

// AddEntries adds addresses to a table and returns how many were new. An address that is there keeps its sign.
func (k *Kernel) AddEntries(now time.Time, path, name string, entries []TableEntry) (int, error) {
	t, err := k.changeable(path, name)
	if err != nil {
		return 0, err
	}
	n := 0
	for _, e := range entries {
		if _, ok := t.find(e.Prefix); !ok {
			t.entries[e] = now
			n++
		}
	}
	return n, nil
}

// DeleteEntries removes addresses from a table and returns how many were there.
func (k *Kernel) DeleteEntries(path, name string, entries []TableEntry) (int, error) {
	t, err := k.changeable(path, name)
	if err != nil {
		return 0, err
	}
	n := 0
	for _, e := range entries {
		if _, ok := t.entries[e]; ok {
			delete(t.entries, e)
			n++
		}
	}
	return n, nil
}

// ReplaceEntries makes entries the content of a table. It returns how many were new, gone, and changed in sign.
func (k *Kernel) ReplaceEntries(now time.Time, path, name string, entries []TableEntry) (added, deleted, changed int, err error) {
	t, err := k.changeable(path, name)
	if err != nil {
		return 0, 0, 0, err
	}
	next := make(map[TableEntry]time.Time)
	kept := make(map[netip.Prefix]bool)
	for _, e := range entries {
		if kept[e.Prefix] {
			continue
		}
		kept[e.Prefix] = true
		old, ok := t.find(e.Prefix)
		switch {
		case !ok:
			added++
			next[e] = now
		case old != e:
			changed++
			next[e] = t.entries[old]
		default:
			next[e] = t.entries[old]
		}
	}
	for e := range t.entries {
		if !kept[e.Prefix] {
			deleted++
		}
	}
	t.entries = next
	return added, deleted, changed, nil
}

// FlushTable empties a table and returns how many addresses it had.
func (k *Kernel) FlushTable(path, name string) (int, error) {
	t, err := k.changeable(path, name)
	if err != nil {
		return 0, err
	}
	n := len(t.entries)
	clear(t.entries)
	return n, nil
}

// ExpireEntries removes the addresses that are older than a duration and returns how many.
func (k *Kernel) ExpireEntries(now time.Time, path, name string, age time.Duration) (int, error) {
	t, err := k.table(path, name)
	if err != nil {
		return 0, err
	}
	n := len(t.entries)
	if !t.constant {
		maps.DeleteFunc(t.entries, func(_ TableEntry, added time.Time) bool { return now.Sub(added) > age })
	}
	return n - len(t.entries), nil
}

// match says whether an address is in a table: the longest prefix that has it decides.
func (t *table) match(ip netip.Addr) bool {
	for bits := ip.BitLen(); bits >= 0; bits-- {
		p, err := ip.Prefix(bits)
		if err != nil {
			return false
		}
		if e, ok := t.find(p); ok {
			return !e.Not
		}
	}
	return false
}

// InTable says whether an address is in a table of an anchor. A table that the anchor does not have is that of the main
// ruleset; one that is nowhere has no address.
func (k *Kernel) InTable(path, name string, ip netip.Addr) bool {
	t, err := k.table(path, name)
	if err != nil {
		if t, err = k.table("", name); err != nil {
			return false
		}
	}
	return t.match(ip)
}

// ParseEntries reads an address as pfctl -T takes it: [!] and an address, a network, an interface or a host name of h.
func ParseEntries(h *Host, word string) ([]TableEntry, error) {
	p := &parser{host: h, file: &File{}, lex: &lexer{}}
	not := false
	for len(word) > 0 && word[0] == '!' {
		not, word = !not, word[1:]
	}
	var entries []TableEntry
	for _, n := range p.resolve(word) {
		ip := n.addr.IP
		if !ip.IsValid() {
			ip = zeroIP(n.af)
		}
		prefix, err := ip.Prefix(int(n.addr.Bits))
		if err != nil {
			return nil, err
		}
		entries = append(entries, TableEntry{not, prefix})
	}
	if len(p.errs) > 0 {
		return nil, p.errs
	}
	return entries, nil
}

// String is the entry as pfctl -T show prints it after the leading blanks.
func (e TableEntry) String() string {
	b := []byte{}
	if e.Not {
		b = append(b, '!')
	}
	b = appendIP(b, e.Prefix.Addr())
	if !e.Prefix.IsSingleIP() {
		b = append(b, e.Prefix.String()[len(e.Prefix.Addr().String()):]...)
	}
	return string(b)
}
