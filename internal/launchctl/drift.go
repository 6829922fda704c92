package launchctl

import (
	"fmt"
	"maps"
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
		say("%s is no property list that launchd loads: %v", j.File, j.Err)
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
	text := func(key string) string { s, _ := file.Get(key).(string); return s }

	arguments := stringsIn(file.Get("ProgramArguments"))
	program := text("Program")
	if program == "" && len(arguments) > 0 {
		program = arguments[0]
	}
	if strings.HasPrefix(program, "/") { // launchd looks another one up along its path
		differ("the program", l.fields["program"], program)
	}
	if len(arguments) > 0 {
		differ("the arguments", strings.Join(l.arguments, "\n"), strings.Join(arguments, "\n"))
	}
	differ("the standard output", l.fields["stdout path"], text("StandardOutPath"))
	differ("the standard error", l.fields["stderr path"], text("StandardErrorPath"))
	differ("the working directory", l.fields["working directory"], text("WorkingDirectory"))
	if user := l.fields["username"]; user != "root" || text("UserName") != "" {
		differ("the user", user, text("UserName"))
	}
	if group := text("GroupName"); group != "" { // without it, print may show the user's primary group
		differ("the group", l.fields["group"], group)
	}
	interval := ""
	if n, ok := file.Get("StartInterval").(int64); ok {
		interval = strconv.FormatInt(n, 10) + " seconds"
	}
	differ("the interval", l.fields["run interval"], interval)
	if exit, ok := file.Get("ExitTimeOut").(int64); ok && l.fields["exit timeout"] != "" {
		differ("the exit timeout", l.fields["exit timeout"], strconv.FormatInt(exit, 10))
	}
	throttle, ok := file.Get("ThrottleInterval").(int64)
	if !ok || throttle == 0 { // launchd's default; it ignores 0
		throttle = 10
	}
	minimum := l.fields["minimum runtime"]
	if base := l.fields["base minimum runtime"]; base != "" {
		minimum = base // the other grows while the job fails again and again
	}
	if minimum != "" {
		differ("the throttle interval", minimum, strconv.FormatInt(throttle, 10))
	}
	keep, _ := file.Get("KeepAlive").(bool)
	differ("keep-alive", onOff(l.has("keepalive")), onOff(keep))
	if run, _ := file.Get("RunAtLoad").(bool); !keep { // KeepAlive implies it
		differ("run-at-load", onOff(l.has("runatload")), onOff(run))
	}
	if names := differingKeys(l.environment, stringMap(file.Get("EnvironmentVariables"))); len(names) > 0 {
		// Their values may be secrets.
		all = append(all, "launchd still has another environment than the file: "+strings.Join(names, ", "))
	}
	return all
}

func differingKeys(a, b map[string]string) []string {
	differ := map[string]bool{}
	for k, v := range a {
		if other, ok := b[k]; !ok || other != v {
			differ[k] = true
		}
	}
	for k := range b {
		if _, ok := a[k]; !ok {
			differ[k] = true
		}
	}
	return slices.Sorted(maps.Keys(differ))
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

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return strconv.Quote(s)
}
