package macsim

import (
	"context"
	"fmt"
	"path"
)

// interactive is a login shell on a terminal: it prompts, and runs line by line until exit or Ctrl-D.
func (s *session) interactive(p *process) int {
	m := s.m
	fmt.Fprintf(p.Stdout, "Last login: %s on ttys000\n", m.bootTime.Format("Mon Jan _2 15:04:05"))
	sh := &interpreter{m: m, p: p, zsh: m.Shell == "zsh", task: new(task)}
	ctx, stop := context.WithCancel(s.ctx)
	defer stop()
	sh.task.become(nil, stop)
	sh.stdin = s.input.token
	if err := sh.newRunner("-"+m.Shell, []string{"--"}); err != nil {
		return p.errorf("%v", err)
	}
	return sh.end(s.ctx, sh.runLines(ctx, "-"+m.Shell, source{
		next: func(more bool) (string, error) {
			prompt := "> "
			if !more {
				prompt = m.prompt(p, slash(sh.runner.Dir))
			}
			s.tty.editor.SetPrompt(prompt)
			line, err := s.tty.editor.ReadLine()
			return line + "\n", err
		},
		around: func(run func(context.Context)) {
			ctx, cancel := context.WithCancel(ctx)
			defer cancel()
			s.tty.cook(cancel)
			run(ctx)
			s.tty.raw()
		},
	}))
}

// prompt is the prompt of the login shell in dir.
func (m *Mac) prompt(p *process, dir string) string {
	name := path.Base(dir)
	if dir == p.Env("HOME") {
		name = "~"
	}
	switch m.Shell {
	case "bash":
		return fmt.Sprintf("%s:%s %s$ ", m.Hostname, name, p.Env("USER"))
	case "fish":
		return fmt.Sprintf("%s@%s %s> ", p.Env("USER"), m.Hostname, name)
	case "tcsh":
		return fmt.Sprintf("[%s:%s] %s%% ", m.Hostname, name, p.Env("USER"))
	}
	return fmt.Sprintf("%s@%s %s %% ", p.Env("USER"), m.Hostname, name)
}

// nestedPrompt is the prompt of a shell that another one started.
func nestedPrompt(p *process, more bool) string {
	switch {
	case more:
		return "> "
	case p.UID == 0:
		return path.Base(p.Args[0]) + "-3.2# "
	}
	return path.Base(p.Args[0]) + "-3.2$ "
}
