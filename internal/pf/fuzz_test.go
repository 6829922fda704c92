package pf

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// FuzzParse reads anything. What was read without an error prints to a text that reads to the same rules and prints the
// same again.
func FuzzParse(f *testing.F) {
	for _, file := range []string{"golden-open.json", "golden-files-open.json"} {
		for _, c := range readGolden[goldenCase](f, file) {
			f.Add(c.Rules, false)
		}
	}
	f.Add("pass tag \"A \"\n", false)
	f.Add("binat on A from 0/0 ->0X0\n", false)
	f.Fuzz(func(t *testing.T, rules string, optimize bool) {
		file, err := Parse("rules.pf", []byte(rules), Options{Host: goldenHost(), Optimize: optimize})
		if err != nil {
			var errs Errors
			errors.As(err, &errs)
			for _, e := range errs {
				if e.Msg == "" || e.Pos.Line < 1 || e.Pos.Col < 1 {
					t.Errorf("error without words or place: %+v", e)
				}
			}
			return
		}
		once := printed(file)
		again, err := Parse("rules.pf", []byte(once), Options{Host: goldenHost()})
		if err != nil {
			if !printsUnreadable(file) {
				t.Fatalf("what was printed is refused: %v\n%s", err, once)
			}
			return
		}
		if diff := cmp.Diff(once, printed(again)); diff != "" && !printsUnreadable(file) {
			t.Errorf("printing is no fixed point (-once +twice):\n%s", diff)
		}
	})
}

// printed are the rules of a text, without the lines that only -v prints.
func printed(f *File) string {
	var b strings.Builder
	for _, line := range f.Verbose()[len(f.Echo):] {
		if !strings.HasPrefix(line, "table ") {
			b.WriteString(line + "\n")
		}
	}
	return b.String()
}

// printsUnreadable says whether a text has rules that pfctl itself prints in a form that it does not read, or reads
// otherwise.
func printsUnreadable(f *File) bool {
	var unreadable func(rs *Ruleset, depth int) bool
	unreadable = func(rs *Ruleset, depth int) bool {
		if depth > 0 && rs.made != nil {
			return true // Tables in inline anchors are not allowed.
		}
		for _, list := range rs.lists() {
			for _, r := range list {
				if r.unreadable() || r.Call != nil && r.Call.Body != nil && unreadable(r.Call.Body, depth+1) {
					return true
				}
			}
		}
		return false
	}
	return unreadable(f.Rules, 0)
}

func (r *Rule) unreadable() bool {
	// These are printed without quotes. (A tag is words, which are joined by blanks when they are read.)
	names := []string{r.Interface, r.Queue, r.AckQueue, r.Overload, r.Src.Addr.Name, r.Dst.Addr.Name}
	names = append(append(names, strings.Split(r.Tag, " ")...), strings.Split(r.Tagged, " ")...)
	for _, tag := range []string{r.Tag, r.Tagged} {
		if tag != strings.Join(strings.Fields(tag), " ") {
			return true // Blanks that reading makes one, or drops.
		}
	}
	if r.Src.Not && r.Src.Addr == (Addr{}) || r.Dst.Not && r.Dst.Addr == (Addr{}) {
		return true // ! any
	}
	if (r.Action == Binat || r.Action == NoBinat) && r.Src.Addr == (Addr{}) && r.Dst.Addr == (Addr{}) {
		return true // binat ... all, where from is wanted
	}
	if r.Pool != nil {
		for _, a := range r.Pool.Addrs {
			if r.Route == NoRoute && a.Addr == (Addr{}) {
				return true // -> any
			}
			names = append(names, a.Interface, a.Addr.Name)
		}
	}
	for _, name := range names {
		if keywords[name] || strings.ContainsFunc(name, func(c rune) bool { return !inString(int(c)) }) ||
			name != "" && !isAlnum(int(name[0])) && name[0] != '_' && name[0] != ':' || strings.ContainsAny(name, "\"'\\") {
			return true
		}
		if digits := strings.TrimLeft(name, "0123456789"); name != "" && digits == "" {
			return true // Reads as a number.
		}
	}
	quoted := r.Label + r.OS
	if r.Call != nil {
		quoted += r.Call.Name
	}
	return strings.ContainsAny(quoted, "\"\\\n") || strings.Contains(r.Label+r.Tag+r.Tagged, "$") ||
		r.User.A > UnknownID || r.User.B > UnknownID || r.Group.A > UnknownID || r.Group.B > UnknownID ||
		r.Return == ReturnICMP && r.Family == AnyFamily ||
		r.MaxStates >= 10 && r.Timeouts[tmAdaptiveStart]+r.Timeouts[tmAdaptiveEnd] == 0
}
