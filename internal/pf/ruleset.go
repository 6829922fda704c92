package pf

import "strings"

// Verbose is what pfctl -nvf prints on stdout: macros, settings and tables as they were read, then the rules. After an
// error pfctl prints only File.Echo.
//
// The name of an anchor call is printed from its last slash on, as pfctl does: anchor "com.apple/*" is anchor "/*".
func (f *File) Verbose() []string {
	lines := append([]string(nil), f.Echo...)
	printed := make(map[*Ruleset]bool)
	for _, l := range [][]*Rule{f.Rules.Scrub, f.Rules.NAT, f.Rules.RDR, f.Rules.Binat} {
		lines = appendVerbose(lines, l, "", printed)
	}
	lines = append(lines, f.Rules.made...)
	lines = appendVerbose(lines, f.Rules.Filter, "", printed)
	return appendVerbose(lines, f.Rules.Dummynet, "", printed)
}

// Optimized says whether the optimizer was at work: as [Options] asked, unless the text forbids it. What a text loads with
// "load anchor" is read in the same way.
func (f *File) Optimized() bool { return f.options.Optimize }

// appendVerbose appends rules, indented. The body of an anchor is printed with the first rule that has it.
func appendVerbose(lines []string, rules []*Rule, indent string, printed map[*Ruleset]bool) []string {
	for _, r := range rules {
		name := ""
		if r.Call != nil {
			name = r.Call.Name
			if i := strings.LastIndexByte(name, '/'); i >= 0 {
				name = name[i:]
				if r.Call.Body != nil {
					name = name[1:]
				}
			}
		}
		line := string(appendRule([]byte(indent), r, name))
		if r.Call == nil || r.Call.Body == nil || printed[r.Call.Body] || len(r.Call.Body.Filter) == 0 {
			lines = append(lines, line)
			continue
		}
		printed[r.Call.Body] = true
		lines = append(append(lines, line+" {"), r.Call.Body.made...)
		lines = appendVerbose(lines, r.Call.Body.Filter, indent+"  ", printed)
		lines = append(lines, indent+"}")
	}
	return lines
}

// Lines are all rules in canonical form, as the kernel would show them: scrub, nat, rdr, binat, filter, dummynet. Names of
// anchors are whole, inline anchors are indented. Two texts with the same lines have the same rules.
func (f *File) Lines() []string {
	var lines []string
	for _, list := range f.Rules.lists() {
		for _, it := range ruleItems(list, "") {
			lines = append(lines, it.line)
		}
	}
	return lines
}
