package provider

import (
	"fmt"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"

	"github.com/macos-fleet/terraform-provider-macos/internal/pfctl"
)

// This file is what a plan of macos_pf_anchor says: errors that end it, and warnings that a user should read before agreeing.

// refused turns what pfctl would not take, or would take and ignore, into errors at `rules`.
func refused(diags *diag.Diagnostics, mac, rules string, want pfctl.Rules) {
	at := path.Root("rules")
	switch {
	case want.Err != nil:
		diags.AddAttributeError(at, "pfctl Refuses the Rules", fmt.Sprintf("pfctl on %s says:\n\n%s\n\nNothing was changed there.", mac, indent(complaints(want.Err, rules))))
	case len(want.Set) > 0:
		diags.AddAttributeError(at, "Option Inside an Anchor", fmt.Sprintf("pfctl accepts this in an anchor and ignores it:\n\n%s\n\n"+
			"Options hold for the whole Mac, and belong into its /etc/pf.conf.", indent(strings.Join(want.Set, "\n"))))
	case want.Dummynet:
		diags.AddAttributeError(at, "Dummynet Rules Inside an Anchor", "Dummynet rules are Apple's own and undocumented, and this resource does not read them back, so it cannot keep them.")
	case want.Inline:
		diags.AddAttributeError(at, "Anchor With a Body Inside an Anchor", "pfctl accepts an anchor with a body in braces here, but by its ancestor's "+
			"source the kernel would then look for that body in another place, and never evaluate it. Make it a macos_pf_anchor of its own, "+
			"and call it by name.")
	}
}

// complaints are what pfctl says of the rules, each with the line that it is about.
func complaints(e *pfctl.SyntaxError, rules string) string {
	lines := strings.Split(rules, "\n")
	var b strings.Builder
	for _, m := range e.Messages {
		if m.Line == 0 {
			fmt.Fprintf(&b, "%s\n", m.Text)
			continue
		}
		fmt.Fprintf(&b, "line %d: %s\n", m.Line, m.Text)
		if m.Line <= len(lines) {
			fmt.Fprintf(&b, "    %s\n", strings.TrimSpace(lines[m.Line-1]))
		}
	}
	return b.String()
}

// adoptable reports whether an anchor is free, or holds exactly what is wanted already, as after an apply that was cut short.
func adoptable(a *pfctl.Anchor, rules string, want pfctl.Rules) bool {
	return !a.Link && (!a.Exists || a.Text == pfctl.Terminated(rules)) && (len(a.Loaded) == 0 || want.Matches(a.Loaded))
}

// warn says what a user should know before agreeing to the plan.
func warn(diags *diag.Diagnostics, s *pfctl.Survey, mac, name string, want pfctl.Rules, creates bool) {
	if len(s.Plan(name, want).Missing) > 0 {
		lost := "At the moment there are none."
		if len(s.Lost) > 0 {
			lost = "These are there now:\n\n" + indent(strings.Join(s.Lost, "\n"))
		}
		diags.AddAttributeWarning(path.Root("name"), fmt.Sprintf("The Main Ruleset of %s Will Be Loaded", mac),
			fmt.Sprintf("The main ruleset does not call anchor %q, so /etc/pf.conf will be loaded. That drops rules and calls that are "+
				"not in the file, which Internet Sharing, virtual machines and VPNs insert. %s", name, lost))
	}
	if creates {
		return // what enables pf at boot may be created by the same apply
	}
	const cure = "A macos_pf resource takes care of that; one that this plan creates or repairs does so, too."
	switch {
	case !s.EnabledAtBoot():
		now := ""
		if !s.Enabled {
			now = fmt.Sprintf("pf is disabled on %s at the moment, so anchor %q has no effect there. ", mac, name)
		}
		diags.AddAttributeWarning(path.Root("name"), fmt.Sprintf("pf Is Not Enabled at Boot on %s", mac),
			fmt.Sprintf("%sNothing in /Library/LaunchDaemons there enables pf, so after the next reboot anchor %q may have no effect. %s", now, name, cure))
	case !s.LoadedAtBoot(name) && pfctl.Reached(name):
		diags.AddAttributeWarning(path.Root("name"), fmt.Sprintf("pf Anchor %q Will Be Empty After a Reboot", name),
			fmt.Sprintf("macOS calls com.apple/*, but loads nothing into %s at boot, and nothing in /Library/LaunchDaemons on %s does. %s", name, mac, cure))
	}
}

// confTrouble says what is wrong with /etc/pf.conf as a whole, which is not ours to mend; nil if nothing is.
func confTrouble(s *pfctl.Survey, mac string) diag.Diagnostic {
	switch {
	case s.NoConf:
		return diag.NewAttributeErrorDiagnostic(path.Root("host"), fmt.Sprintf("%s Has No /etc/pf.conf", mac),
			"Without that file the Mac boots without a main ruleset, and nothing can be called from it. Put macOS's own back, from a backup or another Mac "+
				"of the same release, and check it with `sudo pfctl -n -f /etc/pf.conf`.")
	case s.ConfErr != nil:
		return diag.NewAttributeWarningDiagnostic(path.Root("host"), fmt.Sprintf("pfctl Refuses /etc/pf.conf on %s", mac),
			fmt.Sprintf("The rules that are loaded now stay, but after the next reboot there would be no main ruleset, and no anchor would have any effect. "+
				"Somebody changed the file; this resource keeps only its own lines there. pfctl says:\n\n%s", indent(s.ConfErr.Error())))
	}
	return nil
}
