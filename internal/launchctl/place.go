package launchctl

import (
	"errors"
	"regexp"
)

// Place is a folder that launchd loads jobs from, and for whom. The zero value is /Library/LaunchDaemons, whose jobs are the Mac's own.
type Place struct {
	// Agents is /Library/LaunchAgents: launchd loads its jobs for every user who logs in at the screen, into that user's domain gui/UID.
	Agents bool
	// User, of Agents, is whose folder Library/LaunchAgents it is. They are loaded for this user only, and the files are the user's own.
	User string
}

// FileOf is the path of a job's file; "" in a user's folder, which only the Mac knows: see [Job].
func (p Place) FileOf(label string) string {
	if dir := p.dir(); dir != "" {
		return dir + "/" + label + ".plist"
	}
	return ""
}

func (p Place) dir() string {
	switch {
	case p.User != "":
		return ""
	case p.Agents:
		return "/Library/LaunchAgents"
	}
	return "/Library/LaunchDaemons"
}

// args are those of survey.sh that say which place is meant.
func (p Place) args() []string {
	if p.Agents {
		return []string{"agents", p.User}
	}
	return []string{"daemons", ""}
}

var validUser = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,199}$`)

// CheckUser returns why a user of this name cannot have agents that are managed, or nil.
func CheckUser(name string) error {
	switch {
	case !validUser.MatchString(name):
		return errors.New("the short name of a user is made of letters, digits, dots, hyphens and underscores")
	case name == "root":
		return errors.New("root does not log in at the screen")
	}
	return nil
}
