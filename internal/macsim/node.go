package macsim

import (
	"io/fs"
	"slices"
	"strings"
	"time"
)

// errno is why a call on the file system failed, in the words of strerror(3) on a Mac.
type errno string

const (
	errNotExist     errno = "No such file or directory"
	errExist        errno = "File exists"
	errAccess       errno = "Permission denied"
	errPerm         errno = "Operation not permitted"
	errNotDir       errno = "Not a directory"
	errIsDir        errno = "Is a directory"
	errNotEmpty     errno = "Directory not empty"
	errReadOnly     errno = "Read-only file system"
	errNoSpace      errno = "No space left on device"
	errLoop         errno = "Too many levels of symbolic links"
	errNameTooLong  errno = "File name too long"
	errInvalid      errno = "Invalid argument"
	errBadFile      errno = "Bad file descriptor"
	errNoXattr      errno = "Attribute not found"
	errNotSupported errno = "Operation not supported"
	errPipe         errno = "Broken pipe"
)

func (e errno) Error() string { return string(e) }

// Is makes errors.Is work with the errors of io/fs.
func (e errno) Is(target error) bool {
	switch target {
	case fs.ErrNotExist:
		return e == errNotExist
	case fs.ErrExist:
		return e == errExist || e == errNotEmpty
	case fs.ErrPermission:
		return e == errAccess || e == errPerm
	}
	return false
}

// The type bits and special bits of st_mode.
const (
	modeType    = 0o170000
	modeFile    = 0o100000
	modeDir     = 0o040000
	modeLink    = 0o120000
	modeDevice  = 0o020000
	modeSetUID  = 0o4000
	modeSetGID  = 0o2000
	modeSticky  = 0o1000
	modePermAll = 0o7777
)

// node is one file, folder, link or device. Files.mu guards it.
type node struct {
	name      string // as it was created; looked up without regard to case
	mode      uint32 // st_mode
	uid, gid  int
	ino       uint64
	mtime     time.Time
	data      []byte
	link      string // of a symbolic link
	kids      map[string]*node
	parent    *node // nil for the root and for what was removed
	xattrs    map[string]string
	immutable bool // the flag uchg
	sealed    bool // on the read-only system volume
}

func (n *node) isDir() bool    { return n.mode&modeType == modeDir }
func (n *node) isLink() bool   { return n.mode&modeType == modeLink }
func (n *node) isDevice() bool { return n.mode&modeType == modeDevice }

// key is the name under which a folder keeps a file: APFS as Macs have it tells no upper from lower case.
func key(name string) string { return strings.ToLower(name) }

func (n *node) sorted() []*node {
	kids := make([]*node, 0, len(n.kids))
	for _, k := range n.kids {
		kids = append(kids, k)
	}
	slices.SortFunc(kids, func(a, b *node) int { return strings.Compare(a.name, b.name) })
	return kids
}

func (n *node) path() string {
	if n.parent == nil {
		return "/"
	}
	if n.parent.parent == nil {
		return "/" + n.name
	}
	return n.parent.path() + "/" + n.name
}

// size is st_size: of a folder, as on APFS, 32 bytes for each entry and for . and ..
func (n *node) size() int64 {
	switch {
	case n.isDir():
		return int64(len(n.kids)+2) * 32
	case n.isLink():
		return int64(len(n.link))
	}
	return int64(len(n.data))
}

// cred is on whose behalf something is done.
type cred struct {
	uid  int
	gids []int // the first is the effective group
}

var rootCred = cred{uid: 0, gids: []int{0}}

// may tells whether c has all of the rights in want, an octal digit as in a mode: 4 read, 2 write, 1 search or execute.
func (c cred) may(n *node, want uint32) bool {
	if c.uid == 0 {
		return want&1 == 0 || n.isDir() || n.mode&0o111 != 0
	}
	bits := n.mode
	switch {
	case c.uid == n.uid:
		bits >>= 6
	case slices.Contains(c.gids, n.gid):
		bits >>= 3
	}
	return bits&want == want
}

// owns tells whether c may change n's mode and times.
func (c cred) owns(n *node) bool { return c.uid == 0 || c.uid == n.uid }

// Info is what stat(2) says of a file. It is an fs.FileInfo as well.
type Info struct {
	name     string
	StMode   uint32 // type and permissions, as in st_mode: 0o100644 is an ordinary file
	UID, GID int
	Bytes    int64
	Modified time.Time
	Inode    uint64
	Link     string // where a symbolic link points
	Flags    string // "uchg" or ""
}

func (n *node) info() Info {
	i := Info{
		name: n.name, StMode: n.mode, UID: n.uid, GID: n.gid, Bytes: n.size(), Modified: n.mtime, Inode: n.ino, Link: n.link,
	}
	if n.immutable {
		i.Flags = "uchg"
	}
	return i
}

// Name is the file's name as the folder has it.
func (i Info) Name() string { return i.name }

// Size is the file's length in bytes.
func (i Info) Size() int64 { return i.Bytes }

// ModTime is when the content last changed.
func (i Info) ModTime() time.Time { return i.Modified }

// IsDir tells a folder.
func (i Info) IsDir() bool { return i.StMode&modeType == modeDir }

// Sys is nil.
func (i Info) Sys() any { return nil }

// Mode is StMode as Go has it.
func (i Info) Mode() fs.FileMode {
	m := fs.FileMode(i.StMode & 0o777)
	switch i.StMode & modeType {
	case modeDir:
		m |= fs.ModeDir
	case modeLink:
		m |= fs.ModeSymlink
	case modeDevice:
		m |= fs.ModeDevice | fs.ModeCharDevice
	}
	if i.StMode&modeSetUID != 0 {
		m |= fs.ModeSetuid
	}
	if i.StMode&modeSetGID != 0 {
		m |= fs.ModeSetgid
	}
	if i.StMode&modeSticky != 0 {
		m |= fs.ModeSticky
	}
	return m
}

// String is the mode as ls -l begins a line.
func (i Info) String() string {
	kind := map[uint32]byte{modeDir: 'd', modeLink: 'l', modeDevice: 'c'}[i.StMode&modeType]
	if kind == 0 {
		kind = '-'
	}
	b := []byte{kind}
	for shift := 6; shift >= 0; shift -= 3 {
		bits := i.StMode >> shift
		for j, c := range []byte("rwx") {
			if bits&(4>>j) == 0 {
				c = '-'
			}
			b = append(b, c)
		}
	}
	for _, s := range []struct {
		bit  uint32
		at   int
		x, u byte
	}{{modeSetUID, 3, 's', 'S'}, {modeSetGID, 6, 's', 'S'}, {modeSticky, 9, 't', 'T'}} {
		if i.StMode&s.bit == 0 {
			continue
		}
		if b[s.at] == 'x' {
			b[s.at] = s.x
		} else {
			b[s.at] = s.u
		}
	}
	return string(b)
}
