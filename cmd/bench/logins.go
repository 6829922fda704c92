//go:build unix

package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/macos-fleet/terraform-provider-macos/internal/macsim"
)

// takeLogins makes a Mac serve the logins that relays hand over at a socket, until the listener is closed.
func takeLogins(mac *macsim.Mac, socket string) (net.Listener, error) {
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		return nil, err
	}
	go func() {
		for {
			conn, err := l.AcceptUnix()
			if err != nil {
				return
			}
			go func() {
				if err := errors.Join(takeLogin(mac, conn), conn.Close()); err != nil {
					fmt.Fprintln(os.Stderr, "bench: a login was not taken:", err)
				}
			}()
		}
	}()
	return l, nil
}

// takeLogin serves what a relay hands over: in one message SSH_CONNECTION, a newline and the command, and with it stdin, stdout and stderr.
// It is answered with a byte, the exit status.
func takeLogin(mac *macsim.Mac, conn *net.UnixConn) error {
	text, rights := make([]byte, 64<<10), make([]byte, syscall.CmsgSpace(3*4))
	n, m, _, _, err := conn.ReadMsgUnix(text, rights)
	if err != nil {
		return err
	}
	messages, err := syscall.ParseSocketControlMessage(rights[:m])
	if err != nil || len(messages) != 1 {
		return fmt.Errorf("%d messages came: %w", len(messages), err)
	}
	fds, err := syscall.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 3 {
		return fmt.Errorf("%d files came: %w", len(fds), err)
	}
	var stdio [3]*os.File
	for i, fd := range fds {
		_ = syscall.SetNonblock(fd, true) // so that Close ends a Read
		stdio[i] = os.NewFile(uintptr(fd), "")
		defer stdio[i].Close()
	}

	connection, command, _ := strings.Cut(string(text[:n]), "\n")
	login := macsim.Login{Command: command, Stdin: stdio[0], Stderr: stdio[2]}
	if ends := strings.Fields(connection); len(ends) == 4 {
		login.Client, _ = netip.ParseAddrPort(net.JoinHostPort(ends[0], ends[1]))
		login.Server, _ = netip.ParseAddrPort(net.JoinHostPort(ends[2], ends[3]))
	}
	words, stdout, err := os.Pipe()
	if err != nil {
		return err
	}
	login.Stdout = stdout
	said := make(chan struct{})
	go func() {
		defer close(said)
		gather(stdio[1], words)
	}()
	exit := mac.Serve(conn, login)
	_ = stdout.Close()
	<-said
	_, _ = conn.Write([]byte{byte(exit)}) // The connection may be cut.
	return nil
}

// gather passes on what has come within a millisecond. For each word that a Mac's programs say, sshd would be woken, which here would
// cost more than all that is measured.
func gather(to io.Writer, from io.ReadCloser) {
	defer from.Close()
	for b := make([]byte, 64<<10); ; time.Sleep(time.Millisecond) {
		n, err := from.Read(b)
		if err != nil {
			return
		}
		if _, err := to.Write(b[:n]); err != nil {
			return // sshd is gone
		}
	}
}
