package provider

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/terraform"
	"github.com/hashicorp/terraform-plugin-testing/tfversion"

	"github.com/macos-fleet/terraform-provider-macos/internal/launchctl"
)

// wholeOnly are the files that no attributes stand for, and why.
var wholeOnly = map[string]string{
	"com.acme.chroot":                                  "ExitTimeout is misspelt",
	"com.acme.cyrillic":                                "a letter that a CLI might change",
	"com.acme.jamf.checkin":                            "TimeOut",
	"com.acme.maxfiles":                                "ServiceIPC",
	"com.acme.vmnetd":                                  "Version",
	"com.googlecode.munki.logouthelper":                "OnDemand",
	"com.googlecode.munki.managedsoftwareupdate-check": "POSIXSpawnType",
	"com.ollama.ollama":                                "AfterInitialDemand",
	"com.puppetlabs.puppet":                            "ServiceIPC, OnDemand",
	"com.wireguard.wg0":                                "NetworkState",
}

// hclOf is a value in a configuration. What is null in an object is left out.
func hclOf(v attr.Value) string {
	members := func(values map[string]attr.Value) string {
		var parts []string
		for _, name := range slices.Sorted(maps.Keys(values)) {
			if !values[name].IsNull() {
				parts = append(parts, strconv.Quote(name)+" = "+hclOf(values[name]))
			}
		}
		return "{ " + strings.Join(parts, ", ") + " }"
	}
	elements := func(values []attr.Value) string {
		var parts []string
		for _, e := range values {
			parts = append(parts, hclOf(e))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	}
	switch v := v.(type) {
	case types.String:
		return strconv.Quote(v.ValueString())
	case types.List:
		return elements(v.Elements())
	case types.Tuple:
		return elements(v.Elements())
	case types.Map:
		return members(v.Elements())
	case types.Object:
		return members(v.Attributes())
	case types.Dynamic:
		return hclOf(v.UnderlyingValue())
	}
	return v.String()
}

// What other software has for jobs is imported, by attributes where there are some for all of it, and then nothing is to do. The files have
// the shapes of well-known ones, in as many ways of writing them.
func TestLaunchdWild(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/launchd/*.plist")
	if err != nil || len(files) < 30 {
		t.Fatal(len(files), err)
	}
	mac := simulated(t)
	config := mac.provider
	var checks []plancheck.PlanCheck
	for i, file := range files {
		label, name := strings.TrimSuffix(filepath.Base(file), ".plist"), fmt.Sprintf("wild_%d", i)
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		dict, err := decodeJob(text)
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		mac.install(label, text)
		job := &launchctl.Job{Label: label, Exists: true, Bytes: text, Plist: dict}
		values, typed := jobValues(job)
		if typed == (wholeOnly[label] != "") {
			t.Errorf("%s: attributes stand for it: %v; want a reason why not: %q", file, typed, wholeOnly[label])
		}
		config += imported(name, label) + fmt.Sprintf("resource \"macos_launchdaemon\" %q {\n  label = %q\n", name, label)
		if !typed {
			config += fmt.Sprintf("  plist = %s\n", hclOf(types.StringValue(shown(job))))
		}
		for attribute, v := range values {
			if !v.IsNull() {
				config += fmt.Sprintf("  %s = %s\n", attribute, hclOf(v))
			}
		}
		config += "}\n"
		checks = append(checks, plancheck.ExpectResourceAction("macos_launchdaemon."+name, plancheck.ResourceActionNoop))
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
