package macsim

import (
	"net/netip"
	"sync"

	"github.com/macos-fleet/terraform-provider-macos/internal/pf"
)

// A Carrier is the conversation that the packets of a tunnel travel in, wrapped up: with a peer, over UDP, or with a relay, over TCP. pf
// decides about them, too, and a tunnel is as dead as its carrier. The program that makes the tunnel begins it, and begins it anew
// when nothing gets through. That it would wait before it does so is not modelled.
type Carrier struct {
	Interface string         // such as en0
	TCP       bool           // else UDP
	Local     netip.AddrPort // a new conversation over TCP has the next port
	Remote    netip.AddrPort

	mu sync.Mutex
}

// carries says whether a packet of the tunnel gets through, in the conversation that there is or in a new one.
func (c *Carrier) carries(s *pfState, h *pf.Host, dir pf.Direction) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.passes(s, h, dir, pf.ACK) {
		return true
	}
	if c.TCP {
		c.Local = netip.AddrPortFrom(c.Local.Addr(), c.Local.Port()+1)
		return c.passes(s, h, pf.Out, pf.SYN) && c.passes(s, h, pf.In, pf.SYN|pf.ACK) && c.passes(s, h, dir, pf.ACK)
	}
	return c.passes(s, h, pf.Out, 0) && c.passes(s, h, dir, 0)
}

func (c *Carrier) passes(s *pfState, h *pf.Host, dir pf.Direction, flags uint8) bool {
	p := pf.Packet{Direction: dir, Interface: c.Interface, Proto: 17, Src: c.Local, Dst: c.Remote}
	if dir == pf.In {
		p.Src, p.Dst = c.Remote, c.Local
	}
	if c.TCP {
		p.Proto, p.Flags = 6, flags
	}
	_, fate := s.ask(h, p)
	return fate == passed
}

// over is what carries an interface's packets; nil if nothing does.
func (m *Mac) over(iface string) *Carrier {
	for _, i := range m.Interfaces {
		if i.Name == iface {
			return i.Over
		}
	}
	return nil
}
