package macsim

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// auditSession is the number of the audit session at the screen, whoever's it is.
const auditSession = 100020

// userOf is the user of a domain; root's is system.
func userOf(domain string) int {
	_, id, _ := strings.Cut(domain, "/")
	uid, _ := strconv.Atoi(id)
	return uid
}

// LogIn has a user log in at the screen, or switch to it when he is logged in: launchd makes the domain gui/UID and loads the agents
// there. A restart of the Mac logs everybody out.
func (m *Mac) LogIn(name string) error {
	i := slices.IndexFunc(m.users, func(u user) bool { return u.name == name })
	if i < 0 {
		return fmt.Errorf("there is no user %s", name)
	}
	u, l := m.users[i], &m.launchd
	l.mu.Lock()
	known := slices.Contains(l.screen, u.uid)
	l.screen = slices.Insert(slices.DeleteFunc(l.screen, func(uid int) bool { return uid == u.uid }), 0, u.uid)
	l.mu.Unlock()
	m.setConsole(u.uid)
	if !known {
		l.loadAll(fmt.Sprintf("gui/%d", u.uid), "/System/Library/LaunchAgents", agentsDir, u.home+"/Library/LaunchAgents")
	}
	return nil
}

// LogOut ends a user's session at the screen, and all jobs in it. Of those that are left, whoever had the screen last has the console.
func (m *Mac) LogOut(name string) {
	l, console := &m.launchd, 0
	l.mu.Lock()
	for _, u := range m.users {
		if u.name == name {
			l.screen = slices.DeleteFunc(l.screen, func(uid int) bool { return uid == u.uid })
			for _, j := range l.in(fmt.Sprintf("gui/%d", u.uid)) {
				if j.run != nil {
					j.run.task.send(sigKILL)
				}
				delete(l.jobs, j.target())
			}
		}
	}
	if len(l.screen) > 0 {
		console = l.screen[0]
	}
	l.mu.Unlock()
	m.setConsole(console)
}

// setConsole makes the console the user's, root's when it shows the login window.
func (m *Mac) setConsole(uid int) { _ = m.files.Chown("/dev/console", uid, 0) }

// exists tells whether there is such a domain. That a person has a user domain before any process of his runs is not certain.
func (l *launchdState) exists(domain string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	kind, _, _ := strings.Cut(domain, "/")
	switch uid := userOf(domain); kind {
	case "system":
		return true
	case "gui":
		return slices.Contains(l.screen, uid)
	case "user":
		return slices.ContainsFunc(l.mac.users, func(u user) bool { return u.uid == uid && uid > 500 && uid < 1000 })
	}
	return false
}

// fits tells whether the job's LimitLoadToSessionType lets it be loaded in its domain; without one, it may be anywhere.
func (j *job) fits() bool {
	types := j.words("LimitLoadToSessionType")
	if one := j.word("LimitLoadToSessionType"); one != "" {
		types = []string{one}
	}
	if len(types) == 0 {
		return true
	}
	switch kind, _, _ := strings.Cut(j.domain, "/"); kind {
	case "gui":
		return slices.Contains(types, "Aqua")
	case "user":
		return slices.Contains(types, "Background")
	}
	return true
}
