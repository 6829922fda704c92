package provider

import (
	"context"
	"errors"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"

	"github.com/macos-fleet/terraform-provider-macos/internal/pfctl"
	"github.com/macos-fleet/terraform-provider-macos/internal/remote"
	"github.com/macos-fleet/terraform-provider-macos/internal/watchdog"
)

// explainUndone is explain for rules or an enabled pf that the Mac may have undone, since nobody could confirm them: it says as well which
// rule it probably was. in is what was to be done.
func explainUndone(ctx context.Context, diags *diag.Diagnostics, at path.Path, summary string, err error, mac *remote.Host, in pfctl.Intent) {
	var undone *watchdog.UndoneError
	if !errors.As(err, &undone) || !undone.Unconfirmed() || undone.Left {
		explain(diags, at, summary, err)
		return
	}
	diags.AddAttributeError(at, summary, because(err)+"\n\n"+suspects(ctx, mac, in))
}

// suspects says which rules probably cut the Mac off, by a forecast of the same change on the Mac as it is again.
func suspects(ctx context.Context, mac *remote.Host, in pfctl.Intent) string {
	const nobody = "By the forecast nothing should have been cut. Another resource of this apply, which was tried with this one, may have done it, or something " +
		"between here and the Mac."
	s, err := pfctl.Look(ctx, mac)
	if err == nil && in.Anchor != "" && in.Table == "" && !in.Gone {
		in.Want, err = pfctl.Check(ctx, mac, in.Anchor, in.Text)
	}
	if err != nil {
		return "Which rule it was cannot be told: " + err.Error()
	}
	in.Forced = true
	var cuts []pfctl.Finding
	for _, f := range new(pfctl.Planned).Judge(s, in) {
		if f.Kind == pfctl.Cut && !f.Demanded {
			cuts = append(cuts, f)
		}
	}
	if len(cuts) == 0 {
		return nobody
	}
	return "This is probably why.\n\n" + verdicts(cuts, suspected)
}
