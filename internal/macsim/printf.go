package macsim

import (
	"fmt"
	"io"
	"strconv"
	"strings"
)

// printf is printf(1), and the shell's. The error is that of writing to stdout.
func printf(p *process) (int, error) {
	args := p.Args[1:]
	if len(args) > 0 && args[0] == "--" {
		args = args[1:]
	}
	if len(args) == 0 {
		fmt.Fprintln(p.Stderr, "printf: usage: printf [-v var] format [arguments]")
		return 2, nil
	}
	f := formatter{format: args[0], args: args[1:]}
	for {
		before := len(f.args)
		f.round()
		if f.stop || f.fatal || len(f.args) == 0 || len(f.args) == before {
			break
		}
	}
	_, err := io.WriteString(p.Stdout, f.out.String())
	_, _ = io.WriteString(p.Stderr, f.errs.String())
	if f.errs.Len() > 0 {
		return 1, err
	}
	return 0, err
}

type formatter struct {
	format    string
	args      []string
	out, errs strings.Builder
	stop      bool // \c was met
	fatal     bool
}

func (f *formatter) next() string {
	if len(f.args) == 0 {
		return ""
	}
	a := f.args[0]
	f.args = f.args[1:]
	return a
}

func (f *formatter) integer() int64 {
	s := f.next()
	if s == "" {
		return 0
	}
	if s[0] == '\'' || s[0] == '"' {
		for _, r := range s[1:] {
			return int64(r)
		}
		return 0
	}
	n, err := strconv.ParseInt(strings.TrimSpace(s), 0, 64)
	if err != nil {
		fmt.Fprintf(&f.errs, "printf: %s: invalid number\n", s)
		digits := strings.TrimLeft(s, " ")
		end := strings.IndexFunc(digits, func(r rune) bool { return r < '0' || r > '9' })
		if end > 0 {
			n, _ = strconv.ParseInt(digits[:end], 10, 64)
		}
	}
	return n
}

// round prints the format once.
func (f *formatter) round() {
	rest := f.format
	for rest != "" && !f.stop && !f.fatal {
		i := strings.IndexByte(rest, '%')
		if i < 0 {
			i = len(rest)
		}
		text, _ := unescape(rest[:i], false)
		f.out.WriteString(text)
		if rest = rest[i:]; rest != "" {
			rest = f.directive(rest[1:])
		}
	}
}

// directive prints what follows a percent sign, and returns what follows that.
func (f *formatter) directive(s string) (rest string) {
	spec := "%"
	take := func(set string) {
		for s != "" && strings.IndexByte(set, s[0]) >= 0 {
			spec += s[:1]
			s = s[1:]
		}
	}
	number := func() {
		if strings.HasPrefix(s, "*") {
			spec += strconv.FormatInt(f.integer(), 10)
			s = s[1:]
		}
		take("0123456789")
	}
	take("-+ #0")
	number()
	if strings.HasPrefix(s, ".") {
		take(".")
		number()
	}
	if s == "" {
		fmt.Fprintf(&f.errs, "printf: `%s': missing format character\n", spec)
		f.fatal = true
		return ""
	}
	verb := s[0]
	s = s[1:]
	switch verb {
	case '%':
		f.out.WriteByte('%')
	case 's':
		fmt.Fprintf(&f.out, spec+"s", f.next())
	case 'b':
		text, stop := unescape(f.next(), true)
		fmt.Fprintf(&f.out, spec+"s", text)
		f.stop = stop
	case 'c':
		a := f.next()
		if a != "" {
			a = a[:1]
		}
		fmt.Fprintf(&f.out, spec+"s", a)
	case 'd', 'i':
		fmt.Fprintf(&f.out, spec+"d", f.integer())
	case 'u':
		fmt.Fprintf(&f.out, spec+"d", uint64(f.integer()))
	case 'o', 'x', 'X':
		fmt.Fprintf(&f.out, spec+string(verb), uint64(f.integer()))
	case 'e', 'E', 'f', 'g', 'G':
		n, _ := strconv.ParseFloat(f.next(), 64)
		if !strings.Contains(spec, ".") {
			spec += ".6"
		}
		fmt.Fprintf(&f.out, spec+string(verb), n)
	default:
		fmt.Fprintf(&f.errs, "printf: `%c': invalid format character\n", verb)
		f.fatal = true
	}
	return s
}

// unescape is s with its backslashes resolved. In echo and %b an octal number begins with 0, and \c ends all output.
func unescape(s string, echo bool) (text string, stop bool) {
	var b strings.Builder
	for s != "" {
		i := strings.IndexByte(s, '\\')
		if i < 0 || i == len(s)-1 {
			b.WriteString(s)
			break
		}
		b.WriteString(s[:i])
		c := s[i+1]
		s = s[i+2:]
		if j := strings.IndexByte("abfnrtv\\", c); j >= 0 {
			b.WriteByte("\a\b\f\n\r\t\v\\"[j])
			continue
		}
		var digits int
		switch {
		case c == 'c' && echo:
			return b.String(), true
		case c == '0' && echo:
			digits = octal(s, 3)
		case c >= '0' && c <= '7':
			s = string(c) + s
			digits = octal(s, 3)
		case c == '"' && !echo, c == '\'' && !echo:
			b.WriteByte(c)
			continue
		default:
			b.WriteByte('\\')
			b.WriteByte(c)
			continue
		}
		n, _ := strconv.ParseUint("0"+s[:digits], 8, 16)
		b.WriteByte(byte(n))
		s = s[digits:]
	}
	return b.String(), false
}

// octal is how many of the first limit bytes of s are octal digits.
func octal(s string, limit int) int {
	n := 0
	for n < limit && n < len(s) && s[n] >= '0' && s[n] <= '7' {
		n++
	}
	return n
}
