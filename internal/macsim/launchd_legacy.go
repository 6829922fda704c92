package macsim

import (
	"path"
	"slices"
	"strings"

	"github.com/macos-fleet/terraform-provider-macos/internal/plist"
)

// load is the old way, which exits with 0 whatever happens. -w enables the job.
func (c *launchctlCall) load() int {
	return c.legacy("Load failed", func(file string, w bool) int {
		if w && c.UID == 0 {
			text, _ := c.m.files.Read(file)
			v, _ := plist.Decode([]byte(text))
			dict, _ := v.(plist.Dict)
			if label, ok := dict.Get("Label").(string); ok {
				_ = c.l.setDisabled("system", label, false)
			}
		}
		if c.UID != 0 {
			return 5
		}
		c.l.mu.Lock()
		j, code := c.l.load("system", file)
		c.l.mu.Unlock()
		if code == 0 {
			c.l.startLoaded(j)
		}
		return code
	})
}

// unload is the old way back. -w disables the job.
func (c *launchctlCall) unload() int {
	return c.legacy("Unload failed", func(file string, w bool) int {
		label := c.labelOf("system", file)
		if label == "" || c.UID != 0 {
			return 5
		}
		if w {
			_ = c.l.setDisabled("system", label, true)
		}
		return c.l.bootout("system/" + label)
	})
}

func (c *launchctlCall) legacy(failed string, do func(file string, w bool) int) int {
	w := false
	for _, arg := range c.args {
		if strings.HasPrefix(arg, "-") {
			w = w || strings.Contains(arg, "w")
			continue
		}
		if code := do(c.abs(arg), w); code != 0 {
			c.fail(failed, code)
			c.complain("Try running `launchctl %s` as root for richer errors.\n",
				map[bool]string{true: "bootstrap", false: "bootout"}[strings.HasPrefix(failed, "Load")])
		}
	}
	return 0
}

func (c *launchctlCall) start() int {
	for _, label := range c.args {
		c.l.mu.Lock()
		j := c.l.find("system/" + label)
		c.l.mu.Unlock()
		if j != nil && c.UID == 0 {
			c.l.start(j, "non-ipc demand")
		}
	}
	return 0
}

func (c *launchctlCall) stop() int {
	for _, label := range c.args {
		if c.UID == 0 {
			c.l.kill("system/"+label, sigTERM)
		}
	}
	return 0
}

// submit is `launchctl submit -l LABEL -- PROGRAM ARGS`: a job without a file.
func (c *launchctlCall) submit() int {
	i := slices.Index(c.args, "--")
	if i < 2 || i+1 == len(c.args) || c.args[0] != "-l" || c.UID != 0 {
		return c.badTarget(".")
	}
	args := plist.Array{}
	for _, a := range c.args[i+1:] {
		args = append(args, a)
	}
	j := newJob("system", "(submitted by "+path.Base(c.Args[0])+")", plist.Dict{
		{Key: "Label", Value: c.args[1]}, {Key: "ProgramArguments", Value: args}, {Key: "KeepAlive", Value: true},
	})
	j.kind = "Submitted"
	c.l.mu.Lock()
	c.l.jobs[j.target()] = j
	c.l.mu.Unlock()
	c.l.start(j, "speculative")
	return 0
}

func (c *launchctlCall) remove() int {
	if len(c.args) != 1 || c.UID != 0 {
		return c.badTarget(".")
	}
	return c.l.bootout("system/" + c.args[0])
}
