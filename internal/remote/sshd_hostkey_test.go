package remote_test

import (
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/macos-fleet/terraform-provider-macos/internal/remote"
)

// What known_hosts files may say, and what that means for a server with keys of two kinds, and for one with a certificate for its
// second key. ssh is asked as well, and must agree. Nobody logs in.
func TestSSHD_hostKey(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	authority := newKey(t, filepath.Join(dir, "authority"), "ed25519", "")
	other := newKey(t, filepath.Join(dir, "other"), "ed25519", "")
	second := newKey(t, filepath.Join(dir, "host_ecdsa"), "ecdsa", "")
	certificate(t, authority, second.PublicKey(), filepath.Join(dir, "host_ecdsa-cert.pub"), func(c *ssh.Certificate) {
		c.CertType, c.ValidPrincipals = ssh.HostCert, []string{"127.0.0.1", "mini.lan"}
	})
	plain := sshd(t, nil, "AuthorizedKeysFile none", "HostKey "+filepath.Join(dir, "host_ecdsa"))
	certified := sshd(t, nil, "AuthorizedKeysFile none", "HostKey "+filepath.Join(dir, "host_ecdsa"), "HostCertificate "+filepath.Join(dir, "host_ecdsa-cert.pub"))
	here := "[127.0.0.1]:" + plain.port
	line := func(name string, key ssh.Signer) string { return name + " " + authorized(key.PublicKey()) + "\n" }

	type unknown = *remote.UnknownHostKeyError
	type changed = *remote.ChangedHostKeyError
	for name, test := range map[string]struct {
		text    string   // of the first known_hosts file
		options []string // of ssh
		says    string   // "": it is accepted
		is      any      // what the error is, nil: nothing in particular
	}{
		"first-kind":             {text: line(here, plain.hostKey)},
		"second-kind":            {text: line(here, second)},
		"hashed":                 {text: hashed(t, line(here, second))},
		"hashed-among-others":    {text: hashed(t, line("a,b", other)) + hashed(t, line(here, plain.hostKey))},
		"pattern":                {text: line("[127.*]:"+plain.port, plain.hostKey)},
		"without-a-port":         {text: line("127.0.0.1", plain.hostKey)},
		"several-keys":           {text: line(here, other) + line(here, plain.hostKey)},
		"second-file":            {text: line("elsewhere", other), options: []string{"GlobalKnownHostsFile " + filepath.Join(dir, "global")}},
		"lines-nobody-knows":     {text: "@never a b c\n" + here + " ssh-new AAAA\nnonsense\n" + here + " 1024 35 1\n" + line(here, plain.hostKey)},
		"alias":                  {text: line("mini", plain.hostKey), options: []string{"HostKeyAlias mini"}},
		"authority":              {text: line("@cert-authority *", authority)},
		"authority-and-key":      {text: line("@cert-authority [127.0.0.1]:*", authority) + line("127.0.0.1", certified.hostKey)},
		"authority-by-alias":     {text: line("@cert-authority *.lan", authority), options: []string{"HostKeyAlias mini.lan"}},
		"other-authority-known":  {text: line("@cert-authority *", other) + line("[127.0.0.1]:*", second)},
		"one-of-two-authorities": {text: line("@cert-authority *", other) + line("@cert-authority *", authority)},

		"empty":                 {text: "", says: "unknown: ", is: new(unknown)},
		"excluded":              {text: line("!"+here+",!127.0.0.1,*", plain.hostKey), says: "unknown: ", is: new(unknown)},
		"another-port":          {text: line("[127.0.0.1]:1", plain.hostKey), says: "unknown: ", is: new(unknown)},
		"other-without-a-port":  {text: line("127.0.0.1", other), says: "unknown: ", is: new(unknown)},
		"not-by-alias":          {text: line(here, plain.hostKey), options: []string{"HostKeyAlias mini"}, says: "unknown: ", is: new(unknown)},
		"never-mind-strictness": {text: "", options: []string{"StrictHostKeyChecking no"}, says: "unknown: ", is: new(unknown)},
		"accept-new":            {text: "", options: []string{"StrictHostKeyChecking accept-new"}, says: "unknown: ", is: new(unknown)},
		"changed":               {text: line(here, other), says: "has changed", is: new(changed)},
		"revoked":               {text: line(here, plain.hostKey) + line("@revoked *", plain.hostKey), says: "revoked"},
		"revoked-authority":     {text: line("@cert-authority *", authority) + line("@revoked *", authority), says: "revoked"},
		"revoked-certified-key": {text: line("@cert-authority *", authority) + line("@revoked *", second), says: "revoked"},
		"unknown-authority":     {text: line("@cert-authority *", other), says: "another authority"},
		"authority-as-a-key":    {text: line(here, authority), says: "has changed", is: new(changed)},
		"certified-for-another": {text: line("@cert-authority *", authority), options: []string{"HostKeyAlias maxi.lan"}, says: "maxi.lan"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := plain
			if strings.Contains(test.text, "@cert-authority") {
				s = certified
			}
			file := filepath.Join(t.TempDir(), "known_hosts")
			write(t, file, test.text)
			to := configured(t, s.config(t, "mini", append(test.options, "UserKnownHostsFile "+file)...))
			write(t, filepath.Join(dir, "global"), line(here, plain.hostKey))
			if trusted, ok := sshTrusts(to.ConfigFile); ok && trusted != (test.says == "") {
				t.Errorf("ssh itself decides otherwise: %v", trusted)
			}
			err := hello(t, to)
			var dial *remote.DialError
			switch {
			case test.says == "" && errors.As(err, &dial) && dial.Stage == remote.StageAuth: // it came as far as the login
			case test.says == "":
				t.Errorf("got %v", err)
			case !errors.As(err, &dial) || dial.Stage != remote.StageHostKey || !strings.Contains(err.Error(), test.says):
				t.Errorf("got %v", err)
			case test.is != nil && !errors.As(err, test.is):
				t.Errorf("got %T: %v", dial.Err, err)
			}
		})
	}
}

// sshTrusts asks ssh itself whether it would log in to mini; ok is false where there is none.
func sshTrusts(config string) (trusted, ok bool) {
	ssh, err := exec.LookPath("ssh")
	if err != nil {
		return false, false
	}
	out, _ := exec.Command(ssh, "-F", config, "-o", "StrictHostKeyChecking=yes", "-o", "PreferredAuthentications=none", "mini").CombinedOutput()
	return strings.Contains(string(out), "Permission denied"), true
}

func sshThere() bool {
	_, err := exec.LookPath("ssh")
	return err == nil
}

// What is told of an unknown key is all that is missing; what is told of a changed one leads to the old one.
func TestSSHD_hostKeyAdvice(t *testing.T) {
	t.Parallel()
	s := sshd(t, start(t))
	file := filepath.Join(t.TempDir(), "known_hosts")
	to := configured(t, s.config(t, "mini", "UserKnownHostsFile "+file))
	err := hello(t, to)
	var unknown *remote.UnknownHostKeyError
	if !errors.As(err, &unknown) || unknown.File != file || unknown.Fingerprint != ssh.FingerprintSHA256(s.hostKey.PublicKey()) {
		t.Fatalf("got %v", err)
	}
	lenient := configured(t, s.config(t, "mini", "UserKnownHostsFile "+file, "StrictHostKeyChecking accept-new"))
	if err := hello(t, lenient); !errors.As(err, &unknown) || sshThere() && unknown.Lenient != "accept-new" {
		t.Errorf("got %v, lenient %q", err, unknown.Lenient)
	}
	write(t, unknown.File, unknown.Line+"\n")
	if err := hello(t, to); err != nil {
		t.Error(err)
	}

	other := newKey(t, filepath.Join(s.dir, "other"), "ed25519", "")
	write(t, file, "\n"+strings.Fields(unknown.Line)[0]+" "+authorized(other.PublicKey())+"\n")
	err = hello(t, to)
	var changed *remote.ChangedHostKeyError
	if !errors.As(err, &changed) || len(changed.Known) != 1 || changed.Known[0] != file+":2" || changed.Name != "[127.0.0.1]:"+s.port {
		t.Errorf("got %+v", changed)
	}
}

// hashed is known_hosts lines with their names hashed by ssh-keygen.
func hashed(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "known_hosts")
	write(t, file, text)
	if out, err := exec.Command("ssh-keygen", "-H", "-f", file).CombinedOutput(); err != nil {
		t.Skipf("ssh-keygen: %v: %s", err, out)
	}
	return read(t, file)
}
