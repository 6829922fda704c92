package remote

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// authMethods returns what t offers, in the order it is offered, and a func that closes the agent's socket. macOS
// closes the connection after six keys (MaxAuthTries), so a key that is named is the only one that is offered.
func authMethods(t Target) (methods []ssh.AuthMethod, done func(), err error) {
	done = func() {}
	if t.PrivateKey != "" {
		signer, err := parseKey(t.PrivateKey, t.Passphrase)
		if err != nil {
			return nil, done, err
		}
		methods = append(methods, ssh.PublicKeys(signer))
	} else {
		var signers []ssh.Signer
		socket := t.Agent
		if socket == "" {
			socket = os.Getenv("SSH_AUTH_SOCK")
		}
		if socket != "" {
			conn, err := net.Dial("unix", socket)
			switch {
			case err == nil:
				done = func() { _ = conn.Close() }
				fromAgent, err := agent.NewClient(conn).Signers()
				if err != nil {
					return nil, done, fmt.Errorf("asking the agent at %s for its keys: %w", socket, err)
				}
				signers = fromAgent
			case t.Agent != "":
				return nil, done, fmt.Errorf("reaching the agent: %w", err)
			}
		}
		if signers = append(signers, defaultKeys()...); len(signers) > 0 {
			methods = append(methods, ssh.PublicKeys(signers...))
		}
	}
	if t.Password != "" {
		methods = append(methods, ssh.Password(t.Password), ssh.KeyboardInteractive(
			func(_, _ string, questions []string, _ []bool) ([]string, error) {
				answers := make([]string, len(questions))
				for i := range answers {
					answers[i] = t.Password
				}
				return answers, nil
			}))
	}
	return methods, done, nil
}

func parseKey(pem, passphrase string) (ssh.Signer, error) {
	signer, err := ssh.ParsePrivateKey([]byte(pem))
	var encrypted *ssh.PassphraseMissingError
	if errors.As(err, &encrypted) && passphrase != "" {
		signer, err = ssh.ParsePrivateKeyWithPassphrase([]byte(pem), []byte(passphrase))
	}
	if err != nil {
		return nil, fmt.Errorf("reading the private key: %w", err)
	}
	return signer, nil
}

// defaultKeys are the keys that an ssh client would find by itself. One that is encrypted or unreadable is left out.
func defaultKeys() []ssh.Signer {
	home, err := os.UserHomeDir()
	if err != nil {
		return nil
	}
	var signers []ssh.Signer
	for _, name := range []string{"id_ed25519", "id_ecdsa", "id_rsa"} {
		pem, err := os.ReadFile(filepath.Join(home, ".ssh", name))
		if err != nil {
			continue
		}
		if signer, err := ssh.ParsePrivateKey(pem); err == nil {
			signers = append(signers, signer)
		}
	}
	return signers
}
