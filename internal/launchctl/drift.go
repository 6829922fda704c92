package launchctl

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/macos-fleet/terraform-provider-macos/internal/plist"
)

// Drift says, in words for a person, how the job is not as an installation leaves it, beyond the content of its file.
func (j *Job) Drift() []string {
	var drift []string
	say := func(format string, args ...any) { drift = append(drift, fmt.Sprintf(format, args...)) }
	switch {
	case !j.Exists:
		say("%s does not exist, so a reboot would end the job", j.File)
	case j.Mode&0o170000 == 0o120000:
		say("%s is a symbolic link, which macOS does not follow at boot", j.File)
	case j.Mode&0o7777 != 0o644 || j.Owner != "0:0":
		say("%s has mode %04o and owner %s instead of 0644 and 0:0 (root:wheel)", j.File, j.Mode&0o7777, j.Owner)
	}
	if j.Quarantined {
		say("%s is quarantined, so macOS 27 does not load it", j.File)
	}
	if j.Err != nil {
		say("%s cannot be read as a property list: %v", j.File, j.Err)
	}
	if j.Disabled {
		say("the job is disabled, by `launchctl disable` or in System Settings, so it is not loaded at boot")
	}
	switch {
	case j.Loaded == nil:
		say("the job is not loaded")
	case j.Loaded.Path != j.File:
		say("the job that is loaded is another one, from %s", j.Loaded.Path)
	case j.Plist != nil:
		for _, d := range j.Loaded.differences(j.Plist) {
			say("%s", d)
		}
	}
	return drift
}

// differences compares what launchd holds with a file, as far as print tells: a key that print does not show, such as the
// conditions of a KeepAlive dictionary, is not compared.
func (l *Loaded) differences(file plist.Dict) []string {
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
		held := strings.Split(strings.TrimPrefix(strings.TrimSuffix(l.blocks["arguments"], "\n"), "\t\t"), "\n\t\t")
		differ("the arguments", strings.Join(held, " "), strings.Join(arguments, " "))
	}
	differ("the standard output", l.fields["stdout path"], text("StandardOutPath"))
	differ("the standard error", l.fields["stderr path"], text("StandardErrorPath"))
	maybe("the working directory", l.fields["working directory"], text("WorkingDirectory"))
	if user := l.fields["username"]; user != "root" || text("UserName") != "" {
		maybe("the user", user, text("UserName"))
	}
	if group := text("GroupName"); group != "" { // without it, print may show the user's primary group
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
	// The other spawn types were not seen.
	if kind, _, _ := strings.Cut(l.fields["spawn type"], " "); slices.Contains([]string{"daemon", "interactive", "background"}, kind) {
		if want, ok := map[string]string{"": "daemon", "Interactive": "interactive", "Background": "background"}[text("ProcessType")]; ok {
			differ("the process type", kind, want)
		}
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
