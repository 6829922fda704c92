package remote

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// key is a private key, or one with a certificate, that may log in.
type key struct {
	signer ssh.Signer // not embedded, which would hide by which algorithms it signs: those of an RSA key are not its own
	name   string     // for messages: what it is and where it is from
}

func newKey(signer ssh.Signer, from string) key {
	kind := strings.TrimSuffix(signer.PublicKey().Type(), "@openssh.com")
	return key{signer, fmt.Sprintf("%s %s (%s)", kind, ssh.FingerprintSHA256(signer.PublicKey()), from)}
}

// find returns the one of keys that has this public key.
func find(keys []key, public ssh.PublicKey) (key, bool) {
	i := slices.IndexFunc(keys, func(k key) bool { return bytes.Equal(k.signer.PublicKey().Marshal(), public.Marshal()) })
	if i < 0 {
		return key{}, false
	}
	return keys[i], true
}

// gather finds the keys that may log in at the hop, once, in the order in which they are offered: the one that logged in last time,
// those with certificates, the one that is given, and then the configured ones before the agent's, or the agent's before those that ssh
// finds by itself.
func (l *login) gather() error {
	if l.gathered {
		return nil
	}
	l.gathered = true
	h := l.hop
	var keys, files, held, certified []key
	if h.privateKey != "" {
		k, err := l.readGiven()
		if err != nil {
			return err
		}
		keys = append(keys, k)
		if h.privateKeyFile != "" && h.certificate == "" {
			certified = l.readCertificates(nil, []string{h.privateKeyFile}, keys)
		}
	}
	if h.privateKey == "" || h.jump {
		var err error
		if held, err = l.askAgent(); err != nil {
			return err
		}
		for _, file := range h.identities {
			if k, ok := l.readIdentity(file, held); ok {
				files = append(files, k)
			}
		}
		certified = append(certified, l.readCertificates(h.certificates, h.identities, slices.Concat(files, held))...)
	}
	if h.certificate != "" {
		k, err := certify([]byte(h.certificate), slices.Concat(keys, files, held), "as given")
		switch {
		case err == nil:
			certified = slices.Concat([]key{k}, certified)
		case errors.Is(err, errKeyless) && h.jump: // it may be for a key that only the Mac is offered
			l.left = append(l.left, "the certificate: "+err.Error())
		default:
			return &GivenError{"Certificate", "the certificate", l.because(err)}
		}
	}
	switch {
	case h.identitiesOnly:
		keys = slices.Concat(keys, files)
	case h.named:
		keys = slices.Concat(keys, files, held)
	default:
		keys = slices.Concat(keys, held, files)
	}
	keys = slices.Concat(certified, keys)
	if i := slices.IndexFunc(keys, func(k key) bool { return bytes.Equal(k.signer.PublicKey().Marshal(), h.worked) }); i > 0 {
		keys = slices.Concat(keys[i:i+1], keys)
	}
	for _, k := range keys {
		if _, twice := find(l.keys, k.signer.PublicKey()); !twice {
			l.keys = append(l.keys, k)
		}
	}
	return nil
}

// readGiven reads the private key that is given. One that is encrypted, and for which there is no passphrase, may be held by the agent.
func (l *login) readGiven() (key, error) {
	failed := func(err error) (key, error) {
		return key{}, &GivenError{"PrivateKey", cmp.Or(l.hop.privateKeyFile, "the private key"), err}
	}
	signer, err := parseKey([]byte(l.hop.privateKey), l.hop.passphrase)
	if err == nil {
		return newKey(signer, cmp.Or(l.hop.privateKeyFile, "as given")), nil
	}
	if _, _, _, _, notPublic := ssh.ParseAuthorizedKey([]byte(l.hop.privateKey)); notPublic == nil {
		return failed(errors.New("it is a public key, and the private one is wanted"))
	}
	var sealed *ssh.PassphraseMissingError
	if !errors.As(err, &sealed) || sealed.PublicKey == nil {
		return failed(err)
	}
	held, err := l.askAgent()
	if err != nil {
		return key{}, err
	}
	if k, ok := find(held, sealed.PublicKey); ok {
		return k, nil
	}
	return failed(l.because(errors.New("it is encrypted, there is no passphrase for it, and no agent holds it")))
}

// because adds to an error what could not be offered, and why.
func (l *login) because(err error) error {
	if len(l.left) == 0 {
		return err
	}
	return fmt.Errorf("%w (%s)", err, strings.Join(l.left, "; "))
}

// askAgent returns the keys that the agent holds, which it is asked once. An agent that does not answer holds none, unless it was named.
func (l *login) askAgent() ([]key, error) {
	socket := l.hop.agent
	if socket == "" || l.asked {
		return l.held, nil
	}
	l.asked = true
	var err error
	if l.hop.agentMust {
		socket, err = namedAgent(socket)
	}
	var signers []ssh.Signer
	if err == nil {
		signers, err = l.dialAgent(socket)
	}
	if err != nil {
		failed := &GivenError{"Agent", "the agent at " + socket, err}
		if l.hop.agentMust {
			return nil, failed
		}
		l.left = append(l.left, failed.Error())
		return nil, nil
	}
	for _, signer := range signers {
		late := &lateSigner{public: signer.PublicKey(), open: func() (ssh.Signer, error) { return signer, nil }}
		l.held = append(l.held, l.late(late, "from the agent"))
	}
	return l.held, nil
}

func (l *login) dialAgent(socket string) ([]ssh.Signer, error) {
	conn, err := dialSocket(socket)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	l.agent = conn
	closed := l.closed
	l.mu.Unlock()
	if closed {
		_ = conn.Close()
	}
	signers, err := agent.NewClient(conn).Signers()
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil && l.closed {
		return nil, errors.New("it did not answer within the connect timeout; it may wait for somebody's consent")
	}
	return signers, err
}

// readIdentity reads a file that the configuration names: a private key, or a public one whose private key the agent holds. A file KEY.pub
// tells the public key where KEY itself does not.
func (l *login) readIdentity(file string, held []key) (key, bool) {
	leave := func(why string) (key, bool) {
		l.left = append(l.left, file+": "+why)
		return key{}, false
	}
	text, err := os.ReadFile(file)
	if err == nil {
		signer, parseErr := plainKey(text)
		if parseErr == nil {
			return newKey(signer, file), true
		}
		err = parseErr
	}
	var sealed *ssh.PassphraseMissingError
	public, _, _, _, notPublic := ssh.ParseAuthorizedKey(text)
	if errors.As(err, &sealed) {
		public = sealed.PublicKey
	}
	if public == nil {
		beside, _ := os.ReadFile(file + ".pub")
		public, _, _, _, _ = ssh.ParseAuthorizedKey(beside)
	}
	if public != nil {
		if k, ok := find(held, public); ok {
			return k, true
		}
	}
	switch {
	case errors.Is(err, fs.ErrNotExist) && !l.hop.named:
		return key{}, false
	case notPublic == nil:
		return leave("a public key, and the agent does not hold the private one")
	case sealed == nil:
		return leave(err.Error())
	case l.hop.passphrase == "":
		return leave("encrypted, and there is no passphrase for it")
	case public == nil:
		signer, err := parseKey(text, l.hop.passphrase)
		if err != nil {
			return leave(err.Error())
		}
		return newKey(signer, file), true
	default:
		return l.late(&lateSigner{public: public, open: func() (ssh.Signer, error) { return parseKey(text, l.hop.passphrase) }}, file), true
	}
}

// readCertificates reads the certificates in these files, and those in KEY-cert.pub beside the identities, as far as their keys are there.
// One that is of no use is left aside, as with ssh.
func (l *login) readCertificates(files, identities []string, keys []key) []key {
	var certified []key
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err == nil {
			var k key
			if k, err = certify(text, keys, file); err == nil {
				certified = append(certified, k)
				continue
			}
		}
		l.left = append(l.left, file+": "+err.Error())
	}
	for _, file := range identities {
		beside := strings.TrimSuffix(file, ".pub") + "-cert.pub"
		text, err := os.ReadFile(beside)
		if err != nil {
			continue
		}
		k, err := certify(text, keys, beside)
		if err != nil {
			l.left = append(l.left, beside+": "+err.Error())
			continue
		}
		certified = append(certified, k)
	}
	return certified
}

var errKeyless = errors.New("a certificate, and its private key is not there")

// certify joins a certificate to the one of keys that it is about.
func certify(text []byte, keys []key, from string) (key, error) {
	public, _, _, _, err := ssh.ParseAuthorizedKey(text)
	if err != nil {
		return key{}, err
	}
	certificate, ok := public.(*ssh.Certificate)
	if !ok {
		return key{}, errors.New("a public key, and no certificate")
	}
	if until := certificate.ValidBefore; until != ssh.CertTimeInfinity && uint64(time.Now().Unix()) >= until {
		return key{}, fmt.Errorf("the certificate has expired, at %v", time.Unix(int64(until), 0).UTC())
	}
	k, ok := find(keys, certificate.Key)
	if !ok {
		return key{}, errKeyless
	}
	signer, err := ssh.NewCertSigner(certificate, k.signer)
	if err != nil {
		return key{}, err
	}
	return newKey(signer, from), nil
}

// decrypted keeps keys that were encrypted, since decrypting one takes as long as several logins, and the same one may be for many
// Macs: func() (ssh.Signer, error) by the hash of its text and passphrase.
var decrypted sync.Map

func parseKey(text []byte, passphrase string) (ssh.Signer, error) {
	signer, err := plainKey(text)
	var sealed *ssh.PassphraseMissingError
	if !errors.As(err, &sealed) || passphrase == "" {
		return signer, err
	}
	id := sha256.Sum256(slices.Concat(text, []byte{0}, []byte(passphrase)))
	kept, _ := decrypted.LoadOrStore(id, sync.OnceValues(func() (ssh.Signer, error) {
		signer, err := ssh.ParsePrivateKeyWithPassphrase(text, []byte(passphrase))
		if errors.Is(err, x509.IncorrectPasswordError) {
			err = errors.New("the passphrase does not open it")
		}
		return signer, err
	}))
	if open, ok := kept.(func() (ssh.Signer, error)); ok {
		return open()
	}
	return nil, err
}

// plainKey reads a private key, or says what it takes to read it, also for what the library has no words.
func plainKey(text []byte) (ssh.Signer, error) {
	signer, err := ssh.ParsePrivateKey(text)
	text = bytes.TrimSpace(text)
	block, _ := pem.Decode(text)
	switch {
	case err == nil:
	case block != nil && block.Type == "ENCRYPTED PRIVATE KEY":
		err = errors.New("it is encrypted in the form of PKCS#8, which is not read here: a copy that `ssh-keygen -p -f COPY` has changed is in OpenSSH's own form")
	case block != nil || !bytes.HasPrefix(text, []byte("-----BEGIN ")):
	case !bytes.Contains(text, []byte("\n")):
		err = errors.New("it stands on one line: a private key has line breaks, and blanks or a \\n that is written out are none")
	default:
		err = errors.New("it begins as a private key does, but is not whole: lines may be missing, broken or indented")
	}
	return signer, err
}

// lateSigner is a key whose private part is needed, or asked for, only when the server has accepted the public one.
type lateSigner struct {
	public ssh.PublicKey
	open   func() (ssh.Signer, error)
	failed func(error) // told why there is no signature, since the handshake then goes on with other keys
}

// late makes a key of s.
func (l *login) late(s *lateSigner, from string) key {
	k := newKey(s, from)
	s.failed = func(err error) { l.left = append(l.left, k.name+": "+err.Error()) }
	return k
}

// PublicKey is what the server is asked about.
func (s *lateSigner) PublicKey() ssh.PublicKey { return s.public }

// Sign is for servers that know no other algorithms of a key than its own.
func (s *lateSigner) Sign(rand io.Reader, data []byte) (*ssh.Signature, error) {
	return s.SignWithAlgorithm(rand, data, "")
}

// SignWithAlgorithm makes the signature; an empty algorithm is the key's own.
func (s *lateSigner) SignWithAlgorithm(rand io.Reader, data []byte, algorithm string) (*ssh.Signature, error) {
	signer, err := s.open()
	if err == nil {
		if able, ok := signer.(ssh.AlgorithmSigner); ok {
			var signature *ssh.Signature
			if signature, err = able.SignWithAlgorithm(rand, data, algorithm); err == nil {
				return signature, nil
			}
		} else {
			err = fmt.Errorf("%T makes no such signature", signer)
		}
	}
	s.failed(err)
	return nil, err
}
