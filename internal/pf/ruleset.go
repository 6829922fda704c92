package pf

import "strings"

// Verbose is what pfctl -nvf prints on stdout: macros, settings and tables as they were read, then the rules. After an
// error pfctl prints only File.Echo.
//
// The name of an anchor call is printed from its last slash on, as pfctl does: anchor "com.apple/*" is anchor "/*".
func (f *File) Verbose() []string {
	lines := append([]string(nil), f.Echo...)
	for _, l := range [][]*Rule{f.Rules.Scrub, f.Rules.NAT, f.Rules.RDR, f.Rules.Binat, f.Rules.Filter, f.Rules.Dummynet} {
		lines = appendVerbose(lines, l, "", make(map[*Ruleset]bool))
	}
	return lines
}

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
		lines = append(lines, line+" {")
		lines = appendVerbose(lines, r.Call.Body.Filter, indent+"  ", printed)
		lines = append(lines, indent+"}")
	}
	return lines
}
