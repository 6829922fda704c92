package macsim

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/macos-fleet/terraform-provider-macos/internal/plist"
)

// printer renders a job as `launchctl print` does. The order of the fields and where blank lines stand are those of captures from
// macOS 26 and 27; what earlier releases lack is taken from single captures, so that no two releases print the same.
type printer struct {
	b strings.Builder
}

func (p *printer) line(format string, args ...any) { fmt.Fprintf(&p.b, "\t"+format+"\n", args...) }

// block is a nested block with a blank line after it. The lines are printed raw: an argument with a newline in it breaks
// the indentation, as it does on a Mac.
func (p *printer) block(name string, lines ...string) {
	p.line("%s = {", name)
	for _, l := range lines {
		p.line("\t%s", l)
	}
	p.b.WriteString("\t}\n\n")
}

// print is the job as launchctl prints it. The caller holds l.mu.
func (l *launchdState) print(j *job) string {
	p, major, now := &printer{}, l.mac.major(), l.mac.now()
	target := j.target()
	if major < 13 {
		target = j.label
	}
	active := 0
	if j.pid != 0 {
		active = 1
	}
	fmt.Fprintf(&p.b, "%s = {\n", target)
	services, _ := j.dict.Get("MachServices").(plist.Dict)
	p.line("active count = %d", active+len(services)*active)
	p.line("path = %s", j.path)
	p.line("type = %s", j.kind)
	if j.app {
		p.line("managed_by = com.apple.xpc.ServiceManagement")
	}
	p.line("state = %s", j.state(now))
	p.b.WriteByte('\n')
	p.line("program = %s", j.program())
	if args := j.words("ProgramArguments"); len(args) > 0 {
		p.block("arguments", args...)
	}
	p.surroundings(j, major)
	if j.domain == "system" {
		p.line("domain = system")
	} else {
		p.line("domain = %s [%d]", j.domain, auditSession)
	}
	p.limits(j)
	p.history(j, major)
	p.triggers(j)
	if j.runs > 0 && major >= 26 {
		p.coalition(j, "resource", 513, active)
		p.coalition(j, "jetsam", 514, active)
	}
	p.tail(j, major)
	p.b.WriteString(l.ways.Extra)
	return p.b.String() + "}\n"
}

// surroundings is what the program finds when it starts.
func (p *printer) surroundings(j *job, major int) {
	for _, f := range [][2]string{
		{"working directory", "WorkingDirectory"}, {"stdout path", "StandardOutPath"}, {"stderr path", "StandardErrorPath"},
	} {
		if v := j.word(f[1]); v != "" {
			p.line("%s = %s", f[0], v)
		}
	}
	if major >= 26 {
		p.block("inherited environment", "DBUS_LAUNCHD_SESSION_BUS_SOCKET => /private/tmp/com.apple.launchd.CcCJ3ofoTQ/unix_domain_listener")
	}
	p.block("default environment", "PATH => "+defaultPath)
	lines := []string{"OSLogRateLimit => 64"}
	for _, e := range j.environment() {
		lines = append(lines, fmt.Sprintf("%s => %s", e.Key, e.Value))
	}
	p.block("environment", append(lines, "XPC_SERVICE_NAME => "+j.label)...)
}

// limits are who the job runs as, and its numbers. How umask and nice are printed is not known from a capture.
func (p *printer) limits(j *job) {
	if v := j.word("UserName"); v != "" {
		p.line("username = %s", v)
	}
	if v := j.word("GroupName"); v != "" {
		p.line("group = %s", v)
	}
	if v := j.number("Umask", -1); v >= 0 {
		p.line("umask = %o", v)
	}
	if v := j.number("Nice", 0); v != 0 {
		p.line("nice = %d", v)
	}
	if strings.HasPrefix(j.domain, "gui/") {
		p.line("asid = %d", auditSession)
	}
	p.line("minimum runtime = %d", j.throttle())
	p.line("exit timeout = %d", j.number("ExitTimeOut", 5))
}

// throttle is how many seconds after its launch the job is started again at the earliest. A ThrottleInterval of 0 is ignored.
func (j *job) throttle() int64 {
	if n := j.number("ThrottleInterval", 10); n > 0 {
		return n
	}
	return 10
}

func (p *printer) history(j *job, major int) {
	p.line("runs = %d", j.runs)
	if j.pid != 0 {
		p.line("pid = %d", j.pid)
		p.line("immediate reason = %s", j.reason)
		for _, name := range []string{"forks", "execs", "initialized", "trampolined"} {
			p.line("%s = 1", name)
		}
		p.line("started suspended = 0")
		p.line("proxy started suspended = 0")
		if major >= 13 {
			p.line("checked allocations = 0 (queried = 1)")
			p.line("checked allocations reason = no host")
			p.line("checked allocations flags = 0x0")
		}
	}
	p.line("%s", j.ended)
	p.b.WriteByte('\n')
}

// triggers are the conditions under which launchd starts the job.
func (p *printer) triggers(j *job) {
	var semaphores []string
	conditions, _ := j.dict.Get("KeepAlive").(plist.Dict)
	for _, e := range conditions {
		if on, ok := e.Value.(bool); ok {
			name := map[string]string{"SuccessfulExit": "successful exit", "Crashed": "crashed"}[e.Key]
			semaphores = append(semaphores, fmt.Sprintf("%s => %d", name, number(on)))
		}
	}
	if len(semaphores) > 0 {
		p.block("semaphores", semaphores...)
	}
	var triggers []string
	stream, monitor := "", "System"
	if j.domain != "system" {
		monitor = "Aqua"
	}
	trigger := func(name string, descriptor plist.Dict) {
		stream = name
		triggers = append(triggers, fmt.Sprintf("%s.%d => {", j.label, 268435472+len(triggers)),
			"\tkeepalive = 0", "\tservice = "+j.label, "\tstream = "+name,
			"\tmonitor = com.apple.UserEventAgent-"+monitor, "\tdescriptor = {")
		for _, e := range descriptor {
			triggers = append(triggers, fmt.Sprintf("\t\t%q => %v", e.Key, e.Value))
		}
		triggers = append(triggers, "\t}", "}")
	}
	for _, when := range j.calendar() {
		trigger("com.apple.launchd.calendarinterval", when)
	}
	for _, path := range j.words("WatchPaths") {
		trigger("com.apple.fsevents.matching", plist.Dict{{Key: "Path", Value: path}})
	}
	if len(triggers) > 0 {
		p.block("event triggers", triggers...)
	}
	p.endpoints(j)
	if len(triggers) > 0 {
		p.block("event channels", port(stream, 0, 1)...)
	}
}

func (p *printer) endpoints(j *job) {
	services, _ := j.dict.Get("MachServices").(plist.Dict)
	var lines []string
	for _, e := range services {
		lines = append(lines, port(e.Key, 1, 0)...)
	}
	if len(lines) > 0 {
		p.block("endpoints", lines...)
	}
}

func port(name string, active, watching int) []string {
	return []string{
		fmt.Sprintf("%q = {", name), fmt.Sprintf("\tport = %#x", active*0x2b103), fmt.Sprintf("\tactive = %d", active), "\tmanaged = 1",
		"\treset = 0", "\thide = 0", fmt.Sprintf("\twatching = %d", watching), "}",
	}
}

// calendar is StartCalendarInterval, which may be one dictionary or several.
func (j *job) calendar() []plist.Dict {
	var all []plist.Dict
	switch v := j.dict.Get("StartCalendarInterval").(type) {
	case plist.Dict:
		all = append(all, v)
	case plist.Array:
		for _, e := range v {
			if dict, ok := e.(plist.Dict); ok {
				all = append(all, dict)
			}
		}
	}
	return all
}

func (p *printer) coalition(j *job, kind string, id, active int) {
	p.block(kind+" coalition", fmt.Sprintf("ID = %d", id), "type = "+kind, "state = active",
		fmt.Sprintf("active count = %d", active), "name = "+j.label)
}

func (p *printer) tail(j *job, major int) {
	kinds := map[string]string{"Interactive": "interactive (4)", "Background": "background (5)", "Adaptive": "adaptive (6)"}
	spawn := cmp.Or(kinds[j.word("ProcessType")], "daemon (3)")
	p.line("spawn type = %s", spawn)
	p.line("jetsam priority = 40")
	p.line("jetsam memory limit (active) = (unlimited)")
	p.line("jetsam memory limit (inactive) = (unlimited)")
	p.line("jetsamproperties category = daemon")
	p.line("jetsam thread limit = 32")
	p.line("cpumon = default")
	if n := j.number("StartInterval", 0); n > 0 {
		p.line("run interval = %d seconds", n)
	}
	if major >= 27 {
		p.line("job state = %s", j.jobState())
		p.line("sanitizer flags = 0x0")
	}
	p.b.WriteByte('\n')
	p.line("properties = %s", strings.Join(j.properties(major), " | "))
}

func (j *job) jobState() string {
	switch {
	case j.failed:
		return "spawn failed"
	case j.pid != 0:
		return "running"
	case j.runs == 0:
		return "uninitialized"
	}
	return "exited"
}

func (j *job) properties(major int) []string {
	var all []string
	add := func(on bool, word string) {
		if on {
			all = append(all, word)
		}
	}
	add(j.keepAlive(), "keepalive")
	add(j.is("RunAtLoad"), "runatload")
	add(j.failed, "penalty box")
	add(j.is("LowPriorityIO"), "low priority i/o")
	add(j.word("Program") == "", "inferred program")
	add(j.domain == "system", "system service")
	add(major >= 26 && j.runs > 0, "managed LWCR")
	add(major >= 26 && j.runs > 0, "has LWCR")
	add(j.domain == "system", "tle system")
	return all
}

// list is `launchctl list`: the jobs of a domain. The caller holds l.mu.
func (l *launchdState) list(domain string) string {
	var b strings.Builder
	b.WriteString("PID\tStatus\tLabel\n")
	for _, j := range l.in(domain) {
		pid := "-"
		if j.pid != 0 {
			pid = fmt.Sprint(j.pid)
		}
		status := j.status()
		if status > 255 {
			status /= 256
		} else {
			status = -status
		}
		fmt.Fprintf(&b, "%s\t%d\t%s\n", pid, status, j.label)
	}
	return b.String()
}

// printDomain is `launchctl print DOMAIN`, of which only the block of the services is modelled. The caller holds l.mu.
func (l *launchdState) printDomain(domain string) string {
	kind, _, _ := strings.Cut(domain, "/")
	jobs := l.in(domain)
	var b strings.Builder
	fmt.Fprintf(&b, "%s = {\n\ttype = %s\n\thandle = 0\n\tservice count = %d\n\n\tservices = {\n",
		domain, map[string]string{"system": "system", "gui": "login", "user": "user"}[kind], len(jobs))
	for _, j := range jobs {
		status := "-"
		if j.ended != neverExited {
			status = fmt.Sprint(j.status() / 256)
		}
		fmt.Fprintf(&b, "\t\t%8d %6s \t%s\n", j.pid, status, j.label)
	}
	b.WriteString("\t}\n\n\tunmanaged processes = {\n\t}\n}\n")
	return b.String()
}

// status is how the last run ended, as wait(2) has it: a signal's number, or an exit status times 256.
func (j *job) status() int {
	var n int
	if _, err := fmt.Sscanf(j.ended, "last exit code = %d", &n); err == nil {
		return n * 256
	}
	if _, signal, ok := strings.Cut(j.ended, ": "); ok {
		_, _ = fmt.Sscan(signal, &n)
	}
	return n
}

// listJob is `launchctl list LABEL`.
func (j *job) listJob() string {
	var b strings.Builder
	b.WriteString("{\n\t\"LimitLoadToSessionType\" = \"System\";\n")
	fmt.Fprintf(&b, "\t\"Label\" = \"%s\";\n\t\"OnDemand\" = %t;\n\t\"LastExitStatus\" = %d;\n", j.label, !j.keepAlive(), j.status())
	if j.pid != 0 {
		fmt.Fprintf(&b, "\t\"PID\" = %d;\n", j.pid)
	}
	fmt.Fprintf(&b, "\t\"Program\" = \"%s\";\n", j.program())
	args := j.words("ProgramArguments")
	if len(args) == 0 {
		return b.String() + "};\n"
	}
	b.WriteString("\t\"ProgramArguments\" = (\n")
	for _, a := range args {
		fmt.Fprintf(&b, "\t\t\"%s\";\n", a)
	}
	return b.String() + "\t);\n\t};\n"
}

// printDisabled is `launchctl print-disabled DOMAIN`, in the three layouts that there have been. The caller holds l.mu.
func (l *launchdState) printDisabled(domain string) string {
	major, minor := l.mac.versions()
	var b strings.Builder
	indent := ""
	if major > 26 || major == 26 && minor >= 6 {
		indent = "\t"
		b.WriteByte('\n')
	}
	b.WriteString(indent + "disabled services = {\n")
	disabled := l.store(domain)
	for _, label := range slices.Sorted(maps.Keys(disabled)) {
		word := map[bool]string{true: "disabled", false: "enabled"}[disabled[label]]
		if major < 13 {
			word = fmt.Sprint(disabled[label])
		}
		fmt.Fprintf(&b, "%s\t\"%s\" => %s\n", indent, label, word)
	}
	b.WriteString(indent + "}\n")
	if indent != "" {
		b.WriteString("\n\tlogin item associations = {\n\t\t\"com.example.app\" => enabled\n\t}\n")
	}
	return b.String()
}

func number(b bool) int {
	if b {
		return 1
	}
	return 0
}
