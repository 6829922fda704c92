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
	"time"

	"github.com/macos-fleet/terraform-provider-macos/internal/plist"
	"github.com/macos-fleet/terraform-provider-macos/internal/remote"
	"github.com/macos-fleet/terraform-provider-macos/internal/watchdog"
)

//go:embed ctl.sh
var ctlScript string

//go:embed job.sh
var jobScript string

// Why a job was not changed. The error wraps what happened: a [watchdog.RefusedError], after which nothing has changed, or a
// [watchdog.UndoneError], after which the Mac is as it was, unless said otherwise.
var (
	ErrChanged     = errors.New("the job is not as it was when this was planned")
	ErrForeign     = errors.New("the job belongs to an app")
	ErrRefused     = errors.New("plutil refuses the property list")
	ErrNoWayBack   = errors.New("the job is loaded from a file that is gone, so that it could not be loaded again")
	ErrDisk        = errors.New("a file could not be written")
	ErrLoad        = errors.New("launchd did not load the job")
	ErrNotRestored = errors.New("launchd did not load the job, and then the old one neither") // it is not loaded
	// ErrDraining is a job that did not end in time. When it has not ended since, it is ending still; it was loaded again otherwise.
	ErrDraining = errors.New("the job did not end in time")
	// ErrLinked is a folder of a user's that is a symbolic link.
	ErrLinked = errors.New("the folder is a symbolic link")
	// ErrNobody is a user whom the Mac does not know.
	ErrNobody = errors.New("there is no such user")
	// ErrHangs is a launchctl that did not answer.
	ErrHangs = errors.New("launchctl does not answer")
	// ErrStopped is a job that was loaded though its file had been removed: it is not loaded, for there is nothing to load it from.
	ErrStopped = errors.New("launchd did not load the job, and the one that it had before has no file")
)

// What the exit statuses of job.sh stand for, and what they stand for when not everything could be undone.
var (
	exits = map[int]error{
		20: ErrChanged, 22: ErrRefused, 23: ErrNoWayBack, 24: ErrDisk, 25: ErrLoad, 27: ErrDraining, 28: ErrStopped, 29: ErrLinked,
	}
	leaving = map[int]error{25: ErrNotRestored, 27: ErrDraining, 28: ErrStopped}
)

// explainExit adds to a change that failed what the exit status of its script stands for.
func explainExit(err error) error {
	var refused *watchdog.RefusedError
	var undone *watchdog.UndoneError
	var known error
	switch {
	case errors.As(err, &refused):
		known = exits[refused.Exit]
	case errors.As(err, &undone) && undone.Left:
		known = leaving[undone.Exit]
	case errors.As(err, &undone):
		known = exits[undone.Exit]
	}
	if known != nil {
		return fmt.Errorf("%w: %w", known, err)
	}
	return err
}

var validLabel = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._@+-]{0,199}$`)

// CheckLabel returns why a job of this label cannot be managed, or nil.
func CheckLabel(label string) error {
	switch {
	case !validLabel.MatchString(label):
		return errors.New("a label is made of 1 to 200 letters, digits, dots, hyphens, underscores, @ and +, beginning with a letter or a digit")
	case strings.HasPrefix(strings.ToLower(label), "com.apple."), strings.EqualFold(label, "com.openssh.sshd"):
		return errors.New("this label belongs to macOS")
	}
	return nil
}

// Intent is what is to become of a job.
type Intent struct {
	Place Place
	Label string
	File  []byte // its property list, with this label; Remove ignores it and what is below
	// Disabled is a job that is not to run: it is not loaded, and disabled, so that launchd does not load its file either, until somebody
	// enables it. Of an agent, this is said for the users who are logged in.
	Disabled bool
	// Restart is a job that is to be started again, if it runs, though nothing of it has changed. (It is loaded anew, as for a change:
	// kickstart -k, which is known to hang, would give it no end that could be waited for, and nothing to go back to.)
	Restart bool
	Seen    Seen
	// Confirm is a job that connections may run through: it is loaded for good only when a new connection has confirmed it. See package
	// watchdog.
	Confirm bool
}

// Seen is a job as a plan saw it. The zero value is a job that is not there.
type Seen struct {
	File    plist.Dict // what the file means; nil: there is none, unless it is Broken
	Broken  bool       // the file is no property list, whatever it holds
	Managed bool       // the job is ours, so that it may be loaded even without a file
	Secrets bool       // File lacks what may be secrets, variables of the environment and other keys, which are not compared
}

// Seen is the job as it stands, for who replaces or removes it whatever that is.
func (j *Job) Seen() Seen {
	return Seen{File: j.Plist, Broken: j.Exists && j.Plist == nil, Managed: true}
}

// Adoptable reports whether the job is exactly what is wanted, or the file is and nothing is loaded, as after an
// installation that was cut short.
func (j *Job) Adoptable(want plist.Dict) bool {
	if j.Plist == nil || !Same(j.Plist, want) {
		return false
	}
	return !slices.ContainsFunc(j.sessions(), func(s Session) bool {
		return s.Loaded != nil && (s.Loaded.Path != j.File || len(s.Loaded.differences(j.Plist)) > 0)
	})
}

// Install makes the job's file what is wanted, loads it wherever the place has it loaded, and returns the job's Mac as it is then: a
// Survey that knows no other job. A job that is neither as seen nor as wanted is ErrChanged. A job that launchd holds already with
// this definition, from this file, goes on running. For more errors see package watchdog. With an error that is not about the connection,
// the Survey is the Mac as found before.
func Install(ctx context.Context, h *remote.Host, in Intent) (*Survey, error) {
	value, err := plist.Decode(in.File)
	if err != nil {
		return nil, fmt.Errorf("launchctl: installing %s: %w: %w", in.Label, ErrRefused, err)
	}
	want, _ := value.(plist.Dict)
	s, err := change(ctx, h, in, func(j *Job) ([]order, error) {
		if !j.as(in.Seen) && !j.Adoptable(want) {
			return nil, ErrChanged
		}
		var orders []order
		for _, at := range j.sessions() {
			orders = append(orders, in.install(j, at, want))
		}
		return orders, nil
	})
	if err != nil {
		return s, fmt.Errorf("launchctl: installing %s: %w", in.Label, err)
	}
	return s, nil
}

// install is what is to become of the job in one session.
func (in Intent) install(j *Job, at Session, want plist.Dict) order {
	run, _ := want.Get("RunAtLoad").(bool)
	keep, _ := want.Get("KeepAlive").(bool)
	o := order{Session: at, file: in.File, was: word(at.Disabled), off: word(in.Disabled), starts: run || keep, wait: at.patience(want)}
	if disabled, _ := want.Get("Disabled").(bool); disabled && !at.Disabled {
		o.was = "new"
	}
	switch {
	case in.Disabled:
		o.anew = at.Loaded != nil
	case !at.takes(want):
		o.off, o.anew = "idle", at.from() == j.File
	default:
		o.anew = in.Restart || !read(j.Plist, want) || at.from() != j.File || at.Loaded.ending() || len(at.Loaded.differences(want)) > 0
	}
	return o
}

// takes reports whether a session is of the kind that a job is for: an agent's LimitLoadToSessionType may be for others, which macOS makes
// by itself, as at the login window. Without it, an agent is for sessions at the screen (Aqua).
func (s Session) takes(file plist.Dict) bool {
	types := stringsIn(Meaning(file).Get("LimitLoadToSessionType"))
	return s.User == "" || len(types) == 0 || slices.Contains(types, "Aqua")
}

// unread are keys that change nothing about a job that is loaded: launchd reads them at another time, or not any more.
var unread = []string{
	"Disabled", "HopefullyExitsFirst", "HopefullyExitsLast", "LimitLoadFromHosts", "LimitLoadToHosts", "ServiceIPC", "TimeOut",
}

// read reports whether launchd would read the same in both property lists.
func read(a, b plist.Dict) bool {
	without := func(dict plist.Dict) plist.Dict {
		return slices.DeleteFunc(slices.Clone(dict), func(e plist.Entry) bool { return slices.Contains(unread, e.Key) })
	}
	return a != nil && Same(without(a), without(b))
}

// Remove stops the job and removes its file, under the same net as Install. Whether it is disabled stays as it is: that flag outlives a
// job. A job that is not there is no error. A job that was loaded from another file is somebody else's, and stays loaded.
// Errors are as from Install.
func Remove(ctx context.Context, h *remote.Host, in Intent) (*Survey, error) {
	s, err := change(ctx, h, in, func(j *Job) ([]order, error) {
		if j.Exists && !j.as(in.Seen) {
			return nil, ErrChanged
		}
		var orders []order
		for _, at := range j.sessions() {
			orders = append(orders, order{Session: at, was: "no", off: "no", anew: at.from() == j.File, wait: at.patience(nil)})
		}
		return orders, nil
	})
	if err != nil {
		return s, fmt.Errorf("launchctl: removing %s: %w", in.Label, err)
	}
	return s, nil
}

// order is what is to become of a job in one session; see job.sh.
type order struct {
	Session
	file   []byte // the property list; nil: the job is to go
	anew   bool   // launchd is to let go of what it has, and to load the file
	was    string // whether the label is disabled: yes, no, or new: only its new property list says so
	off    string // yes: it is to be disabled, and not loaded; idle: it is not for this kind of session; no
	starts bool   // loading it is to start it
	wait   time.Duration
}

// change looks at the job and carries out what decide orders. When somebody changes the job in between, it looks again. With in.Confirm,
// what launchd is to do is done under a watchdog.
func change(ctx context.Context, h *remote.Host, in Intent, decide func(*Job) ([]order, error)) (*Survey, error) {
	done, err := h.Alone(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	for try := 0; ; try++ {
		s, err := look(ctx, h, in.Place, in.Label)
		if err != nil {
			return nil, err
		}
		j := s.Job(in.Label)
		if j.Foreign() {
			return s, ErrForeign
		}
		orders, err := decide(j)
		if err != nil {
			return s, err
		}
		records, err := watchdog.Do(ctx, h, in.plan(j, orders))
		if err = explainExit(err); errors.Is(err, ErrChanged) && try < 3 {
			continue
		}
		if err != nil {
			return s, err
		}
		return parseSurvey(in.Place, records), nil
	}
}

// plan carries out the orders on the job as found: a change for each session, of which the first to come puts the file in place, and the
// last to go takes it back.
func (in Intent) plan(j *Job, orders []order) watchdog.Plan {
	plan := watchdog.Plan{Direct: true, After: ctlScript + surveyScript, AfterArgs: append(in.Place.args(), j.Label)}
	for _, o := range orders {
		part := "keep"
		if o.anew && in.Confirm {
			plan.Direct, part = false, "try"
		}
		halfSeconds := strconv.Itoa(int(o.wait / (time.Second / 2)))
		args := []string{
			o.Domain, j.Label, j.File, j.owner, o.from(), word(o.anew), o.was, o.off, halfSeconds, word(o.starts), part,
		}
		files := map[string][]byte{"args": []byte(strings.Join(args, "\n") + "\n")}
		if o.file != nil {
			files["job.plist"] = o.file
		}
		if j.Exists {
			files["old"] = j.Bytes
		}
		plan.Changes = append(plan.Changes, watchdog.Change{Script: ctlScript + jobScript, Files: files})
		plan.Takes += o.wait + starting
	}
	return plan
}

// as reports whether the job is as it was seen. What launchd has loaded does not count, unless nothing was there at all.
func (j *Job) as(seen Seen) bool {
	switch {
	case seen.Broken:
		return j.Exists && j.Plist == nil
	case seen.File == nil:
		return !j.Exists && (seen.Managed || j.Gone())
	case seen.Secrets:
		return j.Plist != nil && Same(within(j.Plist, seen.File), seen.File)
	default:
		return j.Plist != nil && Same(j.Plist, seen.File)
	}
}

// within is a file without the keys, and without the variables of its environment, that another one lacks.
func within(file, other plist.Dict) plist.Dict {
	names, _ := other.Get("EnvironmentVariables").(plist.Dict)
	both := plist.Dict{}
	for _, e := range file {
		if other.Get(e.Key) == nil {
			continue
		}
		if variables, ok := e.Value.(plist.Dict); ok && e.Key == "EnvironmentVariables" {
			e.Value = slices.DeleteFunc(slices.Clone(variables), func(v plist.Entry) bool { return names.Get(v.Key) == nil })
		}
		both = append(both, e)
	}
	return both
}

// starting is how long a script may wait for launchd besides: to take a job, when it says that the old one still drains, and to
// start it.
const starting = 10 * time.Second

// patience is how long to wait for the end of the job as it is loaded, or as its new property list has it: the time that launchd gives
// it before SIGKILL, and 15 seconds. A job may be given for ever (0), which we cut at a minute.
func (s Session) patience(want plist.Dict) time.Duration {
	seconds := int64(5)
	longer := func(n int64) {
		if n == 0 {
			n = 45
		}
		seconds = max(seconds, n)
	}
	if s.Loaded != nil {
		if n, err := strconv.ParseInt(s.Loaded.fields["exit timeout"], 10, 32); err == nil {
			longer(n)
		}
	}
	if n, ok := want.Get("ExitTimeOut").(int64); ok {
		longer(min(n, 1<<31))
	}
	return time.Duration(seconds+15) * time.Second
}

// from is the file that launchd has loaded the job from; "" when it has not.
func (s Session) from() string {
	if s.Loaded == nil {
		return ""
	}
	return s.Loaded.Path
}

func word(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
