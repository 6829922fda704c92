package pfctl

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// SyntaxError is what pfctl says about rules that it does not take.
type SyntaxError struct {
	Messages []Message
}

// Message is one thing that pfctl complains about.
type Message struct {
	Line int // in the text; 0: pfctl names none
	Text string
}

func (e *SyntaxError) Error() string {
	var all []string
	for _, m := range e.Messages {
		if m.Line > 0 {
			all = append(all, fmt.Sprintf("line %d: %s", m.Line, m.Text))
		} else {
			all = append(all, m.Text)
		}
	}
	return strings.Join(all, "\n")
}

var (
	// Macros, tables and options are printed with -nv, but are not rules.
	macro       = regexp.MustCompile(`^\w[\w.-]* = `)
	tableLine   = regexp.MustCompile(`^table <(\S+)>`)
	tableBody   = regexp.MustCompile(`\{(.*)\}$`)
	automatic   = regexp.MustCompile(`<__automatic_\w+>`)
	option      = regexp.MustCompile(`^set `)
	natRule     = regexp.MustCompile(`^(no )?(nat|rdr|binat)(-anchor)? `)
	scrubRule   = regexp.MustCompile(`^(no )?scrub`)
	inlineStart = regexp.MustCompile(`^anchor .*\{$`)
	slashCall   = regexp.MustCompile(`^(\S*anchor) "/([^"/]+)"(.*)$`)
	message     = regexp.MustCompile(`^[^\s:]+:(\d+): (.*)$`)
	// banner is printed on stderr by every pfctl -f, the last two by every pfctl that opens /dev/pf without -q.
	banner = []string{
		"pfctl: Use of -f option, could result in flushing of rules",
		"present in the main ruleset added by the system at startup.",
		"See /etc/pf.conf for further details.",
		"",
		"No ALTQ support in kernel",
		"ALTQ related functions disabled",
	}
)

// asLoaded reads what `pfctl -nv -f` printed, both streams: the rules as -sr and then -sn will print them once they are
// loaded. The two print a rule in the same words, except that -nv prints only the last part of an anchor's name in a call
// with a slash (`anchor "/*"` for "com.apple/*"), and prints the body of an inline anchor in its place. (From pfctl's
// 4.3-era ancestor and transcripts of macOS; no Mac has confirmed it for every kind of rule.)
func asLoaded(out []byte) Rules {
	r := Rules{Exact: true}
	var nat []string
	var complaints []Message
	for _, line := range lines(out) {
		switch {
		case slices.Contains(banner, line), macro.MatchString(line):
		case tableLine.MatchString(line):
			r.Tables = append(r.Tables, line)
		case option.MatchString(line):
			r.Set = append(r.Set, line)
		case message.MatchString(line):
			m := message.FindStringSubmatch(line)
			n, _ := strconv.Atoi(m[1])
			complaints = append(complaints, Message{Line: n, Text: m[2]})
		case !ruleLine.MatchString(line) && !strings.HasPrefix(line, " ") && line != "}":
			complaints = append(complaints, Message{Text: strings.TrimPrefix(line, "pfctl: ")})
		case natRule.MatchString(line):
			nat = append(nat, line)
		default:
			r.Inline = r.Inline || inlineStart.MatchString(line)
			r.Dummynet = r.Dummynet || strings.HasPrefix(line, "dummynet")
			r.Lines = append(r.Lines, line)
		}
		r.Exact = r.Exact && !slashCall.MatchString(line)
	}
	r.Lines = append(r.Lines, nat...)
	if len(complaints) > 0 {
		r.Err = &SyntaxError{Messages: complaints}
	}
	return r
}

// ruleLine is a line that begins as a rule does; whatever else pfctl prints is a message.
var ruleLine = regexp.MustCompile(
	`^((no )?(nat|rdr|binat|scrub)|pass|block|anchor|antispoof|dummynet|load anchor|altq|queue)`)

// sameLine reports whether a line of -nv and a loaded one are the same rule.
func sameLine(nv, loaded string) bool {
	if nv == loaded {
		return true
	}
	want, got := slashCall.FindStringSubmatch(nv), callLine.FindStringSubmatch(loaded)
	return want != nil && got != nil && want[1] == got[1] &&
		strings.HasSuffix(got[2], "/"+want[2]) && strings.TrimPrefix(loaded, got[0]) == want[3]
}

// Matches reports whether loaded is what the rules load to.
func (r Rules) Matches(loaded []string) bool {
	return r.Err == nil && slices.EqualFunc(r.Lines, loaded, func(nv, is string) bool {
		return sameLine(automatic.ReplaceAllString(nv, "<automatic>"), automatic.ReplaceAllString(is, "<automatic>"))
	})
}

// sameRules compares loaded rules. The optimizer names its tables anew at every load.
func sameRules(a, b []string) bool {
	return slices.EqualFunc(a, b, func(x, y string) bool {
		return automatic.ReplaceAllString(x, "") == automatic.ReplaceAllString(y, "")
	})
}

// tables are the addresses of the tables that the text itself fills, by name. One that it only declares is filled by others,
// and one from a file by that file.
func (r Rules) tables() map[string][]string {
	all := map[string][]string{}
	for _, line := range r.Tables {
		name := tableLine.FindStringSubmatch(line)[1]
		if body := tableBody.FindStringSubmatch(line); body != nil && !strings.Contains(line, " file ") {
			all[name] = strings.Fields(body[1])
		}
	}
	return all
}

// Words are what pfctl said, without what it says every time.
func Words(stderr string) string {
	said := slices.DeleteFunc(lines([]byte(stderr)), func(line string) bool { return slices.Contains(banner, line) })
	return strings.Join(said, "\n")
}

// kinds are the calls that the main ruleset needs so that all of the rules are evaluated.
func (r Rules) kinds() []string {
	kinds := []string{"anchor"}
	for _, line := range r.Lines {
		first, rest, _ := strings.Cut(line, " ")
		if first == "no" {
			first, _, _ = strings.Cut(rest, " ")
		}
		var kind string
		switch strings.TrimSuffix(first, "-anchor") {
		case "scrub", "nat", "rdr", "binat", "dummynet":
			kind = strings.TrimSuffix(first, "-anchor") + "-anchor"
		default:
			continue
		}
		if !slices.Contains(kinds, kind) {
			kinds = append(kinds, kind)
		}
	}
	return kinds
}

// loadable orders printed rules so that pfctl takes them as a text: it prints translation after filtering, but reads it
// before.
func loadable(loaded []string) []byte {
	rank := func(line string) int {
		switch {
		case scrubRule.MatchString(line):
			return 0
		case natRule.MatchString(line):
			return 1
		default:
			return 2
		}
	}
	sorted := slices.Clone(loaded)
	slices.SortStableFunc(sorted, func(a, b string) int { return rank(a) - rank(b) })
	return text(sorted)
}

// text is lines as a file.
func text(lines []string) []byte {
	if len(lines) == 0 {
		return nil
	}
	return []byte(strings.Join(lines, "\n") + "\n")
}
