package pfctl

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/macos-fleet/terraform-provider-macos/internal/pf"
)

// A world is the rules of a Mac, as they are or as they will be. It is not changed once it is made.
type world struct {
	host   *pf.Host
	kernel *pf.Kernel
	conf   Conf // /etc/pf.conf as it will be
	main   bool // the main ruleset is loaded from it
	texts  map[string]source
	// riddles say, by anchor, which of its rules cannot be read here. If there is one, nothing is certain.
	riddles map[string][]string
}

// A source is a text whose lines are those of the rules' positions. What pfctl printed of loaded rules is none.
type source struct {
	name string
	text string
}

// world is the Mac as surveyed. It is made once.
//
// Which interfaces are skipped is taken from /etc/pf.conf: pfctl shows them in words that no Mac has confirmed, and nobody else
// can set them without replacing the main ruleset.
func (s *Survey) world() *world {
	s.once.Do(func() {
		w := &world{
			host: &pf.Host{Interfaces: s.interfaces, Files: s.tableFile}, kernel: new(pf.Kernel), conf: s.Conf,
			texts: map[string]source{}, riddles: map[string][]string{},
		}
		s.made = w
		main := w.loaded("", s.main)
		main.Skip = w.skipped(s.Conf)
		files := []*pf.File{main}
		for _, name := range slices.Sorted(maps.Keys(s.anchors)) {
			files = append(files, w.loaded(name, s.anchors[name].Loaded))
		}
		if err := w.kernel.Load(time.Time{}, files...); err != nil {
			w.riddle("", "The rules that are loaded cannot be put together here: "+err.Error()+".")
		}
		w.fill("", s.main, s.tables, s.tables)
		for name, a := range s.anchors {
			w.fill(name, a.Loaded, a.tables, s.tables)
		}
	})
	return s.made
}

// tableFile is the text of a table's file, which is all that rules can ask for.
func (s *Survey) tableFile(name string) ([]byte, error) {
	if f, ok := s.kept[name]; ok {
		return []byte(f.text), nil
	}
	return nil, errors.New("No such file or directory") //nolint:staticcheck // as pfctl says it
}

func (w *world) riddle(anchor, why string) { w.riddles[anchor] = append(w.riddles[anchor], why) }

// allRiddles are those of all anchors.
func (w *world) allRiddles() []string {
	var all []string
	if len(w.host.Interfaces) == 0 {
		all = append(all, "The Mac's interfaces and their addresses are not known.")
	}
	for _, anchor := range slices.Sorted(maps.Keys(w.riddles)) {
		all = append(all, w.riddles[anchor]...)
	}
	return all
}

// title is what an anchor is called.
func title(anchor string) string {
	if anchor == "" {
		return "the main ruleset"
	}
	return fmt.Sprintf("anchor %q", anchor)
}

// loaded reads the rules that an anchor holds. Printed rules read back to themselves.
func (w *world) loaded(anchor string, printed []string) *pf.File {
	text := string(loadable(printed))
	f, err := pf.Parse("", []byte(text), pf.Options{Host: w.host, Anchor: anchor})
	w.misread(anchor, "A rule that is loaded in "+title(anchor), text, err)
	return f
}

// fill puts the addresses into the tables that an anchor has. One of the optimizer's that its rules name must be among them.
func (w *world) fill(anchor string, rules []string, tables, global map[string][]string) {
	for _, name := range slices.Sorted(maps.Keys(tables)) {
		var entries []pf.TableEntry
		for _, word := range tables[name] {
			got, err := pf.ParseEntries(w.host, word)
			if err != nil {
				w.riddle(anchor, fmt.Sprintf("An address in table <%s> of %s cannot be read here: %s", name, title(anchor), word))
			}
			entries = append(entries, got...)
		}
		w.kernel.MakeTable(anchor, name)
		if _, err := w.kernel.AddEntries(time.Time{}, anchor, name, entries); err != nil {
			w.riddle(anchor, fmt.Sprintf("Table <%s> of %s cannot be filled here: %v.", name, title(anchor), err))
		}
	}
	for _, rule := range rules {
		for _, table := range automatic.FindAllString(rule, -1) {
			name := strings.Trim(table, "<>")
			if tables[name] == nil && global[name] == nil {
				w.riddle(anchor, fmt.Sprintf("What is in table %s of %s is not known.", table, title(anchor)))
			}
		}
	}
}

// skipped are the interfaces that pf.conf has pf skip.
func (w *world) skipped(conf Conf) []string {
	text := Terminated(string(conf))
	f, err := pf.Parse("", []byte(text), pf.Options{Host: w.host})
	var all pf.Errors
	if errors.As(err, &all) {
		// Whatever else cannot be read is not what is loaded now.
		all = slices.DeleteFunc(all, func(e pf.Error) bool { return !strings.HasPrefix(lineAt(text, e.Pos), "set ") })
		w.misread("", "A line of /etc/pf.conf", text, all)
	}
	return f.Skip
}

// with is the world after these intents as well.
func (w *world) with(s *Survey, intents []Intent) *world {
	next := &world{
		host: w.host, kernel: w.kernel.Clone(), conf: w.conf, main: w.main,
		texts: maps.Clone(w.texts), riddles: maps.Clone(w.riddles),
	}
	for _, in := range intents {
		if in.Table != "" {
			next.refill(in)
		} else if in.Anchor != "" && in.Gone {
			next.remove(s, in.Anchor)
		} else if in.Anchor != "" {
			next.change(s, in)
		}
	}
	if next.main && (!w.main || next.conf != w.conf) {
		next.loadMain(s)
	}
	return next
}

// refill makes a table hold what is intended.
func (w *world) refill(in Intent) {
	var entries []pf.TableEntry
	for _, word := range in.Addresses {
		got, err := pf.ParseEntries(w.host, word)
		if err != nil {
			w.riddle(in.Anchor, fmt.Sprintf("An address for table <%s> of %s cannot be read here: %s", in.Table, title(in.Anchor), word))
		}
		entries = append(entries, got...)
	}
	w.kernel.MakeTable(in.Anchor, in.Table)
	if _, _, _, err := w.kernel.ReplaceEntries(time.Time{}, in.Anchor, in.Table, entries); err != nil {
		w.riddle(in.Anchor, fmt.Sprintf("Table <%s> of %s cannot be filled here: %v.", in.Table, title(in.Anchor), err))
	}
}

// remove takes an anchor away, as Remove does.
func (w *world) remove(s *Survey, name string) {
	if conf := w.conf.Without(name); conf != w.conf {
		w.conf, w.main = conf, w.main || len(s.Lost) == 0
	}
	w.kernel.Flush(name, pf.FilterRules)
	w.kernel.Flush(name, pf.NATRules)
	w.kernel.KillTables(name)
	delete(w.riddles, name)
	delete(w.texts, name)
}

// change makes an anchor hold what is intended, as Apply does.
func (w *world) change(s *Survey, in Intent) {
	c := s.Plan(in.Anchor, in.Want)
	file := FileOf(in.Anchor)
	if Reached(in.Anchor) {
		file = ""
	}
	w.conf, w.main = w.conf.With(in.Anchor, file, in.Want.kinds()), w.main || c.main
	from := source{fmt.Sprintf("the rules of anchor %q", in.Anchor), Terminated(in.Text)}
	f, text, err := in.read(w.host)
	if !c.Kernel && (err != nil || text != from.text) {
		return // what is loaded stays, and is better known
	}
	delete(w.riddles, in.Anchor)
	delete(w.texts, in.Anchor)
	if text == from.text {
		w.texts[in.Anchor] = from
	}
	w.misread(in.Anchor, "A line of "+from.name, text, err)
	w.load(in.Anchor, f)
}

// read reads what the intent loads, and returns the text that it has read. The Mac's pfctl has the last word on what that is, since
// it knows users and host names: where our reading differs, what pfctl printed is read instead.
func (in Intent) read(h *pf.Host) (f *pf.File, text string, err error) {
	o := pf.Options{Host: h, Anchor: in.Anchor}
	sorted := func(rules []string) []string { return lines(loadable(rules)) }
	text = Terminated(in.Text)
	f, err = pf.Parse("", []byte(text), o)
	switch {
	case err == nil && Rules{Lines: sorted(in.Want.Lines)}.Matches(sorted(f.Lines())):
	case in.Want.Exact:
		text = strings.Join(in.Want.Tables, "\n") + "\n" + string(loadable(in.Want.Lines))
		f, err = pf.Parse("", []byte(text), o)
	case err == nil:
		err = errors.New("pfctl reads it otherwise")
	}
	return f, text, err
}

// misread makes riddles of what could not be read of a text.
func (w *world) misread(anchor, what, text string, err error) {
	var all pf.Errors
	if err != nil && !errors.As(err, &all) {
		w.riddle(anchor, fmt.Sprintf("%s cannot be read here: %v.", what, err))
	}
	for _, e := range all {
		w.riddle(anchor, fmt.Sprintf("%s cannot be read here: %s (%s)", what, lineAt(text, e.Pos), e.Msg))
	}
}

// lineAt is the line of a text at a position, without the blanks around it.
func lineAt(text string, at pf.Pos) string {
	if all := strings.Split(text, "\n"); at.Line > 0 && int(at.Line) <= len(all) {
		return strings.TrimSpace(all[at.Line-1])
	}
	return ""
}

func (w *world) load(anchor string, f *pf.File) {
	if err := w.kernel.Load(time.Time{}, f); err != nil {
		w.riddle(anchor, fmt.Sprintf("The rules of %s cannot be put together here: %v.", title(anchor), err))
	}
}

// loadMain loads the main ruleset from pf.conf as it will be, and what lines there that are not ours load with it.
func (w *world) loadMain(s *Survey) {
	delete(w.riddles, "")
	text := string(w.conf.withoutLoads())
	f, err := pf.Parse("", []byte(text), pf.Options{Host: w.host})
	w.misread("", "A line of /etc/pf.conf", text, err)
	w.texts[""] = source{"/etc/pf.conf", text}
	w.load("", f)
	for _, l := range f.Loads {
		name := strings.TrimPrefix(l.Anchor, "/")
		a := s.anchors[nameOf(l.Path)]
		switch {
		case w.texts[name].text != "": // It is of this run, and not loaded from there.
		case a == nil || !a.Exists || a.File != l.Path:
			w.riddle("", fmt.Sprintf("Line %d of /etc/pf.conf loads a file that was not read: %s", l.Pos.Line, l.Path))
		default:
			delete(w.riddles, name)
			f, err := pf.Parse("", []byte(Terminated(a.Text)), pf.Options{Host: w.host, Anchor: name})
			w.misread(name, "A line of "+a.File, a.Text, err)
			w.load(name, f)
		}
	}
}

// place says where the rule that decides a conversation stands, and what is written there; "" if none decides.
func (w *world) place(c *pf.Conversation) (place, line string) {
	if c.Rule == nil {
		return "", ""
	}
	from, ok := w.texts[c.Anchor]
	if line := lineAt(from.text, c.Rule.Pos); ok && line != "" {
		return fmt.Sprintf("line %d of %s", c.Rule.Pos.Line, from.name), line
	}
	return title(c.Anchor), c.Rule.String()
}
