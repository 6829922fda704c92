package remote

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
)

// Stage is how far a connection came before it failed.
type Stage string

// The stages of a connection, in order.
const (
	StageConfig  Stage = "ssh configuration" // it cannot be read, or says what is not supported
	StageKey     Stage = "credentials"       // what is given to log in with is of no use; see [GivenError]
	StageProxy   Stage = "proxy"             // the SOCKS server or the ProxyCommand
	StageName    Stage = "name look-up"
	StageTCP     Stage = "TCP connection"
	StageSSH     Stage = "SSH handshake" // something answered, but not as an SSH server does, or in no way that both know
	StageHostKey Stage = "host key"
	StageAuth    Stage = "authentication"
	StageSudo    Stage = "sudo"
	StageShell   Stage = "shell"
	StageReading Stage = "reading" // it was connected, and that ended while the Mac was read; see [LostError]
)

// DialError is a Mac that could not be reached. Nothing changed there: at most, at [StageShell] and [StageReading], a
// script without Writes has run.
type DialError struct {
	Host   string // the Mac's name
	Jump   string // the jump host that could not be reached; empty: it was the Mac itself
	Addr   string // host:port of what could not be reached
	User   string // who was to log in there
	Stage  Stage
	Banner string // what the server said before authentication; it may hold a reason or an URL to visit
	Try    string // the command by which a person would try the same; may be empty
	Err    error
}

func (e *DialError) Error() string {
	if e.Jump != "" {
		return fmt.Sprintf("%s: jump host %s (%s): %s: %v", e.Host, e.Jump, e.Addr, e.Stage, e.Err)
	}
	return fmt.Sprintf("%s (%s): %s: %v", e.Host, e.Addr, e.Stage, e.Err)
}

func (e *DialError) Unwrap() error { return e.Err }

// ErrLocked is a Mac whose disk is locked: it was restarted, and FileVault waits for a password. Such a Mac answers SSH (macOS 26 and
// later), and takes the password of a login for unlocking its disk, so none is sent.
var ErrLocked = errors.New("its disk is locked")

// GivenError is something to log in with that the Target gives and that cannot be used: a private key or a certificate that cannot be
// read, or an agent that does not answer.
type GivenError struct {
	Field string // of the Target: "PrivateKey", "Certificate" or "Agent"
	Name  string // what it is, or its file
	Err   error
}

func (e *GivenError) Error() string { return e.Name + ": " + e.Err.Error() }
func (e *GivenError) Unwrap() error { return e.Err }

// UnknownHostKeyError is a host key that no known_hosts file knows, and that no certificate makes known.
type UnknownHostKeyError struct {
	Fingerprint string // SHA256:...
	Line        string // the line for known_hosts that would accept it
	File        string // the file where the user would add it; empty: there is none
	Lenient     string // ssh's StrictHostKeyChecking, where that would have ssh accept the key: "no" or "accept-new"; empty: it would not
	Certificate error  // why the certificate that the server shows does not count; nil: it shows none
}

func (e *UnknownHostKeyError) Error() string {
	if e.Certificate != nil {
		return fmt.Sprintf("the host key is unknown: %s, and its certificate does not count: %v", e.Fingerprint, e.Certificate)
	}
	return "the host key is unknown: " + e.Fingerprint
}

// ChangedHostKeyError is a host key other than the one that is known: a reinstalled Mac, or somebody in between.
type ChangedHostKeyError struct {
	Fingerprint string   // of the key that the server showed
	Known       []string // where other keys are recorded, as file:line; empty: HostKey was set
	Forget      []string // the commands that take those away
}

func (e *ChangedHostKeyError) Error() string {
	return "the host key has changed: the server shows " + e.Fingerprint
}

// ForwardError is a jump host that made no connection to the next machine.
type ForwardError struct {
	Jump, User string // the jump host, and who is logged in there
	Forbidden  bool   // it does not allow that, by its AllowTcpForwarding or PermitOpen, or by the options of the key
	Err        error  // with its words
}

func (e *ForwardError) Error() string {
	said := e.Err.Error()
	var refused *ssh.OpenChannelError
	if errors.As(e.Err, &refused) {
		said = refused.Message
	}
	if e.Forbidden {
		return fmt.Sprintf("the jump host %s does not let %q connect to it: administratively prohibited, %s", e.Jump, e.User, said)
	}
	return fmt.Sprintf("the jump host %s says: %s", e.Jump, said)
}

func (e *ForwardError) Unwrap() error { return e.Err }

// RefusedError is a login for which there is nothing left to offer.
type RefusedError struct {
	Takes      []string // how the server would go on: publickey, password, keyboard-interactive
	Accepted   []string // what it accepted, and what alone is not enough
	NoPassword bool     // what it takes is a password, and there is none
}

func (e *RefusedError) Error() string {
	takes := cmp.Or(strings.Join(e.Takes, ", "), "nothing")
	if len(e.Accepted) > 0 {
		return fmt.Sprintf("%s is accepted, and the server wants more (it takes: %s)", strings.Join(e.Accepted, ", "), takes)
	}
	return fmt.Sprintf("nothing that is offered is accepted (the server takes: %s)", takes)
}

// AlgorithmsError is an SSH server with which there is no algorithm in common.
type AlgorithmsError struct {
	Option       string // of sshd_config that sets the server's: KexAlgorithms, HostKeyAlgorithms, Ciphers or MACs
	Usual        string // one that is known here and to every OpenSSH since 7.4 (2016); empty: it takes another host key
	Server, Here []string
}

func (e *AlgorithmsError) Error() string {
	return fmt.Sprintf("no %s in common: the server offers %s", e.Option, strings.Join(e.Server, ", "))
}

// noneInCommon is err as an AlgorithmsError, if it is about that.
func noneInCommon(err error) error {
	var none *ssh.AlgorithmNegotiationError
	if !errors.As(err, &none) {
		return err
	}
	option, usual := "Ciphers", "aes256-ctr" // "client to server cipher" and the other way round
	switch {
	case none.What == "key exchange":
		option, usual = "KexAlgorithms", "curve25519-sha256"
	case none.What == "host key":
		option, usual = "HostKeyAlgorithms", ""
	case strings.HasSuffix(none.What, "MAC"):
		option, usual = "MACs", "hmac-sha2-256-etm@openssh.com"
	}
	// Some of the names are no algorithms, and say what a side understands besides.
	algorithms := func(names []string) []string {
		return slices.DeleteFunc(slices.Clone(names), func(name string) bool {
			return strings.HasPrefix(name, "ext-info-") || strings.HasPrefix(name, "kex-strict-")
		})
	}
	return &AlgorithmsError{
		Option: option, Usual: usual, Server: algorithms(none.RequestedAlgorithms), Here: algorithms(none.SupportedAlgorithms),
	}
}

// ExitError is a script that ended with a status other than 0.
type ExitError struct {
	Host   string
	Exit   int
	Stderr string
}

func (e *ExitError) Error() string {
	if msg := strings.TrimSpace(e.Stderr); msg != "" {
		return fmt.Sprintf("%s: exit %d: %s", e.Host, e.Exit, msg)
	}
	return fmt.Sprintf("%s: exit %d", e.Host, e.Exit)
}

// LostError is a connection that broke, or a wait that ran out, after a script may have started: whether it ran,
// and how far, is unknown. The script is never sent again.
type LostError struct {
	Host    string
	Err     error
	Reading *DialError // the same, if the script neither Writes nor Tells, so that it changed nothing on the Mac; nil: it may have
}

func (e *LostError) Error() string {
	if errors.Is(e.Err, context.DeadlineExceeded) {
		return fmt.Sprintf("%s: %v", e.Host, e.Err)
	}
	return fmt.Sprintf("%s: the connection was lost while a script ran: %v", e.Host, e.Err)
}

func (e *LostError) Unwrap() error { return e.Err }

// silence is a script that did not end within this time, so that nobody waits for it any more.
type silence time.Duration

func (e silence) Error() string {
	return fmt.Sprintf("no answer within the command timeout of %v; what was started goes on there", time.Duration(e))
}

func (silence) Unwrap() error { return context.DeadlineExceeded }

// stillness is a connection that was asked for a sign of life, and gave none within this time.
type stillness time.Duration

func (e stillness) Error() string { return fmt.Sprintf("no sign of life for %v", time.Duration(e)) }

// BusyError is a Mac where another apply was writing for as long as a script may wait. The script did not run.
type BusyError struct {
	Host   string
	Holder string // "admin from 100.64.0.7"
}

func (e *BusyError) Error() string {
	return fmt.Sprintf("%s: another apply is at work there: %s", e.Host, e.Holder)
}
