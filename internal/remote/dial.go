package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/crypto/ssh"
)

// keepalive is how often a silent connection is asked for a sign of life, unless ssh's configuration says; the answer may take twice
// that long.
const keepalive = 15 * time.Second

// dial connects to the Mac and logs in, by way of the jump hosts before it. Every error is a *DialError.
func (r *route) dial(ctx context.Context) (*ssh.Client, error) { return r.arrive(ctx, len(r.hops)) }

// arrive connects to the n-th hop, from the one before it or, if it is the first, from this machine.
func (r *route) arrive(ctx context.Context, n int) (*ssh.Client, error) {
	for again := false; ; again = true {
		from, done, err := r.fleet.jumps.to(ctx, r, n-1)
		if err != nil {
			return nil, err
		}
		client, err := r.reach(ctx, from, r.hops[n-1])
		if err == nil {
			go func() {
				_ = client.Wait()
				done()
			}()
			return client, nil
		}
		// A connection to a jump host that others made may have ended just now.
		ended := from != nil && !r.fleet.jumps.have(r.way(n-1), from)
		done()
		if again || !ended {
			return nil, err
		}
	}
}

// reach connects to h, from where another hop is logged in (nil: from this machine), and logs in. That may take several connections:
// no server takes more than a few keys on one, and one that is refused or dropped at once may be taken a moment later: a Mac that starts
// has no network at first and then nobody who listens, launchd starts one sshd for each connection and turns further ones away while as
// many run as it allows (42), and other servers have MaxStartups. That is tried until the connect timeout is over, and never after a login
// failed.
func (r *route) reach(ctx context.Context, from *ssh.Client, h *hop) (*ssh.Client, error) {
	l := newLogin(h)
	defer l.close()
	var passing *DialError
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		client, fail := r.connect(ctx, from, h, l)
		switch {
		case fail == nil:
			h.worked = l.last
			return client, nil
		case passing != nil && errors.Is(ctx.Err(), context.DeadlineExceeded):
			passing.again()
			return nil, passing // that the time is over is not the reason
		case l.goesOn(fail):
			continue
		case !mayPass(fail):
			return nil, fail
		}
		passing = fail
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				fail.again()
			}
			return nil, fail
		}
	}
}

// again adds that a failure which may pass did not, as long as it was tried.
func (e *DialError) again() { e.Err = fmt.Errorf("%w (tried until the time was over)", e.Err) }

// connect makes one connection to h, checks whose it is, and logs in.
func (r *route) connect(ctx context.Context, from *ssh.Client, h *hop, l *login) (*ssh.Client, *DialError) {
	failed := func(stage Stage, err error) (*ssh.Client, *DialError) {
		fail := r.failure(h, stage, withCause(ctx, err))
		fail.Banner = l.said
		return nil, fail
	}
	// ssh's ConnectTimeout is how long it may take until the server has shown its host key.
	shown := func() bool { return true }
	if h.connectTimeout > 0 {
		limited, giveUp := context.WithCancelCause(ctx)
		defer giveUp(nil)
		ctx = limited
		shown = time.AfterFunc(h.connectTimeout, func() { giveUp(timeoutError{h.connectTimeout, true}) }).Stop
		defer shown()
	}
	cfg := &ssh.ClientConfig{User: h.user, AuthCallback: l.next, BannerCallback: func(text string) error {
		if said := l.banner(text); said != "" && r.fleet.Said != nil {
			r.fleet.Said(r.mac, said)
		}
		return nil
	}}
	if err := h.checkHostKey(cfg); err != nil {
		return failed(StageHostKey, err)
	}
	conn, stage, err := r.transport(ctx, from, h)
	if err != nil {
		return failed(stage, err)
	}
	// The handshake knows no context: it ends when its connection does, or the agent's, which may wait for somebody's consent.
	stop := context.AfterFunc(ctx, func() {
		_ = conn.Close()
		l.close()
	})
	p := watch(conn, cfg, shown)
	sc, chans, reqs, err := ssh.NewClientConn(p, h.addr(), cfg)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err == nil {
		return ssh.NewClient(sc, chans, reqs), nil
	}
	_ = conn.Close()
	if inner := errors.Unwrap(err); inner != nil && strings.HasPrefix(err.Error(), "ssh: handshake failed: ") {
		err = inner // That is what the stage says.
	}
	err = noneInCommon(err)
	if stage = p.stage(err); stage == StageAuth {
		err = l.explain(err)
	}
	return failed(stage, err)
}

// transport is what SSH is spoken over. The stage is where it failed.
func (r *route) transport(ctx context.Context, from *ssh.Client, h *hop) (net.Conn, Stage, error) {
	if from != nil {
		conn, err := from.DialContext(ctx, "tcp", h.addr())
		if err != nil {
			jump := r.hops[slices.Index(r.hops, h)-1]
			var refused *ssh.OpenChannelError
			forbidden := errors.As(err, &refused) && refused.Reason == ssh.Prohibited
			err = &ForwardError{Jump: jump.name, User: jump.user, Forbidden: forbidden, Err: err}
		}
		return conn, StageTCP, err
	}
	if h.proxyCommand != "" {
		text, err := expandTokens(h.proxyCommand, map[byte]string{'%': "%", 'h': h.host, 'n': h.name, 'p': h.port, 'r': h.user})
		if err != nil {
			return nil, StageConfig, fmt.Errorf("the ProxyCommand: %w", err)
		}
		conn, err := startCommand(text)
		return conn, StageProxy, err
	}
	socks, err := socksServer(r.proxy, h.addr())
	if err != nil {
		return nil, StageConfig, err
	}
	if socks != nil {
		conn, err := dialSocks(ctx, socks, h.addr())
		return conn, StageProxy, err
	}
	conn, err := new(net.Dialer).DialContext(ctx, h.network, h.addr())
	var dns *net.DNSError
	if errors.As(err, &dns) {
		if found := lookUp(ctx, h.network, h.host); found != "" {
			conn, err = new(net.Dialer).DialContext(ctx, h.network, net.JoinHostPort(found, h.port))
			return conn, StageTCP, err
		}
		return nil, StageName, err
	}
	return conn, StageTCP, err
}

// lookUp asks Linux for the address of a host as its C library knows it. A program without C, as this is, does not ask that, and names such
// as mini.local come from there (nss-mdns). It is empty where there is none. Other systems are asked by Go itself.
func lookUp(ctx context.Context, network, host string) string {
	if runtime.GOOS != "linux" {
		return ""
	}
	found, err := exec.CommandContext(ctx, "getent", "ahosts"+map[string]string{"tcp4": "v4", "tcp6": "v6"}[network], "--", host).Output()
	if err != nil {
		return ""
	}
	address, _, _ := strings.Cut(string(found), " ") // and after it the kind of socket, and the name
	return address
}

// mayPass reports whether the next connection may find what this one did not: there was no way to the Mac or nobody listened, or the server
// hung up before it had shown its key.
func mayPass(fail *DialError) bool {
	if fail.Stage != StageTCP && fail.Stage != StageSSH {
		return false
	}
	// Windows has numbers of its own for that (WSAECONNREFUSED, WSAECONNRESET, WSAEHOSTUNREACH, WSAENETUNREACH), which no other system uses.
	for _, passing := range []error{
		syscall.ECONNREFUSED, syscall.ECONNRESET, syscall.EHOSTUNREACH, syscall.ENETUNREACH,
		syscall.Errno(10061), syscall.Errno(10054), syscall.Errno(10065), syscall.Errno(10051), io.EOF,
	} {
		if errors.Is(fail.Err, passing) {
			return true
		}
	}
	var jump *ssh.OpenChannelError // a jump host tells no more than that
	return errors.As(fail.Err, &jump) && jump.Reason == ssh.ConnectionFailed
}

// progress is a connection that knows how far its handshake came.
type progress struct {
	net.Conn
	trusted atomic.Bool // the host key was accepted
}

// watch makes cfg's handshake on conn tell how far it comes, and calls shown when the host key is accepted.
func watch(conn net.Conn, cfg *ssh.ClientConfig, shown func() bool) *progress {
	p := &progress{Conn: conn}
	check := cfg.HostKeyCallback
	cfg.HostKeyCallback = func(addr string, remote net.Addr, key ssh.PublicKey) error {
		if err := check(addr, remote, key); err != nil {
			return &hostKeyError{err}
		}
		shown()
		p.trusted.Store(true)
		return nil
	}
	return p
}

// stage is where a handshake stood that ended with err. Once the host key is accepted, nothing is left but to log in: a server that
// ends the connection then refuses the user or had too many keys offered, whether it says so or not.
func (p *progress) stage(err error) Stage {
	var refused *hostKeyError
	var none *AlgorithmsError
	var command *commandError
	var given *GivenError
	switch {
	case errors.As(err, &given):
		return StageKey
	case errors.As(err, &refused), errors.As(err, &none) && none.Option == "HostKeyAlgorithms":
		return StageHostKey
	case p.trusted.Load():
		return StageAuth
	case errors.As(err, &command):
		return StageProxy
	default:
		return StageSSH
	}
}

// hostKeyError is a host key that was not accepted.
type hostKeyError struct{ error }

func (e *hostKeyError) Unwrap() error { return e.error }

// timeoutError is context.DeadlineExceeded of a connection, in words.
type timeoutError struct {
	limit time.Duration
	ssh   bool // it is ssh's ConnectTimeout
}

func (e timeoutError) Error() string {
	if e.ssh {
		return fmt.Sprintf("no answer within %v, which is ssh's ConnectTimeout", e.limit)
	}
	return fmt.Sprintf("no answer within the connect timeout of %v", e.limit)
}

func (timeoutError) Unwrap() error { return context.DeadlineExceeded }

// withCause names a deadline as the reason, where all that the error says is that the connection was closed.
func withCause(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); errors.Is(cause, context.DeadlineExceeded) {
		if errors.Is(err, net.ErrClosed) || errors.Is(err, ctx.Err()) {
			return cause // by us, for that reason
		}
		return fmt.Errorf("%w: %w", cause, err)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// keepAlive closes the connection when it stops answering; without it a dead network would block a script for ever. It ends with the
// connection.
func (s *shell) keepAlive(every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-s.gone:
			return
		case <-tick.C:
		}
		late := time.AfterFunc(2*every, func() {
			s.quiet.Store(int64(2 * every))
			_ = s.client.Close()
		})
		// A server answers "no such request", which is as good as any other answer.
		_, _, err := s.client.SendRequest("keepalive@openssh.com", true, nil)
		late.Stop()
		if err != nil {
			_ = s.client.Close()
			return
		}
	}
}
