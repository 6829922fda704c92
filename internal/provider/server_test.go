package provider

import (
	"context"
	"runtime"
	"testing"
	"weak"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
)

// Nothing of a call is kept when it is over.
func TestServer_forgetsCalls(t *testing.T) {
	t.Parallel()
	server := NewServer("test")()
	type key struct{}
	call := func() weak.Pointer[[1 << 10]byte] {
		stream := new([1 << 10]byte)
		ctx, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, stream))
		defer cancel()
		if _, err := server.UpgradeResourceState(ctx, &tfprotov6.UpgradeResourceStateRequest{
			TypeName: "macos_pf", RawState: &tfprotov6.RawState{JSON: []byte(`{}`)},
		}); err != nil {
			t.Error(err)
		}
		return weak.Make(stream)
	}
	stream := call()
	runtime.GC()
	if stream.Value() != nil {
		t.Error("the context of a call is still there")
	}
	runtime.KeepAlive(server)
}

// Whoever kept the context of a call finds it canceled.
func TestServer_callIsOver(t *testing.T) {
	t.Parallel()
	var kept context.Context
	type key struct{}
	_, err := during(context.WithValue(t.Context(), key{}, "value"), 1, func(ctx context.Context, n int) (int, error) {
		kept = ctx
		if ctx.Err() != nil || ctx.Value(key{}) != "value" {
			t.Errorf("%v, %v", ctx.Err(), ctx.Value(key{}))
		}
		return n, nil
	})
	select {
	case <-kept.Done():
	default:
		t.Error("it is not done")
	}
	if err != nil || kept.Err() == nil || kept.Value(key{}) != nil {
		t.Errorf("%v, %v, %v", err, kept.Err(), kept.Value(key{}))
	}
}

// Lists and actions are served as the framework serves them.
func TestServer_whole(t *testing.T) {
	t.Parallel()
	s, ok := NewServer("test")().(server)
	if !ok || s.ListResourceServer == nil || s.ActionServer == nil {
		t.Errorf("got %+v", s)
	}
}
