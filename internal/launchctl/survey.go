package launchctl

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/macos-fleet/terraform-provider-macos/internal/plist"
	"github.com/macos-fleet/terraform-provider-macos/internal/remote"
)

//go:embed survey.sh
var surveyScript string

// Survey is the jobs of one Mac's system domain at one moment. It is shared by all who ask, and not to be changed.
type Survey struct {
	jobs     map[string]*Job
	disabled map[string]bool // labels in the store: true means disabled
}

// Job is one job, as found.
type Job struct {
	Label string

	File        string // its path; the rest about the file holds when Exists
	Exists      bool
	Bytes       []byte
	Mode        uint32 // st_mode, as `stat -f %p` has it; a symbolic link's own
	Owner       string // uid:gid
	Quarantined bool
	Plist       plist.Dict // nil when the bytes are no property list, see Err, and without a file
	Err         error

	Disabled bool    // it will not be loaded at the next boot
	Loaded   *Loaded // nil: launchd does not know it
}

// Loaded is what launchd holds about a job, as far as print tells. A field that it did not print is "".
type Loaded struct {
	Path      string // the file that it was loaded from
	Type      string // LaunchDaemon; Submitted and others have no file of ours
	ManagedBy string // com.apple.xpc.ServiceManagement for a job that an app registered
	State     string // running, not running, spawn scheduled, SIGTERMed ...
	LastExit  string // "0", "78: EX_CONFIG", "(never exited)"
	PID       int    // 0: no process

	blocks     map[string]string // arguments, environment and event triggers, as printed
	fields     map[string]string // every "name = value" of the job itself
	properties []string          // keepalive, runatload ...
}

// Gone is true when nothing of the job is left.
func (j *Job) Gone() bool { return !j.Exists && j.Loaded == nil }

// Foreign is true for a job that an app has registered with macOS, or that was submitted without a file: not ours to manage.
func (j *Job) Foreign() bool {
	return j.Loaded != nil && (j.Loaded.ManagedBy != "" || j.Loaded.Type == "Submitted")
}

// Look returns the jobs of h, by one remote call that all who ask share; see [remote.Ask].
func Look(ctx context.Context, h *remote.Host) (*Survey, error) {
	return remote.Ask(ctx, h, "launchd", func(ctx context.Context) (*Survey, error) { return look(ctx, h) })
}

// look asks for all jobs, or for some.
func look(ctx context.Context, h *remote.Host, labels ...string) (*Survey, error) {
	result, err := h.Run(ctx, remote.Cmd{Script: surveyScript, Args: labels})
	if err != nil {
		return nil, fmt.Errorf("launchctl: reading jobs: %w", err)
	}
	return parseSurvey(result.Records), nil
}

// Job returns the job as found; never nil.
func (s *Survey) Job(label string) *Job {
	if j := s.jobs[label]; j != nil {
		return j
	}
	return &Job{Label: label, File: FileOf(label), Disabled: s.disabled[label]}
}

// FileOf is the path of a job's file.
func FileOf(label string) string { return "/Library/LaunchDaemons/" + label + ".plist" }

func parseSurvey(records []remote.Record) *Survey {
	s := &Survey{jobs: map[string]*Job{}, disabled: map[string]bool{}}
	job := func(label string) *Job {
		if s.jobs[label] == nil {
			s.jobs[label] = &Job{Label: label, File: FileOf(label)}
		}
		return s.jobs[label]
	}
	for _, r := range records {
		switch r.Key {
		case "disabled":
			s.disabled = parseDisabled(string(r.Body))
		case "file":
			fields := strings.SplitN(r.Args, " ", 3)
			if len(fields) < 3 {
				continue
			}
			j := job(fields[2])
			mode, _ := strconv.ParseUint(fields[0], 8, 32)
			j.Exists, j.Bytes, j.Mode, j.Owner = true, r.Body, uint32(mode), fields[1]
			j.Plist, j.Err = decodeJob(r.Body)
		case "quarantine":
			job(r.Args).Quarantined = true
		case "print":
			if len(r.Body) > 0 {
				job(r.Args).Loaded = parsePrint(string(r.Body))
			}
		}
	}
	for label, j := range s.jobs {
		set, known := s.disabled[label]
		initially, _ := j.Plist.Get("Disabled").(bool)
		j.Disabled = set || !known && initially
	}
	return s
}

// decodeJob is a file as a dictionary. One that XML cannot carry, such as a binary one with control characters in it, counts as broken,
// since it could not be shown.
func decodeJob(data []byte) (plist.Dict, error) {
	value, err := plist.Decode(data)
	if err != nil {
		return nil, err
	}
	dict, ok := value.(plist.Dict)
	if !ok {
		return nil, errors.New("it is not a dictionary")
	}
	if _, err := plist.Encode(dict); err != nil {
		return nil, err
	}
	return dict, nil
}

// disabledLine is a line of print-disabled. Until macOS 12 the words are true and false, and true means disabled.
var disabledLine = regexp.MustCompile(`^\s*"(.+)" => (true|false|disabled|enabled)$`)

// parseDisabled reads the block "disabled services"; from macOS 26 a block about login items follows, which is not the same.
func parseDisabled(text string) map[string]bool {
	flags := map[string]bool{}
	_, block, _ := strings.Cut(text, "disabled services = {")
	block, _, _ = strings.Cut(block, "}")
	for _, line := range strings.Split(block, "\n") {
		if m := disabledLine.FindStringSubmatch(line); m != nil {
			flags[m[1]] = m[2] == "true" || m[2] == "disabled"
		}
	}
	return flags
}

// parsePrint reads what `launchctl print system/LABEL` printed. The job's own fields have exactly one TAB before them. A
// block ends with a brace after one TAB; its lines are not the job's fields. What is in a block is printed raw, so an argument can
// end it too soon and then look like a field: the first of a name counts, which leaves path, type and state beyond doubt.
func parsePrint(text string) *Loaded {
	l := &Loaded{blocks: map[string]string{}, fields: map[string]string{}}
	block := ""
	for line := range strings.Lines(text) {
		field := strings.TrimSuffix(line, "\n")
		own := strings.HasPrefix(field, "\t") && !strings.HasPrefix(field, "\t\t")
		name, value, ok := strings.Cut(strings.TrimPrefix(field, "\t"), " = ")
		_, before := l.fields[name]
		switch {
		case block != "" && field == "\t}":
			block = ""
		case block != "":
			l.blocks[block] += line
		case own && ok && value == "{":
			block = name
			if _, before := l.blocks[name]; before {
				block = "another " + name
			}
		case own && ok && !before:
			l.fields[name] = value
		}
	}
	l.Path, l.Type, l.ManagedBy, l.State = l.fields["path"], l.fields["type"], l.fields["managed_by"], l.fields["state"]
	l.LastExit = l.fields["last exit code"]
	l.PID, _ = strconv.Atoi(l.fields["pid"])
	l.properties = strings.Split(l.fields["properties"], " | ")
	return l
}

func (l *Loaded) has(property string) bool { return slices.Contains(l.properties, property) }
