package provider

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/macos-fleet/terraform-provider-macos/internal/macsim"
)

// secretsConfig has every secret that there is in a configuration, each as a variable. A new one is added here, and to the variables in
// TestSecrets.
const secretsConfig = `
variable "password" { sensitive = true }
variable "sudo_password" { sensitive = true }
variable "private_key" { sensitive = true }
variable "passphrase" { sensitive = true }
variable "proxy" { sensitive = true }
variable "token" { ephemeral = true }
variable "step" { type = number }

provider "macos" {
  ssh_config_file = "none"
  user            = "admin"
  connect_timeout = "60s"
  confirm_timeout = "10m"
  hosts = {
    by-password = { address = "127.0.0.1", port = %d, host_key = %q, password = var.password, sudo_password = var.sudo_password, proxy = var.proxy }
    by-key = { address = "127.0.0.1", port = %d, host_key = %q, private_key = var.private_key, private_key_passphrase = var.passphrase }
  }
}

resource "macos_pf_anchor" "test" {
  for_each = toset(["by-password", "by-key"])
  host     = each.key
  name     = "tfacc.secrets"
  rules    = "pass in proto tcp from any to any port ${2000 + var.step}\n"
}

resource "macos_launchdaemon" "test" {
  for_each                         = toset(["by-password", "by-key"])
  host                             = each.key
  label                            = "tfacc.secrets"
  program_arguments                = ["/bin/sh", "-c", "exec sleep 600"]
  environment_variables_wo         = { TOKEN = var.token }
  environment_variables_wo_version = var.step
}
`

// Whatever is secret in a configuration is in no log, however talkative, in no output, in no state, and in no argument on the Mac.
func TestSecrets(t *testing.T) {
	t.Parallel()
	secrets := map[string]string{"password": "hush/Pa5sw0rd+1", "passphrase": "hush Passphrase 2", "token": "hush=T0ken=3", "proxy": "hush-Pr0xy-4"}
	secrets["sudo_password"] = secrets["password"] // as macOS has it
	key, private := encryptedKey(t, secrets["passphrase"])
	macs := []*macsim.Mac{
		macsim.Start(t, macsim.Mac{Password: secrets["password"], Sudo: macsim.SudoPassword, Second: second}),
		macsim.Start(t, macsim.Mac{AuthorizedKeys: []ssh.PublicKey{key}, Second: second}),
	}
	var ends []any
	for _, mac := range macs {
		ends = append(ends, netip.MustParseAddrPort(mac.Addr()).Port(), strings.TrimSpace(string(ssh.MarshalAuthorizedKey(mac.HostKey()))))
	}

	logs := t.TempDir()
	tf := newCLI(t, "TF_LOG=TRACE", "TF_VAR_password="+secrets["password"], "TF_VAR_sudo_password="+secrets["sudo_password"],
		"TF_VAR_private_key="+private, "TF_VAR_passphrase="+secrets["passphrase"], "TF_VAR_token="+secrets["token"],
		"TF_VAR_proxy=socks5://user:"+secrets["proxy"]+"@"+socksServer(t))
	tf.configure(fmt.Sprintf(secretsConfig, ends...))
	for line := range strings.Lines(private) { // of which some may be enough
		if line = strings.TrimSpace(line); !strings.HasPrefix(line, "-----") && len(line) > 60 {
			secrets["private_key "+line[:8]] = line[10:50]
		}
	}

	said := map[string]string{}
	for i, step := range []struct {
		number string
		args   []string
	}{
		{"1", []string{"apply", "-auto-approve"}},
		{"2", []string{"plan", "-out=plan"}}, // which is to be kept secret itself: it has the variables
		{"2", []string{"show", "plan"}},
		{"2", []string{"apply", "plan"}},
		{"2", []string{"plan", "-detailed-exitcode"}},
		{"2", []string{"show", "-json"}},
		{"2", []string{"destroy", "-auto-approve"}},
	} {
		what := fmt.Sprintf("%s (%d)", strings.Join(step.args, " "), i+1)
		log := filepath.Join(logs, fmt.Sprint(i))
		env := tf.env
		tf.env = append(env, "TF_LOG_PATH="+log, "TF_VAR_step="+step.number)
		said["the output of "+what] = tf.run(step.args...)
		tf.env = env
		for name, file := range map[string]string{"the log": log, "the state": filepath.Join(tf.dir, "terraform.tfstate")} {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			said[name+" of "+what] = string(text)
		}
		if step.args[0] == "apply" { // else this test proves nothing
			if log := said["the log of "+what]; !strings.Contains(log, "Called provider defined Resource") {
				t.Errorf("the log of %s has no trace of the provider's", what)
			}
			for _, mac := range macs {
				if file, err := mac.Files().Read("/Library/LaunchDaemons/tfacc.secrets.plist"); err != nil || !strings.Contains(file, secrets["token"]) {
					t.Errorf("after %s, the job does not have its secret: %v\n%s", what, err, file)
				}
			}
		}
	}
	for _, mac := range macs {
		for _, call := range mac.Calls() {
			said["the arguments on a Mac"] += strings.Join(call.Argv, " ") + "\n"
		}
	}
	silent(t, said, secrets)
}

// Nor is it where something fails, which is told in many words, and where it comes from the environment.
func TestSecrets_failing(t *testing.T) {
	t.Parallel()
	const secret = "hush-S3cret-5"
	key, private := encryptedKey(t, "hush Passphrase 6")
	byPassword := macsim.Start(t, macsim.Mac{Password: "right", Sudo: macsim.SudoPassword})
	byKey := macsim.Start(t, macsim.Mac{AuthorizedKeys: []ssh.PublicKey{key}})
	for name, test := range map[string]struct {
		mac  *macsim.Mac
		env  []string
		says string
	}{
		"password":      {byPassword, []string{"MACOS_PASSWORD=" + secret}, "at: authentication"},
		"sudo password": {byPassword, []string{"MACOS_PASSWORD=right", "MACOS_SUDO_PASSWORD=" + secret}, "does not accept the provider's sudo_password"},
		"passphrase":    {byKey, []string{"MACOS_PRIVATE_KEY=" + private, "MACOS_PRIVATE_KEY_PASSPHRASE=" + secret}, "at: credentials"},
		"private key":   {byKey, []string{"MACOS_PRIVATE_KEY=" + secret}, "at: credentials"},
		"certificate":   {byKey, []string{"MACOS_PRIVATE_KEY=" + private, "MACOS_PRIVATE_KEY_PASSPHRASE=hush Passphrase 6", "MACOS_CERTIFICATE=" + secret}, "at: credentials"},
		"proxy":         {byKey, []string{"MACOS_PROXY=http://user:" + secret + "@127.0.0.1:1"}, "is no SOCKS server"},
		"proxy away":    {byKey, []string{"MACOS_PROXY=socks5://user:" + secret + "@127.0.0.1:1"}, "at: proxy"},
		"proxy command": {byKey, []string{"MACOS_PROXY_COMMAND=nc --password " + secret + " %x"}, "%x is not supported"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			at := netip.MustParseAddrPort(test.mac.Addr())
			log := filepath.Join(t.TempDir(), "log")
			tf := newCLI(t, append(test.env, "TF_LOG=TRACE", "TF_LOG_PATH="+log, "MACOS_SSH_CONFIG_FILE=none", "MACOS_USER=admin", "MACOS_HOST=127.0.0.1",
				fmt.Sprintf("MACOS_PORT=%d", at.Port()), "MACOS_HOST_KEY="+strings.TrimSpace(string(ssh.MarshalAuthorizedKey(test.mac.HostKey()))),
				"SSH_AUTH_SOCK=")...)
			tf.configure("provider \"macos\" {}\n\ndata \"macos_pf_status\" \"this\" {}\n")
			out, err := tf.try("plan")
			if err == nil || !strings.Contains(strings.Join(strings.Fields(strings.ReplaceAll(out, "│", " ")), " "), test.says) {
				t.Errorf("%v, and it does not say %q:\n%s", err, test.says, out)
			}
			text, err := os.ReadFile(log)
			if err != nil || !strings.Contains(string(text), "Called provider defined DataSource") && !strings.Contains(string(text), "provider defined Provider Configure") {
				t.Errorf("%v: the log has no trace of the provider's", err)
			}
			silent(t, map[string]string{"the output": out, "the log": string(text)}, map[string]string{name: secret})
		})
	}
}

// silent fails the test where one of what was said has one of the secrets.
func silent(t *testing.T, said, secrets map[string]string) {
	t.Helper()
	for where, text := range said {
		for name, secret := range secrets {
			for _, form := range forms(secret) {
				for line := range strings.Lines(text) {
					if strings.Contains(line, form) {
						t.Errorf("%s has %s:\n%.1000s", where, name, line)
					}
				}
			}
		}
	}
}

// forms are what a secret looks like as it is, and within anything that is base64.
func forms(secret string) []string {
	all := []string{secret}
	for skip := range 3 {
		// Three bytes are four characters. Those at the ends have bits of what is before and after.
		within := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", skip) + secret))
		all = append(all, within[4:len(within)/4*4-4])
	}
	return all
}

// encryptedKey makes a key pair.
func encryptedKey(t *testing.T, passphrase string) (public ssh.PublicKey, private string) {
	t.Helper()
	pub, priv, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKeyWithPassphrase(priv, "", []byte(passphrase))
	if err != nil {
		t.Fatal(err)
	}
	if public, err = ssh.NewPublicKey(pub); err != nil {
		t.Fatal(err)
	}
	return public, string(pem.EncodeToMemory(block))
}

// socksServer is a SOCKS server that asks for a password, takes any, and connects to addresses.
func socksServer(t *testing.T) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	serve := func(client net.Conn) error {
		defer client.Close()
		b := make([]byte, 256)
		next := func(n byte) []byte {
			_, _ = io.ReadFull(client, b[:n])
			return b[:n]
		}
		next(next(2)[1]) // the methods that it knows
		_, _ = client.Write([]byte{5, 2})
		next(next(2)[1]) // the user
		next(next(1)[0]) // the password
		_, _ = client.Write([]byte{1, 0})
		if kind := next(4)[3]; kind != 1 {
			return fmt.Errorf("address of kind %d", kind)
		}
		to, err := net.DialTCP("tcp", nil, net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.AddrFrom4([4]byte(next(4))), binary.BigEndian.Uint16(next(2)))))
		if err != nil {
			return err
		}
		defer to.Close()
		_, _ = client.Write([]byte{5, 0, 0, 1, 0, 0, 0, 0, 0, 0})
		go func() {
			_, _ = io.Copy(to, client)
			_ = to.CloseWrite()
		}()
		_, _ = io.Copy(client, to)
		return nil
	}
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				if err := serve(client); err != nil {
					t.Errorf("SOCKS: %v", err)
				}
			}()
		}
	}()
	return l.Addr().String()
}
