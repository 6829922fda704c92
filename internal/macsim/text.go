package macsim

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// The programs that turn text into text, but for grep and sed.
func init() {
	programs(map[string]command{
		"/bin/cat": cat, "/usr/bin/head": head, "/usr/bin/tail": tail, "/usr/bin/wc": wc, "/usr/bin/sort": sortLines,
		"/usr/bin/uniq": uniq, "/usr/bin/tr": tr, "/usr/bin/cut": cut,
	})
}

// feed calls fn with each file named, or with stdin when none is. It says which cannot be opened, and returns the exit status.
func (m *Mac) feed(p *process, names []string, fn func(name string, r io.Reader) error) int {
	if len(names) == 0 {
		names = []string{"-"}
	}
	status := 0
	for _, name := range names {
		r, err := m.input(p, name)
		if err == nil {
			err = fn(name, r)
		}
		if err != nil {
			status = p.errorf("%s: %v", name, err)
		}
	}
	return status
}

// eachLine calls fn with every line of r, without its newline, until fn returns false. The last line may lack a newline.
func eachLine(r io.Reader, fn func(line string, whole bool) bool) error {
	b := bufio.NewReader(r)
	for {
		line, err := b.ReadString('\n')
		if line != "" {
			text, whole := strings.CutSuffix(line, "\n")
			if !fn(text, whole) {
				return nil
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func cat(_ context.Context, m *Mac, p *process) int {
	set, args, ok := p.flags("belnstuv")
	if !ok {
		return p.usage("cat [-belnstuv] [file ...]", 1)
	}
	n := 0
	return m.feed(p, args, func(_ string, r io.Reader) error {
		if set['n'] == "" {
			_, err := io.CopyBuffer(struct{ io.Writer }{p.Stdout}, r, make([]byte, 4<<10))
			return err
		}
		return eachLine(r, func(line string, whole bool) bool {
			n++
			end := map[bool]string{true: "\n"}[whole]
			_, err := fmt.Fprintf(p.Stdout, "%6d\t%s%s", n, line, end)
			return err == nil
		})
	})
}

// countFlag is the options of head and tail, which may be given as -N too.
func countFlag(p *process) {
	if len(p.Args) > 1 && len(p.Args[1]) > 1 && p.Args[1][0] == '-' && strings.Trim(p.Args[1][1:], "0123456789") == "" {
		p.Args = slices.Concat(p.Args[:1], []string{"-n", p.Args[1][1:]}, p.Args[2:])
	}
}

func head(_ context.Context, m *Mac, p *process) int {
	countFlag(p)
	set, args, ok := p.flags("n:c:q")
	if !ok {
		return p.usage("head [-n lines | -c bytes] [file ...]", 1)
	}
	lines := 10
	for option, unit := range map[byte]string{'n': "line", 'c': "byte"} {
		if set[option] == "" {
			continue
		}
		n, err := strconv.Atoi(set[option])
		if err != nil || n <= 0 && option == 'n' || n < 0 {
			return p.errorf("illegal %s count -- %s", unit, set[option])
		}
		lines = n
	}
	first := true
	return m.feed(p, args, func(name string, r io.Reader) error {
		if len(args) > 1 {
			fmt.Fprintf(p.Stdout, "%s==> %s <==\n", map[bool]string{false: "\n"}[first], name)
			first = false
		}
		if set['c'] != "" {
			_, err := io.CopyN(p.Stdout, r, int64(lines))
			if err == io.EOF {
				err = nil
			}
			return err
		}
		left := lines
		return eachLine(r, func(line string, whole bool) bool {
			left--
			_, err := io.WriteString(p.Stdout, line+map[bool]string{true: "\n"}[whole])
			return err == nil && left > 0
		})
	})
}

func tail(_ context.Context, m *Mac, p *process) int {
	countFlag(p)
	set, args, ok := p.flags("n:c:qr")
	if !ok {
		return p.usage("tail [-F | -f | -r] [-q] [-b # | -c # | -n #] [file ...]", 1)
	}
	count := set['n'] + set['c']
	if count == "" {
		count = "10"
	}
	n, err := strconv.Atoi(strings.TrimPrefix(strings.TrimPrefix(count, "-"), "+"))
	if err != nil {
		return p.errorf("illegal offset -- %s", count)
	}
	return m.feed(p, args, func(_ string, r io.Reader) error {
		b, err := io.ReadAll(r)
		if err != nil {
			return err
		}
		parts := bytes.SplitAfter(b, []byte("\n"))
		if set['c'] != "" {
			parts = bytes.SplitAfter(b, nil)
		}
		if k := len(parts); k > 0 && len(parts[k-1]) == 0 {
			parts = parts[:k-1]
		}
		from := max(len(parts)-n, 0)
		if count[0] == '+' {
			from = min(max(n-1, 0), len(parts))
		}
		_, err = p.Stdout.Write(bytes.Join(parts[from:], nil))
		return err
	})
}

func wc(_ context.Context, m *Mac, p *process) int {
	set, args, ok := p.flags("clmwL")
	if !ok {
		return p.usage("wc [-Lclmw] [file ...]", 1)
	}
	all := len(set) == 0
	var total [3]int
	line := func(counts [3]int, name string) {
		for i, option := range []byte("lwc") {
			if all || set[option] != "" || option == 'c' && set['m'] != "" {
				fmt.Fprintf(p.Stdout, " %7d", counts[i])
			}
		}
		if name != "-" {
			name = " " + name
		} else {
			name = ""
		}
		fmt.Fprintln(p.Stdout, name)
	}
	status := m.feed(p, args, func(name string, r io.Reader) error {
		b, err := io.ReadAll(r)
		if err != nil {
			return err
		}
		counts := [3]int{bytes.Count(b, []byte("\n")), len(bytes.Fields(b)), len(b)}
		for i := range counts {
			total[i] += counts[i]
		}
		line(counts, name)
		return nil
	})
	if len(args) > 1 {
		line(total, "total")
	}
	return status
}

func sortLines(_ context.Context, m *Mac, p *process) int {
	set, args, ok := p.flags("bcdfnru")
	if !ok {
		return p.usage("sort [-bcCdfigMmnrsuz] [-kPOS1[,POS2] ... ] [+POS1 [-POS2]] [-S memsize] [-T tmpdir] "+
			"[-t separator] [-o outfile] [--batch-size size] [--files0-from file] [--heapsort] [--mergesort] [--radixsort] "+
			"[--qsort] [--mmap] [--parallel thread_no] [--human-readable-sort] [--version-sort] [--random-sort [--random-source file]] "+
			"[--compress-program program] [file ...]", 2)
	}
	var lines []string
	status := m.feed(p, args, func(_ string, r io.Reader) error {
		return eachLine(r, func(line string, _ bool) bool {
			lines = append(lines, line)
			return true
		})
	})
	compare := func(a, b string) int {
		if set['f'] != "" {
			a, b = strings.ToUpper(a), strings.ToUpper(b)
		}
		if set['n'] != "" {
			if x, y := leadingNumber(a), leadingNumber(b); x != y {
				if x < y {
					return -1
				}
				return 1
			}
			if set['u'] != "" {
				return 0
			}
		}
		return strings.Compare(a, b)
	}
	if set['c'] != "" {
		for i := 1; i < len(lines); i++ {
			if compare(lines[i-1], lines[i]) > 0 {
				fmt.Fprintf(p.Stderr, "sort: -:%d: disorder: %s\n", i+1, lines[i])
				return 1
			}
		}
		return 0
	}
	slices.SortStableFunc(lines, compare)
	if set['u'] != "" {
		lines = slices.CompactFunc(lines, func(a, b string) bool { return compare(a, b) == 0 })
	}
	if set['r'] != "" {
		slices.Reverse(lines)
	}
	for _, l := range lines {
		if _, err := fmt.Fprintln(p.Stdout, l); err != nil {
			return 2
		}
	}
	return 2 * status
}

func leadingNumber(s string) float64 {
	s = strings.TrimLeft(s, " \t")
	end := 0
	for end < len(s) && (s[end] >= '0' && s[end] <= '9' || s[end] == '.' || end == 0 && s[end] == '-') {
		end++
	}
	n, _ := strconv.ParseFloat(s[:end], 64)
	return n
}

func uniq(_ context.Context, m *Mac, p *process) int {
	set, args, ok := p.flags("cdui")
	if !ok || len(args) > 1 {
		return p.usage("uniq [-c | -d | -D | -u] [-i] [-f fields] [-s chars] [input [output]]", 1)
	}
	var last string
	count := 0
	flush := func() {
		switch {
		case count == 0, set['d'] != "" && count == 1, set['u'] != "" && count > 1:
		case set['c'] != "":
			fmt.Fprintf(p.Stdout, "%4d %s\n", count, last)
		default:
			fmt.Fprintln(p.Stdout, last)
		}
		count = 0
	}
	status := m.feed(p, args, func(_ string, r io.Reader) error {
		return eachLine(r, func(line string, _ bool) bool {
			if same := line == last || set['i'] != "" && strings.EqualFold(line, last); count > 0 && !same {
				flush()
			}
			if count == 0 {
				last = line
			}
			count++
			return true
		})
	})
	flush()
	return status
}

// tr works on bytes, as in the C locale.
func tr(_ context.Context, _ *Mac, p *process) int {
	const usage = "tr [-Ccsu] string1 string2\n       tr [-Ccu] -d string1\n       tr [-Ccu] -s string1\n       tr [-Ccu] -ds string1 string2"
	set, args, ok := p.flags("Ccdsu")
	if !ok || len(args) == 0 || len(args) > 2 || len(args) == 1 && set['d'] == "" && set['s'] == "" {
		return p.usage(usage, 1)
	}
	from := trSet(args[0])
	if set['c'] != "" || set['C'] != "" {
		var rest []byte
		for c := range 256 {
			if bytes.IndexByte(from, byte(c)) < 0 {
				rest = append(rest, byte(c))
			}
		}
		from = rest
	}
	var to []byte
	if len(args) == 2 && (set['d'] == "" || set['s'] != "") {
		to = trSet(args[1])
	}
	squeeze := to
	if len(args) == 1 {
		squeeze = from
	}
	in := bufio.NewReader(p.Stdin)
	out := bufio.NewWriter(p.Stdout)
	last := -1
	for {
		c, err := in.ReadByte()
		if err != nil {
			break
		}
		if i := bytes.LastIndexByte(from, c); i >= 0 {
			switch {
			case set['d'] != "":
				continue
			case len(to) > 0:
				c = to[min(i, len(to)-1)]
			}
		}
		if set['s'] != "" && int(c) == last && bytes.IndexByte(squeeze, c) >= 0 {
			continue
		}
		last = int(c)
		_ = out.WriteByte(c)
	}
	if out.Flush() != nil {
		return 1
	}
	return 0
}

var trClasses = map[string]func(byte) bool{
	"[:upper:]": func(c byte) bool { return c >= 'A' && c <= 'Z' },
	"[:lower:]": func(c byte) bool { return c >= 'a' && c <= 'z' },
	"[:digit:]": func(c byte) bool { return c >= '0' && c <= '9' },
	"[:alpha:]": func(c byte) bool { return c|32 >= 'a' && c|32 <= 'z' },
	"[:alnum:]": func(c byte) bool { return c|32 >= 'a' && c|32 <= 'z' || c >= '0' && c <= '9' },
	"[:space:]": func(c byte) bool { return c == ' ' || c >= 9 && c <= 13 },
	"[:blank:]": func(c byte) bool { return c == ' ' || c == 9 },
	"[:cntrl:]": func(c byte) bool { return c < 32 || c == 127 },
	"[:print:]": func(c byte) bool { return c >= 32 && c < 127 },
	"[:graph:]": func(c byte) bool { return c > 32 && c < 127 },
	"[:punct:]": func(c byte) bool {
		return c > 32 && c < 127 && !(c|32 >= 'a' && c|32 <= 'z' || c >= '0' && c <= '9')
	},
}

// trSet is the bytes that an argument of tr stands for.
func trSet(s string) []byte {
	var set []byte
	for s != "" {
		if end := strings.Index(s, ":]"); strings.HasPrefix(s, "[:") && end > 0 && trClasses[s[:end+2]] != nil {
			for c := range 256 {
				if trClasses[s[:end+2]](byte(c)) {
					set = append(set, byte(c))
				}
			}
			s = s[end+2:]
			continue
		}
		var c byte
		c, s = trByte(s)
		if len(s) > 1 && s[0] == '-' {
			var last byte
			last, s = trByte(s[1:])
			for ; c < last; c++ {
				set = append(set, c)
			}
			c = last
		}
		set = append(set, c)
	}
	return set
}

func trByte(s string) (c byte, rest string) {
	if s[0] != '\\' || len(s) == 1 {
		return s[0], s[1:]
	}
	if n := octal(s[1:], 3); n > 0 {
		v, _ := strconv.ParseUint(s[1:1+n], 8, 16)
		return byte(v), s[1+n:]
	}
	if i := strings.IndexByte("abfnrtv", s[1]); i >= 0 {
		return "\a\b\f\n\r\t\v"[i], s[2:]
	}
	return s[1], s[2:]
}

func cut(_ context.Context, m *Mac, p *process) int {
	const usage = "cut -b list [-n] [file ...]\n       cut -c list [file ...]\n       cut -f list [-s] [-w | -d delim] [file ...]"
	set, args, ok := p.flags("b:c:d:f:nsw")
	list := set['b'] + set['c'] + set['f']
	if !ok || list == "" {
		return p.usage(usage, 1)
	}
	var ranges [][2]int
	for r := range strings.SplitSeq(list, ",") {
		from, to, dash := strings.Cut(r, "-")
		a, errA := strconv.Atoi(from)
		b, errB := strconv.Atoi(to)
		switch {
		case !dash:
			b, errB = a, errA
		case from == "":
			a, errA = 1, nil
		case to == "":
			b, errB = 1<<30, nil
		}
		if errA != nil || errB != nil || a < 1 || b < a {
			return p.errorf("[-bcf] list: illegal list value")
		}
		ranges = append(ranges, [2]int{a, b})
	}
	wanted := func(n int) bool {
		return slices.ContainsFunc(ranges, func(r [2]int) bool { return n >= r[0] && n <= r[1] })
	}
	delim := "\t"
	if set['d'] != "" {
		delim = set['d'][:1]
	}
	return m.feed(p, args, func(_ string, r io.Reader) error {
		return eachLine(r, func(line string, _ bool) bool {
			parts, join := strings.Split(line, ""), ""
			if set['f'] != "" {
				parts, join = strings.Split(line, delim), delim
				if len(parts) == 1 {
					if set['s'] == "" {
						fmt.Fprintln(p.Stdout, line)
					}
					return true
				}
			}
			var kept []string
			for i, part := range parts {
				if wanted(i + 1) {
					kept = append(kept, part)
				}
			}
			_, err := fmt.Fprintln(p.Stdout, strings.Join(kept, join))
			return err == nil
		})
	})
}
