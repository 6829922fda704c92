package remote

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"github.com/skeema/knownhosts"
	"golang.org/x/crypto/ssh"
	xknownhosts "golang.org/x/crypto/ssh/knownhosts"
)

// checkHostKey fills in cfg's host key callback and algorithms for t. No key is ever accepted that is not known already.
func checkHostKey(t Target, cfg *ssh.ClientConfig) error {
	if t.HostKey != "" {
		return pinHostKey(t, cfg)
	}
	files := t.KnownHosts
	if files == nil {
		files = defaultKnownHosts()
	}
	var exist []string
	for _, f := range files {
		if _, err := os.Stat(f); err == nil {
			exist = append(exist, f)
		}
	}
	db, err := knownhosts.NewDB(exist...)
	if err != nil {
		return fmt.Errorf("reading known hosts: %w", err)
	}
	// Ask for a key of a type that is known; otherwise the server may show another one of its keys, which is unknown.
	cfg.HostKeyAlgorithms = db.HostKeyAlgorithms(t.addr())
	known := db.HostKeyCallback()
	cfg.HostKeyCallback = func(addr string, remote net.Addr, key ssh.PublicKey) error {
		err := known(addr, remote, key)
		var mismatch *xknownhosts.KeyError
		switch {
		case !errors.As(err, &mismatch):
			return err
		case len(mismatch.Want) == 0:
			unknown := &UnknownHostKeyError{
				Fingerprint: ssh.FingerprintSHA256(key),
				Line:        knownhosts.Line([]string{t.addr()}, key),
			}
			if len(files) > 0 {
				unknown.File = files[0]
			}
			return unknown
		default:
			changed := &ChangedHostKeyError{Fingerprint: ssh.FingerprintSHA256(key)}
			for _, k := range mismatch.Want {
				changed.Known = append(changed.Known, fmt.Sprintf("%s:%d", k.Filename, k.Line))
			}
			return changed
		}
	}
	return nil
}

// KnownHostsName is host:port as known_hosts files have it: without the port if that is 22, else [host]:port.
func KnownHostsName(addr string) string { return knownhosts.Normalize(addr) }

// pinHostKey accepts t.HostKey and nothing else.
func pinHostKey(t Target, cfg *ssh.ClientConfig) error {
	want, _, _, _, err := ssh.ParseAuthorizedKey([]byte(t.HostKey))
	if err != nil {
		return fmt.Errorf("host_key is not a public key as in known_hosts (\"ssh-ed25519 AAAA...\"): %w", err)
	}
	cfg.HostKeyAlgorithms = []string{want.Type()}
	if want.Type() == ssh.KeyAlgoRSA {
		cfg.HostKeyAlgorithms = []string{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256}
	}
	same := ssh.FixedHostKey(want)
	cfg.HostKeyCallback = func(addr string, remote net.Addr, key ssh.PublicKey) error {
		if same(addr, remote, key) != nil {
			return &ChangedHostKeyError{Fingerprint: ssh.FingerprintSHA256(key)}
		}
		return nil
	}
	return nil
}

func defaultKnownHosts() []string {
	files := []string{"/etc/ssh/ssh_known_hosts"}
	if home, err := os.UserHomeDir(); err == nil {
		files = append([]string{filepath.Join(home, ".ssh", "known_hosts")}, files...)
	}
	return files
}
