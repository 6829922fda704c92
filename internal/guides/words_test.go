package guides

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/macos-fleet/terraform-provider-macos/internal/macsim"
)

// words are what comments in a guide tell its test, before a block.
var words = map[string]func(*session){
	"another terminal": func(s *session) { s.must(os.Remove(s.path("state"))) },
	"another folder": func(s *session) {
		folder, err := os.MkdirTemp(s.home, "folder")
		s.must(err)
		_, err = s.run("$", "cd "+folder)
		s.must(err)
	},

	// The minute that the Mac waits for a confirmation is over when the guide says how that ends.
	"in the background, until pf is enabled": func(s *session) {
		s.becomes(office())
		s.behind = func() bool {
			out, _, _ := s.mac.Run(s.t.Context(), "/sbin/pfctl -q -s info && /bin/cat /private/var/run/macos-fleet.watchdog.*/state")
			return strings.Contains(out, "Enabled") && strings.Contains(out, "loaded")
		}
	},
	"its end": func(s *session) { s.mac.Sleep(time.Minute) },

	// What a Mac and its network can be like, for the guide to troubleshooting.
	"all is well":    func(s *session) { s.becomes(office()) },
	"nobody answers": func(s *session) { s.becomes(office()); s.mac.RefuseConnections(true) },
	"its host key is unknown": func(s *session) {
		s.becomes(office())
		s.must(os.WriteFile(s.path("you/.ssh/known_hosts"), nil, 0o600))
	},
	"its host key has changed": func(s *session) { s.becomes(office()); s.knows(s.mac.Addr()) },
	"it does not know the key": func(s *session) {
		mac := office()
		mac.AuthorizedKeys = []ssh.PublicKey{s.stranger()}
		s.becomes(mac)
	},
	"its disk is locked": func(s *session) {
		mac := office()
		mac.AuthorizedKeys = []ssh.PublicKey{s.stranger()}
		mac.Banner = "This system is locked. To unlock it, use a local account name and password. Once successfully\n" +
			"unlocked, you will be able to connect normally.\n"
		s.becomes(mac)
	},
	"sudo asks for a password": func(s *session) {
		mac := office()
		mac.Password, mac.Sudo = "secret", macsim.SudoPassword
		s.becomes(mac)
	},
	"another apply is at work": func(s *session) {
		s.becomes(office())
		s.mac.Run(s.t.Context(), `ln -s "$(($(date +%s) + 600)) root from 100.64.0.3 50000" /private/var/run/macos-fleet.lock`)
	},
	"the connection breaks in the middle": func(s *session) {
		s.becomes(office())
		s.mac.Watch(func(argv []string, done bool) {
			if argv[0] == "/bin/launchctl" && argv[1] == "bootstrap" && done {
				s.mac.CutConnections()
			}
		})
	},

	// It stands for tailscaled: it knows a name that nobody else knows.
	"a SOCKS server leads to the Mac": func(s *session) {
		s.becomes(office())
		l, err := net.Listen("tcp", "127.0.0.1:0")
		s.must(err)
		s.t.Cleanup(func() { l.Close() })
		go func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				go socks(conn, "mini.tail1234.ts.net:22", s.mac.Addr())
			}
		}()
		s.means = append(s.means, "localhost:1055", l.Addr().String())
		s.must(os.WriteFile(s.path("you/host_key.pub"), ssh.MarshalAuthorizedKey(s.mac.HostKey()), 0o600))
	},

	"somebody has set up the Mac": func(s *session) {
		s.becomes(office())
		if _, stderr, exit := s.mac.Run(s.t.Context(), byHand); exit != 0 {
			s.errorf("the Mac cannot be set up: %s", stderr)
		}
	},
}

// byHand sets up a Mac as a person would who follows instructions from the Internet.
const byHand = `cat >/etc/pf.anchors/tailscale-only <<'E'
# only Tailscale
pass out on en0 all keep state
block drop in on en0 proto tcp from any to any
block drop in on en0 proto udp from any to any
E
cat >>/etc/pf.conf <<'E'

anchor "tailscale-only"
load anchor "tailscale-only" from "/etc/pf.anchors/tailscale-only"
E
cat >/Library/LaunchDaemons/com.pf.tailscale-only.plist <<'E'
<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
	<key>Label</key>
	<string>com.pf.tailscale-only</string>
	<key>ProgramArguments</key>
	<array>
		<string>/sbin/pfctl</string>
		<string>-e</string>
		<string>-f</string>
		<string>/etc/pf.conf</string>
	</array>
	<key>RunAtLoad</key>
	<true/>
</dict>
</plist>
E
launchctl bootstrap system /Library/LaunchDaemons/com.pf.tailscale-only.plist
until pfctl -q -s info | grep -q Enabled; do sleep 0.1; done`

// elsewhere are commands that need what a test has not, and what is done instead.
var elsewhere = map[string]func(*session) (string, error){
	// The checkout is the one that is tested.
	"git clone https://github.com/macos-fleet/terraform-provider-macos": func(s *session) (string, error) {
		folder := filepath.Join(s.home, "terraform-provider-macos")
		if err := os.MkdirAll(filepath.Join(folder, "bin"), 0o700); err != nil {
			return "", err
		}
		return "", os.Link(filepath.Join(s.checkout, "bin/terraform-provider-macos"), filepath.Join(folder, "bin/terraform-provider-macos"))
	},
	// What make builds, is built. The Mac goes on until the test ends.
	"make mac": func(s *session) (string, error) {
		folder := filepath.Join(s.home, "terraform-provider-macos")
		said := &lockedText{}
		cmd := exec.CommandContext(s.t.Context(), s.simulator)
		cmd.Dir, cmd.Env = folder, append(s.env, "PORT=0")
		cmd.Stdout, cmd.Stderr = said, said
		if err := cmd.Start(); err != nil {
			return "", err
		}
		s.t.Cleanup(func() {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		})
		s.await("the Mac does not say how to log in to it", func() bool { return strings.Contains(said.String(), "ssh -F") })
		_, after, _ := strings.Cut(said.String(), "answers at ")
		addr, _, _ := strings.Cut(after, ",")
		s.shows = append(s.shows, addr, "127.0.0.1:2222")
		return said.String(), nil
	},
	// .ci/run runs it.
	"make demo": func(s *session) (string, error) {
		text, err := os.ReadFile("../../.ci/run")
		if err == nil && !strings.Contains(string(text), "make demo") {
			s.errorf("make demo is not run by .ci/run")
		}
		return "", err
	},
}

// socks serves one connection to a SOCKS 5 server that asks for no password and knows one name.
func socks(client net.Conn, name, to string) {
	defer client.Close()
	header := make([]byte, 2)
	read := func(n int) []byte {
		b := make([]byte, n)
		_, _ = io.ReadFull(client, b)
		return b
	}
	if _, err := io.ReadFull(client, header); err != nil {
		return
	}
	read(int(header[1])) // the ways to log in
	_, _ = client.Write([]byte{5, 0})
	if request := read(4); request[3] != 3 { // not a name
		return
	}
	host := string(read(int(read(1)[0])))
	port := read(2)
	server, err := net.Dial("tcp", to)
	if err != nil || fmt.Sprintf("%s:%d", host, int(port[0])<<8|int(port[1])) != name {
		_, _ = client.Write([]byte{5, 4, 0, 1, 0, 0, 0, 0, 0, 0})
		return
	}
	defer server.Close()
	_, _ = client.Write([]byte{5, 0, 0, 1, 0, 0, 0, 0, 0, 0})
	go func() { _, _ = io.Copy(server, client) }()
	_, _ = io.Copy(client, server)
}

// lockedText is text that a process writes while it is read.
type lockedText struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lockedText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lockedText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
