package macsim

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/macos-fleet/terraform-provider-macos/internal/plist"
)

const (
	daemonsDir = "/Library/LaunchDaemons"
	agentsDir  = "/Library/LaunchAgents"
)

// launchdState is launchd: its system domain, and those of the users, see Mac.LogIn. What time does to a job is
// worked out when somebody looks. A job whose program exists on this Mac (or is a script in its file tree) is really run, as
// root and in the folder /, is sent real signals, and is started again by KeepAlive; any other executable file is taken to be running, see
// Job, and stays ended once it has ended. Not modelled: starting a job at an interval, by a calendar, a changed path or a socket; users,
// limits, and that launchd waits longer from crash to crash. When a job's program ends, launchd ends what that has started, or leaves it
// alone with AbandonProcessGroup; a program that a signal ends takes what it has started along in any case.
type launchdState struct {
	mu       sync.Mutex
	mac      *Mac
	jobs     map[string]*job            // by target, as in system/com.acme.agent
	disabled map[string]map[string]bool // the disabled stores, by storeFile: what was said of a label, and wins over its property list
	screen   []int                      // the users who are logged in at the screen; the first has the console
	behavior map[string]Job
	ways     Launchd
}

// Launchd is how launchd differs from one Mac to another, beyond the version of macOS. The zero value is the usual way.
type Launchd struct {
	Hangs  []string // subcommands of launchctl that never return, and do nothing
	Frank  bool     // that a job is draining is said: bootout of one by 36, bootstrap by 37, where the usual answers are 0 and 5
	Vague  bool     // a disabled job, bad ownership and a bad property list are refused with 5 instead of a number of their own
	Stuck  bool     // kickstart of a job whose program could not be started never returns
	Unable bool     // no program can be started: the job is loaded, and in the penalty box
	Late   bool     // no job is started when it is loaded, although its property list says so; kickstart starts it
	Early  bool     // at boot, what is in /Library/LaunchDaemons is loaded before what macOS brings along: nothing orders the two
	Denied []string // labels that are not loaded at boot because the background items in System Settings do not allow them
	Extra  string   // what print adds at the end of a job, as it is: fields that nobody knows
}

// SetLaunchd sets how launchd behaves from now on.
func (m *Mac) SetLaunchd(ways Launchd) {
	m.launchd.mu.Lock()
	defer m.launchd.mu.Unlock()
	m.launchd.ways = ways
}

// SetJob says how the job's program behaves from its next start or stop on. It then need not exist.
func (m *Mac) SetJob(label string, j Job) {
	m.launchd.mu.Lock()
	defer m.launchd.mu.Unlock()
	if m.launchd.behavior == nil {
		m.launchd.behavior = map[string]Job{}
	}
	m.launchd.behavior[label] = j
}

// RegisterAppJob loads a daemon as an app does that brings it along (SMAppService): launchd says that ServiceManagement manages it.
func (m *Mac) RegisterAppJob(path, text string) error {
	v, err := plist.Decode([]byte(text))
	dict, ok := v.(plist.Dict)
	if err == nil && !ok {
		err = fmt.Errorf("%s is no dictionary", path)
	}
	if err != nil {
		return err
	}
	j := newJob("system", path, dict)
	j.app = true
	m.launchd.mu.Lock()
	defer m.launchd.mu.Unlock()
	m.launchd.jobs[j.target()] = j
	return nil
}

// boot forgets all jobs, and loads those that are in their folders, as at a start of the Mac.
func (l *launchdState) boot(m *Mac) {
	l.mu.Lock()
	l.mac, l.jobs, l.disabled, l.screen = m, map[string]*job{}, map[string]map[string]bool{}, nil
	l.mu.Unlock()
	m.setConsole(0)
	dirs := []string{"/System/Library/LaunchDaemons", daemonsDir}
	if l.ways.Early {
		slices.Reverse(dirs)
	}
	l.loadAll("system", dirs...)
}

// loadAll loads what is in the folders of a domain, as at a start of the Mac or a login.
func (l *launchdState) loadAll(domain string, dirs ...string) {
	for _, dir := range dirs {
		names, _ := l.mac.files.List(dir)
		for _, name := range names {
			l.bootJob(domain, dir+"/"+name)
		}
	}
}

func (l *launchdState) bootJob(domain, file string) {
	m := l.mac
	if i, err := m.files.Lstat(file); err != nil || i.StMode&modeType == modeLink && m.major() >= 14 || !strings.HasSuffix(file, ".plist") {
		return
	}
	l.mu.Lock()
	j, code := l.load(domain, file)
	denied := j != nil && slices.Contains(l.ways.Denied, j.label)
	if denied {
		delete(l.jobs, j.target())
	}
	l.mu.Unlock()
	if code == 0 && !denied && !strings.HasPrefix(file, "/System/") {
		l.startLoaded(j)
	}
}

// store is the disabled store of a domain, read when it is first asked for: a user's domains share one. The caller holds l.mu.
func (l *launchdState) store(domain string) map[string]bool {
	file := storeFile(domain)
	if l.disabled[file] == nil {
		l.disabled[file] = readStore(l.mac, domain)
	}
	return l.disabled[file]
}

func storeFile(domain string) string {
	name := "/private/var/db/com.apple.xpc.launchd/disabled"
	if _, uid, user := strings.Cut(domain, "/"); user {
		name += "." + uid
	}
	return name + ".plist"
}

// readStore is what the disabled store says; without a file, what macOS begins with when Remote Login is on.
func readStore(m *Mac, domain string) map[string]bool {
	store := map[string]bool{}
	if domain == "system" {
		store = map[string]bool{"com.apple.ftpd": true, "com.openssh.sshd": false}
	}
	text, err := m.files.Read(storeFile(domain))
	if err != nil {
		return store
	}
	v, _ := plist.Decode([]byte(text))
	dict, _ := v.(plist.Dict)
	clear(store)
	for _, e := range dict {
		store[e.Key], _ = e.Value.(bool)
	}
	return store
}

// setDisabled writes the store. Labels that launchd never heard of are taken as well.
func (l *launchdState) setDisabled(domain, label string, disabled bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	store := l.store(domain)
	store[label] = disabled
	dict := plist.Dict{}
	for _, k := range slices.Sorted(maps.Keys(store)) {
		dict = append(dict, plist.Entry{Key: k, Value: store[k]})
	}
	text, err := plist.Encode(dict)
	if err != nil {
		return err
	}
	return l.mac.files.Write(storeFile(domain), string(text))
}

// load takes a property list into a domain and returns its job, or launchd's error number. The caller holds l.mu.
func (l *launchdState) load(domain, file string) (*job, int) {
	m := l.mac
	i, err := m.files.Stat(file)
	if err != nil || i.IsDir() {
		return nil, 5
	}
	if i.UID != 0 && i.UID != userOf(domain) || i.StMode&0o022 != 0 {
		return nil, l.vague(122)
	}
	if _, quarantined := m.files.Xattr(file, "com.apple.quarantine"); quarantined && m.major() >= 27 {
		return nil, 5
	}
	text, err := m.files.Read(file)
	if err != nil {
		return nil, 5
	}
	v, err := plist.Decode([]byte(text))
	dict, ok := v.(plist.Dict)
	if err != nil || !ok {
		return nil, l.vague(109)
	}
	j := newJob(domain, file, dict)
	l.advance()
	disabled, said := l.store(domain)[j.label]
	switch held := l.jobs[j.target()]; {
	case j.label == "":
		return nil, 110
	case j.program() == "":
		return nil, 111
	case said && disabled, !said && j.is("Disabled"):
		return nil, l.vague(119)
	case !j.fits():
		return nil, 134
	case held != nil && !l.ways.Frank && (held.dying || m.major() >= 26):
		return nil, 5
	case held != nil:
		return nil, 37
	}
	l.jobs[j.target()] = j
	return j, 0
}

func (l *launchdState) vague(code int) int {
	if l.ways.Vague {
		return 5
	}
	return code
}

// advance removes the jobs that were booted out and whose processes have gone by now. The caller holds l.mu.
func (l *launchdState) advance() {
	now := l.mac.now()
	for target, j := range l.jobs {
		if j.dying && !j.gone.IsZero() && !now.Before(j.gone) {
			delete(l.jobs, target)
		}
	}
}

// find returns the job of a target; nil when launchd holds none. The caller holds l.mu.
func (l *launchdState) find(target string) *job {
	l.advance()
	return l.jobs[target]
}

// in are the jobs of a domain, by label. The caller holds l.mu.
func (l *launchdState) in(domain string) []*job {
	l.advance()
	var all []*job
	for _, target := range slices.Sorted(maps.Keys(l.jobs)) {
		if j := l.jobs[target]; j.domain == domain {
			all = append(all, j)
		}
	}
	return all
}

// bootout begins the end of a job, and returns at once, as launchd does. Of a job that is draining already it says so.
func (l *launchdState) bootout(target string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch j := l.find(target); {
	case j == nil:
		return 3
	case strings.HasPrefix(j.path, "/System/"):
		return 150
	case j.dying && (l.ways.Frank || l.mac.major() < 11):
		return 36
	case !j.dying:
		j.dying = true
		if j.run != nil {
			l.terminate(j)
			return 0
		}
		j.killed, j.gone = j.stop(l.mac.now(), l.behavior[j.label].Drain)
		l.advance()
	}
	return 0
}

// major is the first number of the version.
func (m *Mac) major() int { major, _ := m.versions(); return major }

func (m *Mac) versions() (major, minor int) {
	first, rest, _ := strings.Cut(m.Version, ".")
	second, _, _ := strings.Cut(rest, ".")
	major, _ = strconv.Atoi(first)
	minor, _ = strconv.Atoi(second)
	return major, minor
}

// text is launchd's state: what was loaded or enabled or disabled beyond what macOS brings along. Nothing in it depends on time,
// except that a job may be draining.
func (l *launchdState) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mac == nil {
		return ""
	}
	l.advance()
	var b strings.Builder
	for _, target := range slices.Sorted(maps.Keys(l.jobs)) {
		j := l.jobs[target]
		if strings.HasPrefix(j.path, "/System/") {
			continue
		}
		state := j.state(l.mac.now())
		if j.ended != neverExited && j.pid == 0 {
			state += ", " + j.ended
		}
		fmt.Fprintf(&b, "%s, loaded from %s, %s\n%s", strings.TrimPrefix(target, "system/"), j.path, state, indent(j.definition())+"\n")
	}
	l.store("system")
	stock := map[string]bool{"com.apple.ftpd": true, "com.openssh.sshd": false}
	for _, file := range slices.Sorted(maps.Keys(l.disabled)) {
		for _, label := range slices.Sorted(maps.Keys(l.disabled[file])) {
			disabled := l.disabled[file][label]
			if was, ok := stock[label]; ok && was == disabled && file == storeFile("system") {
				continue
			}
			word := "enabled"
			if disabled {
				word = "disabled"
			}
			if file != storeFile("system") {
				label = path.Base(file) + ": " + label
			}
			fmt.Fprintf(&b, "%s, %s\n", label, word)
		}
	}
	return strings.TrimSuffix(b.String(), "\n")
}
