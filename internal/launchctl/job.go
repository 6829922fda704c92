package launchctl

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/macos-fleet/terraform-provider-macos/internal/plist"
	"github.com/macos-fleet/terraform-provider-macos/internal/remote"
	"github.com/macos-fleet/terraform-provider-macos/internal/watchdog"
)

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
	// ErrStopped is a job that was loaded though its file had been removed: it is not loaded, for there is nothing to load it from.
	ErrStopped = errors.New("launchd did not load the job, and the one that it had before has no file")
)

// What the exit statuses of job.sh stand for, and what they stand for when not everything could be undone.
var (
	exits = map[int]error{
		20: ErrChanged, 22: ErrRefused, 23: ErrNoWayBack, 24: ErrDisk, 25: ErrLoad, 27: ErrDraining, 28: ErrStopped,
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

var validLabel = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,199}$`)

// CheckLabel returns why a job of this label cannot be managed, or nil.
func CheckLabel(label string) error {
	switch {
	case !validLabel.MatchString(label):
		return errors.New("a label is made of 1 to 200 letters, digits, dots, hyphens and underscores, beginning with a letter or a digit")
	case strings.HasPrefix(strings.ToLower(label), "com.apple."), strings.EqualFold(label, "com.openssh.sshd"):
		return errors.New("this label belongs to macOS")
	}
	return nil
}

// Seen is a job as a plan saw it. The zero value is a job that is not there.
type Seen struct {
	File    plist.Dict // what the file means; nil: there is none, unless it is Broken
	Broken  bool       // the file is no property list, whatever it holds
	Managed bool       // the job is ours, so that it may be loaded even without a file
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
	return j.Loaded == nil || j.Loaded.Path == j.File && len(j.Loaded.differences(j.Plist)) == 0
}

// Trouble says, as part of a sentence, why a job that is loaded does not run; "" when there is no sign of that.
func (j *Job) Trouble() string {
	l := j.Loaded
	switch {
	case l == nil:
		return ""
	case strings.HasPrefix(l.LastExit, "78") || l.fields["job state"] == "spawn failed" || l.has("penalty box"):
		return "launchd could not start its program (EX_CONFIG): see that the program exists, that its user does, and that its log files can be written"
	case l.State == "spawn scheduled":
		return "its program ended at once (last exit code " + l.LastExit + "), and launchd waits before it starts it again"
	}
	return ""
}

// Install makes data, a property list with this label, the job's file, loads it, and returns the job's Mac as it is then: a
// Survey that knows no other job. A job that is neither as seen nor as wanted is ErrChanged. A job that launchd holds already with
// this definition, from this file, goes on running. With confirm, a job is loaded for good only when a new connection has confirmed it;
// see package watchdog for that, and for more errors. With an error that is not about the connection, the Survey is the Mac as found
// before.
func Install(ctx context.Context, h *remote.Host, label string, data []byte, seen Seen, confirm bool) (*Survey, error) {
	value, err := plist.Decode(data)
	if err != nil {
		return nil, fmt.Errorf("launchctl: installing %s: %w: %w", label, ErrRefused, err)
	}
	want, _ := value.(plist.Dict)
	s, err := change(ctx, h, label, confirm, func(j *Job) (order, error) {
		if !j.as(seen) && !j.Adoptable(want) {
			return order{}, ErrChanged
		}
		run, _ := want.Get("RunAtLoad").(bool)
		keep, _ := want.Get("KeepAlive").(bool)
		o := order{file: data, disabled: word(j.Disabled), starts: run || keep, wait: j.patience(want)}
		o.anew = j.Plist == nil || !Same(j.Plist, want) || j.from() != j.File || len(j.Loaded.differences(want)) > 0
		if disabled, _ := want.Get("Disabled").(bool); disabled && !j.Disabled {
			o.disabled = "new"
		}
		return o, nil
	})
	if err != nil {
		return s, fmt.Errorf("launchctl: installing %s: %w", label, err)
	}
	return s, nil
}

// Remove stops the job and removes its file, under the same net as Install. Whether it is disabled stays as it is: that flag outlives a
// job. A job that is not there is no error. A job that was loaded from another file is somebody else's, and stays loaded.
// Errors are as from Install.
func Remove(ctx context.Context, h *remote.Host, label string, seen Seen, confirm bool) (*Survey, error) {
	s, err := change(ctx, h, label, confirm, func(j *Job) (order, error) {
		if j.Exists && !j.as(seen) {
			return order{}, ErrChanged
		}
		return order{disabled: "no", anew: j.from() == j.File, wait: j.patience(nil)}, nil
	})
	if err != nil {
		return s, fmt.Errorf("launchctl: removing %s: %w", label, err)
	}
	return s, nil
}

// order is what is to become of a job; see job.sh.
type order struct {
	file     []byte // the property list; nil: the job is to go
	anew     bool   // launchd is to let go of what it has, and to load the file
	disabled string // yes, no, or new: only its new property list says so
	starts   bool   // loading it is to start it
	wait     time.Duration
}

// change looks at the job and carries out what decide orders. When somebody changes the job in between, it looks again. With confirm, what
// launchd is to do is done under a watchdog.
func change(ctx context.Context, h *remote.Host, label string, confirm bool, decide func(*Job) (order, error)) (*Survey, error) {
	done, err := h.Alone(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	for try := 0; ; try++ {
		s, err := look(ctx, h, label)
		if err != nil {
			return nil, err
		}
		j := s.Job(label)
		if j.Foreign() {
			return s, ErrForeign
		}
		o, err := decide(j)
		if err != nil {
			return s, err
		}
		records, err := watchdog.Do(ctx, h, o.plan(j, confirm))
		if err = explainExit(err); errors.Is(err, ErrChanged) && try < 3 {
			continue
		}
		if err != nil {
			return s, err
		}
		return parseSurvey(records), nil
	}
}

// plan carries out the order on the job as found.
func (o order) plan(j *Job, confirm bool) watchdog.Plan {
	direct, part := true, "keep"
	if o.anew && confirm {
		direct, part = false, "try"
	}
	halfSeconds := strconv.Itoa(int(o.wait / (time.Second / 2)))
	args := []string{j.Label, j.File, j.from(), word(o.anew), o.disabled, halfSeconds, word(o.starts), part}
	files := map[string][]byte{"args": []byte(strings.Join(args, "\n") + "\n")}
	if o.file != nil {
		files["job.plist"] = o.file
	}
	if j.Exists {
		files["old"] = j.Bytes
	}
	return watchdog.Plan{
		Changes: []watchdog.Change{{Script: jobScript, Files: files}}, Direct: direct, Takes: o.wait + starting,
		After: surveyScript, AfterArgs: []string{j.Label},
	}
}

// as reports whether the job is as it was seen. What launchd has loaded does not count, unless nothing was there at all.
func (j *Job) as(seen Seen) bool {
	switch {
	case seen.Broken:
		return j.Exists && j.Plist == nil
	case seen.File == nil:
		return !j.Exists && (seen.Managed || j.Loaded == nil)
	default:
		return j.Plist != nil && Same(j.Plist, seen.File)
	}
}

// starting is how long a script may wait for launchd besides: to take a job, when it says that the old one still drains, and to
// start it.
const starting = 10 * time.Second

// patience is how long to wait for the end of the job as it is loaded, or as its new property list has it: the time that launchd gives
// it before SIGKILL, and 15 seconds. A job may be given for ever (0), which we cut at a minute.
func (j *Job) patience(want plist.Dict) time.Duration {
	seconds := int64(5)
	longer := func(n int64) {
		if n == 0 {
			n = 45
		}
		seconds = max(seconds, n)
	}
	if j.Loaded != nil {
		if n, err := strconv.ParseInt(j.Loaded.fields["exit timeout"], 10, 32); err == nil {
			longer(n)
		}
	}
	if n, ok := want.Get("ExitTimeOut").(int64); ok {
		longer(min(n, 1<<31))
	}
	return time.Duration(seconds+15) * time.Second
}

// from is the file that launchd has loaded the job from; "" when it has not.
func (j *Job) from() string {
	if j.Loaded == nil {
		return ""
	}
	return j.Loaded.Path
}

func word(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
