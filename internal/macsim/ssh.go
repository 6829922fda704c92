package macsim

import (
	"bytes"
	"context"
	"crypto/subtle"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"golang.org/x/crypto/ssh"
)

// maxSessions is sshd's default of MaxSessions, which Apple keeps.
const maxSessions = 10

// Listen makes the Mac answer SSH connections at addr, as in "127.0.0.1:0". It may be called once.
func (m *Mac) Listen(addr string) error {
	_, err := m.listen(addr, m.Client, m.Server)
	return err
}

// ListenFor makes the Mac answer SSH connections at one more address of this machine, and returns it as host:port. For the Mac
// these connections lead from client to server, which is what SSH_CONNECTION says and what pf's rules act on: their packets come
// in on the interface that has server's address. An end that is zero is the real one; if server is, pf lets everything pass, as on
// a Mac whose loopback interface is not filtered.
//
// No two connections are the same to pf, so client's port is that of the first one and each further one has the next; if it is 0,
// it is each connection's real one. A server's port of 0 is 22.
func (m *Mac) ListenFor(client, server netip.AddrPort) (addr string, err error) {
	return m.listen("127.0.0.1:0", client, server)
}

func (m *Mac) listen(addr string, client, server netip.AddrPort) (string, error) {
	d, err := m.newDoor(client, server)
	if err != nil {
		return "", err
	}
	if d.listener, err = net.Listen("tcp", addr); err != nil {
		return "", err
	}
	d.addr = d.listener.Addr().String()
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		_ = d.listener.Close()
		return "", net.ErrClosed
	}
	m.doors = append(m.doors, d)
	if m.refuses {
		_ = d.listener.Close()
		d.keeps = keepPort(d.addr)
	} else {
		m.answer(d)
	}
	return d.addr, nil
}

// answer accepts connections until the door's listener is closed. m.mu is held.
func (m *Mac) answer(d *door) {
	l := d.listener
	m.accepting.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			m.admit(c, d)
		}
	})
}

// admit serves a connection once the Mac is up.
func (m *Mac) admit(c net.Conn, d *door) {
	if w, ctx := m.connect(c, func() *wire { return m.newWire(c, d) }); w != nil {
		go func() {
			defer m.work.Done()
			m.serve(ctx, w)
		}()
	}
}

// connect makes a wire of a connection once the Mac is up; nil, and a connection that is closed, if it is gone. Whoever calls it says
// m.work.Done in the end, and disconnect when the connection is no more.
func (m *Mac) connect(c net.Conn, wired func() *wire) (*wire, context.Context) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for !m.ready && !m.closed {
		m.up.Wait()
	}
	if m.closed {
		_ = c.Close()
		return nil, nil
	}
	w := wired()
	m.wires[w] = true
	m.work.Add(1)
	return w, m.ctx
}

func (m *Mac) disconnect(w *wire) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.wires, w)
}

// Addr is where the Mac answers, as host:port: what Listen was called for.
func (m *Mac) Addr() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.doors) == 0 {
		return ""
	}
	return m.doors[0].addr
}

// HostKey is the Mac's public host key.
func (m *Mac) HostKey() ssh.PublicKey { return m.hostKey.PublicKey() }

// KnownHostsLine is the Mac's line in a known_hosts file, for every address where it answers, without an end.
func (m *Mac) KnownHostsLine() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var names []string
	for _, d := range m.doors {
		host, port, _ := net.SplitHostPort(d.addr)
		names = append(names, fmt.Sprintf("[%s]:%s", host, port))
	}
	return fmt.Sprintf("%s %s", strings.Join(names, ","), bytes.TrimSpace(ssh.MarshalAuthorizedKey(m.HostKey())))
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
	for w := range m.wires {
		w.cut()
	}
}

// RefuseConnections makes new connections be refused, and stops doing so. Those that are open stay.
func (m *Mac) RefuseConnections(refuse bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed || refuse == m.refuses {
		return
	}
	m.refuses = refuse
	for _, d := range m.doors {
		if refuse {
			_ = d.listener.Close()
			d.keeps = keepPort(d.addr)
			continue
		}
		d.keeps()
		var err error
		if d.listener, err = net.Listen("tcp", d.addr); err != nil {
			panic(fmt.Sprintf("macsim: %s was taken while connections were refused: %v", d.addr, err))
		}
		m.answer(d)
	}
}

// keepPort keeps a port that nobody listens at from being given to anybody else, until it is released: it is made one end of a connection.
// Where that cannot be, connections that are open still do as much.
func keepPort(addr string) (release func()) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return func() {}
	}
	local, _ := net.ResolveTCPAddr("tcp", addr)
	conn, err := (&net.Dialer{LocalAddr: local}).Dial("tcp", l.Addr().String())
	if err != nil {
		_ = l.Close()
		return func() {}
	}
	return func() {
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // so that it does not linger at the port
		}
		_ = conn.Close()
		_ = l.Close()
	}
}

// connection is one SSH connection.
type connection struct {
	m    *Mac
	ctx  context.Context
	wire *wire
	ssh  *ssh.ServerConn
}

func (m *Mac) serve(ctx context.Context, w *wire) {
	defer func() {
		w.hangUp()
		m.disconnect(w)
	}()
	if !w.open() {
		w.cut()
		return
	}
	config := m.sshConfig()
	if w.tailscale {
		config = m.tailscaleConfig()
	}
	sc, channels, requests, err := ssh.NewServerConn(w, config)
	if err != nil {
		return
	}
	c := &connection{m: m, ctx: ctx, wire: w, ssh: sc}
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
