package provider

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// servesEnv makes this program the provider, for a CLI that starts it as that: see TestMain.
const servesEnv = "MACOS_TEST_SERVES"

// pidEnv is a file to which that process writes its number.
const pidEnv = "MACOS_TEST_PID"

// cli is the real CLI in a folder of its own, with a provider that is a process of its own: this very program.
type cli struct {
	t    *testing.T
	path string
	dir  string
	env  []string
}

// newCLI finds the CLI that other tests would drive. Without one, the test is skipped.
func newCLI(t *testing.T, env ...string) *cli {
	t.Helper()
	c := &cli{t: t, dir: t.TempDir()}
	for _, name := range []string{os.Getenv("TF_ACC_TERRAFORM_PATH"), "terraform", "tofu"} {
		if path, err := exec.LookPath(name); err == nil {
			c.path = path
			break
		}
	}
	if c.path == "" {
		t.Skip("there is neither terraform nor tofu on PATH")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(c.dir, "terraform-provider-macos")
	if runtime.GOOS == "windows" {
		program += ".exe"
	}
	if err := os.Link(self, program); err != nil { // Where it is on another disk, or links are unknown.
		text, err := os.ReadFile(self)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(program, text, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	c.write("cli.tfrc", fmt.Sprintf("provider_installation {\n  dev_overrides {\n    \"macos-fleet/macos\" = %q\n  }\n}\n", c.dir))
	c.env = append(slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "TF_") }),
		append(env, servesEnv+"=yes", "CHECKPOINT_DISABLE=1", "TF_CLI_ARGS=-no-color", "TF_CLI_CONFIG_FILE="+filepath.Join(c.dir, "cli.tfrc"))...)
	return c
}

// configure writes the configuration.
func (c *cli) configure(text string) {
	c.t.Helper()
	c.write("main.tf", "terraform {\n  required_providers {\n    macos = { source = \"macos-fleet/macos\" }\n  }\n}\n"+text)
}

func (c *cli) write(name, text string) {
	c.t.Helper()
	if err := os.WriteFile(filepath.Join(c.dir, name), []byte(text), 0o600); err != nil {
		c.t.Fatal(err)
	}
}

// run runs a command, which must work, and returns what it printed.
func (c *cli) run(args ...string) string {
	c.t.Helper()
	out, err := c.try(args...)
	if err != nil {
		c.t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// try runs a command, and returns what it printed.
func (c *cli) try(args ...string) (string, error) {
	cmd := exec.CommandContext(c.t.Context(), c.path, args...)
	cmd.Dir, cmd.Env = c.dir, c.env
	out, err := cmd.CombinedOutput()
	return string(out), err
}
