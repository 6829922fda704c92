package macsim

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"

	"golang.org/x/crypto/ssh"
)

// session is one session channel: an exec request or a login shell.
type session struct {
	m           *Mac
	wire        *wire
	stdin       io.Reader
	out, errors io.Writer
	ctx         context.Context
	cancel      context.CancelFunc
	env         environ
	tty         *tty // nil without a pty
	input       *input
	work        sync.WaitGroup

	mu    sync.Mutex
	tasks map[*task]bool // the shells that it runs
}

// cut breaks the connection. A nil session has none.
func (s *session) cut() {
	if s != nil {
		s.wire.cut()
	}
}

// kill breaks the connection and ends what the session runs.
func (s *session) kill() {
	if s != nil {
		s.cancel()
		s.cut()
	}
}

// newSession is a session on a connection. What it leaves in the background goes on after it, so its context ends with the Mac only.
func (m *Mac) newSession(ctx context.Context, w *wire) *session {
	s := &session{m: m, wire: w, env: environ{}, tasks: map[*task]bool{}}
	s.ctx, s.cancel = context.WithCancel(ctx)
	return s
}

// session serves one channel until it is closed.
func (c *connection) session(channel ssh.Channel, requests <-chan *ssh.Request) {
	s := c.m.newSession(c.ctx, c.wire)
	s.stdin, s.out, s.errors = channel, channel, channel.Stderr()
	started := false
	for r := range requests {
		ok := false
		after := func() {}
		switch r.Type {
		case "env":
			var v struct{ Name, Value string }
			if ssh.Unmarshal(r.Payload, &v) == nil && (v.Name == "LANG" || strings.HasPrefix(v.Name, "LC_")) {
				s.env[v.Name], ok = v.Value, true
			}
		case "pty-req":
			var v struct {
				Term                string
				Columns, Rows, W, H uint32
				Modes               string
			}
			if ssh.Unmarshal(r.Payload, &v) == nil && !started {
				s.tty, ok = newTTY(&s.work, channel, int(v.Columns), int(v.Rows)), true
				s.env["TERM"], s.env["SSH_TTY"] = v.Term, "/dev/ttys001"
			}
		case "window-change":
			var v struct{ Columns, Rows, W, H uint32 }
			if ssh.Unmarshal(r.Payload, &v) == nil && s.tty != nil {
				s.tty.resize(int(v.Columns), int(v.Rows))
				ok = true
			}
		case "exec", "shell":
			var v struct{ Command string }
			if started || r.Type == "exec" && ssh.Unmarshal(r.Payload, &v) != nil {
				break
			}
			started, ok = true, true
			after = func() { s.work.Go(func() { s.run(channel, r.Type == "shell", v.Command) }) }
		case "signal":
			s.cancel()
			ok = true
		}
		if r.WantReply {
			_ = r.Reply(ok, nil)
		}
		after() // not before the reply, which would come too late on a channel that is closed
	}
	if c.wire.tailscale {
		s.hangUp()
	}
	s.work.Wait()
}

// run runs the login shell and closes the channel.
func (s *session) run(channel ssh.Channel, interactive bool, command string) {
	status, ok := s.shell(interactive, command)
	if s.wire.tailscale {
		status, ok = 0, true
	}
	if ok {
		// Before the end of the output: a client that has seen that, and has nothing more to send, may close the channel at once.
		_, _ = channel.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{uint32(status)}))
	}
	_ = channel.CloseWrite()
	_ = channel.Close()
}

// shell runs the login shell; ok is false when it could not run or did not end by itself.
func (s *session) shell(interactive bool, command string) (status int, ok bool) {
	m := s.m
	if !m.enter(s.ctx) {
		return 0, false
	}
	defer m.work.Done()
	p := m.process(501, []string{m.Shell})
	p.session = s
	for k, v := range s.env {
		p.environ[k] = v
	}
	s.addresses(p.environ)
	if s.wire.tailscale {
		p.loggedIn()
	}
	p.Stdout, p.Stderr = pipe{s.out, s.wire}, pipe{s.errors, s.wire}
	if s.tty != nil {
		p.Stdout, p.Stderr = s.tty, s.tty
	}
	in, err := s.newInput()
	if err != nil {
		return 0, false
	}
	defer in.close()
	s.input, p.Stdin = in, in
	_, _ = io.WriteString(p.Stdout, m.Noise)
	switch {
	case interactive && s.tty != nil:
		return s.interactive(p), s.ctx.Err() == nil
	case !interactive:
		p.Args = append(p.Args, "-c", command)
	}
	if s.tty != nil {
		s.tty.cook(s.cancel)
	}
	status = shell(s.ctx, m, p)
	return status, s.ctx.Err() == nil
}

// pipe is stdout or stderr of a session. That the connection is cut is seen by the first write after that.
type pipe struct {
	io.Writer
	wire *wire
}

func (p pipe) Write(b []byte) (int, error) {
	if err := p.wire.broken(); err != nil {
		return 0, err
	}
	return p.Writer.Write(b)
}

// addresses says, as sshd does, between which addresses the connection is.
func (s *session) addresses(env environ) {
	client, server := s.wire.outside, s.wire.inside
	env["SSH_CLIENT"] = fmt.Sprintf("%s %d %d", client.Addr(), client.Port(), server.Port())
	env["SSH_CONNECTION"] = fmt.Sprintf("%s %d %s %d", client.Addr(), client.Port(), server.Addr(), server.Port())
}
