package macsim

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// describe says of every file what Snapshot shows, by path.
func (f *Files) describe() map[string]string {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := map[string]string{}
	f.root.describe(all)
	return all
}

func (n *node) describe(all map[string]string) {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %d:%d", n.info(), n.uid, n.gid)
	if n.immutable {
		b.WriteString(" uchg")
	}
	for _, name := range slices.Sorted(maps.Keys(n.xattrs)) {
		fmt.Fprintf(&b, " %s=%q", name, n.xattrs[name])
	}
	switch {
	case n.isLink():
		fmt.Fprintf(&b, " -> %s", n.link)
	case len(n.data) > 0:
		b.WriteString("\n" + indent(string(n.data)))
	}
	all[n.path()] = b.String()
	for _, k := range n.kids {
		k.describe(all)
	}
}

// indent is text with a tab before each line. A last line without an end is marked as diff does.
func indent(text string) string {
	whole := strings.HasSuffix(text, "\n")
	text = "\t" + strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\n\t")
	if !whole {
		text += "\n\\ No newline at end of file"
	}
	return text
}

// Snapshot is the whole Mac as text: every file that is not as New left it, with mode, owner and content, then pf, then launchd. Times
// and inodes are not in it, so it is the same whenever the Mac is the same.
func (m *Mac) Snapshot() string {
	var b strings.Builder
	now := m.files.describe()
	paths := slices.Sorted(maps.Keys(now))
	for path := range m.stock {
		if _, ok := now[path]; !ok {
			paths = append(paths, path)
		}
	}
	slices.Sort(paths)
	for _, path := range paths {
		switch text, ok := now[path]; {
		case !ok:
			fmt.Fprintf(&b, "%s is gone\n", path)
		case text != m.stock[path]:
			fmt.Fprintf(&b, "%s %s\n", path, text)
		}
	}
	return b.String() + section("pf", m.pf.text()) + section("launchd", m.launchd.text())
}

func section(name, text string) string {
	if text == "" {
		return ""
	}
	return name + "\n" + indent(text) + "\n"
}

// String is Snapshot.
func (m *Mac) String() string { return m.Snapshot() }
