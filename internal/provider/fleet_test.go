package provider

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/macos-fleet/terraform-provider-macos/internal/macsim"
)

// A plan for a large fleet logs in to each Mac once, and one for a single Mac to no other.
func TestFleet_300(t *testing.T) {
	if testing.Short() {
		t.Skip("300 Macs are many")
	}
	macs := make([]*macsim.Mac, 300)
	var started sync.WaitGroup
	for i := range macs {
		started.Go(func() { macs[i] = macsim.Start(t, macsim.Mac{Password: "secret"}) })
	}
	started.Wait()
	var hosts strings.Builder
	for i, mac := range macs {
		fmt.Fprintf(&hosts, "    mini-%03d = { port = %d, host_key = %q }\n", i, netip.MustParseAddrPort(mac.Addr()).Port(),
			strings.TrimSpace(string(ssh.MarshalAuthorizedKey(mac.HostKey()))))
	}
	tf := newCLI(t)
	tf.configure(fmt.Sprintf(`
locals {
  hosts = {
%s  }
}

provider "macos" {
  ssh_config_file = "none"
  user            = "admin"
  password        = "secret"
  connect_timeout = "60s"
  hosts           = { for name, host in local.hosts : name => merge(host, { address = "127.0.0.1" }) }
}

resource "macos_pf_anchor" "test" {
  for_each = local.hosts
  host     = each.key
  name     = "tfacc.fleet"
  rules    = "pass in proto tcp from any to any port 22\n"
}
`, &hosts))

	// logins is how often a root shell was started on each Mac, since it was last asked.
	logins := func() (each []int) {
		for _, mac := range macs {
			n := 0
			for _, call := range mac.Calls() {
				if call.Argv[0] == "/usr/bin/uname" {
					n++
				}
			}
			each = append(each, n)
			mac.ForgetCalls()
		}
		return each
	}

	start := time.Now()
	if out := tf.run("plan"); !strings.Contains(out, "Plan: 300 to add, 0 to change, 0 to destroy.") {
		t.Errorf("got %s", out)
	}
	t.Logf("300 Macs: %.1f s", time.Since(start).Seconds())
	if each := logins(); !slices.Equal(each, slices.Repeat([]int{1}, len(macs))) {
		t.Errorf("logins: %v", each)
	}

	start = time.Now()
	if out := tf.run("plan", `-target=macos_pf_anchor.test["mini-007"]`); !strings.Contains(out, "Plan: 1 to add, 0 to change, 0 to destroy.") {
		t.Errorf("got %s", out)
	}
	t.Logf("one of them: %.1f s", time.Since(start).Seconds())
	want := make([]int, len(macs))
	want[7] = 1
	if each := logins(); !slices.Equal(each, want) {
		t.Errorf("logins: %v", each)
	}
}
