package macsim

import (
	"context"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// sed knows the commands s, y, p, d, q, =, a, i, c and {}, with line numbers, $ and regular expressions as addresses.
func sed(_ context.Context, m *Mac, p *process) int {
	const usage = "sed script [-EHalnru] [-i extension] [file ...]\n" +
		"\tsed [-EHalnu] [-i extension] [-e script] ... [-f script_file] ... [file ...]"
	q := *p
	q.Args = slices.Clone(p.Args)
	var scripts []string
	for i := 1; i+1 < len(q.Args) && strings.HasPrefix(q.Args[i], "-"); i++ {
		if q.Args[i] == "-e" {
			scripts = append(scripts, q.Args[i+1])
			i++
		}
	}
	set, args, ok := q.flags("EHaf:lnrue:i:I:")
	if _, inPlace := set['i']; ok && inPlace {
		// In place a file gets another inode and loses what is on it besides its content: no script should want that.
		return p.errorf("macsim: -i is not modelled")
	}
	switch {
	case !ok || set['e'] == "" && set['f'] == "" && len(args) == 0:
		return p.usage(usage, 1)
	case set['f'] != "":
		f, err := m.open(p, set['f'], os.O_RDONLY)
		if err != nil {
			return p.errorf("%s: %v", set['f'], err)
		}
		b, _ := io.ReadAll(f)
		scripts = append(scripts, string(b))
	case set['e'] == "":
		scripts, args = args[:1], args[1:]
	case len(scripts) == 0:
		scripts = []string{set['e']}
	}
	s := sedScript{extended: set['E'] != "" || set['r'] != "", text: strings.Join(scripts, "\n")}
	program := s.block(false)
	if s.err != nil {
		return p.errorf("1: %q: %v", strings.Join(scripts, "\n"), s.err)
	}
	run := &sedRun{out: p.Stdout, quiet: set['n'] != "", program: program}
	// The last line is only known when the next file has none.
	status := m.feed(&q, args, func(_ string, r io.Reader) error {
		return eachLine(r, func(line string, whole bool) bool {
			run.flush(false)
			run.held, run.heldWhole, run.holds = line, whole, true
			return !run.quit
		})
	})
	run.flush(true)
	return status
}

// sedCommand is one command of a script.
type sedCommand struct {
	from, to *sedAddress
	not      bool
	in       bool // within the range

	name  byte
	block []*sedCommand
	text  string // of a, i and c
	re    *regexp.Regexp
	repl  string
	nth   int // which match s replaces first; all from there on with global
	all   bool
	print bool
	y     map[rune]rune
}

type sedAddress struct {
	line int // 0: the regular expression; -1: the last line
	re   *regexp.Regexp
}

// sedScript parses.
type sedScript struct {
	text     string
	extended bool
	err      error
}

func (s *sedScript) fail(format string, args ...any) {
	if s.err == nil {
		s.err = fmt.Errorf(format, args...)
	}
	s.text = ""
}

func (s *sedScript) skip(set string) { s.text = strings.TrimLeft(s.text, set) }

func (s *sedScript) block(inner bool) []*sedCommand {
	var all []*sedCommand
	for {
		s.skip(" \t\n;")
		switch {
		case s.text == "" && inner:
			s.fail("unexpected EOF (pending }'s)")
			return nil
		case s.text == "":
			return all
		case s.text[0] == '}' && inner:
			s.text = s.text[1:]
			return all
		case s.text[0] == '#':
			_, s.text, _ = strings.Cut(s.text, "\n")
			continue
		}
		c := &sedCommand{from: s.address()}
		if c.from != nil && strings.HasPrefix(s.text, ",") {
			s.text = s.text[1:]
			s.skip(" \t")
			if c.to = s.address(); c.to == nil {
				s.fail("expected context address")
			}
		}
		s.skip(" \t")
		for strings.HasPrefix(s.text, "!") {
			c.not = true
			s.text = s.text[1:]
			s.skip(" \t")
		}
		if s.text == "" {
			s.fail("command expected")
			return nil
		}
		c.name, s.text = s.text[0], s.text[1:]
		s.command(c)
		all = append(all, c)
	}
}

func (s *sedScript) command(c *sedCommand) {
	switch c.name {
	case '{':
		c.block = s.block(true)
	case 'p', 'd', 'q', '=':
	case 's':
		pattern, repl := s.two()
		var err error
		if c.re, err = posixRegexp(pattern, s.extended, false); err != nil {
			s.fail("RE error: %v", err)
			return
		}
		c.repl, c.nth = repl, 1
		for s.text != "" && strings.IndexByte(" \t\n;}", s.text[0]) < 0 {
			switch f := s.text[0]; {
			case f == 'g':
				c.all = true
			case f == 'p':
				c.print = true
			case f >= '1' && f <= '9':
				c.nth = int(f - '0')
			case f == 'I' || f == 'i':
				c.re, _ = posixRegexp(pattern, s.extended, true)
			default:
				s.fail("bad flag in substitute command: '%c'", f)
				return
			}
			s.text = s.text[1:]
		}
	case 'y':
		from, to := s.two()
		a, b := []rune(from), []rune(to)
		if len(a) != len(b) {
			s.fail("transform strings are not the same length")
			return
		}
		c.y = map[rune]rune{}
		for i := range a {
			c.y[a[i]] = b[i]
		}
	case 'a', 'i', 'c':
		// BSD wants a backslash and a newline before the text.
		rest, ok := strings.CutPrefix(strings.TrimLeft(s.text, " \t"), "\\\n")
		if !ok {
			s.fail("command %c expects \\ followed by text", c.name)
			return
		}
		c.text, s.text, _ = strings.Cut(rest, "\n")
	default:
		s.fail("invalid command code %c", c.name)
		return
	}
	s.skip(" \t")
	if s.text != "" && strings.IndexByte("\n;}", s.text[0]) < 0 && c.name != '{' && c.text == "" {
		s.fail("extra characters at the end of %c command", c.name)
	}
}

func (s *sedScript) address() *sedAddress {
	switch {
	case s.text == "":
	case s.text[0] == '$':
		s.text = s.text[1:]
		return &sedAddress{line: -1}
	case s.text[0] >= '0' && s.text[0] <= '9':
		end := 0
		for end < len(s.text) && s.text[end] >= '0' && s.text[end] <= '9' {
			end++
		}
		n, _ := strconv.Atoi(s.text[:end])
		s.text = s.text[end:]
		return &sedAddress{line: n}
	case s.text[0] == '/', s.text[0] == '\\' && len(s.text) > 1:
		s.text = strings.TrimPrefix(s.text, `\`)
		delim := s.text[0]
		s.text = s.text[1:]
		re, err := posixRegexp(s.until(delim), s.extended, false)
		if err != nil {
			s.fail("RE error: %v", err)
		}
		return &sedAddress{re: re}
	}
	return nil
}

// two is what stands between the three delimiters of s and y.
func (s *sedScript) two() (a, b string) {
	if s.text == "" {
		s.fail("unterminated substitute pattern")
		return "", ""
	}
	delim := s.text[0]
	s.text = s.text[1:]
	a = s.until(delim)
	return a, s.until(delim)
}

// until takes the text up to delim; a delimiter after a backslash is an ordinary character.
func (s *sedScript) until(delim byte) string {
	var b strings.Builder
	for i := 0; i < len(s.text); i++ {
		switch c := s.text[i]; {
		case c == delim:
			s.text = s.text[i+1:]
			return b.String()
		case c == '\\' && i+1 < len(s.text):
			i++
			if s.text[i] != delim {
				b.WriteByte('\\')
			}
			b.WriteByte(s.text[i])
		case c == '[' && bracketEnd(s.text, i) > 0 && delim != '[' && strings.IndexByte(s.text[i:bracketEnd(s.text, i)], delim) > 0 &&
			strings.IndexByte(s.text[i:bracketEnd(s.text, i)], '\n') < 0:
			end := bracketEnd(s.text, i)
			b.WriteString(s.text[i:end])
			i = end - 1
		default:
			b.WriteByte(c)
		}
	}
	s.fail("unterminated substitute pattern")
	return ""
}

// sedRun is a running sed.
type sedRun struct {
	out     io.Writer
	quiet   bool
	program []*sedCommand

	held      string // the line read last, not worked on before it is known whether it is the last of all
	heldWhole bool   // it has a newline
	holds     bool

	line          string
	n             int
	last          bool
	deleted, quit bool
	after         []string // what a adds
}

func (r *sedRun) flush(last bool) {
	if !r.holds || r.quit {
		return
	}
	r.n++
	r.line, r.last, r.holds = r.held, last, false
	r.deleted, r.after = false, nil
	r.commands(r.program)
	if !r.deleted && !r.quiet {
		end := "\n"
		if last && !r.heldWhole {
			end = ""
		}
		_, _ = io.WriteString(r.out, r.line+end)
	}
	for _, text := range r.after {
		_, _ = fmt.Fprintln(r.out, text)
	}
}

func (r *sedRun) selected(c *sedCommand) bool {
	matches := func(a *sedAddress) bool {
		switch {
		case a.re != nil:
			return a.re.MatchString(r.line)
		case a.line < 0:
			return r.last
		}
		return a.line == r.n
	}
	switch {
	case c.from == nil:
		return true
	case c.to == nil:
		return matches(c.from)
	case c.in:
		if matches(c.to) || c.to.re == nil && c.to.line > 0 && r.n >= c.to.line {
			c.in = false
		}
		return true
	case matches(c.from):
		c.in = c.to.re != nil || c.to.line < 0 && !r.last || c.to.line > r.n
		return true
	}
	return false
}

func (r *sedRun) commands(all []*sedCommand) {
	for _, c := range all {
		if r.selected(c) == c.not {
			continue
		}
		switch c.name {
		case '{':
			r.commands(c.block)
		case 'p':
			_, _ = fmt.Fprintln(r.out, r.line)
		case '=':
			_, _ = fmt.Fprintln(r.out, r.n)
		case 'd':
			r.deleted = true
		case 'q':
			r.quit = true
		case 'i':
			_, _ = fmt.Fprintln(r.out, c.text)
		case 'a':
			r.after = append(r.after, c.text)
		case 'c':
			r.deleted = true
			if !c.in {
				_, _ = fmt.Fprintln(r.out, c.text)
			}
		case 'y':
			r.line = strings.Map(func(x rune) rune {
				if to, ok := c.y[x]; ok {
					return to
				}
				return x
			}, r.line)
		case 's':
			if r.substitute(c) && c.print {
				_, _ = fmt.Fprintln(r.out, r.line)
			}
		}
		if r.deleted || r.quit {
			return
		}
	}
}

func (r *sedRun) substitute(c *sedCommand) bool {
	var b strings.Builder
	done := 0
	found := false
	for i, at := range c.re.FindAllStringSubmatchIndex(r.line, -1) {
		if i+1 < c.nth {
			continue
		}
		found = true
		b.WriteString(r.line[done:at[0]])
		b.WriteString(filled(c.repl, r.line, at))
		done = at[1]
		if !c.all {
			break
		}
	}
	b.WriteString(r.line[done:])
	r.line = b.String()
	return found
}

// filled is the replacement of s with & and \1 to \9 filled in.
func filled(repl, line string, at []int) string {
	var b strings.Builder
	group := func(n int) {
		if 2*n+1 < len(at) && at[2*n] >= 0 {
			b.WriteString(line[at[2*n]:at[2*n+1]])
		}
	}
	for i := 0; i < len(repl); i++ {
		switch c := repl[i]; {
		case c == '&':
			group(0)
		case c == '\\' && i+1 < len(repl):
			i++
			if n := repl[i]; n >= '0' && n <= '9' {
				group(int(n - '0'))
			} else {
				b.WriteByte(n)
			}
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}
