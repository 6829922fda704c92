package provider

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"

	"github.com/macos-fleet/terraform-provider-macos/internal/launchctl"
	"github.com/macos-fleet/terraform-provider-macos/internal/pfctl"
	"github.com/macos-fleet/terraform-provider-macos/internal/remote"
	"github.com/macos-fleet/terraform-provider-macos/internal/watchdog"
)

// explain says to the user why something could not be done: what was tried (summary: "Unable to <Verb> <Thing>"), on which
// Mac, in whose words it failed, what state the Mac is in now, and what to do next. It is the only place where an error
// becomes a diagnostic.
func explain(diags *diag.Diagnostics, at path.Path, summary string, err error) {
	if failure := unreached(err); failure != nil && saidBefore(failure, inError) {
		diags.AddAttributeError(at, summary, again(failure))
		return
	}
	detail := because(err)
	switch {
	case detail != "":
	case errors.Is(err, context.Canceled):
		detail = "The run was cancelled before this was done. For this, nothing was changed on the Mac."
		if said := err.Error(); said != context.Canceled.Error() {
			detail += "\n\n" + indent(said)
		}
	default:
		detail = err.Error()
	}
	diags.AddAttributeError(at, summary, detail)
}

// unreached is the failure to reach a Mac, or to read it to the end, if that is why err came about: nothing was changed there. Otherwise
// it is nil.
func unreached(err error) *remote.DialError {
	var failure *remote.DialError
	var lost *remote.LostError
	var undone *watchdog.UndoneError
	var away *watchdog.LostError
	switch {
	case errors.As(err, &undone), errors.As(err, &away):
		return nil
	case errors.As(err, &failure):
		return failure
	case errors.As(err, &lost):
		return lost.Reading
	}
	return nil
}

// said are the failures to reach a Mac that users were told. A failure is remembered for a while, and all who need the Mac meanwhile get
// the very same error.
var said sync.Map // whose keys are saying

type saying struct {
	failure *remote.DialError
	how     string
}

// How users were told of a failure.
const (
	inWarning = "in a warning"          // so that an error still has to tell it
	inError   = "in an error"           // which is only a warning, if it is that of a data source in a check block
	inReading = "where it was not read" // in the error of a resource, by which the run fails
)

// saidBefore reports whether users were told of a failure in this way, and takes note that they are now.
func saidBefore(failure *remote.DialError, how string) bool {
	_, before := said.LoadOrStore(saying{failure, how}, true)
	return before
}

// again is what is said of a failure of which users were told in full.
func again(failure *remote.DialError) string {
	return fmt.Sprintf("%s cannot be reached (%s), as is said in full elsewhere. Nothing was changed there.", failure.Host, failure.Stage)
}

// because is the detail for the errors that we know; "" for others.
func because(err error) string {
	var (
		unknown *remote.UnknownHostKeyError
		changed *remote.ChangedHostKeyError
		dial    *remote.DialError
		lost    *remote.LostError
		busy    *remote.BusyError
		syntax  *pfctl.SyntaxError
		undone  *watchdog.UndoneError
		away    *watchdog.LostError
	)
	switch {
	case errors.As(err, &undone) && (undone.Left || undone.Exit == 0):
		return takenBack(undone)
	case errors.As(err, &away):
		return lostSight(away)
	case undone != nil: // Why it was not confirmed, if it was not, is no longer what matters.
		return outcomeOf(err, outcomes)
	case errors.As(err, &dial) && errors.As(err, &unknown):
		return unknownHostKey(dial, unknown)
	case errors.As(err, &dial) && errors.As(err, &changed):
		return changedHostKey(dial, changed)
	case errors.As(err, &dial):
		return unreachable(dial)
	case errors.As(err, &lost) && lost.Reading != nil:
		return unreachable(lost.Reading)
	case errors.As(err, &lost):
		return interrupted(lost)
	case errors.As(err, &busy):
		return fmt.Sprintf("Another apply is changing %s: that of %s. This one waited as long as the provider's command_timeout and did nothing there. "+
			"Run it again when the other has ended. It may be one of yours whose connection broke: then the Mac ends it by itself, within minutes.",
			busy.Host, busy.Holder)
	case errors.As(err, &syntax):
		return "pfctl on the Mac says:\n\n" + indent(syntax.Error()) + "\n\nNothing was changed there."
	}
	return outcomeOf(err, outcomes)
}

// takenBack explains a change that was not confirmed, or that went wrong in a way that nobody foresaw.
func takenBack(e *watchdog.UndoneError) string {
	var lead string
	var broken *remote.LostError
	switch {
	case e.Unconfirmed() && errors.As(e.Err, &broken):
		lead = fmt.Sprintf("It was tried on %s, and a new connection was made there, which broke before it had confirmed, so that it was not written to disk.", e.Host)
	case e.Unconfirmed():
		lead = fmt.Sprintf("It was tried on %s, and then no new connection could be made there, so that it was not written to disk.", e.Host)
	case e.Why == "asked":
		lead = fmt.Sprintf("It was tried on %s, and the apply was cancelled before it was confirmed.", e.Host)
	case e.Why == "stopped":
		lead = fmt.Sprintf("It was tried on %s, and somebody there stopped the watchdog before it was confirmed.", e.Host)
	case e.Why == "lost":
		lead = fmt.Sprintf("It was prepared on %s, and the word to go on did not come through.", e.Host)
	default:
		lead = fmt.Sprintf("On %s, a step failed (%s, exit %d).", e.Host, e.Why, e.Exit)
	}
	if e.Err != nil {
		lead += "\n\n" + indent(e.Err.Error())
	}
	if e.Until > 0 {
		return lead + fmt.Sprintf("\n\nNothing was changed. What was prepared on %s ends by itself, within %v. Until then another apply may be told that one is at "+
			"work there.", e.Host, e.Until)
	}
	if said := strings.TrimSpace(pfctl.Words(e.Log)); said != "" {
		lead += "\n\nThe Mac's tools said:\n\n" + indent(shorten(said))
	}
	if e.Left {
		return lead + fmt.Sprintf("\n\n%s TRIED TO UNDO IT, AND COULD NOT DO SO ENTIRELY. Its disk is as before, so a reboot brings the old state back. Run plan again: it "+
			"reads what is there now.", e.Host)
	}
	return lead + fmt.Sprintf("\n\n%s has undone it by itself and is as it was before.", e.Host)
}

// lostSight explains a Mac that went away in the middle.
func lostSight(e *watchdog.LostError) string {
	if errors.Is(e.Err, watchdog.ErrGone) {
		return fmt.Sprintf("It was tried on %s, which answers, and where nothing is left of the watchdog that made the change, as after a restart. A restart brings "+
			"back what is on disk. Whether the change was written there just before is unknown: run plan again, it reads what is there now.", e.Host)
	}
	return fmt.Sprintf("It was tried on %s, which then could not be reached any more:\n\n%s\n\nA change that is not confirmed is undone by the Mac itself, within %v, and "+
		"by a restart. Whether that happened here, or it was confirmed and written to disk just before, is unknown. When the Mac can be reached, run plan again: it "+
		"reads what is there now.", e.Host, indent(e.Err.Error()), e.Until)
}

// interrupted explains a step whose end nobody saw.
func interrupted(lost *remote.LostError) string {
	lead := fmt.Sprintf("The connection to %s was lost while a step was running there: %v.", lost.Host, lost.Err)
	if errors.Is(lost.Err, context.DeadlineExceeded) {
		lead = fmt.Sprintf("%s: %v. The provider's command_timeout sets that time.", lost.Host, lost.Err)
	}
	return lead + fmt.Sprintf("\n\nWhether that step was finished is unknown. Each step checks everything first and then changes one thing after "+
		"the other, so that %s works either way. Run plan again: it reads what is there now.", lost.Host)
}

// outcome says what a failure of a script means for the Mac.
type outcome struct {
	err error
	say string
}

// outcomeOf is the first that the error is, with the Mac's words; "" if it is none.
func outcomeOf(err error, all []outcome) string {
	for _, known := range all {
		if errors.Is(err, known.err) {
			return known.say + words(err)
		}
	}
	return ""
}

var outcomes = []outcome{
	{launchctl.ErrHangs, "launchctl on the Mac did not answer within 20 seconds, so what launchd has is not known. Nothing was changed. When that lasts, " +
		"only a restart of the Mac is known to help."},
	{launchctl.ErrNobody, "The Mac has no user of this name. It is the short one that is meant, as `id -un` prints it. Nothing was changed."},
	{pfctl.ErrConfChanged, "Somebody else changed /etc/pf.conf on the Mac at the same moment, several times. Nothing was changed by this apply; run it again."},
	{pfctl.ErrConfRefused, "pfctl refuses the Mac's main ruleset as it would be then. Nothing was changed. Most likely there is a mistake in the " +
		"Mac's own /etc/pf.conf: `sudo pfctl -n -f /etc/pf.conf` there tells its line. (Below, it stands in a copy, whose lines can have other numbers.)"},
	{pfctl.ErrRelease, "The enable reference was not given back, so pf stays enabled as it was. Run this again."},
	{watchdog.ErrNotArmed, "Changes that could cut a Mac off are made under a watchdog: a job of launchd's that undoes them unless they are confirmed. launchd did not " +
		"start it, so nothing was changed."},
	{pfctl.ErrDisk, "A file could not be written on the Mac: the disk may be full, or the file protected (`ls -lO`). All that was changed is as it was before."},
	{pfctl.ErrLoad, "pfctl accepted this when it was checked, but could not carry it out. What was loaded before is loaded now."},
	{pfctl.ErrTable, "pfctl could not change the table, which is as it was before."},
	{pfctl.ErrEnable, "pf is as it was before."},
}

// words are what the Mac's own tools said.
func words(err error) string {
	var exit *remote.ExitError
	var undone *watchdog.UndoneError
	var host, said string
	switch {
	case errors.As(err, &exit):
		host, said = exit.Host, exit.Stderr
	case errors.As(err, &undone):
		host, said = undone.Host, undone.Log
	}
	if said = pfctl.Words(said); strings.TrimSpace(said) == "" {
		return ""
	}
	return "\n\nOn " + host + " it says:\n\n" + indent(said)
}

func unknownHostKey(dial *remote.DialError, e *remote.UnknownHostKeyError) string {
	file := e.File
	if file == "" {
		file = "a known_hosts file that is read here, such as one of the provider's known_hosts_files"
	}
	shows, cure, or, lenient := "shows a host key that is not known here", "If", "", ""
	if e.Certificate != nil {
		shows = fmt.Sprintf("shows a certificate of its host key that does not count here (%v), and the key itself is not known either", e.Certificate)
		cure = "Have the certificate renewed. Or, if"
	}
	if dial.Jump == "" {
		or = "\n\nor set the provider's host_key."
	}
	if e.Lenient != "" {
		lenient = fmt.Sprintf("\n\nssh's configuration says \"StrictHostKeyChecking %s\", by which ssh itself would go on. That is not followed here: what is "+
			"sent to a Mac makes somebody root there.", e.Lenient)
	}
	return fmt.Sprintf("The SSH server of %s, at %s, %s, so it may be another machine than you think. "+
		"Nothing was sent to it.\n\n"+
		"Fingerprint: %s\n\nOn that machine, this prints the fingerprints of its keys:\n\n"+
		"    for key in /etc/ssh/ssh_host_*_key.pub; do ssh-keygen -lf \"$key\"; done\n\n"+
		"%s one is the same, add this line to %s:\n\n    %s%s%s", machine(dial), dial.Addr, shows, e.Fingerprint, cure, file, e.Line, or, lenient)
}

func changedHostKey(dial *remote.DialError, e *remote.ChangedHostKeyError) string {
	known, replace := "The key that is known stands in the provider's host_key.", "."
	if len(e.Known) > 0 {
		known = "Another key is known for it, in " + strings.Join(e.Known, " and ") + "."
		replace = ", which this takes away:\n\n" + indent(strings.Join(e.Forget, "\n"))
	}
	return fmt.Sprintf("THE HOST KEY OF %s HAS CHANGED. Either it was erased or replaced, or SOMEBODY IS IN BETWEEN and reads along. "+
		"Nothing was sent.\n\nThe server at %s shows: %s\n%s\n\n"+
		"Find out why, on that machine itself, before you replace the old key%s", machine(dial), dial.Addr, e.Fingerprint, known, replace)
}

// machine is whose server it was.
func machine(dial *remote.DialError) string {
	if dial.Jump != "" {
		return fmt.Sprintf("%s (the jump host of %s)", dial.Jump, dial.Host)
	}
	return dial.Host
}

// unreachable explains a connection that failed, by how far it came.
func unreachable(dial *remote.DialError) string {
	detail := fmt.Sprintf("%s cannot be reached at %s. It failed at: %s.\n\n%s\n\nNothing was changed there. %s",
		dial.Host, dial.Addr, dial.Stage, indent(dial.Err.Error()), whatToDo(dial))
	switch {
	case dial.Stage == remote.StageConfig:
		detail = fmt.Sprintf("The ssh configuration, or the provider's own, does not tell how to reach %s.\n\n%s\n\n%s", dial.Host, indent(dial.Err.Error()), whatToDo(dial))
	case dial.Stage == remote.StageReading && errors.Is(dial.Err, context.DeadlineExceeded):
		detail = fmt.Sprintf("%s did not answer in time while it was being read.\n\n%s\n\nReading changes nothing there. The provider's command_timeout sets that time.",
			dial.Host, indent(dial.Err.Error()))
	case dial.Stage == remote.StageReading:
		detail = fmt.Sprintf("The connection to %s ended while the Mac was being read.\n\n%s\n\nReading changes nothing there. Run this again.",
			dial.Host, indent(dial.Err.Error()))
	case dial.Jump != "":
		detail = fmt.Sprintf("%s cannot be reached, because its jump host %s cannot, at %s. It failed at: %s.\n\n%s\n\n%s",
			dial.Host, dial.Jump, dial.Addr, dial.Stage, indent(dial.Err.Error()), whatToDo(dial))
	}
	if errors.Is(dial.Err, context.DeadlineExceeded) && dial.Stage != remote.StageReading && dial.Stage != remote.StageSudo {
		detail += "\n\nThe provider's connect_timeout sets how long all of it may take, from the name look-up until sudo has answered."
	}
	if banner := strings.TrimSpace(dial.Banner); banner != "" {
		detail += "\n\nThe server said:\n\n" + indent(banner)
	}
	return detail
}

// whatToDo is what to check or to do about a connection that failed.
func whatToDo(dial *remote.DialError) string {
	attempt := ""
	if dial.Try != "" {
		attempt = " This should work, without questions:\n\n    " + dial.Try
	}
	switch {
	case errors.Is(dial.Err, remote.ErrLocked):
		return fmt.Sprintf("%s was restarted, and its disk is locked with FileVault: until somebody unlocks it, none of its accounts, keys and settings "+
			"are there. Log in with the password of an account that may unlock it, at its keyboard or, on macOS 26 and later, over SSH, which then "+
			"ends; a minute later, run this again:\n\n    %s", machine(dial), cmp.Or(dial.Try, "ssh "+dial.User+"@"+host(dial.Addr)))
	case strings.Contains(dial.Banner, "# To authenticate, visit:"):
		return "Tailscale wants somebody to confirm this login: visit the address below, and then run this again. If it then asks anew, visit it while " +
			"the login waits: with connect_timeout = \"2m\" it does, and TF_LOG=WARN shows the address meanwhile. Logins that nobody is to confirm need " +
			"a rule with the action \"accept\" in the tailnet's policy."
	case strings.Contains(dial.Banner, "tailnet policy"):
		return "The \"ssh\" section of the tailnet's policy says who may log in there, and as whom."
	}
	var none *remote.AlgorithmsError
	if errors.As(dial.Err, &none) {
		here := strings.Join(none.Here, ", ")
		switch {
		case none.Usual != "":
			return fmt.Sprintf("Add %s to the line %s in the sshd_config of %s; `sudo sshd -t` there says whether the file is right. Known here are %s.",
				none.Usual, none.Option, machine(dial), here)
		case dial.Jump != "":
			return fmt.Sprintf("Have the SSH server of %s use a host key of another kind. Known here are %s.", machine(dial), here)
		}
		return fmt.Sprintf("Known here are %s; with the provider's host_key, those of its kind. Set that to a key that the server has, or have the server use "+
			"such a key.", here)
	}
	switch dial.Stage {
	case remote.StageConfig:
		return "Correct the configuration of ssh, or the provider's proxy_jump, proxy_command or proxy; or set its ssh_config_file: to another file, or to " +
			"\"none\"." + attempt
	case remote.StageKey:
		var given *remote.GivenError
		if errors.As(dial.Err, &given) && given.Field == "Certificate" {
			return "Check the provider's certificate, or MACOS_CERTIFICATE."
		} else if given != nil && given.Field == "Agent" {
			return "Check the provider's agent_socket, and that the agent runs and answers there."
		}
		return "Check the provider's private_key or private_key_file, and its private_key_passphrase if the key is encrypted."
	case remote.StageProxy:
		return "Check the proxy, and that it can reach the Mac: it is the provider's proxy or proxy_command, ssh's ProxyCommand, or that of the " +
			"environment variable ALL_PROXY."
	case remote.StageName:
		if dial.Jump != "" {
			return fmt.Sprintf("Check the address of the jump host %s, in the provider's proxy_jump or ssh's ProxyJump.", dial.Jump)
		}
		return "Check the Mac's address in the provider's hosts, or its host: what is no name in hosts is taken for what one writes after ssh."
	case remote.StageTCP:
		if dial.Jump != "" {
			return fmt.Sprintf("Check that the jump host %s is up and takes SSH connections, its address and port in the provider's proxy_jump or ssh's "+
				"ProxyJump, and the network in between.", dial.Jump)
		}
		var forward *remote.ForwardError
		if errors.As(dial.Err, &forward) && forward.Forbidden {
			return fmt.Sprintf("Allow it on the jump host %s, where AllowTcpForwarding, PermitOpen or the options of the key say to what %q may connect.",
				forward.Jump, forward.User)
		}
		return "Check that the Mac is awake and that Remote Login is on (System Settings > General > Sharing), and its address, " +
			"port and the network in between, such as the tailnet."
	case remote.StageSSH:
		return "Something takes the connection there, but does not answer as a Mac's SSH server does. Check the address and the port, and that the Mac is not overloaded."
	case remote.StageHostKey:
		if dial.Jump != "" {
			return "Accepted are the keys in the provider's known_hosts_files, or else in ssh's UserKnownHostsFile and GlobalKnownHostsFile, and none of those in " +
				"ssh's RevokedHostKeys."
		}
		return "Accepted are the provider's host_key, or else the keys in its known_hosts_files, or else those in ssh's UserKnownHostsFile and " +
			"GlobalKnownHostsFile, and none of those in ssh's RevokedHostKeys."
	case remote.StageAuth:
		var refused *remote.RefusedError
		if errors.As(dial.Err, &refused) && !slices.Contains(refused.Takes, "publickey") {
			attempt = "" // ssh would ask for a password, if it came that far
		}
		switch {
		case dial.Jump != "" && refused != nil && refused.NoPassword:
			return fmt.Sprintf("It wants a password, and jump hosts get none from here. Have it let user %q log in with a key alone.", dial.User)
		case dial.Jump != "":
			return fmt.Sprintf("Check that user %q exists there and may log in with a key that ssh's configuration or the provider has.%s", dial.User, attempt)
		case refused != nil && refused.NoPassword:
			return fmt.Sprintf("Set the provider's password to that of user %q there, or let that user log in with a key alone.", dial.User)
		}
		return fmt.Sprintf("Check that user %q exists there and may log in with the key or password that the provider has.%s", dial.User, attempt)
	case remote.StageSudo:
		switch said := dial.Err.Error(); {
		case errors.Is(dial.Err, context.DeadlineExceeded):
			return "sudo there took the provider's sudo_password and did not answer. It may wait for a directory server, or for somebody to confirm on a " +
				"phone; connect_timeout is how long it may take."
		case strings.Contains(said, "must have a tty"):
			return fmt.Sprintf("sudo there wants a terminal, which it does not get from here. Let user %q do without, on the Mac with "+
				"`sudo visudo -f /etc/sudoers.d/terraform`:\n\n    Defaults:%s !requiretty", dial.User, dial.User)
		case strings.Contains(said, "incorrect password"):
			return fmt.Sprintf("sudo does not accept the provider's sudo_password for user %q. Set the password that this user has on the Mac.", dial.User)
		case strings.Contains(said, "not in the sudoers file"), strings.Contains(said, "not allowed to"):
			return fmt.Sprintf("An administrator of the Mac must allow it, there, with `sudo visudo -f /etc/sudoers.d/terraform`:\n\n    %s ALL = (ALL) NOPASSWD: ALL", dial.User)
		}
		return fmt.Sprintf("User %q must become root with sudo. Set the provider's sudo_password, or allow it without one, "+
			"on the Mac with `sudo visudo -f /etc/sudoers.d/terraform`:\n\n    %s ALL = (ALL) NOPASSWD: ALL", dial.User, dial.User)
	case remote.StageShell:
		if dial.Try != "" {
			attempt = " This should end without an error:\n\n    " + dial.Try + " true"
		}
		return "The login was accepted. Check that the address is that of a Mac, and what the user's shell does at login." + attempt
	}
	return ""
}

// host is the first part of host:port.
func host(addr string) string {
	h, _, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	return h
}

func indent(text string) string {
	return "    " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n    ")
}

// explainPF is explain for what was to be done to an anchor. The Survey, nil when there is none, is the Mac as found.
func explainPF(
	ctx context.Context, diags *diag.Diagnostics, at path.Path, summary string, err error, mac *remote.Host, in pfctl.Intent, s *pfctl.Survey,
) {
	if errors.Is(err, pfctl.ErrChanged) && s != nil {
		diags.AddAttributeError(at, summary, fmt.Sprintf("Somebody changed the anchor on %s since this was planned, so nothing was done. %s\n\n"+
			"Run plan again to decide with that in view.", mac.Name(), found(s.Anchor(in.Anchor))))
		return
	}
	explainUndone(ctx, diags, at, summary, err, mac, in)
}

// found shows an anchor as it is on the Mac.
func found(a *pfctl.Anchor) string {
	if a.Gone() {
		return "It is gone."
	}
	text := "Its file " + a.File + " does not exist."
	if a.Exists {
		text = "Its file " + a.File + " holds:\n\n" + indent(shorten(a.Text))
	}
	loaded := "No rules are loaded."
	if len(a.Loaded) > 0 {
		loaded = "Loaded are:\n\n" + indent(shorten(strings.Join(a.Loaded, "\n")))
	}
	return text + "\n\n" + loaded
}

// explainJob is explain for what was done to a job. The Survey, nil when there is none, is the Mac as found.
func explainJob(diags *diag.Diagnostics, at path.Path, summary string, err error, mac, label string, s *launchctl.Survey) {
	if errors.Is(err, launchctl.ErrChanged) && s != nil {
		diags.AddAttributeError(at, summary, fmt.Sprintf("Somebody changed the job on %s since this was planned, so nothing was done. %s\n\n"+
			"Run plan again to decide with that in view.", mac, foundJob(s.Job(label))))
		return
	}
	if detail := outcomeOf(err, jobOutcomes); detail != "" {
		diags.AddAttributeError(at, summary, detail)
		return
	}
	explain(diags, at, summary, err)
}

// jobOutcomes are told whether or not everything could be undone: they say themselves what is left.
var jobOutcomes = []outcome{
	{launchctl.ErrHangs, "launchctl on the Mac did not answer within 20 seconds, so what launchd has is not known. Nothing was changed. When that lasts, " +
		"only a restart of the Mac is known to help."},
	{launchctl.ErrNobody, "The Mac has no user of this name. It is the short one that is meant, as `id -un` prints it. Nothing was changed."},
	{launchctl.ErrLinked, "The folder of the user's agents, or what it is in, is a symbolic link: root does not write where a user leads it. Nothing was changed."},
	{launchctl.ErrRefused, "This is not a property list that launchd loads. Nothing was changed on the Mac."},
	{launchctl.ErrForeign, "An app has registered this job with macOS, which puts it back by itself. Nothing was changed on the Mac."},
	{launchctl.ErrNoWayBack, "The job is loaded, but the file that it was loaded from is gone. Should the change cut the Mac off, it could not be undone, so nothing " +
		"was changed. Put the file back and apply again, or set confirm = false to go without a net."},
	{launchctl.ErrDisk, "A file could not be written on the Mac: the disk may be full, or the file protected (`ls -lO`). The job is as it was before."},
	{launchctl.ErrDraining, "The job was told to stop and did not end in time, so nothing new was loaded, and its file is the old one. If it ended a little later, it was " +
		"loaded again as it had been. See with `launchctl print system/LABEL` what it is doing, then apply again."},
	{launchctl.ErrNotRestored, "launchd did not load the new job, and when it was given the old file again, it did not load that either. The job is not " +
		"running; its file is the old one."},
	{launchctl.ErrStopped, "launchd did not load the new job. The one that it held had no file any more to load it from, so the job is stopped; nothing of ours was left."},
	{launchctl.ErrLoad, "launchd did not load the job. The job is as it was before."},
}

// foundJob shows a job as it is on the Mac. Its environment may hold secrets, and is left out by showing nothing of the content
// but what it runs.
func foundJob(j *launchctl.Job) string {
	if j.Gone() {
		return "It is gone."
	}
	text := "Its file " + j.File + " does not exist."
	if j.Exists {
		text = "Its file is " + j.File + "."
		if runs := j.Runs(); runs != "" {
			text = "Its file " + j.File + " runs:\n\n" + indent(shorten(runs))
		}
	}
	if drift := j.Drift(); len(drift) > 0 {
		text += "\n\nAbout it:\n\n" + indent(strings.Join(drift, "\n"))
	}
	return text
}

// shorten keeps the first forty lines.
func shorten(text string) string {
	const most = 40
	lines := strings.Split(strings.TrimSpace(text), "\n")
	if len(lines) <= most {
		return strings.Join(lines, "\n")
	}
	return strings.Join(lines[:most], "\n") + fmt.Sprintf("\n... and %d lines more", len(lines)-most)
}
