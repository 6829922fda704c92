package macsim

import (
	"bytes"
	"context"
	"crypto/subtle"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"

	"golang.org/x/crypto/ssh"
)

// maxSessions is sshd's default of MaxSessions, which Apple keeps.
const maxSessions = 10

// Listen makes the Mac answer SSH connections at addr, as in "127.0.0.1:0". It may be called once.
func (m *Mac) Listen(addr string) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.addr = l.Addr().String()
	m.answer(l)
	return nil
}

// answer accepts connections until l is closed. m.mu is held.
func (m *Mac) answer(l net.Listener) {
	m.listener = l
	m.accepting.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			m.admit(c)
		}
	})
}

// admit serves a connection once the Mac is up.
func (m *Mac) admit(c net.Conn) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for !m.ready && !m.closed {
		m.up.Wait()
	}
	if m.closed {
		_ = c.Close()
		return
	}
	m.conns[c] = true
	m.work.Add(1)
	ctx := m.ctx
	go func() {
		defer m.work.Done()
		m.serve(ctx, c)
	}()
}

// Addr is where the Mac answers, as host:port.
func (m *Mac) Addr() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.addr
}

// HostKey is the Mac's public host key.
func (m *Mac) HostKey() ssh.PublicKey { return m.hostKey.PublicKey() }

// KnownHostsLine is the Mac's line in a known_hosts file, without an end.
func (m *Mac) KnownHostsLine() string {
	host, port, _ := net.SplitHostPort(m.Addr())
	return fmt.Sprintf("[%s]:%s %s", host, port, bytes.TrimSpace(ssh.MarshalAuthorizedKey(m.HostKey())))
}

// ClientKey is a private key that may log in, in OpenSSH's PEM format. It is "" for a Mac that was given keys or a password.
func (m *Mac) ClientKey() string {
	if m.client == nil {
		return ""
	}
	block, err := ssh.MarshalPrivateKey(m.client, "")
	if err != nil {
		return ""
	}
	return string(pem.EncodeToMemory(block))
}

// CutConnections breaks every SSH connection. What runs goes on until it writes to one.
func (m *Mac) CutConnections() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for c := range m.conns {
		_ = c.Close()
	}
}

// RefuseConnections makes new connections be refused, and stops doing so. Those that are open stay.
func (m *Mac) RefuseConnections(refuse bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case refuse && m.listener != nil:
		_ = m.listener.Close()
		m.listener = nil
	case !refuse && m.listener == nil && !m.closed:
		l, err := net.Listen("tcp", m.addr)
		if err != nil {
			panic(fmt.Sprintf("macsim: %s was taken while connections were refused: %v", m.addr, err))
		}
		m.answer(l)
	}
}

// connection is one SSH connection.
type connection struct {
	m   *Mac
	ctx context.Context
	raw net.Conn
	ssh *ssh.ServerConn
}

func (m *Mac) serve(ctx context.Context, raw net.Conn) {
	conn := delay(raw, m.Latency)
	defer func() {
		hangUp(conn)
		m.mu.Lock()
		delete(m.conns, raw)
		m.mu.Unlock()
	}()
	sc, channels, requests, err := ssh.NewServerConn(conn, m.sshConfig())
	if err != nil {
		return
	}
	c := &connection{m: m, ctx: ctx, raw: raw, ssh: sc}
	var running sync.WaitGroup
	running.Go(func() { ssh.DiscardRequests(requests) }) // a keepalive is answered with a refusal, as by sshd
	slots := make(chan struct{}, maxSessions)
	for nc := range channels {
		if nc.ChannelType() != "session" {
			_ = nc.Reject(ssh.Prohibited, "open failed")
			continue
		}
		select {
		case slots <- struct{}{}:
		default:
			_ = nc.Reject(ssh.ConnectionFailed, "open failed")
			continue
		}
		channel, requests, err := nc.Accept()
		if err != nil {
			<-slots
			continue
		}
		running.Go(func() {
			c.session(channel, requests)
			<-slots
		})
	}
	running.Wait()
}

func (m *Mac) sshConfig() *ssh.ServerConfig {
	errDenied := errors.New("permission denied")
	config := &ssh.ServerConfig{
		ServerVersion: "SSH-2.0-OpenSSH_9.9",
		MaxAuthTries:  6,
		PublicKeyCallback: func(conn ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
			if conn.User() == m.User && slices.ContainsFunc(m.mayLogIn(), func(k ssh.PublicKey) bool {
				return bytes.Equal(k.Marshal(), key.Marshal())
			}) {
				return nil, nil
			}
			return nil, errDenied
		},
		PasswordCallback: func(conn ssh.ConnMetadata, password []byte) (*ssh.Permissions, error) {
			if conn.User() == m.User && m.Password != "" && subtle.ConstantTimeCompare(password, []byte(m.Password)) == 1 {
				return nil, nil
			}
			return nil, errDenied
		},
	}
	if m.Banner != "" {
		config.BannerCallback = func(ssh.ConnMetadata) string { return m.Banner }
	}
	config.AddHostKey(m.hostKey)
	return config
}

// mayLogIn are the keys that may log in.
func (m *Mac) mayLogIn() []ssh.PublicKey {
	if m.client == nil {
		return m.AuthorizedKeys
	}
	signer, err := ssh.NewSignerFromSigner(m.client)
	if err != nil {
		return nil
	}
	return []ssh.PublicKey{signer.PublicKey()}
}
