package macsim

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/interp"
	"mvdan.cc/sh/v3/syntax"
)

// Variables with which the interpreter carries what it has no place for. Programs do not see them.
const (
	hiddenVars = "__macsim_"
	umaskVar   = hiddenVars + "umask"   // exported: the umask, in octal
	ignoredVar = hiddenVars + "ignored" // exported: the numbers of the signals that are ignored
	arg0Var    = hiddenVars + "arg0"    // $0 of a shell that reads its script from stdin
)

// interpreter is one running shell.
type interpreter struct {
	m      *Mac
	p      *process // the shell itself
	zsh    bool     // speaks like zsh, else like bash 3.2, which is /bin/sh
	runner *interp.Runner
	stdin  *os.File
	task   *task
	exit   string // while its trap on EXIT runs: the status before
}

// shell is /bin/sh, and the other shells of a Mac: all of them take the language of bash.
func shell(ctx context.Context, m *Mac, p *process) int {
	args, opts := p.Args[1:], []string{}
	var command, lines bool
	for len(args) > 0 && len(args[0]) > 1 && (args[0][0] == '-' || args[0][0] == '+') {
		word := args[0]
		args = args[1:]
		if word == "--" {
			break
		}
		for _, o := range word[1:] {
			switch o {
			case 'c':
				command = true
			case 's':
				lines = true
			case 'i', 'l': // interactive and login shells differ in nothing that is modelled
			case 'o':
				if len(args) > 0 {
					opts = append(opts, word[:1]+"o", args[0])
					args = args[1:]
				}
			default:
				opts = append(opts, word[:1]+string(o))
			}
		}
	}
	s := &interpreter{m: m, p: p, zsh: path.Base(p.Args[0]) == "zsh", task: p.task}
	if s.task == nil {
		s.task = new(task)
	}
	p.Stdout, p.Stderr = bare(p.Stdout), bare(p.Stderr) // Its builtins know SIGPIPE themselves.
	ctx = p.session.detached(ctx)
	defer p.session.note(s.task)()
	running, end := context.WithCancel(ctx) // Not to be ended with the script: what it left in the background goes on.
	s.task.become(p.ignored(), end)
	arg0, script := p.Args[0], ""
	switch {
	case command && len(args) == 0:
		return p.errorf("-c: option requires an argument") + 1
	case command:
		lines = false
		script, args = args[0], args[1:]
		if len(args) > 0 {
			arg0, args = args[0], args[1:]
		}
	case !lines && len(args) > 0:
		f, err := m.open(p, args[0], os.O_RDONLY)
		if err == nil {
			var text []byte
			if text, err = io.ReadAll(f); err == nil {
				script = string(text)
			}
		}
		if err != nil {
			return p.errorf("%s: %v", args[0], err) + 126
		}
		arg0, args = args[0], args[1:]
	default:
		lines = true
	}

	stdin, stop, err := stdinFile(p.Stdin)
	if err != nil {
		return p.errorf("%v", err)
	}
	defer stop()
	s.stdin = stdin
	if err := s.newRunner(arg0, append(append(opts, "--"), args...)); err != nil {
		p.errorf("%v", err)
		return 2
	}
	if lines {
		next := func(bool) (string, error) { return readLine(s.stdin) }
		if in := s.input(s.stdin); in != nil {
			next = func(more bool) (string, error) {
				if p.terminal() {
					_, _ = io.WriteString(p.Stderr, nestedPrompt(p, more))
				}
				return in.line()
			}
		}
		return s.end(ctx, s.runLines(running, arg0, source{next: next}))
	}
	file, err := newParser().Parse(strings.NewReader(asSh(script)), arg0)
	if err != nil {
		return s.syntaxError(err)
	}
	return s.end(ctx, s.status(s.runner.Run(running, file)))
}

// stdinFile is r as a file, which is the only thing the interpreter does not read ahead from.
func stdinFile(r io.Reader) (f *os.File, stop func(), err error) {
	switch r := r.(type) {
	case *os.File:
		return r, func() {}, nil
	case *input:
		return r.token, func() {}, nil
	}
	pr, pw, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	go func() {
		_, _ = io.Copy(pw, r)
		_ = pw.Close()
	}()
	return pr, func() { _ = pr.Close() }, nil
}

func (s *interpreter) newRunner(arg0 string, params []string) (err error) {
	s.runner, err = interp.New(
		interp.Env(s.environ(arg0)),
		interp.StdIO(s.stdin, s.p.Stdout, s.p.Stderr),
		interp.Params(params...),
		interp.CallHandler(s.call),
		interp.ExecHandlers(func(interp.ExecHandlerFunc) interp.ExecHandlerFunc { return s.exec }),
		interp.OpenHandler(s.open),
		interp.StatHandler(s.stat),
		interp.AccessHandler(s.access),
		interp.ReadDirHandler2(s.readDir),
		func(r *interp.Runner) error { r.Dir = s.p.Dir; return nil }, // interp.Dir asks the host whether it exists
	)
	return err
}

// environ is the environment that the shell begins with.
func (s *interpreter) environ(arg0 string) expand.Environ {
	vars := variables{}
	for k, v := range s.p.environ {
		vars[k] = expand.Variable{Set: true, Exported: true, Kind: expand.String, Str: v}
	}
	// The interpreter would take these from the host.
	for k, v := range map[string]string{
		"UID": strconv.Itoa(s.p.UID), "EUID": strconv.Itoa(s.p.UID), "GID": strconv.Itoa(s.m.cred(s.p).gids[0]), arg0Var: arg0,
	} {
		vars[k] = expand.Variable{Set: true, Kind: expand.String, Str: v}
	}
	if !vars["HOME"].IsSet() {
		vars["HOME"] = expand.Variable{Set: true, Kind: expand.String, Str: "/"}
	}
	return vars
}

type variables map[string]expand.Variable

func (v variables) Get(name string) expand.Variable { return v[name] }

func (v variables) Each(yield func(string, expand.Variable) bool) {
	for k, x := range v {
		if !yield(k, x) {
			return
		}
	}
}

// source is where a script comes from line by line.
type source struct {
	// next returns the next line, with its newline; more says that it continues a statement. The line before an error may lack
	// the newline.
	next func(more bool) (string, error)
	// around, if not nil, runs a line's statements; without it they are just run. An error in one line then does not end the shell.
	around func(run func(context.Context))
}

// runLines runs a script from its source, so that what a command reads from the same stream is what follows the command's line.
func (s *interpreter) runLines(ctx context.Context, arg0 string, from source) int {
	var text strings.Builder
	for {
		line, readErr := from.next(text.Len() > 0)
		text.WriteString(line)
		file, err := newParser().Parse(strings.NewReader(asSh(text.String())), arg0)
		if err != nil && syntax.IsIncomplete(err) && readErr == nil {
			continue
		}
		text.Reset()
		if err != nil {
			if status := s.syntaxError(err); from.around == nil || readErr != nil {
				return status
			}
			continue
		}
		if readErr != nil {
			file.Stmts = append(file.Stmts, exitStmt())
		}
		nameArg0(file)
		var ended bool
		run := func(ctx context.Context) {
			for _, stmt := range file.Stmts {
				if err = s.runner.Run(ctx, stmt); ctx.Err() != nil {
					return
				}
				if ended = s.runner.Exited(); ended {
					return
				}
			}
		}
		if from.around != nil {
			from.around(run)
		} else {
			run(ctx)
		}
		if ended || ctx.Err() != nil {
			return s.status(err)
		}
	}
}

// readLine reads a line and nothing that follows it.
func readLine(r io.Reader) (string, error) {
	var line strings.Builder
	b := make([]byte, 1)
	for {
		n, err := r.Read(b)
		if n > 0 {
			line.WriteByte(b[0])
			if b[0] == '\n' {
				return line.String(), nil
			}
		}
		if err != nil {
			return line.String(), err
		}
	}
}

// status is the exit status of what Run returned err for.
func (s *interpreter) status(err error) int {
	var exit interp.ExitStatus
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return int(exit)
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return 137
	}
	fmt.Fprintf(s.p.Stderr, "%s: macsim: %v\n", path.Base(s.p.Args[0]), err)
	return 1
}

func (s *interpreter) syntaxError(err error) int {
	line, text := uint(1), err.Error()
	var pe syntax.ParseError
	if errors.As(err, &pe) {
		line, text = pe.Pos.Line(), pe.Text
	}
	if s.zsh {
		fmt.Fprintf(s.p.Stderr, "zsh:%d: parse error: %s\n", line, text)
		return 1
	}
	fmt.Fprintf(s.p.Stderr, "%s: line %d: syntax error: %s\n", path.Base(s.p.Args[0]), line, text)
	return 2
}

// complain prints what the shell says when a name cannot be run or opened.
func (s *interpreter) complain(w io.Writer, name string, err error) {
	fmt.Fprintln(w, s.pathError(name, err))
}

func (s *interpreter) pathError(name string, err error) error {
	text := "command not found"
	if err != nil {
		text = err.Error()
	}
	if s.zsh {
		return &fs.PathError{Op: "zsh:1:", Path: strings.ToLower(text[:1]) + text[1:], Err: errno(name)}
	}
	return &fs.PathError{Op: path.Base(s.p.Args[0]) + ":", Path: name, Err: errno(text)}
}

// process is a process that the shell starts.
func (s *interpreter) process(ctx context.Context, args []string) *process {
	p := s.inside(ctx, args)
	p.environ = environ{}
	for name, v := range interp.HandlerCtx(ctx).Env.Each {
		if v.IsSet() && v.Exported && v.Kind == expand.String {
			p.environ[name] = v.Str
		} else {
			delete(p.environ, name)
		}
	}
	p.environ["PWD"] = p.Dir
	p.Env = p.environ.get
	return p
}

// inside is the shell itself where it does something as if it were a program. Its environment can be asked, but is not there as a whole:
// that would take longer than most of what it does.
func (s *interpreter) inside(ctx context.Context, args []string) *process {
	hc := interp.HandlerCtx(ctx)
	p := *s.p
	p.task, p.parent, p.environ = nil, s.task, nil
	p.Args, p.Dir, p.Stdin, p.Stdout, p.Stderr = args, slash(hc.Dir), hc.Stdin, hc.Stdout, hc.Stderr
	if in := s.input(hc.Stdin); in != nil {
		p.Stdin = in
	} else if hc.Stdin == nil {
		p.Stdin = strings.NewReader("")
	}
	p.Env = func(name string) string {
		if v := hc.Env.Get(name); v.IsSet() && v.Exported && v.Kind == expand.String {
			return v.Str
		}
		return ""
	}
	if mask, err := strconv.ParseUint(p.Env(umaskVar), 8, 32); err == nil {
		p.umask = fs.FileMode(mask)
	}
	return &p
}

// exec runs what is neither a function nor one of the interpreter's own builtins, and then the traps of signals that came meanwhile.
func (s *interpreter) exec(ctx context.Context, args []string) error {
	return s.trapAfter(ctx, s.execOne(ctx, args))
}

func (s *interpreter) execOne(ctx context.Context, args []string) error {
	if name, ok := strings.CutPrefix(args[0], builtinPrefix); ok {
		status, err := s.builtin(ctx, s.inside(ctx, append([]string{name}, args[1:]...)))
		if err != nil || status == 0 {
			return err
		}
		return interp.ExitStatus(status)
	}
	p := s.process(ctx, args)
	if name, ok := strings.CutPrefix(args[0], becomePrefix); ok {
		args = append([]string{name}, args[1:]...)
		p.Args, p.task = args, s.task
	}
	file, err := s.m.lookPath(p)
	if err != nil {
		status := interp.ExitStatus(127)
		if err != errNotExist {
			status = 126
		}
		if err == errNotExist && !strings.Contains(args[0], "/") {
			err = nil
		}
		s.complain(p.Stderr, args[0], err)
		return status
	}
	status := s.m.start(ctx, file, p)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if status != 0 {
		return interp.ExitStatus(status & 0xff)
	}
	return nil
}

// open opens the file of a redirection.
func (s *interpreter) open(ctx context.Context, name string, flag int, perm fs.FileMode) (io.ReadWriteCloser, error) {
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	p := s.inside(ctx, s.p.Args)
	name = slash(name)
	switch name {
	case "/dev/stdout":
		return stream{Writer: p.Stdout}, nil
	case "/dev/stderr":
		return stream{Writer: p.Stderr}, nil
	}
	f, err := s.m.files.open(s.m.cred(p), p.abs(name), flag, 0o666&^p.umask)
	if err != nil {
		return nil, s.pathError(name, err)
	}
	if flag&(os.O_WRONLY|os.O_RDWR) != 0 {
		return f, nil
	}
	if f.node.isDir() {
		return nil, s.pathError(name, errIsDir)
	}
	pr, pw, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	go func() {
		_, _ = bufio.NewReader(f).WriteTo(pw)
		_ = pw.Close()
	}()
	return pr, nil
}

// stream is an open stream under another name.
type stream struct{ io.Writer }

func (stream) Read([]byte) (int, error) { return 0, errBadFile }
func (stream) Close() error             { return nil }

func (s *interpreter) stat(ctx context.Context, name string, follow bool) (fs.FileInfo, error) {
	p := s.inside(ctx, s.p.Args)
	i, err := s.m.files.stat(s.m.cred(p), p.abs(slash(name)), follow)
	if err != nil {
		return nil, err
	}
	return i, nil
}

func (s *interpreter) access(ctx context.Context, name string, mode interp.AccessMode) error {
	p := s.inside(ctx, s.p.Args)
	return s.m.files.access(s.m.cred(p), p.abs(slash(name)), uint32(mode))
}

func (s *interpreter) readDir(ctx context.Context, name string) ([]fs.DirEntry, error) {
	p := s.inside(ctx, s.p.Args)
	infos, err := s.m.files.readDir(s.m.cred(p), p.abs(slash(name)))
	if err == errNotDir {
		return nil, syscall.ENOTDIR // what globbing asks for
	}
	if err != nil {
		return nil, err
	}
	var entries []fs.DirEntry
	for _, i := range infos {
		entries = append(entries, fs.FileInfoToDirEntry(i))
	}
	return entries, nil
}

// slash is a path that the interpreter made, which on Windows may have got backslashes.
func slash(name string) string {
	if runtime.GOOS == "windows" {
		return filepath.ToSlash(name)
	}
	return name
}
