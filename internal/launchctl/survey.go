package launchctl

import (
	"cmp"
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

// Survey is the jobs of one place on one Mac at one moment. It is shared by all who ask, and not to be changed.
type Survey struct {
	place    Place
	dir      string // of the files
	owner    string // of the files, uid:gid
	jobs     map[string]*Job
	sessions []Session                  // where the place's jobs are loaded, without any job
	disabled map[string]map[string]bool // labels in the store of each domain: true means disabled
	nobody   bool                       // there is no such user
	hung     string                     // the call of launchctl that did not answer; "" if all did
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

	// Session is the Mac's own, or the first user's who is logged in. Its zero value is none: an agent is loaded nowhere then.
	Session
	Others []Session // those of the others who are logged in
	Hung   string    // the call of launchctl that did not answer, so that what it has is not known; "" if all did

	owner string // what Owner should be
}

// Session is a domain of launchd's where a job is to be loaded, and what there is of it.
type Session struct {
	Domain   string  // system, or gui/501; "" for none
	User     string  // whose it is; "" for system
	Disabled bool    // it will not be loaded there the next time
	Loaded   *Loaded // nil: launchd does not know it there
	Log      string  // the end of the log of a job that is in trouble; only after a change, and if it has a log
	LogFile  string
}

// sessions are all of them; if there is none, the zero value stands for that.
func (j *Job) sessions() []Session { return append([]Session{j.Session}, j.Others...) }

// Loaded is what launchd holds about a job, as far as print tells. A field that it did not print is "", or 0.
type Loaded struct {
	Path      string // the file that it was loaded from
	Type      string // LaunchDaemon; Submitted and others have no file of ours
	ManagedBy string // com.apple.xpc.ServiceManagement for a job that an app registered
	State     string // running, not running, spawn scheduled, SIGTERMed ...
	Runs      int    // how often it was started since it was loaded
	LastExit  string // how its last run ended: "0", "78: EX_CONFIG", "Killed: 9", "OS_REASON_CODESIGNING"; "" when none has
	PID       int    // 0: no process

	blocks     map[string]string // arguments, environment and event triggers, as printed
	fields     map[string]string // every "name = value" of the job itself
	properties []string          // keepalive, runatload ...
}

// Gone is true when nothing of the job is left.
func (j *Job) Gone() bool {
	return !j.Exists && !slices.ContainsFunc(j.sessions(), func(s Session) bool { return s.Loaded != nil })
}

// Foreign is true for a job that an app has registered with macOS, or that was submitted without a file: not ours to manage.
func (j *Job) Foreign() bool {
	return slices.ContainsFunc(j.sessions(), func(s Session) bool {
		return s.Loaded != nil && (s.Loaded.ManagedBy != "" || s.Loaded.Type == "Submitted")
	})
}

// Enabled reports whether launchd may load the job again, everywhere. For a job that is not wanted so, it is whether launchd may
// anywhere; without any session, where nothing can be told, it is what is wanted.
func (j *Job) Enabled(wanted bool) bool {
	if j.Domain == "" {
		return wanted
	}
	return slices.ContainsFunc(j.sessions(), func(s Session) bool { return s.Disabled == wanted }) != wanted
}

// LoadedFor are the users in whose sessions the job is loaded.
func (j *Job) LoadedFor() []string {
	var users []string
	for _, s := range j.sessions() {
		if s.Loaded != nil && s.User != "" {
			users = append(users, s.User)
		}
	}
	return users
}

// Look returns the jobs of a place on h, by one remote call that all who ask share; see [remote.AskAhead]. Errors are those of
// [remote.Host.Run], ErrNobody and ErrHangs.
func Look(ctx context.Context, h *remote.Host, p Place) (*Survey, error) {
	return remote.AskAhead(ctx, h, p.question(), p.look)
}

// Foresee has the Macs of a fleet asked what [Look] asks, see [remote.Foresee].
func Foresee(f *remote.Fleet, p Place) { remote.Foresee(f, p.question(), p.look) }

// question is the name of what Look asks.
func (p Place) question() string { return "launchd " + strings.Join(p.args(), " ") }

func (p Place) look(ctx context.Context, h *remote.Host) (*Survey, error) { return look(ctx, h, p) }

// look asks for all jobs, or for some.
func look(ctx context.Context, h *remote.Host, p Place, labels ...string) (*Survey, error) {
	result, err := h.Run(ctx, remote.Cmd{Script: ctlScript + surveyScript, Args: append(p.args(), labels...)})
	if err != nil {
		return nil, fmt.Errorf("launchctl: reading jobs: %w", err)
	}
	s := parseSurvey(p, result.Records)
	switch {
	case s.nobody:
		return nil, fmt.Errorf("launchctl: reading jobs of %s: %w", p.User, ErrNobody)
	case s.hung != "":
		return nil, fmt.Errorf("launchctl: reading jobs: %w: %s", ErrHangs, s.hung)
	}
	return s, nil
}

// Job returns the job as found; never nil.
func (s *Survey) Job(label string) *Job {
	if j := s.jobs[label]; j != nil {
		return j
	}
	j := s.empty(label)
	s.settle(j)
	return j
}

// empty is a job of which nothing is known but where it would be.
func (s *Survey) empty(label string) *Job {
	j := &Job{Label: label, File: s.dir + "/" + label + ".plist", owner: s.owner}
	if len(s.sessions) > 0 {
		j.Session, j.Others = s.sessions[0], slices.Clone(s.sessions[1:])
	}
	return j
}

// settle works out where the job is disabled, when all else is known.
func (s *Survey) settle(j *Job) {
	initially, _ := j.Plist.Get("Disabled").(bool)
	j.each(func(at *Session) {
		set, known := s.disabled[at.Domain][j.Label]
		at.Disabled = at.Domain != "" && (set || !known && initially)
	})
	j.Hung = s.hung
}

// each is for what is to be changed in all sessions.
func (j *Job) each(change func(*Session)) {
	change(&j.Session)
	for i := range j.Others {
		change(&j.Others[i])
	}
}

func parseSurvey(p Place, records []remote.Record) *Survey {
	s := &Survey{place: p, dir: p.dir(), owner: "0:0", jobs: map[string]*Job{}, disabled: map[string]map[string]bool{}}
	job := func(label string) *Job {
		if s.jobs[label] == nil {
			s.jobs[label] = s.empty(label)
		}
		return s.jobs[label]
	}
	in := func(args string, change func(at *Session, rest string)) {
		domain, rest, _ := strings.Cut(args, " ")
		label, path, _ := strings.Cut(rest, " /")
		job(label).each(func(at *Session) {
			if at.Domain == domain {
				change(at, "/"+path)
			}
		})
	}
	for _, r := range records {
		switch r.Key {
		case "place":
			s.owner, s.dir, _ = strings.Cut(r.Args, " ")
		case "domain":
			domain, user, _ := strings.Cut(r.Args, " ")
			s.sessions = append(s.sessions, Session{Domain: domain, User: user})
			s.disabled[domain] = parseDisabled(string(r.Body))
		case "nobody":
			s.nobody = true
		case "hung":
			s.hung = r.Args
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
				in(r.Args, func(at *Session, _ string) { at.Loaded = parsePrint(string(r.Body)) })
			}
		case "log":
			in(r.Args, func(at *Session, path string) { at.Log, at.LogFile = string(r.Body), path })
		}
	}
	for _, j := range s.jobs {
		s.settle(j)
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

// parsePrint reads what `launchctl print DOMAIN/LABEL` printed. The job's own fields have exactly one TAB before them. A
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
	l.LastExit = cmp.Or(l.fields["last exit code"], l.fields["last terminating signal"], l.fields["last exit reason"])
	if l.LastExit == "(never exited)" {
		l.LastExit = ""
	}
	l.PID, _ = strconv.Atoi(l.fields["pid"])
	l.Runs, _ = strconv.Atoi(l.fields["runs"])
	if l.fields["properties"] != "" {
		l.properties = strings.Split(l.fields["properties"], " | ")
	}
	return l
}

// Field is what print shows as "name = value" of the job itself; "" when it does not.
func (l *Loaded) Field(name string) string { return l.fields[name] }

// Arguments are the lines of the argument vector. One that has newlines in it cannot be told from several.
func (l *Loaded) Arguments() []string { return linesOf(l.blocks["arguments"]) }

// Variables are the names of the variables that its property list gives the job. (Their values may be secrets.)
func (l *Loaded) Variables() []string { return otherVariables(l.blocks["environment"], nil) }

// Properties are the words of print's last line, such as keepalive and runatload.
func (l *Loaded) Properties() []string { return l.properties }

func linesOf(block string) []string {
	var all []string
	for line := range strings.Lines(block) {
		all = append(all, strings.TrimPrefix(strings.TrimSuffix(line, "\n"), "\t\t"))
	}
	return all
}

// ending is true for a job that was told to stop, and launchd will let go of when its process has gone, or start again.
func (l *Loaded) ending() bool { return l.State == "SIGTERMed" || l.State == "SIGKILLed" }

func (l *Loaded) has(property string) bool { return slices.Contains(l.properties, property) }
