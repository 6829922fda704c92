package macsim

import (
	"io"
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

// room is how many of the size bytes still fit where n is.
func (f *Files) room(n *node, size int) (int, error) {
	path := n.path()
	for i := range f.full {
		d := &f.full[i]
		if d.path != "/" && path != d.path && !strings.HasPrefix(path, d.path+"/") {
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
