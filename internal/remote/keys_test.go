package remote

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// An agent is asked once in a login, however often its keys are looked for: one that asks for consent would ask for it again, and what it
// answered on another connection nobody would end.
func TestAskAgentOnce(t *testing.T) {
	t.Parallel()
	folder, err := os.MkdirTemp("", "agent") //nolint:usetesting // A socket's path must be short, and t.TempDir's is not.
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	socket := filepath.Join(folder, "a")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Skip(err) // as on an old Windows
	}
	t.Cleanup(func() { _ = listener.Close() })
	var came atomic.Int32
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			came.Add(1)
			go func() { _ = agent.ServeAgent(agent.NewKeyring(), conn) }()
		}
	}()
	for where, want := range map[string]int32{socket: 1, socket + "-not": 1} {
		l := newLogin(&hop{settings: settings{agent: where}})
		for range 2 {
			if held, err := l.askAgent(); len(held) > 0 || err != nil {
				t.Errorf("got %v, %v", held, err)
			}
		}
		l.close()
		if n := came.Load(); where == socket && n != want || where != socket && len(l.left) != 1 {
			t.Errorf("%s: %d connections, left %q", where, n, l.left)
		}
	}
}

// Keys are offered in ssh's order, each once: files that are named come before the agent's keys, those that are looked for by themselves
// after, and with IdentitiesOnly no others than named ones.
func TestGather(t *testing.T) {
	t.Parallel()
	folder, err := os.MkdirTemp("", "agent") //nolint:usetesting // A socket's path must be short, and t.TempDir's is not.
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	ring := agent.NewKeyring()
	names := map[string]string{} // by public key
	for _, name := range []string{"file", "both", "held"} {
		_, private, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		block, err := ssh.MarshalPrivateKey(private, "")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
		signer, err := ssh.NewSignerFromKey(private)
		if err != nil {
			t.Fatal(err)
		}
		names[string(signer.PublicKey().Marshal())] = name
		if name != "file" {
			if err := ring.Add(agent.AddedKey{PrivateKey: private}); err != nil {
				t.Fatal(err)
			}
		}
	}
	listener, err := net.Listen("unix", filepath.Join(folder, "a"))
	if err != nil {
		t.Skip(err) // as on an old Windows
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() { _ = agent.ServeAgent(ring, conn) }()
		}
	}()
	for name, test := range map[string]struct {
		named, only bool
		want        []string
	}{
		"usual":      {false, false, []string{"both", "held", "file"}},
		"usual-only": {false, true, []string{"file", "both"}},
		"named":      {true, false, []string{"file", "both", "held"}},
		"named-only": {true, true, []string{"file", "both"}},
	} {
		l := newLogin(&hop{settings: settings{
			agent: filepath.Join(folder, "a"), named: test.named, identitiesOnly: test.only,
			identities: []string{filepath.Join(folder, "file"), filepath.Join(folder, "both")},
		}})
		if err := l.gather(); err != nil {
			t.Fatal(err)
		}
		l.close()
		var got []string
		for _, k := range l.keys {
			got = append(got, names[string(k.signer.PublicKey().Marshal())])
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: got %q, want %q", name, got, test.want)
		}
	}
}
