package macsim

import (
	"net"
	"sync"
	"time"
)

// A line is what connects the Mac with everybody else. Its zero value is one that works.
type line struct {
	mu        sync.Mutex
	unplugged bool
	asleep    bool // the Mac
	dead      []*cable
}

// Unplug pulls the Mac's cable: from now on no packet of any SSH connection gets through in either direction, and nobody hears of that. New
// connections hang, and those that end meanwhile (by a restart, say) do so without the other side's knowing. What is sent is sent again
// after Plug: neither side gives up, see wire.
func (m *Mac) Unplug() { m.line.set(&m.line.unplugged, true) }

// Plug puts the cable back. A connection that the Mac has no memory of any more is reset.
func (m *Mac) Plug() {
	m.line.plug()
	m.pf.announceChange()
}

func (l *line) set(what *bool, to bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	*what = to
	if l.unplugged || l.asleep {
		return
	}
	for _, c := range l.dead {
		c.reset()
	}
	l.dead = nil
}

func (l *line) plug() { l.set(&l.unplugged, false) }

func (l *line) setAsleep(asleep bool) { l.set(&l.asleep, asleep) }

// silent tells whether nothing gets through.
func (l *line) silent() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.unplugged || l.asleep
}

// A cable is a connection of this machine that stands for one of the Mac's.
type cable struct {
	net.Conn
	line *line
}

// Close ends reading and writing at once. The client does not learn of it while the line is silent.
func (c *cable) Close() error {
	c.line.mu.Lock()
	defer c.line.mu.Unlock()
	if !c.line.unplugged && !c.line.asleep {
		return c.Conn.Close()
	}
	c.line.dead = append(c.line.dead, c)
	return c.SetDeadline(time.Unix(1, 0))
}

// reset closes the connection so that the client sees a reset.
func (c *cable) reset() {
	if tcp, ok := c.Conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = c.Conn.Close()
}
