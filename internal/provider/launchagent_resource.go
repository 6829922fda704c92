package provider

import (
	"context"
	"fmt"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/identityschema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/planmodifier"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringplanmodifier"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/macos-fleet/terraform-provider-macos/internal/launchctl"
)

// newLaunchagent is macos_launchagent: a job in /Library/LaunchAgents or in a user's own such folder, loaded in the sessions at the
// screen.
func newLaunchagent() *jobResource {
	return &jobResource{kind: jobKind{
		typeName: "macos_launchagent",
		agents:   true,
		about: "A launchd agent: its property list, and the job that launchd makes of it for whoever is logged in at the screen. Without `user` it is in " +
			"`/Library/LaunchAgents`, for everybody; with `user` in `Library/LaunchAgents` of that user's home folder, for this user only, who owns it.\n\n" +
			"An agent runs as its user, in the user's session. It is loaded, changed and stopped in every session that there is, in all of them or in none. Who is not " +
			"logged in at the screen has no session: launchd loads the agent at the next login, and until then there is nothing that could differ. That is no " +
			"error, and `loaded_for` tells it. A login over SSH is not one at the screen.\n\n" +
			"What is said of `macos_launchdaemon` holds here, too: a change stops the job, waits until it has ended, and loads it anew; what launchd holds is " +
			"read back and compared with the file; destroying the resource stops the job and removes the file.\n\n" +
			"An agent whose `limit_load_to_session_type` is for other sessions than those at the screen (`Aqua`), such as `LoginWindow`, is put in place, and " +
			"loaded by macOS itself when there is such a session.\n\n" +
			"~> **The file is exhaustive.** A key that is not configured is removed. A job that exists already is never taken over, unless it is exactly " +
			"what is wanted: import it first.",
	}}
}

// agentAttributes are those that daemons do not have.
func agentAttributes() map[string]schema.Attribute {
	return map[string]schema.Attribute{
		"user": schema.StringAttribute{
			Optional:      true,
			Validators:    []validator.String{named{what: "User", check: launchctl.CheckUser}},
			PlanModifiers: []planmodifier.String{stringplanmodifier.RequiresReplace()},
			MarkdownDescription: "Short name of the user whose agent it is, as `id -un` prints it. Default: none, for everybody's. Changing it replaces the resource. If the user has no " +
				"folder `Library/LaunchAgents`, it is made, and stays.",
		},
		"loaded_for": schema.ListAttribute{
			Computed: true, ElementType: types.StringType,
			MarkdownDescription: "Short names of the users in whose sessions the agent is loaded now. Empty while none of those that it is for is logged in at the screen.",
		},
	}
}

var userIdentity = identityschema.StringAttribute{
	OptionalForImport: true, Description: "Short name of the user whose agent it is; none for everybody's.",
}

// validateAgent checks what is only for daemons.
func validateAgent(config jobModel, diags *diag.Diagnostics) {
	for _, name := range []string{"user_name", "group_name", "init_groups"} {
		if v := config.attrs[name]; v != nil && !v.IsNull() {
			diags.AddAttributeError(path.Root(name), "Attribute Only for Daemons",
				fmt.Sprintf("An agent runs as the user in whose session it is, and launchd ignores %s.", name))
		}
	}
}

// mayMove reports whether all there is of an agent is loaded from another folder of agents. It may be this very resource, which is to be
// replaced by one for another user: that is planned as if nothing had been there. An apply sees whether it is gone.
func mayMove(j *launchctl.Job) bool {
	if j.Exists {
		return false
	}
	for _, s := range append([]launchctl.Session{j.Session}, j.Others...) {
		if s.Loaded != nil && !strings.HasSuffix(s.Loaded.Path, "/Library/LaunchAgents/"+j.Label+".plist") {
			return false
		}
	}
	return true
}

// tellAway says that there is no session yet.
func tellAway(diags *diag.Diagnostics, plan jobModel, mac string) {
	who := "Nobody"
	if user := plan.text("user").ValueString(); user != "" {
		who = user
	}
	detail := fmt.Sprintf("%s is logged in at the screen of %s, so launchd has no session there to load it in. It loads the job at the next "+
		"login.", who, mac)
	if who != "Nobody" {
		detail = strings.Replace(detail, "is logged in", "is not logged in", 1)
	}
	if !plan.enabled() {
		detail += " It can be disabled only then: the plan after that login does so."
	}
	diags.AddWarning(fmt.Sprintf("launchd Job %q Is Not Loaded Yet", plan.label()), detail)
}

// importUser takes the user of an agent from the import ID HOST/USER/LABEL or from the identity, when the rest was taken.
func importUser(ctx context.Context, req resource.ImportStateRequest, resp *resource.ImportStateResponse) {
	var label, user types.String
	resp.Diagnostics.Append(resp.State.GetAttribute(ctx, path.Root("label"), &label)...)
	if req.ID != "" {
		if name, rest, ok := strings.Cut(label.ValueString(), "/"); ok {
			user, label = types.StringValue(name), types.StringValue(rest)
		}
	} else {
		resp.Diagnostics.Append(req.Identity.GetAttribute(ctx, path.Root("user"), &user)...)
	}
	resp.Diagnostics.Append(resp.State.SetAttribute(ctx, path.Root("user"), user)...)
	resp.Diagnostics.Append(resp.State.SetAttribute(ctx, path.Root("label"), label)...)
}
