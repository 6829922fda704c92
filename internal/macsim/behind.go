package macsim

import (
	"io"
	"net"
	"net/netip"
)

// Login is somebody who has logged in as the Mac's user, by way of an SSH server that is not the Mac's own and runs no command itself.
type Login struct {
	Command        string         // that was sent
	Client, Server netip.AddrPort // between which the connection is, as SSH_CONNECTION has it
	Stdin          io.Reader      // is read ahead, also after the command, until it ends
	Stdout, Stderr io.Writer
}

// Serve runs the command of a login, as the Mac's sshd would, and returns its exit status; 255 when it did not end by itself. conn stands
// for the connection: nothing is said over it, but where the Mac would cut the connection it is closed. pf is not asked about it.
func (m *Mac) Serve(conn net.Conn, l Login) (exit int) {
	w, ctx := m.connect(conn, func() *wire {
		return &wire{raw: &cable{conn, &m.line}, inside: l.Server, outside: l.Client, cutOff: make(chan struct{})}
	})
	if w == nil {
		return 255
	}
	defer m.work.Done()
	defer m.disconnect(w)
	s := m.newSession(ctx, w)
	s.stdin, s.out, s.errors = l.Stdin, l.Stdout, l.Stderr
	status, ok := s.shell(false, l.Command)
	if !ok {
		return 255
	}
	return status
}
