package macsim

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// tester evaluates what test(1) is given.
type tester struct {
	m    *Mac
	p    *process
	args []string
	fail string // why it cannot be told
}

// test is test and [, as the shell has them built in and as the programs are.
func (m *Mac) test(p *process) int {
	t := &tester{m: m, p: p, args: p.Args[1:]}
	if p.Args[0] == "[" {
		n := len(t.args)
		if n == 0 || t.args[n-1] != "]" {
			fmt.Fprintf(p.Stderr, "[: missing `]'\n")
			return 2
		}
		t.args = t.args[:n-1]
	}
	result := t.count(t.args)
	switch {
	case t.fail != "":
		fmt.Fprintf(p.Stderr, "%s: %s\n", p.Args[0], t.fail)
		return 2
	case result:
		return 0
	}
	return 1
}

// count does what POSIX says for so many arguments.
func (t *tester) count(args []string) bool {
	switch {
	case len(args) == 0:
		return false
	case len(args) == 1:
		return args[0] != ""
	case len(args) == 2 && args[0] == "!":
		return args[1] == ""
	case len(args) == 2:
		return t.unary(args[0], args[1])
	case len(args) == 3 && isBinary(args[1]):
		return t.binary(args[0], args[1], args[2])
	case len(args) == 3 && args[0] == "(" && args[2] == ")":
		return args[1] != ""
	case len(args) <= 4 && args[0] == "!":
		return !t.count(args[1:])
	case len(args) == 4 && args[0] == "(" && args[3] == ")":
		return t.count(args[1:3])
	}
	t.args = args
	result := t.or()
	if len(t.args) > 0 && t.fail == "" {
		t.fail = "too many arguments"
	}
	return result
}

func (t *tester) or() bool {
	result := t.and()
	for len(t.args) > 0 && t.args[0] == "-o" {
		t.args = t.args[1:]
		result = t.and() || result
	}
	return result
}

func (t *tester) and() bool {
	result := t.primary()
	for len(t.args) > 0 && t.args[0] == "-a" {
		t.args = t.args[1:]
		result = t.primary() && result
	}
	return result
}

func (t *tester) primary() bool {
	next := func() string {
		if len(t.args) == 0 {
			t.fail = "argument expected"
			return ""
		}
		a := t.args[0]
		t.args = t.args[1:]
		return a
	}
	switch first := next(); {
	case first == "!":
		return !t.primary()
	case len(t.args) >= 2 && isBinary(t.args[0]):
		op := next()
		return t.binary(first, op, next())
	case first == "(":
		result := t.or()
		if next() != ")" && t.fail == "" {
			t.fail = "`)' expected"
		}
		return result
	case isUnary(first) && len(t.args) > 0:
		return t.unary(first, next())
	default:
		return first != ""
	}
}

func isBinary(op string) bool {
	return slices.Contains(strings.Fields("= == != < > -eq -ne -lt -le -gt -ge -nt -ot -ef"), op)
}

func isUnary(op string) bool {
	return len(op) == 2 && op[0] == '-' && strings.ContainsRune("bcdefghkLnOGprsStuwxz", rune(op[1]))
}

func (t *tester) unary(op, arg string) bool {
	if !isUnary(op) {
		t.fail = op + ": unary operator expected"
		return false
	}
	c, name := t.m.cred(t.p), t.p.abs(arg)
	switch op {
	case "-n":
		return arg != ""
	case "-z":
		return arg == ""
	case "-t":
		return arg == "0" && t.p.terminal() || t.p.session != nil && t.p.session.tty != nil &&
			(arg == "1" && t.p.Stdout == io.Writer(t.p.session.tty) || arg == "2" && t.p.Stderr == io.Writer(t.p.session.tty))
	case "-r":
		return t.m.files.access(c, name, 4) == nil
	case "-w":
		return t.m.files.access(c, name, 2) == nil
	case "-x":
		return t.m.files.access(c, name, 1) == nil
	}
	i, err := t.m.files.stat(c, name, op != "-L" && op != "-h")
	if err != nil {
		return false
	}
	kind := i.StMode & modeType
	switch op {
	case "-e":
		return true
	case "-f":
		return kind == modeFile
	case "-d":
		return kind == modeDir
	case "-L", "-h":
		return kind == modeLink
	case "-c":
		return kind == modeDevice
	case "-s":
		return i.Bytes > 0
	case "-O":
		return i.UID == t.p.UID
	case "-G":
		return i.GID == c.gids[0]
	case "-u":
		return i.StMode&modeSetUID != 0
	case "-g":
		return i.StMode&modeSetGID != 0
	case "-k":
		return i.StMode&modeSticky != 0
	}
	return false // -b, -p and -S: there are none
}

func (t *tester) binary(a, op, b string) bool {
	switch op {
	case "=", "==":
		return a == b
	case "!=":
		return a != b
	case "<":
		return a < b
	case ">":
		return a > b
	case "-nt", "-ot", "-ef":
		c := t.m.cred(t.p)
		x, errX := t.m.files.stat(c, t.p.abs(a), true)
		y, errY := t.m.files.stat(c, t.p.abs(b), true)
		switch op {
		case "-nt":
			return errX == nil && (errY != nil || x.Modified.After(y.Modified))
		case "-ot":
			return errY == nil && (errX != nil || y.Modified.After(x.Modified))
		}
		return errX == nil && errY == nil && x.Inode == y.Inode
	}
	x, y := t.integer(a), t.integer(b)
	switch op {
	case "-eq":
		return x == y
	case "-ne":
		return x != y
	case "-lt":
		return x < y
	case "-le":
		return x <= y
	case "-gt":
		return x > y
	}
	return x >= y
}

func (t *tester) integer(s string) int64 {
	n, err := strconv.ParseInt(strings.TrimSpace(s), 10, 64)
	if err != nil && t.fail == "" {
		t.fail = s + ": integer expression expected"
	}
	return n
}
