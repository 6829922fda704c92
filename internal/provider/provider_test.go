package provider

import (
	"fmt"
	"log"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	frameworkresource "github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/tfversion"
	"golang.org/x/crypto/ssh"

	"github.com/macos-fleet/terraform-provider-macos/internal/macsim"
	"github.com/macos-fleet/terraform-provider-macos/internal/remote"
)

func TestMain(m *testing.M) {
	if os.Getenv(servesEnv) != "" { // a CLI has started this program
		if file := os.Getenv(pidEnv); file != "" {
			_ = os.WriteFile(file, []byte(strconv.Itoa(os.Getpid())), 0o600)
		}
		if err := Serve(NewServer("test"), false); err != nil {
			log.Fatal(err)
		}
		return
	}
	// A CLI configuration of whoever runs the tests has no say in them.
	_ = os.Unsetenv("TF_CLI_CONFIG_FILE")
	for _, name := range []string{"HOST", "PORT", "USER", "PRIVATE_KEY", "PRIVATE_KEY_FILE", "PASSWORD", "SUDO_PASSWORD", "HOST_KEY"} {
		_ = os.Unsetenv("MACOS_" + name)
	}
	status := m.Run()
	if os.Getenv("MACOS_TEST_HOST") == "" { // a real Mac does not end when its test does
		status = leftovers(status)
	}
	_ = os.RemoveAll(mirrorDir)
	os.Exit(status)
}

// testMac is the Mac that a test works on: a simulated one, or the real one of MACOS_TEST_HOST.
type testMac struct {
	*macsim.Mac // nil: a real one
	t           *testing.T
	provider    string                            // the provider block
	needs       []tfversion.TerraformVersionCheck // what the test needs of the CLI
	host        *remote.Host
}

// macs runs the test on a simulated Mac, and on the real one when MACOS_TEST_HOST says user@host:port. A real Mac is logged
// in to as the ssh command would: its host key known, its key in the agent, sudo without a password.
func macs(t *testing.T, test func(*testing.T, *testMac)) {
	t.Run("simulated", func(t *testing.T) {
		t.Parallel()
		test(t, simulated(t))
	})
	if os.Getenv("MACOS_TEST_HOST") != "" {
		t.Run("real", func(t *testing.T) { test(t, realMac(t)) })
	}
}

// realMac is the Mac of MACOS_TEST_HOST.
func realMac(t *testing.T) *testMac {
	t.Helper()
	user, addr, _ := strings.Cut(os.Getenv("MACOS_TEST_HOST"), "@")
	name, port, ok := strings.Cut(addr, ":")
	if !ok {
		port = "22"
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatalf("MACOS_TEST_HOST: %v", err)
	}
	mac := &testMac{t: t, host: remote.NewHost(remote.Target{Name: "mini", Address: name, Port: n, User: user})}
	t.Cleanup(mac.host.Close)
	mac.provider = fmt.Sprintf("provider \"macos\" {\n  hosts = { mini = { address = %q, port = %d, user = %q } }\n}\n", name, n, user)
	return mac
}

// second is how long a second of the simulated Macs lasts: short, since scripts sleep, and long enough that nobody who is slow to do what a Mac
// waits a minute for is too late. Where a time has to be over on a Mac, tests put its clock forward.
const second = 100 * time.Millisecond

// simulated starts a simulated Mac whose seconds are short.
func simulated(t *testing.T) *testMac {
	t.Helper()
	sim := macsim.Start(t, macsim.Mac{Second: second})
	return &testMac{Mac: sim, t: t, provider: providerBlock(sim)}
}

// providerBlock is the configuration that reaches a simulated Mac under the name mini.
func providerBlock(sim *macsim.Mac) string {
	address, port, _ := strings.Cut(sim.Addr(), ":")
	return fmt.Sprintf(`
provider "macos" {
  confirm_timeout = "10m" # a minute with a simulated Mac
  hosts = {
    mini = { address = %q, port = %s, user = "admin", host_key = %q, private_key = %q }
  }
}
`, address, port, strings.TrimSpace(string(ssh.MarshalAuthorizedKey(sim.HostKey()))), sim.ClientKey())
}

// sh runs a script as root on the Mac, by hand, and returns what it printed.
func (m *testMac) sh(script string, args ...string) string {
	m.t.Helper()
	if m.Mac != nil {
		out, stderr, exit := m.Run(m.t.Context(), script, args...)
		if exit != 0 {
			m.t.Fatalf("by hand: exit %d: %s\n%s", exit, stderr, script)
		}
		return out
	}
	result, err := m.host.Run(m.t.Context(), remote.Cmd{Script: "say out\n" + script, Args: args, Writes: true})
	if err != nil {
		m.t.Fatalf("by hand: %v\n%s", err, script)
	}
	return string(result.Records[0].Body)
}

// state is everything that a test could leave behind, for comparison.
func (m *testMac) state() string {
	if m.Mac != nil {
		text := m.String()
		if strings.Contains(strings.ReplaceAll(text, "macos-fleet.pf.token", ""), "macos-fleet.") {
			m.alone() // a watchdog may go on for a little, and one whose end nobody has read stays for a minute of the Mac's
			text = m.String()
		}
		return text
	}
	return m.sh("cat /etc/pf.conf; ls -l /etc/pf.anchors /Library/LaunchDaemons; /sbin/pfctl -q -s Anchors; /sbin/pfctl -q -s rules")
}

// writes are the programs that came over SSH since ForgetCalls and change a Mac.
func (m *testMac) writes() []string {
	var all []string
	for _, c := range m.Calls() {
		line := strings.Join(c.Argv, " ")
		changes := strings.Contains(line, "pfctl") && (strings.Contains(line, " -f ") && !strings.Contains(line, " -n")) ||
			strings.Contains(line, "pfctl -E") || strings.Contains(line, "pfctl -X") || strings.Contains(line, " -F ") ||
			strings.Contains(line, "/mv ") || strings.Contains(line, "launchctl bootstrap") || strings.Contains(line, "launchctl bootout")
		if c.SSH && changes {
			all = append(all, line)
		}
	}
	return all
}

// run runs the steps as a test of one resource, on a Mac that is as before when it ends.
func (m *testMac) run(steps ...resource.TestStep) {
	m.t.Helper()
	before := m.state()
	resource.UnitTest(m.t, resource.TestCase{ProtoV6ProviderFactories: factories, TerraformVersionChecks: m.needs, Steps: steps})
	if after := m.state(); after != before {
		m.t.Errorf("the Mac is not as before:\n%s", diff(before, after))
	}
}

var factories = map[string]func() (tfprotov6.ProviderServer, error){
	"macos": func() (tfprotov6.ProviderServer, error) { return NewServer("test")(), nil },
}

// checkSchema reports what the framework finds wrong with a resource's schema.
func checkSchema(t *testing.T, r frameworkresource.Resource) {
	t.Helper()
	var schema frameworkresource.SchemaResponse
	r.Schema(t.Context(), frameworkresource.SchemaRequest{}, &schema)
	schema.Diagnostics.Append(schema.Schema.ValidateImplementation(t.Context())...)
	for _, d := range schema.Diagnostics {
		t.Errorf("%T: %s: %s", r, d.Summary(), d.Detail())
	}
}
