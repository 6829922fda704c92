package provider

import (
	"fmt"
	"regexp"
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

// TestVerdictFunction: what pf would do, and errors at the argument that they are about.
func TestVerdictFunction(t *testing.T) {
	t.Parallel()
	const forgetful = "block in on en0 proto tcp all\npass in on en0 proto udp from any to any port 41641\n"
	verdict := func(rules, packet string) string {
		return fmt.Sprintf("output \"test\" {\n  value = provider::macos::pf_verdict(%q, %q)\n}\n", rules, packet)
	}
	step := func(rules, packet string, want map[string]knownvalue.Check) resource.TestStep {
		return resource.TestStep{
			Config:            verdict(rules, packet),
			ConfigStateChecks: []statecheck.StateCheck{statecheck.ExpectKnownOutputValue("test", knownvalue.ObjectExact(want))},
		}
	}
	begins := func(s string) knownvalue.Check {
		return knownvalue.StringRegexp(regexp.MustCompile("^" + regexp.QuoteMeta(s)))
	}
	exact, null := knownvalue.StringExact, knownvalue.Null()
	resource.UnitTest(t, resource.TestCase{
		ProtoV6ProviderFactories: factories,
		TerraformVersionChecks:   []tfversion.TerraformVersionCheck{tfversion.SkipBelow(tfversion.Version1_8_0)},
		Steps: []resource.TestStep{
			step(forgetful, "out on en0 proto tcp from any to any port 443", map[string]knownvalue.Check{
				"verdict": exact("block"), "line": knownvalue.Int64Exact(1), "rule": exact("block drop in on en0 proto tcp all"),
				"why":  begins("The opening packet passes on its way out, but without a state: no rule makes one for it."),
				"cure": exact("`pass out on en0 all keep state` before line 1 of the main ruleset"),
			}),
			step("pass out on en0 all keep state\n"+forgetful, "out on en0 proto tcp from any to any port 443", map[string]knownvalue.Check{
				"verdict": exact("pass"), "line": knownvalue.Int64Exact(1), "rule": exact("pass out on en0 all flags S/SA keep state"),
				"why": begins("The opening packet makes a state"), "cure": null,
			}),
			step(forgetful, "in on utun3 proto tcp from 100.64.0.0/10 to any port 22", map[string]knownvalue.Check{
				"verdict": exact("pass"), "line": null, "rule": null, "why": begins("No rule blocks"), "cure": null,
			}),
			step(forgetful, "in proto tcp from any to any port 22", map[string]knownvalue.Check{
				"verdict": exact("mixed"), "line": knownvalue.Int64Exact(1), "rule": exact("block drop in on en0 proto tcp all"),
				"why": begins("Some pass, such as that of the packet in on en1 proto tcp from 198.51.100.7 port 50000 to 192.0.2.1 port 22 flags S. " +
					"Some do not: the packet in on en0 proto"),
				"cure": exact("`pass in on en0 proto tcp from any to any port 22 keep state` after line 1 of the main ruleset"),
			}),
			step("block in proto tcp to port 22 user 0", "in proto tcp from any to any port 22", map[string]knownvalue.Check{
				"verdict": exact("unknown"), "line": null, "rule": null, "why": begins("It cannot be told beforehand: the owner"), "cure": null,
			}),
			// The Mac's address is not known: it is this one, or another.
			step("block in\npass in to 192.168.1.10", "in proto icmp from any to any", map[string]knownvalue.Check{
				"verdict": exact("mixed"), "line": knownvalue.Int64Exact(1), "rule": exact("block drop in all"), "why": begins("Some pass"),
				"cure": begins("`pass in on en0 proto icmp from any to any keep state`"),
			}),
			{Config: verdict("pass in\npass in prot tcp", "in all"), ExpectError: wrapped(`(?s)"rules".*line 2, column 9: syntax error \(did you mean proto\?\)`)},
			{Config: verdict("pass in from self", "in all"), ExpectError: wrapped(`(?s)"rules".*line 1, column`)},
			{Config: verdict("pass in", "in prot tcp all"), ExpectError: wrapped(`(?s)"packet".*column 4: syntax error \(did you mean proto\?\)`)},
			{Config: verdict("pass in", "in on lo0 proto tcp from 10.0.0.1 to any"), ExpectError: wrapped(`(?s)"packet".*No Mac has such a conversation`)},
		},
	})
}
