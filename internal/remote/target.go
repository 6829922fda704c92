package remote

import (
	"net"
	"strconv"
	"time"
)

// Target says how to reach a Mac and how to become root there. Only Address is required.
type Target struct {
	Name    string // what the user calls this Mac, for messages; empty: Address
	Address string // host name or IP address, without a port
	Port    int    // 0: 22
	User    string // empty: the name of the user that runs this process

	// PrivateKey is the text of a private key in PEM form. When it is set, nothing else is offered but Password.
	PrivateKey string
	// Passphrase decrypts PrivateKey, when that is encrypted.
	Passphrase string
	// Agent is the socket of an SSH agent; empty: SSH_AUTH_SOCK. Without PrivateKey the agent's keys are offered,
	// then the unencrypted ones among ~/.ssh/id_ed25519, id_ecdsa and id_rsa.
	Agent string
	// Password answers the server's password or keyboard-interactive question. Empty: none is tried.
	Password string

	// HostKey is the one key that the server must show, as in authorized_keys ("ssh-ed25519 AAAA..."). Empty: the
	// key must stand in one of KnownHosts.
	HostKey string
	// KnownHosts are files in OpenSSH's known_hosts format; one that does not exist counts as empty.
	// nil: ~/.ssh/known_hosts and /etc/ssh/ssh_known_hosts.
	KnownHosts []string

	// SudoPassword is asked for where sudo does not work without one. It goes to sudo's stdin only. Empty: sudo must
	// work without a password, unless User is root.
	SudoPassword string

	ConnectTimeout time.Duration // from the name look-up until the root shell answers; 0: 10 s
	CommandTimeout time.Duration // one script; 0: 2 min

	// ConfirmTimeout is within which time a new connection must confirm a change that could cut the Mac off, before the Mac
	// undoes it; 0: 1 min. SettleTime is after which time a second connection must confirm it again, for changes whose damage
	// shows late; 0: none need to.
	ConfirmTimeout, SettleTime time.Duration
}

func (t Target) name() string {
	if t.Name != "" {
		return t.Name
	}
	return t.Address
}

func (t Target) addr() string {
	port := t.Port
	if port == 0 {
		port = 22
	}
	return net.JoinHostPort(t.Address, strconv.Itoa(port))
}

func (t Target) connectTimeout() time.Duration {
	if t.ConnectTimeout > 0 {
		return t.ConnectTimeout
	}
	return 10 * time.Second
}

func (t Target) commandTimeout() time.Duration {
	if t.CommandTimeout > 0 {
		return t.CommandTimeout
	}
	return 2 * time.Minute
}

func (t Target) confirmTimeout() time.Duration {
	if t.ConfirmTimeout > 0 {
		return t.ConfirmTimeout
	}
	return time.Minute
}
