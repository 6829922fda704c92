package provider

import (
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"

	"github.com/macos-fleet/terraform-provider-macos/internal/macsim"
)

// The examples of the documentation hold on a Mac of the tailnet as it should be, and say what is wrong with one that is not.
func TestSourceExamples(t *testing.T) {
	good := macsim.Mac{
		Client: netip.MustParseAddrPort("100.101.102.103:50123"), Server: netip.MustParseAddrPort("100.64.0.5:22"),
		Interfaces: []macsim.Interface{
			{Name: "lo0", Addrs: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/8"), netip.MustParsePrefix("::1/128")}},
			{Name: "en0", Addrs: []netip.Prefix{netip.MustParsePrefix("192.168.1.10/24")}},
			{Name: "utun3", Addrs: []netip.Prefix{netip.MustParsePrefix("100.64.0.5/32")}},
		},
		Tailscale: macsim.Tailscale{Variant: "tailscaled", Peers: []macsim.Peer{{
			HostName: "runner", OS: "linux", Addrs: []string{"100.101.102.103"}, CurAddr: "203.0.113.7:41641", Online: true, Active: true,
		}}},
	}
	bad := good
	bad.About.SIP = "disabled."
	bad.Interfaces = append([]macsim.Interface{{Name: "en1", Addrs: []netip.Prefix{netip.MustParsePrefix("203.0.113.80/24")}}}, good.Interfaces...)
	bad.Sockets = []macsim.Socket{{Protocol: "TCP", Name: "*:5900", PID: 1, Process: "launchd"}, {Protocol: "TCP", Name: "127.0.0.1:631", PID: 7, Process: "cupsd"}}
	bad.Tailscale.Peers = []macsim.Peer{{HostName: "runner", OS: "linux", Addrs: []string{"100.101.102.103"}, Relay: "fra", Online: true, Active: true}}
	bad.Tailscale.KeyExpiry = time.Now().Add(time.Hour)
	for name, test := range map[string]struct {
		check string
		bad   []string
	}{
		"macos_host": {"check.mini_stays_reachable", []string{
			"mini-01 can vanish:\nWith a power adapter, it sleeps when nobody has used it for a minute, and then answers nothing: sudo pmset -c sleep 0\n" +
				"After a power failure, it stays off: sudo pmset -a autorestart 1",
			"mini-01 is on the Internet itself: 203.0.113.80.",
			"System Integrity Protection is off on mini-01.",
		}},
		"macos_listeners": {"check.nothing_is_exposed", []string{"port 5900 is exposed by launchd (root) on mini-01"}},
		"macos_tailscale": {"check.tailnet", []string{
			"There is no direct path to mini-01: a rule on one of the two ends may stop its UDP.",
			"mini-01 leaves the tailnet in less than two weeks, unless somebody logs it in again or turns key expiry off.",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile("../../examples/data-sources/" + name + "/data-source.tf")
			if err != nil {
				t.Fatal(err)
			}
			run := func(cfg macsim.Mac, hand string, says ...string) {
				cfg.Second = second
				sim := macsim.Start(t, cfg)
				mac := &testMac{Mac: sim, t: t, provider: strings.Replace(providerBlock(sim), "mini =", "mini-01 =", 1)}
				mac.sh(hand)
				mac.run(resource.TestStep{
					Config:           mac.provider + string(text),
					ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{checkSays(append([]string{test.check}, says...))}},
				})
			}
			run(good, "/usr/bin/pmset -a sleep 0 autorestart 1")
			run(bad, "true", test.bad...)
		})
	}
}
