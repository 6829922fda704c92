package remote

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// ssh's ConnectTimeout is for a connection, where there is a login and more to be done here.
func TestFindRoute_times(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		text    string
		given   time.Duration
		timeout string
		alive   time.Duration
	}{
		"nothing": {"", 0, "no answer within the connect timeout of 10s", keepalive},
		"longer":  {"ConnectTimeout 20\n", 0, "no answer within 20s, which is ssh's ConnectTimeout", keepalive},
		"shorter": {"ConnectTimeout 2\n", 0, "no answer within the connect timeout of 10s", keepalive},
		"given":   {"ConnectTimeout 20\n", 5 * time.Second, "no answer within the connect timeout of 5s", keepalive},
		"alive":   {"ServerAliveInterval 3\n", 0, "no answer within the connect timeout of 10s", 3 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "config")
			if err := os.WriteFile(file, []byte(test.text), 0o600); err != nil {
				t.Fatal(err)
			}
			r, err := findRoute(t.Context(), Target{Address: "mini", ConfigFile: file, ConnectTimeout: test.given}, new(Fleet))
			if err != nil {
				t.Fatal(err)
			}
			if got := r.timeout.Error(); got != test.timeout || r.alive != test.alive {
				t.Errorf("got %q, a sign of life each %v", got, r.alive)
			}
		})
	}
}
