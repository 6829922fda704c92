package macsim

import (
	"io"
	"io/fs"
	"os"
	"strings"
)

func pathError(op, path string, err error) error {
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: op, Path: path, Err: err}
}

// Read is the content of a file.
func (f *Files) Read(path string) (string, error) {
	h, err := f.open(rootCred, path, os.O_RDONLY, 0)
	if err != nil {
		return "", pathError("open", path, err)
	}
	b, err := io.ReadAll(h)
	return string(b), pathError("read", path, err)
}

// Write makes content what the file holds. A new file is 0644 and owned by root; a file that is there keeps mode and owner.
func (f *Files) Write(path, content string) error {
	h, err := f.open(rootCred, path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err == nil {
		_, err = h.Write([]byte(content))
	}
	return pathError("write", path, err)
}

// Stat says what the path leads to, links followed.
func (f *Files) Stat(path string) (Info, error) {
	i, err := f.stat(rootCred, path, true)
	return i, pathError("stat", path, err)
}

// Lstat is Stat without following a link at the end of path.
func (f *Files) Lstat(path string) (Info, error) {
	i, err := f.stat(rootCred, path, false)
	return i, pathError("lstat", path, err)
}

// List is the names in a folder, sorted.
func (f *Files) List(path string) ([]string, error) {
	infos, err := f.readDir(rootCred, path)
	var names []string
	for _, i := range infos {
		names = append(names, i.name)
	}
	return names, pathError("readdir", path, err)
}

// Remove removes a file, or a folder with all that is in it. What does not exist is an error.
func (f *Files) Remove(path string) error {
	return pathError("remove", path, f.removeAll(rootCred, path))
}

func (f *Files) removeAll(c cred, path string) error {
	i, err := f.stat(c, path, false)
	if err != nil {
		return err
	}
	if !i.IsDir() {
		return f.remove(c, path, false)
	}
	kids, err := f.readDir(c, path)
	if err != nil {
		return err
	}
	for _, k := range kids {
		if err := f.removeAll(c, path+"/"+k.name); err != nil {
			return err
		}
	}
	return f.remove(c, path, true)
}

// Rename is rename(2).
func (f *Files) Rename(from, to string) error {
	return pathError("rename", from, f.rename(rootCred, from, to))
}

// Mkdir makes a folder, 0755 and owned by root, and those above it that do not exist. One that is there is no error.
func (f *Files) Mkdir(path string) error {
	path = strings.TrimRight(path, "/")
	if i, err := f.stat(rootCred, path, true); err == nil && i.IsDir() || path == "" {
		return nil
	}
	if dir, _ := splitPath(path); dir != "" {
		if err := f.Mkdir(dir); err != nil {
			return err
		}
	}
	return pathError("mkdir", path, f.mkdir(rootCred, path, 0o755))
}

// Symlink makes path a link to target.
func (f *Files) Symlink(target, path string) error {
	return pathError("symlink", path, f.symlink(rootCred, target, path))
}

// Chmod sets the permissions and special bits, as in 0o644 or 0o1777.
func (f *Files) Chmod(path string, mode uint32) error {
	return pathError("chmod", path, f.chmod(rootCred, path, func(uint32, bool) uint32 { return mode }))
}

// Chown sets owner and group by number.
func (f *Files) Chown(path string, uid, gid int) error {
	return pathError("chown", path, f.chown(rootCred, path, uid, gid, true))
}

// SetXattr sets an extended attribute, as com.apple.quarantine is one.
func (f *Files) SetXattr(path, name, value string) error {
	return pathError("setxattr", path, f.change(rootCred, path, true, func(n *node) error { return setXattr(n, name, value) }))
}

func setXattr(n *node, name, value string) error {
	if n.xattrs == nil {
		n.xattrs = map[string]string{}
	}
	n.xattrs[name] = value
	return nil
}

// Xattr is the value of an extended attribute; ok is false when there is none.
func (f *Files) Xattr(path, name string) (value string, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, err := f.find(rootCred, path, true)
	if err != nil {
		return "", false
	}
	value, ok = n.xattrs[name]
	return value, ok
}

// SetImmutable sets or clears the flag uchg, which keeps even root from changing a file.
func (f *Files) SetImmutable(path string, on bool) error {
	return pathError("chflags", path, f.change(rootCred, path, true, func(n *node) error {
		n.immutable = on
		return nil
	}))
}

// Fill makes the disk full: files at path and below take left more bytes, then writing them and creating more fails with ENOSPC. Path "/"
// is the whole disk. Several places can be full at a time.
func (f *Files) Fill(path string, left int64) {
	path, _ = f.deepest(path)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.full = append(f.full, full{path: path, left: left})
}

// Free takes back all that Fill did.
func (f *Files) Free() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.full = nil
}

// deepest is path with the links of its folders resolved; the file itself need not exist.
func (f *Files) deepest(path string) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	dir, base, n, err := f.walk(rootCred, path, true)
	switch {
	case err != nil:
		return path, err
	case n != nil:
		return n.path(), nil
	case dir.parent == nil:
		return "/" + base, nil
	}
	return dir.path() + "/" + base, nil
}
