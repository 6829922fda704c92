package launchctl

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

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
)

var exits = map[int]error{
	20: ErrChanged, 22: ErrRefused, 24: ErrDisk, 25: ErrLoad, 26: ErrNotRestored, 27: ErrDraining,
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
	// File is what the file means; nil: there is none; []byte: what it holds, when that is no property list.
	File plist.Value
	// Managed is true for a job that is ours, so that it may be loaded even without a file.
	Managed bool
}

// Content is the file, as Seen has it.
func (j *Job) Content() plist.Value {
	switch {
	case !j.Exists:
		return nil
	case j.Plist == nil:
		return j.Bytes
	default:
		return j.Plist
	}
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
// Survey that knows no other job. A job that is neither as seen nor as wanted is ErrChanged, with the Mac as found.
func Install(ctx context.Context, h *remote.Host, label string, data []byte, seen Seen) (*Survey, error) {
	want, err := plist.Decode(data)
	if err != nil {
		return nil, fmt.Errorf("launchctl: installing %s: %w: %w", label, ErrRefused, err)
	}
	s, err := look(ctx, h, label)
	if err != nil {
		return nil, err
	}
	j := s.Job(label)
	switch {
	case j.Foreign():
		return s, fmt.Errorf("launchctl: installing %s: %w", label, ErrForeign)
	case !j.as(seen) && !j.Adoptable(want):
		return s, fmt.Errorf("launchctl: installing %s: %w", label, ErrChanged)
	}
	dict, _ := want.(plist.Dict)
	run, _ := dict.Get("RunAtLoad").(bool)
	keep, _ := dict.Get("KeepAlive").(bool)
	disabled, _ := dict.Get("Disabled").(bool)
	reload := j.Loaded == nil || j.Loaded.Path != j.File || len(j.Loaded.differences(dict)) > 0 ||
		j.Plist == nil || !plist.Equal(j.Plist, want)
	enable := word(j.Disabled)
	if disabled && !j.Disabled {
		enable = "new"
	}
	files := map[string][]byte{"plist": data}
	if j.Exists {
		files["old"] = j.Bytes
	}
	result, err := h.Run(ctx, remote.Cmd{
		Script: installScript + surveyScript, Files: files, Writes: true,
		Args: []string{label, j.File, word(reload), enable, j.patience(), word(reload && (run || keep))},
	})
	if err != nil {
		return nil, fmt.Errorf("launchctl: installing %s: %w", label, explainExit(err))
	}
	return parseSurvey(result.Records), nil
}

// as reports whether the job is as it was seen. What launchd has loaded does not count, unless nothing was there at all.
func (j *Job) as(seen Seen) bool {
	switch file := seen.File.(type) {
	case nil:
		return !j.Exists && (seen.Managed || j.Loaded == nil)
	case []byte:
		return j.Exists && bytes.Equal(j.Bytes, file)
	default:
		return j.Plist != nil && plist.Equal(j.Plist, file)
	}
}

// patience is how many half seconds to wait for the job's end: the time that launchd gives it before SIGKILL, and 15 seconds.
// A job may be given for ever (0), which we cut at a minute.
func (j *Job) patience() string {
	seconds := 5
	if j.Loaded != nil {
		if n, err := strconv.Atoi(j.Loaded.fields["exit timeout"]); err == nil && n > seconds {
			seconds = n
		} else if err == nil && n == 0 {
			seconds = 45
		}
	}
	return strconv.Itoa(2 * (seconds + 15))
}

// Remove stops the job and removes its file. Whether it is disabled stays as it is: that flag outlives a job. A job that is not there
// is no error. A job that was loaded from another file is somebody else's, and stays loaded.
func Remove(ctx context.Context, h *remote.Host, label string, seen Seen) (*Survey, error) {
	s, err := look(ctx, h, label)
	if err != nil {
		return nil, err
	}
	j := s.Job(label)
	if j.Foreign() {
		return s, fmt.Errorf("launchctl: removing %s: %w", label, ErrForeign)
	}
	if j.Exists && !j.as(seen) {
		return s, fmt.Errorf("launchctl: removing %s: %w", label, ErrChanged)
	}
	files := map[string][]byte{}
	if j.Exists {
		files["old"] = j.Bytes
	}
	unload := j.Loaded != nil && j.Loaded.Path == j.File
	result, err := h.Run(ctx, remote.Cmd{
		Script: removeScript + surveyScript, Args: []string{label, j.File, word(unload), j.patience()}, Files: files, Writes: true,
	})
	if err != nil {
		return nil, fmt.Errorf("launchctl: removing %s: %w", label, explainExit(err))
	}
	return parseSurvey(result.Records), nil
}

func word(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
