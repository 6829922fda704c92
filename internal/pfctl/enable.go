package pfctl

import (
	"context"
	_ "embed"
	"errors"
	"fmt"

	"github.com/macos-fleet/terraform-provider-macos/internal/remote"
)

//go:embed enable.sh
var enableScript string

//go:embed release.sh
var releaseScript string

// What can go wrong with the enable reference.
var (
	ErrEnable  = errors.New("pf could not be enabled")
	ErrRelease = errors.New("pf's enable reference could not be given back")
)

// BootScript is what has to run at boot: it loads the anchors under com.apple/ from their files, which macOS's own load of
// /etc/pf.conf does not, and takes our enable reference, which a reboot drops. Running it again changes nothing.
//
//go:embed boot.sh
var BootScript string

// Enable takes a reference that keeps pf enabled, unless ours still counts.
func Enable(ctx context.Context, h *remote.Host) error {
	if _, err := h.Run(ctx, remote.Cmd{Script: enableScript, Writes: true}); err != nil {
		return fmt.Errorf("pfctl: %w: %w", ErrEnable, err)
	}
	return nil
}

// Release gives our reference back. pf stays enabled while somebody else holds one.
func Release(ctx context.Context, h *remote.Host) error {
	if _, err := h.Run(ctx, remote.Cmd{Script: releaseScript, Writes: true}); err != nil {
		return fmt.Errorf("pfctl: %w: %w", ErrRelease, err)
	}
	return nil
}
