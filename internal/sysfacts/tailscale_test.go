package sysfacts

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/macos-fleet/terraform-provider-macos/internal/macsim"
	"github.com/macos-fleet/terraform-provider-macos/internal/remote"
)

var peers = []macsim.Peer{
	{HostName: "runner", OS: "linux", Addrs: []string{"100.101.102.103"}, CurAddr: "203.0.113.7:41641", Relay: "fra", Online: true, Active: true},
	{HostName: "Idle", OS: "macOS", Addrs: []string{"100.70.1.5"}, Relay: "nyc", Online: true},
	{HostName: "book", OS: "macOS", Addrs: []string{"100.70.1.3", "fd7a:115c:a1e0::3"}, Relay: "fra", Online: true, Active: true},
	{HostName: "gate", OS: "linux", Addrs: []string{"100.70.1.4"}, PeerRelay: "198.51.100.50:41641:1", Relay: "nyc", Online: true, Active: true},
	{HostName: "old", OS: "windows", Addrs: []string{"100.70.1.6"}},
}

var wantPeers = []Peer{
	{HostName: "book", DNSName: "book.tail-scale.ts.net", OS: "macOS", Addrs: addrs("100.70.1.3", "fd7a:115c:a1e0::3"), Online: true, Path: DERP, Relay: "fra"},
	{HostName: "gate", DNSName: "gate.tail-scale.ts.net", OS: "linux", Addrs: addrs("100.70.1.4"), Online: true, Path: PeerRelay, Endpoint: "198.51.100.50:41641:1", Relay: "nyc"},
	{HostName: "Idle", DNSName: "idle.tail-scale.ts.net", OS: "macOS", Addrs: addrs("100.70.1.5"), Online: true, Relay: "nyc"},
	{HostName: "old", DNSName: "old.tail-scale.ts.net", OS: "windows", Addrs: addrs("100.70.1.6")},
	{HostName: "runner", DNSName: "runner.tail-scale.ts.net", OS: "linux", Addrs: addrs("100.101.102.103"), Online: true, Path: Direct, Endpoint: "203.0.113.7:41641", Relay: "fra"},
}

func addrs(texts ...string) []netip.Addr {
	var all []netip.Addr
	for _, text := range texts {
		all = append(all, netip.MustParseAddr(text))
	}
	return all
}

func TestLookAtTailscale(t *testing.T) {
	expiry := time.Date(2027, 5, 1, 12, 0, 0, 0, time.UTC)
	up := Tailscale{Version: "1.102.2", State: "Running", HostName: "mini", DNSName: "mini.tail-scale.ts.net", Addrs: addrs("100.64.0.5")}
	upAs := func(v Variant, ssh bool, more func(*Tailscale)) *Tailscale {
		u := up
		u.Variant, u.SSH = v, &ssh
		if more != nil {
			more(&u)
		}
		return &u
	}
	for name, test := range map[string]struct {
		mac      macsim.Mac
		atScreen bool
		want     *Tailscale
	}{
		"none":       {macsim.Mac{}, true, &Tailscale{}},
		"tailscaled": {macsim.Mac{Tailscale: macsim.Tailscale{Variant: "tailscaled"}}, false, upAs(Tailscaled, false, nil)},
		"ssh":        {macsim.Mac{Tailscale: macsim.Tailscale{Variant: "tailscaled"}, TailscaleSSH: true}, false, upAs(Tailscaled, true, nil)},
		"homebrew": {
			macsim.Mac{Tailscale: macsim.Tailscale{Variant: "homebrew", KeyExpiry: expiry, Peers: peers}},
			false,
			upAs(Tailscaled, false, func(u *Tailscale) { u.KeyExpiry, u.Peers = expiry, wantPeers }),
		},
		"stopped": {
			macsim.Mac{Tailscale: macsim.Tailscale{Variant: "tailscaled", State: "Stopped"}},
			false,
			upAs(Tailscaled, false, func(u *Tailscale) { u.State = "Stopped" }),
		},
		"daemon-down": {macsim.Mac{Tailscale: macsim.Tailscale{Variant: "tailscaled", Down: true}}, false, &Tailscale{Variant: Tailscaled}},
		"standalone": {
			macsim.Mac{Tailscale: macsim.Tailscale{Variant: "standalone", Peers: peers}},
			true,
			upAs(Standalone, false, func(u *Tailscale) { u.Peers = wantPeers }),
		},
		"app-store": {macsim.Mac{Tailscale: macsim.Tailscale{Variant: "app-store"}}, true, upAs(AppStore, false, nil)},
		"nobody-at-screen": {
			macsim.Mac{Tailscale: macsim.Tailscale{Variant: "app-store", Version: "1.98.0"}}, false, &Tailscale{Variant: AppStore, Version: "1.98.0", SSH: is(false)},
		},
		"stuck": {macsim.Mac{Second: 5 * time.Millisecond, Tailscale: macsim.Tailscale{Variant: "tailscaled", Stuck: true}}, false, &Tailscale{Variant: Tailscaled}},
	} {
		t.Run(name, func(t *testing.T) {
			onEach(t, test.mac, func(t *testing.T, mac *macsim.Mac, h *remote.Host) {
				if test.atScreen {
					if err := mac.LogIn("admin"); err != nil {
						t.Fatal(err)
					}
				}
				got, err := LookAtTailscale(t.Context(), h)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(test.want, got, compareAddrs); diff != "" {
					t.Errorf("-want +got:\n%s", diff)
				}
			})
		})
	}
}

// What programs say that are not as they were.
func TestTailscale_odd(t *testing.T) {
	const info = `<plist version="1.0"><dict><key>CFBundleIdentifier</key><string>io.tailscale.ipn.macos</string></dict></plist>`
	status := func(of, body string) remote.Record { return remote.Record{Key: "status", Args: of, Body: []byte(body)} }
	daemon, app := remote.Record{Key: "daemon", Args: "/usr/local/bin/tailscaled"}, remote.Record{Key: "app", Body: []byte(info)}
	for name, test := range map[string]struct {
		records []remote.Record
		want    *Tailscale
	}{
		"app-beside-daemon":  {[]remote.Record{daemon, status("daemon", ""), app, status("app", `{"BackendState":"Running","Version":"1.98.0"}`)}, &Tailscale{Variant: AppStore, Version: "1.98.0", State: "Running", SSH: is(false)}},
		"daemon-beside-app":  {[]remote.Record{daemon, status("daemon", `{"BackendState":"Running"}`), app, status("app", `{"BackendState":"Stopped"}`)}, &Tailscale{Variant: Tailscaled, State: "Running"}},
		"neither":            {[]remote.Record{daemon, app, status("app", "\n")}, &Tailscale{Variant: Tailscaled}},
		"binary-info":        {[]remote.Record{{Key: "app", Body: []byte("bplist?")}}, &Tailscale{Variant: Standalone, SSH: is(false)}},
		"words":              {[]remote.Record{daemon, status("daemon", "Tailscale is stopped.\n")}, &Tailscale{Variant: Tailscaled}},
		"nulls":              {[]remote.Record{daemon, status("daemon", `{"BackendState":"NeedsLogin","TailscaleIPs":null,"Self":null,"Peer":{"nodekey:1":null}}`)}, &Tailscale{Variant: Tailscaled, State: "NeedsLogin"}},
		"prefs-without-ssh":  {[]remote.Record{daemon, {Key: "prefs", Body: []byte(`{"WantRunning":true}`)}}, &Tailscale{Variant: Tailscaled}},
		"prefs-not-readable": {[]remote.Record{daemon, {Key: "prefs", Body: []byte("access denied")}}, &Tailscale{Variant: Tailscaled}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, parseTailscale(test.records), compareAddrs); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}
