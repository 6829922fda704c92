package macsim

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The programs that say something of the Mac, or run others.
func init() {
	programs(map[string]command{
		"/bin/date": date, "/bin/hostname": hostname, "/bin/ps": ps, "/bin/sleep": sleep, "/usr/bin/id": id, "/usr/bin/whoami": whoami,
		"/usr/bin/uname": uname, "/usr/bin/sw_vers": swVers, "/usr/sbin/sysctl": sysctl, "/usr/sbin/scutil": scutil,
		"/usr/bin/env": env, "/usr/bin/nohup": nohup, "/usr/bin/basename": basename, "/usr/bin/dirname": basename,
		"/usr/bin/true":   func(context.Context, *Mac, *process) int { return 0 },
		"/usr/bin/false":  func(context.Context, *Mac, *process) int { return 1 },
		"/usr/bin/logger": func(context.Context, *Mac, *process) int { return 0 },
		"/bin/sync":       func(context.Context, *Mac, *process) int { return 0 },
		"/bin/test":       func(_ context.Context, m *Mac, p *process) int { return m.test(p) },
		"/bin/[":          func(_ context.Context, m *Mac, p *process) int { p.Args[0] = "["; return m.test(p) },
		"/usr/bin/printf": func(_ context.Context, _ *Mac, p *process) int { status, _ := printf(p); return status },
		"/bin/echo":       echo, "/bin/pwd": pwd, "/usr/bin/tty": ttyName, "/usr/bin/which": which,
		"/usr/bin/less": cat, "/usr/bin/more": cat,
	})
}

// echo is /bin/echo: it knows -n, and backslashes mean nothing but \c at the end.
func echo(_ context.Context, _ *Mac, p *process) int {
	args, end := p.Args[1:], "\n"
	if len(args) > 0 && args[0] == "-n" {
		args, end = args[1:], ""
	}
	text := strings.Join(args, " ")
	if t, ok := strings.CutSuffix(text, `\c`); ok {
		text, end = t, ""
	}
	_, err := fmt.Fprint(p.Stdout, text+end)
	return writeStatus(err)
}

// terminal tells whether p's stdin is its session's terminal.
func (p *process) terminal() bool {
	return p.session != nil && p.session.tty != nil && p.Stdin == p.session.input
}

func ttyName(_ context.Context, _ *Mac, p *process) int {
	if !p.terminal() {
		fmt.Fprintln(p.Stdout, "not a tty")
		return 1
	}
	fmt.Fprintln(p.Stdout, p.Env("SSH_TTY"))
	return 0
}

func which(_ context.Context, m *Mac, p *process) int {
	status := 0
	for _, name := range p.Args[1:] {
		found, err := m.lookPath(p.child(name))
		if err != nil {
			status = 1
			continue
		}
		fmt.Fprintln(p.Stdout, found)
	}
	return status
}

func pwd(_ context.Context, m *Mac, p *process) int {
	dir, err := m.files.realPath(m.cred(p), p.Dir)
	if err != nil {
		return p.errorf("%v", err)
	}
	fmt.Fprintln(p.Stdout, dir)
	return 0
}

func sleep(ctx context.Context, m *Mac, p *process) int {
	var total time.Duration
	for _, arg := range p.Args[1:] {
		seconds, err := strconv.ParseFloat(strings.TrimSuffix(arg, "s"), 64)
		if err != nil || seconds < 0 {
			return p.usage("sleep number[unit] [...]\nUnit can be 's' (seconds, the default), m (minutes), h (hours), or d (days).", 1)
		}
		total += time.Duration(seconds * float64(time.Second))
	}
	if len(p.Args) < 2 {
		return p.usage("sleep number[unit] [...]\nUnit can be 's' (seconds, the default), m (minutes), h (hours), or d (days).", 1)
	}
	rests(ctx)
	if !m.pause(ctx.Done(), total) {
		return 128 + sigKILL
	}
	return 0
}

// date shows the time in UTC, whatever the Mac's time zone would be.
func date(_ context.Context, m *Mac, p *process) int {
	const usage = "date [-jnRu] [-I[date|hours|minutes|seconds|ns]] [-f input_fmt] [ -z output_zone ] [-r filename|seconds]\n" +
		"            [-v[+|-]val[y|m|w|d|H|M|S]] [[[[mm]dd]HH]MM[[cc]yy][.SS] | new_date] [+output_fmt]"
	set, args, ok := p.flags("jnuRr:")
	if !ok || len(args) > 1 {
		return p.usage(usage, 1)
	}
	t := m.now().UTC()
	if set['r'] != "" {
		seconds, err := strconv.ParseInt(set['r'], 10, 64)
		if err != nil {
			i, err := m.files.stat(m.cred(p), p.abs(set['r']), true)
			if err != nil {
				return p.errorf("%s: %v", set['r'], err)
			}
			seconds = i.Modified.Unix()
		}
		t = time.Unix(seconds, 0).UTC()
	}
	format := "%a %b %e %T %Z %Y"
	if len(args) == 1 {
		if args[0][:min(1, len(args[0]))] != "+" {
			return p.errorf("illegal time format")
		}
		format = args[0][1:]
	}
	fmt.Fprintln(p.Stdout, strftime(t, format))
	return 0
}

// strftime is strftime(3) in the C locale. It has no %N.
func strftime(t time.Time, format string) string {
	layouts := map[byte]string{
		'Y': "2006", 'm': "01", 'd': "02", 'e': "_2", 'H': "15", 'M': "04", 'S': "05", 'y': "06", 'b': "Jan", 'h': "Jan", 'B': "January",
		'a': "Mon", 'A': "Monday", 'T': "15:04:05", 'D': "01/02/06", 'F': "2006-01-02", 'R': "15:04", 'Z': "MST", 'z': "-0700",
		'I': "03", 'p': "PM", 'j': "002", 'c': "Mon Jan _2 15:04:05 2006",
	}
	var b strings.Builder
	for i := 0; i < len(format); i++ {
		if format[i] != '%' || i+1 == len(format) {
			b.WriteByte(format[i])
			continue
		}
		i++
		switch c := format[i]; {
		case layouts[c] != "":
			b.WriteString(t.Format(layouts[c]))
		case c == 's':
			b.WriteString(strconv.FormatInt(t.Unix(), 10))
		case c == 'n':
			b.WriteByte('\n')
		case c == 't':
			b.WriteByte('\t')
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

func id(_ context.Context, m *Mac, p *process) int {
	set, args, ok := p.flags("gGnpPru")
	if !ok || len(args) > 1 {
		return p.usage("id [user]\n       id -A\n       id -F [user]\n       id -G [-n] [user]\n       id -M\n       id -P [user]\n"+
			"       id -g [-nr] [user]\n       id -p [user]\n       id -u [-nr] [user]", 1)
	}
	uid := p.UID
	if len(args) == 1 {
		var err error
		if uid, _, err = m.owner(args[0]); err != nil {
			return p.errorf("%s: no such user", args[0])
		}
	}
	c := m.credOf(uid)
	show := func(n int, name string) string {
		if set['n'] != "" {
			return name
		}
		return strconv.Itoa(n)
	}
	var groups, long []string
	for _, g := range c.gids {
		groups = append(groups, show(g, groupName(g)))
		long = append(long, fmt.Sprintf("%d(%s)", g, groupName(g)))
	}
	switch {
	case set['u'] != "":
		fmt.Fprintln(p.Stdout, show(uid, m.userName(uid)))
	case set['g'] != "":
		fmt.Fprintln(p.Stdout, groups[0])
	case set['G'] != "":
		fmt.Fprintln(p.Stdout, strings.Join(groups, " "))
	default:
		fmt.Fprintf(p.Stdout, "uid=%d(%s) gid=%s groups=%s\n", uid, m.userName(uid), long[0], strings.Join(long, ","))
	}
	return 0
}

func whoami(_ context.Context, m *Mac, p *process) int {
	fmt.Fprintln(p.Stdout, m.userName(p.UID))
	return 0
}

func hostname(_ context.Context, m *Mac, p *process) int {
	name := m.Hostname + ".local"
	if slices.Contains(p.Args[1:], "-s") {
		name = m.Hostname
	}
	fmt.Fprintln(p.Stdout, name)
	return 0
}

// darwin is the version of the kernel, and build that of macOS, which is made up.
func (m *Mac) darwin() (darwin, build string) {
	major, rest, _ := strings.Cut(m.Version, ".")
	minor, _, _ := strings.Cut(rest, ".")
	n, _ := strconv.Atoi(major)
	kernel := n + 9 // macOS 15 is Darwin 24
	if n >= 26 {
		kernel = n - 1
	}
	if minor == "" {
		minor = "0"
	}
	return fmt.Sprintf("%d.%s.0", kernel, minor), fmt.Sprintf("%dG90", kernel)
}

func uname(_ context.Context, m *Mac, p *process) int {
	set, args, ok := p.flags("amnoprsv")
	if !ok || len(args) > 0 {
		return p.usage("uname [-amnoprsv]", 1)
	}
	release, _ := m.darwin()
	version := "Darwin Kernel Version " + release + ": root:xnu/RELEASE_ARM64_T6000"
	_, _, architecture := m.hardware()
	var words []string
	for _, w := range []struct {
		option byte
		text   string
	}{{'s', "Darwin"}, {'n', m.Hostname + ".local"}, {'r', release}, {'v', version}, {'m', architecture}} {
		if set[w.option] != "" || set['a'] != "" || len(set) == 0 && w.option == 's' {
			words = append(words, w.text)
		}
	}
	if set['p'] != "" {
		words = append(words, "arm")
	}
	if set['o'] != "" {
		words = append(words, "Darwin")
	}
	fmt.Fprintln(p.Stdout, strings.Join(words, " "))
	return 0
}

func swVers(_ context.Context, m *Mac, p *process) int {
	_, build := m.darwin()
	if len(p.Args) == 1 {
		fmt.Fprintf(p.Stdout, "ProductName:\t\tmacOS\nProductVersion:\t\t%s\nBuildVersion:\t\t%s\n", m.Version, build)
		return 0
	}
	switch strings.TrimLeft(p.Args[1], "-") {
	case "productName":
		fmt.Fprintln(p.Stdout, "macOS")
	case "productVersion":
		fmt.Fprintln(p.Stdout, m.Version)
	case "buildVersion":
		fmt.Fprintln(p.Stdout, build)
	default:
		return p.usage("sw_vers [--help|--productName|--productVersion|--productVersionExtra|--buildVersion]", 1)
	}
	return 0
}

func sysctl(_ context.Context, m *Mac, p *process) int {
	set, args, ok := p.flags("in")
	if !ok || len(args) == 0 {
		return p.usage("sysctl [-bdehiNnoqx] name[=value] ...\n       sysctl [-bdehNnoqx] -a", 1)
	}
	release, build := m.darwin()
	model, chip, architecture := m.hardware()
	values := map[string]string{
		"hw.model": model, "hw.ncpu": "8", "hw.memsize": "17179869184", "hw.machine": architecture, "kern.ostype": "Darwin",
		"machdep.cpu.brand_string": chip,
		"kern.osrelease":           release, "kern.osversion": build, "kern.osproductversion": m.Version, "kern.hostname": m.Hostname + ".local",
		"kern.boottime": fmt.Sprintf("{ sec = %d, usec = 0 } %s", m.bootTime.Unix(), strftime(m.bootTime.UTC(), "%c")),
	}
	status := 0
	for _, name := range args {
		value, known := values[name]
		switch {
		case !known && set['i'] != "":
		case !known:
			status = p.errorf("unknown oid '%s'", name)
		case set['n'] != "":
			fmt.Fprintln(p.Stdout, value)
		default:
			fmt.Fprintf(p.Stdout, "%s: %s\n", name, value)
		}
	}
	return status
}

func scutil(_ context.Context, m *Mac, p *process) int {
	if len(p.Args) != 3 || p.Args[1] != "--get" {
		return p.errorf("macsim: only scutil --get is modelled")
	}
	switch p.Args[2] {
	case "ComputerName", "LocalHostName":
		fmt.Fprintln(p.Stdout, m.Hostname)
		return 0
	case "HostName":
		fmt.Fprintln(p.Stderr, "HostName: not set")
	}
	return 1
}

func env(ctx context.Context, m *Mac, p *process) int {
	set, args, ok := p.flags("iu:")
	if !ok {
		return p.usage("env [-0iv] [-u name] [name=value ...]\n"+
			"       env [-iv] [-P utilpath] [-S string] [-u name] [name=value ...] utility [argument ...]", 1)
	}
	c := p.child(args...)
	if set['i'] != "" {
		maps.DeleteFunc(c.environ, func(name, _ string) bool { return !strings.HasPrefix(name, hiddenVars) })
	}
	delete(c.environ, set['u'])
	for len(c.Args) > 0 && strings.Contains(c.Args[0], "=") {
		name, value, _ := strings.Cut(c.Args[0], "=")
		c.environ[name] = value
		c.Args = c.Args[1:]
	}
	if len(c.Args) > 0 {
		return m.runChild(ctx, p, c)
	}
	for _, line := range c.environ.lines() {
		fmt.Fprintln(p.Stdout, line)
	}
	return 0
}

// runChild runs a program for another, p, which complains when there is none.
func (m *Mac) runChild(ctx context.Context, p, c *process) int {
	file, err := m.lookPath(c)
	if err != nil {
		p.errorf("%s: %v", c.Args[0], err)
		if err == errNotExist {
			return 127
		}
		return 126
	}
	return m.start(ctx, file, c)
}

func nohup(ctx context.Context, m *Mac, p *process) int {
	if len(p.Args) < 2 {
		return p.usage("nohup [--] utility [arguments]", 127)
	}
	c := p.child(p.Args[1:]...)
	c.ignore(sigHUP)
	return m.runChild(p.session.detached(ctx), p, c)
}

// basename is dirname as well.
func basename(_ context.Context, _ *Mac, p *process) int {
	if len(p.Args) < 2 {
		return p.usage("basename string [suffix]\n       basename [-a] [-s suffix] string [...]", 1)
	}
	name := strings.TrimRight(p.Args[1], "/")
	switch {
	case name == "":
		name = "/"
	case strings.HasSuffix(p.Args[0], "dirname"):
		dir, _ := splitPath(name)
		name = path.Clean(dir)
	default:
		_, name = splitPath(name)
		if len(p.Args) > 2 && name != p.Args[2] {
			name = strings.TrimSuffix(name, p.Args[2])
		}
	}
	fmt.Fprintln(p.Stdout, name)
	return 0
}

// A running is a process as ps shows it.
type running struct {
	uid  int
	argv []string
}

// processes are launchd, its jobs and the login windows, by process id. Every shell has the process id of the program that simulates the
// Mac.
func (m *Mac) processes() map[int]running {
	all := map[int]running{1: {argv: []string{"/sbin/launchd"}}, os.Getpid(): {argv: []string{"/bin/sh"}}}
	m.launchd.mu.Lock()
	defer m.launchd.mu.Unlock()
	for _, j := range m.launchd.jobs {
		if j.pid != 0 {
			all[j.pid] = running{userOf(j.domain), j.argv()}
		}
	}
	for _, uid := range m.launchd.screen {
		all[100+uid%100] = running{uid, []string{"/System/Library/CoreServices/loginwindow.app/Contents/MacOS/loginwindow", "console"}}
	}
	return all
}

func ps(_ context.Context, m *Mac, p *process) int {
	set, args, ok := p.flags("Aaefjlo:p:u:wx")
	if !ok || len(args) > 0 {
		return p.usage("ps [-AaCcEefhjlMmrSTvwXx] [-O fmt | -o fmt] [-G gid[,gid...]]\n          [-g grp[,grp...]] [-u [uid,uid...]]\n"+
			"          [-p pid[,pid...]] [-t tty[,tty...]] [-U user[,user...]]\n       ps [-L]", 1)
	}
	processes := m.processes()
	var pids []int
	if set['p'] == "" {
		pids = slices.Sorted(maps.Keys(processes))
	}
	for _, word := range strings.FieldsFunc(set['p'], func(r rune) bool { return r == ',' || r == ' ' }) {
		pid, err := strconv.Atoi(word)
		if err != nil {
			return p.errorf("Invalid process id: %s", word)
		}
		pids = append(pids, pid)
	}
	columns, titles := []string{"pid", "tty", "time", "command"}, true
	if set['o'] != "" {
		columns = strings.Split(strings.ReplaceAll(set['o'], "=", ""), ",")
		titles = !strings.Contains(set['o'], "=")
	}
	heads := map[string]string{
		"pid": "  PID", "tty": "TTY     ", "time": "     TIME", "command": "CMD", "comm": "COMM", "ppid": " PPID", "stat": "STAT",
		"uid": "  UID",
	}
	if titles {
		var words []string
		for _, c := range columns {
			words = append(words, heads[c])
		}
		fmt.Fprintln(p.Stdout, strings.Join(words, " "))
	}
	status := 1
	for _, pid := range pids {
		process, ok := processes[pid]
		if !ok {
			continue
		}
		status = 0
		values := map[string]string{
			"pid": fmt.Sprintf("%5d", pid), "tty": "??      ", "time": "  0:00.01", "command": strings.Join(process.argv, " "),
			"comm": process.argv[0], "ppid": "    1", "stat": "Ss  ", "uid": fmt.Sprintf("%5d", process.uid),
		}
		var words []string
		for _, c := range columns {
			words = append(words, values[c])
		}
		fmt.Fprintln(p.Stdout, strings.Join(words, " "))
	}
	return status
}
