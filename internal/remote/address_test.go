package remote

import (
	"os"
	"path/filepath"
	"testing"
)

// The address is that of the Mac, by whatever name and over whatever jump host it is reached.
func TestHost_Address(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(file, []byte("Host mini\n  HostName 192.0.2.7\n  ProxyJump gate\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for address, want := range map[string]string{"mini": "192.0.2.7", "192.0.2.8": "192.0.2.8", "mini.lan": "mini.lan"} {
		got, err := NewHost(Target{Address: address, ConfigFile: file}).Address(t.Context())
		if err != nil || got != want {
			t.Errorf("%s: got %q, %v", address, got, err)
		}
	}
}
