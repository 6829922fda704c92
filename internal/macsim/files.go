package macsim

import (
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

// Files is the Mac's file system, in memory. Names differ in more than case, a colon is a letter like any other, what is
// created takes the group of its folder, and the system volume cannot be written. Its exported methods are for tests: they
// take absolute paths, act as root, and return *fs.PathError. Not modelled: Unicode normalisation of names, hard links,
// access control lists, access times.
type Files struct {
	now func() time.Time

	mu   sync.Mutex
	root *node
	ino  uint64
	full []full
}

// full is a place on a disk that is full, or nearly.
type full struct {
	path string
	left int64
}

func newFiles(now func() time.Time) *Files {
	f := &Files{now: now}
	f.root = f.node("", modeDir|0o755, 0, 0)
	return f
}

func (f *Files) node(name string, mode uint32, uid, gid int) *node {
	f.ino++
	n := &node{name: name, mode: mode, uid: uid, gid: gid, ino: f.ino, mtime: f.now()}
	if n.isDir() {
		n.kids = map[string]*node{}
	}
	return n
}

const maxLinks = 32 // MAXSYMLINKS

// walk finds path for c. The last name need not exist: then n is nil, and dir is where it would be. When follow is set a link at
// the end is followed as well. base is the last name; it is "" when path is the root.
func (f *Files) walk(c cred, path string, follow bool) (dir *node, base string, n *node, err error) {
	if path == "" {
		return nil, "", nil, errNotExist
	}
	if len(path) >= 1024 {
		return nil, "", nil, errNameTooLong
	}
	rest, links := strings.Split(path, "/"), 0
	n = f.root
	for len(rest) > 0 {
		name := rest[0]
		rest = rest[1:]
		if n == nil {
			if strings.Join(rest, "") == "" && name == "" {
				break // a slash after a name that does not exist
			}
			return nil, "", nil, errNotExist
		}
		if !n.isDir() {
			return nil, "", nil, errNotDir
		}
		switch {
		case name == "" || name == ".":
			continue
		case !c.may(n, 1):
			return nil, "", nil, errAccess
		case len(name) > 255:
			return nil, "", nil, errNameTooLong
		case name == "..":
			if n.parent != nil {
				n = n.parent
			}
			continue
		}
		kid := n.kids[key(name)]
		if kid != nil && kid.isLink() && (follow || len(rest) > 0) {
			if links++; links > maxLinks {
				return nil, "", nil, errLoop
			}
			rest = append(strings.Split(kid.link, "/"), rest...)
			if strings.HasPrefix(kid.link, "/") {
				n = f.root
			}
			continue
		}
		dir, base, n = n, name, kid
	}
	if n != nil {
		// What was found by "..", "." or a link has another name than the path's last one.
		dir, base = n.parent, n.name
	}
	return dir, base, n, nil
}

// find is walk for a file that must exist.
func (f *Files) find(c cred, path string, follow bool) (*node, error) {
	_, _, n, err := f.walk(c, path, follow)
	if err == nil && n == nil {
		err = errNotExist
	}
	if err != nil {
		return nil, err
	}
	return n, nil
}

// changeable tells whether c may add or remove names in dir.
func changeable(c cred, dir *node) error {
	switch {
	case dir.sealed:
		return errReadOnly
	case dir.immutable:
		return errPerm
	case !c.may(dir, 3):
		return errAccess
	}
	return nil
}

// removable tells whether c may take n out of its folder.
func removable(c cred, n *node) error {
	if err := changeable(c, n.parent); err != nil {
		return err
	}
	if n.immutable || n.parent.mode&modeSticky != 0 && !c.owns(n) && !c.owns(n.parent) {
		return errPerm
	}
	return nil
}

// add puts a new node into dir. Its group is dir's, as on every BSD.
func (f *Files) add(c cred, dir *node, name string, mode uint32) (*node, error) {
	if err := changeable(c, dir); err != nil {
		return nil, err
	}
	if f.exhausted(dir) {
		return nil, errNoSpace
	}
	n := f.node(name, mode, c.uid, dir.gid)
	n.sealed = dir.sealed
	f.link(dir, n)
	return n, nil
}

func (f *Files) link(dir, n *node) {
	n.parent = dir
	dir.kids[key(n.name)] = n
	dir.mtime = f.now()
}

func (f *Files) unlink(n *node) {
	delete(n.parent.kids, key(n.name))
	n.parent.mtime = f.now()
	n.parent = nil
}

// open is open(2) with the flags of package os. perm is what is left of the mode after the umask.
func (f *Files) open(c cred, path string, flag int, perm fs.FileMode) (*file, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	dir, base, n, err := f.walk(c, path, true)
	if err != nil {
		return nil, err
	}
	write := flag&(os.O_WRONLY|os.O_RDWR) != 0
	switch {
	case n == nil && flag&os.O_CREATE == 0:
		return nil, errNotExist
	case n == nil:
		if strings.HasSuffix(path, "/") {
			return nil, errIsDir
		}
		if n, err = f.add(c, dir, base, modeFile|uint32(perm.Perm())); err != nil {
			return nil, err
		}
	case flag&os.O_EXCL != 0:
		return nil, errExist
	case n.isDir() && write:
		return nil, errIsDir
	case strings.HasSuffix(path, "/") && !n.isDir():
		return nil, errNotDir
	case write && n.sealed && !n.isDevice():
		return nil, errReadOnly
	case write && n.immutable:
		return nil, errPerm
	case write && !c.may(n, 2), flag&os.O_WRONLY == 0 && !c.may(n, 4):
		return nil, errAccess
	case flag&os.O_TRUNC != 0 && !n.isDevice():
		n.data, n.mtime = nil, f.now()
	}
	return &file{files: f, node: n, write: write, append: flag&os.O_APPEND != 0}, nil
}

func (f *Files) stat(c cred, path string, follow bool) (Info, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, err := f.find(c, path, follow)
	if err != nil {
		return Info{}, err
	}
	if strings.HasSuffix(path, "/") && !n.isDir() {
		return Info{}, errNotDir
	}
	return n.info(), nil
}

// access is access(2): want as in cred.may.
func (f *Files) access(c cred, path string, want uint32) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, err := f.find(c, path, true)
	switch {
	case err != nil:
		return err
	case want&2 != 0 && n.sealed && !n.isDevice():
		return errReadOnly
	case !c.may(n, want):
		return errAccess
	}
	return nil
}

// readDir lists a folder in the order of names.
func (f *Files) readDir(c cred, path string) ([]Info, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, err := f.find(c, path, true)
	switch {
	case err != nil:
		return nil, err
	case !n.isDir():
		return nil, errNotDir
	case !c.may(n, 4):
		return nil, errAccess
	}
	var infos []Info
	for _, k := range n.sorted() {
		infos = append(infos, k.info())
	}
	return infos, nil
}

// realPath is path without links, in the case of the file system.
func (f *Files) realPath(c cred, path string) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, err := f.find(c, path, true)
	if err != nil {
		return "", err
	}
	return n.path(), nil
}

func (f *Files) mkdir(c cred, path string, perm fs.FileMode) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	dir, base, n, err := f.walk(c, path, false)
	if err != nil {
		return err
	}
	if n != nil {
		return errExist
	}
	_, err = f.add(c, dir, base, modeDir|uint32(perm.Perm()))
	return err
}

func (f *Files) symlink(c cred, target, path string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	dir, base, n, err := f.walk(c, path, false)
	if err != nil {
		return err
	}
	if n != nil {
		return errExist
	}
	n, err = f.add(c, dir, base, modeLink|0o755)
	if err == nil {
		n.link = target
	}
	return err
}

// remove is unlink(2), or rmdir(2) when dir is set.
func (f *Files) remove(c cred, path string, dir bool) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, err := f.find(c, path, false)
	switch {
	case err != nil:
		return err
	case n.parent == nil:
		return errIsDir
	case dir && !n.isDir():
		return errNotDir
	}
	if err := removable(c, n); err != nil {
		return err
	}
	switch {
	case dir && len(n.kids) > 0:
		return errNotEmpty
	case !dir && n.isDir():
		return errPerm // as unlink(2) of a folder on macOS
	}
	f.unlink(n)
	return nil
}

// rename is rename(2).
func (f *Files) rename(c cred, from, to string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, err := f.find(c, from, false)
	if err != nil {
		return err
	}
	if n.parent == nil {
		return errInvalid
	}
	dir, base, old, err := f.walk(c, to, false)
	if err != nil {
		return err
	}
	if old != nil && dir != nil {
		_, base = splitPath(to) // which may differ in case from what is there
	}
	if err := removable(c, n); err != nil {
		return err
	}
	for up := dir; up != nil; up = up.parent {
		if up == n {
			return errInvalid
		}
	}
	if old != nil && old != n {
		switch {
		case old.isDir() && !n.isDir():
			return errIsDir
		case !old.isDir() && n.isDir():
			return errNotDir
		case len(old.kids) > 0:
			return errNotEmpty
		}
		if err := removable(c, old); err != nil {
			return err
		}
	}
	if err := changeable(c, dir); err != nil {
		return err
	}
	if old != nil && old != n {
		f.unlink(old)
	}
	f.unlink(n)
	n.name = base
	f.link(dir, n)
	return nil
}

// splitPath cuts path at the last slash that has a name after it.
func splitPath(path string) (dir, base string) {
	path = strings.TrimRight(path, "/")
	i := strings.LastIndexByte(path, '/')
	return path[:i+1], path[i+1:]
}

// change calls fn on a file whose mode, owner or the like c changes.
func (f *Files) change(c cred, path string, follow bool, fn func(*node) error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, err := f.find(c, path, follow)
	switch {
	case err != nil:
		return err
	case n.sealed:
		return errReadOnly
	}
	return fn(n)
}

func (f *Files) chmod(c cred, path string, fn func(mode uint32, dir bool) uint32) error {
	return f.change(c, path, true, func(n *node) error {
		if n.immutable || !c.owns(n) {
			return errPerm
		}
		n.mode = n.mode&modeType | fn(n.mode&modePermAll, n.isDir())&modePermAll
		return nil
	})
}

// chown sets the owner and the group; -1 leaves one as it is.
func (f *Files) chown(c cred, path string, uid, gid int, follow bool) error {
	return f.change(c, path, follow, func(n *node) error {
		if n.immutable || !c.owns(n) {
			return errPerm
		}
		if c.uid != 0 && (uid >= 0 && uid != n.uid || gid >= 0 && gid != n.gid && !slices.Contains(c.gids, gid)) {
			return errPerm
		}
		if uid >= 0 {
			n.uid = uid
		}
		if gid >= 0 {
			n.gid = gid
		}
		return nil
	})
}

func (f *Files) touch(c cred, path string) error {
	return f.change(c, path, true, func(n *node) error {
		if n.immutable {
			return errPerm
		}
		if !c.owns(n) && !c.may(n, 2) {
			return errAccess
		}
		n.mtime = f.now()
		return nil
	})
}
