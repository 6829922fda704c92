package provider

import (
	"testing"

	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"
	"github.com/hashicorp/terraform-plugin-testing/tfjsonpath"
)

// What launchd has of a job is told, not what its file says since.
func TestLaunchdJob(t *testing.T) {
	mac := simulated(t)
	mac.sh("printf '\\xcf\\xfa\\xed\\xfe' >/usr/local/bin/agent; chmod 0755 /usr/local/bin/agent")
	plist := `<plist><dict><key>Label</key><string>tfacc.job</string><key>ProgramArguments</key><array><string>/usr/local/bin/agent</string>` +
		`<string>-v</string></array><key>KeepAlive</key><true/><key>EnvironmentVariables</key><dict><key>TOKEN</key><string>hush</string></dict></dict></plist>`
	const file = "/Library/LaunchDaemons/tfacc.job.plist"
	mac.sh("printf '%s' '" + plist + "' >" + file + "; launchctl bootstrap system " + file + "; printf '<plist><dict/></plist>' >" + file)
	of := func(name, attribute string, want knownvalue.Check) statecheck.StateCheck {
		return statecheck.ExpectKnownValue("data.macos_launchd_job."+name, tfjsonpath.New(attribute), want)
	}
	mac.run(
		resource.TestStep{
			Config:      mac.provider + "data \"macos_launchd_job\" \"test\" {\n  label = \"tfacc.job\"\n  domain = \"session\"\n}\n",
			ExpectError: wrapped("A domain is system"),
		},
		resource.TestStep{
			Config: mac.provider + "data \"macos_launchd_job\" \"test\" {\n  label = \"tfacc.job\"\n}\n" +
				"data \"macos_launchd_job\" \"gone\" {\n  label = \"tfacc.gone\"\n  domain = \"gui/501\"\n}\n",
			ConfigStateChecks: []statecheck.StateCheck{
				of("test", "host", knownvalue.StringExact("mini")), of("test", "domain", knownvalue.StringExact("system")),
				of("test", "loaded", knownvalue.Bool(true)), of("test", "state", knownvalue.StringExact("running")),
				of("test", "pid", knownvalue.NotNull()), of("test", "runs", knownvalue.Int64Exact(1)), of("test", "last_exit", knownvalue.Null()),
				of("test", "file", knownvalue.StringExact(file)), of("test", "path", knownvalue.StringExact(file)),
				of("test", "program", knownvalue.StringExact("/usr/local/bin/agent")), of("test", "type", knownvalue.StringExact("LaunchDaemon")),
				of("test", "arguments", knownvalue.ListExact([]knownvalue.Check{
					knownvalue.StringExact("/usr/local/bin/agent"), knownvalue.StringExact("-v"),
				})),
				of("test", "environment_names", knownvalue.ListExact([]knownvalue.Check{knownvalue.StringExact("TOKEN")})),
				of("test", "managed_by_app", knownvalue.Bool(false)),
				of("gone", "loaded", knownvalue.Bool(false)), of("gone", "state", knownvalue.Null()), of("gone", "disabled", knownvalue.Bool(false)),
			},
		},
	)
}

func TestLaunchdJobs(t *testing.T) {
	mac := simulated(t)
	mac.sh("printf '\\xcf\\xfa\\xed\\xfe' >/usr/local/bin/agent; chmod 0755 /usr/local/bin/agent")
	for _, label := range []string{"tfacc.a", "tfacc.b", "other.c"} {
		file := "/Library/LaunchDaemons/" + label + ".plist"
		mac.sh("printf '<plist><dict><key>Label</key><string>" + label + "</string><key>Program</key><string>/usr/local/bin/agent</string></dict></plist>' >" + file)
		if label != "tfacc.b" {
			mac.sh("launchctl bootstrap system " + file)
		}
	}
	mac.sh("launchctl disable system/tfacc.d; launchctl kickstart system/tfacc.a")
	jobs := func(name, filters string) string {
		return "data \"macos_launchd_jobs\" \"" + name + "\" {\n" + filters + "\n}\n"
	}
	labels := func(name string, want ...string) statecheck.StateCheck {
		checks := []knownvalue.Check{}
		for _, label := range want {
			checks = append(checks, knownvalue.StringExact(label))
		}
		return statecheck.ExpectKnownValue("data.macos_launchd_jobs."+name, tfjsonpath.New("labels"), knownvalue.ListExact(checks))
	}
	mac.run(resource.TestStep{
		Config: mac.provider + jobs("all", "") + jobs("prefix", `prefix = "tfacc."`) + jobs("loaded", `loaded = true`) + jobs("waiting", "loaded = false\ndisabled = false") +
			jobs("disabled", `disabled = true`) + jobs("running", `state = "running"`) + jobs("apple", "apple = true\nprefix = \"com.apple.\"") + jobs("nobody", `domain = "gui/501"`),
		ConfigStateChecks: []statecheck.StateCheck{
			labels("all", "other.c", "tfacc.a", "tfacc.b", "tfacc.d"), labels("prefix", "tfacc.a", "tfacc.b", "tfacc.d"), labels("loaded", "other.c", "tfacc.a"),
			labels("waiting", "tfacc.b"), labels("disabled", "tfacc.d"), labels("running", "tfacc.a"), labels("apple", "com.apple.ftpd", "com.apple.pfctl"), labels("nobody"),
			statecheck.ExpectKnownValue("data.macos_launchd_jobs.running", tfjsonpath.New("jobs").AtSliceIndex(0), knownvalue.ObjectPartial(map[string]knownvalue.Check{
				"label": knownvalue.StringExact("tfacc.a"), "runs": knownvalue.Int64Exact(1), "pid": knownvalue.NotNull(),
			})),
		},
	})
}
