package macsim

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"
)

func init() {
	for _, path := range tailscaleCLIs {
		programs(map[string]command{path: tailscale})
	}
}

// tailscaleCLIs are where Tailscale's command-line program is, by variant.
var tailscaleCLIs = map[string]string{
	"app-store":  "/Applications/Tailscale.app/Contents/MacOS/Tailscale",
	"standalone": "/Applications/Tailscale.app/Contents/MacOS/Tailscale",
	"tailscaled": "/usr/local/bin/tailscale",
	"homebrew":   "/opt/homebrew/bin/tailscale",
}

// Tailscale is which Tailscale a Mac has, and what that says. Its addresses are those of the Mac's Interfaces in the tailnet's networks.
type Tailscale struct {
	Variant   string // app-store, standalone, tailscaled (from its own installer), homebrew; "": it has none
	Version   string // "1.102.2" if empty
	State     string // of the backend; "Running" if empty
	KeyExpiry time.Time
	Down      bool // nothing answers: tailscaled does not run, nor does the app
	Stuck     bool // its command-line program never ends
	Peers     []Peer
}

// Peer is another machine of the tailnet.
type Peer struct {
	HostName, OS   string
	Addrs          []string
	CurAddr        string // of a direct path
	PeerRelay      string // of a path by a relay of the tailnet's own
	Relay          string // the DERP region that it is reached by otherwise
	Online, Active bool
}

// isTailscale tells whether a program comes with Tailscale, and not with macOS.
func isTailscale(program string) bool {
	return slices.Contains(slices.Collect(maps.Values(tailscaleCLIs)), program)
}

// installTailscale writes the files of Tailscale, if there is one.
func (m *Mac) installTailscale() error {
	cli := tailscaleCLIs[m.Tailscale.Variant]
	if cli == "" {
		return nil
	}
	program := func(path string) error {
		dir, _ := splitPath(path)
		err := m.files.Mkdir(dir)
		if err == nil {
			err = m.files.Write(path, "")
		}
		if err == nil {
			err = m.files.Chmod(path, 0o755)
		}
		return err
	}
	if err := program(cli); err != nil {
		return err
	}
	bundle := map[string]string{"app-store": "io.tailscale.ipn.macos", "standalone": "io.tailscale.ipn.macsys"}[m.Tailscale.Variant]
	if bundle == "" {
		err := program(cli + "d")
		if err == nil && !m.Tailscale.Down {
			err = m.files.Write("/var/run/tailscaled.socket", "")
		}
		return err
	}
	return m.files.Write("/Applications/Tailscale.app/Contents/Info.plist", fmt.Sprintf(plistHeader+`<dict>
	<key>CFBundleIdentifier</key>
	<string>%s</string>
	<key>CFBundleShortVersionString</key>
	<string>%s</string>
</dict>
</plist>
`, bundle, m.Tailscale.version()))
}

func (t Tailscale) version() string { return cmp.Or(t.Version, "1.102.2") }

// tailscale is Tailscale's command-line program: status --json and debug prefs. That of the apps is the app itself, which shows its window
// unless it is told not to, and finds its network extension only when run by the user whose it is; that is so for the one from the App
// Store, by its sources, and the other one reads files that root may read as well.
func tailscale(ctx context.Context, m *Mac, p *process) int {
	t := m.Tailscale
	app := t.Variant == "app-store" || t.Variant == "standalone"
	switch {
	case t.Stuck:
		defer waiting(ctx)()
		<-ctx.Done()
		return 128 + sigKILL
	case app && p.Env("TAILSCALE_BE_CLI") == "":
		fmt.Fprintln(p.Stderr, "The Tailscale GUI failed to start: not at a screen")
		return 1
	case t.Variant == "app-store" && p.UID == 0:
		fmt.Fprintln(p.Stderr, "Warning: The CLI is running as root from within a sandboxed binary. It cannot reach the local tailscaled, please try again as a regular user.")
		return 1
	case t.Down, app && !m.atScreen():
		fmt.Fprintln(p.Stderr, "failed to connect to local Tailscale service; is Tailscale running?")
		return 1
	}
	var answer any
	switch args := p.Args[1:]; {
	case slices.Equal(args, []string{"status", "--json"}):
		answer = m.tailscaleStatus()
	case slices.Equal(args, []string{"debug", "prefs"}):
		answer = map[string]any{
			"ControlURL": "https://controlplane.tailscale.com", "WantRunning": true, "RunSSH": m.TailscaleSSH, "Hostname": m.Hostname,
		}
	default:
		return p.errorf("macsim: only status --json and debug prefs are modelled")
	}
	text, err := json.MarshalIndent(answer, "", "  ")
	if err != nil {
		return p.errorf("%v", err)
	}
	_, err = fmt.Fprintf(p.Stdout, "%s\n", text)
	return writeStatus(err)
}

// atScreen tells whether anybody is logged in at the screen.
func (m *Mac) atScreen() bool {
	m.launchd.mu.Lock()
	defer m.launchd.mu.Unlock()
	return len(m.launchd.screen) > 0
}

// tailscaleStatus has the names that the program's sources have.
func (m *Mac) tailscaleStatus() map[string]any {
	const suffix = "tail-scale.ts.net"
	t := m.Tailscale
	addrs := []string{}
	for _, i := range m.Interfaces {
		for _, a := range i.Addrs {
			if slices.ContainsFunc(prefixes("100.64.0.0/10", "fd7a:115c:a1e0::/48"), func(net netip.Prefix) bool { return net.Contains(a.Addr()) }) {
				addrs = append(addrs, a.Addr().String())
			}
		}
	}
	self := map[string]any{
		"HostName": m.Hostname, "DNSName": m.Hostname + "." + suffix + ".", "OS": "macOS", "TailscaleIPs": addrs, "Online": true,
	}
	if !t.KeyExpiry.IsZero() {
		self["KeyExpiry"] = t.KeyExpiry
	}
	peers := map[string]any{}
	for n, peer := range t.Peers {
		peers[fmt.Sprintf("nodekey:%064x", n+1)] = map[string]any{
			"HostName": peer.HostName, "DNSName": strings.ToLower(peer.HostName) + "." + suffix + ".", "OS": peer.OS, "TailscaleIPs": peer.Addrs,
			"CurAddr": peer.CurAddr, "PeerRelay": peer.PeerRelay, "Relay": peer.Relay, "Online": peer.Online, "Active": peer.Active,
			"RxBytes": 1000 * n, "TxBytes": 2000 * n,
		}
	}
	return map[string]any{
		"Version": t.version() + "-t0123456789-gabcdef012", "TUN": true, "BackendState": cmp.Or(t.State, "Running"), "TailscaleIPs": addrs,
		"Self": self, "Health": []string{}, "MagicDNSSuffix": suffix, "Peer": peers,
		"CurrentTailnet": map[string]any{"Name": "example.com", "MagicDNSSuffix": suffix, "MagicDNSEnabled": true},
	}
}
