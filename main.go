// Command terraform-provider-macos manages the firewall and the daemons of Macs over SSH, for Terraform and OpenTofu.
package main

import (
	"flag"
	"log"

	"github.com/macos-fleet/terraform-provider-macos/internal/provider"
)

// version is set by the release build.
var version = "dev"

func main() {
	debug := flag.Bool("debug", false, "keep running and print how a debugger's CLI reaches this process")
	flag.Parse()
	if err := provider.Serve(provider.NewServer(version), *debug); err != nil {
		log.Fatal(err)
	}
}
