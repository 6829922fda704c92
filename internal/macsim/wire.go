package macsim

import (
	"fmt"
	"net"
	"net/netip"
	"sync"

	"github.com/macos-fleet/terraform-provider-macos/internal/pf"
)

// A door is an address of this machine at which the Mac answers SSH, and what the connections that come there stand for.
type door struct {
	addr           string
	listener       net.Listener   // Closed while connections are refused.
	keeps          func()         // While they are, nobody else gets the port; ends that. nil: they are not.
	client, server netip.AddrPort // As ListenFor has them, for the next connection.
	iface          string         // That server is an address of; "" when server is the real end, and pf is not asked.
	tailscale      bool           // Tailscale's SSH server answers, and pf is not asked.
}

// newDoor checks the ends that its connections are to stand for.
func (m *Mac) newDoor(client, server netip.AddrPort) (*door, error) {
	d := &door{client: client, server: server, tailscale: m.TailscaleSSH && tailnet(server)}
	if !server.IsValid() {
		return d, nil
	}
	if client.IsValid() && client.Addr().Is4() != server.Addr().Is4() {
		return nil, fmt.Errorf("macsim: no connection leads from %s to %s", client.Addr(), server.Addr())
	}
	if server.Port() == 0 {
		d.server = netip.AddrPortFrom(server.Addr(), 22)
	}
	for _, i := range m.Interfaces {
		for _, a := range i.Addrs {
			if a.Addr() == server.Addr() {
				d.iface = i.Name
				return d, nil
			}
		}
	}
	return nil, fmt.Errorf("macsim: the Mac has no interface with the address %s", server.Addr())
}

// A wire is an SSH connection as pf sees it: packets that come in on an interface, and their answers. Read and Write ask pf about each, as
// it is at that moment, and the line before. A packet that does not pass is lost, and sent again as soon as anything about pf has changed.
// So sshd sees nothing of it but a silence, and may go on writing until the socket is full.
//
// The real connection under it is made by this machine, which knows no pf: the client is always connected, and what is lost or reset is
// the first thing it waits for (the server's version). How long the two sides would try is not modelled: they never give up. Nor are
// acknowledgements, so data gets through to one side while pf blocks all that the other sends.
type wire struct {
	net.Conn  // To the client, as far away as Mac.Latency says.
	raw       *cable
	tailscale bool // As the door has it.
	pf        *pfState
	host      *pf.Host
	iface     string   // "" if pf is not asked.
	over      *Carrier // Of a tunnel; nil if pf is not asked about that.

	// The ends that it stands for, on the wire and as sshd knows them, which are others when pf translates.
	client, server, inside, outside netip.AddrPort

	cutOnce, endOnce, goneOnce sync.Once
	cutOff                     chan struct{} // Closed by cut: the connection is no more.
	ended                      chan struct{} // Closed by Close: sshd is done with it.
	gone                       chan struct{} // Closed when sshd has read its end.

	mu   sync.Mutex
	held []byte        // What sshd has written and pf does not let out.
	fin  bool          // The end of the connection follows what is held.
	room chan struct{} // Closed when what is held has been sent; nil when nothing is, and resend does not run.
	work sync.WaitGroup
}

// fullSocket is how much a Mac's socket takes before writing to it blocks (net.inet.tcp.sendspace).
const fullSocket = 128 << 10

func (m *Mac) newWire(raw net.Conn, d *door) *wire {
	w := &wire{
		raw: &cable{raw, &m.line}, tailscale: d.tailscale, pf: &m.pf, iface: d.iface, client: d.client, server: d.server,
		cutOff: make(chan struct{}), ended: make(chan struct{}), gone: make(chan struct{}),
	}
	if !w.client.IsValid() {
		w.client = netip.AddrPortFrom(realEnd(raw.RemoteAddr()).Addr(), 0)
	}
	if !w.server.IsValid() {
		w.server = realEnd(raw.LocalAddr())
	}
	switch port := w.client.Port(); port {
	case 0:
		w.client = netip.AddrPortFrom(w.client.Addr(), realEnd(raw.RemoteAddr()).Port())
	case 65535:
		d.client = netip.AddrPortFrom(d.client.Addr(), somePort)
	default:
		d.client = netip.AddrPortFrom(d.client.Addr(), port+1)
	}
	w.outside, w.inside = w.client, w.server
	w.Conn = delayed(w.raw, m.Latency) // Also without a latency, since it notices that the client has left.
	w.host, w.over = m.host, m.over(d.iface)
	return w
}

func realEnd(a net.Addr) netip.AddrPort {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	end := tcp.AddrPort()
	return netip.AddrPortFrom(end.Addr().Unmap(), end.Port())
}

// packet sends a packet and says what pf did with it. What pf answers to packets of sshd reaches nobody.
func (w *wire) packet(dir pf.Direction, flags uint8) fate {
	if w.raw.line.silent() {
		return dropped
	}
	if w.over != nil && !w.over.carries(w.pf, w.host, dir) {
		return dropped
	}
	if w.iface == "" || w.tailscale {
		return passed
	}
	p := pf.Packet{Direction: dir, Interface: w.iface, Proto: 6, Src: w.client, Dst: w.server, Flags: flags}
	if dir == pf.Out {
		p.Src, p.Dst = w.inside, w.outside
	}
	got, fate := w.pf.ask(w.host, p)
	switch {
	case fate == passed && flags == pf.SYN:
		w.outside, w.inside = got.Src, got.Dst
	case fate == reset && dir == pf.Out:
		return dropped
	}
	return fate
}

// repeat sends until it passes. It is false when the connection ends before: because giveUp was closed, it was cut or reset.
func (w *wire) repeat(giveUp <-chan struct{}, send func() fate) bool {
	held := false
	defer func() {
		if held {
			w.pf.hold(-1)
		}
	}()
	for {
		changed := w.pf.changes()
		switch send() {
		case passed:
			return true
		case reset:
			w.reset()
			return false
		}
		if !held {
			held = true
			w.pf.hold(1)
		}
		select {
		case <-changed:
		case <-giveUp:
			return false
		case <-w.cutOff:
			return false
		}
	}
}

// pass is repeat for one packet.
func (w *wire) pass(dir pf.Direction, flags uint8, giveUp <-chan struct{}) bool {
	return w.repeat(giveUp, func() fate { return w.packet(dir, flags) })
}

// open is the handshake that makes the connection. It is false when it does not come about.
func (w *wire) open() bool {
	d, ok := w.Conn.(*delayedConn)
	if !ok {
		return true
	}
	arrived := false
	return w.repeat(d.left, func() fate {
		switch w.packet(pf.In, pf.SYN) {
		case passed:
			arrived = true
		case reset:
			return reset
		}
		if !arrived {
			return dropped
		}
		return w.packet(pf.Out, pf.SYN|pf.ACK)
	}) && w.pass(pf.In, pf.ACK, d.left)
}

func (w *wire) Read(b []byte) (int, error) {
	n, err := w.Conn.Read(b)
	flags := pf.ACK
	if err != nil {
		flags |= pf.FIN
	}
	if !w.pass(pf.In, flags, w.ended) {
		return 0, net.ErrClosed
	}
	if err != nil {
		w.goneOnce.Do(func() { close(w.gone) })
	}
	return n, err
}

// Write returns at once unless the socket is full and the client is there, as far as sshd knows.
func (w *wire) Write(b []byte) (int, error) {
	w.mu.Lock()
	full, room := len(w.held) >= fullSocket, w.room
	w.mu.Unlock()
	if full {
		select {
		case <-room:
		case <-w.ended:
		case <-w.gone:
		case <-w.cutOff:
		}
	}
	return w.send(b, false)
}

// Close returns at once. The connection is closed when what was written has been sent; hangUp waits for that.
func (w *wire) Close() error {
	w.endOnce.Do(func() { close(w.ended) })
	_, err := w.send(nil, true)
	return err
}

// send sends b, or keeps it until pf lets it out.
func (w *wire) send(b []byte, fin bool) (int, error) {
	flags := pf.ACK
	if fin {
		flags |= pf.FIN
	}
	w.mu.Lock()
	if w.room == nil && w.broken() == nil && w.packet(pf.Out, flags) != passed {
		w.room = make(chan struct{})
		w.work.Go(w.resend)
	}
	stuck := w.room != nil
	if stuck {
		w.held = append(w.held, b...)
		w.fin = w.fin || fin
	}
	w.mu.Unlock()
	switch {
	case stuck:
		return len(b), w.broken()
	case fin:
		return 0, w.Conn.Close()
	case w.broken() != nil:
		return 0, w.broken()
	}
	return w.Conn.Write(b)
}

// resend ends when all that was held is sent, or the connection is cut.
func (w *wire) resend() {
	for w.pass(pf.Out, pf.ACK, nil) {
		w.mu.Lock()
		b, fin := w.held, w.fin
		w.held = nil
		close(w.room)
		if w.room = nil; len(b) > 0 {
			w.room = make(chan struct{}) // More may be written until this is.
		}
		w.mu.Unlock()
		if len(b) > 0 {
			_, _ = w.Conn.Write(b) // What fails here, sshd sees when it reads.
			continue
		}
		if fin {
			_ = w.Conn.Close()
		}
		return
	}
}

// broken is the error of a connection that was cut.
func (w *wire) broken() error {
	select {
	case <-w.cutOff:
		return net.ErrClosed
	default:
		return nil
	}
}

// cut ends the connection for both sides, at once.
func (w *wire) cut() {
	w.cutOnce.Do(func() { close(w.cutOff) })
	_ = w.raw.Close()
}

// reset cuts the connection so that the client sees a reset.
func (w *wire) reset() {
	w.raw.reset()
	w.cut()
}

// hangUp closes the connection, and waits until it is closed.
func (w *wire) hangUp() {
	_ = w.Close()
	w.work.Wait()
	hangUp(w.Conn)
}
