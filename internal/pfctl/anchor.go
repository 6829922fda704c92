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
		Script: checkScript, Args: []string{name}, Files: map[string][]byte{"1.rules": []byte(Terminated(rules))},
	})
	if err != nil {
		return Rules{}, fmt.Errorf("pfctl: checking the rules of %s: %w", name, err)
	}
	return checked(result.Records)[name], nil
}

// checked reads what check.sh printed, by anchor.
func checked(records []remote.Record) map[string]Rules {
	all := map[string]Rules{}
	for _, record := range records {
		switch record.Key {
		case "check":
			all[record.Args] = asLoaded(record.Body)
		case "checked":
			name, status, _ := strings.Cut(record.Args, " ")
			if r := all[name]; status != "0" && r.Err == nil {
				r.Err = &SyntaxError{Messages: []Message{{Text: "pfctl ended with exit " + status + " and no message"}}}
				all[name] = r
			}
		}
	}
	return all
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
	a, kinds := s.Anchor(name), want.kinds()
	c := Change{Kernel: !a.holds(want), conf: s.with(name, file, kinds)}
	loaded := s.Calls(name)
	for _, kind := range kinds {
		if !slices.Contains(loaded, kind) {
			c.Missing = append(c.Missing, kind)
		}
	}
	c.main = len(c.Missing) > 0 || c.conf != s.Conf && len(s.Lost) == 0
	return c
}

// Drift says, in words for a person, how the anchor is not as it should be, beyond its text and its loaded rules.
func (s *Survey) Drift(name string) []string {
	a, conf := s.Anchor(name), s.read().all
	var drift []string
	if a.Exists && a.Mode&0o7777 != 0o644 || a.Exists && a.Owner != "0:0" {
		drift = append(drift, fmt.Sprintf("%s has mode %04o and owner %s instead of 0644 and 0:0 (root:wheel)",
			a.File, a.Mode&0o7777, a.Owner))
	}
	if a.Exists && a.Text != Terminated(a.Text) {
		drift = append(drift, a.File+" lacks its last newline, so pfctl would refuse it at boot")
	}
	drift = append(drift, a.tableDrift()...)
	if yes, _ := conf.loads(name, a.File); yes && !a.Exists {
		drift = append(drift, "/etc/pf.conf loads "+a.File+", which does not exist, so the Mac would boot without its main ruleset")
	}
	loaded := s.Calls(name)
	for _, kind := range a.Expected.kinds() {
		if !slices.Contains(loaded, kind) {
			drift = append(drift, fmt.Sprintf("not called: the main ruleset has no %s that reaches it, so its rules have no effect", kind))
		}
		if !conf.calls(kind, name) {
			drift = append(drift, fmt.Sprintf("/etc/pf.conf has no %s that reaches it, so a reboot would end its effect", kind))
		}
	}
	if yes, _ := conf.loads(name, a.File); !yes && !Reached(name) {
		drift = append(drift, "/etc/pf.conf does not load "+a.File+", so it would be empty after a reboot")
	}
	return drift
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
