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
)

//go:embed install.sh
var installScript string

//go:embed remove.sh
var removeScript string

// What the scripts' exit statuses mean. Unless said otherwise, the Mac is as it was.
var (
	ErrChanged     = errors.New("the job is not as it was when this was planned")
	ErrForeign     = errors.New("the job belongs to an app")
	ErrRefused     = errors.New("plutil refuses the property list")
	ErrDisk        = errors.New("a file could not be written")
	ErrLoad        = errors.New("launchd did not load the job")
	ErrNotRestored = errors.New("launchd did not load the job, and then the old one neither") // it is not loaded
	ErrDraining    = errors.New("the job did not end in time")                                // it is still ending, with the old file in place
	// ErrStopped is a job that was loaded though its file had been removed: it is not loaded, for there is nothing to load it from.
	ErrStopped = errors.New("launchd did not load the job, and the one that it had before has no file")
)

var exits = map[int]error{
	20: ErrChanged, 22: ErrRefused, 24: ErrDisk, 25: ErrLoad, 26: ErrNotRestored, 27: ErrDraining, 28: ErrStopped,
}

// explainExit adds to a script's failure what its exit status stands for.
func explainExit(err error) error {
	var exit *remote.ExitError
	if errors.As(err, &exit) && exits[exit.Exit] != nil {
		return fmt.Errorf("%w: %w", exits[exit.Exit], err)
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
func (j *Job) Adoptable(want plist.Value) bool {
	if j.Plist == nil || !plist.Equal(j.Plist, want) {
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
// Survey that knows no other job. A job that is neither as seen nor as wanted is ErrChanged. With an error that is not about
// the connection, the Survey is the Mac as found before.
func Install(ctx context.Context, h *remote.Host, label string, data []byte, seen Seen) (*Survey, error) {
	value, err := plist.Decode(data)
	if err != nil {
		return nil, fmt.Errorf("launchctl: installing %s: %w: %w", label, ErrRefused, err)
	}
	want, _ := value.(plist.Dict)
	s, err := change(ctx, h, label, func(j *Job) (remote.Cmd, error) {
		if !j.as(seen) && !j.Adoptable(want) {
			return remote.Cmd{}, ErrChanged
		}
		run, _ := want.Get("RunAtLoad").(bool)
		keep, _ := want.Get("KeepAlive").(bool)
		disabled, _ := want.Get("Disabled").(bool)
		from := ""
		if j.Loaded != nil {
			from = j.Loaded.Path
		}
		reload := from != j.File || len(j.Loaded.differences(want)) > 0 || j.Plist == nil || !plist.Equal(j.Plist, want)
		enable := word(j.Disabled)
		if disabled && !j.Disabled {
			enable = "new"
		}
		return remote.Cmd{
			Script: installScript + surveyScript, Files: map[string][]byte{"plist": data},
			Args: []string{label, j.File, from, word(reload), enable, halfSeconds(j.patience()), word(reload && (run || keep))},
		}, nil
	})
	if err != nil {
		return s, fmt.Errorf("launchctl: installing %s: %w", label, err)
	}
	return s, nil
}

// Remove stops the job and removes its file. Whether it is disabled stays as it is: that flag outlives a job. A job that is not there
// is no error. A job that was loaded from another file is somebody else's, and stays loaded. Errors are as from Install.
func Remove(ctx context.Context, h *remote.Host, label string, seen Seen) (*Survey, error) {
	s, err := change(ctx, h, label, func(j *Job) (remote.Cmd, error) {
		if j.Exists && !j.as(seen) {
			return remote.Cmd{}, ErrChanged
		}
		unload := j.Loaded != nil && j.Loaded.Path == j.File
		return remote.Cmd{
			Script: removeScript + surveyScript, Files: map[string][]byte{},
			Args: []string{label, j.File, word(unload), halfSeconds(j.patience())},
		}, nil
	})
	if err != nil {
		return s, fmt.Errorf("launchctl: removing %s: %w", label, err)
	}
	return s, nil
}

// change looks at the job and runs the script that decide makes for it. When somebody changes the file in between, it looks again.
func change(ctx context.Context, h *remote.Host, label string, decide func(*Job) (remote.Cmd, error)) (*Survey, error) {
	for try := 0; ; try++ {
		s, err := look(ctx, h, label)
		if err != nil {
			return nil, err
		}
		j := s.Job(label)
		if j.Foreign() {
			return s, ErrForeign
		}
		c, err := decide(j)
		if err != nil {
			return s, err
		}
		if j.Exists {
			c.Files["old"] = j.Bytes
		}
		c.Writes, c.Takes = true, j.patience()+starting
		result, err := h.Run(ctx, c)
		if err = explainExit(err); errors.Is(err, ErrChanged) && try < 3 {
			continue
		}
		if err != nil {
			return s, err
		}
		return parseSurvey(result.Records), nil
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
		return j.Plist != nil && plist.Equal(j.Plist, seen.File)
	}
}

// starting is how long a script may wait for launchd besides: to take a job, when it says that the old one still drains, and to
// start it.
const starting = 10 * time.Second

// patience is how long to wait for the job's end: the time that launchd gives it before SIGKILL, and 15 seconds. A job may be
// given for ever (0), which we cut at a minute.
func (j *Job) patience() time.Duration {
	seconds := 5
	if j.Loaded != nil {
		if n, err := strconv.Atoi(j.Loaded.fields["exit timeout"]); err == nil && n > seconds {
			seconds = n
		} else if err == nil && n == 0 {
			seconds = 45
		}
	}
	return time.Duration(seconds+15) * time.Second
}

// halfSeconds is how often a script waits for half a second.
func halfSeconds(d time.Duration) string { return strconv.Itoa(int(d / (time.Second / 2))) }

func word(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
