package provider

import (
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

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
    { name = "Control", sock_path_name = "/var/run/acme", sock_path_mode = "600", sock_path_owner = 0, sock_path_group = 0, secure_socket_with_key = "ACME" },
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
