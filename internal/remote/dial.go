package remote

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os/user"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/crypto/ssh"
)

// keepalive is how often a silent connection is asked for a sign of life, and how long the answer may take.
const keepalive = 15 * time.Second

// dial connects to t and logs in. Every error is a *DialError.
func dial(ctx context.Context, t Target) (*ssh.Client, error) {
	fail := &DialError{Host: t.name(), Addr: t.addr(), User: t.User}
	failed := func(stage Stage, err error) (*ssh.Client, error) {
		fail.Stage, fail.Err = stage, err
		return nil, fail
	}
	if fail.User == "" {
		me, err := user.Current()
		if err != nil {
			return failed(StageAuth, fmt.Errorf("no user is set, and this process has none: %w", err))
		}
		// Windows answers DOMAIN\user.
		fail.User = me.Username[strings.LastIndexByte(me.Username, '\\')+1:]
	}
	methods, done, err := authMethods(t)
	defer done()
	if err != nil {
		return failed(StageAuth, err)
	}
	cfg := &ssh.ClientConfig{
		User:           fail.User,
		Auth:           methods,
		BannerCallback: func(text string) error { fail.Banner += text; return nil },
	}
	if err := checkHostKey(t, cfg); err != nil {
		return failed(StageHostKey, err)
	}

	conn, err := dialTCP(ctx, t.addr())
	if err != nil {
		var dns *net.DNSError
		if errors.As(err, &dns) {
			return failed(StageName, err)
		}
		return failed(StageTCP, err)
	}
	// The handshake knows no context: it ends when its connection does.
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	p := watch(conn, cfg)
	sc, chans, reqs, err := ssh.NewClientConn(p, t.addr(), cfg)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		_ = conn.Close()
		return failed(p.stage(err), withCause(ctx, err))
	}
	return ssh.NewClient(sc, chans, reqs), nil
}

// dialTCP tries again, briefly, when it is refused: launchd starts one sshd for each connection, and turns further ones
// away while as many run as it allows (42).
func dialTCP(ctx context.Context, addr string) (net.Conn, error) {
	var d net.Dialer
	for wait := 100 * time.Millisecond; ; wait *= 2 {
		conn, err := d.DialContext(ctx, "tcp", addr)
		if err == nil || !refused(err) || wait > time.Second {
			return conn, err
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return nil, err
		}
	}
}

// refused reports whether nobody listened, or hung up at once. Windows has numbers of its own for that (WSAECONNREFUSED,
// WSAECONNRESET), which no other system uses.
func refused(err error) bool {
	for _, number := range []syscall.Errno{syscall.ECONNREFUSED, syscall.ECONNRESET, 10061, 10054} {
		if errors.Is(err, number) {
			return true
		}
	}
	return false
}

// progress is a connection that knows how far its handshake came.
type progress struct {
	net.Conn
	answered, trusted atomic.Bool // the server has sent something; its host key was accepted
}

// watch makes cfg's handshake on conn tell how far it comes.
func watch(conn net.Conn, cfg *ssh.ClientConfig) *progress {
	p := &progress{Conn: conn}
	check := cfg.HostKeyCallback
	cfg.HostKeyCallback = func(addr string, remote net.Addr, key ssh.PublicKey) error {
		if err := check(addr, remote, key); err != nil {
			return &hostKeyError{err}
		}
		p.trusted.Store(true)
		return nil
	}
	return p
}

func (p *progress) Read(b []byte) (int, error) {
	n, err := p.Conn.Read(b)
	if n > 0 {
		p.answered.Store(true)
	}
	return n, err
}

// stage is where a handshake stood that ended with err. Once the host key is accepted, nothing is left but to log in: a server that
// ends the connection then refuses the user or had too many keys offered, whether it says so or not.
func (p *progress) stage(err error) Stage {
	var refused *hostKeyError
	var none *ssh.AlgorithmNegotiationError
	switch {
	case errors.As(err, &refused), errors.As(err, &none) && none.What == "host key":
		return StageHostKey
	case p.trusted.Load():
		return StageAuth
	case p.answered.Load():
		return StageSSH
	default:
		return StageTCP
	}
}

// hostKeyError is a host key that was not accepted.
type hostKeyError struct{ error }

func (e *hostKeyError) Unwrap() error { return e.error }

// withCause names a deadline as the reason, where all that the error says is that the connection was closed.
func withCause(ctx context.Context, err error) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fmt.Errorf("no answer within the connect timeout: %w", err)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// keepAlive closes client when it stops answering; without it a dead network would block a script for ever. It ends when
// gone is closed.
func keepAlive(client *ssh.Client, gone <-chan struct{}) {
	tick := time.NewTicker(keepalive)
	defer tick.Stop()
	for {
		select {
		case <-gone:
			return
		case <-tick.C:
		}
		late := time.AfterFunc(2*keepalive, func() { _ = client.Close() })
		// A server answers "no such request", which is as good as any other answer.
		_, _, err := client.SendRequest("keepalive@openssh.com", true, nil)
		late.Stop()
		if err != nil {
			_ = client.Close()
			return
		}
	}
}
