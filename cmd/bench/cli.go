//go:build unix

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// cli is terraform or tofu, with a provider that was built from this checkout and no other.
type cli struct {
	path     string
	provider string // its program
	config   string // the CLI's configuration
	peak     int    // of the provider's memory, in KiB, in all calls so far; 0 where there is no /proc
}

func findCLI() (string, error) {
	for _, name := range []string{os.Getenv("TF_ACC_TERRAFORM_PATH"), "terraform", "tofu"} {
		if path, err := exec.LookPath(name); err == nil {
			return filepath.Abs(path)
		}
	}
	return "", errors.New("there is neither terraform nor tofu on PATH: `make bench` builds OpenTofu first, once")
}

// build builds a program of this checkout.
func build(ctx context.Context, pkg, file string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", file, pkg)
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s does not build: %w", pkg, err)
	}
	return nil
}

// newCLI builds a provider in a folder of its own, where the CLI at path finds it.
func newCLI(ctx context.Context, path, dir, pkg string) (*cli, error) {
	c := &cli{path: path, provider: filepath.Join(dir, "terraform-provider-macos"), config: filepath.Join(dir, "cli.tfrc")}
	if err := build(ctx, pkg, c.provider); err != nil {
		return nil, err
	}
	text := fmt.Sprintf("provider_installation {\n  dev_overrides {\n    \"macos-fleet/macos\" = %q\n  }\n}\n", dir)
	return c, os.WriteFile(c.config, []byte(text), 0o600)
}

// run runs the CLI in a folder, and says how long that took.
func (c *cli) run(ctx context.Context, dir string, args ...string) (time.Duration, error) {
	cmd := exec.CommandContext(ctx, c.path, args...)
	cmd.Dir = dir
	cmd.Env = append(slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, "TF_") || strings.HasPrefix(v, "MACOS_")
	}), "CHECKPOINT_DISABLE=1", "TF_CLI_CONFIG_FILE="+c.config)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	start := time.Now()
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	ended := make(chan struct{})
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		c.watch(cmd.Process.Pid, ended)
	}()
	err := cmd.Wait()
	took := time.Since(start)
	close(ended)
	<-watched
	if err != nil {
		return 0, fmt.Errorf("%s %s: %w\n%s", filepath.Base(c.path), strings.Join(args, " "), err, &out)
	}
	return took, nil
}

// watch notes how much memory the provider's process, a child of the CLI's, has had at most, which Linux knows as long as it runs.
func (c *cli) watch(cli int, ended <-chan struct{}) {
	status := ""
	for {
		select {
		case <-ended:
			return
		case <-time.After(20 * time.Millisecond):
		}
		text, err := os.ReadFile(status)
		if err != nil { // The CLI starts its provider more than once, one after the other.
			status = c.child(cli)
			continue
		}
		if _, line, ok := strings.Cut(string(text), "VmHWM:"); ok {
			kib, _ := strconv.Atoi(strings.Fields(line)[0])
			c.peak = max(c.peak, kib)
		}
	}
}

// child is where Linux says what the provider that the CLI has started takes; "" while there is none.
func (c *cli) child(cli int) string {
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", cli))
	for _, thread := range threads {
		children, _ := os.ReadFile(thread)
		for child := range strings.FieldsSeq(string(children)) {
			// Before it runs the provider, it has the CLI's memory.
			if program, _ := os.Readlink(filepath.Join("/proc", child, "exe")); program == c.provider {
				return filepath.Join("/proc", child, "status")
			}
		}
	}
	return ""
}
