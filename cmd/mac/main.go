// Mac runs a simulated Mac in the foreground, to try things on: see package macsim for what it can do.
//
// It listens on loopback, at the port in PORT, and lets the user admin in with the key whose public half is in the file AUTHORIZED_KEY, or
// else with one of its own. sudo asks for nothing. What is done to it is gone when it ends. What ssh and Terraform need to find it is
// written to .cache/mac, below where it was started.
package main

import (
	"cmp"
	"context"
	"fmt"
	"log"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/crypto/ssh"

	"github.com/macos-fleet/terraform-provider-macos/internal/macsim"
)

func main() {
	log.SetFlags(0)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		log.Fatalf("mac: %v", err)
	}
}

// greeting says how to reach the Mac: from a shell, and from a configuration.
const greeting = `A simulated Mac (macOS %[1]s) answers at %[2]s, until Ctrl-C.

In another terminal, this lets Terraform find it, and the provider of this checkout:

    . %[3]s/env

Then the provider block is

    provider "macos" {
      host = "mini"
    }

and to log in, and meddle as a hand would:

    ssh -F %[3]s/ssh_config mini
`

func run(ctx context.Context) error {
	at, err := newFolder(".cache/mac")
	if err != nil {
		return err
	}
	key, err := at.authorized(os.Getenv("AUTHORIZED_KEY"))
	if err != nil {
		return err
	}
	m, err := macsim.New(office(key))
	if err != nil {
		return err
	}
	defer m.Close()
	if err := m.Listen(net.JoinHostPort("127.0.0.1", cmp.Or(os.Getenv("PORT"), "2222"))); err != nil {
		return fmt.Errorf("%w (PORT=2223 takes another port)", err)
	}
	if err := at.describe(m); err != nil {
		return err
	}
	fmt.Printf(greeting, m.Version, m.Addr(), at.shown)
	<-ctx.Done()
	return nil
}

// office is a Mac in an office, which is reached over Tailscale, and there over a relay, as long as nothing else is let in.
func office(key ssh.PublicKey) macsim.Mac {
	return macsim.Mac{
		AuthorizedKeys: []ssh.PublicKey{key},
		Interfaces: []macsim.Interface{
			{Name: "lo0", Addrs: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/8"), netip.MustParsePrefix("::1/128")}},
			{Name: "en0", Addrs: []netip.Prefix{netip.MustParsePrefix("203.0.113.11/24")}},
			{Name: "utun4", Addrs: []netip.Prefix{netip.MustParsePrefix("100.64.0.11/32")}, Over: &macsim.Carrier{
				Interface: "en0", TCP: true,
				Local: netip.MustParseAddrPort("203.0.113.11:49152"), Remote: netip.MustParseAddrPort("199.38.181.104:443"),
			}},
		},
		Client: netip.MustParseAddrPort("100.64.0.2:50000"),
		Server: netip.MustParseAddrPort("100.64.0.11:22"),
	}
}
