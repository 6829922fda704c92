package macsim

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"os"
	"strconv"
	"strings"
)

// The programs that work on bytes, and compare them.
func init() {
	programs(map[string]command{
		"/usr/bin/base64": base64Command, "/usr/bin/shasum": shasum, "/sbin/md5": md5Command, "/bin/dd": dd, "/usr/bin/cmp": cmpFiles,
		"/usr/bin/diff": diff,
	})
}

// base64Command decodes with -d and -D, and encodes into one line.
func base64Command(_ context.Context, m *Mac, p *process) int {
	set, args, ok := p.flags("dDhb:i:o:")
	if !ok {
		return p.usage("base64 [-Ddh] [-b num] [-i in_file] [-o out_file]", 64)
	}
	in, name := p.Stdin, "stdin"
	if set['i'] != "" {
		args = []string{set['i']}
	}
	if len(args) > 0 && args[0] != "-" {
		name = args[0]
		var err error
		if in, err = m.input(p, name); err != nil {
			return p.errorf("Unable to open '%s': %v", name, err)
		}
	}
	out := p.Stdout
	if set['o'] != "" && set['o'] != "-" {
		f, err := m.open(p, set['o'], os.O_WRONLY|os.O_CREATE|os.O_TRUNC)
		if err != nil {
			return p.errorf("Unable to open '%s': %v", set['o'], err)
		}
		out = f
	}
	b, err := io.ReadAll(in)
	if err != nil {
		return 1
	}
	if set['d'] == "" && set['D'] == "" {
		if len(b) > 0 {
			_, err = fmt.Fprintln(out, base64.StdEncoding.EncodeToString(b))
		}
		return writeStatus(err)
	}
	text := strings.TrimRight(strings.Join(strings.Fields(string(b)), ""), "=")
	decoded, bad := base64.RawStdEncoding.DecodeString(text)
	if _, err := out.Write(decoded); err != nil {
		return p.errorf("%s: %v", name, err)
	}
	if bad != nil {
		return p.errorf("%s: (null): error decoding base64 input stream", name)
	}
	return 0
}

func writeStatus(err error) int {
	if err != nil {
		return 1
	}
	return 0
}

func shasum(_ context.Context, m *Mac, p *process) int {
	set, args, ok := p.flags("a:bctpUs")
	algorithms := map[string]func() hash.Hash{
		"": sha1.New, "1": sha1.New, "224": sha256.New224, "256": sha256.New, "384": sha512.New384, "512": sha512.New,
	}
	algorithm := algorithms[set['a']]
	if !ok || algorithm == nil {
		fmt.Fprintln(p.Stderr, "Type shasum -h for help")
		return 1
	}
	digest := func(name string) (string, error) {
		r, err := m.input(p, name)
		if err != nil {
			return "", err
		}
		h := algorithm()
		_, err = io.Copy(h, r)
		return hex.EncodeToString(h.Sum(nil)), err
	}
	if set['c'] == "" {
		if len(args) == 0 {
			args = []string{"-"}
		}
		status := 0
		for _, name := range args {
			sum, err := digest(name)
			if err != nil {
				status = p.errorf("%s: %v", name, err)
				continue
			}
			fmt.Fprintf(p.Stdout, "%s  %s\n", sum, name)
		}
		return status
	}
	status := 0
	m.feed(p, args, func(_ string, r io.Reader) error {
		return eachLine(r, func(line string, _ bool) bool {
			want, name, _ := strings.Cut(line, " ")
			name = strings.TrimPrefix(strings.TrimPrefix(name, " "), "*")
			result := "OK"
			if sum, err := digest(name); err != nil {
				result, status = "FAILED open or read", 1
			} else if sum != want {
				result, status = "FAILED", 1
			}
			if set['s'] == "" {
				fmt.Fprintf(p.Stdout, "%s: %s\n", name, result)
			}
			return true
		})
	})
	return status
}

func md5Command(_ context.Context, m *Mac, p *process) int {
	set, args, ok := p.flags("pqrs:tx")
	if !ok {
		return p.usage("md5 [-pqrtx] [-c string] [-s string] [file ...]", 1)
	}
	return m.feed(p, args, func(name string, r io.Reader) error {
		h := md5.New()
		if _, err := io.Copy(h, r); err != nil {
			return err
		}
		sum := hex.EncodeToString(h.Sum(nil))
		switch {
		case set['q'] != "", len(args) == 0:
			fmt.Fprintln(p.Stdout, sum)
		case set['r'] != "":
			fmt.Fprintf(p.Stdout, "%s %s\n", sum, name)
		default:
			fmt.Fprintf(p.Stdout, "MD5 (%s) = %s\n", name, sum)
		}
		return nil
	})
}

// dd reads with one read(2) for each block, so that a pipe may give short ones, which count as blocks.
func dd(_ context.Context, m *Mac, p *process) int {
	in, out := p.Stdin, p.Stdout
	size, count, quiet := 512, -1, false
	for _, arg := range p.Args[1:] {
		name, value, _ := strings.Cut(arg, "=")
		number := func() (n int, ok bool) {
			unit := 1
			switch {
			case strings.HasSuffix(value, "k"), strings.HasSuffix(value, "K"):
				unit = 1 << 10
			case strings.HasSuffix(value, "m"), strings.HasSuffix(value, "M"):
				unit = 1 << 20
			}
			n, err := strconv.Atoi(strings.TrimRight(value, "kKmM"))
			return n * unit, err == nil && n >= 0
		}
		ok := true
		switch name {
		case "bs", "ibs":
			if size, ok = number(); size == 0 {
				ok = false
			}
		case "obs": // makes no difference to what is written
		case "count":
			count, ok = number()
		case "status":
			quiet = value == "none"
		case "conv":
			ok = value == "notrunc" || value == "sync" || value == "fsync"
		case "if":
			f, err := m.open(p, value, os.O_RDONLY)
			if err != nil {
				return p.errorf("%s: %v", value, err)
			}
			in = f
		case "of":
			f, err := m.open(p, value, os.O_WRONLY|os.O_CREATE|os.O_TRUNC)
			if err != nil {
				return p.errorf("%s: %v", value, err)
			}
			out = f
		default:
			return p.errorf("unknown operand %s", name)
		}
		if !ok {
			return p.errorf("%s: illegal numeric value", name)
		}
	}
	full, part, total, status := 0, 0, 0, 0
	b := make([]byte, size)
	for count != 0 {
		n, err := in.Read(b)
		if n > 0 {
			if n == size {
				full++
			} else {
				part++
			}
			total += n
			count--
			if _, err := out.Write(b[:n]); err != nil {
				status = p.errorf("stdout: %v", err)
				break
			}
		}
		if err != nil {
			break
		}
	}
	if !quiet {
		fmt.Fprintf(p.Stderr, "%d+%d records in\n%d+%d records out\n", full, part, full, part)
		fmt.Fprintf(p.Stderr, "%d bytes transferred in 0.000100 secs (%d bytes/sec)\n", total, total*10000)
	}
	return status
}

func cmpFiles(_ context.Context, m *Mac, p *process) int {
	set, args, ok := p.flags("bhilnsxz")
	if !ok || len(args) != 2 {
		return p.usage("cmp [-l | -s | -x] [-hz] file1 file2 [skip1 [skip2]]", 2)
	}
	var data [2][]byte
	for i, name := range args {
		r, err := m.input(p, name)
		if err == nil {
			data[i], err = io.ReadAll(r)
		}
		if err != nil {
			if set['s'] == "" {
				p.errorf("%s: %v", name, err)
			}
			return 2
		}
	}
	a, b := data[0], data[1]
	line := 1
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			if set['s'] == "" {
				fmt.Fprintf(p.Stdout, "%s %s differ: char %d, line %d\n", args[0], args[1], i+1, line)
			}
			return 1
		}
		if a[i] == '\n' {
			line++
		}
	}
	if len(a) == len(b) {
		return 0
	}
	if set['s'] == "" {
		shorter := args[0]
		if len(b) < len(a) {
			shorter = args[1]
		}
		fmt.Fprintf(p.Stderr, "cmp: EOF on %s\n", shorter)
	}
	return 1
}

// diff prints a unified diff, with -u or without: the classic format is not modelled.
func diff(_ context.Context, m *Mac, p *process) int {
	set, args, ok := p.flags("uqNaL:bw")
	if !ok || len(args) != 2 {
		return p.usage("diff [-aBbdilpTtw] [-c | -e | -f | -n | -q | -u] file1 file2", 2)
	}
	var sides [2][]string
	var heads [2]string
	for i, name := range args {
		r, err := m.input(p, name)
		var b []byte
		if err == nil {
			b, err = io.ReadAll(r)
		}
		if err == errNotExist && set['N'] != "" {
			err = nil
		}
		if err != nil {
			p.errorf("%s: %v", name, err)
			return 2
		}
		sides[i] = splitLines(b)
		heads[i] = name
		if info, err := m.files.stat(m.cred(p), p.abs(name), true); err == nil {
			heads[i] += "\t" + info.Modified.UTC().Format("2006-01-02 15:04:05")
		}
	}
	hunks := unified(sides[0], sides[1])
	switch {
	case hunks == "":
		return 0
	case set['q'] != "":
		fmt.Fprintf(p.Stdout, "Files %s and %s differ\n", args[0], args[1])
	case set['u'] == "":
		p.errorf("macsim: only -u is modelled")
		return 2
	default:
		fmt.Fprintf(p.Stdout, "--- %s\n+++ %s\n%s", heads[0], heads[1], hunks)
	}
	return 1
}

func splitLines(b []byte) []string {
	var lines []string
	for _, l := range bytes.SplitAfter(b, []byte("\n")) {
		if len(l) > 0 {
			lines = append(lines, string(l))
		}
	}
	return lines
}

// unified is the hunks of a unified diff with three lines of context, "" when there is no difference.
func unified(a, b []string) string {
	// common[i][j] is the length of the longest common subsequence of a[i:] and b[j:].
	common := make([][]int, len(a)+1)
	for i := range common {
		common[i] = make([]int, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				common[i][j] = common[i+1][j+1] + 1
			} else {
				common[i][j] = max(common[i+1][j], common[i][j+1])
			}
		}
	}
	type edit struct {
		op   byte
		line string
		i, j int // how many lines of each side stand before it
	}
	var edits []edit
	var changed []int
	for i, j := 0, 0; i < len(a) || j < len(b); {
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j]:
			edits = append(edits, edit{' ', a[i], i, j})
			i, j = i+1, j+1
		case i < len(a) && (j == len(b) || common[i+1][j] >= common[i][j+1]):
			changed = append(changed, len(edits))
			edits = append(edits, edit{'-', a[i], i, j})
			i++
		default:
			changed = append(changed, len(edits))
			edits = append(edits, edit{'+', b[j], i, j})
			j++
		}
	}
	var out strings.Builder
	for len(changed) > 0 {
		from, last := max(changed[0]-3, 0), changed[0]
		for len(changed) > 0 && changed[0] <= last+7 {
			last, changed = changed[0], changed[1:]
		}
		hunk := edits[from:min(last+4, len(edits))]
		var lines strings.Builder
		var na, nb int
		for _, e := range hunk {
			if e.op != '+' {
				na++
			}
			if e.op != '-' {
				nb++
			}
			lines.WriteString(string(e.op) + e.line)
			if !strings.HasSuffix(e.line, "\n") {
				lines.WriteString("\n\\ No newline at end of file\n")
			}
		}
		fmt.Fprintf(&out, "@@ -%s +%s @@\n%s", span(hunk[0].i, na), span(hunk[0].j, nb), lines.String())
	}
	return out.String()
}

// span is n lines after the first before, as the head of a hunk has it.
func span(before, n int) string {
	switch n {
	case 0:
		return fmt.Sprintf("%d,0", before)
	case 1:
		return strconv.Itoa(before + 1)
	}
	return fmt.Sprintf("%d,%d", before+1, n)
}
