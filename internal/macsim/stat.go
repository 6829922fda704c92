package macsim

import (
	"context"
	"fmt"
	"strconv"
	"strings"
)

func init() { programs(map[string]command{"/usr/bin/stat": stat}) }

// stat needs -f here: its other formats are not modelled.
func stat(_ context.Context, m *Mac, p *process) int {
	const usage = "stat [-FLnq] [-f format | -l | -r | -s | -x] [-t timefmt] [file ...]"
	set, args, ok := p.flags("FLnqf:lrst:x")
	if !ok {
		return p.usage(usage, 1)
	}
	format, given := set['f']
	if !given || len(args) == 0 {
		return p.errorf("macsim: only stat -f FORMAT FILE is modelled")
	}
	status := 0
	for _, name := range args {
		i, err := m.files.stat(m.cred(p), p.abs(name), set['L'] != "")
		if err != nil {
			status = 1
			if set['q'] == "" {
				p.errorf("%s: stat: %v", name, err)
			}
			continue
		}
		text, ok := m.statFormat(format, name, i, set['t'])
		if !ok {
			return p.errorf("%s: bad format", format)
		}
		if set['n'] == "" {
			text += "\n"
		}
		fmt.Fprint(p.Stdout, text)
	}
	return status
}

// statFormat is format with each %[flags][width][.precision][D|O|U|X|S][H|M|L]datum filled in.
func (m *Mac) statFormat(format, name string, i Info, timeFormat string) (string, bool) {
	var b strings.Builder
	for format != "" {
		before, rest, found := strings.Cut(format, "%")
		b.WriteString(before)
		if !found {
			break
		}
		if rest == "" {
			return "", false
		}
		if n := strings.IndexByte("%nt@", rest[0]); n >= 0 {
			b.WriteString([]string{"%", "\n", "\t", "1"}[n])
			format = rest[1:]
			continue
		}
		pad := rest[:len(rest)-len(strings.TrimLeft(rest, "-+ #0123456789."))]
		rest = rest[len(pad):]
		var kind, part byte
		if rest != "" && strings.IndexByte("DOUXFS", rest[0]) >= 0 {
			kind, rest = rest[0], rest[1:]
		}
		if len(rest) > 1 && strings.IndexByte("HML", rest[0]) >= 0 {
			part, rest = rest[0], rest[1:]
		}
		if rest == "" {
			return "", false
		}
		text, ok := m.statDatum(rest[0], kind, part, name, i, timeFormat)
		if !ok {
			return "", false
		}
		fmt.Fprintf(&b, "%"+strings.TrimLeft(pad, "#+")+"s", text)
		format = rest[1:]
	}
	return b.String(), true
}

func (m *Mac) statDatum(datum, kind, part byte, name string, i Info, timeFormat string) (string, bool) {
	number := func(n int64, usual byte) string {
		if kind == 0 {
			kind = usual
		}
		switch kind {
		case 'O':
			return strconv.FormatInt(n, 8)
		case 'X':
			return strconv.FormatInt(n, 16)
		}
		return strconv.FormatInt(n, 10)
	}
	mode := int64(i.StMode)
	switch datum {
	case 'p':
		if kind == 'S' {
			s := i.String()
			switch part {
			case 'H':
				return s[1:4], true
			case 'M':
				return s[4:7], true
			case 'L':
				return s[7:10], true
			}
			return s, true
		}
		switch part {
		case 'H':
			mode >>= 12
		case 'M':
			mode = mode >> 9 & 7
		case 'L':
			mode &= 0o777
		}
		return number(mode, 'O'), true
	case 'u':
		if kind == 'S' {
			return m.userName(i.UID), true
		}
		return number(int64(i.UID), 'U'), true
	case 'g':
		if kind == 'S' {
			return groupName(i.GID), true
		}
		return number(int64(i.GID), 'U'), true
	case 'z':
		return number(i.Bytes, 'D'), true
	case 'b':
		return number((i.Bytes+4095)/4096*8, 'D'), true
	case 'i':
		return number(int64(i.Inode), 'U'), true
	case 'd':
		return number(16777234, 'D'), true
	case 'l':
		return number(1, 'U'), true
	case 'a', 'm', 'c', 'B':
		if kind == 'S' {
			if timeFormat == "" {
				timeFormat = "%b %e %T %Y"
			}
			return strftime(i.Modified.UTC(), timeFormat), true
		}
		return number(i.Modified.Unix(), 'D'), true
	case 'f':
		if kind != 'S' {
			return number(map[string]int64{"uchg": 2}[i.Flags], 'U'), true
		}
		if i.Flags == "" {
			return "-", true
		}
		return i.Flags, true
	case 'N':
		return name, true
	case 'Y':
		if kind == 'S' && i.Link != "" {
			return " -> " + i.Link, true
		}
		return i.Link, true
	case 'T':
		n := map[uint32]int{modeFile: 0, modeDir: 1, modeLink: 2, modeDevice: 3}[i.StMode&modeType]
		if part == 'H' {
			return []string{"Regular File", "Directory", "Symbolic Link", "Character Device"}[n], true
		}
		if n == 0 && i.StMode&0o111 != 0 {
			return "*", true
		}
		return []string{"", "/", "@", ""}[n], true
	}
	return "", false
}
