package launchctl

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/macos-fleet/terraform-provider-macos/internal/plist"
)

// Drift says, in words for a person, how the job is not as an installation leaves it, beyond the content of its file.
func (j *Job) Drift() []string { return j.drift(false) }

// DriftDisabled is Drift for a job that is to be disabled, and not loaded.
func (j *Job) DriftDisabled() []string { return j.drift(true) }

func (j *Job) drift(disabled bool) []string {
	var drift []string
	say := func(format string, args ...any) { drift = append(drift, fmt.Sprintf(format, args...)) }
	owner := cmp.Or(j.owner, "0:0")
	switch {
	case !j.Exists && j.Gone():
		say("%s does not exist", j.File)
	case !j.Exists:
		say("%s does not exist, so %s would end the job", j.File, j.Session.renewal())
	case j.Mode&0o170000 == 0o120000:
		say("%s is a symbolic link, which macOS does not follow at boot", j.File)
	case j.Mode&0o7777 != 0o644 || j.Owner != owner:
		say("%s has mode %04o and owner %s instead of 0644 and %s%s", j.File, j.Mode&0o7777, j.Owner, owner,
			map[string]string{"0:0": " (root:wheel)"}[owner])
	}
	if j.Quarantined {
		say("%s is quarantined, so macOS 27 does not load it", j.File)
	}
	if j.Err != nil {
		say("%s cannot be read as a property list: %v", j.File, j.Err)
	}
	if j.Hung != "" {
		say("launchctl %s does not answer, so what launchd holds is not known", j.Hung)
		return drift
	}
	for _, s := range j.sessions() {
		if s.Domain != "" {
			drift = append(drift, s.drift(j, disabled)...)
		}
	}
	return drift
}

// drift is what of it is in one session.
func (s Session) drift(j *Job, disabled bool) []string {
	var drift []string
	say := func(format string, args ...any) { drift = append(drift, fmt.Sprintf(format, args...)) }
	whose := ""
	if s.User != "" {
		whose = " for " + s.User
	}
	switch {
	case s.Disabled && !disabled:
		say("the job is disabled%s, by `launchctl disable` or in System Settings, so it is not loaded at %s", whose, s.entry())
	case !s.Disabled && disabled:
		say("the job is enabled%s, so it is loaded at %s", whose, s.entry())
	}
	switch {
	case s.Loaded == nil && (disabled || !s.takes(j.Plist)):
	case s.Loaded == nil:
		say("the job is not loaded%s", whose)
	case s.Loaded.ending() && !disabled:
		say("the job is just being stopped%s (%s)", whose, s.Loaded.State)
	case s.Loaded.Path != j.File:
		say("the job that is loaded%s is another one, from %s", whose, s.Loaded.Path)
	case disabled:
		say("the job is loaded%s, though it is to be disabled", whose)
	case j.Plist != nil:
		for _, d := range s.Loaded.differences(j.Plist) {
			say("%s%s", d, whose)
		}
	}
	return drift
}

// entry is when launchd loads what is in a folder.
func (s Session) entry() string {
	if s.User != "" {
		return "login"
	}
	return "boot"
}

// renewal is what ends all jobs of a session.
func (s Session) renewal() string {
	if s.User != "" {
		return "a logout"
	}
	return "a reboot"
}

// differences compares what launchd holds with a file, as far as print tells: a key that print does not show, such as the
// conditions of a KeepAlive dictionary, is not compared.
func (l *Loaded) differences(file plist.Dict) []string {
	file = Meaning(file)
	var all []string
	differ := func(what, has, want string) {
		if has != want {
			all = append(all, fmt.Sprintf("launchd still has %s %s, while the file says %s", what, orNone(has), orNone(want)))
		}
	}
	// A field that was not seen in print on every macOS is compared only where it is printed.
	maybe := func(what, has, want string) {
		if has != "" {
			differ(what, has, want)
		}
	}
	text := func(key string) string { s, _ := file.Get(key).(string); return s }

	arguments, environment := stringsIn(file.Get("ProgramArguments")), stringMap(file.Get("EnvironmentVariables"))
	program := text("Program")
	if program == "" && len(arguments) > 0 {
		program = arguments[0]
	}
	if strings.HasPrefix(program, "/") { // launchd looks another one up along its path
		differ("the program", l.fields["program"], program)
	}
	if ambiguous(arguments, environment) {
		return all
	}
	if len(arguments) > 0 && l.blocks["arguments"] != printed(arguments) {
		differ("the arguments", strings.Join(l.Arguments(), " "), strings.Join(arguments, " "))
	}
	differ("the standard output", l.fields["stdout path"], text("StandardOutPath"))
	differ("the standard error", l.fields["stderr path"], text("StandardErrorPath"))
	maybe("the working directory", l.fields["working directory"], text("WorkingDirectory"))
	agent := l.Type == "LaunchAgent" // it runs as its session's user, whatever its file says
	if user := l.fields["username"]; !agent && (user != "root" || text("UserName") != "") {
		maybe("the user", user, text("UserName"))
	}
	if group := text("GroupName"); !agent && group != "" { // without it, print may show the user's primary group
		maybe("the group", l.fields["group"], group)
	}
	interval := ""
	if n, ok := file.Get("StartInterval").(int64); ok && n > 0 {
		interval = strconv.FormatInt(n, 10) + " seconds"
	}
	differ("the interval", l.fields["run interval"], interval)
	if exit, ok := file.Get("ExitTimeOut").(int64); ok {
		maybe("the exit timeout", l.fields["exit timeout"], strconv.FormatInt(exit, 10))
	}
	throttle, ok := file.Get("ThrottleInterval").(int64)
	if !ok || throttle == 0 { // launchd's default; it ignores 0
		throttle = 10
	}
	minimum := l.fields["minimum runtime"]
	if base := l.fields["base minimum runtime"]; base != "" {
		minimum = base // the other grows while the job fails again and again
	}
	maybe("the throttle interval", minimum, strconv.FormatInt(throttle, 10))
	// How print shows OnDemand, which KeepAlive has replaced, was not seen.
	if l.fields["properties"] != "" && file.Get("OnDemand") == nil {
		keep, _ := file.Get("KeepAlive").(bool)
		differ("keep-alive", onOff(l.has("keepalive")), onOff(keep))
		if run, _ := file.Get("RunAtLoad").(bool); !keep { // KeepAlive implies it
			differ("run-at-load", onOff(l.has("runatload")), onOff(run))
		}
	}
	// launchd starts another kind of program as others.
	kinds := map[string]string{
		"": "daemon", "Standard": "daemon", "Interactive": "interactive", "Background": "background", "Adaptive": "adaptive",
	}
	if kind, _, _ := strings.Cut(l.fields["spawn type"], " "); slices.Contains(slices.Collect(maps.Values(kinds)), kind) {
		if want, ok := kinds[text("ProcessType")]; ok && file.Get("POSIXSpawnType") == nil {
			differ("the process type", kind, want)
		}
	}
	nice, _ := file.Get("Nice").(int64)
	maybe("the nice value", l.fields["nice"], strconv.FormatInt(nice, 10))
	// Whether print shows it in octal was not seen, so either counts.
	if umask, ok := file.Get("Umask").(int64); ok && l.fields["umask"] != strconv.FormatInt(umask, 10) {
		maybe("the umask", strings.TrimLeft(l.fields["umask"], "0"), strconv.FormatInt(umask, 8))
	}
	// Of the conditions of KeepAlive, this is the one that was seen in print.
	conditions, _ := file.Get("KeepAlive").(plist.Dict)
	if semaphores := l.blocks["semaphores"]; semaphores != "" {
		successful, ok := conditions.Get("SuccessfulExit").(bool)
		want := ""
		if ok {
			want = onOff(successful)
		}
		differ("keep-alive after a successful exit", map[string]string{"0": "off", "1": "on"}[entryOf(semaphores, "successful exit")], want)
	}
	if endpoints := l.blocks["endpoints"]; endpoints != "" {
		services, _ := file.Get("MachServices").(plist.Dict)
		differ("the Mach services", strings.Join(namesIn(endpoints), ", "), strings.Join(keysOf(services), ", "))
	}
	if low, _ := file.Get("LowPriorityIO").(bool); l.fields["properties"] != "" && text("ProcessType") != "Background" {
		differ("low-priority I/O", onOff(l.has("low priority i/o")), onOff(low))
	}
	if times := calendar(file.Get("StartCalendarInterval")); l.blocks["event triggers"] != "" || len(times) == 0 {
		differ("the calendar", strings.Join(l.calendar(), "; "), strings.Join(times, "; "))
	}
	if names := otherVariables(l.blocks["environment"], environment); len(names) > 0 {
		// Their values may be secrets.
		all = append(all, "launchd still has another environment than the file: "+strings.Join(names, ", "))
	}
	return all
}

// ambiguous is true when an argument or a variable looks like the end of its block in print, so that what follows cannot be told.
func ambiguous(arguments []string, environment map[string]string) bool {
	ends := func(s string) bool { return strings.Contains(s, "\n\t}") }
	return slices.ContainsFunc(arguments, ends) || slices.ContainsFunc(slices.Collect(maps.Values(environment)), ends)
}

// printed is a block of these lines. An argument is printed raw: its later lines have no TABs but its own.
func printed(lines []string) string {
	var b strings.Builder
	for _, line := range lines {
		b.WriteString("\t\t" + line + "\n")
	}
	return b.String()
}

var (
	// variable is the first line of a variable in the block "environment".
	variable = regexp.MustCompile(`(?m)^\t\t([^\t ]+) => `)
	// automatic are the variables that launchd adds by itself.
	automatic = []string{"OSLogRateLimit", "XPC_SERVICE_NAME", "MallocSpaceEfficient"}
)

// otherVariables are the names of the variables that are not the same, sorted. A value with newlines in it is looked for as a whole.
func otherVariables(block string, want map[string]string) []string {
	var names []string
	block = "\n" + block
	for name, value := range want {
		line := "\n" + printed([]string{name + " => " + value})
		if !strings.Contains(block, line) {
			names = append(names, name)
		}
		block = strings.Replace(block, line, "\n", 1)
	}
	for _, left := range variable.FindAllStringSubmatch(block, -1) {
		if !slices.Contains(automatic, left[1]) {
			names = append(names, left[1])
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// entryOf is the value of a line such as "successful exit => 0" in a block; "" when there is none.
func entryOf(block, name string) string {
	for line := range strings.Lines(block) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), name+" => "); ok {
			return value
		}
	}
	return ""
}

// namesIn are the names of the blocks in a block, as in `"com.acme.agent" = {`, sorted.
func namesIn(block string) []string {
	var names []string
	for line := range strings.Lines(block) {
		if name, ok := strings.CutSuffix(strings.TrimSuffix(line, "\n"), "\" = {"); ok && strings.HasPrefix(name, "\t\t\"") {
			names = append(names, strings.TrimPrefix(name, "\t\t\""))
		}
	}
	slices.Sort(names)
	return names
}

func keysOf(dict plist.Dict) []string {
	var keys []string
	for _, e := range dict {
		keys = append(keys, e.Key)
	}
	slices.Sort(keys)
	return keys
}

// calendar is StartCalendarInterval, one dictionary or several, as text.
func calendar(v plist.Value) []string {
	array, several := v.(plist.Array)
	if dict, one := v.(plist.Dict); one && !several {
		array = plist.Array{dict}
	}
	var times []string
	for _, e := range array {
		dict, _ := e.(plist.Dict)
		var fields []string
		for _, field := range dict {
			fields = append(fields, fmt.Sprintf("%s %v", field.Key, field.Value))
		}
		slices.Sort(fields)
		times = append(times, strings.Join(fields, ", "))
	}
	slices.Sort(times)
	return times
}

// calendar is the same from print, where each is a trigger that ends with its descriptor: lines such as `"Minute" => 0`.
func (l *Loaded) calendar() []string {
	var times, fields []string
	stream, inside := "", false
	for line := range strings.Lines(l.blocks["event triggers"]) {
		line = strings.TrimSpace(line)
		name, value, _ := strings.Cut(line, " => ")
		switch {
		case strings.HasPrefix(line, "stream = "):
			stream = strings.TrimPrefix(line, "stream = ")
		case line == "descriptor = {":
			inside, fields = true, nil
		case inside && line == "}":
			inside = false
			if slices.Sort(fields); stream == "com.apple.launchd.calendarinterval" {
				times = append(times, strings.Join(fields, ", "))
			}
		case inside:
			fields = append(fields, strings.Trim(name, `"`)+" "+value)
		}
	}
	slices.Sort(times)
	return times
}

// Runs is the command that the file names, as words; "" when there is none.
func (j *Job) Runs() string {
	words := stringsIn(j.Plist.Get("ProgramArguments"))
	if program, ok := j.Plist.Get("Program").(string); ok && (len(words) == 0 || words[0] != program) {
		words = append([]string{program}, words...)
	}
	return strings.Join(words, " ")
}

func stringsIn(v plist.Value) []string {
	array, _ := v.(plist.Array)
	var all []string
	for _, e := range array {
		if s, ok := e.(string); ok {
			all = append(all, s)
		}
	}
	return all
}

// stringMap are the strings of a dictionary; launchd ignores a variable of another type.
func stringMap(v plist.Value) map[string]string {
	dict, _ := v.(plist.Dict)
	all := map[string]string{}
	for _, e := range dict {
		if s, ok := e.Value.(string); ok {
			all[e.Key] = s
		}
	}
	return all
}

func onOff(b bool) string {
	if b {
		return "on"
	}
	return "off"
}

// orNone is a value in a sentence. It has no quotes around it, for a CLI prints a string with its quotes escaped; a newline,
// as in an argument that is a script, is printed as \n.
func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return strings.ReplaceAll(s, "\n", `\n`)
}
