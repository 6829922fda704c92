package pf_test

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/macos-fleet/terraform-provider-macos/internal/pf"
)

func ExampleParse() {
	rules := `
		tailnet = "{ 100.64.0.0/10 fd7a:115c:a1e0::/48 }"
		block return in proto tcp to port ssh
		pass in proto tcp from $tailnet to port ssh
	`
	f, err := pf.Parse("ssh.pf", []byte(rules+"\n"), pf.Options{})
	if err != nil {
		fmt.Println(err)
	}
	for _, line := range f.Lines() {
		fmt.Println(line)
	}
	// Output:
	// block return in proto tcp from any to any port = 22
	// pass in inet proto tcp from 100.64.0.0/10 to any port = 22 flags S/SA keep state
	// pass in inet6 proto tcp from fd7a:115c:a1e0::/48 to any port = 22 flags S/SA keep state
}

func ExampleKernel_Test() {
	main, err := pf.Parse("pf.conf", []byte("anchor \"com.apple/*\"\n"), pf.Options{})
	if err != nil {
		fmt.Println(err)
	}
	ours, err := pf.Parse("ours.pf", []byte("block in proto tcp\npass in proto tcp to port 22\n"), pf.Options{Anchor: "com.apple/ours"})
	if err != nil {
		fmt.Println(err)
	}
	var k pf.Kernel
	if err := k.Load(time.Now(), main, ours); err != nil {
		fmt.Println(err)
	}
	for _, port := range []uint16{22, 80} {
		res := k.Test(nil, pf.Packet{
			Direction: pf.In, Interface: "en0", Proto: 6, Flags: pf.SYN,
			Src: netip.MustParseAddrPort("198.51.100.7:50000"),
			Dst: netip.AddrPortFrom(netip.MustParseAddr("192.168.1.10"), port),
		})
		fmt.Printf("%d: %v, %s line %d: %s\n", port, res.Verdict, res.Anchor, res.Rule.Pos.Line, res.Rule)
	}
	// Output:
	// 22: pass, com.apple/ours line 2: pass in proto tcp from any to any port = 22 flags S/SA keep state
	// 80: block, com.apple/ours line 1: block drop in proto tcp all
}
