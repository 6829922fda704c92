// Command idle is the provider with nothing behind it: its schemas are the real ones, but no Mac is ever asked. What a plan takes with it
// is what the CLI itself takes.
package main

import (
	"context"
	"log"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"

	"github.com/macos-fleet/terraform-provider-macos/internal/provider"
)

func main() {
	whole := provider.NewServer("idle")
	if err := provider.Serve(func() tfprotov6.ProviderServer { return idle{whole()} }, false); err != nil {
		log.Fatal(err)
	}
}

// idle answers by itself what would need a Mac.
type idle struct{ tfprotov6.ProviderServer }

func (idle) ConfigureProvider(context.Context, *tfprotov6.ConfigureProviderRequest) (*tfprotov6.ConfigureProviderResponse, error) {
	return &tfprotov6.ConfigureProviderResponse{}, nil
}

func (idle) ReadResource(_ context.Context, req *tfprotov6.ReadResourceRequest) (*tfprotov6.ReadResourceResponse, error) {
	return &tfprotov6.ReadResourceResponse{NewState: req.CurrentState, Private: req.Private, NewIdentity: req.CurrentIdentity}, nil
}

func (idle) PlanResourceChange(_ context.Context, req *tfprotov6.PlanResourceChangeRequest) (*tfprotov6.PlanResourceChangeResponse, error) {
	return &tfprotov6.PlanResourceChangeResponse{
		PlannedState: req.ProposedNewState, PlannedPrivate: req.PriorPrivate, PlannedIdentity: req.PriorIdentity,
	}, nil
}
