package provider

import (
	"cmp"
	"context"
	"os"
	"runtime"
	rundebug "runtime/debug"
	"runtime/metrics"
	"sync/atomic"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/providerserver"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6/tf6server"

	"github.com/macos-fleet/terraform-provider-macos/internal/remote"
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
	if os.Getenv("GOGC") == "" {
		collectLate()
	}
	var options []tf6server.ServeOpt
	if debug {
		options = append(options, tf6server.WithManagedDebug())
	}
	return tf6server.Serve(RegistryAddress, newServer, options...)
}

// lateHeap is how large the heap may become before garbage is collected, in bytes; see collectLate.
const lateHeap = 18 << 20

// collectLate sets when garbage is collected, for the whole run. Most of what is allocated is garbage at once: the framework's copies of
// the schemas, a megabyte for each resource. Go by itself would collect it whenever the heap has doubled. At first that is every few
// megabytes, and takes as much time as all the rest of a plan; later it would let the heap grow to twice of what is in use. So nothing is
// collected below lateHeap, or a little more, and above it whenever the heap has grown by a third.
func collectLate() {
	const growth = 35
	rundebug.SetGCPercent(100 * lateHeap / (4 << 20)) // of the 4 MiB that Go takes to be in use at first
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	var next func(*collection)
	next = func(*collection) {
		metrics.Read(live)
		used := max(live[0].Value.Uint64(), 4<<20)
		rundebug.SetGCPercent(max(growth, int(100*lateHeap/used)-100))
		runtime.SetFinalizer(new(collection), next)
	}
	runtime.SetFinalizer(new(collection), next)
}

// collection is garbage from the start, so that its finalizer runs after the next collection.
type collection struct{ _ [16]byte }

// NewServer makes the provider as Terraform's protocol has it: the framework's server, but for two things. That keeps the context of each
// call until the provider ends, and with it the call's loggers and its gRPC stream, 10 KB and more. Of a plan of 500 resources these
// are 2000 calls, and half of the memory. So the calls that come for each resource get a context that lets go of all when they are over.
// And it is not asked what can be told without it; see settled and asRead.
func NewServer(version string) func() tfprotov6.ProviderServer {
	return func() tfprotov6.ProviderServer {
		p := &macosProvider{version: version}
		s := providerserver.NewProtocol6(p)()
		lists, _ := s.(tfprotov6.ListResourceServer)
		actions, _ := s.(tfprotov6.ActionServer)
		return server{s, lists, actions, p}
	}
}

type server struct {
	tfprotov6.ProviderServer
	tfprotov6.ListResourceServer
	tfprotov6.ActionServer
	provider *macosProvider
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
	ctx = remote.Once(ctx) // Both ask the same.
	if inv := s.provider.inventory; inv != nil {
		inv.foresee()
	}
	if identity, same := s.provider.asRead(ctx, req); same {
		return &tfprotov6.ReadResourceResponse{NewState: req.CurrentState, NewIdentity: identity}, nil
	}
	return during(ctx, req, s.ProviderServer.ReadResource)
}

func (s server) PlanResourceChange(
	ctx context.Context, req *tfprotov6.PlanResourceChangeRequest,
) (*tfprotov6.PlanResourceChangeResponse, error) {
	ctx = remote.Once(ctx) // Both ask the same.
	if warnings, ok := s.provider.settled(ctx, req); ok {
		return &tfprotov6.PlanResourceChangeResponse{PlannedState: req.PriorState, PlannedIdentity: req.PriorIdentity, Diagnostics: warnings}, nil
	}
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
