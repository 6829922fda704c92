package provider

import (
	"fmt"
	"testing"

	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"
	"github.com/hashicorp/terraform-plugin-testing/tfversion"
)

// call is a configuration whose output is a call of a function of ours.
func call(name, rules string) string {
	return fmt.Sprintf("output \"test\" {\n  value = provider::macos::%s(%q)\n}\n", name, rules)
}

func TestFunctions(t *testing.T) {
	t.Parallel()
	const broken = "pass in all\npass in prot tcp to any port 22\nblock in\nblock in from any port 99999\n"
	canonical := make([]knownvalue.Check, len(storyLoaded))
	for i, line := range storyLoaded {
		canonical[i] = knownvalue.StringExact(line)
	}
	resource.UnitTest(t, resource.TestCase{
		ProtoV6ProviderFactories: factories,
		TerraformVersionChecks:   []tfversion.TerraformVersionCheck{tfversion.SkipBelow(tfversion.Version1_8_0)},
		Steps: []resource.TestStep{
			{
				Config:            call("pf_canonical", story),
				ConfigStateChecks: []statecheck.StateCheck{statecheck.ExpectKnownOutputValue("test", knownvalue.ListExact(canonical))},
			},
			{
				Config:            call("pf_check", story),
				ConfigStateChecks: []statecheck.StateCheck{statecheck.ExpectKnownOutputValue("test", knownvalue.StringExact(story))},
			},
			// Whether a Mac has such an interface or user is not for pf_check to say.
			{Config: call("pf_check", "pass out on en0 from en0 to any user builder")},
			{Config: call("pf_check", broken), ExpectError: wrapped(`(?s)line 2, column 9: syntax error \(did you mean proto\?\).*line 4`)},
			{Config: call("pf_canonical", broken), ExpectError: wrapped(`(?s)line 2, column 9: syntax error \(did you mean proto\?\).*line 4`)},
			{Config: call("pf_canonical", "pass in from self"), ExpectError: wrapped(`line 1, column`)},
		},
	})
}
