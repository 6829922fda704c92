package launchctl

import (
	"strings"
	"unicode"
)

// Trouble says, as part of a sentence, why a job that is loaded does not run, and what its log said last, if it has one; "" when there is
// no sign of trouble. A log is known only after a change.
func (j *Job) Trouble() (why string, log []string) {
	for _, s := range j.sessions() {
		if s.Loaded == nil {
			continue
		}
		if why = s.Loaded.trouble(); why != "" {
			if s.User != "" {
				why = "in the session of " + s.User + ", " + why
			}
			return why, s.lastWords()
		}
	}
	return "", nil
}

func (l *Loaded) trouble() string {
	starts := l.has("keepalive") || l.has("runatload")
	usual := l.fields["base minimum runtime"]
	switch exit := l.LastExit; {
	case strings.HasPrefix(exit, "78") || l.fields["job state"] == "spawn failed" || l.has("penalty box"):
		return "launchd could not start its program (EX_CONFIG): see that the program exists and may be executed, that its user does, " +
			"and that its log files can be written"
	case strings.Contains(exit, "CODESIGNING"):
		return "macOS killed its program, because its code signature does not fit (" + exit + "): replace a program that has run by " +
			"renaming another one over it"
	case l.State == "spawn scheduled" && usual != "" && usual != l.fields["minimum runtime"]:
		return "its program ends again and again (" + ending(exit) + "), and launchd waits " + l.fields["minimum runtime"] +
			" seconds each time before it starts it again"
	case l.State == "spawn scheduled":
		return "its program ended at once (" + ending(exit) + "), and launchd waits before it starts it again"
	case l.State == "not running" && l.Runs == 0 && starts:
		return "launchd has not started it, though its property list says so, and a kick did not help"
	case l.State == "not running" && starts && exit != "" && exit != "0":
		return "its program ended at once (" + ending(exit) + ")"
	}
	return ""
}

// ending is how a run ended: by an exit code, or by what print names otherwise.
func ending(exit string) string {
	if exit != "" && strings.Trim(exit, "0123456789") == "" {
		return "last exit code " + exit
	}
	return exit
}

// lastWords are the last lines of the log, at most five, which may be long or no text at all, after its path.
func (s Session) lastWords() []string {
	const most, wide = 5, 200
	var lines []string
	for line := range strings.Lines(s.Log) {
		line = strings.Map(func(r rune) rune {
			if unicode.IsPrint(r) {
				return r
			}
			return ' '
		}, strings.ToValidUTF8(line, " "))
		if line = strings.TrimSpace(line); len([]rune(line)) > wide {
			line = string([]rune(line)[:wide]) + "..."
		}
		if line != "" {
			lines = append(lines, line)
		}
	}
	if len(lines) == 0 {
		return nil
	}
	return append([]string{s.LogFile + ":"}, lines[max(0, len(lines)-most):]...)
}
