package pfctl

import (
	"net"
	"sync"
)

// A tap is on the way from a client to a Mac. It calls sent before and after each parcel that the client sends, which is what it
// wrote at once, more or less. What sent does not agree to before is lost, and the rest with it.
type tap struct {
	listener net.Listener
	to       string
	sent     func(done bool) bool

	mu    sync.Mutex
	conns []net.Conn
	work  sync.WaitGroup
}

func newTap(to string, sent func(done bool) bool) (*tap, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	t := &tap{listener: l, to: to, sent: sent}
	t.work.Go(t.accept)
	return t, nil
}

func (t *tap) address() string { return t.listener.Addr().String() }

func (t *tap) accept() {
	for {
		client, err := t.listener.Accept()
		if err != nil {
			return
		}
		mac, err := net.Dial("tcp", t.to)
		if err != nil {
			_ = client.Close()
			continue
		}
		t.mu.Lock()
		t.conns = append(t.conns, client, mac)
		t.mu.Unlock()
		t.work.Go(func() { t.carry(client, mac, t.sent) })
		t.work.Go(func() { t.carry(mac, client, func(bool) bool { return true }) })
	}
}

// carry carries one direction of a connection until one side ends it.
func (t *tap) carry(from, to net.Conn, sent func(done bool) bool) {
	b := make([]byte, 32<<10)
	for {
		n, err := from.Read(b)
		if n > 0 && !sent(false) {
			err = net.ErrClosed
		} else if n > 0 {
			if _, failed := to.Write(b[:n]); err == nil {
				err = failed
			}
			sent(true)
		}
		if err != nil {
			_ = from.Close()
			_ = to.Close()
			return
		}
	}
}

func (t *tap) close() {
	_ = t.listener.Close()
	t.mu.Lock()
	for _, c := range t.conns {
		_ = c.Close()
	}
	t.mu.Unlock()
	t.work.Wait()
}
