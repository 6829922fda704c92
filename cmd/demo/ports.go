package main

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// service is a port on which every Mac here listens, on all its interfaces.
type service struct {
	protocol string
	port     uint16
}

// services are what a Mac in an office listens on: sshd, smbd, AirPlay on two ports, Screen Sharing, something of a
// developer's, and WireGuard, which is how the tailnet comes in.
var services = []service{
	{"tcp", 22}, {"tcp", 445}, {"tcp", 5000}, {"tcp", 5900}, {"tcp", 7000}, {"tcp", 8080}, {"udp", 41641},
}

func (s service) String() string {
	if s.protocol == "tcp" {
		return fmt.Sprint(s.port)
	}
	return fmt.Sprintf("%d/%s", s.port, s.protocol)
}

// reach shows what answers on each Mac. It is an error when these are not the very Macs that are open to the office, when another
// one answers more than WireGuard there, or when one does not answer the tailnet.
func (f *fleet) reach(open ...string) error {
	fmt.Printf("\n%-11s%-40s%s\n", "", "open to the office", "open to the tailnet")
	every := reached(func(service) bool { return true })
	wireguard := reached(func(s service) bool { return s.protocol == "udp" })
	var wrong []error
	for i, name := range f.names {
		office := f.from(name, "en0", "203.0.113.50", fmt.Sprintf("203.0.113.%d", 11+i))
		tailnet := f.from(name, "utun4", "100.64.0.2", fmt.Sprintf("100.64.0.%d", 11+i))
		fmt.Printf("  %-9s%-40s%s\n", name, office, tailnet)
		want := wireguard
		if slices.Contains(open, name) {
			want = every
		}
		if office != want || tailnet != every {
			wrong = append(wrong, fmt.Errorf("%s should be open at %s and at %s", name, want, every))
		}
	}
	return errors.Join(wrong...)
}

// follow sees from the tailnet, until it is ended, whether the first Mac answers SSH. What it then returns says when that changed, on the
// Mac's clock.
func (f *fleet) follow() (end func() []string) {
	name := f.names[0]
	answers := func() bool { return strings.HasPrefix(f.from(name, "utun4", "100.64.0.2", "100.64.0.11"), "22 ") }
	var changes []string
	ended, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		began, was := time.Now(), true
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for last := false; ; {
			if is := answers(); is != was {
				word := map[bool]string{true: "SSH answers again", false: "SSH is dead"}[is]
				changes = append(changes, fmt.Sprintf("  after %3.0f s   %s", speed*time.Since(began).Seconds(), word))
				was = is
			}
			if last {
				return
			}
			select {
			case <-tick.C:
			case <-ended:
				last = true
			}
		}
	}()
	return func() []string {
		close(ended)
		<-done
		return changes
	}
}

// from is what a Mac answers on an interface.
func (f *fleet) from(name, iface, peer, address string) string {
	return reached(func(s service) bool {
		return f.macs[name].Reaches(iface, netip.MustParseAddr(peer), netip.MustParseAddr(address), s.protocol, s.port)
	})
}

func reached(answers func(service) bool) string {
	var open []string
	for _, s := range services {
		if answers(s) {
			open = append(open, s.String())
		}
	}
	return strings.Join(open, " ")
}
