package remote_test

import (
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"github.com/macos-fleet/terraform-provider-macos/internal/remote"
)

// patience is for decrypting a key, which takes most of a second, and much more under the race detector.
const patience = time.Minute

// agentWith starts an agent that holds these files' keys, and the certificates beside them, at a socket in a folder with a blank in its name.
func agentWith(t *testing.T, files ...string) (socket string) {
	t.Helper()
	ring := agent.NewKeyring()
	for _, file := range files {
		private, err := ssh.ParseRawPrivateKey([]byte(read(t, file)))
		if err != nil {
			t.Fatal(err)
		}
		if err := ring.Add(agent.AddedKey{PrivateKey: private}); err != nil {
			t.Fatal(err)
		}
		if text, err := os.ReadFile(file + "-cert.pub"); err == nil {
			public, _, _, _, err := ssh.ParseAuthorizedKey(text)
			certificate, ok := public.(*ssh.Certificate)
			if err != nil || !ok {
				t.Fatalf("%s: %v", file, err)
			}
			if err := ring.Add(agent.AddedKey{PrivateKey: private, Certificate: certificate}); err != nil {
				t.Fatal(err)
			}
		}
	}
	return agentAt(t, func(conn net.Conn) { _ = agent.ServeAgent(ring, conn) })
}

// agentAt has an agent answer at a socket.
func agentAt(t *testing.T, answer func(net.Conn)) (socket string) {
	t.Helper()
	// A socket's path must be short (104 bytes on a Mac), and t.TempDir's is not.
	folder, err := os.MkdirTemp("", "agent of") //nolint:usetesting // As said.
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	socket = filepath.Join(folder, "a socket")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go answer(conn)
		}
	}()
	return socket
}

// manyKeys makes keys that may not log in.
func manyKeys(t *testing.T, n int) (files []string) {
	t.Helper()
	dir := t.TempDir()
	for i := range n {
		files = append(files, filepath.Join(dir, fmt.Sprint("key", i)))
		newKey(t, files[i], "ed25519", "")
	}
	return files
}

// certificate has the authority certify a key, and writes that to a file.
func certificate(t *testing.T, authority ssh.Signer, key ssh.PublicKey, file string, change func(*ssh.Certificate)) {
	t.Helper()
	c := &ssh.Certificate{Key: key, KeyId: "test", ValidAfter: uint64(time.Now().Add(-time.Hour).Unix()), ValidBefore: uint64(time.Now().Add(time.Hour).Unix())}
	change(c)
	if err := c.SignCert(rand.Reader, authority); err != nil {
		t.Fatal(err)
	}
	write(t, file, string(ssh.MarshalAuthorizedKey(c)))
}

// Every way in which people's keys may log in.
func TestSSHD_auth(t *testing.T) {
	t.Parallel()
	mac := start(t)
	authorityFile := filepath.Join(t.TempDir(), "authority")
	authority := newKey(t, authorityFile, "ecdsa", "")
	// rsa makes an RSA key the only one that may log in.
	rsa := func(t *testing.T, s *server) {
		s.client = filepath.Join(s.dir, "rsa")
		may := newKey(t, s.client, "rsa", "")
		write(t, filepath.Join(s.dir, "authorized_keys"), authorized(may.PublicKey())+"\n")
	}
	asUser := func(s *server) func(*ssh.Certificate) {
		return func(c *ssh.Certificate) { c.CertType, c.ValidPrincipals = ssh.UserCert, []string{s.user} }
	}
	for name, test := range map[string]struct {
		options     []string                           // of sshd
		prepare     func(*testing.T, *server) []string // options of ssh
		change      func(*testing.T, *server, *remote.Target)
		connections int32
		refused     int // keys
	}{
		"agent": {
			prepare: func(t *testing.T, s *server) []string {
				socket := agentWith(t, s.client)
				s.client = "none"
				return []string{"IdentityAgent \"" + socket + "\""}
			},
			connections: 1,
		},
		"agent-of-the-provider": {
			prepare: func(t *testing.T, s *server) []string { return []string{"IdentityFile /nowhere"} },
			change: func(t *testing.T, s *server, to *remote.Target) {
				to.Agent = agentWith(t, s.client)
			},
			connections: 1,
		},
		// The server ends a connection at the sixth key.
		"agent-with-many-keys": {
			prepare: func(t *testing.T, s *server) []string {
				socket := agentWith(t, append(manyKeys(t, 11), s.client)...)
				s.client = "none"
				return []string{"IdentityAgent \"" + socket + "\""}
			},
			connections: 3, refused: 11,
		},
		"server-that-takes-two-tries": {
			options: []string{"MaxAuthTries 2"},
			prepare: func(t *testing.T, s *server) []string {
				socket := agentWith(t, append(manyKeys(t, 3), s.client)...)
				s.client = "none"
				return []string{"IdentityAgent \"" + socket + "\""}
			},
			connections: 2, refused: 3,
		},
		// As 1Password has it: the file is a public key, and the agent holds many.
		"public-key-says-which": {
			prepare: func(t *testing.T, s *server) []string {
				socket := agentWith(t, append(manyKeys(t, 9), s.client)...)
				s.client += ".pub"
				return []string{"IdentityAgent \"" + socket + "\"", "IdentitiesOnly yes"}
			},
			connections: 1,
		},
		// The same key is offered once, whatever it is found in.
		"file-that-the-agent-holds": {
			prepare: func(t *testing.T, s *server) []string {
				other := manyKeys(t, 1)[0]
				socket := agentWith(t, other, s.client)
				s.client = other
				return []string{"IdentityAgent \"" + socket + "\""}
			},
			connections: 1, refused: 1,
		},
		"file-before-agent": {
			prepare: func(t *testing.T, _ *server) []string {
				return []string{"IdentityAgent \"" + agentWith(t, manyKeys(t, 9)...) + "\""}
			},
			connections: 1,
		},
		"encrypted-file": {
			prepare:     func(t *testing.T, s *server) []string { encrypt(t, s); return nil },
			change:      func(_ *testing.T, _ *server, to *remote.Target) { to.Passphrase = "open sesame" },
			connections: 1,
		},
		"encrypted-file-of-the-agent": {
			prepare: func(t *testing.T, s *server) []string {
				socket := agentWith(t, append(manyKeys(t, 2), s.client)...)
				encrypt(t, s)
				return []string{"IdentityAgent \"" + socket + "\""}
			},
			connections: 1,
		},
		"given-and-held-by-the-agent": {
			prepare: func(*testing.T, *server) []string { return nil },
			change: func(t *testing.T, s *server, to *remote.Target) {
				to.Agent = agentWith(t, append(manyKeys(t, 2), s.client)...)
				encrypt(t, s)
				to.PrivateKey = read(t, s.client)
			},
			connections: 1,
		},
		// The algorithm of its own, with SHA-1, is one that no server takes any more.
		"rsa": {prepare: func(t *testing.T, s *server) []string { rsa(t, s); return nil }, connections: 1},
		"rsa-encrypted": {
			prepare:     func(t *testing.T, s *server) []string { rsa(t, s); encrypt(t, s); return nil },
			change:      func(_ *testing.T, _ *server, to *remote.Target) { to.Passphrase = "open sesame" },
			connections: 1,
		},
		"rsa-of-the-agent": {
			prepare: func(t *testing.T, s *server) []string {
				rsa(t, s)
				socket := agentWith(t, s.client)
				s.client = "none"
				return []string{"IdentityAgent \"" + socket + "\""}
			},
			connections: 1,
		},
		"rsa-certificate": {
			options: []string{"TrustedUserCAKeys " + authorityFile + ".pub"},
			prepare: func(t *testing.T, s *server) []string {
				s.client = filepath.Join(s.dir, "mine")
				certificate(t, authority, newKey(t, s.client, "rsa", "").PublicKey(), s.client+"-cert.pub", asUser(s))
				return nil
			},
			connections: 1,
		},
		"certificate-of-the-agent": {
			options: []string{"TrustedUserCAKeys " + authorityFile + ".pub"},
			prepare: func(t *testing.T, s *server) []string {
				mine := filepath.Join(s.dir, "mine")
				certificate(t, authority, newKey(t, mine, "ed25519", "").PublicKey(), mine+"-cert.pub", asUser(s))
				s.client = "none"
				return []string{"IdentityAgent \"" + agentWith(t, mine) + "\""}
			},
			connections: 1, refused: 1,
		},
		"certificate-file": {
			options: []string{"TrustedUserCAKeys " + authorityFile + ".pub", "AuthorizedPrincipalsFile none"},
			prepare: func(t *testing.T, s *server) []string {
				k := newKey(t, filepath.Join(s.dir, "mine"), "ed25519", "")
				s.client = filepath.Join(s.dir, "mine")
				certificate(t, authority, k.PublicKey(), filepath.Join(s.dir, "certified"), asUser(s))
				return []string{"CertificateFile " + filepath.Join(s.dir, "certified")}
			},
			connections: 1,
		},
		"certificate-beside-the-key": {
			options: []string{"TrustedUserCAKeys " + authorityFile + ".pub"},
			prepare: func(t *testing.T, s *server) []string {
				k := newKey(t, filepath.Join(s.dir, "mine"), "ecdsa", "")
				s.client = filepath.Join(s.dir, "mine")
				certificate(t, authority, k.PublicKey(), s.client+"-cert.pub", asUser(s))
				return nil
			},
			connections: 1,
		},
		"certificate-for-a-key-of-the-agent": {
			options: []string{"TrustedUserCAKeys " + authorityFile + ".pub"},
			prepare: func(t *testing.T, s *server) []string {
				keys := manyKeys(t, 7)
				k, err := ssh.ParsePrivateKey([]byte(read(t, keys[6])))
				if err != nil {
					t.Fatal(err)
				}
				s.client = "none"
				certificate(t, authority, k.PublicKey(), filepath.Join(s.dir, "certified"), asUser(s))
				return []string{"IdentityAgent \"" + agentWith(t, keys...) + "\"", "CertificateFile " + filepath.Join(s.dir, "certified")}
			},
			connections: 1,
		},
		"certificate-of-the-provider": {
			options: []string{"TrustedUserCAKeys " + authorityFile + ".pub"},
			prepare: func(*testing.T, *server) []string { return nil },
			change: func(t *testing.T, s *server, to *remote.Target) {
				k := newKey(t, filepath.Join(s.dir, "mine"), "ed25519", "")
				to.PrivateKey = read(t, filepath.Join(s.dir, "mine"))
				certificate(t, authority, k.PublicKey(), filepath.Join(s.dir, "certified"), asUser(s))
				to.Certificate = read(t, filepath.Join(s.dir, "certified"))
			},
			connections: 1,
		},
		"certificate-of-the-provider-for-a-key-of-the-agent": {
			options: []string{"TrustedUserCAKeys " + authorityFile + ".pub"},
			prepare: func(_ *testing.T, s *server) []string { s.client = "none"; return nil },
			change: func(t *testing.T, s *server, to *remote.Target) {
				mine := filepath.Join(s.dir, "mine")
				certificate(t, authority, newKey(t, mine, "ed25519", "").PublicKey(), filepath.Join(s.dir, "certified"), asUser(s))
				to.Agent, to.Certificate = agentWith(t, mine), read(t, filepath.Join(s.dir, "certified"))
			},
			connections: 1,
		},
		"certificate-of-the-provider-for-a-file": {
			options: []string{"TrustedUserCAKeys " + authorityFile + ".pub"},
			prepare: func(t *testing.T, s *server) []string {
				s.client = filepath.Join(s.dir, "mine")
				certificate(t, authority, newKey(t, s.client, "ed25519", "").PublicKey(), filepath.Join(s.dir, "certified"), asUser(s))
				return nil
			},
			change: func(t *testing.T, s *server, to *remote.Target) {
				to.Certificate = read(t, filepath.Join(s.dir, "certified"))
			},
			connections: 1,
		},
		"given-with-a-certificate-beside": {
			options: []string{"TrustedUserCAKeys " + authorityFile + ".pub"},
			prepare: func(*testing.T, *server) []string { return nil },
			change: func(t *testing.T, s *server, to *remote.Target) {
				mine := filepath.Join(s.dir, "mine")
				certificate(t, authority, newKey(t, mine, "ed25519", "").PublicKey(), mine+"-cert.pub", asUser(s))
				to.PrivateKey, to.PrivateKeyFile = read(t, mine), mine
			},
			connections: 1,
		},
		"given-with-an-expired-certificate-beside": {
			prepare: func(*testing.T, *server) []string { return nil },
			change: func(t *testing.T, s *server, to *remote.Target) {
				may, err := ssh.ParsePrivateKey([]byte(read(t, s.client)))
				if err != nil {
					t.Fatal(err)
				}
				certificate(t, authority, may.PublicKey(), s.client+"-cert.pub", func(c *ssh.Certificate) {
					asUser(s)(c)
					c.ValidBefore = uint64(time.Now().Add(-time.Minute).Unix())
				})
				to.PrivateKey, to.PrivateKeyFile = read(t, s.client), s.client
			},
			connections: 1,
		},
		"given-with-the-certificate-of-another-beside": {
			prepare: func(*testing.T, *server) []string { return nil },
			change: func(t *testing.T, s *server, to *remote.Target) {
				certificate(t, authority, authority.PublicKey(), s.client+"-cert.pub", asUser(s))
				to.PrivateKey, to.PrivateKeyFile = read(t, s.client), s.client
			},
			connections: 1,
		},
		"expired-certificate-aside": {
			options: []string{"TrustedUserCAKeys " + authorityFile + ".pub"},
			prepare: func(t *testing.T, s *server) []string {
				k, err := ssh.ParsePrivateKey([]byte(read(t, s.client)))
				if err != nil {
					t.Fatal(err)
				}
				certificate(t, authority, k.PublicKey(), s.client+"-cert.pub", func(c *ssh.Certificate) {
					asUser(s)(c)
					c.ValidBefore = uint64(time.Now().Add(-time.Minute).Unix())
				})
				return nil
			},
			connections: 1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := sshd(t, mac, test.options...)
			to := configured(t, s.config(t, "mini", test.prepare(t, s)...))
			to.ConnectTimeout = patience
			if test.change != nil {
				test.change(t, s, &to)
			}
			if err := hello(t, to); err != nil {
				t.Error(err)
			}
			if n := s.connections.Load(); n != test.connections {
				t.Errorf("%d connections, want %d", n, test.connections)
			}
			if n := s.logged("Failed publickey"); n != test.refused {
				t.Errorf("%d keys refused, want %d", n, test.refused)
			}
		})
	}
}

// A certificate that is given may be for a key that only the Mac is offered, and not its jump host.
func TestSSHD_certificateBehindJump(t *testing.T) {
	t.Parallel()
	authorityFile := filepath.Join(t.TempDir(), "authority")
	authority := newKey(t, authorityFile, "ed25519", "")
	jump, s := sshd(t, nil), sshd(t, start(t), "TrustedUserCAKeys "+authorityFile+".pub")
	s.client = filepath.Join(s.dir, "mine")
	certificate(t, authority, newKey(t, s.client, "ed25519", "").PublicKey(), filepath.Join(s.dir, "certified"), func(c *ssh.Certificate) {
		c.CertType, c.ValidPrincipals = ssh.UserCert, []string{s.user}
	})
	to := configured(t, jump.config(t, "bastion")+s.config(t, "mini", "ProxyJump bastion"))
	to.Certificate, to.ConnectTimeout = read(t, filepath.Join(s.dir, "certified")), patience
	if err := hello(t, to); err != nil {
		t.Error(err)
	}
}

// encrypt replaces the key that may log in by one that is encrypted.
func encrypt(t *testing.T, s *server) {
	t.Helper()
	private, err := ssh.ParseRawPrivateKey([]byte(read(t, s.client)))
	if err != nil {
		t.Fatal(err)
	}
	writeKey(t, s.client, private, "open sesame")
}

// What was accepted once is offered first from then on.
func TestSSHD_authRemembers(t *testing.T) {
	t.Parallel()
	s := sshd(t, start(t))
	socket := agentWith(t, append(manyKeys(t, 7), s.client)...)
	s.client = "none"
	h := remote.NewHost(configured(t, s.config(t, "mini", "IdentityAgent \""+socket+"\"")))
	defer h.Close()
	for want := int32(2); want <= 3; want++ {
		if err := h.Reconnect(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := s.connections.Load(); n != want {
			t.Errorf("%d connections, want %d", n, want)
		}
	}
}

// A login that fails tells what was offered, and why something was not; it is not tried again.
func TestSSHD_authRefused(t *testing.T) {
	t.Parallel()
	s := sshd(t, start(t))
	keys := manyKeys(t, 2)
	encrypt(t, s)
	sealed := s.client
	s.client = keys[0]
	to := configured(t, s.config(t, "mini", "IdentityFile "+sealed, "IdentityFile /nowhere/key", "IdentityFile "+keys[1]+".pub"))
	err := hello(t, to)
	var dial *remote.DialError
	if !errors.As(err, &dial) || dial.Stage != remote.StageAuth {
		t.Fatalf("got %v", err)
	}
	for _, want := range []string{
		keys[0] + ")", "the server takes: publickey", sealed + ": encrypted, and there is no passphrase for it", "/nowhere/key: ",
		keys[1] + ".pub: a public key, and the agent does not hold the private one",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("it does not say %q: %v", want, err)
		}
	}
	if dial.Try != "ssh -F "+to.ConfigFile+" mini" || dial.User != s.user || dial.Addr != "127.0.0.1:"+s.port {
		t.Errorf("got %+v", dial)
	}
	if n := s.connections.Load(); n != 1 {
		t.Errorf("%d connections", n)
	}

	// A passphrase that does not fit, and an agent that is not there.
	s.client = sealed
	to = configured(t, s.config(t, "mini", "IdentityAgent /nowhere/agent"))
	to.Passphrase, to.ConnectTimeout = "open barley", patience
	if err = hello(t, to); err == nil || !strings.Contains(err.Error(), "the passphrase does not open it") || !strings.Contains(err.Error(), "the agent at /nowhere/agent") {
		t.Errorf("got %v", err)
	}
	// An agent that shows a window and waits.
	to.Agent = agentAt(t, func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) })
	to.ConnectTimeout = 500 * time.Millisecond
	if err = hello(t, to); err == nil || !strings.Contains(err.Error(), "it may wait for somebody's consent") {
		t.Errorf("got %v", err)
	}
	to.Agent = "/nowhere/agent"
	if err = hello(t, to); err == nil || !strings.Contains(err.Error(), "the agent at /nowhere/agent") {
		t.Errorf("got %v", err)
	}
}

// What is given to log in with and cannot be used is the reason, by its file; nobody is asked to log in with something else.
func TestSSHD_authGiven(t *testing.T) {
	t.Parallel()
	s := sshd(t, start(t))
	public := read(t, s.client+".pub")
	plain := read(t, s.client)
	encrypt(t, s)
	authority := newKey(t, filepath.Join(s.dir, "authority"), "ed25519", "")
	certified := filepath.Join(s.dir, "certified")
	certificate(t, authority, authority.PublicKey(), certified, func(c *ssh.Certificate) { c.CertType = ssh.UserCert })
	// An empty key of this form is told by its first line as well as a whole one.
	pkcs8 := string(pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY"}))
	file := func(text, passphrase, file string) func(*remote.Target) {
		return func(to *remote.Target) { to.PrivateKey, to.Passphrase, to.PrivateKeyFile = text, passphrase, file }
	}
	with := func(text, certificate string) func(*remote.Target) {
		return func(to *remote.Target) { to.PrivateKey, to.Certificate = text, certificate }
	}
	agent := func(socket string) func(*remote.Target) { return func(to *remote.Target) { to.Agent = socket } }
	for name, test := range map[string]struct {
		give  func(*remote.Target)
		field string
		says  string
	}{
		"encrypted":        {file(read(t, s.client), "", s.client), "PrivateKey", s.client + ": it is encrypted, there is no passphrase for it, and no agent holds it"},
		"wrong-passphrase": {file(read(t, s.client), "open barley", s.client), "PrivateKey", s.client + ": the passphrase does not open it"},
		"public":           {file(public, "", s.client+".pub"), "PrivateKey", s.client + ".pub: it is a public key"},
		"text":             {file("nonsense", "", ""), "PrivateKey", "the private key: ssh: no key found"},
		"pkcs8":            {file(pkcs8, "open sesame", s.client), "PrivateKey", s.client + ": it is encrypted in the form of PKCS#8, which is not read here: a copy that `ssh-keygen -p"},
		"one-line":         {file(strings.ReplaceAll(plain, "\n", " "), "", ""), "PrivateKey", "the private key: it stands on one line"},
		"written-out":      {file(strings.ReplaceAll(plain, "\n", `\n`)+"\n", "", ""), "PrivateKey", "the private key: it stands on one line"},
		"cut":              {file(plain[:len(plain)/2], "", ""), "PrivateKey", "it begins as a private key does, but is not whole"},
		"indented":         {file(strings.ReplaceAll(plain, "\n", "\n  "), "", ""), "PrivateKey", "it begins as a private key does, but is not whole"},
		"certificate":      {with(plain, "nonsense"), "Certificate", "the certificate: ssh: no key found"},
		"certificate-only": {with("", "nonsense"), "Certificate", "the certificate: ssh: no key found"},
		"no-certificate":   {with("", public), "Certificate", "the certificate: a public key, and no certificate"},
		"of-another":       {with("", read(t, certified)), "Certificate", "the certificate: a certificate, and its private key is not there (" + s.client + ": encrypted"},
		"agent":            {agent("/nowhere/agent"), "Agent", "the agent at /nowhere/agent: "},
		"agent-unset":      {agent("$REMOTE_TEST_UNSET"), "Agent", "the agent at $REMOTE_TEST_UNSET: the environment variable is not set"},
		"agent-braces":     {agent("${REMOTE_TEST_UNSET}/a"), "Agent", "the agent at ${REMOTE_TEST_UNSET}/a: the environment variable REMOTE_TEST_UNSET is not set"},
		"agent-at-home":    {agent("~/no agent"), "Agent", "the agent at /"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			to := configured(t, s.config(t, "mini"))
			to.ConnectTimeout = patience
			test.give(&to)
			var dial *remote.DialError
			var given *remote.GivenError
			err := hello(t, to)
			if !errors.As(err, &dial) || dial.Stage != remote.StageKey || !strings.Contains(err.Error(), test.says) {
				t.Errorf("got %v", err)
			}
			if !errors.As(err, &given) || given.Field != test.field {
				t.Errorf("got %+v", given)
			}
		})
	}

	// The command to try takes the same key.
	to := configured(t, s.config(t, "mini"))
	to.PrivateKey, to.PrivateKeyFile, to.User = plain, "/keys of mine/key", "nobody"
	var dial *remote.DialError
	if err := os.Rename(to.ConfigFile, to.ConfigFile+" of mine"); err != nil {
		t.Fatal(err)
	}
	to.ConfigFile += " of mine"
	want := "ssh -o IdentitiesOnly=yes -i '/keys of mine/key' -F '" + to.ConfigFile + "' nobody@mini"
	if err := hello(t, to); !errors.As(err, &dial) || dial.Stage != remote.StageAuth || dial.Try != want || !strings.Contains(err.Error(), "(/keys of mine/key)") {
		t.Errorf("got %v, to try %q", err, dial.Try)
	}
	to.PrivateKeyFile = ""
	if err := hello(t, to); !errors.As(err, &dial) || dial.Try != "" {
		t.Errorf("got %v, to try %q", err, dial.Try)
	}
}

// password has sshd take a password. It asks a PAM that is the test's own (Debian's libpam-wrapper, which stands between sshd and the
// system's): no account of this machine gets another password, and nobody needs to be root.
func (s *server) password(t *testing.T, password string) {
	t.Helper()
	modules, err := filepath.Glob("/usr/lib*/*/pam_wrapper/pam_matrix.so")
	if err != nil || len(modules) == 0 {
		t.Skip("pam_wrapper is not installed (Debian: libpam-wrapper), so that sshd cannot be given a password")
	}
	services := filepath.Join(s.dir, "pam")
	if err := os.Mkdir(services, 0o700); err != nil {
		t.Fatal(err)
	}
	passwords := filepath.Join(s.dir, "passwords")
	write(t, passwords, s.user+":"+password+":sshd\n")
	var service strings.Builder
	for _, kind := range []string{"auth", "account", "password", "session"} {
		fmt.Fprintf(&service, "%s required %s passdb=%s\n", kind, modules[0], passwords)
	}
	write(t, filepath.Join(services, "sshd"), service.String())
	s.mu.Lock()
	defer s.mu.Unlock()
	s.env = []string{"LD_PRELOAD=libpam_wrapper.so", "PAM_WRAPPER=1", "PAM_WRAPPER_SERVICE_DIR=" + services}
}

// A password is taken by OpenSSH in both of its ways, is sent once whether it is right or wrong, and comes after the keys.
func TestSSHD_password(t *testing.T) {
	t.Parallel()
	const right = "cor rect'\"$(id)ü"
	asks := []string{"UsePAM yes", "PermitRootLogin yes", "MaxAuthTries 3"}
	for name, test := range map[string]struct {
		options  []string
		password string
		accepted string // as sshd logs it
		says     string
	}{
		"password":            {[]string{"PasswordAuthentication yes", "PubkeyAuthentication no"}, right, "Accepted password", ""},
		"interactive":         {[]string{"KbdInteractiveAuthentication yes", "PubkeyAuthentication no"}, right, "Accepted keyboard-interactive/pam", ""},
		"both":                {[]string{"PasswordAuthentication yes", "KbdInteractiveAuthentication yes", "PubkeyAuthentication no"}, right, "Accepted password", ""},
		"key-refused":         {[]string{"PasswordAuthentication yes", "AuthorizedKeysFile none"}, right, "Accepted password", ""},
		"key-accepted":        {[]string{"PasswordAuthentication yes"}, right, "Accepted publickey", ""},
		"key-and-password":    {[]string{"PasswordAuthentication yes", "AuthenticationMethods publickey,password"}, right, "Accepted password", ""},
		"key-and-interactive": {[]string{"KbdInteractiveAuthentication yes", "AuthenticationMethods publickey,keyboard-interactive"}, right, "Accepted keyboard-interactive/pam", ""},
		"wrong":               {[]string{"PasswordAuthentication yes", "PubkeyAuthentication no"}, "wrong", "", "Failed password"},
		"wrong-answer":        {[]string{"KbdInteractiveAuthentication yes", "PubkeyAuthentication no"}, "wrong", "", "Failed keyboard-interactive/pam"},
		"wrong-both":          {[]string{"PasswordAuthentication yes", "KbdInteractiveAuthentication yes", "PubkeyAuthentication no"}, "wrong", "", "Failed password"},
		"none":                {[]string{"PasswordAuthentication yes", "PubkeyAuthentication no"}, "", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := sshd(t, start(t), append(asks, test.options...)...)
			s.password(t, right)
			to := configured(t, s.config(t, "mini"))
			to.Password, to.ConnectTimeout = test.password, patience
			err := hello(t, to)
			var dial *remote.DialError
			if test.accepted != "" && err != nil || test.accepted == "" && (!errors.As(err, &dial) || dial.Stage != remote.StageAuth || strings.Contains(err.Error(), right)) {
				t.Errorf("got %v", err)
			}
			for _, line := range []string{test.accepted, test.says} {
				if line != "" && s.logged(line) != 1 {
					t.Errorf("sshd logged %q %d times", line, s.logged(line))
				}
			}
			if sent := s.logged("Failed password") + s.logged("Failed keyboard-interactive/pam"); sent > 1 || sent == 1 && test.says == "" {
				t.Errorf("sshd was sent a wrong password %d times", sent)
			}
			if n := s.connections.Load(); n != 1 {
				t.Errorf("%d connections", n)
			}
		})
	}
}

// A server that wants a password which nobody gave is told as that, also if it has accepted a key before. The password of the Mac is for
// the Mac: a jump host that takes passwords gets none.
func TestSSHD_passwordMissing(t *testing.T) {
	t.Parallel()
	mac := start(t)
	for name, test := range map[string]struct {
		options []string
		jump    bool
		missing bool
		says    string
	}{
		"password-alone": {[]string{"PubkeyAuthentication no"}, false, true, "nothing that is offered is accepted (the server takes: password)"},
		"key-and-password": {
			[]string{"AuthenticationMethods publickey,password"}, false, true, "publickey is accepted, and the server wants more (it takes: password)\noffered: ssh-ed25519",
		},
		"two-keys":           {[]string{"AuthenticationMethods publickey,publickey"}, false, false, "publickey is accepted, and the server wants more (it takes: publickey)"},
		"key-not-known":      {[]string{"AuthorizedKeysFile none"}, false, false, "nothing that is offered is accepted (the server takes: publickey,password)"},
		"jump-password":      {[]string{"PubkeyAuthentication no"}, true, true, "(the server takes: password)"},
		"jump-key-not-known": {[]string{"AuthorizedKeysFile none"}, true, false, "(the server takes: publickey,password)"},
		"jump-both":          {[]string{"AuthenticationMethods publickey,password"}, true, true, "publickey is accepted"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := sshd(t, mac, append(test.options, "PasswordAuthentication yes", "PermitRootLogin yes")...)
			to := configured(t, s.config(t, "mini"))
			if test.jump {
				to = configured(t, s.config(t, "one")+s.config(t, "mini", "HostName nowhere.invalid", "ProxyJump one"))
				to.Password, to.SudoPassword, to.PrivateKey = "not for the jump host", "not for the jump host", read(t, s.client)
			}
			err := hello(t, to)
			var dial *remote.DialError
			var refused *remote.RefusedError
			if !errors.As(err, &dial) || dial.Stage != remote.StageAuth || !errors.As(err, &refused) || refused.NoPassword != test.missing ||
				(dial.Jump != "") != test.jump || !strings.Contains(strings.ReplaceAll(err.Error(), ", ", ","), strings.ReplaceAll(test.says, ", ", ",")) {
				t.Errorf("got %v: %+v", err, refused)
			}
			if n := s.logged("Failed password") + s.logged("Accepted password"); n != 0 {
				t.Errorf("it was sent %d passwords", n)
			}
		})
	}
}
