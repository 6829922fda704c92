package launchctl

import (
	"path"
	"slices"
	"strings"

	"github.com/macos-fleet/terraform-provider-macos/internal/plist"
)

// carriers are programs that connections to a Mac run through: its SSH servers, VPNs, tunnels and reverse proxies.
var carriers = []string{
	"autossh", "cloudflared", "dropbear", "frpc", "nebula", "netbird", "ngrok", "openvpn", "ssh", "sshd", "tailscale", "tailscaled",
	"wg-quick", "wireguard", "wireguard-go", "zerotier", "zerotier-one",
}

// Carries reports whether a job is known to carry connections to the Mac, so that stopping it may cut off who stops it: by a part
// of its label, as in com.tailscale.tailscaled, com.wireguard.wg0 or homebrew.mxcl.cloudflared, or by a program that its property
// list names. File may be nil.
func Carries(label string, file plist.Dict) bool {
	names := strings.Split(strings.ToLower(label), ".")
	program, _ := file.Get("Program").(string)
	for _, word := range append(stringsIn(file.Get("ProgramArguments")), program) {
		names = append(names, path.Base(word))
	}
	return slices.ContainsFunc(names, func(name string) bool { return slices.Contains(carriers, name) })
}
