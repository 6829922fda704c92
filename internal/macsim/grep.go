package macsim

import (
	"context"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

func init() {
	programs(map[string]command{"/usr/bin/grep": grep, "/usr/bin/egrep": grep, "/usr/bin/fgrep": grep, "/usr/bin/sed": sed})
}

// posixRegexp compiles a regular expression of re_format(7), basic or extended, as Go's. A match is the leftmost longest. Back
// references are not modelled.
func posixRegexp(pattern string, extended, ignoreCase bool) (*regexp.Regexp, error) {
	var b strings.Builder
	if ignoreCase {
		b.WriteString("(?i)")
	}
	start := true // of the expression or of a group: there a star is a star
	for i := 0; i < len(pattern); i++ {
		c := pattern[i]
		was := start
		start = false
		switch {
		case c == '[':
			end := bracketEnd(pattern, i)
			if end < 0 {
				return nil, fmt.Errorf("brackets ([ ]) not balanced")
			}
			// A backslash is nothing special between brackets.
			b.WriteString(strings.ReplaceAll(pattern[i:end], `\`, `\\`))
			i = end - 1
		case c == '\\' && i+1 < len(pattern):
			i++
			switch n := pattern[i]; {
			case !extended && strings.IndexByte("(){}|+?", n) >= 0:
				b.WriteByte(n)
				start = n == '(' || n == '|'
			case n >= '1' && n <= '9':
				return nil, fmt.Errorf("macsim: back references are not modelled")
			case n == '<':
				b.WriteString(`\b`)
			case n == '>':
				b.WriteString(`\b`)
			case n == 'n' || n == 't':
				b.WriteString(`\` + string(n))
			default:
				b.WriteString(regexp.QuoteMeta(string(n)))
			}
		case c == '\\':
			return nil, fmt.Errorf("trailing backslash (\\)")
		case !extended && strings.IndexByte("(){}|+?", c) >= 0, !extended && c == '*' && was:
			b.WriteString(`\` + string(c))
		case !extended && c == '^' && !was, !extended && c == '$' && i+1 < len(pattern) && !strings.HasPrefix(pattern[i+1:], `\)`):
			b.WriteString(`\` + string(c))
		default:
			start = c == '^' || extended && (c == '(' || c == '|')
			b.WriteByte(c)
		}
	}
	re, err := regexp.CompilePOSIX(b.String())
	if err != nil || ignoreCase || strings.Contains(b.String(), `\b`) {
		// (?i) and \b are not POSIX to Go.
		if re, err = regexp.Compile(b.String()); err == nil {
			re.Longest()
		}
	}
	return re, err
}

// bracketEnd is where the bracket expression that begins at i ends, or -1.
func bracketEnd(s string, i int) int {
	j := i + 1
	if j < len(s) && s[j] == '^' {
		j++
	}
	if j < len(s) && s[j] == ']' {
		j++
	}
	for j < len(s) {
		switch {
		case s[j] == ']':
			return j + 1
		case strings.HasPrefix(s[j:], "[:"):
			end := strings.Index(s[j:], ":]")
			if end < 0 {
				return -1
			}
			j += end + 2
		default:
			j++
		}
	}
	return -1
}

// grepWords gives grep its long options in short.
var grepWords = map[string]string{
	"--quiet": "-q", "--silent": "-q", "--fixed-strings": "-F", "--extended-regexp": "-E", "--invert-match": "-v", "--count": "-c",
	"--line-number": "-n", "--line-regexp": "-x", "--word-regexp": "-w", "--ignore-case": "-i", "--only-matching": "-o",
	"--files-with-matches": "-l", "--no-filename": "-h", "--no-messages": "-s",
}

const grepUsage = "grep [-abcdDEFGHhIiJLlMmnOopqRSsUVvwXxZz] [-A num] [-B num] [-C[num]]\n" +
	"\t[-e pattern] [-f file] [--binary-files=value] [--color=when]\n" +
	"\t[--context[=num]] [--directories=action] [--label] [--line-buffered]\n" +
	"\t[--null] [pattern] [file ...]"

func grep(_ context.Context, m *Mac, p *process) int {
	p = p.child(p.Args...)
	p.Args = slices.Clone(p.Args)
	var patterns []string
	for i := 1; i < len(p.Args) && strings.HasPrefix(p.Args[i], "-") && p.Args[i] != "--"; i++ {
		if short := grepWords[p.Args[i]]; short != "" {
			p.Args[i] = short
		}
		if strings.HasPrefix(p.Args[i], "--") {
			fmt.Fprintf(p.Stderr, "grep: unrecognized option `%s'\n", p.Args[i])
			return p.usage(grepUsage, 2)
		}
		if p.Args[i] == "-e" && i+1 < len(p.Args) {
			patterns = append(patterns, p.Args[i+1])
			i++
		}
	}
	set, args, ok := p.flags("EFGHLce:f:hilm:noqsvwx")
	if !ok || len(args) == 0 && set['e'] == "" && set['f'] == "" {
		return p.usage(grepUsage, 2)
	}
	switch {
	case set['e'] != "" && len(patterns) == 0:
		patterns = []string{set['e']}
	case set['f'] != "":
		r, err := m.input(p, set['f'])
		if err != nil {
			p.errorf("%s: %v", set['f'], err)
			return 2
		}
		_ = eachLine(r, func(line string, _ bool) bool { patterns = append(patterns, line); return true })
	case set['e'] == "":
		patterns, args = strings.Split(args[0], "\n"), args[1:]
	}
	match, err := grepMatcher(patterns, set, p.Args[0])
	if err != nil {
		p.errorf("%v", err)
		return 2
	}
	g := grepRun{p: p, set: set, match: match, names: len(args) > 1 && set['h'] == "" || set['H'] != "", limit: -1}
	if set['m'] != "" {
		g.limit, _ = strconv.Atoi(set['m'])
	}
	if len(args) == 0 {
		args = []string{"-"}
	}
	failed := false
	for _, name := range args {
		r, err := m.input(p, name)
		if err == nil {
			err = g.file(name, r)
		}
		if err != nil {
			failed = true
			if set['s'] == "" {
				p.errorf("%s: %v", name, err)
			}
		}
		if g.found && set['q'] != "" {
			return 0
		}
	}
	switch {
	case failed:
		return 2
	case g.found:
		return 0
	}
	return 1
}

// grepMatcher is where in a line the patterns match first; start is -1 when they do not.
func grepMatcher(patterns []string, set map[byte]string, name string) (func(line string) (start, end int), error) {
	var all []*regexp.Regexp
	for _, pattern := range patterns {
		extended := set['E'] != "" || strings.HasSuffix(name, "egrep")
		if set['F'] != "" || strings.HasSuffix(name, "fgrep") {
			pattern, extended = regexp.QuoteMeta(pattern), true
		}
		re, err := posixRegexp(pattern, extended, set['i'] != "")
		if err != nil {
			return nil, err
		}
		all = append(all, re)
	}
	word := func(b byte) bool { return b == '_' || trClasses["[:alnum:]"](b) }
	return func(line string) (int, int) {
		for _, re := range all {
			for _, at := range re.FindAllStringIndex(line, -1) {
				a, b := at[0], at[1]
				if set['x'] != "" && (a != 0 || b != len(line)) ||
					set['w'] != "" && (a > 0 && word(line[a-1]) || b < len(line) && word(line[b])) {
					continue
				}
				return a, b
			}
		}
		return -1, 0
	}, nil
}

// grepRun is a running grep.
type grepRun struct {
	p     *process
	set   map[byte]string
	match func(string) (int, int)
	names bool
	limit int
	found bool
}

func (g *grepRun) file(name string, r io.Reader) error {
	shown := name
	if name == "-" {
		shown = "(standard input)"
	}
	prefix := ""
	if g.names {
		prefix = shown + ":"
	}
	n, count := 0, 0
	err := eachLine(r, func(line string, _ bool) bool {
		n++
		start, end := g.match(line)
		if (start >= 0) == (g.set['v'] != "") {
			return true
		}
		g.found = true
		count++
		if g.set['q'] != "" || g.set['l'] != "" {
			return false
		}
		if g.set['c'] == "" && g.set['L'] == "" {
			number := ""
			if g.set['n'] != "" {
				number = strconv.Itoa(n) + ":"
			}
			if g.set['o'] == "" {
				if _, err := fmt.Fprintln(g.p.Stdout, prefix+number+line); err != nil {
					return false
				}
			}
			for rest := line; g.set['o'] != "" && start >= 0 && end > start; start, end = g.match(rest) {
				fmt.Fprintln(g.p.Stdout, prefix+number+rest[start:end])
				rest = rest[end:]
			}
		}
		return count != g.limit
	})
	switch {
	case g.set['q'] != "":
	case g.set['l'] != "" && count > 0, g.set['L'] != "" && count == 0:
		fmt.Fprintln(g.p.Stdout, shown)
	case g.set['c'] != "":
		fmt.Fprintf(g.p.Stdout, "%s%d\n", prefix, count)
	}
	return err
}
