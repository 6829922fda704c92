package pfctl

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/macos-fleet/terraform-provider-macos/internal/remote"
)

//go:embed check.sh
var checkScript string

//go:embed load.sh
var loadScript string

//go:embed remove.sh
var removeScript string

// What the scripts' exit statuses mean. Unless said otherwise, nothing has changed on the Mac.
var (
	ErrChanged     = errors.New("the anchor is not as it was when this was planned")
	ErrConfChanged = errors.New("/etc/pf.conf was changed by somebody else at the same moment")
	ErrRefused     = errors.New("pfctl refuses the rules")
	ErrConfRefused = errors.New("pfctl refuses the main ruleset, /etc/pf.conf")
	ErrDisk        = errors.New("a file could not be written")
	ErrLoad        = errors.New("pfctl could not load the rules")
	ErrNotRestored = errors.New("loading failed halfway, and what was there before could not be put back")
	ErrRemove      = errors.New("the anchor was removed only in part")
	ErrConfDisk    = errors.New("/etc/pf.conf could not be written")
)

var exits = map[int]error{
	20: ErrChanged, 21: ErrConfChanged, 22: ErrRefused, 23: ErrConfRefused, 24: ErrDisk, 25: ErrLoad, 26: ErrNotRestored,
	27: ErrRemove, 28: ErrConfDisk,
}

// explainExit adds to a script's failure what its exit status stands for.
func explainExit(err error) error {
	var exit *remote.ExitError
	if errors.As(err, &exit) && exits[exit.Exit] != nil {
		return fmt.Errorf("%w: %w", exits[exit.Exit], err)
	}
	return err
}

// validName is an anchor name that pfctl, a file name and a quoted string in pf.conf all take as it is. pfctl refuses
// names that begin with "_"; PF_ANCHOR_NAME_SIZE is 64, with its NUL.
var validName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}(/[A-Za-z0-9][A-Za-z0-9._-]{0,62})*$`)

// CheckName returns why an anchor of this name cannot be managed, or nil.
func CheckName(name string) error {
	switch {
	case !validName.MatchString(name):
		return errors.New("an anchor name is made of parts joined by \"/\", each of 1 to 63 letters, digits, dots, hyphens " +
			"and underscores, beginning with a letter or a digit")
	case len(FileOf(name)) > len(anchorsDir)+200:
		return errors.New("an anchor name can have 200 characters")
	case strings.EqualFold(name, "com.apple"):
		return errors.New("com.apple is macOS's own anchor; a name below it, such as com.apple/250.mine, is free")
	case strings.HasPrefix(name, "com.apple/") && strings.Count(name, "/") > 1:
		return errors.New("macOS calls com.apple/*, which reaches the anchors directly under com.apple/ and none below those")
	case strings.EqualFold(name, "com.apple/200.AirDrop"), strings.EqualFold(name, "com.apple/250.ApplicationFirewall"):
		return errors.New("this anchor belongs to macOS")
	}
	return nil
}

// Reached is true for a name that the stock /etc/pf.conf calls, so that the anchor needs no lines there; what it does not
// do is load the anchor's file at boot, which is the boot job's work.
func Reached(name string) bool { return strings.HasPrefix(name, "com.apple/") }

// Seen is an anchor as a plan saw it. The zero value is an anchor that is not there.
type Seen struct {
	Exists bool
	Text   string
	Loaded []string
}

// Check asks the Mac what the rules would load to. A refusal is in the result's Err, an error is anything else.
func Check(ctx context.Context, h *remote.Host, name, rules string) (Rules, error) {
	result, err := h.Run(ctx, remote.Cmd{
		Script: checkScript, Args: []string{name}, Files: map[string][]byte{"rules": []byte(Terminated(rules))},
	})
	if err != nil {
		return Rules{}, fmt.Errorf("pfctl: checking the rules of %s: %w", name, err)
	}
	return checked(result.Records), nil
}

// checked reads what check.sh printed.
func checked(records []remote.Record) Rules {
	var r Rules
	for _, record := range records {
		switch {
		case record.Key == "check":
			r = asLoaded(record.Body)
		case record.Key == "checked" && record.Args != "0" && r.Err == nil:
			r.Err = &SyntaxError{Messages: []Message{{Text: "pfctl ended with exit " + record.Args + " and no message"}}}
		}
	}
	return r
}

// Terminated is the text with a newline at its end, which pfctl demands.
func Terminated(rules string) string {
	if !strings.HasSuffix(rules, "\n") {
		rules += "\n"
	}
	return rules
}

// Change is what has to be done so that an anchor is as wanted.
type Change struct {
	Kernel  bool     // load the rules
	Missing []string // calls that the main ruleset lacks, so that it must be loaded
	main    bool     // load the main ruleset: for Missing, or because a call goes and nothing else would
	conf    Conf     // /etc/pf.conf as it will be
}

// Plan says what Apply would do on a Mac as surveyed, with rules that load to want.
func (s *Survey) Plan(name string, want Rules) Change {
	file := FileOf(name)
	if Reached(name) {
		file = "" // the boot job loads it
	}
	c := Change{Kernel: !s.Anchor(name).holds(want), conf: s.Conf.With(name, file, want.kinds())}
	loaded := s.Calls(name)
	for _, kind := range want.kinds() {
		if !slices.Contains(loaded, kind) {
			c.Missing = append(c.Missing, kind)
		}
	}
	c.main = len(c.Missing) > 0 || c.conf != s.Conf && len(s.Lost) == 0
	return c
}

// Drift says, in words for a person, how the anchor is not as it should be, beyond its text and its loaded rules.
func (s *Survey) Drift(name string) []string {
	a := s.Anchor(name)
	var drift []string
	if a.Exists && a.Mode&0o7777 != 0o644 || a.Exists && a.Owner != "0:0" {
		drift = append(drift, fmt.Sprintf("%s has mode %04o and owner %s instead of 0644 and 0:0 (root:wheel)",
			a.File, a.Mode&0o7777, a.Owner))
	}
	if a.Exists && a.Text != Terminated(a.Text) {
		drift = append(drift, a.File+" lacks its last newline, so pfctl would refuse it at boot")
	}
	drift = append(drift, a.tableDrift()...)
	if yes, _ := s.Conf.loads(name, a.File); yes && !a.Exists {
		drift = append(drift, "/etc/pf.conf loads "+a.File+", which does not exist, so the Mac would boot without its main ruleset")
	}
	loaded := s.Calls(name)
	for _, kind := range a.Expected.kinds() {
		if !slices.Contains(loaded, kind) {
			drift = append(drift, fmt.Sprintf("not called: the main ruleset has no %s that reaches it, so its rules have no effect", kind))
		}
		if !s.Conf.calls(kind, name) {
			drift = append(drift, fmt.Sprintf("/etc/pf.conf has no %s that reaches it, so a reboot would end its effect", kind))
		}
	}
	if yes, _ := s.Conf.loads(name, a.File); !yes && !Reached(name) {
		drift = append(drift, "/etc/pf.conf does not load "+a.File+", so it would be empty after a reboot")
	}
	return drift
}

// Apply makes the anchor hold the rules, on disk, in the kernel and called, and returns the anchor's Mac as it is then:
// a Survey that knows no other anchor. An anchor that is neither as seen nor as wanted is ErrChanged, with the Mac as found.
func Apply(ctx context.Context, h *remote.Host, name, rules string, seen Seen) (*Survey, error) {
	done, err := h.Alone(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	file := Terminated(rules)
	for try := 0; ; try++ {
		result, err := h.Run(ctx, remote.Cmd{
			Script: surveyScript + checkScript, Args: []string{name}, Files: map[string][]byte{"rules": []byte(file)},
		})
		if err != nil {
			return nil, fmt.Errorf("pfctl: reading %s: %w", name, err)
		}
		s, want := parseSurvey(result.Records), checked(result.Records)
		if want.Err != nil {
			return s, fmt.Errorf("pfctl: loading %s: %w: %w", name, ErrRefused, want.Err)
		}
		a := s.Anchor(name)
		if a.Link || !seen.text(a, file) || !seen.rules(a) && !want.Matches(a.Loaded) {
			return s, fmt.Errorf("pfctl: loading %s: %w", name, ErrChanged)
		}
		c := s.Plan(name, want)
		loaded, err := s.write(ctx, h, loadScript, a, yesNo(c.Kernel), c, map[string][]byte{
			"rules":     []byte(file),
			"old.rules": text(a.Loaded),
			"undo":      a.undo(),
		})
		if errors.Is(err, ErrConfChanged) && try < 3 || errors.Is(err, ErrChanged) && try < 1 {
			continue // somebody came in between: look again
		}
		if err != nil {
			return nil, fmt.Errorf("pfctl: loading %s: %w", name, err)
		}
		return loaded, nil
	}
}

// text reports whether the file is as it was seen, or already as it will be. A state cannot hold every byte that a file can,
// nor tell whether the last line had its newline.
func (seen Seen) text(a *Anchor, want string) bool {
	text := Terminated(strings.ToValidUTF8(a.Text, "\uFFFD"))
	return a.Exists == seen.Exists && (!a.Exists || text == Terminated(seen.Text)) || a.Exists && a.Text == want
}

// rules reports whether the loaded rules are as they were seen, or those of the file, which were loaded since.
func (seen Seen) rules(a *Anchor) bool {
	return sameRules(a.Loaded, seen.Loaded) || a.Exists && (a.Expected.Matches(a.Loaded) || a.booted.Matches(a.Loaded))
}

// undo is a text that loads what the kernel holds now: the file, if that is where it came from, since tables and macros
// are only there.
func (a *Anchor) undo() []byte {
	if a.Exists && a.Expected.Matches(a.Loaded) {
		return []byte(a.Text)
	}
	return loadable(a.Loaded)
}

// Remove takes away the anchor's rules, its file and our lines about it. The main ruleset is loaded again only if that
// drops nothing but the call; otherwise the call stays until the next boot, and calls an anchor without rules.
// An anchor that is not there is no error. One that is not as seen is ErrChanged, with the Mac as found; what was lost of
// it meanwhile does not count, since it is to go anyway.
func Remove(ctx context.Context, h *remote.Host, name string, seen Seen) (*Survey, error) {
	done, err := h.Alone(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	for try := 0; ; try++ {
		s, err := look(ctx, h, name)
		if err != nil {
			return nil, err
		}
		a := s.Anchor(name)
		if a.Link || a.Exists && !seen.text(a, seen.Text) || len(a.Loaded) > 0 && !seen.rules(a) {
			return s, fmt.Errorf("pfctl: removing %s: %w", name, ErrChanged)
		}
		c := Change{conf: s.Conf.Without(name)}
		c.main = c.conf != s.Conf && len(s.Lost) == 0
		_, foreign := c.conf.loads(name, a.File)
		removed, err := s.write(ctx, h, removeScript, a, yesNo(foreign), c, map[string][]byte{})
		if errors.Is(err, ErrConfChanged) && try < 3 || errors.Is(err, ErrChanged) && try < 1 {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("pfctl: removing %s: %w", name, err)
		}
		return removed, nil
	}
}

// write runs load.sh or remove.sh, which check that the anchor and pf.conf still are as s found them, and reads back.
func (s *Survey) write(
	ctx context.Context, h *remote.Host, script string, a *Anchor, third string, c Change, files map[string][]byte,
) (*Survey, error) {
	if a.Exists {
		files["old"] = []byte(a.Text)
	}
	files["conf.old"], files["conf"] = []byte(s.Conf), []byte(c.conf)
	files["conf.undo"], files["conf.load"] = []byte(s.Conf.withoutLoads()), []byte(c.conf.withoutLoads())
	conf := "no"
	switch {
	case c.main:
		conf = "main"
	case c.conf != s.Conf:
		conf = "yes"
	}
	result, err := h.Run(ctx, remote.Cmd{
		Script: script + surveyScript, Args: []string{a.Name, a.File, third, conf}, Files: files, Writes: true,
	})
	if err != nil {
		return nil, explainExit(err)
	}
	return parseSurvey(result.Records), nil
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
