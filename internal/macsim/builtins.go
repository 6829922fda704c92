package macsim

import (
	"context"
	"fmt"
	"io"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"mvdan.cc/sh/v3/interp"
)

const (
	builtinPrefix = "macsim builtin " // marks a command that a shell has built in but that is ours, not the interpreter's
	becomePrefix  = "macsim exec "    // marks a program that the shell becomes
)

// ours are the builtins that the interpreter lacks, has otherwise than /bin/sh on a Mac, or would ask the host for.
var ours = []string{"[", "command", "echo", "hash", "kill", "printf", "pwd", "test", "type", "ulimit", "umask"}

// call sees every command before it runs, and turns those that are ours into calls of exec.
func (s *interpreter) call(ctx context.Context, args []string) ([]string, error) {
	if !s.m.awake(ctx.Done()) || ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if script, ok := s.trapBefore(ctx, args); ok {
		return []string{"eval", script}, nil
	}
	our := func(args ...string) ([]string, error) {
		return append([]string{builtinPrefix + args[0]}, args[1:]...), nil
	}
	switch name := args[0]; name {
	case "command":
		if len(args) > 1 && args[1] == "-p" {
			args = slices.Delete(slices.Clone(args), 1, 2)
		}
		if len(args) > 1 && args[1] == "--" {
			args = slices.Delete(slices.Clone(args), 1, 2)
		}
		if len(args) > 1 && strings.HasPrefix(args[1], "-") {
			return our(args...)
		}
		if len(args) > 1 && slices.Contains(ours, args[1]) {
			return s.call(ctx, args[1:])
		}
		return args, nil
	case "umask":
		if len(args) == 2 {
			if mask, err := strconv.ParseUint(args[1], 8, 32); err == nil {
				// Kept in a variable, which is inherited as the umask is.
				return []string{"eval", fmt.Sprintf("export %s=%04o", umaskVar, mask&0o777)}, nil
			}
		}
	case "eval":
		return []string{"eval", asSh(strings.Join(args[1:], " "))}, nil
	case "read":
		return s.readArgs(ctx, args), nil
	case "trap":
		return s.trap(ctx, args), nil
	case "exec":
		if len(args) > 1 && s.main(ctx) {
			s.task.become(s.inside(ctx, args).ignored(), s.task.stop)
			return slices.Concat([]string{"exec", becomePrefix + args[1]}, args[2:]), nil
		}
	case "exit":
		if len(args) == 1 && s.main(ctx) && s.exit != "" {
			return []string{"exit", s.exit}, nil
		}
	case "cd":
		return s.cdArgs(ctx, args), nil
	case ".", "source":
		if len(args) > 1 {
			args = slices.Clone(args)
			args[1] = s.script(ctx, args[1])
		}
		return args, nil
	}
	if slices.Contains(ours, args[0]) {
		return our(args...)
	}
	return args, nil
}

// cdArgs checks the folder first, because the interpreter's messages are its own.
func (s *interpreter) cdArgs(ctx context.Context, args []string) []string {
	for len(args) > 1 && (args[1] == "--" || args[1] == "-P" || args[1] == "-L") {
		args = append([]string{"cd"}, args[2:]...)
	}
	if len(args) != 2 || args[1] == "-" {
		return args
	}
	p := s.inside(ctx, args)
	i, err := s.m.files.stat(s.m.cred(p), p.abs(args[1]), true)
	if err == nil && !i.IsDir() {
		err = errNotDir
	}
	if err == nil {
		err = s.m.files.access(s.m.cred(p), p.abs(args[1]), 1)
	}
	if err != nil {
		return []string{builtinPrefix + "cd", args[1], err.Error()}
	}
	if runtime.GOOS == "windows" {
		// There the interpreter takes a path without a drive for a relative one.
		if rel, err := filepath.Rel(filepath.FromSlash(p.Dir), filepath.FromSlash(p.abs(args[1]))); err == nil {
			return []string{"cd", rel}
		}
	}
	return args
}

// script is the path of a file to be sourced.
func (s *interpreter) script(ctx context.Context, name string) string {
	p := s.inside(ctx, []string{name})
	if !strings.Contains(name, "/") {
		for _, dir := range strings.Split(p.Env("PATH"), ":") {
			if i, err := s.m.files.stat(s.m.cred(p), dir+"/"+name, true); err == nil && !i.IsDir() {
				return dir + "/" + name
			}
		}
	}
	return p.abs(name)
}

// builtin runs a command that call marked. An error ends the shell, or does what the interpreter's own builtin did.
func (s *interpreter) builtin(ctx context.Context, p *process) (int, error) {
	var status int
	var err error
	switch p.Args[0] {
	case "[", "test":
		status = s.m.test(p)
	case "echo":
		// As sh on a Mac (and zsh) has it: backslashes mean something. Options are zsh's alone.
		args, newline := p.Args[1:], true
		if s.zsh && len(args) > 0 && args[0] == "-n" {
			args, newline = args[1:], false
		}
		text, stop := unescape(strings.Join(args, " "), true)
		if newline && !stop {
			text += "\n"
		}
		_, err = io.WriteString(p.Stdout, text)
	case "printf":
		status, err = printf(p)
	case "pwd":
		status, err = s.pwd(p)
	case "kill":
		status = s.m.kill(p, s.task, path.Base(s.p.Args[0])+": line 0: kill")
	case "trap":
		if len(p.Args) > 1 {
			fmt.Fprintf(p.Stderr, "%s: line 0: trap: %s: invalid signal specification\n", path.Base(s.p.Args[0]), p.Args[1])
			status = 1
		}
		if len(p.Args) == 1 {
			_, err = io.WriteString(p.Stdout, s.task.lines())
		}
	case "command", "type":
		status = s.describe(ctx, p)
	case "umask":
		status = s.printUmask(p)
	case "cd":
		if s.zsh {
			fmt.Fprintf(p.Stderr, "zsh:cd:1: %s: %s\n", strings.ToLower(p.Args[2][:1])+p.Args[2][1:], p.Args[1])
		} else {
			fmt.Fprintf(p.Stderr, "%s: line 0: cd: %s: %s\n", path.Base(s.p.Args[0]), p.Args[1], p.Args[2])
		}
		status = 1
	case "not modelled":
		fmt.Fprintf(p.Stderr, "macsim: %s is not modelled\n", p.Args[1])
		status = 2
	case "hash", "ulimit": // nothing to see
	}
	switch {
	case broken(err) && !slices.Contains(p.ignored(), sigPIPE):
		return 0, interp.HandlerCtx(ctx).Builtin(ctx, []string{"exit", strconv.Itoa(128 + sigPIPE)})
	case err != nil:
		if broken(err) {
			err = errPipe
		}
		fmt.Fprintf(p.Stderr, "%s: line 0: %s: write error: %v\n", path.Base(s.p.Args[0]), p.Args[0], err)
		return 1, nil
	}
	return status, nil
}

func (s *interpreter) pwd(p *process) (int, error) {
	dir := p.Dir
	if slices.Contains(p.Args, "-P") {
		var err error
		if dir, err = s.m.files.realPath(s.m.cred(p), dir); err != nil {
			return 1, nil
		}
	}
	_, err := fmt.Fprintln(p.Stdout, dir)
	return 0, err
}

func (s *interpreter) printUmask(p *process) int {
	if len(p.Args) > 1 {
		fmt.Fprintf(p.Stderr, "macsim: umask %s is not modelled\n", p.Args[1])
		return 1
	}
	fmt.Fprintf(p.Stdout, "%04o\n", uint32(p.umask))
	return 0
}

// describe is command -v, command -V and type. It does not see functions.
func (s *interpreter) describe(ctx context.Context, p *process) int {
	args, short := p.Args[1:], false
	for len(args) > 0 && strings.HasPrefix(args[0], "-") {
		short = short || args[0] == "-v" && p.Args[0] == "command"
		args = args[1:]
	}
	status := 0
	for _, name := range args {
		found, long := name, name+" is a shell builtin"
		if !interp.IsBuiltin(name) {
			var err error
			if found, err = s.m.lookPath(s.process(ctx, []string{name})); err != nil {
				status = 1
				if !short {
					fmt.Fprintf(p.Stderr, "%s: line 0: %s: %s: not found\n", path.Base(s.p.Args[0]), p.Args[0], name)
				}
				continue
			}
			if strings.Contains(name, "/") {
				found = name
			}
			long = name + " is " + found
		}
		if short {
			fmt.Fprintln(p.Stdout, found)
		} else {
			fmt.Fprintln(p.Stdout, long)
		}
	}
	return status
}
