package provider

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/macos-fleet/terraform-provider-macos/internal/launchctl"
	"github.com/macos-fleet/terraform-provider-macos/internal/plist"
)

// jobModel is a configuration, plan or state: its attributes by name, since most of them are just keys of the property list.
type jobModel struct {
	types   map[string]attr.Type
	attrs   map[string]attr.Value
	secrets types.Map // of a configuration; see launchd_secrets.go
	hidden  []string  // of a state: the names of secrets that may be in the job's file
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
	if m.attrs["label"].IsUnknown() || m.attrs["plist"].IsUnknown() || m.secrets.IsUnknown() || m.text("user").IsUnknown() {
		return false
	}
	for _, v := range m.secrets.Elements() {
		if v.IsUnknown() {
			return false
		}
	}
	for _, k := range launchdKeys {
		if k.name != "" && !isKnown(m.attrs[k.name]) {
			return false
		}
	}
	return true
}

func isKnown(v attr.Value) bool {
	value, err := v.ToTerraformValue(context.Background())
	return err == nil && value.IsFullyKnown()
}

// desired is the property list that the attributes stand for, and its text. Nil is a state without a file; so is a text that is no
// dictionary, in which case there is an error.
func (m jobModel) desired() (dict plist.Dict, text []byte, err error) {
	if whole := m.text("plist"); !whole.IsNull() {
		text = []byte(whole.ValueString())
		dict, err = decodeJob(text)
		return dict, text, err
	}
	values := maps.Clone(m.attrs)
	values["environment_variables"] = m.environment()
	dict, err = encodeKeys(launchdKeys, values)
	if err != nil || len(dict) == 0 {
		return nil, nil, err
	}
	dict = append(plist.Dict{{Key: "Label", Value: m.label()}}, dict...)
	if text, err = plist.Encode(dict); err != nil && len(m.names()) > 0 {
		err = errSecret // whose own words may quote it
	}
	return dict, text, err
}

// decodeJob is a property list that is a dictionary.
func decodeJob(text []byte) (plist.Dict, error) {
	value, err := plist.Decode(text)
	if err != nil {
		return nil, err
	}
	dict, ok := value.(plist.Dict)
	if !ok {
		return nil, errors.New("it is " + typeName(value) + ", and a job is a dictionary")
	}
	return dict, nil
}

// seen is what the state knows of the job, for the Mac to compare with.
func (m jobModel) seen() launchctl.Seen {
	dict, text, _ := m.desired()
	return launchctl.Seen{File: dict, Broken: text != nil && dict == nil, Managed: true, Secrets: len(m.hidden) > 0}
}

// carries reports whether the job is known to carry connections to the Mac.
func (m jobModel) carries() bool {
	dict, _, _ := m.desired()
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

// enabled reports whether the job is to be loaded, which is so unless `enabled` says otherwise.
func (m jobModel) enabled() bool {
	set, ok := m.attrs["enabled"].(types.Bool)
	return !ok || set.IsNull() || set.ValueBool()
}

// restarts reports whether the job is to be started again: `restart_triggers` were others before. That they are new, or gone, is only
// recorded, so that an import can be followed by a configuration that has some.
func (m jobModel) restarts(before jobModel) bool {
	now, then := m.attrs["restart_triggers"], before.attrs["restart_triggers"]
	return !now.IsNull() && !then.IsNull() && !now.Equal(then)
}

// observe fills in what was found. A file goes into the attributes that stand for its keys; one that they cannot stand for, and one that
// the user gives as text, goes into `plist`. Both stay as the user wrote them while they mean the same to launchd. Secrets are left out.
func (m jobModel) observe(j *launchctl.Job) {
	m.secrets = types.MapNull(types.StringType)
	before, _, _ := m.desired()
	if len(m.hidden) > 0 && j.Err != nil {
		broken := *j
		broken.Err = errors.New("what is wrong with it is not shown, since there may be secrets in it")
		j = &broken
	}
	drift := j.Drift()
	wanted := m.enabled()
	if m.attrs["enabled"].IsNull() { // after an import
		wanted = j.Enabled(true)
	}
	if !wanted {
		drift = j.DriftDisabled()
	}
	j, about := m.visible(j)
	m.attrs["file"] = types.StringValue(j.File)
	m.attrs["enabled"] = types.BoolValue(j.Enabled(wanted))
	if _, ok := m.attrs["loaded_for"]; ok {
		m.attrs["loaded_for"] = stringList(j.LoadedFor())
	}
	m.attrs["drift"] = stringList(append(drift, about...))
	if j.Exists && j.Plist != nil && launchctl.Same(j.Plist, before) {
		return
	}
	values, ok := jobValues(j)
	if j.Exists && (!ok || !m.text("plist").IsNull()) {
		values, _ = decodeKeys(launchdKeys, nil)
		m.attrs["plist"] = types.StringValue(shown(j))
	} else {
		m.attrs["plist"] = types.StringNull()
	}
	maps.Copy(m.attrs, values)
}

// jobValues are the attributes that stand for a job's file. It is false when they cannot.
func jobValues(j *launchctl.Job) (map[string]attr.Value, bool) {
	if label := j.Plist.Get("Label"); j.Exists && label != j.Label {
		return nil, false
	}
	keys := slices.DeleteFunc(launchctl.Meaning(j.Plist), func(e plist.Entry) bool { return e.Key == "Label" })
	if j.Exists && len(keys) == 0 {
		return nil, false // no attributes would be no file
	}
	return decodeKeys(launchdKeys, keys)
}

// shown is a job's file as text that means the same when it comes back from the state: the file's own, if the state holds that; else,
// as for a binary one, XML in ASCII. A file that is no property list is shown as something that is none either.
func shown(j *launchctl.Job) string {
	if text := string(j.Bytes); holds(text) && !strings.HasPrefix(text, "bplist") {
		return text
	}
	text, err := plist.Encode(j.Plist)
	if j.Plist == nil || err != nil {
		return strconv.QuoteToASCII(string(j.Bytes))
	}
	var b strings.Builder
	for _, c := range string(text) {
		if c < utf8.RuneSelf {
			b.WriteRune(c)
		} else {
			fmt.Fprintf(&b, "&#%d;", c)
		}
	}
	return b.String()
}
