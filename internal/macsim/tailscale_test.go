package macsim

import (
	"net/netip"
	"runtime"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// tailscaleMac answers at Addr from the tailnet by Tailscale's SSH server, and at lan by sshd.
func tailscaleMac(t *testing.T, cfg Mac) (m *Mac, lan string) {
	t.Helper()
	cfg.Client, cfg.Server, cfg.TailscaleSSH = tailClient, netip.AddrPortFrom(tailServer.Addr(), 22), true
	m = Start(t, cfg)
	lan, err := m.ListenFor(lanClient, lanServer)
	if err != nil {
		t.Fatal(err)
	}
	return m, lan
}

func TestTailscaleSSH(t *testing.T) {
	m, lan := tailscaleMac(t, Mac{Noise: "Welcome\n"})
	loadByHand(t, m, "block quick all")
	byHand(t, m, "pfctl -q -e")

	config := &ssh.ClientConfig{User: "admin", HostKeyCallback: ssh.FixedHostKey(m.HostKey())}
	c, err := ssh.Dial("tcp", m.Addr(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if v := string(c.ServerVersion()); v != "SSH-2.0-Tailscale" {
		t.Errorf("version %q", v)
	}
	if got := over(t, c, `echo "$PATH $LANG"; exit 42`, ""); got != (result{Stdout: "Welcome\n/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin C.UTF-8\n"}) {
		t.Errorf("%+v", got)
	}
	if got := over(t, c, "kill -KILL $$", ""); got != (result{Stdout: "Welcome\n"}) {
		t.Errorf("killed: %+v", got)
	}

	config.User = "nobody"
	config.BannerCallback = func(text string) error {
		if want := "tailscale: failed to look up local user \"nobody\"\n"; text != want {
			t.Errorf("banner %q", text)
		}
		config.User = ""
		return nil
	}
	if _, err := ssh.Dial("tcp", m.Addr(), config); err == nil || config.User != "" {
		t.Errorf("as nobody: %v", err)
	}

	stranger := knockAt(t, m, lan)
	m.AwaitHeld(1)
	stranger.waits(t)
	byHand(t, m, "pfctl -q -d")
	if v := string(stranger.in(t).ServerVersion()); v != "SSH-2.0-OpenSSH_9.9" {
		t.Errorf("from the LAN: version %q", v)
	}
}

// TestTailscaleHangUp is what becomes of what runs when the client is gone.
func TestTailscaleHangUp(t *testing.T) {
	const wait = "/usr/bin/touch /tmp/begun; until [ -e /tmp/gone ]; do /bin/sleep 0.01; done; echo on >>/tmp/out"
	for name, test := range map[string]struct{ command, want string }{
		"plain":            {"sh -c " + quote(wait), ""},
		"sudo":             {"exec sudo -n sh -c " + quote(wait), ""},
		"deaf":             {"sh -c " + quote("trap '' HUP; "+wait), "on\n"},
		"deaf-sudo":        {"exec sudo -n sh -c " + quote("trap '' HUP; "+wait), "on\n"},
		"trap":             {"sh -c " + quote("trap 'echo told >>/tmp/out; exit' HUP; "+wait), "told\n"},
		"background":       {"(" + wait + ") </dev/null >/dev/null 2>&1 & sleep 1000", ""},
		"background-nohup": {"nohup sh -c " + quote(wait) + " </dev/null >/dev/null 2>&1 & sleep 1000", "on\n"},
	} {
		for _, tailscale := range []bool{true, false} {
			kind, want := "tailscale", test.want
			if !tailscale {
				kind, want = "sshd", "on\n" // It sends no signal to anybody.
			}
			t.Run(name+"-"+kind, func(t *testing.T) {
				t.Parallel()
				m, lan := tailscaleMac(t, Mac{})
				c := dial(t, m)
				if !tailscale {
					c = knockAt(t, m, lan).in(t)
				}
				s, err := c.NewSession()
				if err != nil {
					t.Fatal(err)
				}
				if err := s.Start(test.command); err != nil {
					t.Fatal(err)
				}
				waitFor(t, m, "/tmp/begun")
				_ = c.Close()
				if want != "on\n" { // Otherwise nothing is to be seen of the hang-up.
					noWires(t, m)
				}
				byHand(t, m, "touch /tmp/gone")
				if want != "" {
					until(t, m, "[ -s /tmp/out ]")
				}
				if got, _ := m.Files().Read("/tmp/out"); got != want {
					t.Errorf("it wrote %q, want %q", got, want)
				}
			})
		}
	}
}

// noWires waits until no session of any connection runs anything.
func noWires(t *testing.T, m *Mac) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; runtime.Gosched() {
		m.mu.Lock()
		left := len(m.wires)
		m.mu.Unlock()
		if left == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d connections are left", left)
		}
	}
}
