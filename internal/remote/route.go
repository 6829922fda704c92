package remote

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// route is how to get to a Mac: the machines to log in to one after the other, the last of which is the Mac itself.
type route struct {
	mac   string // its name
	hops  []*hop
	proxy string // as [Target.Proxy], for the connection that this machine makes
	fleet *Fleet

	timeout timeoutError  // from the first connection until the root shell answers
	alive   time.Duration // how often a silent connection is asked for a sign of life
}

// hop is a machine to log in to.
type hop struct {
	settings
	name string // what one writes after ssh
	jump bool   // it is a jump host, not the Mac
	try  string // the command by which a person would try the same

	// What the Target says. Jump hosts have no password and no hostKey: those are the Mac's.
	privateKey, privateKeyFile, certificate, passphrase, password, hostKey string

	agentMust bool // the agent was named, so that it is an error when it does not answer

	worked []byte // the public key that was accepted last time, to be offered first; nil: none was
}

// findRoute puts together what t says and what ssh's configuration says; t wins. Every error is a *DialError.
func findRoute(ctx context.Context, t Target, f *Fleet) (*route, error) {
	timeout := timeoutError{limit: t.connectTimeout()}
	ctx, cancel := context.WithTimeoutCause(ctx, timeout.limit, timeout)
	defer cancel()
	to, jumps := parseDestination(t.Address), t.ProxyJump
	to.user = cmp.Or(t.User, to.user)
	if t.Port != 0 {
		to.port = strconv.Itoa(t.Port)
	}
	if t.ProxyCommand != "" {
		jumps = "none"
	}
	r := &route{mac: t.name(), proxy: t.Proxy, fleet: f, timeout: timeout}
	if err := r.lead(ctx, t, to, jumps, 0); err != nil {
		return nil, &DialError{Host: t.name(), Addr: t.addr(), User: t.User, Stage: StageConfig, Err: err}
	}
	first, mac := r.hops[0], r.last()
	mac.jump, mac.password, mac.hostKey = false, t.Password, t.HostKey
	if t.ProxyJump != "" {
		mac.try = strings.Replace(mac.try, "ssh ", "ssh -J "+word(t.ProxyJump)+" ", 1)
	}
	switch {
	case t.PrivateKeyFile != "":
		mac.try = strings.Replace(mac.try, "ssh ", "ssh -o IdentitiesOnly=yes -i "+word(t.PrivateKeyFile)+" ", 1)
	case t.PrivateKey != "":
		mac.try = "" // ssh would take another key
	}
	if t.ProxyCommand != "" {
		mac.proxyCommand = unlessNone(t.ProxyCommand)
	} else if unlessNone(t.Proxy) != "" {
		first.proxyCommand = ""
	}
	// ssh's option is about the connection alone, see connect. The time here is for the login and sudo as well, and is never less because
	// of it.
	if t.ConnectTimeout == 0 && mac.connectTimeout > timeout.limit {
		r.timeout = timeoutError{limit: mac.connectTimeout, ssh: true}
	}
	r.alive = cmp.Or(mac.aliveInterval, keepalive)
	return r, nil
}

// last is the Mac itself.
func (r *route) last() *hop { return r.hops[len(r.hops)-1] }

// failure is what is told when h could not be reached.
func (r *route) failure(h *hop, stage Stage, err error) *DialError {
	fail := &DialError{Host: r.mac, Addr: h.addr(), User: h.user, Try: h.try, Stage: stage, Err: err}
	if h.jump {
		fail.Jump = h.name
	}
	return fail
}

// lead adds the hops that lead to d, and d itself. The jump hosts are given as in ProxyJump, or else d's configuration has them: for
// each of several the ones before it are given, and only the first goes by its own configuration. That is how ssh does it.
func (r *route) lead(ctx context.Context, t Target, d destination, jumps string, depth int) error {
	const deepest = 8
	if depth > deepest {
		return errors.New("ProxyJump goes in circles")
	}
	if err := d.check(); err != nil {
		return err
	}
	s, err := configure(ctx, t.ConfigFile, d)
	if err != nil {
		return err
	}
	if jumps != "" {
		s.proxyJump, s.proxyCommand = unlessNone(jumps), ""
	}
	if s.proxyJump != "" {
		all, err := expandTokens(s.proxyJump, map[byte]string{'%': "%", 'h': s.host, 'n': d.host, 'p': s.port, 'r': s.user})
		if err != nil {
			return fmt.Errorf("ProxyJump %q: %w", s.proxyJump, err)
		}
		before, last := "", all
		if i := strings.LastIndexByte(all, ','); i >= 0 {
			before, last = all[:i], all[i+1:]
		}
		jump := parseDestination(last)
		// Where all hosts are said to be behind a jump host, it is among them; ssh does not go there through itself. At another port of the same
		// address, there is another machine.
		if jump.host != d.host || cmp.Or(jump.port, s.port) != s.port {
			if err := r.lead(ctx, t, jump, before, depth+1); err != nil {
				return err
			}
		}
	}
	h := &hop{
		settings: s, name: d.host, jump: true, try: d.command(t.ConfigFile),
		privateKey: t.PrivateKey, privateKeyFile: t.PrivateKeyFile, certificate: t.Certificate, passphrase: t.Passphrase,
	}
	if t.Agent != "" {
		h.agent = unlessNone(t.Agent)
		h.agentMust = h.agent != ""
	}
	if t.ConnectTimeout > 0 {
		h.connectTimeout = 0
	}
	if t.KnownHosts != nil {
		h.knownHosts, h.knownHostsCommand = t.KnownHosts, ""
	}
	r.hops = append(r.hops, h)
	return nil
}

// destination is what one writes after ssh: [user@]host[:port]. Only the host is never empty.
type destination struct{ user, host, port string }

// parseDestination takes what ProxyJump takes: [user@]host[:port], also as an URL.
func parseDestination(text string) destination {
	var d destination
	rest := strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(text), "ssh://"), "/")
	if i := strings.LastIndexByte(rest, '@'); i >= 0 {
		d.user, rest = rest[:i], rest[i+1:]
	}
	d.host = strings.Trim(rest, "[]")
	if host, port, err := net.SplitHostPort(rest); err == nil {
		d.host, d.port = host, port
	}
	return d
}

// check refuses what no host or user is called, and what would do something in the commands that ssh's configuration may make of it.
// Names can come from anywhere: an inventory, another provider.
func (d destination) check() error {
	const harmful = "'`\"$;&<>|(){}\t\n\r"
	switch {
	case d.host == "" || strings.HasPrefix(d.host, "-") || strings.ContainsAny(d.host, harmful+" \\,"):
		return fmt.Errorf("%q is not the name of a host", d.host)
	case strings.HasPrefix(d.user, "-") || strings.ContainsAny(d.user, harmful):
		return fmt.Errorf("%q is not the name of a user", d.user)
	}
	return nil
}

// word is text as a word of a command, in quotes where it needs them.
func word(text string) string {
	plain := func(r rune) bool {
		return unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("/._-+:,=@%", r)
	}
	if strings.TrimFunc(text, plain) != "" {
		return quote(text)
	}
	return text
}

// command is how a person would go there.
func (d destination) command(file string) string {
	words := []string{"ssh"}
	if file != "" {
		words = append(words, "-F", word(file))
	}
	if d.port != "" && d.port != "22" {
		words = append(words, "-p", d.port)
	}
	if d.user != "" {
		return strings.Join(append(words, d.user+"@"+d.host), " ")
	}
	return strings.Join(append(words, d.host), " ")
}
