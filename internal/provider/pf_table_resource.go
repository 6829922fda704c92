package provider

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework-validators/setvalidator"
	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/identityschema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/booldefault"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/planmodifier"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringplanmodifier"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/macos-fleet/terraform-provider-macos/internal/pfctl"
	"github.com/macos-fleet/terraform-provider-macos/internal/remote"
)

var (
	_ resource.ResourceWithConfigure   = (*pfTableResource)(nil)
	_ resource.ResourceWithIdentity    = (*pfTableResource)(nil)
	_ resource.ResourceWithImportState = (*pfTableResource)(nil)
	_ resource.ResourceWithModifyPlan  = (*pfTableResource)(nil)
)

// pfTableResource is macos_pf_table: the addresses in a table of an anchor.
type pfTableResource struct{ onMac }

type pfTableModel struct {
	Host         types.String `tfsdk:"host"`
	Anchor       types.String `tfsdk:"anchor"`
	Name         types.String `tfsdk:"name"`
	Addresses    types.Set    `tfsdk:"addresses"`
	Exclusive    types.Bool   `tfsdk:"exclusive"`
	AllowLockout types.Bool   `tfsdk:"allow_lockout"`
	File         types.String `tfsdk:"file"`
	Drift        types.List   `tfsdk:"drift"`
}

// title is what the table is called in messages.
func (m *pfTableModel) title() string {
	return fmt.Sprintf("pf Table <%s> of Anchor %q", m.Name.ValueString(), m.Anchor.ValueString())
}

// change is what makes the table as planned; seen is the state, nil for a table that is new.
func (m *pfTableModel) change(seen *pfTableModel) pfctl.TableChange {
	c := pfctl.TableChange{
		Anchor: m.Anchor.ValueString(), Name: m.Name.ValueString(), Want: elementsOf(m.Addresses), Exclusive: m.Exclusive.ValueBool(),
	}
	if seen != nil {
		c.Seen = elementsOf(seen.Addresses)
	}
	return c
}

// removal is what ends the table, or our part of it.
func (m *pfTableModel) removal() pfctl.TableChange {
	c := m.change(m)
	c.Gone = true
	return c
}

// intentOf is the change for a forecast.
func intentOf(c pfctl.TableChange, t *pfctl.Table, forced bool) pfctl.Intent {
	return pfctl.Intent{Anchor: c.Anchor, Table: c.Name, Addresses: c.After(t), Forced: forced}
}

// observe fills in what was found. An address stays as the user wrote it.
func (m *pfTableModel) observe(s *pfctl.Survey) {
	t := s.Table(m.Anchor.ValueString(), m.Name.ValueString())
	if m.Exclusive.IsNull() { // imported
		m.Exclusive = types.BoolValue(true)
	}
	ours := elementsOf(m.Addresses)
	if m.Addresses.IsNull() {
		ours = t.Addresses
	}
	written := map[string]string{}
	for _, a := range ours {
		written[canonicalAddress(a)] = a
	}
	var found []attr.Value
	for _, a := range t.Addresses {
		as, known := written[a]
		switch {
		case known:
			found = append(found, types.StringValue(as))
		case m.Exclusive.ValueBool():
			found = append(found, types.StringValue(a))
		}
	}
	m.Addresses = types.SetValueMust(types.StringType, found)
	m.File = types.StringValue(t.File)
	m.Drift = stringList(t.Drift(ours))
}

// canonicalAddress is the address as pfctl prints it, or as it is if it is none.
func canonicalAddress(word string) string {
	if a, err := pfctl.CanonicalAddress(word); err == nil {
		return a
	}
	return word
}

// elementsOf are the strings in a set; a null or unknown set has none.
func elementsOf(set types.Set) []string {
	var all []string
	for _, v := range set.Elements() {
		if s, ok := v.(types.String); ok && !s.IsUnknown() {
			all = append(all, s.ValueString())
		}
	}
	return all
}

// sameAddresses reports whether two sets are the same in other words.
func sameAddresses(a, b types.Set) bool {
	canonical := func(set types.Set) []string {
		var all []string
		for _, s := range elementsOf(set) {
			all = append(all, canonicalAddress(s))
		}
		slices.Sort(all)
		return slices.Compact(all)
	}
	return slices.Equal(canonical(a), canonical(b))
}

func (r *pfTableResource) Metadata(_ context.Context, _ resource.MetadataRequest, resp *resource.MetadataResponse) {
	resp.TypeName = "macos_pf_table"
}

func (r *pfTableResource) Schema(_ context.Context, _ resource.SchemaRequest, resp *resource.SchemaResponse) {
	replaces := []planmodifier.String{stringplanmodifier.RequiresReplace()}
	resp.Schema = schema.Schema{
		MarkdownDescription: "The addresses in a table of a pf anchor, which rules name as `<TABLE>`. A plan shows which of them come and go; thousands are loaded " +
			"at once, and the rules stay as they are.\n\n" +
			"The rules of the anchor only declare the table, `table <bad> persist`: one that they fill themselves (`{ ... }`) is filled anew whenever they are loaded. " +
			"Let the rules depend on the table, as by `<${macos_pf_table.bad.name}>` in their text, so that it is filled before they are loaded: a rule that passes what " +
			"is in an empty table lets nobody in.\n\n" +
			"~> **The kernel forgets tables when the Mac is restarted.** So the addresses stand in a file as well, `/etc/pf.tables/ANCHOR:TABLE`, and the boot job of " +
			"`macos_pf` fills the table from it before it enables pf. Where somebody else enables pf earlier, the table is empty until then, for seconds. " +
			"Rules that say `table <bad> persist file \"${macos_pf_table.bad.file}\"` have no such gap, but pfctl refuses them, and at boot the whole main ruleset with them, " +
			"when the file is missing. This resource therefore empties a file that rules name, and does not remove it.\n\n" +
			"A change of a table that rules use is made like one of the rules: every plan foresees what it would cut, and the Mac undoes it by itself " +
			"unless a new connection confirms it. Connections that are open live on, whatever is put into a table. Addresses that others add at any time, as a rule's `overload` " +
			"does, call for `exclusive = false`.",
		Attributes: map[string]schema.Attribute{
			"host": hostAttribute(),
			"anchor": schema.StringAttribute{
				Required:            true,
				Validators:          []validator.String{named{what: "Anchor Name", check: pfctl.CheckName}},
				PlanModifiers:       replaces,
				MarkdownDescription: "Name of the anchor whose table it is. Changing it replaces the resource.",
			},
			"name": schema.StringAttribute{
				Required:            true,
				Validators:          []validator.String{named{what: "Table Name", check: pfctl.CheckTableName}},
				PlanModifiers:       replaces,
				MarkdownDescription: "Name of the table, without the brackets: at most 31 characters. Changing it replaces the resource.",
			},
			"addresses": schema.SetAttribute{
				Required:    true,
				ElementType: types.StringType,
				Validators:  []validator.Set{setvalidator.ValueStringsAre(addressText{}), addressesOnce{}},
				MarkdownDescription: "IP addresses and networks, of IPv4 and IPv6; `!` before one excepts it from a network that it is in. However an address is written, it is " +
					"compared with what the table holds: `10.0.0.1/32` is `10.0.0.1`, and `10.1.2.3/8` is `10.0.0.0/8`. Names of hosts and interfaces are refused, since " +
					"pfctl would look them up once.",
			},
			"exclusive": schema.BoolAttribute{
				Optional: true,
				Computed: true,
				Default:  booldefault.StaticBool(true),
				MarkdownDescription: "Whether the table holds these addresses and no others. If not, they are kept in it, and those that others put there are neither " +
					"touched nor shown. Default: `true`.",
			},
			"allow_lockout": lockoutAttribute(),
			"file": schema.StringAttribute{
				Computed:            true,
				MarkdownDescription: "Path of the file with the addresses on the Mac. It is known once it is there, so that rules that name it are not checked before.",
			},
			"drift": driftAttribute("a file that is missing, or holds other addresses than were applied, and a wrong owner or mode of it"),
		},
	}
}

// addressText accepts what pfctl reads as an address or network, whatever it can look up.
type addressText struct{}

func (addressText) Description(context.Context) string { return "must be an IP address or network" }

func (v addressText) MarkdownDescription(ctx context.Context) string { return v.Description(ctx) }

func (addressText) ValidateString(_ context.Context, req validator.StringRequest, resp *validator.StringResponse) {
	if req.ConfigValue.IsNull() || req.ConfigValue.IsUnknown() {
		return
	}
	if _, err := pfctl.CanonicalAddress(req.ConfigValue.ValueString()); err != nil {
		resp.Diagnostics.AddAttributeError(req.Path, "Invalid Address", capitalized(err.Error())+".")
	}
}

// addressesOnce refuses an address that is there in two words, or with its exception.
type addressesOnce struct{}

func (addressesOnce) Description(context.Context) string { return "must have each address once" }

func (v addressesOnce) MarkdownDescription(ctx context.Context) string { return v.Description(ctx) }

func (addressesOnce) ValidateSet(_ context.Context, req validator.SetRequest, resp *validator.SetResponse) {
	written := map[string]string{}
	for _, a := range elementsOf(req.ConfigValue) {
		bare := strings.TrimPrefix(canonicalAddress(a), "!")
		if other, twice := written[bare]; twice {
			resp.Diagnostics.AddAttributeError(req.Path, "Address Is There Twice",
				fmt.Sprintf("%q and %q are one entry of a table: %s.", other, a, bare))
		}
		written[bare] = a
	}
}

func (r *pfTableResource) IdentitySchema(_ context.Context, _ resource.IdentitySchemaRequest, resp *resource.IdentitySchemaResponse) {
	resp.IdentitySchema = identityOf("name", "Name of the table.")
	resp.IdentitySchema.Attributes["anchor"] = identityschema.StringAttribute{RequiredForImport: true, Description: "Name of the anchor whose table it is."}
}

// identify records the resource's identity.
func (m *pfTableModel) identify(ctx context.Context, identity *tfsdk.ResourceIdentity) diag.Diagnostics {
	diags := setIdentity(ctx, identity, m.Host, "name", m.Name)
	if identity != nil {
		diags.Append(identity.SetAttribute(ctx, path.Root("anchor"), m.Anchor)...)
	}
	return diags
}

// ModifyPlan asks the Mac whether the table is free to be created, whether it would be there after a restart, and what the change would
// cut.
func (r *pfTableResource) ModifyPlan(ctx context.Context, req resource.ModifyPlanRequest, resp *resource.ModifyPlanResponse) {
	var plan, state pfTableModel
	creates := req.State.Raw.IsNull()
	if !creates {
		resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	}
	if req.Plan.Raw.IsNull() {
		r.planRemoval(ctx, state, &resp.Diagnostics)
		return
	}
	r.planHost(ctx, req.Config, req.State, resp)
	if resp.Diagnostics.Append(resp.Plan.Get(ctx, &plan)...); resp.Diagnostics.HasError() {
		return
	}
	moves := !creates && (!plan.Host.Equal(state.Host) || !plan.Anchor.Equal(state.Anchor) || !plan.Name.Equal(state.Name))
	creates = creates || moves
	plan.Drift, plan.File = stringList(nil), types.StringUnknown()
	if !creates {
		plan.File = types.StringValue(pfctl.TableFile(plan.Anchor.ValueString(), plan.Name.ValueString()))
		if allKnown(plan.Addresses) && sameAddresses(plan.Addresses, state.Addresses) {
			plan.Addresses = state.Addresses // the same in other words
		}
	}
	if resp.Diagnostics.Append(resp.Plan.Set(ctx, plan)...); resp.Diagnostics.HasError() {
		return
	}
	if moves {
		r.planRemoval(ctx, state, &resp.Diagnostics)
	}
	mac := r.mac(plan.Host, &resp.Diagnostics)
	resp.Deferred = r.deferral(plan.Host, req.ClientCapabilities.DeferralAllowed)
	if mac == nil || !allKnown(plan.Addresses) || plan.Anchor.IsUnknown() || plan.Name.IsUnknown() {
		return
	}
	s, err := pfctl.Look(ctx, mac)
	if err != nil {
		r.unplanned(&resp.Diagnostics, "Unable to Plan "+plan.title(), err, true)
		return
	}
	t, change := s.Table(plan.Anchor.ValueString(), plan.Name.ValueString()), plan.change(&state)
	if creates {
		change.Seen = nil
		if r.taken(&resp.Diagnostics, mac, plan, t); resp.Diagnostics.HasError() {
			return
		}
	}
	warnOfTable(&resp.Diagnostics, mac.Name(), plan, t, creates)
	about := changing(plan.title(), mac, path.Root("addresses"), plan.AllowLockout)
	foretell(&resp.Diagnostics, about, r.inventory.planned[mac.Name()].Judge(s, intentOf(change, t, about.forced)))
}

// allKnown reports whether a set and all that is in it is known.
func allKnown(set types.Set) bool {
	return !set.IsUnknown() && !slices.ContainsFunc(set.Elements(), attr.Value.IsUnknown)
}

// taken refuses a table that is there and holds what is not wanted.
func (r *pfTableResource) taken(diags *diag.Diagnostics, mac *remote.Host, plan pfTableModel, t *pfctl.Table) {
	if t.Twin != "" {
		diags.AddAttributeError(path.Root("name"), plan.title()+" Exists in Other Letters", fmt.Sprintf("%s on %s would be the file of both, because the Mac's file system "+
			"does not tell upper from lower case.", t.Twin, mac.Name()))
		return
	}
	var others []string
	wanted := map[string]bool{}
	for _, a := range elementsOf(plan.Addresses) {
		wanted[canonicalAddress(a)] = true
	}
	for _, a := range t.Addresses {
		if !wanted[a] {
			others = append(others, a)
		}
	}
	if !plan.Exclusive.ValueBool() || len(others) == 0 {
		return
	}
	diags.AddAttributeError(path.Root("name"), plan.title()+" Exists", fmt.Sprintf("On %s it holds addresses that this configuration does not want. It is not taken over silently.\n\n%s\n\n"+
		"To manage it from here, import it, or leave them to others with exclusive = false:\n\n    terraform import ADDRESS '%s/%s/%s'",
		mac.Name(), indent(shorten(strings.Join(others, "\n"))), mac.Name(), t.Anchor, t.Name))
}

// warnOfTable says what a user should know before agreeing to the plan.
func warnOfTable(diags *diag.Diagnostics, mac string, plan pfTableModel, t *pfctl.Table, creates bool) {
	if t.Constant || t.Filled {
		diags.AddAttributeWarning(path.Root("name"), fmt.Sprintf("The Rules of Anchor %q Fill Table <%s> Themselves", t.Anchor, t.Name),
			fmt.Sprintf("On %s they define its addresses, which come back whenever the rules are loaded; of a const table, nobody else can change them. Let them declare it "+
				"only:\n\n    table <%s> persist", mac, t.Name))
	}
	if !creates && !t.AtBoot { // what fills it may be created by the same apply
		diags.AddAttributeWarning(path.Root("name"), plan.title()+" Will Be Empty After a Reboot", fmt.Sprintf("The kernel forgets tables, and nothing in /Library/LaunchDaemons on "+
			"%s fills this one from %s. A macos_pf resource takes care of that; one that this plan creates or repairs does so, too.", mac, t.File))
	}
}

// planRemoval says what the end of the table would do. If that cannot be known, it is no reason to keep it.
func (r *pfTableResource) planRemoval(ctx context.Context, old pfTableModel, diags *diag.Diagnostics) {
	if r.inventory == nil || r.inventory.macs[old.Host.ValueString()] == nil {
		return
	}
	mac := r.inventory.macs[old.Host.ValueString()]
	about := ending(old.title(), mac, old.AllowLockout)
	s, err := pfctl.Look(ctx, mac)
	if err != nil {
		diags.AddWarning(fmt.Sprintf("Cannot Tell Whether %s Cuts %s Off", about.what, about.mac), cmp.Or(because(err), err.Error()))
		return
	}
	t := s.Table(old.Anchor.ValueString(), old.Name.ValueString())
	foretell(diags, about, r.inventory.planned[mac.Name()].Judge(s, intentOf(old.removal(), t, about.forced)))
}

func (r *pfTableResource) Create(ctx context.Context, req resource.CreateRequest, resp *resource.CreateResponse) {
	var plan pfTableModel
	if resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...); resp.Diagnostics.HasError() {
		return
	}
	if r.apply(ctx, &plan, nil, &resp.Diagnostics) {
		resp.Diagnostics.Append(resp.State.Set(ctx, plan)...)
		resp.Diagnostics.Append(plan.identify(ctx, resp.Identity)...)
	}
}

func (r *pfTableResource) Update(ctx context.Context, req resource.UpdateRequest, resp *resource.UpdateResponse) {
	var plan, state pfTableModel
	resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
	resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	if resp.Diagnostics.HasError() {
		return
	}
	if r.apply(ctx, &plan, &state, &resp.Diagnostics) {
		resp.Diagnostics.Append(resp.State.Set(ctx, plan)...)
		resp.Diagnostics.Append(plan.identify(ctx, resp.Identity)...)
	}
}

// apply carries the plan out and fills it with what is there then. It reports whether there is a state to keep.
func (r *pfTableResource) apply(ctx context.Context, plan, seen *pfTableModel, diags *diag.Diagnostics) bool {
	mac := r.mac(plan.Host, diags)
	if mac == nil {
		return false
	}
	change := plan.change(seen)
	s, err := pfctl.ApplyTable(ctx, mac, change)
	if err != nil {
		explainTable(ctx, diags, "Unable to Change "+plan.title(), err, mac, change, s)
		return false
	}
	promised := plan.Addresses
	plan.observe(s)
	if !plan.Addresses.Equal(promised) || len(stringsOf(plan.Drift)) > 0 {
		// An error would have Terraform replace the table, and it insists on a state as planned.
		diags.AddAttributeWarning(path.Root("addresses"), plan.title()+" Is Not as Planned", fmt.Sprintf("It was changed on %s, and then by somebody else. The next plan shows the "+
			"difference.", mac.Name()))
		plan.Addresses, plan.Drift = promised, stringList(nil)
	}
	return true
}

func (r *pfTableResource) Read(ctx context.Context, req resource.ReadRequest, resp *resource.ReadResponse) {
	var state pfTableModel
	if resp.Diagnostics.Append(req.State.Get(ctx, &state)...); resp.Diagnostics.HasError() {
		return
	}
	resp.Diagnostics.Append(state.identify(ctx, resp.Identity)...)
	mac := r.mac(state.Host, &resp.Diagnostics)
	if mac == nil {
		resp.Deferred = r.deferral(state.Host, req.ClientCapabilities.DeferralAllowed)
		return
	}
	s, err := pfctl.Look(ctx, mac)
	if err != nil {
		r.unread(ctx, &resp.Diagnostics, "Unable to Read "+state.title(), err, req.State)
		return
	}
	if s.Table(state.Anchor.ValueString(), state.Name.ValueString()).Gone() {
		resp.State.RemoveResource(ctx)
		return
	}
	state.observe(s)
	resp.Diagnostics.Append(resp.State.Set(ctx, state)...)
}

func (r *pfTableResource) Delete(ctx context.Context, req resource.DeleteRequest, resp *resource.DeleteResponse) {
	var state pfTableModel
	if resp.Diagnostics.Append(req.State.Get(ctx, &state)...); resp.Diagnostics.HasError() {
		return
	}
	mac := r.mac(state.Host, &resp.Diagnostics)
	if mac == nil {
		return
	}
	change := state.removal()
	s, err := pfctl.ApplyTable(ctx, mac, change)
	if err != nil {
		explainTable(ctx, &resp.Diagnostics, "Unable to Remove "+state.title(), err, mac, change, s)
		return
	}
	if t := s.Table(change.Anchor, change.Name); t.FileExists {
		resp.Diagnostics.AddWarning(fmt.Sprintf("The File of %s Was Emptied, Not Removed", state.title()),
			fmt.Sprintf("Rules on %s name %s. Without that file, pfctl would refuse them, and at boot perhaps the main ruleset with them. Change the rules, then remove the "+
				"file.", mac.Name(), t.File))
	}
}

// ImportState takes HOST/ANCHOR/TABLE, in which the anchor's name may have slashes, or an identity.
func (r *pfTableResource) ImportState(ctx context.Context, req resource.ImportStateRequest, resp *resource.ImportStateResponse) {
	values := map[string]types.String{}
	if req.ID != "" {
		host, rest, _ := strings.Cut(req.ID, "/")
		i := strings.LastIndexByte(rest, '/')
		if host == "" || i <= 0 || i == len(rest)-1 {
			resp.Diagnostics.AddError("Invalid Import ID", fmt.Sprintf("%q is not HOST/ANCHOR/TABLE, such as mini-01/com.acme.ssh/admins.", req.ID))
			return
		}
		values["host"], values["anchor"], values["name"] = types.StringValue(host), types.StringValue(rest[:i]), types.StringValue(rest[i+1:])
	} else {
		for _, name := range []string{"host", "anchor", "name"} {
			var value types.String
			resp.Diagnostics.Append(req.Identity.GetAttribute(ctx, path.Root(name), &value)...)
			values[name] = value
		}
	}
	for name, value := range values {
		resp.Diagnostics.Append(resp.State.SetAttribute(ctx, path.Root(name), value)...)
	}
}

// explainTable is explain for what was to be done to a table. The Survey, nil when there is none, is the Mac as found.
func explainTable(ctx context.Context, diags *diag.Diagnostics, summary string, err error, mac *remote.Host, c pfctl.TableChange, s *pfctl.Survey) {
	at := path.Root("addresses")
	if s == nil || !errors.Is(err, pfctl.ErrTableChanged) {
		in := pfctl.Intent{Anchor: c.Anchor, Table: c.Name, Addresses: c.Want}
		if c.Gone {
			in.Addresses = nil
		}
		explainUndone(ctx, diags, at, summary, err, mac, in)
		return
	}
	holds := "It holds nothing."
	if t := s.Table(c.Anchor, c.Name); len(t.Addresses) > 0 {
		holds = "It holds:\n\n" + indent(shorten(strings.Join(t.Addresses, "\n")))
	}
	diags.AddAttributeError(at, summary, fmt.Sprintf("Somebody changed the table, or its file, on %s since this was planned, so nothing was done. %s\n\nRun plan again to decide with that "+
		"in view.", mac.Name(), holds))
}
