package pfctl

import (
	"context"
	_ "embed"
	"fmt"
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/macos-fleet/terraform-provider-macos/internal/pf"
	"github.com/macos-fleet/terraform-provider-macos/internal/remote"
	"github.com/macos-fleet/terraform-provider-macos/internal/sysfacts"
)

//go:embed survey.sh
var surveyScript string

// Survey is pf on one Mac at one moment. It is shared by all who ask, and not to be changed.
type Survey struct {
	Enabled bool
	// Held is true when our own enable reference still counts: `pfctl -d`, by anybody, drops all of them.
	Held bool
	Conf Conf
	// NoConf is true when there is no /etc/pf.conf at all; ConfErr is what pfctl says against the one there is, which the Mac would
	// then boot without.
	NoConf  bool
	ConfErr *SyntaxError
	// Lost are the rules of the main ruleset that loading /etc/pf.conf would not bring back: what system services
	// inserted at run time.
	Lost []string

	kept    map[string]keptTable // the files of tables, by path
	main    []string             // the main ruleset as loaded: filter rules, then translation
	anchors map[string]*Anchor
	daemons []string // the launchd plists in /Library/LaunchDaemons that speak of pfctl, as XML

	// What rules meet there; see Planned.
	tables         map[string][]string // the addresses in the tables of the main ruleset
	interfaces     []pf.Interface      // nil: not known
	ways           []way
	client, server netip.AddrPort // the ends of our connection; zero: not known

	once sync.Once
	made *world // see world

	onceRead sync.Once
	reading  reading // see read
}

// Anchor is one anchor of a Mac, as found.
type Anchor struct {
	Name string

	File     string // its path; the rest about the file holds when Exists
	Exists   bool
	Text     string
	Mode     uint32 // st_mode, as `stat -f %p` has it
	Owner    string // uid:gid
	Expected Rules  // what Text would load to
	booted   Rules  // what it would load to at boot, with the optimizer, which macOS does not turn off there
	Link     bool   // its path is a symbolic link, whatever that leads to

	known  bool                // the kernel knows its name
	tables map[string][]string // the addresses in its tables
	Loaded []string            // what the kernel holds, as -sr and -sn print it; empty also when it knows no such anchor
}

// Rules is what a text would load to, or why it would not.
type Rules struct {
	Lines    []string // as -sr and then -sn will print them, see asLoaded
	Exact    bool     // Lines are the very words; otherwise a call of another anchor may be printed in fuller words
	Tables   []string // the text's tables, as -nv prints them
	Set      []string // the text's `set` lines, which have no effect in an anchor
	Inline   bool     // the text has an anchor with a body in braces
	Dummynet bool     // the text has dummynet rules, which -sr and -sn do not show
	Err      *SyntaxError
}

// Gone is true when the anchor has neither rules nor a file.
func (a *Anchor) Gone() bool { return !a.Exists && !a.Link && len(a.Loaded) == 0 }

// Gone is true when nothing of the anchor is left, in /etc/pf.conf neither.
func (s *Survey) Gone(name string) bool {
	return s.Anchor(name).Gone() && s.Conf.Without(name) == s.Conf
}

// holds reports whether the kernel holds what a text loads to: these rules, or, for the file's own text, what the optimizer made of
// them at boot; and the tables that it fills.
func (a *Anchor) holds(want Rules) bool {
	booted := slices.Equal(a.Expected.Lines, want.Lines) && a.booted.Matches(a.Loaded)
	return (want.Matches(a.Loaded) || booted) && slices.Equal(a.Expected.Tables, want.Tables) && len(a.tableDrift()) == 0
}

// tableDrift says which tables hold other addresses than the file fills them with.
func (a *Anchor) tableDrift() []string {
	var drift []string
	tables := a.Expected.tables()
	for _, name := range slices.Sorted(maps.Keys(tables)) {
		want, is := slices.Sorted(slices.Values(tables[name])), slices.Sorted(slices.Values(a.tables[name]))
		if len(a.Loaded) > 0 && !slices.Equal(want, is) {
			drift = append(drift, fmt.Sprintf("table <%s> holds { %s } instead of { %s }", name, strings.Join(is, " "), strings.Join(want, " ")))
		}
	}
	return drift
}

// Look returns pf as it is on h, and how that is connected, by two remote calls that all who ask share and that are sent together; see
// [remote.AskAhead].
func Look(ctx context.Context, h *remote.Host) (*Survey, error) {
	return remote.AskAhead(ctx, h, question, lookAround)
}

// Foresee has the Macs of a fleet asked what [Look] asks, see [remote.Foresee].
func Foresee(f *remote.Fleet) { remote.Foresee(f, question, lookAround) }

// question is the name of what Look asks.
const question = "pf"

func lookAround(ctx context.Context, h *remote.Host) (*Survey, error) {
	ask := func(ctx context.Context, h *remote.Host) (*Survey, error) { return look(ctx, h) }
	s, network, err := remote.Both(ctx, h, ask, sysfacts.LookAtNetwork)
	if err != nil {
		return nil, err
	}
	s.connect(network)
	return s, nil
}

// look asks pf alone, for all anchors, or for some.
func look(ctx context.Context, h *remote.Host, names ...string) (*Survey, error) {
	result, err := h.Run(ctx, remote.Cmd{Script: surveyScript, Args: names})
	if err != nil {
		return nil, fmt.Errorf("pfctl: reading pf: %w", err)
	}
	return parseSurvey(result.Records), nil
}

// Anchor returns the anchor as found; never nil.
func (s *Survey) Anchor(name string) *Anchor {
	if a := s.anchors[name]; a != nil {
		return a
	}
	return &Anchor{Name: name, File: FileOf(name)}
}

// Calls are the kinds of call by which the main ruleset, as the kernel holds it, reaches the anchor.
func (s *Survey) Calls(name string) []string {
	var kinds []string
	for _, call := range s.read().called {
		if kind := call.words[0]; reaches(call.words[1], name) && !slices.Contains(kinds, kind) {
			kinds = append(kinds, kind)
		}
	}
	return kinds
}

var (
	callLine  = regexp.MustCompile(`^((?:scrub-|nat-|rdr-|binat-|dummynet-)?anchor) "([^"]+)"`)
	tokenRow  = regexp.MustCompile(`^\d+\s+\S.*?\s(\d+)\s+\d+ days`)
	enablesPF = regexp.MustCompile(`pfctl</string>(?s:.*)<string>-[a-zA-Z]*[eE]\w*</string>|pfctl\s[^<]*-[a-zA-Z]*[eE]\b`)
)

// EnabledAtBoot reports whether a job in /Library/LaunchDaemons runs pfctl with -e or -E. What a program does that such a
// job starts is not seen, nor whether the job is disabled.
func (s *Survey) EnabledAtBoot() bool {
	return slices.ContainsFunc(s.daemons, enablesPF.MatchString)
}

// LoadedAtBoot reports whether the anchor's file is loaded at boot: by a line in /etc/pf.conf, or by a job in
// /Library/LaunchDaemons that names the file, or all files of anchors under com.apple/ as [BootScript] does.
func (s *Survey) LoadedAtBoot(name string) bool {
	if yes, _ := s.read().all.loads(name, FileOf(name)); yes {
		return true
	}
	return slices.ContainsFunc(s.daemons, func(plist string) bool {
		return strings.Contains(plist, FileOf(name)) || Reached(name) && strings.Contains(plist, anchorsDir+"com.apple:*")
	})
}

func parseSurvey(records []remote.Record) *Survey {
	s := &Survey{anchors: map[string]*Anchor{}, kept: map[string]keptTable{}, NoConf: true}
	anchor := func(name string) *Anchor {
		if s.anchors[name] == nil {
			s.anchors[name] = &Anchor{Name: name, File: FileOf(name)}
		}
		return s.anchors[name]
	}
	var tokens []string
	var token string
	for _, r := range records {
		switch r.Key {
		case "info":
			s.Enabled = strings.HasPrefix(string(r.Body), "Status: Enabled")
		case "references":
			for _, line := range lines(r.Body) {
				if row := tokenRow.FindStringSubmatch(line); row != nil {
					tokens = append(tokens, row[1])
				}
			}
		case "token":
			token = strings.TrimSpace(string(r.Body))
		case "main":
			s.main = append(s.main, rulesOf(r.Body)...)
		case "conf":
			s.Conf, s.NoConf = Conf(r.Body), false
		case "conf-loads":
			if want := asLoaded(r.Body); want.Err != nil {
				s.ConfErr = want.Err
			} else {
				statements := s.Conf.statements()
				s.Lost = slices.DeleteFunc(slices.Clone(s.main), func(line string) bool {
					if call := callLine.FindStringSubmatch(line); call != nil {
						return statements.hasCall(call[1], call[2])
					}
					return slices.Contains(want.Lines, line)
				})
			}
		case "daemon":
			s.daemons = append(s.daemons, string(r.Body))
		case "filter", "nat": // filter comes first
			a := anchor(r.Args)
			a.known = true
			a.Loaded = append(a.Loaded, rulesOf(r.Body)...)
		case "file":
			fields := strings.SplitN(r.Args, " ", 3)
			if len(fields) < 3 {
				continue
			}
			a := anchor(nameOf(fields[2]))
			mode, _ := strconv.ParseUint(fields[0], 8, 32)
			a.Exists, a.Text, a.Mode, a.Owner = true, string(r.Body), uint32(mode), fields[1]
		case "loads":
			anchor(nameOf(r.Args)).Expected = asLoaded(r.Body)
		case "boots":
			anchor(nameOf(r.Args)).booted = asLoaded(r.Body)
		case "link":
			anchor(nameOf(r.Args)).Link = true
		case "table-file":
			fields := strings.SplitN(r.Args, " ", 3)
			if len(fields) < 3 {
				continue
			}
			mode, _ := strconv.ParseUint(fields[0], 8, 32)
			s.kept[fields[2]] = keptTable{text: string(r.Body), mode: uint32(mode), owner: fields[1]}
		case "table":
			table, name, _ := strings.Cut(r.Args, " ")
			tables := &s.tables
			if name != "" {
				tables = &anchor(name).tables
			}
			if *tables == nil {
				*tables = map[string][]string{}
			}
			(*tables)[table] = strings.Fields(strings.ReplaceAll(strings.Join(rulesOf(r.Body), "\n"), "! ", "!"))
		}
	}
	s.Held = token != "" && slices.Contains(tokens, token)
	return s
}

const anchorsDir = "/etc/pf.anchors/"

// Twin is an anchor whose file is this anchor's too, because the names differ only in case, which APFS does not tell apart; ""
// when there is none.
func (s *Survey) Twin(name string) string {
	for other, a := range s.anchors {
		if a.Exists && other != name && strings.EqualFold(other, name) {
			return other
		}
	}
	return ""
}

// FileOf is the path of an anchor's file. "/" becomes ":", which no anchor name of ours has.
func FileOf(name string) string { return anchorsDir + strings.ReplaceAll(name, "/", ":") }

func nameOf(file string) string {
	return strings.ReplaceAll(strings.TrimPrefix(file, anchorsDir), ":", "/")
}

// rulesOf are the rules in what -sr or -sn printed. pfctl says there too that there is no such anchor
// ("pfctl: DIOCGETRULES: Invalid argument", exit 0), which is the same as an anchor without rules.
func rulesOf(out []byte) []string {
	return slices.DeleteFunc(lines(out), func(line string) bool { return strings.HasPrefix(line, "pfctl: ") })
}

func lines(out []byte) []string {
	text := strings.TrimSuffix(string(out), "\n")
	if text == "" {
		return nil
	}
	return strings.Split(text, "\n")
}
