package macsim

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/macos-fleet/terraform-provider-macos/internal/plist"
)

// launchctlCall is one launchctl, with what stands behind the subcommand.
type launchctlCall struct {
	*process
	done  <-chan struct{} // closed when the caller ends
	waits func() (stop func())
	m     *Mac
	l     *launchdState
	args  []string
}

var launchctlVerbs = map[string]func(*launchctlCall) int{
	"bootstrap": (*launchctlCall).bootstrap, "bootout": (*launchctlCall).bootout, "enable": (*launchctlCall).enable,
	"disable": (*launchctlCall).disable, "print": (*launchctlCall).print, "print-disabled": (*launchctlCall).printDisabled,
	"kickstart": (*launchctlCall).kickstart, "kill": (*launchctlCall).kill, "blame": (*launchctlCall).blame,
	"list": (*launchctlCall).list, "load": (*launchctlCall).load, "unload": (*launchctlCall).unload, "error": (*launchctlCall).errorText,
	"start": (*launchctlCall).start, "stop": (*launchctlCall).stop, "submit": (*launchctlCall).submit, "remove": (*launchctlCall).remove,
}

// launchctl is /bin/launchctl. Of the domains there are system, gui/UID of who is logged in at the screen, and user/UID of every person.
// The old subcommands know system alone.
func launchctl(ctx context.Context, m *Mac, p *process) int {
	c := &launchctlCall{p, ctx.Done(), func() func() { return waiting(ctx) }, m, &m.launchd, p.Args[min(2, len(p.Args)):]}
	if len(p.Args) < 2 {
		c.complain("Usage: launchctl <subcommand> ... | help [subcommand]\n")
		return 64
	}
	verb, ok := launchctlVerbs[p.Args[1]]
	if !ok {
		c.complain("Unrecognized subcommand: %s\n", p.Args[1])
		return 1
	}
	c.l.mu.Lock()
	hangs := slices.Contains(c.l.ways.Hangs, p.Args[1])
	c.l.mu.Unlock()
	if hangs {
		return c.hang()
	}
	return verb(c)
}

// launchdErrors are the texts of launchd's error numbers; see launchctl error.
var launchdErrors = map[int]string{
	1: "Operation not permitted", 2: "No such file or directory", 3: "No such process", 5: "Input/output error", 13: "Permission denied",
	17: "File exists", 22: "Invalid argument", 36: "Operation now in progress", 37: "Operation already in progress",
	107: "Malformed bundle", 108: "Invalid path", 109: "Invalid property list", 110: "Invalid or missing service identifier",
	111: "Invalid or missing Program/ProgramArguments", 112: "Could not find specified domain", 113: "Could not find specified service",
	114: "The specified username does not exist", 115: "The specified group does not exist", 116: "Routine not yet implemented",
	118: "Bad response from server", 119: "Service is disabled", 120: "Bad subsystem destination for request",
	121: "Path not searched for services", 122: "Path had bad ownership/permissions", 123: "Path is whitelisted for domain",
	124: "Domain is tearing down", 125: "Domain does not support specified action", 126: "Request type is no longer supported",
	127: "The specified service did not ship with the operating system", 128: "The specified path is not a bundle",
	129: "The service was superseded by a later version", 131: "Out of order requests", 132: "Request for stale data",
	133: "Multiple errors were returned; see stderr", 134: "Service cannot load in requested session", 135: "Process is not managed",
	136: "Action not allowed on singleton service", 137: "Service does not support the specified action",
	138: "Service cannot be loaded on this hardware", 139: "Service cannot presently execute", 140: "Service name is reserved or invalid",
	150: "Operation not permitted while System Integrity Protection is engaged", 153: "Completely unexpected error",
	155: "Refusing to execute/trust quarantined program/file", 159: "Unknown error",
	161: "Service cannot be launched because of BTM policy",
}

// hang never returns, unless the caller ends.
func (c *launchctlCall) hang() int {
	defer c.waits()()
	<-c.done
	return 128 + sigKILL
}

func (c *launchctlCall) say(format string, args ...any) {
	_, _ = fmt.Fprintf(c.Stdout, format, args...)
}

func (c *launchctlCall) complain(format string, args ...any) {
	_, _ = fmt.Fprintf(c.Stderr, format, args...)
}

// fail prints why something failed, as in "Boot-out failed: 3: No such process", and returns the number.
func (c *launchctlCall) fail(what string, code int) int {
	c.complain("%s: %d: %s\n", what, code, launchdErrors[code])
	return code
}

func (c *launchctlCall) badTarget(hint string) int {
	c.complain("Unrecognized target specifier%s\n", hint)
	c.complain("Usage: launchctl %s <service-target>\n", c.Args[1])
	return 64
}

// splitTarget splits a service target. ok is false when there is no domain in it.
func splitTarget(arg string) (domain, label string, ok bool) {
	domain, rest, _ := strings.Cut(arg, "/")
	switch domain {
	case "system":
		return domain, rest, true
	case "gui", "user", "login", "pid":
		uid, label, _ := strings.Cut(rest, "/")
		return domain + "/" + uid, label, uid != ""
	}
	return "", "", false
}

// inWords is how launchctl names a domain.
func inWords(domain string) string {
	kind, id, _ := strings.Cut(domain, "/")
	switch kind {
	case "gui":
		return "user gui: " + id
	case "user":
		return "uid: " + id
	}
	return domain
}

// one is the target that the last argument names, in a domain that exists. Otherwise ok is false, and code the exit status, about which
// all was said.
func (c *launchctlCall) one() (target string, code int, ok bool) {
	if len(c.args) == 0 {
		return "", c.badTarget("."), false
	}
	arg := c.args[len(c.args)-1]
	domain, label, ok := splitTarget(arg)
	switch {
	case !ok:
		return "", c.badTarget(", did you mean gui/<uid>/" + arg), false
	case label == "":
		return "", c.badTarget("."), false
	case !c.l.exists(domain):
		c.notFound(domain, label)
		return "", 113, false
	}
	return arg, 0, true
}

func (c *launchctlCall) notFound(domain, label string) {
	c.complain("Could not find service %q in domain for %s\n", label, inWords(domain))
}

// mayChange tells whether the caller may change something in a domain: root may, and a user in his own.
func (c *launchctlCall) mayChange(domain string) bool {
	return c.UID == 0 || domain != "system" && userOf(domain) == c.UID
}

func (c *launchctlCall) bootstrap() int {
	if len(c.args) < 2 {
		return c.badTarget(".")
	}
	domain, _, ok := splitTarget(c.args[0])
	const failed = "Bootstrap failed"
	switch {
	case !ok:
		return c.badTarget(".")
	case !c.l.exists(domain):
		return c.fail(failed, 125)
	case !c.mayChange(domain):
		code := c.fail(failed, 5)
		c.complain("Try re-running the command as root for richer errors.\n")
		return code
	}
	var files []string
	for _, arg := range c.args[1:] {
		file := c.abs(arg)
		names, err := c.m.files.List(file)
		if err != nil {
			files = append(files, file)
		}
		for _, name := range names {
			files = append(files, file+"/"+name)
		}
	}
	var codes []int
	for _, file := range files {
		if code := c.bootstrapOne(domain, file); code != 0 {
			codes = append(codes, code)
		}
	}
	switch len(codes) {
	case 0:
		return 0
	case 1:
		return c.fail(failed, codes[0])
	}
	return c.fail(failed, 133)
}

func (c *launchctlCall) bootstrapOne(domain, file string) int {
	c.l.mu.Lock()
	j, code := c.l.load(domain, file)
	c.l.mu.Unlock()
	switch code {
	case 0:
		c.l.startLoaded(j)
	case 5: // says nothing of the file
	case 17, 37:
		c.complain("%s: service already bootstrapped\n", file)
	default:
		c.complain("%s: %s\n", file, launchdErrors[code])
	}
	return code
}

func (c *launchctlCall) bootout() int {
	wait := len(c.args) > 0 && c.args[0] == "--wait" && c.m.major() >= 26
	if wait {
		c.args = c.args[1:]
	}
	if len(c.args) == 0 {
		return c.badTarget(".")
	}
	domain, label, ok := splitTarget(c.args[0])
	const failed = "Boot-out failed"
	switch {
	case !ok:
		return c.badTarget(".")
	case !c.l.exists(domain), label == "" && len(c.args) == 1:
		return c.fail(failed, 125)
	case !c.mayChange(domain):
		return c.fail(failed, 1)
	case label == "":
		if label = c.labelOf(domain, c.args[1]); label == "" {
			return c.fail(failed, 5)
		}
	}
	target := domain + "/" + label
	if code := c.l.bootout(target); code != 0 {
		return c.fail(failed, code)
	}
	if wait {
		defer c.waits()()
		c.l.mu.Lock()
		j := c.l.find(target)
		c.l.mu.Unlock()
		if j != nil && !c.l.awaitEnd(c.done, j) {
			return 137
		}
	}
	return 0
}

// labelOf is the label of the loaded job that the property list at path describes; "" when none is loaded.
func (c *launchctlCall) labelOf(domain, file string) string {
	text, _ := c.m.files.Read(c.abs(file))
	v, _ := plist.Decode([]byte(text))
	dict, _ := v.(plist.Dict)
	label, _ := dict.Get("Label").(string)
	c.l.mu.Lock()
	defer c.l.mu.Unlock()
	if c.l.find(domain+"/"+label) == nil {
		return ""
	}
	return label
}

func (c *launchctlCall) enable() int  { return c.setDisabled("enable", false) }
func (c *launchctlCall) disable() int { return c.setDisabled("disable", true) }

func (c *launchctlCall) setDisabled(verb string, disabled bool) int {
	target, code, ok := c.one()
	domain, label, _ := splitTarget(target)
	switch {
	case !ok:
		return code
	case !c.mayChange(domain):
		return c.fail("Could not "+verb+" service", 1)
	case c.l.setDisabled(domain, label, disabled) != nil:
		return c.fail("Could not "+verb+" service", 5)
	}
	return 0
}

func (c *launchctlCall) print() int {
	if len(c.args) != 1 {
		return c.badTarget(".")
	}
	domain, label, ok := splitTarget(c.args[0])
	if !ok {
		return c.badTarget(".")
	}
	exists := c.l.exists(domain)
	c.l.mu.Lock()
	defer c.l.mu.Unlock()
	switch j := c.l.find(c.args[0]); {
	case label == "" && exists:
		c.say("%s", c.l.printDomain(domain))
		return 0
	case label == "":
		c.complain("Bad request.\nCould not find domain for %s\n", inWords(domain))
		return 112
	case j == nil:
		c.complain("Bad request.\n")
		c.notFound(domain, label)
		return 113
	default:
		c.say("%s", c.l.print(j))
		return 0
	}
}

func (c *launchctlCall) printDisabled() int {
	if len(c.args) != 1 {
		return c.badTarget(".")
	}
	domain, label, ok := splitTarget(c.args[0])
	switch {
	case !ok || label != "":
		return c.badTarget(".")
	case !c.l.exists(domain):
		c.complain("Bad request.\nCould not find domain for %s\n", inWords(domain))
		return 112
	}
	c.l.mu.Lock()
	defer c.l.mu.Unlock()
	c.say("%s", c.l.printDisabled(domain))
	return 0
}

func (c *launchctlCall) kickstart() int {
	target, code, ok := c.one()
	if !ok {
		return code
	}
	domain, label, _ := splitTarget(target)
	c.l.mu.Lock()
	j := c.l.find(target)
	stuck := j != nil && j.failed && c.l.ways.Stuck
	running, dying := j != nil && j.pid != 0, j != nil && j.dying
	c.l.mu.Unlock()
	failed := fmt.Sprintf("Could not kickstart service %q", label)
	switch {
	case !c.mayChange(domain):
		return c.fail(failed, 1)
	case j == nil:
		c.notFound(domain, label)
		return 113
	case dying:
		return c.fail(failed, 37)
	case stuck:
		return c.hang()
	case slices.Contains(c.args, "-k") || slices.Contains(c.args, "-kp"):
		defer c.waits()()
		c.l.restart(c.done, j)
	case !running:
		c.l.start(j, "non-ipc demand")
	}
	if slices.Contains(c.args, "-p") || slices.Contains(c.args, "-kp") {
		c.l.mu.Lock()
		c.say("%d\n", j.pid)
		c.l.mu.Unlock()
	}
	return 0
}

func (c *launchctlCall) kill() int {
	if len(c.args) != 2 {
		return c.badTarget(".")
	}
	target, code, ok := c.one()
	if !ok {
		return code
	}
	signal, ok := signalNumber(c.args[0])
	domain, _, _ := splitTarget(target)
	switch {
	case !ok:
		return c.badTarget(".")
	case !c.mayChange(domain):
		c.complain("Not privileged to signal service.\n")
		return 1
	case !c.l.kill(target, signal):
		c.complain("No process to signal.\n")
		return 3
	}
	return 0
}

func (c *launchctlCall) blame() int {
	target, code, ok := c.one()
	if !ok {
		return code
	}
	c.l.mu.Lock()
	defer c.l.mu.Unlock()
	j := c.l.find(target)
	switch {
	case j == nil:
		domain, label, _ := splitTarget(target)
		c.notFound(domain, label)
		return 113
	case j.pid == 0:
		c.complain("(not running)\n")
		return 3
	}
	c.say("%s\n", j.reason)
	return 0
}

// list sees the jobs of the caller's own domain: those of the session at the screen, if the user has one.
func (c *launchctlCall) list() int {
	domain := "system"
	if c.UID != 0 {
		domain = fmt.Sprintf("gui/%d", c.UID)
	}
	c.l.mu.Lock()
	defer c.l.mu.Unlock()
	if len(c.args) == 0 {
		c.say("%s", c.l.list(domain))
		return 0
	}
	j := c.l.find(domain + "/" + c.args[0])
	if j == nil {
		c.complain("Could not find service %q in domain for system\n", c.args[0])
		return 113
	}
	c.say("%s", j.listJob())
	return 0
}

func (c *launchctlCall) errorText() int {
	var code int
	if len(c.args) != 1 {
		return c.badTarget(".")
	}
	if _, err := fmt.Sscan(c.args[0], &code); err != nil || launchdErrors[code] == "" {
		c.say("%s: unknown error code\n", c.args[0])
		return 0
	}
	c.say("%d: %s\n", code, launchdErrors[code])
	return 0
}
