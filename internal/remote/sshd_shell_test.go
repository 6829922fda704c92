package remote_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/macos-fleet/terraform-provider-macos/internal/macsim"
)

// Whatever a user's login shell is, and whatever its files print. These are the shells themselves: each reads its files and takes the
// command apart, and what it then starts, /bin/sh with a script, is that of a simulated Mac.
func TestSSHD_loginShell(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ file, text string }{
		"zsh":  {".zshenv", "echo Welcome; printf '\\n@ end 0\\nno end of the line'; echo trouble >&2\nsetopt nomatch interactive_comments\n"},
		"bash": {".bashrc", "echo Welcome; printf '\\n@ end 0\\nno end of the line'; echo trouble >&2\nset -u\n"},
		"fish": {".config/fish/config.fish", "echo Welcome; printf '\\n@ end 0\\nno end of the line'; echo trouble >&2\n"},
		"tcsh": {".tcshrc", "echo Welcome; printf '\\n@ end 0\\nno end of the line'\nset noclobber\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			shell, err := exec.LookPath(name)
			if err != nil {
				t.Skip(name + " is not installed")
			}
			home := t.TempDir()
			file := filepath.Join(home, test.file)
			if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
				t.Fatal(err)
			}
			write(t, file, test.text)
			cmd := exec.Command(shell, "-c", "true")
			cmd.Env = loginEnv(home)
			if out, err := cmd.Output(); err != nil || !strings.HasPrefix(string(out), "Welcome\n") {
				t.Fatalf("it does not print what its file says: %v, %q", err, out)
			}
			mac := macsim.Start(t, macsim.Mac{Sudo: macsim.SudoPassword, Password: "secret"})
			s := sshd(t, nil, "ForceCommand "+part(t, "login", "MAC_ADDR="+mac.Addr(), "MAC_PASSWORD=secret", "LOGIN_HOME="+home, "LOGIN_SHELL="+shell))
			to := configured(t, s.config(t, "mini"))
			to.SudoPassword, to.ConnectTimeout = "secret", patience
			if err := hello(t, to); err != nil {
				t.Error(err)
			}
		})
	}
}

// loginEnv is the environment in which a login shell finds its files. Bash reads its own when sshd starts it, which it believes only of the
// first shell.
func loginEnv(home string) []string {
	return []string{"HOME=" + home, "PATH=" + os.Getenv("PATH"), "BASH_ENV=" + filepath.Join(home, ".bashrc")}
}

// login has a login shell run what a client of sshd asked for, with the Mac's /bin/sh in place of this machine's.
func login() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	asked := os.Getenv("SSH_ORIGINAL_COMMAND")
	command := strings.Replace(asked, "/bin/sh ", self+" ", 1)
	if command == asked {
		return fmt.Errorf("there is no /bin/sh in what was asked for: %s", asked)
	}
	cmd := exec.Command(os.Getenv("LOGIN_SHELL"), "-c", command)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(loginEnv(os.Getenv("LOGIN_HOME")), "REMOTE_TEST_PART=sh", "MAC_ADDR="+os.Getenv("MAC_ADDR"), "MAC_PASSWORD="+os.Getenv("MAC_PASSWORD"))
	return cmd.Run()
}

// sh is the Mac's /bin/sh, for what a login shell made of its arguments.
func sh(args []string) error {
	if len(args) != 2 || args[0] != "-c" || strings.Contains(args[1], "'") {
		return fmt.Errorf("the login shell understood %q", args)
	}
	return errors.Join(os.Setenv("SSH_ORIGINAL_COMMAND", "exec /bin/sh -c '"+args[1]+"'"), forward())
}
