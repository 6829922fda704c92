package macsim

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	"golang.org/x/crypto/ssh"
)

// Tailscale's own SSH server is part of tailscaled, which takes packets to port 22 of the Mac's tailnet addresses out of the tunnel before
// the kernel sees them. It asks the tailnet who the client is, not the client; and it runs the command by login(1), which makes the shell
// a login shell, and exits with 0 whatever that does. When the client is gone, login passes SIGHUP on. (So its sources say, and those of
// login; that a shell which ignores the signal survives is likely.) Not modelled: what the tailnet's policy may forbid or ask for.

// tailnet tells whether connections to this end come through the tunnel; also those of which nothing is said.
func tailnet(server netip.AddrPort) bool {
	return !server.IsValid() || slices.ContainsFunc(prefixes("100.64.0.0/10", "fd7a:115c:a1e0::/48"), func(p netip.Prefix) bool {
		return p.Contains(server.Addr())
	})
}

// tailscaleConfig lets the Mac's user in, who need not prove anything, and nobody else.
func (m *Mac) tailscaleConfig() *ssh.ServerConfig {
	config := &ssh.ServerConfig{
		ServerVersion: "SSH-2.0-Tailscale",
		NoClientAuth:  true,
		NoClientAuthCallback: func(conn ssh.ConnMetadata) (*ssh.Permissions, error) {
			if conn.User() != m.User {
				return nil, &ssh.BannerError{
					Err: errNotExist, Message: fmt.Sprintf("tailscale: failed to look up local user %q\n", conn.User()),
				}
			}
			return nil, nil
		},
	}
	config.AddHostKey(m.hostKey) // tailscaled takes sshd's where there is one.
	return config
}

// loggedIn is what login(1), as tailscaled calls it, and then the shell's profile make of the environment.
func (p *process) loggedIn() {
	path := "/usr/local/bin:/usr/bin:/bin"
	switch p.Args[0] {
	case "zsh":
		if p.environ["LANG"] == "" {
			p.environ["LANG"] = "C.UTF-8"
		}
		path += ":/usr/sbin:/sbin"
	case "bash", "tcsh":
		path += ":/usr/sbin:/sbin"
	}
	p.environ["PATH"] = path
}

// hangUp is SIGHUP for all that the session runs. A program that is no shell ends with the shell that waits for it.
func (s *session) hangUp() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for t := range s.tasks {
		t.send(sigHUP)
	}
}

// note notes a shell that a session runs, until its end.
func (s *session) note(t *task) (end func()) {
	if s == nil {
		return func() {}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tasks[t] = true
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.tasks, t)
	}
}

// detached is the context of what does not end because the shell that started it does: each process has its own way with SIGHUP.
func (s *session) detached(ctx context.Context) context.Context {
	if s == nil || !s.wire.tailscale || s.tty != nil {
		return ctx
	}
	return s.ctx
}
