package macsim

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"strings"
)

func init() { programs(map[string]command{"/usr/bin/sudo": sudo}) }

// sudo is 1.9.13p2, as macOS 14 and 15 have it, with Apple's sudoers: HOME is kept, PATH is the caller's. Each call asks for the
// password anew, as it does where there is no terminal.
func sudo(ctx context.Context, m *Mac, p *process) int {
	const usage = "sudo -h | -K | -k | -V\nusage: sudo -v [-ABkNnS] [-g group] [-h host] [-p prompt] [-u user]\n" +
		"usage: sudo -l [-ABkNnS] [-g group] [-h host] [-p prompt] [-U user] [-u user] [command [arg ...]]\n" +
		"usage: sudo [-ABbEHkNnPS] [-C num] [-D directory] [-g group] [-h host] [-p prompt] [-R directory] [-T timeout] [-u user] [VAR=value] [-i | -s] [command [arg ...]]"
	set, args, ok := p.flags("HKSbEiklnp:su:vV")
	if !ok {
		return p.usage(usage, 1)
	}
	c := p.child(args...)
	for len(c.Args) > 0 && strings.Contains(c.Args[0], "=") && !strings.HasPrefix(c.Args[0], "/") {
		name, value, _ := strings.Cut(c.Args[0], "=")
		c.environ[name] = value
		c.Args = c.Args[1:]
	}
	switch _, v := set['V']; {
	case v:
		fmt.Fprintln(p.Stdout, "Sudo version 1.9.13p2")
		return 0
	case set['K'] != "":
		return 0
	case set['s'] != "" || set['i'] != "":
		if len(c.Args) > 0 {
			c.Args = []string{"-c", strings.Join(c.Args, " ")}
		}
		c.Args = append([]string{"/bin/sh"}, c.Args...)
	case len(c.Args) == 0 && set['k'] != "":
		return 0
	case len(c.Args) == 0 && set['v'] == "" && set['l'] == "":
		return p.usage(usage, 1)
	}
	_, given := set['p']
	if status := m.authenticate(ctx, p, c.Args, set, given); status != 0 {
		return status
	}
	if set['v'] != "" || set['l'] != "" {
		return 0
	}
	if set['u'] != "" {
		uid, _, err := m.owner(strings.TrimPrefix(set['u'], "#"))
		if err != nil {
			return p.errorf("unknown user: %s", set['u'])
		}
		c.UID = uid
	} else {
		c.UID = 0
	}
	name := m.userName(c.UID)
	maps.Copy(c.environ, environ{
		"SUDO_COMMAND": strings.Join(c.Args, " "), "SUDO_USER": m.userName(p.UID), "SUDO_UID": fmt.Sprint(p.UID),
		"SUDO_GID": fmt.Sprint(m.cred(p).gids[0]), "USER": name, "LOGNAME": name,
	})
	// env_reset drops what sudoers does not keep.
	for k := range c.environ {
		if !sudoKeeps(k) {
			delete(c.environ, k)
		}
	}
	for _, u := range m.users {
		if u.uid == c.UID && (set['H'] != "" || set['i'] != "") {
			c.environ["HOME"] = u.home
		}
	}
	file, err := m.lookPath(c)
	switch {
	case err == errNotExist:
		return p.errorf("%s: command not found", c.Args[0])
	case err != nil:
		return p.errorf("unable to execute %s: %v", c.Args[0], err)
	}
	return m.start(ctx, file, c)
}

// sudoKeeps tells whether a variable passes through sudo: those of env_keep in Apple's sudoers, and those that sudo keeps anyway.
func sudoKeeps(name string) bool {
	switch name {
	case "BLOCKSIZE", "COLORFGBG", "COLORTERM", "__CF_USER_TEXT_ENCODING", "CHARSET", "LANG", "LANGUAGE", "LINES", "COLUMNS", "LSCOLORS",
		"SSH_AUTH_SOCK", "TZ", "DISPLAY", "XAUTHORIZATION", "XAUTHORITY", "EDITOR", "VISUAL", "HOME", "MAIL",
		"PATH", "TERM", "PWD", "SHELL", "USER", "LOGNAME", "SUDO_COMMAND", "SUDO_USER", "SUDO_UID", "SUDO_GID":
		return true
	}
	return strings.HasPrefix(name, "LC_") || strings.HasPrefix(name, hiddenVars)
}

// authenticate is 0 when the user may go on.
func (m *Mac) authenticate(ctx context.Context, p *process, argv []string, set map[byte]string, prompted bool) int {
	user := m.userName(p.UID)
	if p.UID == 0 || m.Sudo == SudoFree || m.Sudo == SudoShell && len(argv) > 0 && argv[0] == "/bin/sh" {
		return 0
	}
	if set['n'] != "" { // even when it would say then that the user may not
		return p.errorf("a password is required")
	}
	tty := p.terminal()
	if set['S'] == "" && !tty {
		p.errorf("a terminal is required to read the password; either use the -S option to read from standard input or configure an askpass helper")
		return p.errorf("a password is required")
	}
	prompt := "Password:"
	if prompted {
		prompt = set['p']
	}
	for tries := 1; ; tries++ {
		if tty && set['S'] == "" {
			p.session.tty.hush(true)
		}
		_, _ = io.WriteString(p.Stderr, prompt)
		line, err := readLine(interruptible{ctx, p.Stdin})
		if tty && set['S'] == "" {
			p.session.tty.hush(false)
			_, _ = io.WriteString(p.Stderr, "\n")
		}
		password := bytes.TrimSuffix([]byte(line), []byte("\n"))
		if err != nil && len(password) == 0 {
			if tries == 1 {
				_, _ = io.WriteString(p.Stderr, "\n")
				return p.errorf("no password was provided")
			}
			return p.incorrect(tries - 1)
		}
		if m.Password != "" && string(password) == m.Password {
			if m.Sudo == SudoRefused {
				fmt.Fprintf(p.Stderr, "%s is not in the sudoers file.\nThis incident has been reported to the administrator.\n", user)
				return 1
			}
			return 0
		}
		if tries == 3 {
			return p.incorrect(tries)
		}
		fmt.Fprintln(p.Stderr, "Sorry, try again.")
	}
}

func (p *process) incorrect(tries int) int {
	plural := "s"
	if tries == 1 {
		plural = ""
	}
	return p.errorf("%d incorrect password attempt%s", tries, plural)
}

// interruptible reads until ctx ends.
type interruptible struct {
	ctx context.Context
	io.Reader
}

func (r interruptible) Read(p []byte) (int, error) {
	if r.ctx.Err() != nil {
		return 0, r.ctx.Err()
	}
	return r.Reader.Read(p)
}
