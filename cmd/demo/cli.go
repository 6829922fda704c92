package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

const (
	example = "examples/tailscale-only"
	version = "0.1.0"
)

// cli is terraform or tofu in a temporary copy of the example, with the provider of this checkout and no other.
type cli struct {
	path string
	dir  string   // everything; work/ is the example's copy
	env  []string // its whole environment
}

// newCLI finds the CLI, builds the provider and copies the example.
func newCLI(ctx context.Context, f *fleet) (*cli, error) {
	if _, err := os.Stat(example); err != nil {
		return nil, fmt.Errorf("run this at the top of the checkout: %w", err)
	}
	path, err := findCLI()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "macos-demo-")
	if err != nil {
		return nil, err
	}
	c := &cli{path: path, dir: dir}
	if err := c.set(ctx, f); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

func findCLI() (string, error) {
	for _, name := range []string{os.Getenv("TF_ACC_TERRAFORM_PATH"), "terraform", "tofu"} {
		if path, err := exec.LookPath(name); err == nil {
			return filepath.Abs(path)
		}
	}
	return "", errors.New("there is neither terraform nor tofu on PATH: `make demo` builds OpenTofu first, once")
}

// set fills c.dir. The provider goes where a registry mirror would have it, under the addresses of both registries.
func (c *cli) set(ctx context.Context, f *fleet) error {
	name := "terraform-provider-macos_v" + version + exe()
	var binaries []string
	for _, registry := range []string{"registry.terraform.io", "registry.opentofu.org"} {
		folder := filepath.Join(c.dir, "mirror", registry, "macos-fleet", "macos", version, runtime.GOOS+"_"+runtime.GOARCH)
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return err
		}
		binaries = append(binaries, filepath.Join(folder, name))
	}
	typed("", "go build -o "+name+" .")
	build := exec.CommandContext(ctx, "go", "build", "-o", binaries[0], ".")
	build.Stdout, build.Stderr = os.Stdout, os.Stderr
	if err := build.Run(); err != nil {
		return fmt.Errorf("the provider does not build: %w", err)
	}
	if err := os.Link(binaries[0], binaries[1]); err != nil {
		return err
	}

	work := filepath.Join(c.dir, "work")
	if err := os.CopyFS(work, os.DirFS(example)); err != nil {
		return err
	}
	// The checks would be a chapter of their own: what they read is in every plan.
	if err := os.Remove(filepath.Join(work, "checks.tf")); err != nil {
		return err
	}
	config := fmt.Sprintf("provider_installation {\n  filesystem_mirror {\n    path = %q\n  }\n}\n", filepath.Join(c.dir, "mirror"))
	for name, content := range map[string][]byte{
		"cli.tfrc": []byte(config), "key": f.key,
	} {
		if err := os.WriteFile(filepath.Join(c.dir, name), content, 0o600); err != nil {
			return err
		}
	}
	c.env = append(slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, "TF_") || strings.HasPrefix(v, "MACOS_")
	}),
		"CHECKPOINT_DISABLE=1", "TF_IN_AUTOMATION=1", // no word about other versions, nor about what to do next
		"TF_CLI_CONFIG_FILE="+filepath.Join(c.dir, "cli.tfrc"),
		"MACOS_PRIVATE_KEY_FILE="+filepath.Join(c.dir, "key"))
	if off == "" {
		c.env = append(c.env, "TF_CLI_ARGS=-no-color") // terraform does not look whether it is on a terminal
	}
	return nil
}

// manage makes these Macs the ones that the configuration is for.
func (c *cli) manage(f *fleet, names ...string) error {
	variables, err := json.Marshal(f.variables(names...))
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(c.dir, "work", "fleet.auto.tfvars.json"), variables, 0o600)
}

// rewrite replaces texts in the configuration, each of which has to be there, and shows the lines that come of it.
func (c *cli) rewrite(replacements ...string) error {
	file := filepath.Join(c.dir, "work", "main.tf")
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	after := string(text)
	for i := 0; i < len(replacements); i += 2 {
		if !strings.Contains(after, replacements[i]) {
			return fmt.Errorf("%s does not have %q", file, replacements[i])
		}
		after = strings.Replace(after, replacements[i], replacements[i+1], 1)
	}
	typed("", "vi main.tf")
	fmt.Print(difference(string(text), after))
	return os.WriteFile(file, []byte(after), 0o600)
}

func exe() string {
	if runtime.GOOS == "windows" {
		return ".exe"
	}
	return ""
}

func (c *cli) close() { _ = os.RemoveAll(c.dir) }

// run runs the CLI with its output where the demo's is.
func (c *cli) run(ctx context.Context, args ...string) error {
	return c.expect(ctx, 0, os.Stdout, args...)
}

// brief runs the CLI and shows, of what it says, the lines with this word; all of it when it fails.
func (c *cli) brief(ctx context.Context, status int, word string, args ...string) error {
	var out strings.Builder
	err := c.expect(ctx, status, &out, args...)
	for line := range strings.Lines(out.String()) {
		if err != nil || strings.Contains(line, word) {
			fmt.Print(line)
		}
	}
	return err
}

// fails runs the CLI, which must fail, and shows its errors.
func (c *cli) fails(ctx context.Context, args ...string) error {
	var out strings.Builder
	err := c.expect(ctx, failure, &out, args...)
	said := out.String()
	if i := strings.Index(said, "Error:"); i >= 0 && err == nil {
		said = "\n" + said[strings.LastIndexByte(said[:i], '\n')+1:]
	}
	fmt.Print(said)
	return err
}

// expect runs the CLI, which must end with this exit status.
func (c *cli) expect(ctx context.Context, status int, out io.Writer, args ...string) error {
	typed("", strings.Join(append([]string{strings.TrimSuffix(filepath.Base(c.path), exe())}, args...), " "))
	cmd := c.command(ctx, args...)
	cmd.Stdout, cmd.Stderr = out, out
	err := cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.ExitCode() == status {
		return nil
	}
	if err == nil && status != 0 {
		err = errors.New("exit status 0")
	}
	if err != nil {
		return fmt.Errorf("%s ended with %w, where %d was expected", args[0], err, status)
	}
	return nil
}

func (c *cli) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, c.path, args...)
	cmd.Dir, cmd.Env = filepath.Join(c.dir, "work"), c.env
	return cmd
}

// The exit statuses of plan -detailed-exitcode.
const (
	noChanges = 0
	failure   = 1
	changes   = 2
)

// check sees to it that a plan does exactly these actions, by the resources' addresses, and no others.
func (c *cli) check(ctx context.Context, file string, want map[string]string) error {
	text, err := c.command(ctx, "show", "-json", file).Output()
	if err != nil {
		return fmt.Errorf("the plan cannot be read: %w", err)
	}
	var plan struct {
		Changes []struct {
			Address string
			Change  struct{ Actions []string }
		} `json:"resource_changes"`
	}
	if err := json.Unmarshal(text, &plan); err != nil {
		return fmt.Errorf("the plan cannot be read: %w", err)
	}
	got := map[string]string{}
	for _, r := range plan.Changes {
		if actions := strings.Join(r.Change.Actions, " then "); actions != "no-op" {
			got[r.Address] = actions
		}
	}
	if !maps.Equal(got, want) {
		return fmt.Errorf("the plan would do %v, which should be %v", got, want)
	}
	return nil
}
