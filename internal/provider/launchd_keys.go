package provider

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/terraform-plugin-framework-validators/int64validator"
	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/macos-fleet/terraform-provider-macos/internal/launchctl"
	"github.com/macos-fleet/terraform-provider-macos/internal/plist"
)

// launchdKey is one key of a launchd.plist as an attribute. Its attribute's type decides how the value is converted.
type launchdKey struct {
	name      string // of the attribute
	apple     string // the key in the property list
	attribute schema.Attribute
}

// launchdKeys are the keys that have an attribute, in the order in which a file is written. Meanings and defaults are those
// of launchd.plist(5).
var launchdKeys = []launchdKey{
	{"program", "Program", text("Absolute path of the program. Default: the first of `program_arguments`.")},
	{"program_arguments", "ProgramArguments", texts("The argument vector; the first is the program's own name.")},
	{"run_at_load", "RunAtLoad", boolean("Whether the job is started when it is loaded, so at boot and by apply. Default: `false`.")},
	{"keep_alive", "KeepAlive", boolean("Whether launchd starts the job again whenever it ends. It implies `run_at_load`. Default: `false`.")},
	{"start_interval", "StartInterval", seconds(1, "Start the job every so many seconds. Times that fall into the Mac's sleep are lost.")},
	{"watch_paths", "WatchPaths", texts("Start the job when one of these paths is changed.")},
	{"environment_variables", "EnvironmentVariables", schema.MapAttribute{
		Optional: true, ElementType: types.StringType, MarkdownDescription: "Variables of the job's environment.",
	}},
	{"working_directory", "WorkingDirectory", text("Folder that the job starts in. Default: `/`.")},
	{"standard_in_path", "StandardInPath", text("File that is the job's standard input. Default: `/dev/null`.")},
	{"standard_out_path", "StandardOutPath", text("File that the job's standard output is appended to. Default: `/dev/null`.")},
	{"standard_error_path", "StandardErrorPath", text("File that the job's standard error is appended to. Default: `/dev/null`.")},
	{"user_name", "UserName", text("User that the job runs as. Default: root.")},
	{"group_name", "GroupName", text("Group that the job runs as. Default: the user's primary group.")},
	{"throttle_interval", "ThrottleInterval", seconds(0, "The job is not started again within so many seconds of its last start. Default: 10.")},
	{"exit_timeout", "ExitTimeOut", seconds(0, "How many seconds the job has between SIGTERM and SIGKILL when it is stopped; "+
		"0 is for ever. Default: macOS's own (5).")},
	{"nice", "Nice", schema.Int64Attribute{
		Optional: true, Validators: []validator.Int64{int64validator.Between(-20, 20)}, MarkdownDescription: "The job's nice(3) value.",
	}},
	{"process_type", "ProcessType", schema.StringAttribute{
		Optional:   true,
		Validators: []validator.String{stringvalidator.OneOf("Background", "Standard", "Adaptive", "Interactive")},
		MarkdownDescription: "How macOS limits the job's resources: `Background`, `Standard`, `Adaptive` or `Interactive`. " +
			"A `Background` job can be delayed for long. Default: `Standard`.",
	}},
}

func text(description string) schema.Attribute {
	return schema.StringAttribute{
		Optional: true, Validators: []validator.String{stringvalidator.LengthAtLeast(1)}, MarkdownDescription: description,
	}
}

func texts(description string) schema.Attribute {
	return schema.ListAttribute{Optional: true, ElementType: types.StringType, MarkdownDescription: description}
}

func boolean(description string) schema.Attribute {
	return schema.BoolAttribute{Optional: true, MarkdownDescription: description}
}

func seconds(least int64, description string) schema.Attribute {
	return schema.Int64Attribute{
		Optional: true, Validators: []validator.Int64{int64validator.AtLeast(least)}, MarkdownDescription: description,
	}
}

// toPlist is a known attribute's value in a property list; nil for null, which is a key that is not there.
func toPlist(v attr.Value) plist.Value {
	if v.IsNull() {
		return nil
	}
	switch v := v.(type) {
	case types.String:
		return v.ValueString()
	case types.Bool:
		return v.ValueBool()
	case types.Int64:
		return v.ValueInt64()
	case types.List:
		array := plist.Array{}
		for _, e := range v.Elements() {
			array = append(array, toPlist(e))
		}
		return array
	case types.Map:
		dict := plist.Dict{}
		elements := v.Elements()
		for _, k := range slices.Sorted(maps.Keys(elements)) {
			dict = append(dict, plist.Entry{Key: k, Value: toPlist(elements[k])})
		}
		return dict
	}
	panic(fmt.Sprintf("no property list value for %T", v)) // a type in launchdKeys that this func does not know
}

// fromPlist is the reverse for an attribute of type t; nil is null. ok is false when the value is of another kind.
func fromPlist(v plist.Value, t attr.Type) (value attr.Value, ok bool) {
	switch t := t.(type) {
	case types.ListType:
		array, isArray := v.(plist.Array)
		elements := make([]attr.Value, len(array))
		for i, e := range array {
			if elements[i], ok = fromPlist(e, t.ElemType); !ok {
				return nil, false
			}
		}
		if v == nil {
			return types.ListNull(t.ElemType), true
		}
		return types.ListValueMust(t.ElemType, elements), isArray
	case types.MapType:
		dict, isDict := v.(plist.Dict)
		elements := make(map[string]attr.Value, len(dict))
		for _, e := range dict {
			if elements[e.Key], ok = fromPlist(e.Value, t.ElemType); !ok || !holds(e.Key) {
				return nil, false
			}
		}
		if v == nil {
			return types.MapNull(t.ElemType), true
		}
		return types.MapValueMust(t.ElemType, elements), isDict
	}
	switch v := v.(type) {
	case nil:
		return map[attr.Type]attr.Value{
			types.StringType: types.StringNull(), types.BoolType: types.BoolNull(), types.Int64Type: types.Int64Null(),
		}[t], true
	case string:
		return types.StringValue(v), t == types.StringType && holds(v)
	case bool:
		return types.BoolValue(v), t == types.BoolType
	case int64:
		return types.Int64Value(v), t == types.Int64Type
	}
	return nil, false
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

// holds reports whether a text comes back from the state as it is. A CLI makes every string UTF-8 in Unicode's normalization form C, so
// that an "é" of two characters would become one of one; none below U+0300 is changed or combined by that.
func holds(text string) bool {
	return utf8.ValidString(text) && !strings.ContainsFunc(text, func(c rune) bool { return c >= 0x300 })
}
