package provider

import (
	"encoding/base64"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	frameworkresource "github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/terraform"
	"github.com/hashicorp/terraform-plugin-testing/tfversion"

	"github.com/macos-fleet/terraform-provider-macos/internal/launchctl"
	"github.com/macos-fleet/terraform-provider-macos/internal/plist"
)

// keySample is a value of one attribute in all the ways in which it can stand.
type keySample struct {
	hcl   string        // in a configuration
	file  plist.Value   // what is written
	also  []plist.Value // what means the same in a file
	other string        // another value, in a configuration
}

func dict(keysAndValues ...any) plist.Dict {
	d := plist.Dict{}
	for i := 0; i < len(keysAndValues); i += 2 {
		d = append(d, plist.Entry{Key: keysAndValues[i].(string), Value: keysAndValues[i+1]})
	}
	return d
}

// keySamples has every attribute that stands for a key.
var keySamples = map[string]keySample{
	"program":             {hcl: `"/bin/cat"`, file: "/bin/cat", other: `"/bin/sh"`},
	"program_arguments":   {hcl: `["cat", "", "-u"]`, file: plist.Array{"cat", "", "-u"}, other: `["cat"]`},
	"enable_globbing":     {hcl: `true`, file: true, other: `false`},
	"disabled":            {hcl: `false`, file: false, other: `true`},
	"run_at_load":         {hcl: `true`, file: true, other: `false`},
	"keep_alive":          {hcl: `true`, file: true, other: `false`},
	"keep_alive_if":       {hcl: `{ successful_exit = false, crashed = true, path_state = { "/etc/acme" = true }, other_job_enabled = { "com.acme.a" = false } }`, file: dict("SuccessfulExit", false, "Crashed", true, "PathState", dict("/etc/acme", true), "OtherJobEnabled", dict("com.acme.a", false)), other: `{ crashed = true }`},
	"start_interval":      {hcl: `900`, file: int64(900), other: `901`},
	"watch_paths":         {hcl: `["/etc/acme"]`, file: plist.Array{"/etc/acme"}, other: `["/etc/acme", "/etc/hosts"]`},
	"queue_directories":   {hcl: `["/var/spool/acme"]`, file: plist.Array{"/var/spool/acme"}, other: `["/var/spool/b"]`},
	"start_on_mount":      {hcl: `true`, file: true, other: `false`},
	"launch_only_once":    {hcl: `true`, file: true, other: `false`},
	"throttle_interval":   {hcl: `0`, file: int64(0), other: `30`},
	"init_groups":         {hcl: `false`, file: false, other: `true`},
	"working_directory":   {hcl: `"/var/empty"`, file: "/var/empty", other: `"/"`},
	"root_directory":      {hcl: `"/"`, file: "/", other: `"/var/empty"`},
	"standard_in_path":    {hcl: `"/dev/null"`, file: "/dev/null", other: `"/etc/hosts"`},
	"standard_out_path":   {hcl: `"/var/log/a"`, file: "/var/log/a", other: `"/var/log/b"`},
	"user_name":           {hcl: `"nobody"`, file: "nobody", other: `"root"`},
	"group_name":          {hcl: `"nobody"`, file: "nobody", other: `"wheel"`},
	"session_create":      {hcl: `true`, file: true, other: `false`},
	"exit_timeout":        {hcl: `7`, file: int64(7), other: `8`},
	"nice":                {hcl: `-20`, file: int64(-20), other: `20`},
	"process_type":        {hcl: `"Interactive"`, file: "Interactive", other: `"Background"`},
	"low_priority_io":     {hcl: `true`, file: true, other: `false`},
	"legacy_timers":       {hcl: `true`, file: true, other: `false`},
	"debug":               {hcl: `true`, file: true, other: `false`},
	"wait_for_debugger":   {hcl: `false`, file: false, other: `true`},
	"enable_transactions": {hcl: `true`, file: true, other: `false`},

	"start_calendar_interval": {
		hcl:   `[{ minute = 0, hour = 23, day = 31, weekday = 7, month = 12 }]`,
		file:  plist.Array{dict("Minute", int64(0), "Hour", int64(23), "Day", int64(31), "Weekday", int64(7), "Month", int64(12))},
		also:  []plist.Value{dict("Month", int64(12), "Minute", int64(0), "Hour", int64(23), "Day", int64(31), "Weekday", int64(7))},
		other: `[{ minute = 0 }, { minute = 30 }, {}]`,
	},
	"environment_variables":      {hcl: `{ A = "b", C = "" }`, file: dict("A", "b", "C", ""), other: `{ A = "c" }`},
	"standard_error_path":        {hcl: `"/var/log/a"`, file: "/var/log/a", other: `"/var/log/b"`},
	"umask":                      {hcl: `"022"`, file: int64(18), also: []plist.Value{"022", "18", "0x12"}, other: `"077"`},
	"abandon_process_group":      {hcl: `true`, file: true, other: `false`},
	"enable_pressured_exit":      {hcl: `true`, file: true, other: `false`},
	"low_priority_background_io": {hcl: `true`, file: true, other: `false`},
	"materialize_dataless_files": {hcl: `true`, file: true, other: `false`},
	"soft_resource_limits": {
		hcl:   `{ core = 0, cpu = 1, data = 2, file_size = 3, memory_lock = 4, number_of_files = 5, number_of_processes = 6, resident_set_size = 7, stack = 8 }`,
		file:  dict("Core", int64(0), "CPU", int64(1), "Data", int64(2), "FileSize", int64(3), "MemoryLock", int64(4), "NumberOfFiles", int64(5), "NumberOfProcesses", int64(6), "ResidentSetSize", int64(7), "Stack", int64(8)),
		other: `{ number_of_files = 4096 }`,
	},
	"hard_resource_limits": {hcl: `{ number_of_files = 9223372036854775807 }`, file: dict("NumberOfFiles", int64(9223372036854775807)), other: `{}`},
	"mach_services": {
		hcl:   `{ "com.acme.a" = {}, "com.acme.b" = { reset_at_close = true, hide_until_check_in = false } }`,
		file:  dict("com.acme.a", true, "com.acme.b", dict("ResetAtClose", true, "HideUntilCheckIn", false)),
		also:  []plist.Value{dict("com.acme.b", dict("HideUntilCheckIn", false, "ResetAtClose", true), "com.acme.a", dict())},
		other: `{ "com.acme.a" = {} }`,
	},
	"sockets": {
		hcl: `[
    { name = "Listeners", sock_node_name = "127.0.0.1", sock_service_name = "8080", sock_type = "stream", sock_family = "IPv4", sock_protocol = "TCP", sock_passive = true, bonjour = true },
    { name = "Control", sock_path_name = "/var/run/acme", sock_path_mode = "0600", sock_path_owner = 0, sock_path_group = 0, secure_socket_with_key = "ACME" },
    { name = "Control", sock_type = "dgram", multicast_group = "ff02::1", bonjour_names = ["a", "b"], sock_service_name = "acme" },
  ]`,
		file: dict(
			"Listeners", dict("SockType", "stream", "SockPassive", true, "SockNodeName", "127.0.0.1", "SockServiceName", "8080", "SockFamily", "IPv4", "SockProtocol", "TCP", "Bonjour", true),
			"Control", plist.Array{
				dict("SockPathName", "/var/run/acme", "SecureSocketWithKey", "ACME", "SockPathOwner", int64(0), "SockPathGroup", int64(0), "SockPathMode", int64(0o600)),
				dict("SockType", "dgram", "SockServiceName", "acme", "Bonjour", plist.Array{"a", "b"}, "MulticastGroup", "ff02::1"),
			},
		),
		also: []plist.Value{dict(
			"Listeners", plist.Array{dict("SockType", "stream", "SockPassive", true, "SockNodeName", "127.0.0.1", "SockServiceName", int64(8080), "SockFamily", "IPv4", "SockProtocol", "TCP", "Bonjour", true)},
			"Control", plist.Array{
				dict("SockPathName", "/var/run/acme", "SecureSocketWithKey", "ACME", "SockPathOwner", int64(0), "SockPathGroup", int64(0), "SockPathMode", int64(0o600)),
				dict("SockType", "dgram", "SockServiceName", "acme", "Bonjour", plist.Array{"a", "b"}, "MulticastGroup", "ff02::1"),
			},
		)},
		other: `[{ name = "Listeners", sock_service_name = "http", bonjour_names = ["a"] }]`,
	},
	"inetd_compatibility": {hcl: `{ wait = false }`, file: dict("Wait", false), other: `{ wait = true }`},
	"launch_events": {
		hcl: `{ "com.apple.iokit.matching" = { usb = { idVendor = 1452, IOMatchLaunchStream = true, IOProviderClass = "IOUSBDevice", ratio = 0.1, whole = { "$real" = 2 }, since = { "$date" = "2026-11-22T18:00:00Z" }, key = { "$data" = "AAEC" }, list = [1, "a"] } } }`,
		file: dict("com.apple.iokit.matching", dict("usb", dict(
			"IOMatchLaunchStream", true, "IOProviderClass", "IOUSBDevice", "idVendor", int64(1452), "key", []byte{0, 1, 2}, "list", plist.Array{int64(1), "a"}, "ratio", 0.1,
			"since", time.Date(2026, 11, 22, 18, 0, 0, 0, time.UTC), "whole", 2.0))),
		other: `{ "com.apple.notifyd.matching" = { x = { Notification = "com.acme.x" } } }`,
	},
	"limit_load_to_session_type":    {hcl: `["System"]`, file: plist.Array{"System"}, also: []plist.Value{"System"}, other: `["Aqua", "Background", "LoginWindow", "StandardIO", "System"]`},
	"limit_load_to_hardware":        {hcl: `{ model = ["Mac14,3", "Mac16,10"] }`, file: dict("model", plist.Array{"Mac14,3", "Mac16,10"}), other: `{ model = [] }`},
	"limit_load_from_hardware":      {hcl: `{ model = ["Mac14,3"] }`, file: dict("model", plist.Array{"Mac14,3"}), other: `{}`},
	"associated_bundle_identifiers": {hcl: `["com.acme.app"]`, file: plist.Array{"com.acme.app"}, also: []plist.Value{"com.acme.app"}, other: `["com.acme.a", "com.acme.b"]`},
}

// appleOf is the key that an attribute stands for.
func appleOf(name string) string {
	i := slices.IndexFunc(launchdKeys, func(k launchdKey) bool { return k.name == name })
	return launchdKeys[i].apple
}

// Every key has a sample, and gets from a file into an attribute and back, in each of its spellings.
func TestLaunchdKeys_convert(t *testing.T) {
	for _, k := range launchdKeys {
		if _, ok := keySamples[k.name]; !ok && k.name != "" {
			t.Errorf("%s has no sample", k.name)
		}
	}
	for name, sample := range keySamples {
		for i, spelled := range append(sample.also, sample.file) {
			file := dict(appleOf(name), spelled)
			if found := checkKeys(launchdKeys, place{}, file); slices.ContainsFunc(found, func(f finding) bool { return f.weight > ignored }) {
				t.Errorf("%s, spelling %d: %v", name, i, found)
			}
			values, ok := decodeKeys(launchdKeys, launchctl.Meaning(file))
			if !ok || values[name].IsNull() {
				t.Errorf("%s, spelling %d: the attribute does not stand for it: %v", name, i, values[name])
				continue
			}
			for other, v := range values {
				if other != name && !v.IsNull() {
					t.Errorf("%s, spelling %d: %s is set, too", name, i, other)
				}
			}
			back, err := encodeKeys(launchdKeys, values)
			if err != nil {
				t.Errorf("%s, spelling %d: %v", name, i, err)
			}
			for _, c := range plist.Diff(dict(appleOf(name), sample.file), back) {
				t.Errorf("%s, spelling %d: %s", name, i, c)
			}
		}
	}
}

// keyJob is the resource of a job that has the attribute, which may be "", beside its program.
func keyJob(name, value string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "resource \"macos_launchdaemon\" %q {\n  label = \"tfacc.key.%s\"\n", name, name)
	switch name {
	case "program_arguments":
		b.WriteString("  program = \"/bin/cat\"\n")
	case "program":
	default:
		b.WriteString(sleeper + "\n")
	}
	if value != "" {
		fmt.Fprintf(&b, "  %s = %s\n", name, value)
	} else if name == "program" {
		b.WriteString("  program_arguments = [\"/bin/cat\"]\n")
	}
	return b.String() + "}\n"
}

// Every key is set, changed and removed, and the plan is empty after each. The file is as the sample says.
func TestLaunchdKeys_apply(t *testing.T) {
	t.Parallel()
	mac := simulated(t)
	mac.sh("/bin/launchctl enable system/tfacc.key.disabled") // as an apply would, and launchd does not forget that
	set, changed, removed := mac.provider, mac.provider, mac.provider
	updates := func() (checks []plancheck.PlanCheck) {
		for name := range keySamples {
			checks = append(checks, plancheck.ExpectResourceAction("macos_launchdaemon."+name, plancheck.ResourceActionUpdate))
		}
		return checks
	}
	for _, name := range slices.Sorted(maps.Keys(keySamples)) {
		set += keyJob(name, keySamples[name].hcl)
		changed += keyJob(name, keySamples[name].other)
		removed += keyJob(name, "")
	}
	mac.run(
		resource.TestStep{Config: set, Check: func(*terraform.State) error {
			for name, sample := range keySamples {
				file, err := decodeJob([]byte(mac.sh("cat /Library/LaunchDaemons/tfacc.key." + name + ".plist")))
				if got := file.Get(appleOf(name)); err != nil || !plist.Equal(got, sample.file) {
					t.Errorf("%s: %v: %v", name, err, plist.Diff(sample.file, got))
				}
			}
			return nil
		}},
		resource.TestStep{Config: changed, ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: updates()}},
		resource.TestStep{Config: removed, ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: updates()}},
	)
}

// imported is a configuration that imports the job that is there.
func imported(name, label string) string {
	return fmt.Sprintf("import {\n  to = macos_launchdaemon.%s\n  id = \"mini/%s\"\n}\n", name, label)
}

// install puts a file on the Mac, as its owner would, and has launchd load it.
func (m *testMac) install(label string, file []byte) {
	m.t.Helper()
	m.sh(`umask 022
f=/Library/LaunchDaemons/$1.plist
printf %s "$2" | /usr/bin/base64 -D >"$f" && /bin/launchctl bootstrap system "$f"`, label, base64.StdEncoding.EncodeToString(file))
}

// Every key is imported, in each of its spellings, into the configuration that means it, and nothing is to do.
func TestLaunchdKeys_import(t *testing.T) {
	t.Parallel()
	mac := simulated(t)
	config := mac.provider
	var checks []plancheck.PlanCheck
	for name, sample := range keySamples {
		for i, spelled := range append(sample.also, sample.file) {
			job := fmt.Sprintf("%s_%d", name, i)
			label := "tfacc.key." + job
			file := dict("Label", label)
			if name != "program" && name != "program_arguments" {
				file = append(file, dict("ProgramArguments", plist.Array{"/bin/sh", "-c", "exec sleep 600"})...)
			} else if name == "program_arguments" {
				file = append(file, dict("Program", "/bin/cat")...)
			}
			text, err := plist.Encode(append(file, dict(appleOf(name), spelled)...))
			if err != nil {
				t.Fatal(err)
			}
			mac.install(label, text)
			config += strings.Replace(keyJob(name, sample.hcl), `" "`+name+`"`, `" "`+job+`"`, 1)
			config = strings.Replace(config, `"tfacc.key.`+name+`"`, `"`+label+`"`, 1) + imported(job, label)
			checks = append(checks, plancheck.ExpectResourceAction("macos_launchdaemon."+job, plancheck.ResourceActionNoop))
		}
	}
	mac.ForgetCalls()
	resource.UnitTest(t, resource.TestCase{
		ProtoV6ProviderFactories: factories,
		TerraformVersionChecks:   []tfversion.TerraformVersionCheck{tfversion.SkipBelow(tfversion.Version1_5_0)},
		Steps: []resource.TestStep{{
			Config: config, ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: checks},
			Check: func(*terraform.State) error {
				if writes := mac.writes(); len(writes) > 0 {
					return fmt.Errorf("something was written: %q", writes)
				}
				return nil
			},
		}},
	})
}

// What is wrong in a whole property list is told with its key; what launchd ignores, with the key that was probably meant.
func TestLaunchdKeys_whole(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		file plist.Dict // beside Label and Program
		want string     // the summary and the detail; "" is none
		errs bool
	}{
		"fine":            {dict("RunAtLoad", true), "", false},
		"one-time":        {dict("StartCalendarInterval", dict("Hour", int64(3))), "", false},
		"no-times":        {dict("StartCalendarInterval", dict()), "", false},
		"misspelt":        {dict("ExitTimeout", int64(5)), "ExitTimeout is no key that launchd knows, so it is ignored; ExitTimeOut was probably meant.", false},
		"other-case":      {dict("runatload", true), "RunAtLoad was probably meant", false},
		"snake-case":      {dict("standard_error_path", "/x"), "StandardErrorPath was probably meant", false},
		"one-letter":      {dict("StartIntervall", int64(5)), "StartInterval was probably meant", false},
		"nothing-alike":   {dict("Zebra", true), "Zebra is no key that launchd knows, so it is ignored.", false},
		"very-long":       {dict(strings.Repeat("RunAtLoad", 10000), true), "ignored.", false},
		"empty-key":       {dict("", true), `"" is no key`, false},
		"inside":          {dict("KeepAlive", dict("SucessfulExit", false)), "KeepAlive.SucessfulExit is no key that launchd knows, so it is ignored; SuccessfulExit", false},
		"inside-list":     {dict("StartCalendarInterval", plist.Array{dict("Hour", int64(1)), dict("Minutes", int64(1))}), "StartCalendarInterval[1].Minutes is no key that launchd knows, so it is ignored; Minute was", false},
		"inside-sockets":  {dict("Sockets", dict("Listeners", dict("SockName", "x"))), "Sockets.Listeners.SockName is no key", false},
		"obsolete":        {dict("OnDemand", false), "OnDemand is a key which is obsolete: KeepAlive, with the opposite meaning, has replaced it.", false},
		"dead":            {dict("TimeOut", int64(5)), "TimeOut is a key which launchd does not implement any more", false},
		"dead-condition":  {dict("KeepAlive", dict("NetworkState", true)), "KeepAlive.NetworkState is a key which launchd does not heed any more.", false},
		"private":         {dict("inetdCompatibility", dict("Wait", false, "Instances", int64(42))), "inetdCompatibility.Instances is a key which is private", false},
		"text-for-bool":   {dict("RunAtLoad", "true"), `RunAtLoad is the string "true", and must be a boolean.`, true},
		"int-for-bool":    {dict("RunAtLoad", int64(1)), "RunAtLoad is the integer 1, and must be a boolean.", true},
		"text-for-int":    {dict("StartInterval", "60"), `StartInterval is the string "60", and must be an integer.`, true},
		"real-for-int":    {dict("StartInterval", 60.0), "StartInterval is the real 60.0, and must be an integer.", true},
		"huge-integer":    {dict("StartInterval", uint64(1<<63)), "must be an integer.", true},
		"text-for-either": {dict("KeepAlive", "yes"), `KeepAlive is the string "yes", and must be a boolean or a dictionary.`, true},
		"in-list":         {dict("WatchPaths", plist.Array{"/a", int64(1)}), "WatchPaths[1] is the integer 1, and must be a string.", true},
		"text-for-list":   {dict("WatchPaths", "/a"), `WatchPaths is the string "/a", and must be an array.`, true},
		"in-dictionary":   {dict("EnvironmentVariables", dict("A", int64(1))), "EnvironmentVariables.A is the integer 1, and must be a string.", true},
		"false-service":   {dict("MachServices", dict("com.acme.a", false)), `MachServices."com.acme.a" is the boolean false, and must be true or a dictionary.`, true},
		"event":           {dict("LaunchEvents", dict("com.apple.x", dict("y", true))), `LaunchEvents."com.apple.x".y is the boolean true, and must be a dictionary.`, true},
		"two-doubts":      {dict("Zebra", true, "TimeOut", int64(5)), "Zebra is no key that launchd knows, so it is ignored.\nTimeOut is a key which", false},
		"data":            {dict("Nice", []byte{1}), "Nice is data, and must be an integer.", true},
		"out-of-range":    {dict("StartCalendarInterval", dict("Hour", int64(24))), "StartCalendarInterval.Hour is 24, and must be between 0 and 23.", false},
		"other-word":      {dict("ProcessType", "interactive"), `ProcessType is "interactive", and must be Background, Standard, Adaptive or Interactive.`, false},
		"relative":        {dict("RootDirectory", ""), "of at least one character", false},
		"decimal-umask":   {dict("Umask", int64(22)), "Umask is the decimal 22, so 026 in octal; the octal 22 is 18.", false},
		"text-umask":      {dict("Umask", "77"), "Umask is the decimal 77, so 115 in octal; the octal 77 is 63.", false},
		"no-umask":        {dict("Umask", "u=rw"), `Umask is "u=rw", and must be a mode.`, false},
	} {
		t.Run(name, func(t *testing.T) {
			text, err := plist.Encode(append(dict("Label", "com.acme.a", "Program", "/bin/cat"), test.file...))
			if err != nil {
				t.Fatal(err)
			}
			found := validated(t, map[string]tftypes.Value{
				"label": tftypes.NewValue(tftypes.String, "com.acme.a"), "plist": tftypes.NewValue(tftypes.String, string(text)),
			})
			if len(found) == 0 && test.want == "" {
				return
			}
			if len(found) != 1 || test.want == "" || !strings.Contains(found[0].Detail(), test.want) || found.HasError() != test.errs {
				t.Errorf("got %v; want %q, an error: %v", found, test.want, test.errs)
			}
		})
	}
}

// validated are the diagnostics of a configuration with these attributes.
func validated(t *testing.T, attributes map[string]tftypes.Value) diag.Diagnostics {
	t.Helper()
	r := newLaunchdaemon()
	var resp frameworkresource.ValidateConfigResponse
	r.ValidateConfig(t.Context(), frameworkresource.ValidateConfigRequest{Config: tfsdk.Config(withAttributes(t, r, attributes))}, &resp)
	return resp.Diagnostics
}

// A value that an attribute cannot have is an error at its place.
func TestLaunchdKeys_refused(t *testing.T) {
	t.Parallel()
	const program = `  program = "/bin/cat"` + "\n"
	var config strings.Builder
	wants := []string{}
	for i, test := range []struct{ body, want string }{
		{`program = "bin/cat"`, `Program is "bin/cat", and must be an absolute path`},
		{`program_arguments = []`, `ProgramArguments is empty`},
		{program + `program_arguments = ["a", null]`, `\[1\]: it is null, and must be a string`},
		{program + `start_interval = 0`, `StartInterval is 0, and must be at least 1`},
		{program + `nice = 21`, `Nice is 21, and must be between -20 and 20`},
		{program + `umask = "8"`, `"8" is not octal`},
		{program + `umask = "77777"`, `Umask is 32767, and must be a mode`},
		{program + `keep_alive = true` + "\n" + `keep_alive_if = { crashed = true }`, `KeepAlive cannot be both keep_alive and keep_alive_if`},
		{program + `start_calendar_interval = [{ hour = 1 }, { weekday = 8 }]`, `StartCalendarInterval\[1\].Weekday is 8, and must be between 0 and 7`},
		{program + `sockets = [{ name = "L", sock_type = "tcp" }]`, `Sockets.L.SockType is "tcp", and must be stream, dgram or seqpacket`},
		{program + `sockets = [{ name = "L", bonjour = true, bonjour_names = ["a"] }]`, `Sockets.L.Bonjour cannot be both bonjour and bonjour_names`},
		{program + `sockets = [null]`, `Sockets: \[0\]: it is null, and must be a dictionary`},
		{program + `launch_events = { a = true }`, `LaunchEvents.a is the boolean true, and must be a dictionary`},
		{program + `launch_events = { a = { b = { c = [null] } } }`, `it is null`},
		{program + `environment_variables = { A = null }`, `"A": it is null, and must be a string`},
		{`run_at_load = true`, `needs program_arguments or program`},
	} {
		fmt.Fprintf(&config, "resource \"macos_launchdaemon\" \"r%d\" {\n  label = \"com.acme.r%d\"\n%s\n}\n", i, i, test.body)
		wants = append(wants, test.want)
	}
	mac := simulated(t)
	failed := false
	resource.UnitTest(t, resource.TestCase{
		ProtoV6ProviderFactories: factories, Steps: []resource.TestStep{{Config: mac.provider + config.String()}},
		ErrorCheck: func(err error) error {
			failed = true
			for i, want := range wants {
				if got := err.Error(); !wrapped(fmt.Sprintf(`(?s)Error: [^:]*macos_launchdaemon.r%d,.*?`, i) + want).MatchString(got) {
					t.Errorf("r%d: no error %s\n%s", i, want, got)
				}
			}
			return nil
		},
	})
	if !failed {
		t.Error("there was no error")
	}
}

// Whatever is in a job's file, the attributes that stand for it mean the same when they are written again; a text, too; and what is not to be
// shown is not. None of it fails.
func FuzzLaunchdKeys(f *testing.F) {
	files, err := filepath.Glob("testdata/launchd/*.plist")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	for name, sample := range keySamples {
		for _, spelled := range append(sample.also, sample.file) {
			text, err := plist.Encode(dict("Label", "com.acme.fuzz", appleOf(name), spelled))
			if err != nil {
				f.Fatal(err)
			}
			f.Add(text)
		}
	}
	f.Fuzz(standsFor)
}

// standsFor checks what is said of FuzzLaunchdKeys.
func standsFor(t *testing.T, text []byte) {
	t.Helper()
	file, err := decodeJob(text)
	if err != nil {
		return
	}
	checkKeys(wholeKeys, place{}, file)
	label, _ := file.Get("Label").(string)
	if launchctl.CheckLabel(label) != nil {
		return
	}
	j := &launchctl.Job{Label: label, File: "/x", Exists: true, Bytes: text, Plist: file}
	if _, err := plist.Encode(file); err != nil {
		return // such a file counts as broken
	}
	read := func(hidden ...string) jobModel {
		m := jobModel{attrs: map[string]attr.Value{"label": types.StringValue(label), "plist": types.StringNull(), "enabled": types.BoolNull()}, hidden: hidden}
		for name, attribute := range attributesOf(launchdKeys) {
			m.attrs[name] = null(attribute.GetType())
		}
		m.observe(j)
		return m
	}
	got, _, err := read().desired()
	if err != nil || !launchctl.Same(got, file) {
		t.Errorf("the attributes stand for %v, %v: %v", got, err, plist.Diff(file, got))
	}
	secret, _ := file.Get("EnvironmentVariables").(plist.Dict)
	if got, _, err = read("TOKEN").desired(); err != nil || len(secret) > 0 && got.Get("EnvironmentVariables") != nil {
		t.Errorf("with secrets, the attributes stand for %v, %v", got, err)
	}
}

// The same for jobs that are put together of values that are right, spelled otherwise, out of range, of another type, or nested where none are.
func TestLaunchdKeys_random(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	odd := []plist.Value{
		true, false, "", "x", "/x", "022", "\u0301", int64(-1), int64(0), int64(22), uint64(1 << 63), 1.0, 0.5,
		[]byte{1},
		time.Unix(0, 0).UTC(),
		plist.Array{},
		plist.Array{"x"},
		plist.Array{int64(1), "x"},
		plist.Array{plist.Dict{}},
		plist.Dict{},
		dict("a", true), dict("a", "b"), dict("a", dict("b", dict())),
	}
	var value func(keys []launchdKey, depth int) plist.Dict
	value = func(keys []launchdKey, depth int) plist.Dict {
		d := plist.Dict{}
		for _, k := range keys {
			if r.IntN(4) > 0 || d.Get(k.apple) != nil {
				continue
			}
			v := odd[r.IntN(len(odd))]
			if sample, ok := keySamples[k.name]; ok && r.IntN(3) > 0 {
				spelled := append(sample.also, sample.file)
				v = spelled[r.IntN(len(spelled))]
			}
			if of, nested := k.shape.(object); nested && r.IntN(2) == 0 {
				v = value(of.keys, depth+1)
			}
			d = append(d, plist.Entry{Key: k.apple, Value: v})
		}
		return d
	}
	typed := 0
	for range 1500 {
		keys := launchdKeys
		if r.IntN(2) == 0 { // few enough for all of them to be right
			keys = slices.Clone(launchdKeys)
			r.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
			keys = keys[:4]
		}
		file := append(dict("Label", "com.acme.random"), value(keys, 0)...)
		text, err := plist.Encode(file)
		if err != nil {
			t.Fatal(err)
		}
		if standsFor(t, text); t.Failed() {
			t.Fatalf("%s", text)
		}
		if _, ok := jobValues(&launchctl.Job{Label: "com.acme.random", Exists: true, Plist: file}); ok {
			typed++
		}
	}
	if typed < 150 {
		t.Errorf("attributes stood for %d files only", typed)
	}
}
