//go:build unix

// Command relay is what sshd runs for a login: it hands the command that the client sent to a simulated Mac, and with it its stdin, stdout
// and stderr themselves. So OpenSSH carries, and a Mac answers.
//
// Its argument is the socket at which the Mac is handed logins.
package main

import (
	"errors"
	"log"
	"net"
	"os"
	"syscall"
)

func main() {
	log.SetFlags(0)
	exit, err := relay(os.Args[1])
	if err != nil {
		log.Fatalf("relay: %v", err)
	}
	os.Exit(exit)
}

func relay(socket string) (exit int, err error) {
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		return 0, err
	}
	login := os.Getenv("SSH_CONNECTION") + "\n" + os.Getenv("SSH_ORIGINAL_COMMAND")
	if _, _, err := conn.WriteMsgUnix([]byte(login), syscall.UnixRights(0, 1, 2), nil); err != nil {
		return 0, err
	}
	status := make([]byte, 1)
	if n, _ := conn.Read(status); n == 0 {
		return 0, errors.New("the Mac has cut the connection")
	}
	return int(status[0]), nil
}
