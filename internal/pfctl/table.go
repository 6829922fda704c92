package pfctl

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"github.com/macos-fleet/terraform-provider-macos/internal/pf"
	"github.com/macos-fleet/terraform-provider-macos/internal/remote"
	"github.com/macos-fleet/terraform-provider-macos/internal/watchdog"
)

//go:embed table.sh
var tableScript string

// Why the addresses of a table were not changed. The error wraps what happened, see ErrChanged.
var (
	ErrTableChanged = errors.New("the table is not as it was when this was planned")
	ErrTable        = errors.New("pfctl could not change the table")
)

// Table is a table of an anchor, as found. Its addresses are in the words of CanonicalAddress, sorted.
//
// The kernel forgets tables when the Mac is restarted. So the addresses stand in File as well, from which [BootScript] fills the table
// again; rules may do so, too, with `table <NAME> persist file "FILE"`.
type Table struct {
	Anchor, Name string
	Exists       bool // the kernel has it
	Addresses    []string

	File       string   // its path; the rest about the file holds when FileExists
	FileExists bool     //
	Kept       []string // the addresses in it
	Mode       uint32   // st_mode
	Owner      string   // uid:gid

	Used     bool // loaded rules of the anchor name it
	Constant bool // the anchor's rules declare it const, so that nobody can change it
	Filled   bool // the anchor's rules fill it themselves, whenever they are loaded
	AtBoot   bool // something fills it from File when the Mac is restarted
	Twin     string

	text string // of the file
}

const tablesDir = "/etc/pf.tables/"

// TableFile is the path of a table's file. "/" in the anchor's name becomes ":", and ":" stands before the table's.
func TableFile(anchor, name string) string {
	return tablesDir + strings.ReplaceAll(anchor, "/", ":") + ":" + name
}

// validTable is the name of a table. PF_TABLE_NAME_SIZE is 32, with its NUL.
var validTable = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.-]{0,30}$`)

// CheckTableName returns why a table of this name cannot be managed, or nil.
func CheckTableName(name string) error {
	if !validTable.MatchString(name) {
		return errors.New("a table's name is made of 1 to 31 letters, digits, dots, hyphens and underscores, beginning with a letter")
	}
	return nil
}

// CanonicalAddress is an address or a network as pfctl prints it: 10.1.2.3/8 is 10.0.0.0/8, 2001:DB8:0::1/128 is 2001:db8::1, and
// 10/8 is 10.0.0.0/8; "!" before it excepts it. Names of hosts and interfaces are refused, since what they stand for changes.
func CanonicalAddress(word string) (string, error) {
	bare := strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(word), "!"))
	addr, _, isNet := strings.Cut(bare, "/")
	_, err := netip.ParseAddr(addr)
	shorthand := isNet && addr != "" && strings.Trim(addr, "0123456789.") == ""
	if (err != nil || strings.Contains(addr, "%")) && !shorthand {
		return "", fmt.Errorf("%q is neither an IP address nor a network, such as 192.0.2.7, 10.0.0.0/8, 2001:db8::/32 or !10.0.0.1", word)
	}
	entries, err := pf.ParseEntries(&pf.Host{}, bare)
	if err != nil || len(entries) != 1 {
		return "", fmt.Errorf("%q is not an address or network that pfctl reads", word)
	}
	entries[0].Not = strings.HasPrefix(strings.TrimSpace(word), "!")
	return entries[0].String(), nil
}

// canonical are addresses as CanonicalAddress has them, sorted. What pfctl printed and cannot be read here stays as it is.
func canonical(words []string) []string {
	all := make([]string, 0, len(words))
	for _, word := range words {
		if a, err := CanonicalAddress(word); err == nil {
			word = a
		}
		all = append(all, word)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// keptTable is the file of a table, as found.
type keptTable struct {
	text  string
	mode  uint32
	owner string
}

// Table returns the table as found; never nil.
func (s *Survey) Table(anchor, name string) *Table {
	t := &Table{Anchor: anchor, Name: name, File: TableFile(anchor, name)}
	a := s.Anchor(anchor)
	var printed []string
	printed, t.Exists = a.tables[name]
	t.Addresses = canonical(printed)
	if f, ok := s.kept[t.File]; ok {
		t.FileExists, t.text, t.Mode, t.Owner = true, f.text, f.mode, f.owner
		t.Kept = canonical(addressesIn(f.text))
	}
	for file := range s.kept {
		if file != t.File && strings.EqualFold(file, t.File) {
			t.Twin = file
		}
	}
	t.Used = slices.ContainsFunc(a.Loaded, func(line string) bool { return strings.Contains(line, "<"+name+">") })
	for _, line := range a.Expected.Tables {
		if tableLine.FindStringSubmatch(line)[1] != name {
			continue
		}
		fromFile := strings.Contains(line, fmt.Sprintf("file %q", t.File))
		t.Constant = t.Constant || strings.Contains(line, " const")
		t.Filled = tableBody.MatchString(line) || strings.Contains(line, " file ") && !fromFile
		t.AtBoot = t.AtBoot || fromFile
	}
	t.AtBoot = t.AtBoot || slices.ContainsFunc(s.daemons, func(plist string) bool { return strings.Contains(plist, tablesDir) })
	return t
}

// addressesIn are the addresses of a file of them, as pfctl reads it.
func addressesIn(text string) []string {
	var all []string
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		all = append(all, strings.Fields(line)...)
	}
	return all
}

// Gone is true when nothing of the table is left.
func (t *Table) Gone() bool { return !t.Exists && !t.FileExists }

// Drift says, in words for a person, how the table is not as it should be, beyond its addresses. wanted are those that the file is to hold.
func (t *Table) Drift(wanted []string) []string {
	var drift []string
	switch wanted = canonical(wanted); {
	case !t.FileExists:
		drift = append(drift, t.File+" does not exist, so the table would be empty after a reboot")
	case !slices.Equal(t.Kept, wanted):
		drift = append(drift, fmt.Sprintf("%s holds %d addresses that are not these %d, so the table would be another after a reboot", t.File, len(t.Kept), len(wanted)))
	}
	if t.FileExists && (t.Mode&0o7777 != 0o644 || t.Owner != "0:0") {
		drift = append(drift, fmt.Sprintf("%s has mode %04o and owner %s instead of 0644 and 0:0 (root:wheel)", t.File, t.Mode&0o7777, t.Owner))
	}
	return drift
}

// A TableChange is what a resource wants of a table.
type TableChange struct {
	Anchor, Name string
	// Want are the addresses that it is to hold: these and no others if Exclusive, else these beside whatever others put there.
	Want      []string
	Exclusive bool
	// Seen are those that the plan saw: all of them if Exclusive, else those of them that are ours. If Exclusive, a table that holds others
	// than these, unless it lacks nothing but some of Want, is ErrTableChanged.
	Seen []string
	// Gone is the end of the table, or of our part of it.
	Gone bool
}

// After are the addresses that a table holds once the change is made.
func (c TableChange) After(t *Table) []string {
	want := canonical(c.Want)
	switch {
	case c.Exclusive && c.Gone:
		return nil
	case c.Exclusive:
		return want
	}
	add, gone := c.patch(t)
	return canonical(append(slices.DeleteFunc(slices.Clone(t.Addresses), func(a string) bool { return slices.Contains(gone, a) }), add...))
}

// patch is what a change that is not exclusive adds and takes away. An address and its exception are one entry.
func (c TableChange) patch(t *Table) (add, gone []string) {
	want, there := set(canonical(c.Want)), set(t.Addresses)
	if c.Gone {
		want = nil
	}
	for _, a := range canonical(c.Want) {
		if want[a] && !there[a] {
			add = append(add, a)
		}
	}
	dropped := set(canonical(append(slices.Clone(c.Seen), c.Want...)))
	for _, a := range t.Addresses {
		if !want[a] && (dropped[a] || want[opposite(a)]) {
			gone = append(gone, a)
		}
	}
	return add, gone
}

func opposite(address string) string {
	if bare, excepted := strings.CutPrefix(address, "!"); excepted {
		return bare
	}
	return "!" + address
}

func set(all []string) map[string]bool {
	m := make(map[string]bool, len(all))
	for _, s := range all {
		m[s] = true
	}
	return m
}

// ApplyTable changes the addresses of a table, in the kernel and in its file, under the same net as [Apply], and returns the table's Mac as
// it is then, or with ErrTableChanged as found.
func ApplyTable(ctx context.Context, h *remote.Host, c TableChange) (*Survey, error) {
	got, err := remote.Together(ctx, h, "pf tables", c, func(ctx context.Context, all []TableChange) []reply {
		return changeTables(ctx, h, all)
	})
	if err == nil {
		err = got.err
	}
	if err != nil {
		return got.survey, fmt.Errorf("pfctl: table <%s> of %s: %w", c.Name, c.Anchor, err)
	}
	return got.survey, nil
}

// changeTables makes all changes in as few transactions as it can: one that is refused or fails does not keep the others from being made,
// and of two about one table the second comes later.
func changeTables(ctx context.Context, h *remote.Host, all []TableChange) []reply {
	replies := make([]reply, len(all))
	open := make([]int, len(all))
	for i := range all {
		open[i] = i
	}
	for len(open) > 0 {
		var anchors []string
		for _, i := range open {
			if !slices.Contains(anchors, all[i].Anchor) {
				anchors = append(anchors, all[i].Anchor)
			}
		}
		s, err := look(ctx, h, anchors...)
		if err != nil {
			for _, i := range open {
				replies[i].err = err
			}
			break
		}
		plan := watchdog.Plan{After: surveyScript, AfterArgs: anchors, Direct: true}
		var now, later []int
		for _, i := range open {
			t := s.Table(all[i].Anchor, all[i].Name)
			same := func(j int) bool { return all[j].Anchor == t.Anchor && all[j].Name == t.Name }
			if slices.ContainsFunc(now, same) {
				later = append(later, i)
				continue
			}
			change, kernel, err := all[i].change(t)
			if err != nil {
				replies[i] = reply{s, err}
				continue
			}
			now, plan.Changes = append(now, i), append(plan.Changes, change)
			if kernel && t.Used {
				plan.Direct = false
				plan.Settles = plan.Settles || touches(s.Anchor(t.Anchor).Loaded)
			}
		}
		if len(now) > 0 {
			failed := make([]error, len(now))
			after, err := commitTables(ctx, h, plan, failed)
			for n, i := range now {
				switch {
				case failed[n] != nil:
					replies[i] = reply{s, failed[n]}
				case err != nil && slices.ContainsFunc(failed, func(err error) bool { return err != nil }):
					later = append(later, i) // another failed
				default:
					replies[i] = reply{after, err}
				}
			}
		}
		slices.Sort(later)
		open = later
	}
	return replies
}

// commitTables carries out the plan and reads the tables again. The error of a change that failed by itself is put into failed.
func commitTables(ctx context.Context, h *remote.Host, plan watchdog.Plan, failed []error) (*Survey, error) {
	records, err := watchdog.Do(ctx, h, plan)
	var refused *watchdog.RefusedError
	var undone *watchdog.UndoneError
	var exit, at int
	switch {
	case err == nil:
		return parseSurvey(records), nil
	case errors.As(err, &refused):
		exit, at = refused.Exit, refused.Change
	case errors.As(err, &undone) && undone.Exit != 0 && !undone.Left:
		exit, at = undone.Exit, undone.Change
	default:
		return nil, err
	}
	if known := tableExits[exit]; known != nil {
		err = fmt.Errorf("%w: %w", known, err)
	}
	failed[at] = err
	return nil, err
}

var tableExits = map[int]error{20: ErrTableChanged, 24: ErrDisk, 25: ErrTable}

// change is what has to be done, and whether it changes what the kernel holds.
func (c TableChange) change(t *Table) (change watchdog.Change, kernel bool, err error) {
	want, seen := canonical(c.Want), set(canonical(c.Seen))
	others := func(allowed map[string]bool) bool {
		return slices.ContainsFunc(t.Addresses, func(a string) bool { return !allowed[a] })
	}
	asSeen := len(seen) == len(t.Addresses) && !others(seen)
	if c.Exclusive && !asSeen && (c.Gone && others(seen) || !c.Gone && others(set(want))) {
		return change, false, ErrTableChanged
	}
	files := map[string][]byte{}
	if t.Exists {
		files["held"] = text(byBytes(t.Addresses))
	}
	if t.FileExists {
		files["old"] = []byte(t.text)
	}
	if !c.Gone {
		files["want"] = text(want)
	}
	how := "no"
	add, gone := c.patch(t)
	switch after := c.After(t); {
	case c.Gone && len(after) == 0 && t.Exists:
		how = "end"
	case c.Exclusive && !c.Gone && (!t.Exists || !slices.Equal(after, t.Addresses)):
		how = "replace"
	case !c.Exclusive && (len(add)+len(gone) > 0 || !c.Gone && !t.Exists):
		how, files["add"], files["delete"] = "patch", text(add), text(gone)
	}
	files["args"] = arguments(t.Anchor, t.Name, t.File, how)
	return watchdog.Change{Script: changeScript + tableScript, Files: files}, how != "no", nil
}

// byBytes sorts as LC_ALL=C sort does.
func byBytes(all []string) []string { return slices.Sorted(slices.Values(all)) }
