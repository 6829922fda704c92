package provider

import (
	"cmp"
	"context"
	"os"
	rundebug "runtime/debug"
	"sync/atomic"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/providerserver"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6/tf6server"
)

// Serve answers the CLI that started this program until it has enough. With debug it keeps running, and prints how a debugger's CLI
// reaches it.
func Serve(newServer func() tfprotov6.ProviderServer, debug bool) error {
	// Unless told otherwise, the framework writes a trace of every call to the CLI, which then drops it. That takes a third of a plan's time.
	if cmp.Or(os.Getenv("TF_LOG"), os.Getenv("TF_LOG_PROVIDER")) == "" {
		for _, name := range []string{"TF_LOG_SDK", "TF_LOG_SDK_PROTO", "TF_LOG_SDK_FRAMEWORK"} {
			if os.Getenv(name) == "" {
				_ = os.Setenv(name, "OFF")
			}
		}
	}
	// Most of the memory that is in use at any time is garbage of the framework's: its copies of the schemas. It is collected sooner than Go
	// would, unless told otherwise.
	if os.Getenv("GOGC") == "" {
		rundebug.SetGCPercent(50)
	}
	var options []tf6server.ServeOpt
	if debug {
		options = append(options, tf6server.WithManagedDebug())
	}
	return tf6server.Serve(RegistryAddress, newServer, options...)
}

// NewServer makes the provider as Terraform's protocol has it: the framework's server, but for one thing. That keeps the context of each
// call until the provider ends, and with it the call's loggers and its gRPC stream, 10 KB and more. Of a plan of 500 resources these
// are 2000 calls, and half of the memory. So the calls that come for each resource get a context that lets go of all when they are over.
func NewServer(version string) func() tfprotov6.ProviderServer {
	whole := providerserver.NewProtocol6(New(version)())
	return func() tfprotov6.ProviderServer {
		s := whole()
		lists, _ := s.(tfprotov6.ListResourceServer)
		actions, _ := s.(tfprotov6.ActionServer)
		return server{s, lists, actions}
	}
}

type server struct {
	tfprotov6.ProviderServer
	tfprotov6.ListResourceServer
	tfprotov6.ActionServer
}

func (s server) ValidateResourceConfig(
	ctx context.Context, req *tfprotov6.ValidateResourceConfigRequest,
) (*tfprotov6.ValidateResourceConfigResponse, error) {
	return during(ctx, req, s.ProviderServer.ValidateResourceConfig)
}

func (s server) UpgradeResourceState(
	ctx context.Context, req *tfprotov6.UpgradeResourceStateRequest,
) (*tfprotov6.UpgradeResourceStateResponse, error) {
	return during(ctx, req, s.ProviderServer.UpgradeResourceState)
}

func (s server) UpgradeResourceIdentity(
	ctx context.Context, req *tfprotov6.UpgradeResourceIdentityRequest,
) (*tfprotov6.UpgradeResourceIdentityResponse, error) {
	return during(ctx, req, s.ProviderServer.UpgradeResourceIdentity)
}

func (s server) ReadResource(ctx context.Context, req *tfprotov6.ReadResourceRequest) (*tfprotov6.ReadResourceResponse, error) {
	return during(ctx, req, s.ProviderServer.ReadResource)
}

func (s server) PlanResourceChange(
	ctx context.Context, req *tfprotov6.PlanResourceChangeRequest,
) (*tfprotov6.PlanResourceChangeResponse, error) {
	return during(ctx, req, s.ProviderServer.PlanResourceChange)
}

func (s server) ApplyResourceChange(
	ctx context.Context, req *tfprotov6.ApplyResourceChangeRequest,
) (*tfprotov6.ApplyResourceChangeResponse, error) {
	return during(ctx, req, s.ProviderServer.ApplyResourceChange)
}

// during makes a call with a context that is over when the call is.
func during[Q, R any](ctx context.Context, req Q, f func(context.Context, Q) (R, error)) (R, error) {
	c := new(callContext)
	c.is.Store(&ctx)
	defer c.is.Store(&over)
	return f(c, req)
}

// callContext is the context of a call, and when that is over, one that was canceled.
type callContext struct {
	is atomic.Pointer[context.Context]
}

func (c *callContext) Deadline() (time.Time, bool) { return (*c.is.Load()).Deadline() }
func (c *callContext) Done() <-chan struct{}       { return (*c.is.Load()).Done() }
func (c *callContext) Err() error                  { return (*c.is.Load()).Err() }
func (c *callContext) Value(key any) any           { return (*c.is.Load()).Value(key) }

// over is a context that was canceled.
var over = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()
