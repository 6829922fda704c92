package remote

import (
	"net"
	"strconv"
	"time"
)

// Target says how to reach a Mac and how to become root there. Only Address is required: what is empty is as ssh's configuration
// says, and what that does not say is as with ssh.
type Target struct {
	Name    string // what the user calls this Mac, for messages; empty: Address
	Address string // what one would write after ssh: a host name, an IP address or a Host of ssh's configuration, also as user@host
	Port    int
	User    string

	// ConfigFile is a file of ssh's configuration to be read instead of the user's and the system's; "none": none is.
	ConfigFile string
	// ProxyJump is the jump hosts on the way: [user@]host[:port], separated by commas; "none": none. What the Target says of keys,
	// their passphrase, the agent and KnownHosts holds for them, too; all else is as ssh's configuration says of each.
	ProxyJump string
	// ProxyCommand is a command of the user's shell whose standard input and output lead to the SSH server, with %h, %p, %r and %n
	// in it; "none": none. It takes the place of all jump hosts.
	ProxyCommand string
	// Proxy is a SOCKS server for the first connection that is made, socks5://[user:password@]host:port, which looks up the names;
	// "none": none. Empty: what the environment variables ALL_PROXY and NO_PROXY say, unless there is a ProxyCommand.
	Proxy string

	// PrivateKey is the text of a private key in PEM form. When it is set, the Mac is offered nothing else but Password; jump hosts are
	// offered it besides those of ssh's configuration.
	PrivateKey string
	// PrivateKeyFile is where PrivateKey was read, for messages; empty: it was given as a text. Without a Certificate, one in KEY-cert.pub
	// beside it is offered, too, if it is of use.
	PrivateKeyFile string
	// Certificate is the user certificate for PrivateKey, or without that for one of the other keys, as in a file KEY-cert.pub; empty:
	// there is none.
	Certificate string
	// Passphrase decrypts PrivateKey and the files of keys, when those are encrypted.
	Passphrase string
	// Agent is the socket of an SSH agent, in the ways of ssh's IdentityAgent, which must answer; "none": none is asked. Without PrivateKey
	// the keys of the agent and of the files that ssh's configuration names are offered, or those of ~/.ssh/id_ed25519, id_ecdsa and id_rsa.
	Agent string
	// Password answers the server's password or keyboard-interactive question, once. Empty: none is tried.
	Password string

	// HostKey is the one key that the server must show, as in authorized_keys ("ssh-ed25519 AAAA..."). Empty: the
	// key must stand in one of KnownHosts.
	HostKey string
	// KnownHosts are files in OpenSSH's known_hosts format; one that does not exist counts as empty. nil: those of ssh. A key that
	// none has is never accepted, whatever StrictHostKeyChecking says, and neither is one that ssh's RevokedHostKeys has.
	KnownHosts []string

	// SudoPassword is asked for where sudo does not work without one. It goes to sudo's stdin only. Empty: sudo must
	// work without a password, unless User is root.
	SudoPassword string

	ConnectTimeout time.Duration // from the name look-up until the root shell answers; 0: 10 s, or ssh's ConnectTimeout if that is longer
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
