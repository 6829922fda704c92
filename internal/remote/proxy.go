package remote

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"
	"unicode"

	"golang.org/x/net/http/httpproxy"
	"golang.org/x/net/proxy"
)

// socksServer returns the SOCKS server through which addr is to be reached, nil for none. The setting is as [Target.Proxy]; without
// one the environment decides, in which a proxy of another kind is meant for others.
func socksServer(setting, addr string) (*url.URL, error) {
	switch setting {
	case "none":
		return nil, nil
	case "":
		all := os.Getenv("ALL_PROXY")
		if all == "" {
			all = os.Getenv("all_proxy")
		}
		server, _ := url.Parse(all)
		if server == nil || !isSocks(server) {
			return nil, nil
		}
		// NO_PROXY, and nothing goes from this machine to itself through a proxy.
		env := httpproxy.Config{HTTPSProxy: "http://proxy", NoProxy: httpproxy.FromEnvironment().NoProxy}
		if used, err := env.ProxyFunc()(&url.URL{Scheme: "https", Host: addr}); err != nil || used == nil {
			return nil, err
		}
		return server, nil
	}
	// The setting is not told, nor is what url.Parse says of it: there may be a password in it.
	server, err := url.Parse(setting)
	switch {
	case err != nil || server.Host == "":
		return nil, errors.New("the proxy is no URL of a SOCKS server, such as socks5://localhost:1080")
	case !isSocks(server):
		return nil, fmt.Errorf("the proxy is no SOCKS server: its URL begins with %q, instead of socks5://", server.Scheme+"://")
	}
	return server, nil
}

func isSocks(u *url.URL) bool {
	return (u.Scheme == "socks5" || u.Scheme == "socks5h") && u.Hostname() != ""
}

// dialSocks connects to addr through a SOCKS server, which looks up the name.
func dialSocks(ctx context.Context, server *url.URL, addr string) (net.Conn, error) {
	dialer, err := proxy.FromURL(server, new(net.Dialer))
	if err != nil {
		return nil, err
	}
	cancellable, ok := dialer.(proxy.ContextDialer)
	if !ok {
		return nil, errors.New("this SOCKS dialer cannot be cancelled")
	}
	conn, err := cancellable.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("through %s: %w", server.Redacted(), err)
	}
	return conn, nil
}

// commandConn is the standard input and output of a ProxyCommand.
type commandConn struct {
	stdin  io.WriteCloser
	stdout io.ReadCloser
	stderr *lastWords
	kill   func()
	end    func() error // waits for the end of the command, which must not last
}

// startCommand runs a ProxyCommand. It has no terminal, so that it cannot wait for anybody, and no Ctrl-C reaches it: Terraform goes on
// then, to finish what it has begun.
func startCommand(text string) (net.Conn, error) {
	ctx, kill := context.WithCancel(context.Background()) // the command outlives the dialling
	cmd := shellCommand(ctx, text)
	cmd.WaitDelay = 2 * time.Second
	c := &commandConn{stderr: new(lastWords), kill: kill}
	cmd.Stderr = c.stderr
	c.end = sync.OnceValue(func() error {
		defer kill()
		defer time.AfterFunc(time.Second, kill).Stop()
		return cmd.Wait()
	})
	var err error
	if c.stdin, err = cmd.StdinPipe(); err == nil {
		if c.stdout, err = cmd.StdoutPipe(); err == nil {
			err = cmd.Start()
		}
	}
	if err != nil {
		kill()
		return nil, err
	}
	return c, nil
}

// Read says at the end how the command ended. So does Write, which may notice first.
func (c *commandConn) Read(b []byte) (int, error) {
	n, err := c.stdout.Read(b)
	if n > 0 || err == nil {
		return n, nil
	}
	return 0, c.ended()
}

func (c *commandConn) Write(b []byte) (int, error) {
	n, err := c.stdin.Write(b)
	if err != nil {
		err = c.ended()
	}
	return n, err
}

// ended is the error of a command that takes or gives nothing any more.
func (c *commandConn) ended() error {
	said := "without a word"
	if err := c.end(); err != nil {
		said = err.Error()
	}
	return &commandError{cmp.Or(c.stderr.String(), said)}
}

// Close ends the command.
func (c *commandConn) Close() error {
	c.kill()
	_ = c.end()
	return nil
}

// There are no addresses and no deadlines; who gives up closes the connection.
func (c *commandConn) LocalAddr() net.Addr              { return &net.UnixAddr{Net: "pipe"} }
func (c *commandConn) RemoteAddr() net.Addr             { return &net.UnixAddr{Net: "pipe"} }
func (c *commandConn) SetDeadline(time.Time) error      { return os.ErrNoDeadline }
func (c *commandConn) SetReadDeadline(time.Time) error  { return os.ErrNoDeadline }
func (c *commandConn) SetWriteDeadline(time.Time) error { return os.ErrNoDeadline }

// commandError is a ProxyCommand that ended and what it said.
type commandError struct{ said string }

func (e *commandError) Error() string { return "the ProxyCommand ended: " + e.said }

// lastWords keeps the end of what is written to it.
type lastWords struct {
	mu   sync.Mutex
	text []byte
}

func (w *lastWords) Write(b []byte) (int, error) {
	const most = 4 << 10
	w.mu.Lock()
	defer w.mu.Unlock()
	w.text = append(w.text, b...)
	w.text = w.text[max(0, len(w.text)-most):]
	return len(b), nil
}

func (w *lastWords) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return printable(string(bytes.TrimSpace(w.text)))
}

// printable leaves out of text what would do something to a terminal.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) || r == '\n' || r == '\t' {
			return r
		}
		return -1
	}, text)
}
