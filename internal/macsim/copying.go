package macsim

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path"
	"strconv"
	"strings"
)

// The programs that make, move and remove files.
func init() {
	programs(map[string]command{
		"/bin/cp": cp, "/bin/ln": ln, "/bin/mkdir": mkdir, "/bin/mv": mv, "/bin/rm": rm, "/bin/rmdir": rmdir,
		"/usr/bin/install": install, "/usr/bin/mktemp": mktemp, "/usr/bin/touch": touch, "/usr/bin/tee": tee,
	})
}

// into is where source goes when target is a folder.
func (m *Mac) into(p *process, target, source string) (dest string, dir bool) {
	i, err := m.files.stat(m.cred(p), p.abs(target), true)
	if err != nil || !i.IsDir() {
		return target, false
	}
	_, base := splitPath(source)
	return strings.TrimRight(target, "/") + "/" + base, true
}

func mv(_ context.Context, m *Mac, p *process) int {
	const usage = "mv [-f | -i | -n] [-hv] source target\n       mv [-f | -i | -n] [-v] source ... directory"
	set, args, ok := p.flags("finhv")
	if !ok || len(args) < 2 {
		return p.usage(usage, 64)
	}
	sources, target := args[:len(args)-1], args[len(args)-1]
	if _, dir := m.into(p, target, "x"); !dir && len(sources) > 1 {
		return p.usage(usage, 64)
	}
	status := 0
	for _, source := range sources {
		dest, _ := m.into(p, target, source)
		if _, err := m.files.stat(m.cred(p), p.abs(dest), false); err == nil && set['n'] != "" {
			continue
		}
		if err := m.files.rename(m.cred(p), p.abs(source), p.abs(dest)); err != nil {
			status = p.errorf("rename %s to %s: %v", source, dest, err)
		} else if set['v'] != "" {
			fmt.Fprintf(p.Stdout, "%s -> %s\n", source, dest)
		}
	}
	return status
}

func cp(_ context.Context, m *Mac, p *process) int {
	const usage = "cp [-R [-H | -L | -P]] [-fi | -n] [-aclpSsvXx] source_file target_file\n" +
		"       cp [-R [-H | -L | -P]] [-fi | -n] [-aclpSsvXx] source_file ... target_directory"
	set, args, ok := p.flags("RrHLPfinaclpSsvXx")
	if !ok || len(args) < 2 {
		return p.usage(usage, 64)
	}
	c := copier{m: m, p: p, deep: set['R'] != "" || set['r'] != "" || set['a'] != "", keep: set['p'] != "" || set['a'] != ""}
	c.force, c.skip, c.plain = set['f'] != "", set['n'] != "", set['X'] != ""
	sources, target := args[:len(args)-1], args[len(args)-1]
	if _, dir := m.into(p, target, "x"); !dir && len(sources) > 1 {
		return p.errorf("%s: %v", target, errNotDir)
	}
	for _, source := range sources {
		dest, _ := m.into(p, target, source)
		c.copy(source, dest)
	}
	return c.status
}

// copier is a running cp.
type copier struct {
	m           *Mac
	p           *process
	deep, keep  bool // -R, -p
	force, skip bool // -f, -n
	plain       bool // -X: without extended attributes
	status      int
}

func (c *copier) failed(name string, err error) { c.status = c.p.errorf("%s: %v", name, err) }

func (c *copier) copy(source, dest string) {
	f, who := c.m.files, c.m.cred(c.p)
	from, to := c.p.abs(source), c.p.abs(dest)
	i, err := f.stat(who, from, !c.deep)
	if err != nil {
		c.failed(source, err)
		return
	}
	if old, err := f.stat(who, to, true); err == nil && old.Inode == i.Inode {
		c.status = c.p.errorf("%s and %s are identical (not copied).", source, dest)
		return
	} else if err == nil && c.skip {
		return
	}
	switch {
	case i.IsDir() && !c.deep:
		c.status = c.p.errorf("%s is a directory (not copied).", source)
		return
	case i.IsDir():
		if err := f.mkdir(who, to, fs.FileMode(i.StMode&0o777)&^c.p.umask); err != nil && err != errExist {
			c.failed(dest, err)
			return
		}
		kids, err := f.readDir(who, from)
		if err != nil {
			c.failed(source, err)
		}
		for _, k := range kids {
			c.copy(source+"/"+k.name, dest+"/"+k.name)
		}
	case i.StMode&modeType == modeLink:
		_ = f.remove(who, to, false)
		if err := f.symlink(who, i.Link, to); err != nil {
			c.failed(dest, err)
		}
		return
	default:
		if !c.content(source, dest, fs.FileMode(i.StMode&0o777)&^c.p.umask) {
			return
		}
	}
	c.attributes(from, to, i)
}

// content copies into a file that keeps its inode when it is there already.
func (c *copier) content(source, dest string, perm fs.FileMode) bool {
	f, who := c.m.files, c.m.cred(c.p)
	in, err := f.open(who, c.p.abs(source), os.O_RDONLY, 0)
	if err != nil {
		c.failed(source, err)
		return false
	}
	const flags = os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	out, err := f.open(who, c.p.abs(dest), flags, perm)
	if err != nil && c.force && f.remove(who, c.p.abs(dest), false) == nil {
		out, err = f.open(who, c.p.abs(dest), flags, perm)
	}
	if err == nil {
		_, err = io.Copy(out, in)
	}
	if err != nil {
		c.failed(dest, err)
	}
	return err == nil
}

// attributes copies extended attributes, which cp on a Mac does unless told -X, and for -p mode, owner and time.
func (c *copier) attributes(from, to string, i Info) {
	f, who := c.m.files, c.m.cred(c.p)
	if !c.plain {
		f.mu.Lock()
		if a, err := f.find(who, from, true); err == nil && len(a.xattrs) > 0 {
			if b, err := f.find(who, to, true); err == nil {
				b.xattrs = maps.Clone(a.xattrs)
			}
		}
		f.mu.Unlock()
	}
	if c.keep {
		_ = f.chown(who, to, i.UID, i.GID, true)
		_ = f.chmod(who, to, func(uint32, bool) uint32 { return i.StMode })
		_ = f.change(who, to, true, func(n *node) error { n.mtime = i.Modified; return nil })
	}
}

func rm(_ context.Context, m *Mac, p *process) int {
	set, args, ok := p.flags("dfiIPRrvWx")
	if !ok || len(args) == 0 && set['f'] == "" {
		return p.usage("rm [-f | -i] [-dIPRrvWx] file ...\n       unlink [--] file", 64)
	}
	status := 0
	for _, name := range args {
		if base := path.Base(name); base == "." || base == ".." {
			status = p.errorf(`"." and ".." may not be removed`)
			continue
		}
		i, err := m.files.stat(m.cred(p), p.abs(name), false)
		switch {
		case err == errNotExist && set['f'] != "", err == errNotDir && set['f'] != "":
			continue
		case err != nil:
		case i.IsDir() && set['r'] == "" && set['R'] == "" && set['d'] == "":
			status = p.errorf("%s: is a directory", name)
			continue
		case i.IsDir() && set['r'] == "" && set['R'] == "":
			err = m.files.remove(m.cred(p), p.abs(name), true)
		default:
			err = m.files.removeAll(m.cred(p), p.abs(name))
		}
		if err != nil {
			status = p.errorf("%s: %v", name, err)
		} else if set['v'] != "" {
			fmt.Fprintln(p.Stdout, name)
		}
	}
	return status
}

func mkdir(_ context.Context, m *Mac, p *process) int {
	set, args, ok := p.flags("pm:v")
	if !ok || len(args) == 0 {
		return p.usage("mkdir [-pv] [-m mode] directory_name ...", 64)
	}
	status := 0
	for _, name := range args {
		err := m.mkdirs(p, p.abs(name), set['p'] != "")
		if err == nil && set['m'] != "" {
			change, ok := parseMode(set['m'], p.umask)
			if !ok {
				return p.errorf("invalid file mode: %s", set['m'])
			}
			err = m.files.chmod(m.cred(p), p.abs(name), change)
		}
		if err != nil {
			status = p.errorf("%s: %v", name, err)
		}
	}
	return status
}

func (m *Mac) mkdirs(p *process, name string, parents bool) error {
	name = strings.TrimRight(name, "/")
	err := m.files.mkdir(m.cred(p), name, 0o777&^p.umask)
	if !parents || err == nil {
		return err
	}
	if i, statErr := m.files.stat(m.cred(p), name+"/", true); statErr == nil && i.IsDir() {
		return nil
	}
	if err != errNotExist {
		return err
	}
	dir, _ := splitPath(name)
	if err := m.mkdirs(p, dir, true); err != nil {
		return err
	}
	return m.files.mkdir(m.cred(p), name, 0o777&^p.umask)
}

func rmdir(_ context.Context, m *Mac, p *process) int {
	_, args, ok := p.flags("v")
	if !ok || len(args) == 0 {
		return p.usage("rmdir [-pv] directory ...", 64)
	}
	status := 0
	for _, name := range args {
		if err := m.files.remove(m.cred(p), p.abs(name), true); err != nil {
			status = p.errorf("%s: %v", name, err)
		}
	}
	return status
}

// ln makes symbolic links only: there are no hard links here.
func ln(_ context.Context, m *Mac, p *process) int {
	set, args, ok := p.flags("sfhnFivLPw")
	if !ok || len(args) != 2 {
		return p.usage("ln [-s [-F] | -L | -P] [-f | -i] [-hnv] source_file [target_file]\n"+
			"       ln [-s [-F] | -L | -P] [-f | -i] [-hnv] source_file ... target_dir\n       link source_file target_file", 1)
	}
	if set['s'] == "" {
		return p.errorf("macsim: hard links are not modelled")
	}
	dest, dir := m.into(p, args[1], args[0])
	if i, err := m.files.stat(m.cred(p), p.abs(args[1]), false); dir && err == nil && !i.IsDir() && (set['h'] != "" || set['n'] != "") {
		dest = args[1]
	}
	if set['f'] != "" {
		_ = m.files.remove(m.cred(p), p.abs(dest), false)
	}
	if err := m.files.symlink(m.cred(p), args[0], p.abs(dest)); err != nil {
		return p.errorf("%s: %v", dest, err)
	}
	return 0
}

func touch(_ context.Context, m *Mac, p *process) int {
	set, args, ok := p.flags("acmhf")
	if !ok || len(args) == 0 {
		return p.usage("touch [-A [-][[hh]mm]SS] [-achm] [-r file] [-t [[CC]YY]MMDDhhmm[.SS]]\n"+
			"       [-d YYYY-MM-DDThh:mm:SS[.frac][tz]] file ...", 1)
	}
	status := 0
	for _, name := range args {
		err := m.files.touch(m.cred(p), p.abs(name))
		if err == errNotExist && set['c'] == "" {
			_, err = m.open(p, name, os.O_WRONLY|os.O_CREATE)
		}
		if err != nil && (err != errNotExist || set['c'] == "") {
			status = p.errorf("%s: %v", name, err)
		}
	}
	return status
}

// mktemp wants its template to end in X: elsewhere they are letters like any others.
func mktemp(_ context.Context, m *Mac, p *process) int {
	const usage = "mktemp [-d] [-p tmpdir] [-q] [-t prefix] [-u] template ...\n       mktemp [-d] [-p tmpdir] [-q] [-u] -t prefix"
	set, args, ok := p.flags("dp:qt:u")
	if !ok {
		return p.usage(usage, 1)
	}
	if set['t'] != "" || len(args) == 0 {
		dir := p.Env("TMPDIR")
		if dir == "" {
			dir = "/tmp"
		}
		prefix := set['t']
		if prefix == "" {
			prefix = "tmp"
		}
		args = append(args, strings.TrimRight(dir, "/")+"/"+prefix+".XXXXXXXXXX")
	}
	for _, template := range args {
		stem := strings.TrimRight(template, "X")
		name := stem
		for range len(template) - len(stem) {
			const letters = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
			name += letters[rand.IntN(len(letters)):][:1]
		}
		var err error
		made := "mkstemp"
		switch {
		case set['u'] != "":
		case set['d'] != "":
			made = "mkdtemp"
			err = m.files.mkdir(m.cred(p), p.abs(name), 0o700)
		default:
			_, err = m.files.open(m.cred(p), p.abs(name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		}
		if err != nil {
			if set['q'] != "" {
				return 1
			}
			return p.errorf("%s failed on %s: %v", made, template, err)
		}
		fmt.Fprintln(p.Stdout, name)
	}
	return 0
}

// install copies one file, or makes folders, with the owner and mode that are asked for.
func install(_ context.Context, m *Mac, p *process) int {
	set, args, ok := p.flags("bCcdpSsvm:o:g:")
	if !ok || len(args) == 0 || set['d'] == "" && len(args) != 2 {
		return p.usage("install [-bCcpSsv] [-B suffix] [-f flags] [-g group] [-m mode] [-o owner] file1 file2", 64)
	}
	mode := set['m']
	if mode == "" {
		mode = "0755"
	}
	change, ok := parseMode(mode, 0)
	if !ok {
		return p.errorf("invalid file mode: %s", mode)
	}
	uid, gid, err := m.owner(set['o'] + ":" + set['g'])
	if err != nil {
		fmt.Fprintf(p.Stderr, "install: %v\n", err)
		return 67
	}
	who := m.cred(p)
	targets := args
	if set['d'] == "" {
		dest, _ := m.into(p, args[1], args[0])
		targets = []string{dest}
		// As newer versions do: into another file, then renamed.
		text, err := m.input(p, args[0])
		if err != nil {
			fmt.Fprintf(p.Stderr, "install: %s: %v\n", args[0], err)
			return 71
		}
		dir, _ := splitPath(p.abs(dest))
		temporary := dir + "INS@" + strconv.Itoa(rand.IntN(1e6))
		out, err := m.files.open(who, temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err == nil {
			_, err = io.Copy(out, text)
		}
		if err == nil {
			err = m.files.rename(who, temporary, p.abs(dest))
		}
		if err != nil {
			_ = m.files.remove(who, temporary, false)
			fmt.Fprintf(p.Stderr, "install: %s: %v\n", dest, err)
			return 71
		}
	}
	for _, t := range targets {
		if set['d'] != "" {
			err = m.mkdirs(p, p.abs(t), true)
		}
		if err == nil && (uid >= 0 || gid >= 0) {
			err = m.files.chown(who, p.abs(t), uid, gid, true)
		}
		if err == nil {
			err = m.files.chmod(who, p.abs(t), change)
		}
		if err != nil {
			fmt.Fprintf(p.Stderr, "install: %s: %v\n", t, err)
			return 71
		}
	}
	return 0
}

func tee(_ context.Context, m *Mac, p *process) int {
	set, args, ok := p.flags("ai")
	if !ok {
		return p.usage("tee [-ai] [file ...]", 1)
	}
	flags, status := os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0
	if set['a'] != "" {
		flags = appendFlags
	}
	outs := []io.Writer{p.Stdout}
	for _, name := range args {
		f, err := m.open(p, name, flags)
		if err != nil {
			status = p.errorf("%s: %v", name, err)
			continue
		}
		outs = append(outs, f)
	}
	if _, err := io.Copy(io.MultiWriter(outs...), p.Stdin); err != nil {
		return p.errorf("%v", err)
	}
	return status
}
