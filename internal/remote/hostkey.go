package remote

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// checkHostKey fills in cfg's host key callback and algorithms for h. No key is ever accepted that is not known already, or is revoked: by
// RevokedHostKeys, or, unless it is given as the host_key, by a line @revoked.
func (h *hop) checkHostKey(cfg *ssh.ClientConfig) error {
	revoked, err := readRevoked(h.revokedHostKeys)
	if err != nil {
		return fmt.Errorf("reading ssh's RevokedHostKeys: %w", err)
	}
	if h.hostKey != "" {
		return pinHostKey(h.hostKey, revoked, cfg)
	}
	if h.knownHostsCommand != "" {
		return errors.New("KnownHostsCommand of ssh's configuration is not supported, and it would say which keys are known and which are revoked")
	}
	name := h.hostKeyAlias
	if name == "" {
		name = knownhosts.Normalize(h.addr())
	}
	known, err := readKnownHosts(h.knownHosts, name)
	if err != nil {
		return fmt.Errorf("reading known hosts: %w", err)
	}
	otherPort := len(known.keys) == 0 && h.hostKeyAlias == "" && name != h.host
	if otherPort {
		// ssh also takes a key that is known for the host without a port.
		bare, err := readKnownHosts(h.knownHosts, h.host)
		if err != nil {
			return fmt.Errorf("reading known hosts: %w", err)
		}
		known.keys, known.authorities = bare.keys, append(known.authorities, bare.authorities...)
		revoked = append(revoked, bare.revoked...)
	}
	revoked = append(revoked, known.revoked...)
	cfg.HostKeyAlgorithms = known.algorithms()
	cfg.HostKeyCallback = func(_ string, _ net.Addr, key ssh.PublicKey) error {
		proofs := []ssh.PublicKey{key}
		cert, certified := key.(*ssh.Certificate)
		if certified {
			key, proofs = cert.Key, []ssh.PublicKey{cert.Key, cert.SignatureKey}
		}
		if err := refuse(revoked, proofs...); err != nil {
			return err
		}
		var invalid error // As with ssh, a certificate that does not count says nothing against the key in it.
		if certified {
			if invalid = known.certifies(cert, cmp.Or(h.hostKeyAlias, strings.ToLower(h.host))); invalid == nil {
				return nil
			}
		}
		if _, found := among(known.keys, key); found {
			return nil
		}
		if len(known.keys) == 0 || otherPort || certified {
			return &UnknownHostKeyError{
				Fingerprint: ssh.FingerprintSHA256(key), Line: knownhosts.Line([]string{name}, key), File: h.knownHostsFile(),
				Lenient: h.lenient, Certificate: invalid,
			}
		}
		return changedHostKey(key, name, known.keys)
	}
	return nil
}

// knownHostsFile is where a user would add a key; "": nowhere.
func (h *hop) knownHostsFile() string {
	for _, file := range h.knownHosts {
		if file != "/dev/null" && !strings.EqualFold(file, os.DevNull) {
			return file
		}
	}
	return ""
}

// changedHostKey is the error of a key that is not among those that are known.
func changedHostKey(key ssh.PublicKey, name string, known []knownKey) error {
	changed := &ChangedHostKeyError{Fingerprint: ssh.FingerprintSHA256(key)}
	for _, k := range known {
		changed.Known = append(changed.Known, k.place())
		if forget := fmt.Sprintf("ssh-keygen -R %s -f %s", quote(name), quote(k.file)); !slices.Contains(changed.Forget, forget) {
			changed.Forget = append(changed.Forget, forget)
		}
	}
	return changed
}

// refuse is the error if one of the keys is revoked.
func refuse(revoked []knownKey, keys ...ssh.PublicKey) error {
	for _, key := range keys {
		if k, found := among(revoked, key); found {
			return fmt.Errorf("the host key is revoked: %s, in %s", ssh.FingerprintSHA256(key), k.place())
		}
	}
	return nil
}

// certifies is the reason why a certificate does not make its key that of the host; nil: it does.
func (known *knownHosts) certifies(cert *ssh.Certificate, host string) error {
	if _, found := among(known.authorities, cert.SignatureKey); !found {
		return fmt.Errorf("it is certified by another authority than is known: %s", ssh.FingerprintSHA256(cert.SignatureKey))
	}
	if cert.Signature.Format == ssh.KeyAlgoRSA { // ssh takes none either, by its CASignatureAlgorithms
		return errors.New("it is signed with SHA-1")
	}
	if cert.CertType != ssh.HostCert {
		return fmt.Errorf("it is the certificate of a user: %s", cert.KeyId)
	}
	return new(ssh.CertChecker).CheckCert(host, cert)
}

// algorithms are those that the server is to use, best first: a certificate where an authority is known for it, then the kinds of
// keys that are known. All others follow, so that a server that has none of these shows what it has. Certificates without an authority are
// not asked for, as they would hide the key.
func (known *knownHosts) algorithms() []string {
	rank := func(algorithm string) int {
		kind := algorithm
		if strings.HasPrefix(kind, "rsa-sha2-") {
			kind = ssh.KeyAlgoRSA
		}
		switch {
		case strings.Contains(algorithm, "-cert-"):
			return 0
		case slices.ContainsFunc(known.keys, func(k knownKey) bool { return k.Type() == kind }):
			return 1
		case kind == ssh.KeyAlgoED25519:
			return 2
		default:
			return 3
		}
	}
	all := ssh.SupportedAlgorithms().HostKeys
	if len(known.authorities) == 0 {
		all = slices.DeleteFunc(all, func(a string) bool { return rank(a) == 0 })
	}
	slices.SortStableFunc(all, func(a, b string) int { return cmp.Compare(rank(a), rank(b)) })
	return all
}

// pinHostKey accepts the key that the text tells, unless it is revoked, and nothing else.
func pinHostKey(text string, revoked []knownKey, cfg *ssh.ClientConfig) error {
	want, _, _, _, err := ssh.ParseAuthorizedKey([]byte(text))
	if err != nil {
		return fmt.Errorf("host_key is not a public key as in known_hosts (\"ssh-ed25519 AAAA...\"): %w", err)
	}
	if err := refuse(revoked, want); err != nil {
		return err
	}
	cfg.HostKeyAlgorithms = []string{want.Type()}
	if want.Type() == ssh.KeyAlgoRSA {
		cfg.HostKeyAlgorithms = []string{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256}
	}
	same := ssh.FixedHostKey(want)
	cfg.HostKeyCallback = func(addr string, remote net.Addr, key ssh.PublicKey) error {
		if same(addr, remote, key) != nil {
			return changedHostKey(key, "", nil)
		}
		return nil
	}
	return nil
}
