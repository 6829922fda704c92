package provider

import (
	"context"
	"maps"
	"math/big"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
	"golang.org/x/crypto/ssh"
)

// A plan that is answered without the framework is the one that the framework makes; and all are that can be.
func TestSettled(t *testing.T) {
	t.Parallel()
	wire, resources := configured(t, map[string]tftypes.Value{
		"address": wireText("127.0.0.1"), "port": tftypes.NewValue(tftypes.Number, 1), "ssh_config_file": wireText("none"), "connect_timeout": wireText("500ms"),
	})
	s := wire.(server)
	yes, no, null := tftypes.NewValue(tftypes.Bool, true), tftypes.NewValue(tftypes.Bool, false), tftypes.NewValue(tftypes.Bool, nil)
	secret := tftypes.NewValue(tftypes.Map{ElementType: tftypes.String}, map[string]tftypes.Value{"TOKEN": wireText("t")})
	type given = map[string]tftypes.Value
	for name, c := range map[string]struct {
		config, state, proposed given // what differs from a job as it is
		private                 string
		settled                 bool
	}{
		"nothing":                {settled: true},
		"the host said":          {config: given{"host": wireText("mini")}, settled: true},
		"stopped, as configured": {config: given{"enabled": no}, state: given{"enabled": no}, settled: true},
		"disabled by somebody":   {state: given{"enabled": no}},
		"enabled by somebody":    {config: given{"enabled": no}, state: given{"enabled": yes}, proposed: given{"enabled": no}},
		"imported":               {state: given{"enabled": null}},
		"drift":                  {state: given{"drift": wireTexts("the job is not loaded")}},
		"a change":               {config: given{"program_arguments": wireTexts("/bin/sleep", "6")}, proposed: given{"program_arguments": wireTexts("/bin/sleep", "6")}},
		"another host":           {state: given{"host": wireText("other")}},
		"another host, said":     {config: given{"host": wireText("mini")}, state: given{"host": wireText("other")}, proposed: given{"host": wireText("mini")}},
		"an unknown Mac":         {config: given{"host": wireText("other")}, state: given{"host": wireText("other")}},
		"secrets":                {config: given{secretsName: secret}},
		"secrets before":         {private: `{"` + secretsKey + `":"WyJUT0tFTiJd"}`},
	} {
		for _, kind := range []string{"macos_launchdaemon", "macos_launchagent"} {
			t.Log(name, kind)
			of := resources[kind]
			config := given{"label": wireText("com.acme.tfacc"), "program_arguments": wireTexts("/bin/sleep", "5")}
			state := maps.Clone(config)
			maps.Copy(state, given{"host": wireText("mini"), "file": wireText("/Library/x.plist"), "enabled": yes, "drift": wireTexts()})
			if kind == "macos_launchagent" {
				state["loaded_for"] = wireTexts("jo")
			}
			maps.Copy(config, c.config)
			maps.Copy(state, c.state)
			proposed := maps.Clone(state)
			maps.Copy(proposed, c.proposed)
			req := &tfprotov6.PlanResourceChangeRequest{
				TypeName: kind, Config: dynamic(t, wireObject(t, of, config)), PriorState: dynamic(t, wireObject(t, of, state)),
				ProposedNewState: dynamic(t, wireObject(t, of, proposed)), PriorPrivate: []byte(c.private),
				PriorIdentity: &tfprotov6.ResourceIdentityData{IdentityData: dynamic(t, wireObject(t, wireTypes()[kind].identity, given{
					"host": wireText("mini"), "label": config["label"],
				}))},
			}
			if c.private == "" {
				req.PriorPrivate = nil
			}
			agreePlan(t, s, of, req, c.settled)
		}
	}
}

// What is read without the framework is what the framework reads.
func TestAsRead(t *testing.T) {
	t.Parallel()
	mac := simulated(t)
	const plist = `<?xml version="1.0" encoding="UTF-8"?>
<plist version="1.0"><dict><key>Label</key><string>tfacc.read</string><key>ProgramArguments</key><array><string>/bin/sleep</string>` +
		`<string>600</string></array></dict></plist>
`
	const file = "/Library/LaunchDaemons/tfacc.read.plist"
	mac.sh(`printf %s "$1" >`+file+` && /bin/launchctl bootstrap system `+file, plist)
	for _, c := range []struct {
		name, script string
		state        map[string]tftypes.Value // what differs from the job as it was loaded
		same         bool
	}{
		{name: "as it is", same: true},
		{name: "another command", state: map[string]tftypes.Value{"program_arguments": wireTexts("/bin/sleep", "5")}},
		{name: "another Mac", state: map[string]tftypes.Value{"host": wireText("other")}},
		{name: "another job", state: map[string]tftypes.Value{"label": wireText("tfacc.none")}},
		{name: "not loaded", script: "/bin/launchctl bootout system/tfacc.read"},
		{name: "gone", script: "/bin/rm " + file},
	} {
		t.Log(c.name)
		if c.script != "" {
			mac.sh(c.script)
		}
		s, of := onSimulated(t, mac, "macos_launchdaemon") // anew, since a Mac is read once in a plan
		state := map[string]tftypes.Value{
			"host": wireText("mini"), "label": wireText("tfacc.read"), "program_arguments": wireTexts("/bin/sleep", "600"), "file": wireText(file),
			"enabled": tftypes.NewValue(tftypes.Bool, true), "drift": wireTexts(),
		}
		maps.Copy(state, c.state)
		agreeRead(t, s, of, &tfprotov6.ReadResourceRequest{TypeName: "macos_launchdaemon", CurrentState: dynamic(t, wireObject(t, of, state))}, c.same)
	}
}

// An anchor that the state knows is read and planned without the framework as with it, whatever has become of it.
func TestSettled_anchor(t *testing.T) {
	t.Parallel()
	type given = map[string]tftypes.Value
	for _, c := range []struct {
		name, script  string
		config, state given // what differs from the anchor as it was loaded
		read, settled bool
	}{
		{name: "as it is", read: true, settled: true},
		{name: "with demands", config: given{"must_pass": wireTexts("in proto tcp to any port 22")}, state: given{"must_pass": wireTexts("in proto tcp to any port 22")}, read: true, settled: true},
		{name: "other rules", script: `echo 'block all' | /sbin/pfctl -q -a com.apple/250.tfacc -f -`},
		{name: "no rules", script: `/sbin/pfctl -q -a com.apple/250.tfacc -F rules`},
		{name: "another file", script: `echo 'block all' >'/etc/pf.anchors/com.apple:250.tfacc'`},
		{name: "a link", script: `/bin/mv '/etc/pf.anchors/com.apple:250.tfacc' /etc/x && /bin/ln -s /etc/x '/etc/pf.anchors/com.apple:250.tfacc'`},
		{name: "gone", script: `/sbin/pfctl -q -a com.apple/250.tfacc -F all; /bin/rm '/etc/pf.anchors/com.apple:250.tfacc'`},
		{name: "nothing at boot", script: `/bin/rm /Library/LaunchDaemons/x.plist`, read: true, settled: true},
		{name: "pf disabled", script: `/sbin/pfctl -q -d`, settled: true},
		{name: "the main ruleset broken", script: `echo nonsense >>/etc/pf.conf`, read: true},
		{name: "another host", state: given{"host": wireText("other")}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			mac := simulated(t)
			const rules = "pass in proto tcp from any to any port = 22 flags S/SA keep state"
			mac.sh(`file=/etc/pf.anchors/com.apple:250.tfacc
printf '%s\n' "$1" >$file && /sbin/pfctl -q -a com.apple/250.tfacc -f $file && /sbin/pfctl -q -E && printf %s "$2" >/Library/LaunchDaemons/x.plist`, rules,
				`<plist version="1.0"><dict><key>Label</key><string>x</string><key>ProgramArguments</key><array><string>/sbin/pfctl</string>`+
					`<string>-E</string><string>-f</string><string>/etc/pf.anchors/com.apple:250.tfacc</string></array></dict></plist>`)
			if c.script != "" {
				mac.sh(c.script)
			}
			s, of := onSimulated(t, mac, "macos_pf_anchor")
			config := given{"name": wireText("com.apple/250.tfacc"), "rules": wireText(rules + "\n")}
			state := maps.Clone(config)
			maps.Copy(config, c.config)
			maps.Copy(state, given{
				"host": wireText("mini"), "file": wireText("/etc/pf.anchors/com.apple:250.tfacc"), "loaded_rules": wireTexts(rules),
				"pf_enabled": tftypes.NewValue(tftypes.Bool, true), "drift": wireTexts(),
			})
			maps.Copy(state, c.state)
			is := dynamic(t, wireObject(t, of, state))
			found := agreeRead(t, s, of, &tfprotov6.ReadResourceRequest{TypeName: "macos_pf_anchor", CurrentState: is}, c.read)
			if found.IsNull() {
				return
			}
			var proposed given
			if err := found.Copy().As(&proposed); err != nil {
				t.Fatal(err)
			}
			maps.Copy(proposed, config)
			agreePlan(t, s, of, &tfprotov6.PlanResourceChangeRequest{
				TypeName: "macos_pf_anchor", Config: dynamic(t, wireObject(t, of, config)),
				PriorState: dynamic(t, found), ProposedNewState: dynamic(t, wireObject(t, of, proposed)),
				PriorIdentity: &tfprotov6.ResourceIdentityData{IdentityData: dynamic(t, wireObject(t, wireTypes()["macos_pf_anchor"].identity, given{
					"host": state["host"], "name": state["name"],
				}))},
			}, c.settled)
		})
	}
}

// onSimulated is the provider's server with a simulated Mac called mini, and a resource's type.
func onSimulated(t *testing.T, mac *testMac, resource string) (server, tftypes.Type) {
	t.Helper()
	address, text, _ := strings.Cut(mac.Addr(), ":")
	port, _, err := new(big.Float).Parse(text, 10)
	if err != nil {
		t.Fatal(err)
	}
	wire, resources := configured(t, map[string]tftypes.Value{
		"address": wireText(address), "port": tftypes.NewValue(tftypes.Number, port), "user": wireText("admin"), "ssh_config_file": wireText("none"),
		"host_key":    wireText(strings.TrimSpace(string(ssh.MarshalAuthorizedKey(mac.HostKey())))),
		"private_key": wireText(mac.ClientKey()),
	})
	return wire.(server), resources[resource]
}

// agreeRead fails if what is read without the framework, as same says, is not what the framework reads, which it returns.
func agreeRead(t *testing.T, s server, of tftypes.Type, req *tfprotov6.ReadResourceRequest, same bool) tftypes.Value {
	t.Helper()
	if _, got := s.provider.asRead(t.Context(), req); got != same {
		t.Errorf("as read is %v", got)
	}
	framework, ours := both(t, req, s.ProviderServer.ReadResource, s.ReadResource)
	found := agree(t, of, &framework.NewState, &ours.NewState, same, framework, ours)
	if got := found.Equal(read(t, req.CurrentState, of)) && len(framework.Diagnostics) == 0; got != same {
		t.Errorf("the framework reads no change: %v: %s", got, found)
	}
	return found
}

// agreePlan fails if what is planned without the framework, as settled says, is not what the framework plans.
func agreePlan(t *testing.T, s server, of tftypes.Type, req *tfprotov6.PlanResourceChangeRequest, settled bool) {
	t.Helper()
	if _, got := s.provider.settled(t.Context(), req); got != settled {
		t.Errorf("settled is %v", got)
	}
	framework, ours := both(t, req, s.ProviderServer.PlanResourceChange, s.PlanResourceChange)
	planned := agree(t, of, &framework.PlannedState, &ours.PlannedState, settled, framework, ours)
	troubled := slices.ContainsFunc(framework.Diagnostics, func(d *tfprotov6.Diagnostic) bool {
		return d.Severity == tfprotov6.DiagnosticSeverityError || strings.Contains(d.Summary, "pfctl Refuses")
	})
	if got := planned.Equal(read(t, req.PriorState, of)) && !troubled && len(framework.PlannedPrivate) == 0; got != settled {
		t.Errorf("the framework plans no change: %v: %s", got, planned)
	}
}

// both is what the framework answers, and what we do.
func both[Q, R any](t *testing.T, req Q, framework, ours func(context.Context, Q) (R, error)) (R, R) {
	t.Helper()
	theirs, err := framework(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := ours(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	return theirs, answer
}

// agree fails if the states in two answers differ, which may be encoded in different ways; or, where we answered ourselves, anything else in them.
// It returns the framework's state.
func agree(t *testing.T, of tftypes.Type, theirs, ours **tfprotov6.DynamicValue, ourselves bool, framework, answer any) tftypes.Value {
	t.Helper()
	state, got := read(t, *theirs, of), read(t, *ours, of)
	if !state.Equal(got) {
		t.Errorf("the framework answers\n%s\nand we\n%s", state, got)
	}
	*theirs, *ours = nil, nil
	if ourselves && !reflect.DeepEqual(framework, answer) {
		t.Errorf("the framework answers\n%+v\nand we\n%+v", framework, answer)
	}
	return state
}

func read(t *testing.T, d *tfprotov6.DynamicValue, of tftypes.Type) tftypes.Value {
	t.Helper()
	v, err := d.Unmarshal(of)
	if err != nil {
		t.Fatal(err)
	}
	return v
}
