package provider

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	frameworkresource "github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"
	"github.com/hashicorp/terraform-plugin-testing/terraform"
	"github.com/hashicorp/terraform-plugin-testing/tfjsonpath"
	"golang.org/x/crypto/ssh"

	"github.com/macos-fleet/terraform-provider-macos/internal/launchctl"
	"github.com/macos-fleet/terraform-provider-macos/internal/macsim"
	"github.com/macos-fleet/terraform-provider-macos/internal/plist"
	"github.com/macos-fleet/terraform-provider-macos/internal/remote"
)

const daemonAddress = "macos_launchdaemon.test"

// daemon is the configuration of one job; body are its other attributes.
func (m *testMac) daemon(label, body string) string {
	return m.provider + fmt.Sprintf("resource \"macos_launchdaemon\" \"test\" {\n  label = %q\n%s\n}\n", label, body)
}

const sleeper = `  program_arguments = ["/bin/sh", "-c", "exec sleep 600"]`

func plannedDaemon(action plancheck.ResourceActionType) resource.ConfigPlanChecks {
	return resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{plancheck.ExpectResourceAction(daemonAddress, action)}}
}

func TestLaunchdaemon_basic(t *testing.T) {
	macs(t, func(t *testing.T, mac *testMac) {
		mac.run(
			resource.TestStep{
				Config:           mac.daemon("tfacc.basic", sleeper),
				ConfigPlanChecks: plannedDaemon(plancheck.ResourceActionCreate),
				ConfigStateChecks: []statecheck.StateCheck{
					statecheck.ExpectKnownValue(daemonAddress, tfjsonpath.New("file"), knownvalue.StringExact("/Library/LaunchDaemons/tfacc.basic.plist")),
					statecheck.ExpectKnownValue(daemonAddress, tfjsonpath.New("drift"), knownvalue.ListSizeExact(0)),
				},
			},
			resource.TestStep{
				ResourceName: daemonAddress, ImportState: true, ImportStateId: "mini/tfacc.basic",
				ImportStateVerify: true, ImportStateVerifyIdentifierAttribute: "label",
			},
			resource.TestStep{
				Config: mac.daemon("tfacc.basic", sleeper+`
  start_interval        = 3600
  environment_variables = { A = "b", C = "d e" }
  standard_out_path     = "/var/log/tfacc.log"
  nice                  = 5
  process_type          = "Background"
  throttle_interval     = 30
`),
				ConfigPlanChecks: plannedDaemon(plancheck.ResourceActionUpdate),
			},
			resource.TestStep{
				ResourceName: daemonAddress, ImportState: true, ImportStateId: "mini/tfacc.basic",
				ImportStateVerify: true, ImportStateVerifyIdentifierAttribute: "label",
			},
			resource.TestStep{Config: mac.daemon("tfacc.other", sleeper), ConfigPlanChecks: plannedDaemon(plancheck.ResourceActionReplace)},
		)
	})
}

const wholePlist = `<?xml version="1.0" encoding="UTF-8"?>
<plist version="1.0"><dict>
  <key>Label</key><string>tfacc.whole</string>
  <key>ProgramArguments</key><array><string>/bin/sh</string><string>-c</string><string>exec sleep 600</string></array>
  <key>KeepAlive</key><dict><key>SuccessfulExit</key><false/></dict>
  <key>ServiceIPC</key><true/>
</dict></plist>
`

// A whole property list is the file, byte for byte, and compared by meaning.
func TestLaunchdaemon_plist(t *testing.T) {
	macs(t, func(t *testing.T, mac *testMac) {
		config := mac.daemon("tfacc.whole", fmt.Sprintf("  plist = %q", wholePlist))
		mac.run(
			resource.TestStep{
				Config: config,
				Check: func(*terraform.State) error {
					if got := mac.sh("cat /Library/LaunchDaemons/tfacc.whole.plist"); got != wholePlist {
						return fmt.Errorf("the file is not the text:\n%s", diff(wholePlist, got))
					}
					return nil
				},
			},
			resource.TestStep{
				ResourceName: daemonAddress, ImportState: true, ImportStateId: "mini/tfacc.whole",
				ImportStateVerify: true, ImportStateVerifyIdentifierAttribute: "label",
			},
			resource.TestStep{
				// By hand, in other words.
				PreConfig:        func() { mac.sh("/usr/bin/plutil -convert xml1 /Library/LaunchDaemons/tfacc.whole.plist") },
				Config:           config,
				ConfigPlanChecks: plannedDaemon(plancheck.ResourceActionNoop),
			},
		)
	})
}

func TestLaunchdaemon_disappears(t *testing.T) {
	macs(t, func(t *testing.T, mac *testMac) {
		mac.run(
			resource.TestStep{Config: mac.daemon("tfacc.gone", sleeper)},
			resource.TestStep{
				PreConfig:        func() { mac.sh("/bin/launchctl bootout system/tfacc.gone; rm /Library/LaunchDaemons/tfacc.gone.plist") },
				Config:           mac.daemon("tfacc.gone", sleeper),
				ConfigPlanChecks: plannedDaemon(plancheck.ResourceActionCreate),
			},
		)
	})
}

// Each way in which a job can drift, alone: it is planned as an update, and after it the Mac is as before.
func TestLaunchdaemon_drift(t *testing.T) {
	for name, script := range map[string]string{
		"booted-out":   `/bin/launchctl bootout system/tfacc.drift`,
		"edited":       `sed 's/600/900/' "$f" >/private/tmp/x && cp /private/tmp/x "$f" && rm /private/tmp/x`,
		"key-added":    `sed 's|<dict>|<dict><key>Umask</key><integer>18</integer>|' "$f" >/private/tmp/x && cp /private/tmp/x "$f" && rm /private/tmp/x`,
		"broken":       `echo rubbish >"$f"`,
		"not-utf-8":    `printf 'rubbish\377' >"$f"`,
		"binary":       `printf '\142\160\154\151\163\164\060\060\323\001\002\003\004\005\006\125\114\141\142\145\154\127\120\162\157\147\162\141\155\125\125\155\141\163\153\133\164\146\141\143\143\056\144\162\151\146\164\130\057\142\151\156\057\143\141\164\020\022\010\017\025\035\043\057\070\000\000\000\000\000\000\001\001\000\000\000\000\000\000\000\007\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\072' >"$f"`,
		"two-part-e":   `sed "s|600|$(printf 'e\314\201')|" "$f" >/private/tmp/x && cp /private/tmp/x "$f" && rm /private/tmp/x`,
		"file-removed": `rm "$f"`,
		"file-mode":    `chmod 0666 "$f"`,
		"file-owner":   `chown admin "$f"`,
		"edited-and-loaded": `sed 's/600/900/' "$f" >/private/tmp/x && cp /private/tmp/x "$f" && rm /private/tmp/x
/bin/launchctl bootout system/tfacc.drift && /bin/launchctl bootstrap system "$f"`,
		"disabled": `/bin/launchctl disable system/tfacc.drift`,
	} {
		t.Run(name, func(t *testing.T) {
			macs(t, func(t *testing.T, mac *testMac) {
				var applied string
				config := mac.daemon("tfacc.drift", sleeper)
				steps := []resource.TestStep{
					{Config: config, Check: func(*terraform.State) error { applied = mac.state(); return nil }},
					{
						PreConfig: func() {
							if mac.sh("f=/Library/LaunchDaemons/tfacc.drift.plist\n" + script); mac.state() == applied {
								t.Error("the script changed nothing")
							}
						},
						Config:           config,
						ConfigPlanChecks: plannedDaemon(plancheck.ResourceActionUpdate),
						Check: func(*terraform.State) error {
							// launchd remembers that a label was disabled once, as "enabled".
							if now := mac.state(); now != applied && name != "disabled" {
								return fmt.Errorf("the Mac is not as it was applied:\n%s", diff(applied, now))
							}
							return nil
						},
					},
				}
				if name == "disabled" {
					resource.UnitTest(t, resource.TestCase{ProtoV6ProviderFactories: factories, Steps: steps})
					return
				}
				mac.run(steps...)
			})
		})
	}
}

// Whatever a file holds, the state knows it again.
func TestSeen(t *testing.T) {
	key := func(name string, value plist.Value) plist.Dict {
		return plist.Dict{{Key: "Label", Value: "tfacc.seen"}, {Key: name, Value: value}}
	}
	encoded := func(dict plist.Dict) string {
		text, err := plist.Encode(dict)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	for name, test := range map[string]struct {
		file  string
		dict  plist.Dict // nil: broken
		whole bool       // it is in `plist`
	}{
		"known":      {encoded(key("Nice", int64(5))), key("Nice", int64(5)), false},
		"unknown":    {encoded(key("Mask", int64(5))), key("Mask", int64(5)), true},
		"mode":       {encoded(key("Umask", "022")), key("Umask", "022"), false},
		"label-only": {encoded(plist.Dict{{Key: "Label", Value: "tfacc.seen"}}), plist.Dict{{Key: "Label", Value: "tfacc.seen"}}, true},
		"other-type": {encoded(key("Nice", "5")), key("Nice", "5"), true},
		"latin":      {encoded(key("Program", "/caf\u00e9")), key("Program", "/caf\u00e9"), false},
		"two-part-e": {encoded(key("Program", "/cafe\u0301")), key("Program", "/cafe\u0301"), true},
		"two-part-name": {
			encoded(key("EnvironmentVariables", plist.Dict{{Key: "e\u0301", Value: "x"}})),
			key("EnvironmentVariables", plist.Dict{{Key: "e\u0301", Value: "x"}}), true,
		},
		"two-part-key": {encoded(key("e\u0301", true)), key("e\u0301", true), true},
		"markup":       {encoded(key("Umask", "<&> \"\u0301\r\n")), key("Umask", "<&> \"\u0301\r\n"), true},
		"other-label":  {encoded(plist.Dict{{Key: "Label", Value: "x"}}), plist.Dict{{Key: "Label", Value: "x"}}, true},
		"no-keys":      {"<plist><dict/></plist>", plist.Dict{}, true},
		"empty":        {"", nil, true},
		"rubbish":      {"rubbish", nil, true},
		"null":         {"rubbish\x00", nil, true},
		"not-utf-8":    {"<plist><dict><key>Label</key><string>\xff</string></dict></plist>", nil, true},
		"cut":          {"bplist00\xd1", nil, true},
		"array":        {"<plist><array/></plist>", nil, true},
		// U+037E is a semicolon in the normalization form C.
		"mends-itself": {"<plist><dict><key>Label</key><string>&amp\u037e</string></dict></plist>", nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			j := &launchctl.Job{Label: "tfacc.seen", Exists: true, Bytes: []byte(test.file), Plist: test.dict}
			d := daemonOf(t, map[string]tftypes.Value{"label": tftypes.NewValue(tftypes.String, j.Label)})
			d.observe(j)
			got, want := d.seen(), j.Seen()
			if got.Broken != want.Broken || (got.File == nil) != (want.File == nil) || !launchctl.Same(got.File, want.File) {
				t.Errorf("the state is %v\nwhich stands for %+v, want %+v", d.attrs, got, want)
			}
			if text := d.text("plist"); text.IsNull() == test.whole || !holds(text.ValueString()) {
				t.Errorf("plist is %v", text)
			}
		})
	}
}

// daemonOf is a job with these attributes and no others.
func daemonOf(t *testing.T, attributes map[string]tftypes.Value) jobModel {
	t.Helper()
	var diags diag.Diagnostics
	d := readJob(t.Context(), tfsdk.State(withAttributes(t, newLaunchdaemon(), attributes)), &diags)
	if diags.HasError() {
		t.Fatal(diags)
	}
	return d
}

// withAttributes is what a resource has in a plan or a state: these attributes, and null for all others.
func withAttributes(t *testing.T, r frameworkresource.Resource, attributes map[string]tftypes.Value) tfsdk.Plan {
	t.Helper()
	var schema frameworkresource.SchemaResponse
	r.Schema(t.Context(), frameworkresource.SchemaRequest{}, &schema)
	object, ok := schema.Schema.Type().TerraformType(t.Context()).(tftypes.Object)
	if !ok {
		t.Fatalf("%T is no object", r)
	}
	values := map[string]tftypes.Value{}
	for name, of := range object.AttributeTypes {
		values[name] = tftypes.NewValue(of, nil)
	}
	maps.Copy(values, attributes)
	return tfsdk.Plan{Schema: schema.Schema, Raw: tftypes.NewValue(object, values)}
}

func TestLaunchdaemon_refused(t *testing.T) {
	for name, test := range map[string]struct{ body, want string }{
		"no-program":  {`  run_at_load = true`, `Missing Program`},
		"interval-0":  {sleeper + "\n  start_interval = 0", `must be at least 1`},
		"two-ways":    {fmt.Sprintf("  plist = %q\n  nice = 5", strings.ReplaceAll(wholePlist, "whole", "bad")), `Attribute Beside a Whole Property List`},
		"other-label": {fmt.Sprintf("  plist = %q", wholePlist), `Other Label`},
		"json":        {`  plist = "{}"`, `Invalid Property List`},
		"broken":      {`  plist = "<plist><dict><key>Label</key></dict></plist>"`, `Invalid Property List`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mac := simulated(t)
			mac.run(resource.TestStep{Config: mac.daemon("tfacc.bad", test.body), ExpectError: wrapped(test.want)})
			if w := mac.writes(); len(w) > 0 {
				t.Errorf("something was written: %q", w)
			}
		})
	}
	for _, label := range []string{"", "../x", "a/b", "a b", "a\nb", "com.apple.x", "com.openssh.sshd"} {
		mac := simulated(t)
		mac.run(resource.TestStep{Config: mac.daemon(label, sleeper), ExpectError: regexp.MustCompile(`Invalid Label`)})
	}
}

// A job that is there already is not taken over, unless it is just what is wanted.
func TestLaunchdaemon_exists(t *testing.T) {
	mac := simulated(t)
	mac.sh(`printf '<plist version="1.0"><dict><key>Label</key><string>tfacc.there</string><key>Program</key><string>/bin/cat</string></dict></plist>' \
	>/Library/LaunchDaemons/tfacc.there.plist`)
	before := mac.state()
	resource.UnitTest(t, resource.TestCase{ProtoV6ProviderFactories: factories, Steps: []resource.TestStep{
		{Config: mac.daemon("tfacc.there", sleeper), ExpectError: wrapped(`(?s)launchd Job "tfacc.there" Exists.*/bin/cat`)},
		{
			PreConfig: func() {
				if after := mac.state(); after != before {
					t.Errorf("something changed:\n%s", diff(before, after))
				}
			},
			Config:           mac.daemon("tfacc.there", `  program = "/bin/cat"`),
			ConfigPlanChecks: plannedDaemon(plancheck.ResourceActionCreate),
		},
	}})
}

// A program that cannot be started is a warning, and the job stands: it is not the provider's to judge. One that was installed and
// is not loaded is a warning too, for the next apply to repair and not to replace.
func TestLaunchdaemon_warnings(t *testing.T) {
	for name, test := range map[string]struct {
		program string
		fail    func(argv []string) *macsim.Failure
		want    string
	}{
		"missing-program": {"/usr/local/bin/missing", nil, `launchd Job "tfacc.warn" Is Loaded, but Does Not Run`},
		"not-loaded": {
			"/bin/cat", func(argv []string) *macsim.Failure {
				if argv[0] == "/bin/launchctl" && argv[1] == "bootstrap" {
					return &macsim.Failure{}
				}
				return nil
			}, `launchd Job "tfacc.warn" Is Not as Planned`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mac := simulated(t)
			mac.Fail(test.fail)
			r := daemonsOn(t, mac)
			plan := withAttributes(t, r, map[string]tftypes.Value{
				"host": tftypes.NewValue(tftypes.String, "mini"), "label": tftypes.NewValue(tftypes.String, "tfacc.warn"),
				"program": tftypes.NewValue(tftypes.String, test.program), "run_at_load": tftypes.NewValue(tftypes.Bool, true),
			})
			resp := frameworkresource.CreateResponse{State: tfsdk.State{Schema: plan.Schema, Raw: tftypes.NewValue(plan.Raw.Type(), nil)}}
			r.Create(t.Context(), frameworkresource.CreateRequest{Config: tfsdk.Config(plan), Plan: plan}, &resp)
			if len(resp.Diagnostics) != 1 || resp.Diagnostics[0].Severity() != diag.SeverityWarning || resp.Diagnostics[0].Summary() != test.want {
				t.Errorf("got %v, want a warning: %s", resp.Diagnostics, test.want)
			}
			if resp.State.Raw.IsNull() {
				t.Error("there is no state")
			}
		})
	}
}

// What carries connections is changed under a watchdog, unless confirm says otherwise, and then a plan of any change warns.
func TestLaunchdaemon_confirm(t *testing.T) {
	t.Parallel()
	arguments := func(words ...string) tftypes.Value {
		var all []tftypes.Value
		for _, w := range words {
			all = append(all, tftypes.NewValue(tftypes.String, w))
		}
		return tftypes.NewValue(tftypes.List{ElementType: tftypes.String}, all)
	}
	for name, test := range map[string]struct {
		label     string
		arguments tftypes.Value
		confirm   any // nil: not set
		confirms  bool
		warns     bool
	}{
		"usual":      {"com.acme.agent", arguments("/usr/local/bin/agent"), nil, false, false},
		"wanted":     {"com.acme.agent", arguments("/usr/local/bin/agent"), true, true, false},
		"tailscale":  {"com.tailscale.tailscaled", arguments("/usr/local/bin/x"), nil, true, false},
		"homebrew":   {"homebrew.mxcl.tailscale", arguments("/usr/local/bin/x"), nil, true, false},
		"zerotier":   {"com.zerotier.one", arguments("/x"), nil, true, false},
		"capitals":   {"com.WireGuard.wg0", arguments("/x"), nil, true, false},
		"by-program": {"com.acme.tunnel", arguments("/bin/bash", "/opt/homebrew/bin/wg-quick", "up", "wg0"), nil, true, false},
		"other-part": {"com.acme.tailscale-exporter", arguments("/usr/local/bin/exporter"), nil, false, false},
		"forgone":    {"com.tailscale.tailscaled", arguments("/usr/local/bin/x"), false, false, true},
		"no-carrier": {"com.acme.agent", arguments("/usr/local/bin/agent"), false, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := newLaunchdaemon()
			job := withAttributes(t, r, map[string]tftypes.Value{
				"host": tftypes.NewValue(tftypes.String, "mini"), "label": tftypes.NewValue(tftypes.String, test.label),
				"program_arguments": test.arguments, "confirm": tftypes.NewValue(tftypes.Bool, test.confirm),
				"file":  tftypes.NewValue(tftypes.String, launchctl.Place{}.FileOf(test.label)),
				"drift": tftypes.NewValue(tftypes.List{ElementType: tftypes.String}, []tftypes.Value{}),
			})
			none := tftypes.NewValue(job.Raw.Type(), nil)
			var diags diag.Diagnostics
			if got := readJob(t.Context(), job, &diags).confirms(); got != test.confirms {
				t.Errorf("confirms: %v", got)
			}
			for change, values := range map[string]struct {
				before, after tftypes.Value
				warns         bool
			}{
				"create": {none, job.Raw, test.warns}, "destroy": {job.Raw, none, test.warns}, "nothing": {job.Raw, job.Raw, false},
			} {
				plan := tfsdk.Plan{Schema: job.Schema, Raw: values.after}
				resp := frameworkresource.ModifyPlanResponse{Plan: plan}
				r.ModifyPlan(t.Context(), frameworkresource.ModifyPlanRequest{
					Config: tfsdk.Config(plan), Plan: plan, State: tfsdk.State{Schema: job.Schema, Raw: values.before},
				}, &resp)
				if resp.Diagnostics.HasError() || resp.Diagnostics.WarningsCount() > 0 != values.warns {
					t.Errorf("%s: got %v, want a warning: %v", change, resp.Diagnostics, values.warns)
				}
			}
		})
	}
}

// A job that carries connections comes and goes like any other. The watchdog's job is the sign that there was one.
func TestLaunchdaemon_tunnel(t *testing.T) {
	t.Parallel()
	mac := simulated(t)
	label := "com.wireguard.wg0"
	watched := func(times int) resource.TestCheckFunc {
		return func(*terraform.State) error {
			got := 0
			for _, c := range mac.Calls() {
				if c.Argv[0] == "/bin/launchctl" && c.Argv[1] == "bootstrap" && strings.HasPrefix(c.Argv[3], "/private/var/run/macos-fleet.watchdog.") {
					got++
				}
			}
			if got != times {
				return fmt.Errorf("%d jobs were loaded from a watchdog's folder, want %d", got, times)
			}
			return nil
		}
	}
	mac.run(
		resource.TestStep{PreConfig: mac.ForgetCalls, Config: mac.daemon(label, sleeper), Check: watched(2)},
		resource.TestStep{PreConfig: mac.ForgetCalls, Config: mac.daemon(label, sleeper+"\n  nice = 5"), Check: watched(2)},
		resource.TestStep{PreConfig: mac.ForgetCalls, Config: mac.daemon(label, sleeper+"\n  nice = 6\n  confirm = false"), Check: watched(0)},
		resource.TestStep{PreConfig: mac.ForgetCalls, Config: mac.daemon(label, sleeper+"\n  nice = 6"), Check: watched(0)},
	)
}

// A job that cuts the Mac off is undone by the Mac, and the user is told.
func TestLaunchdaemon_undone(t *testing.T) {
	t.Parallel()
	mac := simulated(t)
	mac.Fail(func(argv []string) *macsim.Failure {
		switch line := strings.Join(argv, " "); {
		case strings.HasPrefix(line, "/bin/launchctl bootstrap") && strings.HasSuffix(line, "/1/job.plist"):
			mac.RefuseConnections(true)
			mac.CutConnections()
			go mac.unconfirmed(func() {})
		case line == "/bin/launchctl bootout system/com.acme.sshd":
			mac.RefuseConnections(false)
		}
		return nil
	})
	r := daemonsOn(t, mac)
	plan := withAttributes(t, r, map[string]tftypes.Value{
		"host": tftypes.NewValue(tftypes.String, "mini"), "label": tftypes.NewValue(tftypes.String, "com.acme.sshd"),
		"program": tftypes.NewValue(tftypes.String, "/bin/cat"), "run_at_load": tftypes.NewValue(tftypes.Bool, true),
	})
	before := mac.state()
	resp := frameworkresource.CreateResponse{State: tfsdk.State{Schema: plan.Schema, Raw: tftypes.NewValue(plan.Raw.Type(), nil)}}
	r.Create(t.Context(), frameworkresource.CreateRequest{Config: tfsdk.Config(plan), Plan: plan}, &resp)
	if len(resp.Diagnostics) != 1 || !strings.Contains(resp.Diagnostics[0].Detail(), "mini has undone it by itself") {
		t.Errorf("got %v", resp.Diagnostics)
	}
	if after := mac.state(); after != before {
		t.Errorf("the Mac changed:\n%s", diff(before, after))
	}
}

// daemonsOn is the resource macos_launchdaemon, for use without a CLI.
func daemonsOn(t *testing.T, mac *testMac) *jobResource {
	t.Helper()
	r := newLaunchdaemon()
	r.inventory = &inventory{macs: map[string]*remote.Host{"mini": reach(t, mac)}}
	return r
}

// reach is a simulated Mac as a Host, with which a resource can be used without a CLI.
func reach(t *testing.T, mac *testMac) *remote.Host {
	t.Helper()
	address, port, _ := strings.Cut(mac.Addr(), ":")
	number, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	h := remote.NewHost(remote.Target{
		Name: "mini", Address: address, Port: number, User: "admin", PrivateKey: mac.ClientKey(),
		HostKey: string(ssh.MarshalAuthorizedKey(mac.HostKey())), ConfirmTimeout: 10 * time.Minute,
	})
	t.Cleanup(h.Close)
	return h
}

// A job that was installed and is not quite as it should be is repaired, and not replaced.
func TestLaunchdaemon_createdWithDrift(t *testing.T) {
	mac := simulated(t)
	config := mac.daemon("tfacc.created", sleeper)
	mac.run(
		resource.TestStep{
			PreConfig: func() {
				mac.Fail(func(argv []string) *macsim.Failure {
					if argv[0] == "/bin/launchctl" && argv[1] == "bootstrap" {
						return &macsim.Failure{}
					}
					return nil
				})
			},
			Config: config, ExpectNonEmptyPlan: true,
		},
		resource.TestStep{PreConfig: func() { mac.Fail(nil) }, Config: config, ConfigPlanChecks: plannedDaemon(plancheck.ResourceActionUpdate)},
	)
}

// A text takes over a job that single attributes stand for, as after an import, without a restart.
func TestLaunchdaemon_asText(t *testing.T) {
	mac := simulated(t)
	const same = "<plist version=\"1.0\"><dict><key>Program</key><string>/bin/cat</string><key>Label</key><string>tfacc.text</string></dict></plist>\n"
	resource.UnitTest(t, resource.TestCase{ProtoV6ProviderFactories: factories, Steps: []resource.TestStep{
		{Config: mac.daemon("tfacc.text", `  program = "/bin/cat"`)},
		{
			PreConfig: mac.ForgetCalls, Config: mac.daemon("tfacc.text", fmt.Sprintf("  plist = %q", same)),
			ConfigPlanChecks: plannedDaemon(plancheck.ResourceActionUpdate),
			Check: func(*terraform.State) error {
				if got := mac.sh("cat /Library/LaunchDaemons/tfacc.text.plist"); got != same {
					return fmt.Errorf("the file is\n%s", got)
				}
				if writes := mac.writes(); slices.ContainsFunc(writes, func(w string) bool { return strings.Contains(w, "launchctl") }) {
					return fmt.Errorf("the job was touched: %q", writes)
				}
				return nil
			},
		},
	}})
}

// A job that is not enabled has its file, and neither runs nor is loaded at the next boot.
func TestLaunchdaemon_enabled(t *testing.T) {
	t.Parallel()
	mac := simulated(t)
	mac.sh("/bin/launchctl enable system/tfacc.enabled") // launchd does not forget a label that was ever disabled
	off, on := mac.daemon("tfacc.enabled", sleeper+"\n  enabled = false"), mac.daemon("tfacc.enabled", sleeper)
	is := func(loaded, disabled bool) resource.TestCheckFunc {
		return func(*terraform.State) error {
			out := mac.sh(`if /bin/launchctl print system/tfacc.enabled >/private/tmp/print 2>&1; then echo loaded; fi
/bin/launchctl print-disabled system | grep -c '"tfacc.enabled" => disabled' || :
cat /Library/LaunchDaemons/tfacc.enabled.plist >/dev/null && rm /private/tmp/print`)
			want := map[bool]string{true: "loaded\n"}[loaded] + map[bool]string{true: "1\n", false: "0\n"}[disabled]
			if out != want {
				return fmt.Errorf("got %q, want %q", out, want)
			}
			return nil
		}
	}
	by := func(script string) func() { return func() { mac.sh(script) } }
	const boot = "/bin/launchctl bootstrap system /Library/LaunchDaemons/tfacc.enabled.plist"
	updates := plannedDaemon(plancheck.ResourceActionUpdate)
	mac.run(
		resource.TestStep{Config: off, ConfigPlanChecks: plannedDaemon(plancheck.ResourceActionCreate), Check: is(false, true)},
		resource.TestStep{
			ResourceName: daemonAddress, ImportState: true, ImportStateId: "mini/tfacc.enabled",
			ImportStateVerify: true, ImportStateVerifyIdentifierAttribute: "label",
		},
		resource.TestStep{PreConfig: by("/bin/launchctl enable system/tfacc.enabled"), Config: off, ConfigPlanChecks: updates, Check: is(false, true)},
		resource.TestStep{PreConfig: by("/bin/launchctl enable system/tfacc.enabled && " + boot), Config: off, ConfigPlanChecks: updates, Check: is(false, true)},
		resource.TestStep{Config: on, ConfigPlanChecks: updates, Check: is(true, false)},
		resource.TestStep{
			PreConfig: by("/bin/launchctl disable system/tfacc.enabled"), Config: on, Check: is(true, false),
			ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{
				plancheck.ExpectResourceAction(daemonAddress, plancheck.ResourceActionUpdate),
				plancheck.ExpectKnownValue(daemonAddress, tfjsonpath.New("enabled"), knownvalue.Bool(true)),
			}},
		},
		resource.TestStep{Config: off, ConfigPlanChecks: updates, Check: is(false, true)},
		resource.TestStep{PreConfig: by("/bin/launchctl enable system/tfacc.enabled"), Config: on, Check: is(true, false)},
	)
}

// What a job depends on may start it again: when it changes, and not when it is first told of.
func TestLaunchdaemon_restartTriggers(t *testing.T) {
	t.Parallel()
	mac := simulated(t)
	last := ""
	with := func(triggers string) string {
		lasting := strings.Replace(sleeper, "600", "600000", 1) // longer than the test, by a Mac whose seconds are short
		return mac.daemon("tfacc.restart", lasting+"\n  run_at_load = true\n"+triggers)
	}
	started := func(anew bool) resource.TestCheckFunc {
		return func(*terraform.State) error {
			pid := mac.sh(`/bin/launchctl print system/tfacc.restart | sed -n 's/^	pid = //p'`)
			if pid == "" || (pid != last) != anew {
				return fmt.Errorf("its process was %q and is %q; started anew should be %v", last, pid, anew)
			}
			last = pid
			return nil
		}
	}
	mac.run(
		resource.TestStep{Config: with(""), Check: started(true)},
		resource.TestStep{Config: with(`  restart_triggers = { config = "1" }`), ConfigPlanChecks: plannedDaemon(plancheck.ResourceActionUpdate), Check: started(false)},
		resource.TestStep{Config: with(`  restart_triggers = { config = "2" }`), ConfigPlanChecks: plannedDaemon(plancheck.ResourceActionUpdate), Check: started(true)},
		resource.TestStep{Config: with(`  restart_triggers = { config = "2", more = "1" }`), Check: started(true)},
		resource.TestStep{Config: with(""), Check: started(false)},
	)
}

// Two resources on one Mac, at once.
func TestTogether(t *testing.T) {
	macs(t, func(t *testing.T, mac *testMac) {
		var config strings.Builder
		config.WriteString(mac.provider)
		for i := range 8 {
			fmt.Fprintf(&config, "resource \"macos_pf_anchor\" \"a%d\" {\n  name = \"tfacc.%d\"\n  rules = \"pass in proto tcp to any port %d\\n\"\n}\n", i, i, 1000+i)
			fmt.Fprintf(&config, "resource \"macos_launchdaemon\" \"d%d\" {\n  label = \"tfacc.%d\"\n%s\n}\n", i, i, sleeper)
		}
		mac.run(resource.TestStep{Config: config.String()})
	})
}

// A connection that is lost in the middle of an apply is told as that; the next apply finds out what is there and goes on.
func TestConnectionLost(t *testing.T) {
	mac := simulated(t)
	config := mac.anchor("tfacc.lost", story)
	mac.run(
		resource.TestStep{
			PreConfig: func() {
				mac.Fail(func(argv []string) *macsim.Failure {
					if argv[0] == "/bin/mv" {
						return &macsim.Failure{Cut: macsim.CutAfter}
					}
					return nil
				})
			},
			Config:      config,
			ExpectError: wrapped(`(?s)connection was lost.*Nothing was changed.*ends by itself`),
		},
		resource.TestStep{
			PreConfig:         func() { mac.Fail(nil) },
			Config:            config,
			ConfigStateChecks: []statecheck.StateCheck{loaded(storyLoaded...)},
		},
	)
}
