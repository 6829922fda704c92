// Mac runs a simulated Mac in the foreground, to try things on: see package macsim for what it can do.
//
// It listens on loopback, at the port in PORT, and lets the user admin in with the key whose public half is in the file AUTHORIZED_KEY.
// sudo asks for nothing. What is done to it is gone when it ends.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
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
const greeting = `A simulated Mac (macOS %[1]s) answers at %[2]s. Its host key, as a line of known_hosts:

    %[3]s

Write that line to a file, mac.known_hosts for instance, and log in:

    ssh -i %[4]s -o UserKnownHostsFile=mac.known_hosts -p %[5]s %[6]s@%[7]s

Or point a configuration at it:

    provider "macos" {
      hosts = {
        mini = {
          address          = "%[7]s"
          port             = %[5]s
          user             = "%[6]s"
          private_key_file = "%[4]s"
          host_key         = "%[8]s"
        }
      }
    }

To meddle as a hand would, once there are rules:

    sudo pfctl -a NAME -F rules
    sudo launchctl bootout system/LABEL

Ctrl-C here ends it.
`

func run(ctx context.Context) error {
	file := os.Getenv("AUTHORIZED_KEY")
	if file == "" {
		return errors.New("set AUTHORIZED_KEY to the file with the public key that may log in, for example\n\n" +
			"    make mac AUTHORIZED_KEY=~/.ssh/id_ed25519.pub\n\n" +
			"A key just for this is made by: ssh-keygen -t ed25519 -N '' -f mac.key")
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("AUTHORIZED_KEY: %w", err)
	}
	if strings.Contains(string(text), "PRIVATE KEY") {
		return fmt.Errorf("AUTHORIZED_KEY: %s is the private key; the public one is in %s.pub", file, file)
	}
	key, _, _, _, err := ssh.ParseAuthorizedKey(text)
	if err != nil {
		return fmt.Errorf("AUTHORIZED_KEY: %s: %w", file, err)
	}
	m, err := macsim.New(macsim.Mac{AuthorizedKeys: []ssh.PublicKey{key}})
	if err != nil {
		return err
	}
	defer m.Close()
	if err := m.Listen(net.JoinHostPort("127.0.0.1", cmp.Or(os.Getenv("PORT"), "2222"))); err != nil {
		return err
	}
	host, port, err := net.SplitHostPort(m.Addr())
	if err != nil {
		return err
	}
	private, err := filepath.Abs(strings.TrimSuffix(file, ".pub"))
	if err != nil {
		return err
	}
	fmt.Printf(greeting, m.Version, m.Addr(), m.KnownHostsLine(), filepath.ToSlash(private), port, m.User, host,
		strings.TrimSpace(string(ssh.MarshalAuthorizedKey(m.HostKey()))))
	<-ctx.Done()
	return nil
}
