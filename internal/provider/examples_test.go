package provider

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/macos-fleet/terraform-provider-macos/internal/macsim"
)

// exampleMac is the kind of Mac that examples are for: with a cable in an office, and on a tailnet. Its seconds are as long as ours, since an
// example leaves the time to confirm at a minute.
var exampleMac = macsim.Mac{
	Client: netip.MustParseAddrPort("192.168.1.2:50000"), Server: netip.MustParseAddrPort("192.168.1.10:22"),
	Tailscale: macsim.Tailscale{Variant: "tailscaled"},
}

// onTailnet is the same, reached over the tailnet.
func onTailnet() macsim.Mac {
	mac := exampleMac
	mac.Client, mac.Server = netip.MustParseAddrPort("100.64.0.9:50000"), netip.MustParseAddrPort("100.64.0.5:22")
	return mac
}

// Every folder in examples/ with a configuration of its own is valid and formatted, passes its own tests, and can be applied to simulated
// Macs: afterwards there is nothing left to do and every check passes; and when it is destroyed, the Macs are as they were.
func TestExamples(t *testing.T) {
	for name, test := range map[string]struct {
		mac      macsim.Mac
		names    []string
		settle   func(c *exampleCLI, macs map[string]*macsim.Mac) // says which Macs they are, if not by variable hosts
		tofuOnly bool
		holds    string // a line that each Mac has then, of its Snapshot
	}{
		"tailscale-only":  {mac: onTailnet(), names: []string{"mini-01", "mini-02"}, holds: "block drop in on en0 proto udp all"},
		"web-server":      {mac: exampleMac, names: []string{"web-01"}, holds: "rdr on en0 inet proto tcp from any to any port = 80 -> 127.0.0.1 port 8080"},
		"vpn-kill-switch": {mac: exampleMac, names: []string{"mini-01"}, holds: "table <vpn_servers> -pa-r- { 203.0.113.10 203.0.113.11 }"},
		"brute-force":     {mac: exampleMac, names: []string{"mini-01"}, holds: "table <bruteforce> -pa-r- { 192.0.2.0/24 198.51.100.17 }"},
		"one-mac":         {mac: onTailnet(), names: []string{"mini"}, settle: (*exampleCLI).asSSHDoes, holds: "block drop in on en0 proto tcp from any to any port = 5900"},
		"fleet-yaml":      {mac: onTailnet(), names: fleetNames, settle: (*exampleCLI).asInventory, holds: "block drop in on en0 proto tcp from any to any port = 445"},
		"opentofu-for-each": {
			mac: onTailnet(), names: []string{"mini-01", "mini-02"}, tofuOnly: true, holds: "block drop in on en0 proto tcp from any to any port = 5900",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if test.tofuOnly && !strings.Contains(filepath.Base(cliPath(t)), "tofu") {
				t.Skip("this example is OpenTofu's own language, which Terraform does not read; `make testacc-tofu` runs it")
			}
			c := newExampleCLI(t, name)
			macs, before := map[string]*macsim.Mac{}, map[string]string{}
			for _, mac := range test.names {
				kind := test.mac
				kind.AuthorizedKeys = []ssh.PublicKey{c.key}
				macs[mac] = macsim.Start(t, kind)
				before[mac] = (&testMac{Mac: macs[mac], t: t}).state()
			}
			if test.settle == nil {
				test.settle = (*exampleCLI).asHosts
			}
			if test.tofuOnly {
				test.settle(c, macs) // what the providers are for has to be known from the beginning
			}
			c.run(0, "fmt", "-check", "-recursive", "-diff")
			c.run(0, "init", "-input=false")
			c.run(0, "validate")
			if tests, _ := filepath.Glob(filepath.Join(c.dir, "*.tftest.hcl")); len(tests) > 0 {
				c.run(0, "test")
			}
			test.settle(c, macs)
			c.run(0, "apply", "-input=false", "-auto-approve")
			for _, mac := range test.names {
				if now := macs[mac].String(); !strings.Contains(now, test.holds) {
					t.Errorf("%s does not have %s:\n%s", mac, test.holds, now)
				}
			}
			if said := c.run(0, "plan", "-input=false", "-detailed-exitcode"); strings.Contains(said, "Warning:") {
				t.Errorf("the plan warns:\n%s", said)
			}
			c.checks()
			c.run(0, "destroy", "-input=false", "-auto-approve")
			for _, mac := range test.names {
				if after := (&testMac{Mac: macs[mac], t: t}).state(); after != before[mac] {
					t.Errorf("%s is not as before:\n%s", mac, diff(before[mac], after))
				}
			}
		})
	}
}

// Every folder that is an example is in the table above, and says in a README what it is.
func TestExamples_all(t *testing.T) {
	folders, err := os.ReadDir("../../examples")
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile("examples_test.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, folder := range folders {
		if slices.Contains([]string{"data-sources", "functions", "provider", "resources"}, folder.Name()) {
			continue // these are applied one by one, or are only text
		}
		if !strings.Contains(string(source), fmt.Sprintf("\t\t%q:", folder.Name())) {
			t.Errorf("examples/%s is not tested", folder.Name())
		}
		if text, err := os.ReadFile(filepath.Join("../../examples", folder.Name(), "README.md")); err != nil || len(text) < 100 {
			t.Errorf("examples/%s has no README.md: %v", folder.Name(), err)
		}
	}
}

// exampleCLI is the CLI in a copy of an example, with the provider of this checkout.
type exampleCLI struct {
	t   *testing.T
	dir string
	env []string
	key ssh.PublicKey // with which it logs in
}

// cliPath is the CLI that the tests drive.
func cliPath(t *testing.T) string {
	t.Helper()
	for _, name := range []string{os.Getenv("TF_ACC_TERRAFORM_PATH"), "terraform", "tofu"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skip("there is neither terraform nor tofu")
	return ""
}

// mirrorDir is what mirror made; "" if nothing.
var mirrorDir string

// mirror builds the provider once, as a registry's mirror would have it, and returns the CLI configuration that takes it from there.
var mirror = sync.OnceValues(func() (config string, err error) {
	if mirrorDir, err = os.MkdirTemp("", "macos-examples-"); err != nil {
		return "", err
	}
	const version = "0.1.0"
	name := "terraform-provider-macos_v" + version
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	for _, registry := range []string{"registry.terraform.io", "registry.opentofu.org"} {
		binary := filepath.Join(mirrorDir, registry, "macos-fleet", "macos", version, runtime.GOOS+"_"+runtime.GOARCH, name)
		if out, err := exec.Command("go", "build", "-o", binary, "../..").CombinedOutput(); err != nil {
			return "", fmt.Errorf("building the provider: %w\n%s", err, out)
		}
	}
	config = filepath.Join(mirrorDir, "cli.tfrc")
	return config, os.WriteFile(config, fmt.Appendf(nil, "provider_installation {\n  filesystem_mirror {\n    path = %q\n  }\n}\n", mirrorDir), 0o600)
})

func newExampleCLI(t *testing.T, example string) *exampleCLI {
	t.Helper()
	config, err := mirror()
	if err != nil {
		t.Fatal(err)
	}
	c := &exampleCLI{t: t, dir: t.TempDir()}
	if err := os.CopyFS(c.dir, os.DirFS(filepath.Join("../../examples", example))); err != nil {
		t.Fatal(err)
	}
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if c.key, err = ssh.NewPublicKey(public); err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
		t.Fatal(err)
	}
	c.env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "TF_") || strings.HasPrefix(v, "MACOS_") })
	c.env = append(c.env, "CHECKPOINT_DISABLE=1", "TF_IN_AUTOMATION=1", "TF_CLI_ARGS=-no-color", "TF_CLI_CONFIG_FILE="+config, "MACOS_PRIVATE_KEY_FILE="+file)
	return c
}

// run runs the CLI, which must end with this status, and returns what it said.
func (c *exampleCLI) run(status int, args ...string) string {
	c.t.Helper()
	cmd := exec.CommandContext(c.t.Context(), cliPath(c.t), args...)
	cmd.Dir, cmd.Env = c.dir, c.env
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		err = nil
	}
	if err != nil || cmd.ProcessState.ExitCode() != status {
		c.t.Fatalf("%s ended with %v:\n%s", strings.Join(args, " "), cmd.ProcessState, out)
	}
	return string(out)
}

// checks sees to it that every check of the configuration passed.
func (c *exampleCLI) checks() {
	c.t.Helper()
	var state struct {
		Checks []struct {
			Address struct{ ToDisplay string } `json:"address"`
			Status  string
		}
	}
	if err := json.Unmarshal([]byte(c.run(0, "show", "-json")), &state); err != nil {
		c.t.Fatal(err)
	}
	for _, check := range state.Checks {
		if check.Status != "pass" {
			c.t.Errorf("%s: %s", check.Address.ToDisplay, check.Status)
		}
	}
}

func (c *exampleCLI) write(file, text string) {
	c.t.Helper()
	if err := os.WriteFile(filepath.Join(c.dir, file), []byte(text), 0o600); err != nil {
		c.t.Fatal(err)
	}
}

// hostsOf is how to reach the Macs, as `hosts` has it.
func hostsOf(macs map[string]*macsim.Mac) map[string]map[string]any {
	hosts := map[string]map[string]any{}
	for name, mac := range macs {
		addr := netip.MustParseAddrPort(mac.Addr())
		hosts[name] = map[string]any{
			"address": addr.Addr().String(), "port": addr.Port(), "host_key": strings.TrimSpace(string(ssh.MarshalAuthorizedKey(mac.HostKey()))),
		}
	}
	return hosts
}

// asHosts gives the Macs as the variable hosts.
func (c *exampleCLI) asHosts(macs map[string]*macsim.Mac) {
	text, err := json.Marshal(map[string]any{"hosts": hostsOf(macs)})
	if err != nil {
		c.t.Fatal(err)
	}
	c.write("hosts.auto.tfvars.json", string(text))
}

// asSSHDoes gives the one Mac as `ssh mini` has it.
func (c *exampleCLI) asSSHDoes(macs map[string]*macsim.Mac) {
	for name, mac := range macs {
		addr := netip.MustParseAddrPort(mac.Addr())
		c.write("ssh_config", fmt.Sprintf("Host %s\n  HostName %s\n  Port %d\n  User admin\n", name, addr.Addr(), addr.Port()))
		c.env = append(c.env, "MACOS_SSH_CONFIG_FILE="+filepath.Join(c.dir, "ssh_config"),
			"MACOS_HOST_KEY="+strings.TrimSpace(string(ssh.MarshalAuthorizedKey(mac.HostKey()))))
	}
}

// fleetNames are a few of fifty: each is a process's worth of work.
var fleetNames = []string{"studio-01", "studio-02", "studio-03", "studio-04"}

// asInventory gives the Macs as fleet.yaml.
func (c *exampleCLI) asInventory(macs map[string]*macsim.Mac) {
	var inventory strings.Builder
	hosts := hostsOf(macs)
	for _, name := range slices.Sorted(maps.Keys(hosts)) {
		fmt.Fprintf(&inventory, "%s: { address: %s, port: %d, roles: [office], host_key: %q }\n", name, hosts[name]["address"], hosts[name]["port"], hosts[name]["host_key"])
	}
	c.write("fleet.yaml", inventory.String())
}
