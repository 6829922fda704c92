package provider

import (
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"
	"github.com/hashicorp/terraform-plugin-testing/tfjsonpath"
)

// probed is the configuration of a probe, and what is expected of it.
func (m *testMac) probed(body string, args ...any) string {
	return m.provider + "data \"macos_port_probe\" \"test\" {\n" + fmt.Sprintf(body, args...) + "\n}\n"
}

func probeSays(attribute string, want knownvalue.Check) statecheck.StateCheck {
	return statecheck.ExpectKnownValue("data.macos_port_probe.test", tfjsonpath.New(attribute), want)
}

// The Mac's own SSH port is open, and the port of a connection that listens nowhere is closed: seen from here and from the Mac itself.
func TestPortProbe(t *testing.T) {
	mac := simulated(t)
	ssh := int64(netip.MustParseAddrPort(mac.Addr()).Port())
	conn, err := net.Dial("tcp", mac.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	none := int64(netip.MustParseAddrPort(conn.LocalAddr().String()).Port())
	checks := []statecheck.StateCheck{
		probeSays("open", knownvalue.ListExact([]knownvalue.Check{knownvalue.Int64Exact(ssh)})),
		probeSays("closed", knownvalue.ListExact([]knownvalue.Check{knownvalue.Int64Exact(none)})),
		probeSays("filtered", knownvalue.ListSizeExact(0)),
		probeSays("ip", knownvalue.StringExact("127.0.0.1")),
		probeSays("summary", knownvalue.StringExact(fmt.Sprintf("open %d; closed %d", ssh, none))),
	}
	ports := fmt.Sprintf("  timeout = \"60s\"\n  ports = [%d, \"%d-%d\"]\n", ssh, none, none)
	mac.run(
		resource.TestStep{Config: mac.probed("%s", ports), ConfigStateChecks: checks},
		resource.TestStep{Config: mac.probed("%s", ports+"  from = \"mini\"\n  host = \"mini\"\n  address = \"127.0.0.1\"\n"), ConfigStateChecks: checks},
	)
	var scans int
	for _, c := range mac.Calls() {
		if line := strings.Join(c.Argv, " "); strings.HasPrefix(line, "/usr/bin/nc -n -v -z") {
			scans++
		}
	}
	if scans == 0 {
		t.Error("nothing was asked from the Mac")
	}
}

// Nobody is asked whose address may be somebody else's, and nothing is sent before that is known.
func TestPortProbe_foreign(t *testing.T) {
	mac := simulated(t)
	foreign := func(address string) *regexp.Regexp {
		return wrapped(regexp.QuoteMeta(address) + ` Is Not an Address of mini(.|\n)*192\.168\.1\.10`)
	}
	mac.run(
		resource.TestStep{Config: mac.probed("  address = \"192.0.2.1\"\n  ports = [22]"), ExpectError: foreign("192.0.2.1")},
		// Its loopback is here another machine's: ours.
		resource.TestStep{Config: mac.probed("  address = \"::1\"\n  ports = [22]"), ExpectError: foreign("::1")},
		// From the Mac itself it is its own, and its nc is asked (which here knows the loopback of IPv4 and IPv6 only).
		resource.TestStep{
			Config:            mac.probed("  address = \"127.0.0.2\"\n  ports = [9]\n  from = \"mini\"\n  allow_foreign_address = true"),
			ConfigStateChecks: []statecheck.StateCheck{probeSays("ip", knownvalue.StringExact("127.0.0.2"))},
		},
	)
}

func TestPortProbe_refused(t *testing.T) {
	mac := simulated(t)
	mac.run(
		resource.TestStep{Config: mac.probed("  ports = [\"ssh\"]"), ExpectError: wrapped(`Invalid Port(.|\n)*"ssh" is neither a port`)},
		resource.TestStep{Config: mac.probed("  ports = [\"90-80\"]"), ExpectError: wrapped(`Invalid Port`)},
		resource.TestStep{Config: mac.probed("  ports = []"), ExpectError: wrapped(`at least 1 elements`)},
		resource.TestStep{Config: mac.probed("  ports = [22]\n  from = \"maxi\""), ExpectError: wrapped(`Unknown Mac "maxi"`)},
		resource.TestStep{Config: mac.probed("  ports = [22]\n  timeout = \"-1s\""), ExpectError: wrapped(`Invalid Duration`)},
		resource.TestStep{Config: mac.probed("  ports = [22]\n  address = \"no such name.invalid\""), ExpectError: wrapped(`Unknown Address`)},
		resource.TestStep{Config: mac.probed("  ports = [22]\n  time_limit = \"1ns\""), ExpectError: wrapped(`Unable to Ask the Ports of mini|Unknown Address|Unable to Find`)},
	)
}
