package macsim

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// The programs that show and change what a file is, besides its content.
func init() {
	programs(map[string]command{
		"/bin/chmod": chmod, "/usr/sbin/chown": chown, "/usr/bin/chgrp": chown, "/usr/bin/chflags": chflags,
		"/usr/bin/xattr": xattr, "/bin/ls": ls, "/usr/bin/readlink": readlink, "/bin/realpath": readlink,
	})
}

// parseMode is a mode as chmod takes it, as what it makes of a file's permissions. mask is the umask, which counts when a symbolic
// mode names nobody.
func parseMode(mode string, mask fs.FileMode) (func(old uint32, dir bool) uint32, bool) {
	if n, err := strconv.ParseUint(mode, 8, 16); err == nil {
		return func(uint32, bool) uint32 { return uint32(n) & modePermAll }, n <= modePermAll
	}
	var steps []func(old uint32, dir bool) uint32
	for clause := range strings.SplitSeq(mode, ",") {
		rest := strings.TrimLeft(clause, "ugoa")
		who := whoMask(clause[:len(clause)-len(rest)], uint32(mask))
		if rest == "" {
			return nil, false
		}
		for rest != "" {
			op := rest[0]
			if op != '+' && op != '-' && op != '=' {
				return nil, false
			}
			rest = rest[1:]
			end := strings.IndexAny(rest, "+-=")
			if end < 0 {
				end = len(rest)
			}
			perms := rest[:end]
			rest = rest[end:]
			if strings.Trim(perms, "rwxXst") != "" {
				return nil, false
			}
			steps = append(steps, func(old uint32, dir bool) uint32 {
				bits := permBits(perms, old, dir) & who
				switch op {
				case '+':
					return old | bits
				case '-':
					return old &^ bits
				}
				return old&^(who&0o777) | bits
			})
		}
	}
	return func(old uint32, dir bool) uint32 {
		for _, step := range steps {
			old = step(old, dir)
		}
		return old
	}, true
}

func whoMask(who string, umask uint32) uint32 {
	if who == "" {
		return modePermAll &^ umask
	}
	var mask uint32
	for _, w := range who {
		mask |= map[rune]uint32{'u': 0o4700, 'g': 0o2070, 'o': 0o1007, 'a': modePermAll}[w]
	}
	return mask
}

func permBits(perms string, old uint32, dir bool) uint32 {
	var bits uint32
	for _, c := range perms {
		switch c {
		case 'r':
			bits |= 0o444
		case 'w':
			bits |= 0o222
		case 'x':
			bits |= 0o111
		case 'X':
			if dir || old&0o111 != 0 {
				bits |= 0o111
			}
		case 's':
			bits |= modeSetUID | modeSetGID
		case 't':
			bits |= modeSticky
		}
	}
	return bits
}

// errSaid is an error that the user was told already.
const errSaid errno = ""

// each calls fn on every file named, and with deep on what is below. It prints errors, and returns the exit status.
func (m *Mac) each(p *process, names []string, deep bool, fn func(name string, i Info) error) int {
	status := 0
	for _, name := range names {
		i, err := m.files.stat(m.cred(p), p.abs(name), !deep)
		if err == nil {
			err = fn(name, i)
		}
		switch {
		case err == errSaid:
			status = 1
		case err != nil:
			status = p.errorf("%s: %v", name, err)
		}
		if err == nil && deep && i.IsDir() {
			kids, _ := m.files.readDir(m.cred(p), p.abs(name))
			for _, k := range kids {
				status = max(status, m.each(p, []string{name + "/" + k.name}, true, fn))
			}
		}
	}
	return status
}

func chmod(_ context.Context, m *Mac, p *process) int {
	// A mode may begin with a minus, which getopt would take for an option.
	args, deep := p.Args[1:], false
	for len(args) > 0 && len(args[0]) > 1 && args[0][0] == '-' && strings.Trim(args[0][1:], "fhvRHLP-") == "" {
		deep = deep || strings.Contains(args[0], "R")
		args = args[1:]
	}
	if len(args) < 2 {
		return p.usage("chmod [-fhv] [-R [-H | -L | -P]] [-a | +a | =a  [i][# [ n]]] mode|entry file ...\n"+
			"       chmod [-fhv] [-R [-H | -L | -P]] [-E | -C | -N | -i | -I] file ...", 1)
	}
	change, ok := parseMode(args[0], p.umask)
	if !ok {
		return p.errorf("Invalid file mode: %s", args[0])
	}
	return m.each(p, args[1:], deep, func(name string, _ Info) error {
		err := m.files.chmod(m.cred(p), p.abs(name), change)
		if err == errPerm {
			p.errorf("Unable to change file mode on %s: %v", name, err)
			return errSaid
		}
		return err
	})
}

// owner is the numbers of USER:GROUP; -1 for what is not given.
func (m *Mac) owner(spec string) (uid, gid int, err error) {
	name, group, _ := strings.Cut(spec, ":")
	uid, gid = -1, -1
	if name != "" {
		i := slices.IndexFunc(m.users, func(u user) bool { return u.name == name })
		switch n, err := strconv.Atoi(name); {
		case i >= 0:
			uid = m.users[i].uid
		case err == nil:
			uid = n
		default:
			return 0, 0, fmt.Errorf("%s: illegal user name", name)
		}
	}
	if group != "" {
		n, err := strconv.Atoi(group)
		for id, name := range groups {
			if name == group {
				n, err = id, nil
			}
		}
		if err != nil {
			return 0, 0, fmt.Errorf("%s: illegal group name", group)
		}
		gid = n
	}
	return uid, gid, nil
}

// chown is chgrp as well.
func chown(_ context.Context, m *Mac, p *process) int {
	set, args, ok := p.flags("fhnvxRHLP")
	group := strings.HasSuffix(p.Args[0], "chgrp")
	if !ok || len(args) < 2 {
		if group {
			return p.usage("chgrp [-fhnvx] [-R [-H | -L | -P]] group file ...", 1)
		}
		return p.usage("chown [-fhnvx] [-R [-H | -L | -P]] owner[:group] file ...\n"+
			"       chown [-fhnvx] [-R [-H | -L | -P]] :group file ...", 1)
	}
	spec := args[0]
	if group {
		spec = ":" + spec
	}
	uid, gid, err := m.owner(spec)
	if err != nil {
		return p.errorf("%v", err)
	}
	deep := set['R'] != ""
	return m.each(p, args[1:], deep, func(name string, _ Info) error {
		return m.files.chown(m.cred(p), p.abs(name), uid, gid, set['h'] == "" && !deep)
	})
}

func chflags(_ context.Context, m *Mac, p *process) int {
	set, args, ok := p.flags("fhvxRHLP")
	if !ok || len(args) < 2 {
		return p.usage("chflags [-fhvx] [-R [-H | -L | -P]] flags file ...", 1)
	}
	flags := strings.Split(args[0], ",")
	for _, f := range flags {
		if !slices.Contains([]string{"uchg", "uchange", "uimmutable", "nouchg", "nouchange", "nouimmutable", "0"}, f) {
			return p.errorf("invalid flag: %s", f)
		}
	}
	return m.each(p, args[1:], set['R'] != "", func(name string, _ Info) error {
		return m.files.change(m.cred(p), p.abs(name), true, func(n *node) error {
			if !m.cred(p).owns(n) {
				return errPerm
			}
			for _, f := range flags {
				n.immutable = f[0] == 'u'
			}
			return nil
		})
	})
}

func xattr(_ context.Context, m *Mac, p *process) int {
	const usage = "xattr [-l] [-r] [-s] [-v] [-x] file [file ...]\n       xattr -p [-l] [-r] [-s] [-v] [-x] attr_name file [file ...]"
	set, args, ok := p.flags("cdhlprsvwx")
	want := map[bool]int{true: 2, false: 1}[set['p'] != "" || set['d'] != ""]
	if set['w'] != "" {
		want = 3
	}
	if !ok || len(args) < want {
		return p.usage(usage, 64)
	}
	names := args[want-1:]
	status := 0
	for _, name := range names {
		text := ""
		err := m.files.change(m.cred(p), p.abs(name), set['s'] == "", func(n *node) error {
			value, found := n.xattrs[args[0]]
			switch {
			case set['c'] != "":
				clear(n.xattrs)
			case set['w'] != "":
				return setXattr(n, args[0], args[1])
			case (set['p'] != "" || set['d'] != "") && !found:
				return errNoXattr
			case set['d'] != "":
				delete(n.xattrs, args[0])
			case set['p'] != "":
				text = value + "\n"
			default:
				for _, k := range slices.Sorted(maps.Keys(n.xattrs)) {
					if set['l'] != "" {
						k += ": " + n.xattrs[k]
					}
					text += k + "\n"
				}
			}
			return nil
		})
		switch {
		case err == errNoXattr:
			status = p.errorf("%s: No such xattr: %s", name, args[0])
		case err == errNotExist:
			status = p.errorf("No such file: %s", name)
		case err != nil:
			status = p.errorf("[Errno] %v: '%s'", err, name)
		case len(names) > 1 && text != "" && set['w'] == "":
			text = name + ": " + strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\n"+name+": ") + "\n"
		}
		fmt.Fprint(p.Stdout, text)
	}
	return status
}

func ls(_ context.Context, m *Mac, p *process) int {
	set, args, ok := p.flags("@1ABCFGHILOPRSTUWabcdefghiklmnopqrstuvwxy%")
	if !ok {
		return p.usage("ls [-@ABCFGHILOPRSTUWabcdefghiklmnopqrstuvwxy1%,] [--color=when] [-D format] [file ...]", 1)
	}
	if len(args) == 0 {
		args = []string{"."}
	}
	slices.Sort(args)
	type listed struct {
		name string
		Info
	}
	var files []listed
	var dirs []string
	status := 0
	for _, name := range args {
		i, err := m.files.stat(m.cred(p), p.abs(name), set['l'] == "" && set['d'] == "")
		switch {
		case err != nil:
			status = p.errorf("%s: %v", name, err)
		case i.IsDir() && set['d'] == "":
			dirs = append(dirs, name)
		default:
			files = append(files, listed{name, i})
		}
	}
	show := func(files []listed) {
		owner, group, size := 0, 0, 0
		for _, f := range files {
			owner, group = max(owner, len(m.userName(f.UID))), max(group, len(groupName(f.GID)))
			size = max(size, len(strconv.FormatInt(f.Bytes, 10)))
		}
		for _, f := range files {
			if set['l'] == "" {
				fmt.Fprintln(p.Stdout, f.name)
				continue
			}
			if f.StMode&modeType == modeLink {
				f.name += " -> " + f.Link
			}
			fmt.Fprintf(p.Stdout, "%s  1 %-*s  %-*s  %*d %s %s\n", f.Info, owner, m.userName(f.UID), group, groupName(f.GID),
				size, f.Bytes, f.Modified.UTC().Format("Jan _2 15:04"), f.name)
		}
	}
	show(files)
	for n, dir := range dirs {
		infos, err := m.files.readDir(m.cred(p), p.abs(dir))
		if err != nil {
			status = p.errorf("%s: %v", dir, err)
			continue
		}
		if len(dirs)+len(files) > 1 {
			if n > 0 || len(files) > 0 {
				fmt.Fprintln(p.Stdout)
			}
			fmt.Fprintf(p.Stdout, "%s:\n", dir)
		}
		var inside []listed
		for _, i := range infos {
			if i.name[0] != '.' || set['a'] != "" || set['A'] != "" {
				inside = append(inside, listed{i.name, i})
			}
		}
		if set['a'] != "" {
			i, _ := m.files.stat(m.cred(p), p.abs(dir), true)
			inside = slices.Concat([]listed{{".", i}, {"..", i}}, inside)
		}
		if set['l'] != "" {
			fmt.Fprintf(p.Stdout, "total %d\n", 8*len(inside))
		}
		show(inside)
	}
	return status
}

func (m *Mac) userName(uid int) string {
	for _, u := range m.users {
		if u.uid == uid {
			return u.name
		}
	}
	return strconv.Itoa(uid)
}

func groupName(gid int) string { return cmp.Or(groups[gid], strconv.Itoa(gid)) }

// readlink is realpath as well, which is what -f does.
func readlink(_ context.Context, m *Mac, p *process) int {
	set, args, ok := p.flags("fnq")
	real := strings.HasSuffix(p.Args[0], "realpath")
	if !ok || len(args) == 0 && !real {
		return p.usage("readlink [-fn] [file ...]", 1)
	}
	if len(args) == 0 {
		args = []string{"."}
	}
	status := 0
	for _, name := range args {
		var target string
		var err error
		if real || set['f'] != "" {
			target, err = m.files.realPath(m.cred(p), p.abs(name))
		} else {
			var i Info
			i, err = m.files.stat(m.cred(p), p.abs(name), false)
			if err == nil && i.StMode&modeType != modeLink {
				return 1
			}
			target = i.Link
		}
		if err != nil {
			status = 1
			if real {
				p.errorf("%s: %v", name, err)
			}
			continue
		}
		if set['n'] == "" {
			target += "\n"
		}
		fmt.Fprint(p.Stdout, target)
	}
	return status
}
