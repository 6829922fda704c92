package remote_test

import (
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/macos-fleet/terraform-provider-macos/internal/remote"
)

// What known_hosts files may say, and what that means for a server with keys of three kinds, and for those with a certificate for their
// second key. ssh is asked as well, and must agree. Nobody logs in.
func TestSSHD_hostKey(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	authority := newKey(t, filepath.Join(dir, "authority"), "ed25519", "")
	other := newKey(t, filepath.Join(dir, "other"), "ed25519", "")
	second := newKey(t, filepath.Join(dir, "host_ecdsa"), "ecdsa", "")
	third := newKey(t, filepath.Join(dir, "host_rsa"), "rsa", "")
	plain := sshd(t, nil, "AuthorizedKeysFile none", "HostKey "+filepath.Join(dir, "host_ecdsa"), "HostKey "+filepath.Join(dir, "host_rsa"))
	certifiedAs := func(name string, change func(*ssh.Certificate)) *server {
		file := filepath.Join(dir, name+"-cert.pub")
		certificate(t, authority, second.PublicKey(), file, func(c *ssh.Certificate) {
			c.CertType, c.ValidPrincipals = ssh.HostCert, []string{"127.0.0.1", "mini.lan"}
			change(c)
		})
		return sshd(t, nil, "AuthorizedKeysFile none", "HostKey "+filepath.Join(dir, "host_ecdsa"), "HostKey "+filepath.Join(dir, "host_rsa"),
			"HostCertificate "+file)
	}
	certified := certifiedAs("good", func(*ssh.Certificate) {})
	expired := certifiedAs("expired", func(c *ssh.Certificate) { c.ValidBefore = uint64(time.Now().Add(-time.Minute).Unix()) })
	elsewhere := certifiedAs("elsewhere", func(c *ssh.Certificate) { c.ValidPrincipals = []string{"maxi.lan"} })
	anywhere := certifiedAs("anywhere", func(c *ssh.Certificate) { c.ValidPrincipals = nil })
	critical := certifiedAs("critical", func(c *ssh.Certificate) { c.CriticalOptions = map[string]string{"unheard-of": ""} })
	here := "[127.0.0.1]:" + plain.port
	line := func(name string, key ssh.Signer) string { return name + " " + authorized(key.PublicKey()) + "\n" }
	everywhere := line("@cert-authority *", authority)
	// revokes is a RevokedHostKeys of this text.
	revokes := func(name, text string) []string {
		file := filepath.Join(dir, name)
		write(t, file, text)
		return []string{"RevokedHostKeys " + file}
	}

	type unknown = *remote.UnknownHostKeyError
	type changed = *remote.ChangedHostKeyError
	for name, test := range map[string]struct {
		at      *server  // nil: the one without a certificate, or the one with a good one if an authority is known
		text    string   // of the first known_hosts file
		options []string // of ssh
		says    string   // "": it is accepted
		is      any      // what the error is, nil: nothing in particular
	}{
		"first-kind":             {text: line(here, plain.hostKey)},
		"long-line":              {text: line(strings.Repeat("maxi.lan,", 1<<14)+here, plain.hostKey)},
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

		"third-kind":             {text: line(here, third)},
		"certificate-not-wanted": {at: certified, text: line("[127.0.0.1]:*", third)},
		"certified-anywhere":     {at: anywhere, text: everywhere},
		"expired-but-known":      {at: expired, text: everywhere + line("[127.0.0.1]:*", second)},
		"elsewhere-but-known":    {at: elsewhere, text: everywhere + line("[127.0.0.1]:*", second)},
		"critical-but-known":     {at: critical, text: everywhere + line("127.0.0.1", second)},
		"revoked-elsewhere":      {text: line(here, plain.hostKey) + line("@revoked maxi.lan,[127.0.0.1]:1", plain.hostKey)},
		"another-key-by-file":    {text: line(here, plain.hostKey), options: revokes("another", "# lost\n\n"+line("", other)+line("", third))},

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
		"expired":               {at: expired, text: everywhere, says: "expired", is: new(unknown)},
		"expired-other-kind":    {at: expired, text: everywhere + line("[127.0.0.1]:*", expired.hostKey), says: "expired", is: new(unknown)},
		"elsewhere":             {at: elsewhere, text: everywhere, says: "maxi.lan", is: new(unknown)},
		"critical":              {at: critical, text: everywhere, says: "unheard-of", is: new(unknown)},
		"revoked-with-the-port": {text: line("127.0.0.1", plain.hostKey) + line("@revoked "+here, plain.hostKey), says: "revoked"},
		"revoked-and-known":     {at: certified, text: everywhere + line("[127.0.0.1]:*", second) + line("@revoked *", second), says: "revoked"},
		"revoked-though-known":  {text: everywhere + line("[127.0.0.1]:*", second) + line("@revoked *", authority), says: "revoked"},
		"by-file":               {text: line(here, plain.hostKey), options: revokes("this", line("", other)+line("", plain.hostKey)), says: filepath.Join(dir, "this") + ":2"},
		"authority-by-file":     {text: everywhere, options: revokes("authority-gone", line("", authority)), says: "revoked"},
		"certified-by-file":     {text: everywhere, options: revokes("certified-gone", line("", second)), says: "revoked"},
		"by-file-without-it":    {text: line(here, plain.hostKey), options: []string{"RevokedHostKeys /nowhere"}, says: "/nowhere"},
		"by-file-of-nonsense":   {text: line(here, plain.hostKey), options: revokes("nonsense", line("", other)+"nonsense\n"), says: "line 2"},
		"by-krl":                {text: line(here, plain.hostKey), options: krl(t, plain.hostKey), says: "KRL"},
		"by-command":            {text: "", options: []string{"KnownHostsCommand /bin/echo"}, says: "KnownHostsCommand"},
		"certified-for-another": {text: line("@cert-authority *", authority), options: []string{"HostKeyAlias maxi.lan"}, says: "maxi.lan"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := test.at
			switch {
			case s == nil && strings.Contains(test.text, "@cert-authority"):
				s = certified
			case s == nil:
				s = plain
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
	if !errors.As(err, &changed) || len(changed.Known) != 1 || changed.Known[0] != file+":2" || len(changed.Forget) != 1 {
		t.Fatalf("got %v: %+v", err, changed)
	}
	if out, err := exec.Command("sh", "-c", changed.Forget[0]).CombinedOutput(); err != nil && sshThere() {
		t.Errorf("%s: %v: %s", changed.Forget[0], err, out)
	}
	if err := hello(t, to); sshThere() && !errors.As(err, &unknown) {
		t.Errorf("after the old key was taken away: got %v", err)
	}

	// There is no use in adding a line to what nobody reads.
	if err := hello(t, configured(t, s.config(t, "mini", "UserKnownHostsFile /dev/null"))); !errors.As(err, &unknown) || unknown.File != "" {
		t.Errorf("got %v: %+v", err, unknown)
	}
}

// What the provider is told of host keys takes the place of what ssh's command would say of them. What is revoked stays so.
func TestSSHD_hostKeyGiven(t *testing.T) {
	t.Parallel()
	s := sshd(t, start(t))
	known, revoked := filepath.Join(t.TempDir(), "known"), filepath.Join(t.TempDir(), "revoked")
	write(t, known, s.known())
	write(t, revoked, authorized(s.hostKey.PublicKey()))
	for name, test := range map[string]struct {
		options []string
		hostKey string
		known   []string
		says    string // "": it is accepted
	}{
		"pinned":         {[]string{"KnownHostsCommand /bin/false"}, authorized(s.hostKey.PublicKey()), nil, ""},
		"known":          {[]string{"KnownHostsCommand /bin/false"}, "", []string{known}, ""},
		"pinned-revoked": {[]string{"RevokedHostKeys " + revoked}, authorized(s.hostKey.PublicKey()), nil, "revoked"},
		"known-revoked":  {[]string{"RevokedHostKeys " + revoked}, "", []string{known}, "revoked"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			to := configured(t, s.config(t, "mini", test.options...))
			to.HostKey, to.KnownHosts = test.hostKey, test.known
			if err := hello(t, to); (err == nil) != (test.says == "") || err != nil && !strings.Contains(err.Error(), test.says) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// krl is a RevokedHostKeys that is a key revocation list of ssh-keygen's, about this key.
func krl(t *testing.T, key ssh.Signer) []string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "krl")
	write(t, file+".pub", authorized(key.PublicKey()))
	if out, err := exec.Command("ssh-keygen", "-k", "-f", file, file+".pub").CombinedOutput(); err != nil {
		t.Skipf("ssh-keygen: %v: %s", err, out)
	}
	return []string{"RevokedHostKeys " + file}
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
