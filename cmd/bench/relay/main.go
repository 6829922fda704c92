// Command relay is what sshd runs for a login: it hands the command that the client sent, and all that follows, to a simulated Mac. So
// OpenSSH carries, and a Mac answers.
//
// Its arguments are the Mac's address, and the file of the key that logs in there.
package main

import (
	"errors"
	"io"
	"log"
	"os"
	"time"

	"golang.org/x/crypto/ssh"
)

func main() {
	log.SetFlags(0)
	err := relay(os.Args[1], os.Args[2])
	if exit, ok := errors.AsType[*ssh.ExitError](err); ok {
		os.Exit(exit.ExitStatus())
	}
	if err != nil {
		log.Fatalf("relay: %v", err)
	}
}

func relay(mac, keyFile string) error {
	text, err := os.ReadFile(keyFile)
	if err != nil {
		return err
	}
	key, err := ssh.ParsePrivateKey(text)
	if err != nil {
		return err
	}
	client, err := ssh.Dial("tcp", mac, &ssh.ClientConfig{
		User: "admin", Auth: []ssh.AuthMethod{ssh.PublicKeys(key)}, HostKeyCallback: ssh.InsecureIgnoreHostKey(),
	})
	if err != nil {
		return err
	}
	session, err := client.NewSession()
	if err != nil {
		return err
	}
	session.Stderr = os.Stderr
	stdout, err := session.StdoutPipe()
	if err != nil {
		return err
	}
	stdin, err := session.StdinPipe()
	if err != nil {
		return err
	}
	go func() {
		_, _ = io.Copy(stdin, os.Stdin)
		_ = stdin.Close()
	}()
	if err := session.Start(os.Getenv("SSH_ORIGINAL_COMMAND")); err != nil {
		return err
	}
	// On a Mac, programs write into a pipe, and sshd sends on what it finds there. The simulated Mac sends each word by itself, which would
	// cost this machine more than all that is measured.
	for b := make([]byte, 64<<10); ; time.Sleep(time.Millisecond) {
		n, err := stdout.Read(b)
		_, _ = os.Stdout.Write(b[:n]) // sshd may be gone
		if err != nil {
			return session.Wait()
		}
	}
}
