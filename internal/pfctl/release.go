package pfctl

import (
	"context"
	_ "embed"
	"errors"
	"fmt"

	"github.com/macos-fleet/terraform-provider-macos/internal/remote"
)

//go:embed release.sh
var releaseScript string

// ErrRelease is a reference that was not given back, so that pf stays enabled.
var ErrRelease = errors.New("pf's enable reference could not be given back")

// BootScript is what has to run at boot: it fills tables from their files and loads the anchors under com.apple/ from theirs, which macOS's
// own load of /etc/pf.conf does not, and takes our enable reference, which a reboot drops. Running it again changes nothing. That load
// may come before or after: a table that rules only declare keeps its addresses.
//
//go:embed boot.sh
var BootScript string

// Release gives our reference back. pf stays enabled while somebody else holds one.
func Release(ctx context.Context, h *remote.Host) error {
	if _, err := h.Run(ctx, remote.Cmd{Script: releaseScript, Writes: true}); err != nil {
		return fmt.Errorf("pfctl: %w: %w", ErrRelease, err)
	}
	return nil
}
