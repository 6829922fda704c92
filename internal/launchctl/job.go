package launchctl

import (
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

// Matches reports whether the job's file means the same as the property list, and launchd holds just that.
func (j *Job) Matches(want plist.Value) bool {
	return j.Plist != nil && plist.Equal(j.Plist, want) && len(j.Drift()) == 0
}

// Install makes data, a property list with this label, the job's file, loads it, and returns the job's Mac as it is then: a
// Survey that knows no other job. Seen is the property list that the plan saw in the file, nil for no file: a file that
// means anything else is ErrChanged, with the Mac as found, unless it is what is wanted already. So is a job that is loaded
// without a file when seen is nil.
func Install(ctx context.Context, h *remote.Host, label string, data []byte, seen plist.Value) (*Survey, error) {
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
	case !j.as(seen) && !j.as(want):
		return s, fmt.Errorf("launchctl: installing %s: %w", label, ErrChanged)
	}
	dict, _ := want.(plist.Dict)
	run, _ := dict.Get("RunAtLoad").(bool)
	keep, _ := dict.Get("KeepAlive").(bool)
	disabled, _ := dict.Get("Disabled").(bool)
	reload := j.Loaded == nil || j.Loaded.Path != j.File || len(j.Loaded.differences(dict)) > 0 || !j.as(want)
	files := map[string][]byte{"plist": data}
	if j.Exists {
		files["old"] = j.Bytes
	}
	result, err := h.Run(ctx, remote.Cmd{
		Script: installScript + surveyScript, Files: files, Writes: true,
		Args: []string{label, j.File, word(reload), word(j.Disabled || disabled), j.patience(), word(reload && (run || keep))},
	})
	if err != nil {
		return nil, fmt.Errorf("launchctl: installing %s: %w", label, explainExit(err))
	}
	return parseSurvey(result.Records), nil
}

// as reports whether the file means v; nil is a file that does not exist, of a job that is not loaded either.
func (j *Job) as(v plist.Value) bool {
	if v == nil {
		return j.Gone()
	}
	return j.Exists && j.Plist != nil && plist.Equal(j.Plist, v)
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
// is no error. Seen is as in Install; a job that was loaded from another file is somebody else's, and stays loaded.
func Remove(ctx context.Context, h *remote.Host, label string, seen plist.Value) (*Survey, error) {
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
