package remote

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"

	"golang.org/x/crypto/ssh"
)

// triesAConnection is how many keys and passwords are offered on one connection. A server ends it at the sixth that it refuses
// (MaxAuthTries), and writes into its log that somebody tries out keys.
const triesAConnection = 5

// lockedBanner is what a Mac whose disk is locked shows (macOS 26, apple_ssh_and_filevault(7)).
const lockedBanner = "This system is locked"

var errAnother = errors.New("the rest is offered on another connection")

// login is the logging in at a hop: keys and the password are offered one after the other, each once, over as many connections as that
// takes.
type login struct {
	hop  *hop
	said string // the server's banner

	gathered     bool     // keys and left are known
	keys         []key    // still to be offered
	left         []string // what could not be offered, and why
	passwordSent bool
	asked        bool  // the agent was asked
	held         []key // what it holds

	here    int      // how many were offered on this connection
	offered []string // on all of them
	last    []byte   // the public key that was offered last

	mu     sync.Mutex
	agent  net.Conn // nil: none was asked yet
	closed bool
}

func newLogin(h *hop) *login { return &login{hop: h} }

// next is asked by the handshake after each answer of the server: first to an offer of nothing, which Tailscale's accepts.
func (l *login) next(c *ssh.ClientAuthContext) (ssh.AuthMethod, error) {
	allowed := func(method string) bool { return slices.Contains(c.AllowedMethods, method) }
	if strings.Contains(l.said, lockedBanner) {
		return nil, ErrLocked
	}
	if allowed("publickey") {
		if err := l.gather(); err != nil {
			return nil, err
		}
	}
	password := l.hop.password != "" && !l.passwordSent && (allowed("password") || allowed("keyboard-interactive"))
	switch {
	case l.here == triesAConnection && (len(l.keys) > 0 || password):
		return nil, errAnother
	case allowed("publickey") && len(l.keys) > 0:
		k := l.keys[0]
		l.keys = l.keys[1:]
		l.here++
		l.offered = append(l.offered, k.name)
		l.last = k.signer.PublicKey().Marshal()
		return ssh.PublicKeys(k.signer), nil
	case password:
		l.passwordSent = true
		l.here++
		l.offered = append(l.offered, "the password")
		if allowed("password") {
			return ssh.Password(l.hop.password), nil
		}
		return ssh.KeyboardInteractive(l.answer()), nil
	default:
		refused := &RefusedError{Takes: c.AllowedMethods, Accepted: c.PartialSuccessMethods}
		if len(refused.Accepted) > 0 || !allowed("publickey") { // otherwise another key would do
			refused.NoPassword = l.hop.password == "" && (allowed("password") || allowed("keyboard-interactive"))
		}
		return nil, refused
	}
}

// answer gives the password to the first questions that are asked. Who asks again did not like it, or wants a new one.
func (l *login) answer() ssh.KeyboardInteractiveChallenge {
	answered := false
	return func(_, _ string, questions []string, _ []bool) ([]string, error) {
		if answered && len(questions) > 0 {
			return nil, fmt.Errorf("the server asks further: %s", printable(strings.Join(questions, " ")))
		}
		answered = answered || len(questions) > 0
		return slices.Repeat([]string{l.hop.password}, len(questions)), nil
	}
}

// banner takes in what the server says before the login, and returns what of it is fit to be shown. A server that talks without end is not
// listened to.
func (l *login) banner(text string) string {
	const most = 8 << 10
	if len(l.said) >= most {
		return ""
	}
	text = printable(text)
	l.said += text
	return text
}

// goesOn reports whether there is something left to offer, on another connection, after one that was ended because enough was tried
// on it: by us, or by a server that takes less.
func (l *login) goesOn(fail *DialError) bool {
	if fail.Stage != StageAuth || l.here == 0 || errors.As(fail, new(*RefusedError)) || errors.Is(fail, ErrLocked) {
		return false
	}
	enough := errors.Is(fail, errAnother) || strings.Contains(strings.ToLower(fail.Err.Error()), "too many authentication failures")
	l.here, l.said = 0, ""
	return enough && (len(l.keys) > 0 || l.hop.password != "" && !l.passwordSent)
}

// explain adds to the error of a login what was tried.
func (l *login) explain(err error) error {
	if len(l.offered) > 0 {
		err = fmt.Errorf("%w\noffered: %s", err, strings.Join(l.offered, ", "))
	} else if errors.As(err, new(*RefusedError)) && l.gathered && len(l.left) == 0 {
		agent := "no agent is named"
		switch {
		case len(l.held) > 0:
			agent = "those of the agent are not wanted (IdentitiesOnly)"
		case l.hop.agent != "":
			agent = "the agent holds none"
		}
		err = fmt.Errorf("%w\nno key was found: %s, and there is none of %s", err, agent, strings.Join(l.hop.identities, ", "))
	}
	if len(l.left) > 0 {
		err = fmt.Errorf("%w\nnot offered: %s", err, strings.Join(l.left, "; "))
	}
	return err
}

// close ends the connection to the agent, which may be waiting for somebody's consent.
func (l *login) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	if l.agent != nil {
		_ = l.agent.Close()
	}
}
