package macsim

import (
	"bufio"
	"context"
	"io"
	"os"
	"strings"
	"sync"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/interp"
	"mvdan.cc/sh/v3/syntax"
)

// input is the stdin of a session. The interpreter wants a file for stdin, and reads one with a system call for each byte; a shell
// that is sent long lines would do little else. So it is given a token that stands for the input, and the builtin read is ours.
type input struct {
	token *os.File
	close func() // to be called when nobody reads any more

	mu sync.Mutex // held while somebody waits for data
	r  *bufio.Reader
}

// newInput makes an input of what comes from the session's client, or is typed on its terminal.
func (s *session) newInput() (*input, error) {
	token, err := os.Open(os.DevNull)
	if err != nil {
		return nil, err
	}
	if s.tty != nil {
		stop := context.AfterFunc(s.ctx, s.tty.hangUp)
		return &input{token: token, r: bufio.NewReader(s.tty), close: func() {
			stop()
			_ = token.Close()
		}}, nil
	}
	pr, pw := io.Pipe()
	stop := context.AfterFunc(s.ctx, func() { _ = pw.Close() })
	s.work.Go(func() {
		_, _ = io.Copy(pw, s.stdin)
		_ = pw.Close()
	})
	return &input{token: token, r: bufio.NewReader(pr), close: func() {
		stop()
		_ = token.Close()
		_ = pr.Close()
	}}, nil
}

func (in *input) Read(p []byte) (int, error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.r.Read(p)
}

// line reads a line with its newline, which the line before an error may lack.
func (in *input) line() (string, error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.r.ReadString('\n')
}

// input is the session's input if that is what stdin, as the interpreter has it, stands for.
func (s *interpreter) input(stdin io.Reader) *input {
	if s.p.session != nil && s.p.session.input != nil && stdin == s.p.session.input.token {
		return s.p.session.input
	}
	return nil
}

// readArgs turns the builtin read, on a session's input, into the assignments that it comes to.
func (s *interpreter) readArgs(ctx context.Context, args []string) []string {
	hc := interp.HandlerCtx(ctx)
	in := s.input(hc.Stdin)
	if in == nil {
		return args
	}
	names, raw := args[1:], false
	if len(names) > 0 && names[0] == "-r" {
		names, raw = names[1:], true
	}
	for _, name := range names {
		if !syntax.ValidName(name) {
			return []string{builtinPrefix + "not modelled", "read " + strings.Join(args[1:], " ")}
		}
	}
	line, err := in.line()
	for !raw && err == nil && strings.HasSuffix(line, "\\\n") && (len(line)-len(strings.TrimRight(line[:len(line)-1], `\`)))%2 == 0 {
		var more string
		more, err = in.line()
		line = line[:len(line)-2] + more
	}
	line = strings.TrimSuffix(line, "\n")
	// As shells do, NULs are dropped.
	line = strings.ReplaceAll(line, "\x00", "")
	values := expand.ReadFields(&expand.Config{Env: hc.Env}, line, len(names), raw)
	if len(names) == 0 {
		names, values = []string{"REPLY"}, []string{line}
	}
	var script strings.Builder
	for i, name := range names {
		value := ""
		if i < len(values) {
			value = values[i]
		}
		script.WriteString(name + "=" + quote(value) + "\n")
	}
	if err != nil {
		script.WriteString("false\n")
	}
	return []string{"eval", script.String()}
}
