package macsim

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// defaultPath is the PATH that sshd gives a session on macOS.
const defaultPath = "/usr/bin:/bin:/usr/sbin:/sbin"

const appendFlags = os.O_WRONLY | os.O_CREATE | os.O_APPEND

// environ is an environment.
type environ map[string]string

func (e environ) get(name string) string { return e[name] }

// lines are the variables as env(1) prints them, sorted.
func (e environ) lines() []string {
	var all []string
	for _, k := range slices.Sorted(maps.Keys(e)) {
		if !strings.HasPrefix(k, hiddenVars) {
			all = append(all, k+"="+e[k])
		}
	}
	return all
}

// child is a process that p becomes or starts: it has p's streams, folder and environment.
func (p *process) child(argv ...string) *process {
	c := *p
	c.Args = argv
	c.environ = maps.Clone(p.environ)
	c.Env = c.environ.get
	return &c
}

// abs is a path that p was given, made absolute.
func (p *process) abs(name string) string {
	if name == "" || strings.HasPrefix(name, "/") {
		return name
	}
	return strings.TrimRight(p.Dir, "/") + "/" + name
}

// errorf prints a message as most programs do, after their name, and returns 1.
func (p *process) errorf(format string, args ...any) int {
	fmt.Fprintf(p.Stderr, path.Base(p.Args[0])+": "+format+"\n", args...)
	return 1
}

// usage prints how the program is called and returns 64, EX_USAGE, or what exit says.
func (p *process) usage(text string, exit int) int {
	fmt.Fprintf(p.Stderr, "usage: %s\n", text)
	return exit
}

// illegal is what getopt(3) prints for an option that does not exist.
func (p *process) illegal(option byte) {
	fmt.Fprintf(p.Stderr, "%s: illegal option -- %c\n", path.Base(p.Args[0]), option)
}

// flags parses p's arguments as getopt(3) on BSD does: options first, the first other word ends them. spec is getopt's.
// ok is false when an option is unknown or lacks its argument, which has been said then.
func (p *process) flags(spec string) (set map[byte]string, args []string, ok bool) {
	set = map[byte]string{}
	args = p.Args[1:]
	for len(args) > 0 && len(args[0]) > 1 && args[0][0] == '-' {
		word := args[0][1:]
		args = args[1:]
		if word == "-" {
			break
		}
		for word != "" {
			o := word[0]
			word = word[1:]
			i := strings.IndexByte(spec, o)
			switch {
			case i < 0 || o == ':':
				p.illegal(o)
				return nil, nil, false
			case i+1 == len(spec) || spec[i+1] != ':':
				set[o] += string(o)
			case word != "":
				set[o], word = word, ""
			case len(args) > 0:
				set[o], args = args[0], args[1:]
			default:
				fmt.Fprintf(p.Stderr, "%s: option requires an argument -- %c\n", path.Base(p.Args[0]), o)
				return nil, nil, false
			}
		}
	}
	return set, args, true
}

// cred is on whose behalf p runs.
func (m *Mac) cred(p *process) cred { return m.credOf(p.UID) }

func (m *Mac) credOf(uid int) cred {
	c := cred{uid: uid}
	for _, u := range m.users {
		if u.uid == uid {
			c.gids = append(c.gids, u.gids...)
			return c
		}
	}
	c.gids = []int{20}
	return c
}

// open opens a file that p was given the name of.
func (m *Mac) open(p *process, name string, flag int) (*file, error) {
	return m.files.open(m.cred(p), p.abs(name), flag, 0o666&^p.umask)
}

// input opens a file to read, or stdin for "-".
func (m *Mac) input(p *process, name string) (io.Reader, error) {
	if name == "-" {
		return p.Stdin, nil
	}
	f, err := m.open(p, name, os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	return f, nil
}

// lookPath is the absolute path of the program p.Args[0]. The error is errNotExist when there is none.
func (m *Mac) lookPath(p *process) (string, error) {
	name, c := p.Args[0], m.cred(p)
	if strings.Contains(name, "/") {
		return m.executable(c, p.abs(name))
	}
	if name == "" {
		return "", errNotExist
	}
	var failed error = errNotExist
	search, set := p.environ["PATH"]
	if !set {
		search = defaultPath
	}
	for dir := range strings.SplitSeq(search, ":") {
		if dir == "" {
			dir = p.Dir
		}
		found, err := m.executable(c, p.abs(dir)+"/"+name)
		if err == nil {
			return found, nil
		}
		if err == errAccess {
			failed = err
		}
	}
	return "", failed
}

func (m *Mac) executable(c cred, path string) (string, error) {
	i, err := m.files.stat(c, path, true)
	switch {
	case err != nil:
		return "", err
	case i.IsDir():
		return "", errIsDir
	}
	if err := m.files.access(c, path, 1); err != nil {
		return "", err
	}
	return m.files.realPath(c, path)
}

// start runs the program at path, a result of lookPath, and returns its exit status. Every program of the Mac passes here, so
// here are the levers.
func (m *Mac) start(ctx context.Context, path string, p *process) int {
	if p.Stdin == nil {
		p.Stdin = strings.NewReader("")
	}
	if !m.enter(ctx) {
		return 128 + sigKILL
	}
	defer m.work.Done()
	defer interruptRead(ctx, p.Stdin)()
	f := m.begin(ctx, path, p)
	switch {
	case ctx.Err() != nil:
		return 128 + sigKILL
	case f == nil:
	case f.Cut == CutBefore:
		p.session.kill()
		return 128 + sigKILL
	case f.Cut == CutNever && !f.Done:
		_, _ = io.WriteString(p.Stderr, f.Stderr)
		return f.Exit
	}
	argv, stderr := slices.Clone(p.Args), p.Stderr
	if f != nil && f.Done {
		p.Stdout, p.Stderr = io.Discard, io.Discard
	}
	status := m.execute(ctx, path, p)
	m.tell(ctx, argv, true)
	switch {
	case f == nil:
	case f.Cut == CutAfter:
		p.session.cut()
	default:
		_, _ = io.WriteString(stderr, f.Stderr)
		status = f.Exit
	}
	return status
}

// execute runs a program until it ends, by SIGPIPE if need be.
func (m *Mac) execute(ctx context.Context, path string, p *process) int {
	p.outlets = &outlets{p: p}
	p.Stdout, p.Stderr = p.outlets.to(p.Stdout), p.outlets.to(p.Stderr)
	status := m.run(ctx, path, p)
	if p.outlets.broke.Load() {
		return 128 + sigPIPE
	}
	return status
}

// run runs a program of ours, or a script.
func (m *Mac) run(ctx context.Context, path string, p *process) int {
	if run := commands[path]; run != nil {
		return run(ctx, m, p)
	}
	text, err := m.files.Read(path)
	if err != nil {
		return 126
	}
	argv := []string{"/bin/sh"}
	if line, ok := strings.CutPrefix(text, "#!"); ok {
		line, _, _ = strings.Cut(line, "\n")
		interpreter, arg, _ := strings.Cut(strings.TrimSpace(line), " ")
		argv = []string{interpreter}
		if arg = strings.TrimSpace(arg); arg != "" {
			argv = append(argv, arg)
		}
	}
	script := path
	if strings.Contains(p.Args[0], "/") {
		script = p.Args[0]
	}
	c := p.child(slices.Concat(argv, []string{script}, p.Args[1:])...)
	interpreter, err := m.lookPath(c)
	if err != nil || interpreter == path {
		fmt.Fprintf(p.Stderr, "%s: %s: bad interpreter: %v\n", path, argv[0], errNotExist)
		return 126
	}
	if commands[interpreter] == nil {
		return p.errorf("macsim: %s is no program of this Mac", interpreter)
	}
	return commands[interpreter](ctx, m, c)
}

// interruptRead makes reads of r fail when ctx ends, until stop is called.
func interruptRead(ctx context.Context, r io.Reader) (stop func()) {
	f, ok := r.(*os.File)
	if !ok {
		return func() {}
	}
	done := make(chan struct{})
	cancel := context.AfterFunc(ctx, func() {
		_ = f.SetReadDeadline(time.Unix(1, 0))
		close(done)
	})
	return func() {
		if !cancel() {
			<-done
			_ = f.SetReadDeadline(time.Time{})
		}
	}
}

// outlets are stdout and stderr of a program. Writing where nobody reads any more ends it, by SIGPIPE, unless it ignores that. It goes on
// until it returns, but for what it does after that it has to look.
type outlets struct {
	p     *process
	broke atomic.Bool // SIGPIPE
}

type outlet struct {
	io.Writer
	of *outlets
}

func (o *outlets) to(w io.Writer) io.Writer { return &outlet{bare(w), o} }

// bare is the stream behind an outlet: what one program does not die of, another that it starts may.
func bare(w io.Writer) io.Writer {
	if o, ok := w.(*outlet); ok {
		return o.Writer
	}
	return w
}

func (o *outlet) Write(b []byte) (int, error) {
	n, err := o.Writer.Write(b)
	if broken(err) && !slices.Contains(o.of.p.ignored(), sigPIPE) {
		o.of.broke.Store(true)
	}
	return n, err
}

// broken tells whether writing failed because nobody reads any more.
func broken(err error) bool {
	var file errno
	return err != nil && !errors.As(err, &file)
}
