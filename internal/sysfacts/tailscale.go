package sysfacts

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/macos-fleet/terraform-provider-macos/internal/plist"
	"github.com/macos-fleet/terraform-provider-macos/internal/remote"
)

//go:embed tailscale.sh
var tailscaleScript string

// Variant is which Tailscale it is.
type Variant string

// The variants of Tailscale for macOS. The apps run while their user is logged in at the screen, and have no SSH server.
const (
	NoTailscale Variant = ""
	AppStore    Variant = "app-store"
	Standalone  Variant = "standalone"
	Tailscaled  Variant = "tailscaled" // the open-source daemon, by whomever it was installed
)

// Tailscale is Tailscale on one Mac at one moment. It is shared by all who ask, and not to be changed. Where nothing answers, only Variant,
// and with an app Version, is known.
type Tailscale struct {
	Variant   Variant
	Version   string
	State     string // of the backend: Running, Stopped, NeedsLogin ...; "": nothing answers
	HostName  string
	DNSName   string // without the dot at its end
	Addrs     []netip.Addr
	SSH       *bool     // whether Tailscale's own SSH server takes what comes to port 22 of Addrs, before pf sees it; nil: not known
	KeyExpiry time.Time // when the Mac leaves the tailnet unless somebody logs it in again; zero: never, or not known
	Peers     []Peer    // by DNS name
}

// Peer is another machine of the tailnet, as the Mac sees it.
type Peer struct {
	HostName, DNSName, OS string
	Addrs                 []netip.Addr
	Online                bool
	Path                  Path
	Endpoint              string // address and port of the direct path, or of the relay among the peers
	Relay                 string // the DERP region that it is reached through where there is no better path
}

// Path is how packets get to a peer.
type Path string

// The kinds of path.
const (
	NoPath    Path = "" // nothing was sent to it lately, so none is known
	Direct    Path = "direct"
	PeerRelay Path = "peer-relay"
	DERP      Path = "derp"
)

// LookAtTailscale returns Tailscale as it is on h, by one remote call that all who ask share.
func LookAtTailscale(ctx context.Context, h *remote.Host) (*Tailscale, error) {
	return remote.Ask(ctx, h, "tailscale", func(ctx context.Context) (*Tailscale, error) {
		result, err := h.Run(ctx, remote.Cmd{Script: tailscaleScript, Takes: 40 * time.Second})
		if err != nil {
			return nil, fmt.Errorf("sysfacts: reading Tailscale: %w", err)
		}
		return parseTailscale(result.Records), nil
	})
}

// status is what is read of `tailscale status --json`.
type status struct {
	Version      string
	BackendState string
	TailscaleIPs []netip.Addr
	Self         *node
	Peer         map[string]*node
}

type node struct {
	HostName, DNSName, OS     string
	TailscaleIPs              []netip.Addr
	CurAddr, PeerRelay, Relay string
	Online, Active            bool
	KeyExpiry                 *time.Time
}

// parseTailscale reads what each that there is has said. The daemon wins over an app that is installed beside it, if it answers, or if
// none does.
func parseTailscale(records []remote.Record) *Tailscale {
	t := new(Tailscale)
	var app Variant
	var appVersion string
	var runSSH *bool
	for _, r := range records {
		switch r.Key {
		case "daemon":
			t.Variant = Tailscaled
		case "app":
			if app, appVersion = appOf(r.Body); t.Variant == NoTailscale {
				t.Variant, t.Version = app, appVersion
			}
		case "prefs":
			var prefs struct{ RunSSH *bool }
			if json.Unmarshal(r.Body, &prefs) == nil {
				runSSH = prefs.RunSSH
			}
		case "status":
			var s status
			if t.State != "" || json.Unmarshal(r.Body, &s) != nil || s.BackendState == "" {
				continue
			}
			t.answer(s)
			if r.Args == "app" {
				t.Variant = app
			}
		}
	}
	switch no := false; t.Variant {
	case Tailscaled:
		t.SSH = runSSH
	case AppStore, Standalone:
		t.SSH = &no
	}
	return t
}

// appOf tells from an app's Info.plist which one it is. One that has another bundle identifier is taken for the one that is not from the
// App Store, as test builds of it are.
func appOf(info []byte) (Variant, string) {
	value, err := plist.Decode(info)
	dict, ok := value.(plist.Dict)
	if err != nil || !ok {
		return Standalone, ""
	}
	version, _ := dict.Get("CFBundleShortVersionString").(string)
	if id, _ := dict.Get("CFBundleIdentifier").(string); id == "io.tailscale.ipn.macos" {
		return AppStore, version
	}
	return Standalone, version
}

func (t *Tailscale) answer(s status) {
	t.State, t.Addrs = s.BackendState, s.TailscaleIPs
	t.Version, _, _ = strings.Cut(s.Version, "-") // of the build
	if s.Self != nil {
		t.HostName, t.DNSName = s.Self.HostName, strings.TrimSuffix(s.Self.DNSName, ".")
		if s.Self.KeyExpiry != nil {
			t.KeyExpiry = s.Self.KeyExpiry.UTC()
		}
	}
	for _, key := range slices.Sorted(maps.Keys(s.Peer)) {
		n := s.Peer[key]
		if n == nil {
			continue
		}
		p := Peer{
			HostName: n.HostName, DNSName: strings.TrimSuffix(n.DNSName, "."), OS: n.OS, Addrs: n.TailscaleIPs, Online: n.Online, Relay: n.Relay,
		}
		switch {
		case n.CurAddr != "":
			p.Path, p.Endpoint = Direct, n.CurAddr
		case n.PeerRelay != "":
			p.Path, p.Endpoint = PeerRelay, n.PeerRelay
		case n.Active:
			p.Path = DERP
		}
		t.Peers = append(t.Peers, p)
	}
	slices.SortStableFunc(t.Peers, func(a, b Peer) int { return strings.Compare(a.DNSName, b.DNSName) })
}
