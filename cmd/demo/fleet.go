package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/macos-fleet/terraform-provider-macos/internal/macsim"
)

// fleet is the simulated Macs, in order.
type fleet struct {
	names []string
	macs  map[string]*macsim.Mac
	key   []byte // the private key that logs in to all of them
}

// speed is how many times faster than ours the Macs' clocks run.
const speed = 10

// relay is a relay of Tailscale's, which the Macs' tunnels lead over.
var relay = netip.MustParseAddrPort("199.38.181.104:443")

func newFleet(names ...string) (*fleet, error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		return nil, err
	}
	authorized, err := ssh.NewPublicKey(public)
	if err != nil {
		return nil, err
	}
	fmt.Println()
	f := &fleet{names: names, macs: map[string]*macsim.Mac{}, key: pem.EncodeToMemory(block)}
	for i, name := range names {
		public, tailscale := netip.AddrFrom4([4]byte{203, 0, 113, byte(11 + i)}), netip.AddrFrom4([4]byte{100, 64, 0, byte(11 + i)})
		mac, err := macsim.New(macsim.Mac{
			Hostname:       name,
			AuthorizedKeys: []ssh.PublicKey{authorized},
			Interfaces: []macsim.Interface{
				{Name: "lo0", Addrs: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/8"), netip.MustParsePrefix("::1/128")}},
				{Name: "en0", Addrs: []netip.Prefix{netip.PrefixFrom(public, 24)}},
				{Name: "utun4", Addrs: []netip.Prefix{netip.PrefixFrom(tailscale, 32)}, Over: &macsim.Carrier{
					Interface: "en0", TCP: true, Local: netip.AddrPortFrom(public, 49152), Remote: relay,
				}},
			},
			Second: time.Second / speed,
			Client: netip.AddrPortFrom(netip.MustParseAddr("100.64.0.2"), 50000),
			Server: netip.AddrPortFrom(tailscale, 22),
		})
		if err == nil {
			f.macs[name] = mac
			err = mac.Listen("127.0.0.1:0")
		}
		if err != nil {
			f.close()
			return nil, fmt.Errorf("%s does not start: %w", name, err)
		}
		fmt.Printf("  %s   macOS 15.6   en0 %s   Tailscale %s   SSH at %s\n", name, public, tailscale, mac.Addr())
	}
	return f, nil
}

func (f *fleet) close() {
	for _, mac := range f.macs {
		mac.Close()
	}
}

func (f *fleet) reboot() {
	for _, name := range f.names {
		typed(name, "reboot")
		f.macs[name].Reboot()
	}
}

// byHand runs a command as root on a Mac, as its owner would in Terminal.
func (f *fleet) byHand(ctx context.Context, name, command string) error {
	typed(name, command)
	stdout, stderr, exit := f.macs[name].Run(ctx, command)
	fmt.Print(stderr, stdout)
	if exit != 0 {
		return fmt.Errorf("on %s, that ended with exit status %d", name, exit)
	}
	return nil
}

// edit replaces a word in a file on a Mac, as its owner would in an editor.
func (f *fleet) edit(name, file, before, after string) error {
	typed(name, "vi "+file)
	text, err := f.macs[name].Files().Read(file)
	if err != nil {
		return err
	}
	if strings.Count(text, before) != 1 {
		return fmt.Errorf("%s on %s does not have %s once:\n%s", file, name, before, text)
	}
	for line := range strings.Lines(text) {
		if strings.Contains(line, before) {
			fmt.Print("-", line, "+", strings.Replace(line, before, after, 1))
		}
	}
	return f.macs[name].Files().Write(file, strings.Replace(text, before, after, 1))
}

// snapshots are the whole Macs, by name.
func (f *fleet) snapshots() map[string]string {
	all := map[string]string{}
	for name, mac := range f.macs {
		all[name] = mac.Snapshot()
	}
	return all
}

// compare is an error that shows what differs when a Mac is not as it was.
func (f *fleet) compare(before map[string]string) error {
	for _, name := range f.names {
		if after := f.macs[name].Snapshot(); after != before[name] {
			return fmt.Errorf("%s is not as it was:\n%s", name, difference(before[name], after))
		}
	}
	return nil
}

// difference is the lines that only one of the texts has.
func difference(before, after string) string {
	var b strings.Builder
	for _, side := range []struct{ sign, here, there string }{{"-", before, after}, {"+", after, before}} {
		for line := range strings.Lines(side.here) {
			if !strings.Contains("\n"+side.there, "\n"+line) {
				b.WriteString(side.sign + line)
			}
		}
	}
	return b.String()
}

// variables are Macs as examples/tailscale-only wants them.
func (f *fleet) variables(names ...string) map[string]any {
	hosts := map[string]any{}
	for _, name := range names {
		mac := f.macs[name]
		address, port, _ := net.SplitHostPort(mac.Addr())
		number, _ := strconv.Atoi(port)
		hosts[name] = map[string]any{
			"address":  address,
			"port":     number,
			"host_key": strings.TrimSpace(string(ssh.MarshalAuthorizedKey(mac.HostKey()))),
		}
	}
	return map[string]any{"hosts": hosts}
}
