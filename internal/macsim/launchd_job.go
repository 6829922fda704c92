package macsim

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/macos-fleet/terraform-provider-macos/internal/plist"
)

// job is one job that launchd holds. launchdState.mu guards it.
type job struct {
	domain string // system, gui/501 or user/501
	label  string
	path   string     // of its property list, as it was given to launchd
	kind   string     // LaunchDaemon, LaunchAgent or Submitted
	app    bool       // an app registered it (SMAppService)
	dict   plist.Dict // the definition as it was when the job was loaded; launchd never reads the file again

	pid    int // 0: not running
	runs   int
	reason string // why it was last started
	ended  string // the line of print that says how its last run ended
	failed bool   // its program could not be started; launchd calls that the penalty box
	waits  bool   // it has ended, and launchd means to start it again

	run      *run      // what it really runs; nil when it does not run, or is taken to be running
	launched time.Time // when it was last started
	again    bool      // it is started again when it has ended: kickstart -k

	// After bootout. The job stays until its process has gone.
	dying  bool
	killed time.Time // when SIGKILL is sent; zero: never
	gone   time.Time // when the process has gone; zero: never, or when run has ended
}

// Job is how the program of a job behaves that does not exist as a program of this Mac. The zero value runs for ever, and ends at once
// when it is told to.
type Job struct {
	Drain time.Duration // how long it takes to end after SIGTERM, on the Mac's clock; Forever: it does not end, whatever is sent
	Exits bool          // it ends as soon as it has started, with the status Exit
	Exit  int
	Late  bool // it is not started when it is loaded, although its property list says so; kickstart starts it
}

// Forever is longer than any wait.
const Forever time.Duration = -1

// neverExited is how print says that a job has not run, or not to its end.
const neverExited = "last exit code = (never exited)"

func newJob(domain, path string, dict plist.Dict) *job {
	label, _ := dict.Get("Label").(string)
	kind := "LaunchDaemon"
	if domain != "system" {
		kind = "LaunchAgent"
	}
	return &job{domain: domain, label: label, path: path, kind: kind, dict: dict, ended: neverExited}
}

// target is the job's name with its domain.
func (j *job) target() string { return j.domain + "/" + j.label }

// words is an array of strings in the definition.
func (j *job) words(key string) []string {
	var all []string
	array, _ := j.dict.Get(key).(plist.Array)
	for _, v := range array {
		if s, ok := v.(string); ok {
			all = append(all, s)
		}
	}
	return all
}

func (j *job) word(key string) string {
	s, _ := j.dict.Get(key).(string)
	return s
}

func (j *job) is(key string) bool {
	b, _ := j.dict.Get(key).(bool)
	return b
}

func (j *job) number(key string, otherwise int64) int64 {
	if n, ok := j.dict.Get(key).(int64); ok {
		return n
	}
	return otherwise
}

// program is what is executed; a relative name is looked up by launchd in its own PATH.
func (j *job) program() string {
	if p := j.word("Program"); p != "" {
		return p
	}
	args := j.words("ProgramArguments")
	if len(args) == 0 {
		return ""
	}
	return args[0]
}

// argv is the program with its arguments.
func (j *job) argv() []string {
	args := j.words("ProgramArguments")
	if len(args) == 0 {
		return []string{j.program()}
	}
	return append([]string{j.program()}, args[1:]...)
}

// environment is what the definition adds; what is no string is dropped.
func (j *job) environment() []plist.Entry {
	var all []plist.Entry
	dict, _ := j.dict.Get("EnvironmentVariables").(plist.Dict)
	for _, e := range dict {
		if _, ok := e.Value.(string); ok {
			all = append(all, e)
		}
	}
	return all
}

// wanted tells whether launchd starts the job when it loads it. KeepAlive with a condition about how the job ended starts it once,
// so that it can end.
func (j *job) wanted() bool {
	conditions, _ := j.dict.Get("KeepAlive").(plist.Dict)
	return j.is("RunAtLoad") || j.keepAlive() || conditions.Get("SuccessfulExit") != nil || conditions.Get("Crashed") != nil
}

// keptAlive tells whether launchd starts the job again after it ended with this status.
func (j *job) keptAlive(status int) bool {
	conditions, _ := j.dict.Get("KeepAlive").(plist.Dict)
	if successful, ok := conditions.Get("SuccessfulExit").(bool); ok {
		return successful == (status == 0)
	}
	return j.keepAlive()
}

// keepAlive is KeepAlive true, or what that was called before.
func (j *job) keepAlive() bool {
	demand, old := j.dict.Get("OnDemand").(bool)
	return j.is("KeepAlive") || old && !demand
}

// exited notes how a run ended.
func (j *job) exited(status int) {
	j.pid = 0
	j.ended = "last exit code = " + sysexit(status)
	j.waits = j.keptAlive(status)
}

// signaled notes that a run ended of a signal.
func (j *job) signaled(n int) {
	j.pid = 0
	j.ended = "last terminating signal = " + signalText(n)
	j.waits = j.keptAlive(128 + n)
}

// exitTimeout is how long the job has between SIGTERM and SIGKILL; 0: for ever.
func (j *job) exitTimeout() time.Duration {
	return time.Duration(j.number("ExitTimeOut", 5)) * time.Second
}

// refused notes that the program could not be started.
func (j *job) refused() {
	j.exited(78)
	j.failed = true
}

// sysexit is an exit status as print shows it: those of sysexits(3) with their names.
func sysexit(status int) string {
	names := strings.Fields("USAGE DATAERR NOINPUT NOUSER NOHOST UNAVAILABLE SOFTWARE OSERR OSFILE CANTCREAT IOERR TEMPFAIL PROTOCOL NOPERM CONFIG")
	if status < 64 || status > 78 {
		return fmt.Sprint(status)
	}
	return fmt.Sprintf("%d: EX_%s", status, names[status-64])
}

// state is the job's state at that time, as print names it.
func (j *job) state(now time.Time) string {
	switch {
	case j.dying && !j.killed.IsZero() && !now.Before(j.killed):
		return "SIGKILLed"
	case j.dying:
		return "SIGTERMed"
	case j.pid != 0:
		return "running"
	case j.waits:
		return "spawn scheduled"
	}
	return "not running"
}

// stop is SIGTERM for a job that is not really run: it says when SIGKILL follows and when the process will have gone, zero meaning never.
// An ExitTimeOut of 0 is no SIGKILL at all.
func (j *job) stop(now time.Time, drain time.Duration) (killed, gone time.Time) {
	timeout := j.exitTimeout()
	if timeout > 0 {
		killed = now.Add(timeout)
	}
	switch {
	case j.pid == 0:
		return time.Time{}, now
	case drain == Forever:
		return killed, time.Time{}
	case timeout > 0 && drain > timeout:
		return killed, killed
	}
	return killed, now.Add(drain)
}

// definition is the cached property list as text, its keys sorted, so that it is the same whenever it means the same.
func (j *job) definition() string {
	text, err := plist.Encode(sortedValue(j.dict))
	if err != nil {
		return err.Error() + "\n"
	}
	_, body, _ := strings.Cut(string(text), "<plist version=\"1.0\">\n")
	return strings.TrimSuffix(body, "</plist>\n")
}

func sortedValue(v plist.Value) plist.Value {
	switch v := v.(type) {
	case plist.Dict:
		dict := slices.Clone(v)
		for i := range dict {
			dict[i].Value = sortedValue(dict[i].Value)
		}
		slices.SortFunc(dict, func(a, b plist.Entry) int { return strings.Compare(a.Key, b.Key) })
		return dict
	case plist.Array:
		array := slices.Clone(v)
		for i := range array {
			array[i] = sortedValue(array[i])
		}
		return array
	}
	return v
}
