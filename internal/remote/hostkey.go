package remote

import (
	"cmp"
	"fmt"
	"net"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// checkHostKey fills in cfg's host key callback and algorithms for h. No key is ever accepted that is not known already.
func (h *hop) checkHostKey(cfg *ssh.ClientConfig) error {
	if h.hostKey != "" {
		return pinHostKey(h.hostKey, cfg)
	}
	name := h.hostKeyAlias
	if name == "" {
		name = knownhosts.Normalize(h.addr())
	}
	known, err := readKnownHosts(h.knownHosts, name)
	if err != nil {
		return fmt.Errorf("reading known hosts: %w", err)
	}
	otherPort := false
	if len(known.keys)+len(known.authorities) == 0 && h.hostKeyAlias == "" && name != h.host {
		// ssh also takes a key that is known for the host without a port.
		if known, err = readKnownHosts(h.knownHosts, h.host); err != nil {
			return fmt.Errorf("reading known hosts: %w", err)
		}
		otherPort = true
	}
	cfg.HostKeyAlgorithms = known.algorithms()
	cfg.HostKeyCallback = func(_ string, _ net.Addr, key ssh.PublicKey) error {
		accepted, err := known.accept(key, cmp.Or(h.hostKeyAlias, h.host))
		switch {
		case accepted || err != nil:
			return err
		case len(known.keys) == 0 || otherPort:
			unknown := &UnknownHostKeyError{Fingerprint: ssh.FingerprintSHA256(key), Line: knownhosts.Line([]string{name}, key), Lenient: h.lenient}
			if len(h.knownHosts) > 0 {
				unknown.File = h.knownHosts[0]
			}
			return unknown
		default:
			changed := &ChangedHostKeyError{Fingerprint: ssh.FingerprintSHA256(key), Name: name}
			for _, k := range known.keys {
				changed.Known = append(changed.Known, k.place())
			}
			return changed
		}
	}
	return nil
}

// accept reports whether key, or the certificate that it is, is known for the host. An error is a reason against it, known or not.
func (known *knownHosts) accept(key ssh.PublicKey, host string) (bool, error) {
	proofs := []ssh.PublicKey{key}
	cert, certified := key.(*ssh.Certificate)
	if certified {
		proofs = []ssh.PublicKey{cert.Key, cert.SignatureKey}
	}
	for _, proof := range proofs {
		if k, found := among(known.revoked, proof); found {
			return false, fmt.Errorf("the host key is revoked: %s, in %s", ssh.FingerprintSHA256(proof), k.place())
		}
	}
	if !certified {
		_, found := among(known.keys, key)
		return found, nil
	}
	if _, found := among(known.authorities, cert.SignatureKey); !found {
		if _, found := among(known.keys, cert.Key); found {
			return true, nil // as with ssh: the key itself is known
		}
		return false, fmt.Errorf("the host key is certified by another authority than is known: %s", ssh.FingerprintSHA256(cert.SignatureKey))
	}
	if cert.CertType != ssh.HostCert {
		return false, fmt.Errorf("the certificate of the host key is one of a user: %s", cert.KeyId)
	}
	if err := new(ssh.CertChecker).CheckCert(host, cert); err != nil {
		return false, fmt.Errorf("the certificate of the host key: %w", err)
	}
	return true, nil
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

// pinHostKey accepts the key that the text tells and nothing else.
func pinHostKey(text string, cfg *ssh.ClientConfig) error {
	want, _, _, _, err := ssh.ParseAuthorizedKey([]byte(text))
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
