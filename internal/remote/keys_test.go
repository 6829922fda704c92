package remote

import (
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

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
