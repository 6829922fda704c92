package provider

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/hashicorp/terraform-plugin-framework-validators/int64validator"
	"github.com/hashicorp/terraform-plugin-framework-validators/mapvalidator"
	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/macos-fleet/terraform-provider-macos/internal/launchctl"
	"github.com/macos-fleet/terraform-provider-macos/internal/plist"
)

// Variables of a job's environment may be secrets. They are given as a write-only attribute, which a CLI hands over in the configuration
// and never stores; so they are known while a job is planned and applied, and not when it is read. What is stored, in the resource's
// private state, is their names. While there are any, a variable of the file gets into the state only if the state has it already as one
// that is no secret: whatever else is there could be a secret of an apply that was cut short, or its value put elsewhere by hand. So could
// be a key that no attribute stands for.
//
// That a secret has another value than the one that was applied is not noticed. A hash in the state would tell, and would let whoever
// reads the state guess a weak one.

const (
	secretsName    = "environment_variables_wo"
	secretsVersion = "environment_variables_wo_version"
	secretsKey     = "environment_variables_wo" // of the private state: the names, as a JSON array
)

func secretAttributes() map[string]schema.Attribute {
	return map[string]schema.Attribute{
		secretsName: schema.MapAttribute{
			Optional: true, Sensitive: true, WriteOnly: true, ElementType: types.StringType,
			Validators: []validator.Map{mapvalidator.AlsoRequires(path.MatchRoot(secretsVersion))},
			MarkdownDescription: "Variables of the job's environment that are secrets: they are written to the job's file and never to the state. (On the Mac, " +
				"whoever has an account there can read them, with `launchctl print`.) They are written again when `" + secretsVersion + "` or anything else of the job changes. That one is gone from the file shows up as " +
				"drift, that it has another value does not. While there are any, other variables and unknown keys that somebody adds to the file are told by name only. " +
				"An import cannot know which variables are secrets, and takes all of them into the state. Needs Terraform or OpenTofu 1.11.",
		},
		secretsVersion: schema.Int64Attribute{
			Optional:            true,
			Validators:          []validator.Int64{int64validator.AlsoRequires(path.MatchRoot(secretsName))},
			MarkdownDescription: "Any number. When it changes, `" + secretsName + "` is written anew, since a CLI cannot tell that a secret has changed.",
		},
	}
}

// withSecrets is the job with the secrets of the configuration.
func (m jobModel) withSecrets(ctx context.Context, config getter, diags *diag.Diagnostics) jobModel {
	m.secrets, _ = readJob(ctx, config, diags).attrs[secretsName].(types.Map)
	return m
}

// environment is the attribute environment_variables with the secrets among them.
func (m jobModel) environment() attr.Value {
	given, _ := m.attrs["environment_variables"].(types.Map)
	if len(m.secrets.Elements()) == 0 {
		return given
	}
	all := m.secrets.Elements()
	maps.Copy(all, given.Elements())
	return types.MapValueMust(types.StringType, all)
}

// validateSecrets finds what keeps a secret from being written, without a word of it.
func validateSecrets(config jobModel, diags *diag.Diagnostics) {
	at := path.Root(secretsName)
	secrets, _ := config.attrs[secretsName].(types.Map)
	others, _ := config.attrs["environment_variables"].(types.Map)
	for name, v := range secrets.Elements() {
		if _, twice := others.Elements()[name]; twice {
			diags.AddAttributeError(at.AtMapKey(name), "Variable Twice in the Environment",
				fmt.Sprintf("The variable %s is in environment_variables, too.", name))
		}
		if s, ok := v.(types.String); ok && !s.IsUnknown() {
			if _, err := plist.Encode(s.ValueString()); err != nil || s.IsNull() {
				diags.AddAttributeError(at.AtMapKey(name), "Invalid Value for launchd",
					fmt.Sprintf("The variable %s is null, or holds a character that no property list can.", name))
			}
		}
	}
}

var errSecret = errors.New("a variable of " + secretsName + " cannot be written to a property list")

// names are those of the secrets, sorted.
func (m jobModel) names() []string { return slices.Sorted(maps.Keys(m.secrets.Elements())) }

// private is where a resource keeps what users do not see.
type private interface {
	GetKey(ctx context.Context, key string) ([]byte, diag.Diagnostics)
	SetKey(ctx context.Context, key string, value []byte) diag.Diagnostics
}

// hiding is the job with the names of the secrets that are, or may be, in its file.
func (m jobModel) hiding(ctx context.Context, from private, diags *diag.Diagnostics) jobModel {
	text, found := from.GetKey(ctx, secretsKey)
	diags.Append(found...)
	if len(text) > 0 {
		if err := json.Unmarshal(text, &m.hidden); err != nil {
			diags.AddError("Unreadable Private State", err.Error())
		}
	}
	return m
}

// keepNames records the names of secrets that are, or may be, in the job's file.
func keepNames(ctx context.Context, to private, names []string, diags *diag.Diagnostics) {
	before, found := to.GetKey(ctx, secretsKey)
	diags.Append(found...)
	if len(names) == 0 && before == nil {
		return
	}
	if names == nil {
		names = []string{}
	}
	text, err := json.Marshal(names)
	if err != nil {
		diags.AddError("Unreadable Private State", err.Error())
		return
	}
	diags.Append(to.SetKey(ctx, secretsKey, text)...)
}

// visible is what was found without secrets, and what is to be said of them.
func (m jobModel) visible(j *launchctl.Job) (*launchctl.Job, []string) {
	if len(m.hidden) == 0 || !j.Exists {
		return j, nil
	}
	without := *j
	if j.Plist == nil {
		without.Bytes = []byte("This is no property list. It is not shown, since there may be secrets in it.")
		return &without, nil
	}
	var drift []string
	before, _, _ := m.desired()
	mine, _ := before.Get("EnvironmentVariables").(plist.Dict)
	there, _ := j.Plist.Get("EnvironmentVariables").(plist.Dict)
	for _, name := range m.hidden {
		if _, ok := there.Get(name).(string); !ok {
			drift = append(drift, fmt.Sprintf("the variable %s of %s is not in %s", name, secretsName, j.File))
		}
	}
	shown := plist.Dict{}
	for _, e := range there {
		switch {
		case slices.Contains(m.hidden, e.Key):
		case mine.Get(e.Key) != nil:
			shown = append(shown, e)
		default:
			drift = append(drift, fmt.Sprintf("the variable %s is in %s and not in the configuration; its value is not shown, since it may be a secret", e.Key, j.File))
		}
	}
	without.Plist = plist.Dict{}
	for _, e := range j.Plist {
		_, known := decodeKeys(launchdKeys, launchctl.Meaning(plist.Dict{e}))
		switch {
		case e.Key == "EnvironmentVariables" && there != nil:
			e.Value = shown
		case e.Key != "Label" && !known:
			drift = append(drift, fmt.Sprintf("the key %s is in %s, and no attribute stands for it; its value is not shown, since it may be a secret", e.Key, j.File))
			continue
		}
		without.Plist = append(without.Plist, e)
	}
	without.Plist = launchctl.Meaning(without.Plist) // without an environment that is empty
	text, err := plist.Encode(without.Plist)
	if err != nil {
		return &without, drift // jobs that cannot be encoded count as broken
	}
	without.Bytes = text
	return &without, drift
}
