package macsim

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
)

func init() {
	programs(map[string]command{"/usr/bin/fdesetup": fdesetup, "/usr/bin/csrutil": csrutil, "/usr/bin/pmset": pmset})
}

// About is what a Mac says of itself. The zero value is a Mac mini with an M2, FileVault off and System Integrity Protection on.
type About struct {
	Model     string // "Mac14,3" if empty; one that begins with MacBook has a battery
	Chip      string // "Apple M2" if empty
	Intel     bool   // it is no Mac with Apple silicon
	FileVault string // what follows "FileVault is "; "Off." if empty
	SIP       string // the status of System Integrity Protection; "enabled." if empty
}

// hardware are the model, the chip and the architecture.
func (m *Mac) hardware() (model, chip, architecture string) {
	architecture = "arm64"
	if m.About.Intel {
		architecture = "x86_64"
	}
	return cmp.Or(m.About.Model, "Mac14,3"), cmp.Or(m.About.Chip, "Apple M2"), architecture
}

func fdesetup(_ context.Context, m *Mac, p *process) int {
	if len(p.Args) != 2 || p.Args[1] != "status" {
		return p.errorf("macsim: only fdesetup status is modelled")
	}
	fmt.Fprintln(p.Stdout, "FileVault is "+cmp.Or(m.About.FileVault, "Off."))
	return 0
}

func csrutil(_ context.Context, m *Mac, p *process) int {
	if len(p.Args) != 2 || p.Args[1] != "status" {
		return p.errorf("macsim: only csrutil status is modelled")
	}
	fmt.Fprintln(p.Stdout, "System Integrity Protection status: "+cmp.Or(m.About.SIP, "enabled."))
	return 0
}

// pmsetState is the power settings, by source: Battery Power and AC Power.
type pmsetState struct {
	mu       sync.Mutex
	sources  map[string]map[string]string
	disabled bool // disablesleep 1
}

// factorySettings are those that a Mac comes with. Which there are, and their order, differ from Mac to Mac; these were seen on some.
func (m *Mac) factorySettings() map[string]map[string]string {
	model, _, _ := m.hardware()
	ac := map[string]string{
		"Sleep On Power Button": "1", "standby": "0", "ttyskeepawake": "1", "hibernatemode": "0", "powernap": "1",
		"hibernatefile": "/var/vm/sleepimage", "displaysleep": "10", "womp": "1", "networkoversleep": "0", "sleep": "1", "tcpkeepalive": "1",
		"disksleep": "10",
	}
	if m.major() >= 12 {
		ac["lowpowermode"] = "0"
	}
	if !strings.HasPrefix(model, "MacBook") {
		ac["autorestart"] = "0"
		return map[string]map[string]string{"AC Power": ac}
	}
	battery := maps.Clone(ac)
	battery["womp"], battery["displaysleep"] = "0", "2"
	return map[string]map[string]string{"AC Power": ac, "Battery Power": battery}
}

// pmset shows settings with -g and -g custom, and root sets them: -a, -b (battery) or -c (charger), and then pairs of a name and a value.
func pmset(_ context.Context, m *Mac, p *process) int {
	s := &m.pmset
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sources == nil {
		s.sources = m.factorySettings()
	}
	args := p.Args[1:]
	switch {
	case slices.Equal(args, []string{"-g", "custom"}):
		for _, source := range []string{"Battery Power", "AC Power"} {
			if settings := s.sources[source]; settings != nil {
				fmt.Fprintf(p.Stdout, "%s:\n%s", source, settingLines(settings))
			}
		}
		return 0
	case slices.Equal(args, []string{"-g"}):
		fmt.Fprintln(p.Stdout, "System-wide power settings:")
		if s.disabled {
			fmt.Fprintln(p.Stdout, " SleepDisabled\t\t1")
		}
		fmt.Fprintf(p.Stdout, "Currently in use:\n%s", strings.Replace(settingLines(s.sources["AC Power"]), " sleep                1",
			" sleep                1 (sleep prevented by powerd)", 1))
		return 0
	case len(args) < 3 || len(args)%2 == 0 || !slices.Contains([]string{"-a", "-b", "-c"}, args[0]):
		return p.errorf("macsim: this use of pmset is not modelled")
	case p.UID != 0:
		fmt.Fprintln(p.Stderr, "'pmset' must be run as root...")
		return 77
	}
	for i := 1; i < len(args); i += 2 {
		if args[i] == "disablesleep" {
			s.disabled = args[i+1] == "1"
			continue
		}
		if _, err := strconv.Atoi(args[i+1]); err != nil {
			return p.errorf("macsim: pmset takes numbers here")
		}
		for source, settings := range s.sources {
			if _, has := settings[args[i]]; has && (args[0] == "-a" || (args[0] == "-b") == (source == "Battery Power")) {
				settings[args[i]] = args[i+1]
			}
		}
	}
	return 0
}

func settingLines(settings map[string]string) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		fmt.Fprintf(&b, " %-20s %s\n", name, settings[name])
	}
	return b.String()
}
