package remote

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"
)

// settings are what ssh's configuration says about one destination, with the defaults filled in.
type settings struct {
	host, port, user string
	network          string // "tcp", or "tcp4" or "tcp6" where only one of the two is wanted

	identities     []string // files of private keys, or of public keys whose private ones an agent holds
	named          bool     // identities were configured; otherwise they are the ones that ssh looks for by itself
	certificates   []string // files of user certificates
	identitiesOnly bool     // of an agent's keys, only those that identities and certificates name
	agent          string   // the agent's socket; "": none

	proxyJump, proxyCommand string // as in the file; "": none

	hostKeyAlias string   // what known_hosts files call the host; "": as host and port say
	lenient      string   // StrictHostKeyChecking, if it would have ssh accept a key that is not known; "": it would not
	knownHosts   []string // the user's files, then the system's

	revokedHostKeys   []string // files
	knownHostsCommand string   // "": none

	connectTimeout, aliveInterval time.Duration // 0: nothing is said
}

// addr is where the server answers, as host:port.
func (s *settings) addr() string { return net.JoinHostPort(s.host, s.port) }

// The files that ssh looks for by itself. Keys on hardware (id_ed25519_sk) work through an agent only.
var (
	usualIdentities       = []string{"~/.ssh/id_ed25519", "~/.ssh/id_ecdsa", "~/.ssh/id_rsa"}
	rareIdentities        = []string{"~/.ssh/id_ecdsa_sk", "~/.ssh/id_ed25519_sk", "~/.ssh/id_xmss", "~/.ssh/id_dsa"}
	usualKnownHosts       = []string{"~/.ssh/known_hosts", "~/.ssh/known_hosts2"}
	usualGlobalKnownHosts = []string{"/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2"}
)

// honored are the options of ssh's configuration that have an effect here, directly or on what others mean.
var honored = []string{
	"hostname", "user", "port", "addressfamily", "identityfile", "certificatefile", "identitiesonly", "identityagent", "proxyjump",
	"proxycommand", "proxyusefdpass", "hostkeyalias", "userknownhostsfile", "globalknownhostsfile", "knownhostscommand", "revokedhostkeys",
	"stricthostkeychecking", "connecttimeout", "serveraliveinterval", "canonicalizehostname",
}

// configure returns what ssh's configuration says about d; file is as [Target.ConfigFile]. Where an ssh program is installed, it
// gives the answer, so that Host, Match, Include and the rest mean here what they mean there. It is not asked where no file says
// anything that has an effect here: that would cost as much time as a login, for each Mac.
func configure(ctx context.Context, file string, d destination) (settings, error) {
	files, err := findConfig(file)
	if err != nil {
		return settings{}, err
	}
	said, err := files.say(d.host, func(l line) bool { return slices.Contains(honored, l.keyword) })
	if err != nil || !said {
		return d.settings(nil, err)
	}
	if ssh, err := exec.LookPath("ssh"); err == nil {
		return d.settings(askSSH(ctx, ssh, file, d))
	}
	return d.settings(files.options(d.host))
}

// option is a line of configuration. Its keyword is in lower case.
type option struct{ keyword, value string }

// askSSH runs ssh -G, which connects to nothing, but does run what "Match exec" lines say. It prints an option a line, in lower case and
// with the defaults; of those that may be given several times, each value on a line of its own. Some have their tokens and variables
// replaced already, others not (in 9.2, HostName, IdentityAgent and UserKnownHostsFile do).
func askSSH(ctx context.Context, ssh, file string, d destination) ([]option, error) {
	args := []string{"-G", "-T"}
	if file != "" {
		args = append(args, "-F", file)
	}
	if d.user != "" {
		args = append(args, "-l", d.user)
	}
	if d.port != "" {
		args = append(args, "-p", d.port)
	}
	cmd := exec.CommandContext(ctx, ssh, append(args, "--", d.host)...)
	cmd.WaitDelay = 2 * time.Second // for what a "Match exec" line left behind
	answer, err := cmd.Output()
	var exit *exec.ExitError
	switch {
	case err == nil:
	case ctx.Err() != nil:
		return nil, withCause(ctx, fmt.Errorf("ssh -G %s: %w", d.host, err))
	case errors.As(err, &exit) && len(exit.Stderr) > 0:
		return nil, fmt.Errorf("ssh -G %s: %s", d.host, bytes.TrimSpace(exit.Stderr))
	default:
		return nil, fmt.Errorf("ssh -G %s: %w", d.host, err)
	}
	var options []option
	for text := range strings.Lines(string(answer)) {
		keyword, value, _ := strings.Cut(strings.TrimRight(text, "\r\n"), " ")
		options = append(options, option{keyword, value})
	}
	return options, nil
}

// settings are what options make of d; an err is passed on. Of an option that is given several times the first counts, except for
// files of keys and certificates, which add up.
func (d destination) settings(options []option, err error) (settings, error) {
	if err != nil {
		return settings{}, err
	}
	me := account()
	s := settings{host: d.host, port: "22", user: me.Username, network: "tcp", agent: agentSocket("SSH_AUTH_SOCK")}
	user, system := usual(usualKnownHosts, me.HomeDir), usualGlobalKnownHosts
	seen := map[string]bool{}
	for _, o := range options {
		if seen[o.keyword] && o.keyword != "identityfile" && o.keyword != "certificatefile" {
			continue
		}
		seen[o.keyword] = true
		switch o.keyword {
		case "hostname":
			s.host = o.value
		case "port":
			s.port = o.value
		case "user":
			s.user = o.value
		case "addressfamily":
			s.network = map[string]string{"inet": "tcp4", "inet6": "tcp6", "any": "tcp"}[strings.ToLower(o.value)]
		case "identityfile":
			s.identities = append(s.identities, o.value)
		case "certificatefile":
			s.certificates = append(s.certificates, o.value)
		case "identitiesonly":
			s.identitiesOnly = yes(o.value)
		case "identityagent":
			s.agent = agentSocket(o.value)
		case "proxyjump": // of the two, the first counts
			if !seen["proxycommand"] {
				s.proxyJump = unlessNone(o.value)
			}
		case "proxycommand":
			if s.proxyJump == "" {
				s.proxyCommand = unlessNone(o.value)
			}
		case "proxyusefdpass":
			if yes(o.value) {
				return settings{}, errors.New("ProxyUseFdpass is not supported")
			}
		case "hostkeyalias":
			s.hostKeyAlias = unlessNone(o.value)
		case "stricthostkeychecking":
			switch value := strings.ToLower(o.value); value {
			case "no", "off", "false": // ssh -G says the last for all of them.
				s.lenient = "no"
			case "accept-new":
				s.lenient = value
			}
		case "userknownhostsfile":
			user = paths(o.value, me.HomeDir)
		case "globalknownhostsfile":
			system = paths(o.value, me.HomeDir)
		case "revokedhostkeys":
			s.revokedHostKeys = paths(o.value, me.HomeDir)
		case "knownhostscommand":
			s.knownHostsCommand = unlessNone(o.value)
		case "connecttimeout":
			s.connectTimeout = seconds(o.value)
		case "serveraliveinterval":
			s.aliveInterval = seconds(o.value)
		}
	}
	s.knownHosts = slices.Concat(user, system)
	if d.user != "" {
		s.user = d.user
	}
	if s.user == "" {
		return settings{}, errors.New("it is not said as which user to log in, and whoever runs this process has no name: the user database does not know " +
			"the user, and USER is not set")
	}
	if d.port != "" {
		s.port = d.port
	}
	// ssh's answer does not tell the keys that it looks for by itself from others; there are several of them.
	other := func(file string) bool {
		return !slices.Contains(usualIdentities, file) && !slices.Contains(rareIdentities, file)
	}
	s.named = len(s.identities) > 0 && (len(s.identities) < 3 || slices.ContainsFunc(s.identities, other))
	if !s.named {
		s.identities = usual(usualIdentities, me.HomeDir)
	}

	known := d.host
	if s.hostKeyAlias != "" {
		known = s.hostKeyAlias
	}
	machine, _ := os.Hostname()
	short, _, _ := strings.Cut(machine, ".")
	e := expander{home: me.HomeDir, tokens: map[byte]string{
		'%': "%", 'd': me.HomeDir, 'h': s.host, 'i': me.Uid, 'k': known, 'L': short, 'l': machine, 'n': d.host, 'p': s.port, 'r': s.user,
		'u': me.Username,
	}}
	maps.DeleteFunc(e.tokens, func(_ byte, value string) bool { return value == "" }) // of who has no name or no home
	s.identities, s.certificates, s.knownHosts = e.files(s.identities), e.files(s.certificates), e.files(s.knownHosts)
	s.revokedHostKeys = e.files(s.revokedHostKeys)
	if s.agent != "" {
		s.agent = e.file(s.agent)
	}
	return s, e.err
}

// usual are files that are looked for in a home folder, none without one.
func usual(files []string, home string) []string {
	if home == "" {
		return nil
	}
	return files
}

// yes reports whether the value of an option that is a choice of two is the one that has an effect.
func yes(value string) bool {
	return strings.EqualFold(value, "yes") || strings.EqualFold(value, "true")
}

func unlessNone(value string) string {
	if strings.EqualFold(value, "none") {
		return ""
	}
	return value
}

// agentSocket is what IdentityAgent means, "" for none.
func agentSocket(value string) string {
	if value == "SSH_AUTH_SOCK" {
		return cmp.Or(os.Getenv(value), usualAgent)
	}
	if name, ok := strings.CutPrefix(value, "$"); ok && !strings.HasPrefix(name, "{") {
		return os.Getenv(name)
	}
	return unlessNone(value)
}

// namedAgent is where the agent is that a Target names, in the ways of IdentityAgent.
func namedAgent(value string) (string, error) {
	socket := agentSocket(value)
	if socket == "" {
		return value, errors.New("the environment variable is not set")
	}
	named, err := expandVariables(socket)
	if err == nil {
		named, err = inHome(named, account().HomeDir)
	}
	if err != nil {
		return value, err
	}
	return named, nil
}

// seconds is a time as ssh has it; 0 if it says "none". ssh -G prints seconds, while a file may also say 1d or 1m30.
func seconds(value string) time.Duration {
	const day = 24 * time.Hour
	units := map[string]time.Duration{"": time.Second, "s": time.Second, "m": time.Minute, "h": time.Hour, "d": day, "w": 7 * day}
	var all time.Duration
	for value = strings.ToLower(value); value != ""; {
		digits := value[:len(value)-len(strings.TrimLeft(value, "0123456789"))]
		n, err := strconv.Atoi(digits)
		if err != nil {
			return 0
		}
		value = value[len(digits):]
		unit := value[:min(1, len(value))]
		if units[unit] == 0 {
			return 0
		}
		all += time.Duration(n) * units[unit]
		value = value[len(unit):]
	}
	return all
}
