package remote_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/macos-fleet/terraform-provider-macos/internal/remote"
)

// key is a new key, and its text.
func key(t *testing.T) (ssh.Signer, string) {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return signer, strings.TrimSpace(string(ssh.MarshalAuthorizedKey(signer.PublicKey())))
}

// serve answers connections on loopback until the test ends.
func serve(t *testing.T, answer func(net.Conn)) (address string, port int) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
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
			go func() {
				defer func() { _ = conn.Close() }()
				answer(conn)
			}()
		}
	}()
	addr, ok := l.Addr().(*net.TCPAddr)
	if !ok {
		t.Fatal(l.Addr())
	}
	return addr.IP.String(), addr.Port
}

// Each failure of a connection is told by how far it came, whatever words there are for it.
func TestDialStage(t *testing.T) {
	hostKey, known := key(t)
	_, other := key(t)
	block, err := ssh.MarshalPrivateKey(ed25519.NewKeyFromSeed(make([]byte, 32)), "")
	if err != nil {
		t.Fatal(err)
	}
	revoked := filepath.Join(t.TempDir(), "known_hosts")
	server := func(change func(*ssh.ServerConfig)) func(net.Conn) {
		return func(conn net.Conn) {
			cfg := &ssh.ServerConfig{PublicKeyCallback: func(ssh.ConnMetadata, ssh.PublicKey) (*ssh.Permissions, error) {
				return nil, errors.New("unknown")
			}}
			cfg.AddHostKey(hostKey)
			change(cfg)
			_, _, _, _ = ssh.NewServerConn(conn, cfg)
		}
	}
	unchanged := server(func(*ssh.ServerConfig) {})
	for name, test := range map[string]struct {
		answer  func(net.Conn)
		hostKey string // "": that of the file
		want    remote.Stage
		says    string
	}{
		"hangs-up":  {func(net.Conn) {}, known, remote.StageSSH, ""},
		"not-ssh":   {func(c net.Conn) { _, _ = c.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n")) }, known, remote.StageSSH, ""},
		"half-way":  {func(c net.Conn) { _, _ = c.Write([]byte("SSH-2.0-OpenSSH_9.9\r\n")) }, known, remote.StageSSH, ""},
		"no-cipher": {server(func(c *ssh.ServerConfig) { c.Ciphers = []string{ssh.InsecureCipherRC4} }), known, remote.StageSSH, "no Ciphers in common"},
		"other-kind-of-host-key": {
			unchanged, "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBEmKSENjQEezOmxkZMy7opKgwFB9nkt5YRrYMjNuG5N87uRgg6CLrbo5wAdT/y6v0mKV0U2w0WZ2YB/++Tpockg=",
			remote.StageHostKey, "no HostKeyAlgorithms in common",
		},
		"other-host-key":   {unchanged, other, remote.StageHostKey, "has changed"},
		"revoked-host-key": {unchanged, "", remote.StageHostKey, "revoked"},
		"wrong-key":        {unchanged, known, remote.StageAuth, "nothing that is offered is accepted"},
		"too-many-keys":    {server(func(c *ssh.ServerConfig) { c.MaxAuthTries = 1 }), known, remote.StageAuth, "too many authentication failures"},
		"ends-at-login": {
			func(c net.Conn) {
				server(func(cfg *ssh.ServerConfig) {
					cfg.PublicKeyCallback = func(ssh.ConnMetadata, ssh.PublicKey) (*ssh.Permissions, error) {
						_ = c.Close()
						return nil, errors.New("no such user")
					}
				})(c)
			},
			known, remote.StageAuth, "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			address, port := serve(t, test.answer)
			to := remote.Target{
				Name: "mini", Address: address, Port: port, User: "admin", PrivateKey: string(pem.EncodeToMemory(block)), HostKey: test.hostKey,
				ConfigFile: "none", ConnectTimeout: patience,
			}
			if test.want == remote.StageSSH && test.says == "" {
				to.ConnectTimeout = time.Second // it is tried again until then
			}
			if test.hostKey == "" {
				line := "@revoked * " + known + "\n" + knownhosts.Line([]string{"127.0.0.1"}, hostKey.PublicKey()) + "\n"
				if err := os.WriteFile(revoked, []byte(line), 0o600); err != nil {
					t.Fatal(err)
				}
				to.KnownHosts = []string{revoked}
			}
			h := remote.NewHost(to)
			t.Cleanup(h.Close)
			_, err := h.Run(t.Context(), remote.Cmd{Script: "say hello"})
			var dial *remote.DialError
			if !errors.As(err, &dial) || dial.Stage != test.want || !strings.Contains(err.Error(), test.says) {
				t.Errorf("got %v, want stage %s", err, test.want)
			}
		})
	}
}

// What may pass is tried again until the time is over: a server that hangs up before it has shown its key. What will not is not.
func TestDialAgain(t *testing.T) {
	t.Parallel()
	mac := start(t)
	_, other := key(t)
	for name, test := range map[string]struct {
		change func(*remote.Target)
		fails  int32 // that many connections are dropped
		want   int32 // that many are made
		stage  remote.Stage
	}{
		"dropped":     {func(*remote.Target) {}, 3, 4, ""},
		"wrong-user":  {func(to *remote.Target) { to.User = "bob" }, 0, 1, remote.StageAuth},
		"other-key":   {func(to *remote.Target) { to.HostKey = other }, 0, 1, remote.StageHostKey},
		"after-drops": {func(to *remote.Target) { to.HostKey = other }, 2, 3, remote.StageHostKey},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var came atomic.Int32
			address, port := serve(t, func(conn net.Conn) {
				if came.Add(1) <= test.fails {
					return
				}
				far, err := net.Dial("tcp", mac.Addr())
				if err != nil {
					t.Error(err)
					return
				}
				defer far.Close()
				go func() {
					_, _ = io.Copy(far, conn)
					_ = far.Close()
				}()
				_, _ = io.Copy(conn, far)
			})
			to := target(t, mac)
			to.Address, to.Port, to.ConnectTimeout = address, port, patience
			test.change(&to)
			h := remote.NewHost(to)
			defer h.Close()
			_, err := h.Run(t.Context(), remote.Cmd{Script: "say hello"})
			var dial *remote.DialError
			if errors.As(err, &dial) != (test.stage != "") || dial != nil && dial.Stage != test.stage || came.Load() != test.want {
				t.Errorf("got %v after %d connections, want %d", err, came.Load(), test.want)
			}
		})
	}
}

// ssh's ConnectTimeout is, as with ssh, how long a server may take to show itself, and not for a login, which may wait for somebody.
func TestDialConnectTimeout(t *testing.T) {
	t.Parallel()
	const limit = 5 * time.Second
	slow := answers(t, func(cfg *ssh.ServerConfig) {
		cfg.NoClientAuth = true
		cfg.NoClientAuthCallback = func(ssh.ConnMetadata) (*ssh.Permissions, error) {
			time.Sleep(limit + time.Second)
			return nil, nil
		}
	})
	_, silent := serve(t, func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) })
	for name, test := range map[string]struct {
		port  int
		given time.Duration
		stage remote.Stage
		says  string
	}{
		"silent":       {silent, 0, remote.StageSSH, "no answer within 5s, which is ssh's ConnectTimeout"},
		"silent-given": {silent, time.Second, remote.StageSSH, "no answer within the connect timeout of 1s"},
		"slow-login":   {slow.Port, 0, remote.StageShell, ""}, // It has no shell.
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			to := slow
			to.Port, to.ConnectTimeout = test.port, test.given
			to.ConfigFile = configured(t, fmt.Sprintf("ConnectTimeout %.0f\n", limit.Seconds())).ConfigFile
			err := hello(t, to)
			var dial *remote.DialError
			if !errors.As(err, &dial) || dial.Stage != test.stage || !strings.Contains(err.Error(), test.says) {
				t.Errorf("got %v", err)
			}
		})
	}
}
