package provider

import (
	"context"
	"slices"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/macos-fleet/terraform-provider-macos/internal/launchctl"
	"github.com/macos-fleet/terraform-provider-macos/internal/plist"
)

// jobModel is a configuration, plan or state: its attributes by name, since most of them are just keys of the property list.
type jobModel struct {
	types map[string]attr.Type
	attrs map[string]attr.Value
}

// getter is a configuration, a plan or a state.
type getter interface {
	Get(ctx context.Context, target any) diag.Diagnostics
}

func readJob(ctx context.Context, from getter, diags *diag.Diagnostics) jobModel {
	var object types.Object
	diags.Append(from.Get(ctx, &object)...)
	return jobModel{types: object.AttributeTypes(ctx), attrs: object.Attributes()}
}

// object is what a plan or a state is set to.
func (m jobModel) object() types.Object { return types.ObjectValueMust(m.types, m.attrs) }

func (m jobModel) text(name string) types.String {
	s, _ := m.attrs[name].(types.String)
	return s
}

func (m jobModel) label() string { return m.text("label").ValueString() }

// known is false while a part of the job is not known yet.
func (m jobModel) known() bool {
	if m.attrs["label"].IsUnknown() || m.attrs["plist"].IsUnknown() {
		return false
	}
	for _, k := range launchdKeys {
		if v, err := m.attrs[k.name].ToTerraformValue(context.Background()); err != nil || !v.IsFullyKnown() {
			return false
		}
	}
	return true
}

// desired is the property list that the attributes stand for, and its text. Nil is a state without a file.
func (m jobModel) desired() (value plist.Value, text []byte, err error) {
	if whole := m.text("plist"); !whole.IsNull() {
		text = []byte(whole.ValueString())
		value, err = plist.Decode(text)
		return value, text, err
	}
	dict := plist.Dict{{Key: "Label", Value: m.label()}}
	for _, k := range launchdKeys {
		if v := toPlist(m.attrs[k.name]); v != nil {
			dict = append(dict, plist.Entry{Key: k.apple, Value: v})
		}
	}
	if len(dict) == 1 {
		return nil, nil, nil
	}
	text, err = plist.Encode(dict)
	return dict, text, err
}

// seen is what the state knows of the job, for the Mac to compare with.
func (m jobModel) seen() launchctl.Seen {
	value, text, _ := m.desired()
	dict, ok := value.(plist.Dict)
	return launchctl.Seen{File: dict, Broken: text != nil && !ok, Managed: true}
}

// carries reports whether the job is known to carry connections to the Mac.
func (m jobModel) carries() bool {
	value, _, _ := m.desired()
	dict, _ := value.(plist.Dict)
	return launchctl.Carries(m.label(), dict)
}

// confirms reports whether a change to the job must be confirmed: what `confirm` says, or its default. Before is the job as it was, if
// there was one.
func (m jobModel) confirms(before ...jobModel) bool {
	if set, ok := m.attrs["confirm"].(types.Bool); ok && !set.IsNull() {
		return set.ValueBool()
	}
	return m.carries() || slices.ContainsFunc(before, jobModel.carries)
}

// observe fills in what was found. A file goes into the attributes that stand for its keys; one with a key that none stands
// for, and one that the user gives as text, goes into `plist`, which stays as the user wrote it while it means the same.
func (m jobModel) observe(j *launchctl.Job) {
	before, _, _ := m.desired()
	m.attrs["file"] = types.StringValue(j.File)
	m.attrs["drift"] = stringList(j.Drift())
	if j.Exists && j.Plist != nil && plist.Equal(j.Plist, before) {
		return
	}
	whole := !m.text("plist").IsNull()
	for _, k := range launchdKeys {
		value, ok := fromPlist(j.Plist.Get(k.apple), k.attribute.GetType())
		if !ok {
			whole = true
			value, _ = fromPlist(nil, k.attribute.GetType())
		}
		m.attrs[k.name] = value
	}
	for _, e := range j.Plist {
		whole = whole || e.Key != "Label" && !hasAttribute(e.Key)
	}
	whole = whole || j.Exists && (j.Plist == nil || j.Plist.Get("Label") != m.label())
	m.attrs["plist"] = types.StringNull()
	if !whole || !j.Exists {
		return
	}
	m.attrs["plist"] = types.StringValue(shown(j))
	for _, k := range launchdKeys {
		m.attrs[k.name], _ = fromPlist(nil, k.attribute.GetType())
	}
}

func hasAttribute(apple string) bool {
	for _, k := range launchdKeys {
		if k.apple == apple {
			return true
		}
	}
	return false
}
