package provider

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"golang.org/x/crypto/ssh"

	"github.com/macos-fleet/terraform-provider-macos/internal/macsim"
	"github.com/macos-fleet/terraform-provider-macos/internal/pfctl"
	"github.com/macos-fleet/terraform-provider-macos/internal/remote"
	"github.com/macos-fleet/terraform-provider-macos/internal/watchdog"
)

// connection is one host block's content for a simulated Mac; what is not given is left out.
func connection(sim *macsim.Mac, extra map[string]string) string {
	address, port, _ := strings.Cut(sim.Addr(), ":")
	settings := map[string]string{
		"address": address, "port": port, "user": "admin", "private_key": sim.ClientKey(), "ssh_config_file": "none",
		"confirm_timeout": "10m", // a minute with a simulated Mac
		"host_key":        strings.TrimSpace(string(ssh.MarshalAuthorizedKey(sim.HostKey()))),
	}
	for k, v := range extra {
		settings[k] = v
	}
	var b strings.Builder
	for k, v := range settings {
		if v != "" {
			fmt.Fprintf(&b, "      %s = %q\n", k, v)
		}
	}
	return "provider \"macos\" {\n  hosts = {\n    mini = {\n" + b.String() + "    }\n  }\n}\n"
}

const anyAnchor = `
resource "macos_pf_anchor" "test" {
  name  = "tfacc.any"
  rules = "pass in all\n"
}
`

// Each way in which a Mac cannot be reached is told by its stage, with what to do, and leaves the Mac alone.
func TestConnection_refused(t *testing.T) {
	_, other, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(other, "")
	if err != nil {
		t.Fatal(err)
	}
	otherKey := string(pem.EncodeToMemory(block))
	signer, err := ssh.NewSignerFromKey(other)
	if err != nil {
		t.Fatal(err)
	}
	otherHostKey := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(signer.PublicKey())))
	closed := closedPort(t)

	for name, test := range map[string]struct {
		mac   macsim.Mac
		extra map[string]string
		want  string
	}{
		"wrong-port":          {macsim.Mac{}, map[string]string{"port": closed}, `(?s)TCP connection.*refused.*Remote Login`},
		"wrong-name":          {macsim.Mac{}, map[string]string{"address": "no-such-mac.invalid"}, `(?s)name look-up.*Check the Mac's address`},
		"wrong-key":           {macsim.Mac{}, map[string]string{"private_key": otherKey}, `(?s)authentication.*may log in with the key`},
		"bad-certificate":     {macsim.Mac{}, map[string]string{"certificate": "garbage"}, `(?s)the certificate: ssh: no key found.*Check the provider's certificate`},
		"no-agent":            {macsim.Mac{}, map[string]string{"private_key": "", "agent_socket": "~/no agent"}, `(?s)the agent at /.*/no agent: .*Check the provider's agent_socket`},
		"key-on-one-line":     {macsim.Mac{}, map[string]string{"private_key": strings.ReplaceAll(otherKey, "\n", `\n`)}, `(?s)it stands on one line.*Check the provider's private_key`},
		"host-key-changed":    {macsim.Mac{}, map[string]string{"host_key": otherHostKey}, `(?s)HAS CHANGED.*SOMEBODY IS IN BETWEEN`},
		"not-in-sudoers":      {macsim.Mac{Sudo: macsim.SudoRefused, Password: "secret"}, map[string]string{"password": "secret", "sudo_password": "secret"}, `(?s)sudo.*not in the sudoers`},
		"sudo-wants-password": {macsim.Mac{Sudo: macsim.SudoPassword, Password: "secret"}, map[string]string{"password": "secret"}, `(?s)a password is required.*sudo_password`},
		"sudo-wrong-password": {macsim.Mac{Sudo: macsim.SudoPassword, Password: "secret"}, map[string]string{"password": "secret", "sudo_password": "wrong"}, `(?s)sudo.*incorrect password attempt`},
		"bad-timeout":         {macsim.Mac{}, map[string]string{"connect_timeout": "soon"}, `Invalid Duration`},
		"disk-locked":         {macsim.Mac{Banner: "This system is locked. To unlock it, use a local account name and password.\n"}, nil, `(?s)its disk is locked.*FileVault`},
		"no-such-config":      {macsim.Mac{}, map[string]string{"ssh_config_file": "/nowhere/config"}, `(?s)ssh configuration.*/nowhere/config`},
		"no-such-jump-host":   {macsim.Mac{}, map[string]string{"proxy_jump": "no-such-host.invalid"}, `(?s)because its jump host no-such-host.invalid cannot.*name look-up`},
		"command-fails":       {macsim.Mac{}, map[string]string{"proxy_command": "false"}, `(?s)proxy.*the ProxyCommand ended.*Check the proxy`},
		"socks-away":          {macsim.Mac{}, map[string]string{"proxy": "socks5://127.0.0.1:" + closed}, `(?s)proxy.*refused.*Check the proxy`},
		"two-ways":            {macsim.Mac{}, map[string]string{"proxy_command": "nc", "proxy_jump": "jump"}, `Two Ways to One Mac`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test.mac.Second = second
			sim := macsim.Start(t, test.mac)
			before := sim.String()
			resource.UnitTest(t, resource.TestCase{ProtoV6ProviderFactories: factories, Steps: []resource.TestStep{{
				Config: connection(sim, test.extra) + anyAnchor, ExpectError: wrapped(test.want),
			}}})
			if after := sim.String(); after != before {
				t.Errorf("something changed:\n%s", diff(before, after))
			}
		})
	}
}

// Files are given by names in the home folder, and a certificate beside the key that is of no use is no reason not to log in with the key.
func TestConnection_files(t *testing.T) {
	sim := macsim.Start(t, macsim.Mac{Second: second})
	dir := t.TempDir()
	t.Setenv("HOME", dir)
	for name, text := range map[string]string{"key": sim.ClientKey(), "key-cert.pub": "of another time\n", "known": sim.KnownHostsLine() + "\n", "config": "User admin\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	_, port, _ := strings.Cut(sim.Addr(), ":")
	resource.UnitTest(t, resource.TestCase{ProtoV6ProviderFactories: factories, Steps: []resource.TestStep{{Config: fmt.Sprintf(`
provider "macos" {
  host              = "127.0.0.1"
  port              = %s
  private_key_file  = "~/key"
  known_hosts_files = ["~/known"]
  ssh_config_file   = "~/config"
  confirm_timeout   = "10m"
}
`, port) + anyAnchor}}})
}

// Without HOME, the user database says where it is.
func TestHome(t *testing.T) {
	me, err := user.Current()
	if err != nil {
		t.Skip(err)
	}
	for from, want := range map[string]string{"/home/of/mine": "/home/of/mine/known", "": me.HomeDir + "/known"} {
		t.Setenv("HOME", from)
		t.Setenv("USERPROFILE", from) // on Windows
		var diags diag.Diagnostics
		if got := home("~/known", &diags); got != want || diags.HasError() {
			t.Errorf("HOME is %q: got %q, %v", from, got, diags)
		}
	}
}

// wrapped matches a message in a diagnostic, whose lines the CLI breaks and frames as it likes.
func wrapped(want string) *regexp.Regexp {
	return regexp.MustCompile(strings.ReplaceAll(want, " ", `[\s│|]+`))
}

// Whoever has a working `ssh mini` writes one word.
func TestConnection_sshConfig(t *testing.T) {
	sim := macsim.Start(t, macsim.Mac{Second: second})
	dir := t.TempDir()
	address, port, _ := strings.Cut(sim.Addr(), ":")
	for name, text := range map[string]string{
		"key":         sim.ClientKey(),
		"known_hosts": sim.KnownHostsLine() + "\n",
		"config": fmt.Sprintf("Host mini\n  HostName %s\n  Port %s\n  User admin\n  IdentityFile %s/key\n  IdentitiesOnly yes\n  UserKnownHostsFile %s/known_hosts\n",
			address, port, dir, dir),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	config := fmt.Sprintf("provider \"macos\" {\n  host = \"mini\"\n  ssh_config_file = %q\n  confirm_timeout = \"10m\"\n}\n", filepath.Join(dir, "config"))
	resource.UnitTest(t, resource.TestCase{ProtoV6ProviderFactories: factories, Steps: []resource.TestStep{
		{Config: config + anyAnchor},
		{Config: config + anyAnchor, PlanOnly: true},
	}})
}

// What is said of a connection that failed names the machine that failed, and what to do there.
func TestUnreachable(t *testing.T) {
	t.Parallel()
	refused := errors.New("refused")
	for name, test := range map[string]struct {
		dial remote.DialError
		want []string // with an exclamation mark before it: what it must not say
	}{
		"jump-host-key": {
			remote.DialError{Jump: "bastion", Stage: remote.StageHostKey, Err: &remote.UnknownHostKeyError{Fingerprint: "SHA256:x", Line: "bastion ssh-ed25519 AAAA", File: "/k"}},
			[]string{"bastion (the jump host of mini)", "add this line to /k", "bastion ssh-ed25519 AAAA", "!the provider's host_key"},
		},
		"host-key": {
			remote.DialError{Stage: remote.StageHostKey, Err: &remote.UnknownHostKeyError{Fingerprint: "SHA256:x", Line: "mini ssh-ed25519 AAAA"}},
			[]string{"add this line to a known_hosts file", "or set the provider's host_key.", "!certificate"},
		},
		"host-certificate": {
			remote.DialError{Stage: remote.StageHostKey, Err: &remote.UnknownHostKeyError{Fingerprint: "SHA256:x", File: "/k", Certificate: errors.New("it has expired")}},
			[]string{"a certificate of its host key that does not count here (it has expired)", "Have the certificate renewed. Or, if one is the same, add this line to /k"},
		},
		"host-key-revoked": {
			remote.DialError{Stage: remote.StageHostKey, Err: refused},
			[]string{"RevokedHostKeys", "host_key"},
		},
		"jump-host-key-revoked": {
			remote.DialError{Jump: "bastion", Stage: remote.StageHostKey, Err: refused},
			[]string{"RevokedHostKeys", "known_hosts_files", "!host_key."},
		},
		"lenient": {
			remote.DialError{Stage: remote.StageHostKey, Err: &remote.UnknownHostKeyError{Fingerprint: "SHA256:x", Lenient: "accept-new"}},
			[]string{"StrictHostKeyChecking accept-new", "not followed"},
		},
		"key": {
			remote.DialError{Stage: remote.StageKey, Err: &remote.GivenError{Field: "PrivateKey", Name: "/k", Err: refused}},
			[]string{"    /k: refused", "private_key_passphrase"},
		},
		"certificate": {
			remote.DialError{Stage: remote.StageKey, Err: &remote.GivenError{Field: "Certificate", Name: "the certificate", Err: refused}},
			[]string{"    the certificate: refused", "the provider's certificate, or MACOS_CERTIFICATE"},
		},
		"agent": {
			remote.DialError{Stage: remote.StageKey, Err: &remote.GivenError{Field: "Agent", Name: "the agent at /a", Err: refused}},
			[]string{"    the agent at /a: refused", "the provider's agent_socket"},
		},
		"sudo": {
			remote.DialError{Stage: remote.StageSudo, Err: refused},
			[]string{"sudo_password", "visudo -f /etc/sudoers.d/terraform", "\n    admin ALL = (ALL) NOPASSWD: ALL"},
		},
		"sudo-hangs": {
			remote.DialError{Stage: remote.StageSudo, Err: context.DeadlineExceeded},
			[]string{"did not answer", "connect_timeout"},
		},
		"sudo-terminal": {
			remote.DialError{Stage: remote.StageSudo, Err: errors.New("sudo: sorry, you must have a tty to run sudo")},
			[]string{"\n    Defaults:admin !requiretty", "!NOPASSWD", "!sudo_password"},
		},
		"sudo-wrong-password": {
			remote.DialError{Stage: remote.StageSudo, Err: errors.New("sudo: 3 incorrect password attempts")},
			[]string{"does not accept the provider's sudo_password", "Set the password that this user has on the Mac"},
		},
		"sudo-not-listed": {
			remote.DialError{Stage: remote.StageSudo, Err: errors.New("admin is not in the sudoers file.")},
			[]string{"An administrator of the Mac must allow it"},
		},
		"jump-forbids": {
			remote.DialError{Stage: remote.StageTCP, Err: &remote.ForwardError{Jump: "bastion", User: "me", Forbidden: true, Err: refused}},
			[]string{"does not let \"me\" connect to it", "Allow it on the jump host bastion"},
		},
		"changed-host-key": {
			remote.DialError{Stage: remote.StageHostKey, Err: &remote.ChangedHostKeyError{Fingerprint: "SHA256:x", Known: []string{"/k:3"}, Forget: []string{"ssh-keygen -R a -f /k"}}},
			[]string{"HOST KEY OF mini HAS CHANGED", "in /k:3", "\n    ssh-keygen -R a -f /k"},
		},
		"changed-pin": {
			remote.DialError{Stage: remote.StageHostKey, Err: &remote.ChangedHostKeyError{Fingerprint: "SHA256:x"}},
			[]string{"stands in the provider's host_key", "before you replace the old key."},
		},
		"jump-away": {
			remote.DialError{Jump: "bastion", Stage: remote.StageTCP, Err: refused},
			[]string{"Check that the jump host bastion is up", "proxy_jump"},
		},
		"jump-name": {
			remote.DialError{Jump: "bastion", Stage: remote.StageName, Err: refused},
			[]string{"Check the address of the jump host bastion", "proxy_jump"},
		},
		"jump-login": {
			remote.DialError{Jump: "bastion", Stage: remote.StageAuth, Err: refused, Try: "ssh bastion"},
			[]string{"mini cannot be reached, because its jump host bastion cannot", "!password that", "This should work, without questions:\n\n    ssh bastion"},
		},
		"timeout": {
			remote.DialError{Stage: remote.StageAuth, Err: context.DeadlineExceeded},
			[]string{"connect_timeout sets how long"},
		},
		"jump-wants-a-password": {
			remote.DialError{Jump: "bastion", Stage: remote.StageAuth, Err: &remote.RefusedError{Takes: []string{"password"}, NoPassword: true}, Try: "ssh bastion"},
			[]string{"jump hosts get none", "!This should work", "!the provider's password"},
		},
		"wants-a-password": {
			remote.DialError{Stage: remote.StageAuth, Err: &remote.RefusedError{Takes: []string{"password"}, NoPassword: true}, Try: "ssh mini"},
			[]string{"Set the provider's password", "!This should work"},
		},
		"wants-a-password-too": {
			remote.DialError{Stage: remote.StageAuth, Err: &remote.RefusedError{
				Takes: []string{"keyboard-interactive"}, Accepted: []string{"publickey"}, NoPassword: true,
			}},
			[]string{"publickey is accepted, and the server wants more (it takes: keyboard-interactive)", "Set the provider's password"},
		},
		"password-refused": {
			remote.DialError{Stage: remote.StageAuth, Err: &remote.RefusedError{Takes: []string{"password"}}, Try: "ssh mini"},
			[]string{"the key or password that the provider has", "!This should work"},
		},
		"no-such-user": {
			remote.DialError{Stage: remote.StageAuth, Err: &remote.RefusedError{}},
			[]string{"(the server takes: nothing)", "Check that user \"admin\" exists there"},
		},
		"algorithms": {
			remote.DialError{Stage: remote.StageSSH, Err: &remote.AlgorithmsError{Option: "MACs", Usual: "c", Server: []string{"a", "b"}, Here: []string{"c", "d"}}},
			[]string{"no MACs in common: the server offers a, b", "Add c to the line MACs in the sshd_config of mini", "Known here are c, d.", "!host_key", "!answer"},
		},
		"algorithms-pinned": {
			remote.DialError{Stage: remote.StageHostKey, Err: &remote.AlgorithmsError{Option: "HostKeyAlgorithms", Server: []string{"a"}, Here: []string{"c"}}},
			[]string{"Known here are c; with the provider's host_key, those of its kind"},
		},
		"jump-algorithms": {
			remote.DialError{Jump: "bastion", Stage: remote.StageHostKey, Err: &remote.AlgorithmsError{Option: "HostKeyAlgorithms", Here: []string{"c"}}},
			[]string{"bastion (the jump host of mini)", "!the provider's host_key"},
		},
		"tailscale-check": {
			remote.DialError{Stage: remote.StageAuth, Err: refused, Banner: "# To authenticate, visit: https://login.tailscale.com/a/1\n"},
			[]string{"visit the address below", "    # To authenticate, visit: https://login.tailscale.com/a/1"},
		},
		"tailscale-refuses": {
			remote.DialError{Stage: remote.StageAuth, Err: refused, Banner: "tailscale: tailnet policy does not permit you to SSH to this node\n"},
			[]string{"\"ssh\" section of the tailnet's policy", "does not permit"},
		},
		"locked": {
			remote.DialError{Stage: remote.StageAuth, Err: remote.ErrLocked},
			[]string{"mini was restarted", "FileVault", "ssh admin@10.0.0.1"},
		},
		"config": {
			remote.DialError{Stage: remote.StageConfig, Err: refused, Try: "ssh mini"},
			[]string{"ssh_config_file"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test.dial.Host, test.dial.Addr, test.dial.User = "mini", "10.0.0.1:22", "admin"
			got := because(&test.dial)
			for _, want := range test.want {
				if want, not := strings.CutPrefix(want, "!"); strings.Contains(got, want) == not {
					t.Errorf("it says %q: %v:\n%s", want, !not, got)
				}
			}
		})
	}
}

// What became of a change is told, and not that a connection was lost on the way to it.
func TestBecause_undone(t *testing.T) {
	t.Parallel()
	lost := &remote.LostError{Host: "mini", Err: io.EOF, Reading: &remote.DialError{Host: "mini", Stage: remote.StageReading, Err: io.EOF}}
	undone := &watchdog.UndoneError{Host: "mini", Why: "keep", Exit: 24, Log: "mv: No space left on device\n", Err: lost}
	got := because(fmt.Errorf("%w: %w", pfctl.ErrDisk, undone))
	if !strings.Contains(got, "the disk may be full") || !strings.Contains(got, "No space left") || strings.Contains(got, "Reading") {
		t.Errorf("got %s", got)
	}
	if failure := unreached(undone); failure != nil {
		t.Errorf("it counts as unreached: %v", failure)
	}
}

// A key that no known_hosts file has is not accepted; the line that the error tells is all that is missing.
func TestConnection_knownHosts(t *testing.T) {
	sim := macsim.Start(t, macsim.Mac{Second: second})
	file := filepath.Join(t.TempDir(), "known_hosts")
	config := strings.Replace(connection(sim, map[string]string{"host_key": ""}), "provider \"macos\" {\n",
		fmt.Sprintf("provider \"macos\" {\n  known_hosts_files = [%q]\n", file), 1) + anyAnchor
	resource.UnitTest(t, resource.TestCase{ProtoV6ProviderFactories: factories, Steps: []resource.TestStep{
		{Config: config, ExpectError: wrapped(`(?s)not known here.*` + regexp.QuoteMeta(ssh.FingerprintSHA256(sim.HostKey())))},
		{
			PreConfig: func() {
				if err := os.WriteFile(file, []byte(sim.KnownHostsLine()+"\n"), 0o600); err != nil {
					t.Fatal(err)
				}
			},
			Config: config,
		},
	}})
}

// Passwords come from files, which end with a newline.
func TestConnection_sudoPassword(t *testing.T) {
	sim := macsim.Start(t, macsim.Mac{Sudo: macsim.SudoPassword, Password: "secret", Second: second})
	resource.UnitTest(t, resource.TestCase{ProtoV6ProviderFactories: factories, Steps: []resource.TestStep{
		{Config: connection(sim, map[string]string{"password": "secret\n", "sudo_password": "secret\r\n"}) + anyAnchor},
	}})
	for _, c := range sim.Calls() {
		if strings.Contains(strings.Join(c.Argv, " "), "secret") {
			t.Errorf("the password is in an argument: %q", c.Argv)
		}
	}
}

// A sudo password that is not needed is not taken for anything else.
func TestConnection_needlessSudoPassword(t *testing.T) {
	sim := macsim.Start(t, macsim.Mac{Second: second})
	resource.UnitTest(t, resource.TestCase{ProtoV6ProviderFactories: factories, Steps: []resource.TestStep{
		{Config: connection(sim, map[string]string{"sudo_password": "secret"}) + anyAnchor},
	}})
}

// What a login shell prints on its own does not disturb.
func TestConnection_noise(t *testing.T) {
	for _, shell := range []string{"zsh", "bash", "fish", "tcsh"} {
		t.Run(shell, func(t *testing.T) {
			t.Parallel()
			sim := macsim.Start(t, macsim.Mac{Shell: shell, Noise: "Welcome!\n@ end 0\n", Second: second})
			resource.UnitTest(t, resource.TestCase{ProtoV6ProviderFactories: factories, Steps: []resource.TestStep{
				{Config: connection(sim, nil) + anyAnchor},
			}})
		})
	}
}

func TestConnection_whichMac(t *testing.T) {
	sim := macsim.Start(t, macsim.Mac{Second: second})
	two := strings.Replace(connection(sim, nil), "hosts = {", "hosts = {\n    other = { address = \"192.0.2.1\" }", 1)
	for name, test := range map[string]struct{ config, want string }{
		"unknown":   {two + strings.Replace(anyAnchor, "{", "{\n  host = \"mnii\"", 1), `(?s)Unknown Mac "mnii".*mini, other.*keep the old name`},
		"ambiguous": {two + anyAnchor, `(?s)Missing Name of a Mac.*mini, other`},
		"none":      {"provider \"macos\" {}\n" + anyAnchor, `names no Mac`},
		"bad-name":  {"provider \"macos\" {\n  hosts = { \"a/b\" = {} }\n}\n" + anyAnchor, `Invalid Name of a Mac`},
		"two-lines": {connection(sim, map[string]string{"sudo_password": "secret\nmore\n"}) + anyAnchor, `Invalid Password`},
		"bad-host":  {"provider \"macos\" {\n  host = \"ssh://root@mini\"\n}\n" + anyAnchor, `Invalid Name of a Mac`},
	} {
		t.Run(name, func(t *testing.T) {
			resource.UnitTest(t, resource.TestCase{ProtoV6ProviderFactories: factories, Steps: []resource.TestStep{
				{Config: test.config, ExpectError: wrapped(test.want)},
			}})
		})
	}
	if len(sim.Calls()) > 0 {
		t.Error("the Mac was asked")
	}
}

// What the provider does not know before something else is applied, a plan leaves open; it does not guess.
func TestConnection_notKnownYet(t *testing.T) {
	t.Parallel()
	const later = `
resource "terraform_data" "later" {
  input            = %q
  triggers_replace = %d
}
`
	sim := macsim.Start(t, macsim.Mac{Second: second})
	file := filepath.Join(t.TempDir(), "known_hosts")
	if err := os.WriteFile(file, []byte(sim.KnownHostsLine()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	one := connection(sim, nil)
	two := strings.Replace(one, "hosts = {", "hosts = {\n    other = { address = \"192.0.2.1\" }", 1)
	const noop, update = plancheck.ResourceActionNoop, plancheck.ResourceActionUpdate // what to do is not known without the Mac
	for name, test := range map[string]struct {
		config, value string
		again         plancheck.ResourceActionType // never a replacement
	}{
		"host-of-one": {strings.Replace(one, "hosts = {", "host = terraform_data.later.output\n  hosts = {", 1), "mini", noop},
		"host-of-two": {strings.Replace(two, "hosts = {", "host = terraform_data.later.output\n  hosts = {", 1), "mini", noop},
		"hosts":       {strings.Replace(one, "mini = {", "(terraform_data.later.output) = {", 1), "mini", update},
		"hosts-and-host": {
			strings.Replace(strings.Replace(one, "mini = {", "(terraform_data.later.output) = {", 1), "hosts = {", "host = \"mini\"\n  hosts = {", 1), "mini", update,
		},
		"address": {strings.Replace(one, `address = "127.0.0.1"`, "address = terraform_data.later.output", 1), "127.0.0.1", update},
		"known-hosts": {
			strings.Replace(connection(sim, map[string]string{"host_key": ""}), "hosts = {",
				"known_hosts_files = split(\",\", terraform_data.later.output)\n  hosts = {", 1), file, update,
		},
	} {
		t.Run(name, func(t *testing.T) {
			resource.UnitTest(t, resource.TestCase{ProtoV6ProviderFactories: factories, Steps: []resource.TestStep{
				{Config: fmt.Sprintf(later, test.value, 1) + test.config + anyAnchor},
				{
					Config: fmt.Sprintf(later, test.value, 2) + test.config + anyAnchor,
					ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{
						plancheck.ExpectResourceAction(anchorAddress, test.again),
					}},
				},
			}})
		})
	}
}

func TestConnection_badPort(t *testing.T) {
	for _, port := range []string{"abc", "0", "-1", "65536"} {
		t.Setenv("MACOS_PORT", port)
		var diags diag.Diagnostics
		newInventory(t.Context(), providerModel{Host: types.StringValue("mini")}, &diags)
		if len(diags) != 1 || diags[0].Summary() != "Invalid Port" {
			t.Errorf("%s: %v", port, diags)
		}
	}
}

// closedPort is a port of loopback that nobody listens on, and nobody will as long as the test runs: it is the near end of a connection.
func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_, port, err := net.SplitHostPort(conn.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// What answers over SSH but is no Mac is told as that.
func TestConnection_noMac(t *testing.T) {
	sim := macsim.Start(t, macsim.Mac{Second: second})
	sim.Fail(func(argv []string) *macsim.Failure {
		if argv[0] == "/usr/bin/uname" {
			return &macsim.Failure{Exit: 1}
		}
		return nil
	})
	resource.UnitTest(t, resource.TestCase{ProtoV6ProviderFactories: factories, Steps: []resource.TestStep{
		{Config: connection(sim, nil) + anyAnchor, ExpectError: wrapped(`(?s)not a Mac.*address is that of a Mac`)},
	}})
}

// A connection that is lost while a Mac is read changes nothing there, and is as good as one that cannot be made.
func TestConnection_lostReading(t *testing.T) {
	sim := macsim.Start(t, macsim.Mac{Second: second})
	cut := func(cut macsim.Cut) func() {
		return func() {
			sim.Fail(func(argv []string) *macsim.Failure {
				if argv[0] != "/sbin/pfctl" || cut == macsim.CutNever {
					return nil
				}
				return &macsim.Failure{Cut: cut}
			})
		}
	}
	fail, keep := connection(sim, nil)+anyAnchor, connection(sim, map[string]string{"on_unreachable": "keep"})+anyAnchor
	resource.UnitTest(t, resource.TestCase{ProtoV6ProviderFactories: factories, Steps: []resource.TestStep{
		{Config: fail},
		{PreConfig: cut(macsim.CutBefore), Config: fail, PlanOnly: true, ExpectError: wrapped(
			`(?s)ended while the Mac was being read.*closed the connection.*Reading changes nothing there`)},
		{RefreshState: true, ExpectError: wrapped(
			`(?s)Unable to Reach mini.*ended while the Mac was being read.*on_unreachable = "keep"`)},
		{Config: keep, PlanOnly: true},
		{PreConfig: cut(macsim.CutNever), Config: fail, PlanOnly: true},
	}})
}
