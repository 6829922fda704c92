package pfctl

import (
	"maps"
	"slices"
	"strings"

	"github.com/macos-fleet/terraform-provider-macos/internal/pf"
)

// A LoadedRule is one rule that the kernel holds.
type LoadedRule struct {
	Anchor    string // "" is the main ruleset
	Text      string // as pfctl prints it; what stands in an inline anchor without its indentation
	Parts     *pf.Parts
	Evaluated bool // calls lead to it from the main ruleset; whether a condition on one of them ever holds is another matter
}

// A LoadedAnchor is an anchor that the kernel holds.
type LoadedAnchor struct {
	Name string
	// Calls are the kinds of call that lead to it from the main ruleset, over other anchors perhaps; those for dummynet are not looked at.
	Calls []string
	// Dead is true when it holds rules that are no calls and that nothing evaluates.
	Dead bool
}

// A LoadedTable is a table that the kernel holds.
type LoadedTable struct {
	Anchor    string // "" is the main ruleset
	Name      string
	Addresses []string // as pfctl prints them, with "!" before those that are excepted
}

// LoadedRules are those of the main ruleset and then of each anchor by name, scrub and filter rules before translation. Dummynet
// rules are not among them. Parts are nil for what cannot be read here, such as the line that ends an inline anchor.
func (s *Survey) LoadedRules() []LoadedRule {
	host, reached := &pf.Host{Interfaces: s.interfaces}, s.reached()
	var all []LoadedRule
	add := func(anchor string, printed []string) {
		for _, line := range printed {
			r := LoadedRule{Anchor: anchor, Text: strings.TrimLeft(line, " ")}
			text := r.Text + "\n"
			if strings.HasSuffix(r.Text, " {") {
				text += "pass\n}\n" // its own body follows, rule by rule
			}
			if f, err := pf.Parse("", []byte(text), pf.Options{Host: host, Anchor: anchor}); err == nil {
				if rules := f.Rules.All(); len(rules) == 1 {
					parts := rules[0].Parts()
					r.Parts = &parts
				}
			}
			r.Evaluated = anchor == "" || slices.Contains(reached[anchor], callFor(r.Text))
			all = append(all, r)
		}
	}
	add("", s.main)
	for _, name := range s.loadedAnchors() {
		add(name, s.anchors[name].Loaded)
	}
	return all
}

// LoadedAnchors are all anchors that the kernel knows, by name. One without rules is among them if the kernel remembers its name, which
// it does until the Mac is restarted.
func (s *Survey) LoadedAnchors() []LoadedAnchor {
	reached := s.reached()
	var all []LoadedAnchor
	for _, name := range s.loadedAnchors() {
		dead := slices.ContainsFunc(s.anchors[name].Loaded, func(line string) bool {
			return !callLine.MatchString(line) && !slices.Contains(reached[name], callFor(line))
		})
		all = append(all, LoadedAnchor{Name: name, Calls: reached[name], Dead: dead})
	}
	return all
}

// LoadedTables are those of the main ruleset and of each anchor.
func (s *Survey) LoadedTables() []LoadedTable {
	var all []LoadedTable
	add := func(anchor string, tables map[string][]string) {
		for _, name := range slices.Sorted(maps.Keys(tables)) {
			all = append(all, LoadedTable{Anchor: anchor, Name: name, Addresses: tables[name]})
		}
	}
	add("", s.tables)
	for _, name := range slices.Sorted(maps.Keys(s.anchors)) {
		add(name, s.anchors[name].tables)
	}
	return all
}

// loadedAnchors are the names of those that the kernel knows, but not of inline anchors without a name (_1): their rules stand in the
// ruleset that they are in.
func (s *Survey) loadedAnchors() []string {
	names := slices.Sorted(maps.Keys(s.anchors))
	return slices.DeleteFunc(names, func(name string) bool {
		return !s.anchors[name].known || strings.HasPrefix(name[strings.LastIndexByte(name, '/')+1:], "_")
	})
}

// callFor is the kind of call by which a rule comes to be evaluated. A call is a rule of its kind itself.
func callFor(line string) string {
	first, rest, _ := strings.Cut(line, " ")
	if first == "no" {
		first, _, _ = strings.Cut(rest, " ")
	}
	switch kind := strings.TrimSuffix(first, "-anchor"); kind {
	case "scrub", "nat", "rdr", "binat", "dummynet":
		return kind + "-anchor"
	}
	return "anchor"
}

// reached are the kinds of call, by anchor, that lead to it from the main ruleset. A call of one kind evaluates the rules of that kind, the
// calls among them included; NAME/* calls the children of NAME, not NAME itself and nothing below them.
func (s *Survey) reached() map[string][]string {
	reached := map[string][]string{}
	var follow func(kind, from string, printed []string)
	follow = func(kind, from string, printed []string) {
		for _, line := range printed {
			call := callLine.FindStringSubmatch(strings.TrimLeft(line, " "))
			if call == nil || call[1] != kind {
				continue
			}
			target := resolve(from, call[2])
			for name, a := range s.anchors {
				if reaches(target, name) && !slices.Contains(reached[name], kind) {
					reached[name] = append(reached[name], kind)
					follow(kind, name, a.Loaded)
				}
			}
		}
	}
	for _, kind := range []string{"anchor", "scrub-anchor", "nat-anchor", "rdr-anchor", "binat-anchor"} {
		follow(kind, "", s.main)
	}
	return reached
}

// resolve is the path of what an anchor calls by this name: below itself, beside itself with ../, or from the top with /.
func resolve(from, call string) string {
	if top, ok := strings.CutPrefix(call, "/"); ok {
		return top
	}
	for {
		rest, up := strings.CutPrefix(call, "../")
		if !up {
			return strings.TrimPrefix(from+"/"+call, "/")
		}
		call = rest
		from = from[:max(strings.LastIndexByte(from, '/'), 0)]
	}
}
