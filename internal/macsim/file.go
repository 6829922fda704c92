package macsim

import (
	"io"
	"slices"
	"strings"
)

// file is an open file. It outlives the removal of its name.
type file struct {
	files  *Files
	node   *node
	write  bool
	append bool
	offset int
	closed bool
}

func (f *file) Read(p []byte) (int, error) {
	f.files.mu.Lock()
	defer f.files.mu.Unlock()
	switch {
	case f.closed:
		return 0, errBadFile
	case f.node.isDir():
		return 0, errIsDir
	case f.node.isDevice() && f.node.name == "zero":
		clear(p)
		return len(p), nil
	case f.offset >= len(f.node.data):
		return 0, io.EOF
	}
	n := copy(p, f.node.data[f.offset:])
	f.offset += n
	return n, nil
}

func (f *file) Write(p []byte) (int, error) {
	f.files.mu.Lock()
	defer f.files.mu.Unlock()
	switch {
	case f.closed, !f.write:
		return 0, errBadFile
	case f.node.isDevice():
		return len(p), nil
	}
	n := f.node
	if f.append {
		f.offset = len(n.data)
	}
	room, err := f.files.room(n, len(p))
	p = p[:room]
	if end := f.offset + len(p); end > len(n.data) {
		n.data = append(n.data, make([]byte, end-len(n.data))...)
	}
	copy(n.data[f.offset:], p)
	f.offset += len(p)
	n.mtime = f.files.now()
	return len(p), err
}

func (f *file) Close() error {
	f.files.mu.Lock()
	defer f.files.mu.Unlock()
	f.closed = true
	return nil
}

// holds tells whether n is in the full place.
func (d *full) holds(n *node) bool {
	path := n.path()
	return d.path == "/" || path == d.path || strings.HasPrefix(path, d.path+"/")
}

// exhausted tells whether not even a name fits into a folder any more.
func (f *Files) exhausted(dir *node) bool {
	return slices.ContainsFunc(f.full, func(d full) bool { return d.left <= 0 && d.holds(dir) })
}

// room is how many of the size bytes still fit where n is.
func (f *Files) room(n *node, size int) (int, error) {
	for i := range f.full {
		d := &f.full[i]
		if !d.holds(n) {
			continue
		}
		if int64(size) > d.left {
			size = int(d.left)
			d.left = 0
			return size, errNoSpace
		}
		d.left -= int64(size)
	}
	return size, nil
}
