package remote_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/macos-fleet/terraform-provider-macos/internal/remote"
)

// answers is an SSH server that ends every connection when it has decided about the login.
func answers(t *testing.T, change func(*ssh.ServerConfig)) remote.Target {
	t.Helper()
	hostKey, known := key(t)
	address, port := serve(t, func(conn net.Conn) {
		cfg := &ssh.ServerConfig{}
		cfg.AddHostKey(hostKey)
		change(cfg)
		_, _, _, _ = ssh.NewServerConn(conn, cfg)
	})
	return remote.Target{Name: "mini", Address: address, Port: port, User: "admin", HostKey: known, ConfigFile: "none", Agent: "none", ConnectTimeout: patience}
}

// A Mac whose disk is locked is told as that. It would take a password for unlocking it, so it gets none.
func TestDialLocked(t *testing.T) {
	t.Parallel()
	var asked atomic.Bool
	to := answers(t, func(cfg *ssh.ServerConfig) {
		cfg.BannerCallback = func(ssh.ConnMetadata) string {
			return "This system is locked. To unlock it, use a local account name and password. Once successfully\n" +
				"unlocked, you will be able to connect normally.\n"
		}
		cfg.PasswordCallback = func(ssh.ConnMetadata, []byte) (*ssh.Permissions, error) {
			asked.Store(true)
			return nil, errors.New("no")
		}
	})
	to.Password = "secret"
	err := hello(t, to)
	var dial *remote.DialError
	if !errors.As(err, &dial) || !errors.Is(err, remote.ErrLocked) || dial.Stage != remote.StageAuth || asked.Load() {
		t.Errorf("got %v; password sent: %v", err, asked.Load())
	}
}

// sshd shows its banner at the same moment.
func TestSSHD_locked(t *testing.T) {
	t.Parallel()
	banner := filepath.Join(t.TempDir(), "banner")
	write(t, banner, "This system is locked. To unlock it, use a local account name and password.\n\x1b[2J")
	s := sshd(t, start(t), "Banner "+banner)
	err := hello(t, configured(t, s.config(t, "mini")))
	var dial *remote.DialError
	if !errors.As(err, &dial) || !errors.Is(err, remote.ErrLocked) || strings.Contains(dial.Banner, "\x1b") || !strings.Contains(dial.Banner, "local account") {
		t.Errorf("got %v, banner %q", err, dial.Banner)
	}
}

// Tailscale asks for nothing, refuses by a banner, and may want somebody to visit a page: what it says is in the error.
func TestDialTailscale(t *testing.T) {
	t.Parallel()
	const refusal = `tailscale: tailnet policy does not permit you to SSH as user "admin"` + "\n"
	const check = "# Tailscale SSH requires an additional check.\n# To authenticate, visit: https://login.tailscale.com/a/123\n"
	for name, test := range map[string]struct {
		banner string
		hold   bool
		says   string
	}{
		"refuses": {refusal, false, "nothing that is offered is accepted (the server takes: nothing)"},
		"checks":  {check, true, "no answer within the connect timeout"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			to := answers(t, func(cfg *ssh.ServerConfig) {
				cfg.ServerVersion = "SSH-2.0-Tailscale"
				cfg.NoClientAuth = true
				cfg.NoClientAuthCallback = func(ssh.ConnMetadata) (*ssh.Permissions, error) {
					if test.hold {
						<-t.Context().Done()
					}
					return nil, &ssh.BannerError{Err: errors.New("refused"), Message: test.banner}
				}
				if test.hold {
					cfg.BannerCallback = func(ssh.ConnMetadata) string { return test.banner }
				}
			})
			if test.hold {
				to.ConnectTimeout = 5 * time.Second
			}
			err := hello(t, to)
			var dial *remote.DialError
			if !errors.As(err, &dial) || dial.Stage != remote.StageAuth || dial.Banner != test.banner || !strings.Contains(err.Error(), test.says) {
				t.Errorf("got %v, banner %q", err, dial.Banner)
			}
		})
	}
}

// A password is sent once, by whichever way the server takes, and answers no further questions.
func TestDialPassword(t *testing.T) {
	t.Parallel()
	got := make(chan string, 10)
	questions := func(rounds ...string) func(*ssh.ServerConfig) {
		return func(cfg *ssh.ServerConfig) {
			cfg.KeyboardInteractiveCallback = func(_ ssh.ConnMetadata, ask ssh.KeyboardInteractiveChallenge) (*ssh.Permissions, error) {
				for _, question := range rounds {
					answers, err := ask("", "", []string{question}, []bool{false})
					if err != nil {
						return nil, err
					}
					got <- strings.Join(answers, "+")
				}
				return nil, errors.New("no")
			}
		}
	}
	for _, test := range []struct {
		name   string
		server func(*ssh.ServerConfig)
	}{
		{"asked", questions("Password:")},
		{"asked-for-a-new-one", questions("Password:", "New password:")},
		{"both-ways", func(cfg *ssh.ServerConfig) {
			questions("Password:")(cfg)
			cfg.PasswordCallback = func(_ ssh.ConnMetadata, password []byte) (*ssh.Permissions, error) {
				got <- string(password)
				return nil, errors.New("no")
			}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			to := answers(t, test.server)
			to.Password = "secret"
			err := hello(t, to)
			if err == nil || !strings.Contains(err.Error(), "offered: the password") || strings.Contains(err.Error(), "secret") {
				t.Errorf("got %v", err)
			}
			if n, sent := len(got), <-got; n != 1 || sent != "secret" {
				t.Errorf("sent %q, and %d more", sent, n-1)
			}
		})
	}
}

// A server that asks by keyboard-interactive takes the password as an answer.
func TestDialQuestion(t *testing.T) {
	t.Parallel()
	to := answers(t, func(cfg *ssh.ServerConfig) {
		cfg.KeyboardInteractiveCallback = func(_ ssh.ConnMetadata, ask ssh.KeyboardInteractiveChallenge) (*ssh.Permissions, error) {
			if answers, err := ask("", "", []string{"Password:"}, []bool{false}); err != nil || len(answers) != 1 || answers[0] != "secret" {
				return nil, errors.New("no")
			}
			return nil, nil
		}
	})
	for password, stage := range map[string]remote.Stage{"secret": remote.StageShell, "wrong": remote.StageAuth} { // It has no shell.
		to.Password = password
		err := hello(t, to)
		var dial *remote.DialError
		if !errors.As(err, &dial) || dial.Stage != stage {
			t.Errorf("%s: got %v", password, err)
		}
	}
}

// The password for sudo goes to a sudo that asks for it, and not to a menu or whatever else answers in the place of a shell, which may
// say again what it got.
func TestDialMenu(t *testing.T) {
	t.Parallel()
	got := make(chan string, 1)
	hostKey, known := key(t)
	address, port := serve(t, func(conn net.Conn) {
		cfg := &ssh.ServerConfig{NoClientAuth: true}
		cfg.AddHostKey(hostKey)
		_, channels, requests, err := ssh.NewServerConn(conn, cfg)
		if err != nil {
			t.Error(err)
			return
		}
		go ssh.DiscardRequests(requests)
		channel, asked, err := (<-channels).Accept()
		if err != nil {
			t.Error(err)
			return
		}
		go func() {
			for r := range asked {
				_ = r.Reply(true, nil)
			}
		}()
		first := make([]byte, 32<<10)
		n, _ := channel.Read(first)
		_, _ = fmt.Fprintf(channel.Stderr(), "unknown command: %s", first[:n])
		_ = channel.CloseWrite()
		rest, _ := io.ReadAll(channel) // all that the client sends until it gives up
		got <- string(first[:n]) + string(rest)
	})
	err := hello(t, remote.Target{
		Name: "mini", Address: address, Port: port, User: "admin", HostKey: known, ConfigFile: "none", Agent: "none", ConnectTimeout: patience,
		SudoPassword: "hush",
	})
	var dial *remote.DialError
	if !errors.As(err, &dial) || dial.Stage != remote.StageShell || !strings.Contains(err.Error(), "unknown command") {
		t.Errorf("got %v", err)
	}
	if sent := <-got; sent == "" || strings.Contains(sent+err.Error(), "hush") {
		t.Errorf("sent %q, said %v", sent, err)
	}
}
