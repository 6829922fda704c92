package sysfacts

import (
	"net"
	"strconv"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/macos-fleet/terraform-provider-macos/internal/macsim"
	"github.com/macos-fleet/terraform-provider-macos/internal/remote"
)

// versions are of the macOS that tests try: the oldest that is supported, one between, and the newest.
var versions = []string{"12.7.6", "15.6", "26.5.1"}

func dial(t *testing.T, mac *macsim.Mac) *remote.Host {
	t.Helper()
	address, port, err := net.SplitHostPort(mac.Addr())
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	h := remote.NewHost(remote.Target{
		Name: "mini", Address: address, Port: n, User: "admin",
		HostKey: string(ssh.MarshalAuthorizedKey(mac.HostKey())), PrivateKey: mac.ClientKey(),
	})
	t.Cleanup(h.Close)
	return h
}

// onEach runs a test on a Mac of each version.
func onEach(t *testing.T, mac macsim.Mac, test func(*testing.T, *macsim.Mac, *remote.Host)) {
	t.Helper()
	for _, version := range versions {
		t.Run(version, func(t *testing.T) {
			mac := mac
			mac.Version = version
			m := macsim.Start(t, mac)
			test(t, m, dial(t, m))
		})
	}
}
