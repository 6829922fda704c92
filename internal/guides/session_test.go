package guides

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/macos-fleet/terraform-provider-macos/internal/macsim"
)

// tools are the programs that the guides speak of, in a folder each as make puts it.
type tools struct {
	checkout  string // bin/ has the provider
	simulator string // the program of cmd/mac
	cli       string // terraform or tofu
	compares  bool   // whether cli is what the guides were recorded with
}

// build makes the programs of this checkout, and finds the CLI.
func build(t *testing.T) *tools {
	t.Helper()
	tools := &tools{checkout: filepath.Join(t.TempDir(), "terraform-provider-macos")}
	tools.simulator = filepath.Join(tools.checkout, "mac")
	for _, args := range [][]string{
		{"build", "-trimpath", "-o", filepath.Join(tools.checkout, "bin") + "/", "../.."},
		{"build", "-o", tools.simulator, "../../cmd/mac"},
	} {
		if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
			t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	for _, name := range []string{os.Getenv("TF_ACC_TERRAFORM_PATH"), "terraform", "tofu"} {
		if path, err := exec.LookPath(name); err == nil {
			tools.cli = path
			break
		}
	}
	if tools.cli == "" {
		t.Skip("there is neither terraform nor tofu")
	}
	version, err := exec.Command(tools.cli, "version").Output()
	if err != nil {
		t.Fatal(err)
	}
	tools.compares = strings.HasPrefix(string(version), recordedWith)
	if !tools.compares {
		first, _, _ := strings.Cut(string(version), "\n")
		t.Logf("what commands print is not compared under %s, only under %sx", first, recordedWith)
	}
	return tools
}

// session is somebody who follows a guide.
type session struct {
	t    *testing.T
	file string // the guide
	at   int    // the line of the block that is done
	*tools

	home      string
	env       []string
	mac       *macsim.Mac   // mini; nil while there is none, or it is a process of its own
	own       bool          // whether the guide starts mini itself
	shows     []string      // pairs: what stands in outputs, and what guides show instead
	means     []string      // pairs: what guides say in commands and configurations, and what is meant
	fragments []fragment    // configurations that are files of nobody's
	ending    func() string // waits for what runs in the background, and is what it printed
	behind    func() bool   // not nil: the next command is to run in the background, and the one after it when this is so
}

// fragment is a configuration in a guide.
type fragment struct {
	line int
	text string
}

func newSession(t *testing.T, file, text string, tools *tools) *session {
	t.Helper()
	s := &session{t: t, file: file, tools: tools, home: filepath.Join(t.TempDir(), "you"), own: strings.Contains(text, "\n$ make mac\n")}
	for _, folder := range []string{s.home, filepath.Join(s.home, ".ssh"), s.path("bin")} {
		s.must(os.MkdirAll(folder, 0o700))
	}
	s.must(os.Symlink(tools.cli, filepath.Join(s.path("bin"), "terraform")))
	s.must(os.Symlink(tools.cli, filepath.Join(s.path("bin"), "tofu")))
	program, err := exec.LookPath("ssh")
	s.must(err)
	s.must(os.WriteFile(filepath.Join(s.path("bin"), "ssh"), []byte(fmt.Sprintf(sshAtHome, program)), 0o700))
	for _, v := range os.Environ() {
		name, _, _ := strings.Cut(v, "=")
		switch {
		case strings.HasPrefix(name, "TF_"), strings.HasPrefix(name, "MACOS_"), strings.HasPrefix(name, "SSH_"), name == "HOME", name == "PATH", name == "PWD":
		case strings.HasSuffix(strings.ToLower(name), "_proxy"):
		default:
			s.env = append(s.env, v)
		}
	}
	s.env = append(s.env, "HOME="+s.home, "PATH="+s.path("bin")+":"+os.Getenv("PATH"), "STATE="+s.path("state"), "CHECKPOINT_DISABLE=1",
		"MACOS_SSH_CONFIG_FILE="+s.path("you/.ssh/config"), "TF_CLI_CONFIG_FILE="+s.path("terraform.rc"))
	s.shows = []string{"ssh -F " + s.path("you/.ssh/config") + " mini", "ssh mini", s.home, "/home/you", runtime.GOOS + "_" + runtime.GOARCH, "linux_amd64"}
	s.must(os.WriteFile(s.path("terraform.rc"), []byte(fmt.Sprintf("provider_installation {\n  filesystem_mirror {\n    path = %q\n  }\n}\n", s.path("mirror"))), 0o600))
	for _, registry := range []string{"registry.terraform.io", "registry.opentofu.org"} {
		folder := filepath.Join(s.path("mirror"), registry, "macos-fleet/macos/0.1.0", runtime.GOOS+"_"+runtime.GOARCH)
		s.must(os.MkdirAll(folder, 0o700))
		s.must(os.Symlink(filepath.Join(tools.checkout, "bin/terraform-provider-macos"), filepath.Join(folder, "terraform-provider-macos_v0.1.0")))
	}
	return s
}

// path is that of a file beside the home directory.
func (s *session) path(name string) string { return filepath.Join(filepath.Dir(s.home), name) }

func (s *session) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatalf("%s:%d: %v", filepath.Base(s.file), s.at, err)
	}
}

// office is a Mac in an office, which is reached over Tailscale, and there over a relay, as long as nothing else is let in.
func office() macsim.Mac {
	return macsim.Mac{
		Interfaces: []macsim.Interface{
			{Name: "lo0", Addrs: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/8"), netip.MustParsePrefix("::1/128")}},
			{Name: "en0", Addrs: []netip.Prefix{netip.MustParsePrefix("203.0.113.11/24")}},
			{Name: "utun4", Addrs: []netip.Prefix{netip.MustParsePrefix("100.64.0.11/32")}, Over: &macsim.Carrier{
				Interface: "en0", TCP: true,
				Local: netip.MustParseAddrPort("203.0.113.11:49152"), Remote: netip.MustParseAddrPort("199.38.181.104:443"),
			}},
		},
		Client: netip.MustParseAddrPort("100.64.0.2:50000"),
		Server: netip.MustParseAddrPort("100.64.0.11:22"),
	}
}

// becomes makes a simulated Mac mini, instead of the one before. Its host key is known, and unless it has other keys, that of the guide's
// reader may log in.
func (s *session) becomes(mac macsim.Mac) {
	s.t.Helper()
	private, signer := s.newKey()
	block, err := ssh.MarshalPrivateKey(private, "")
	s.must(err)
	if mac.AuthorizedKeys == nil {
		mac.AuthorizedKeys = []ssh.PublicKey{signer.PublicKey()}
	}
	s.mac = macsim.Start(s.t, mac)
	s.must(os.WriteFile(s.path("you/.ssh/id_ed25519"), pem.EncodeToMemory(block), 0o600))
	s.must(os.WriteFile(s.path("you/.ssh/known_hosts"), []byte(s.mac.KnownHostsLine()+"\n"), 0o600))
	s.leads(s.mac.Addr())
}

func (s *session) newKey() (ed25519.PrivateKey, ssh.Signer) {
	s.t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	s.must(err)
	signer, err := ssh.NewSignerFromKey(private)
	s.must(err)
	return private, signer
}

// stranger is a key that nobody has.
func (s *session) stranger() ssh.PublicKey {
	s.t.Helper()
	_, signer := s.newKey()
	return signer.PublicKey()
}

// knows makes the host key that is known for an address that of another machine.
func (s *session) knows(addr string) {
	s.t.Helper()
	host, port, err := net.SplitHostPort(addr)
	s.must(err)
	line := fmt.Sprintf("[%s]:%s %s", host, port, ssh.MarshalAuthorizedKey(s.stranger()))
	s.must(os.WriteFile(s.path("you/.ssh/known_hosts"), []byte(line), 0o600))
}

// leads makes this address that of mini.
func (s *session) leads(addr string) {
	s.t.Helper()
	host, port, err := net.SplitHostPort(addr)
	s.must(err)
	s.shows = append(s.shows, addr, "100.64.0.11:22", fmt.Sprintf("[%s]:%s", host, port), "100.64.0.11")
	s.must(os.WriteFile(s.path("you/.ssh/config"), []byte(fmt.Sprintf(
		"Host mini\n  HostName %s\n  Port %s\n  User admin\n  IdentityFile %s\n  IdentitiesOnly yes\n  UserKnownHostsFile %s\n",
		host, port, s.path("you/.ssh/id_ed25519"), s.path("you/.ssh/known_hosts"))), 0o600))
}

// ssh looks for a user's configuration where the system says that the user is at home, whatever HOME says.
const sshAtHome = `#!/bin/sh
case " $*" in *" -F "*) ;; *) set -- -F "$MACOS_SSH_CONFIG_FILE" "$@" ;; esac
exec %q "$@"
`

// A shell that goes on where the one before it ended.
const shell = `cd "$HOME"
[ ! -f "$STATE" ] || . "$STATE"
eval "$1"
status=$?
{ export -p; printf "cd '%s'\n" "$PWD"; } >"$STATE"
exit $status`

// run runs a command and returns what it printed.
func (s *session) run(prompt, command string) (said string, err error) {
	s.t.Helper()
	if s.mac == nil && !s.own {
		s.becomes(office())
	}
	switch prompt {
	case "mini#":
		stdout, stderr, exit := s.mac.Run(s.t.Context(), command)
		if exit != 0 {
			err = fmt.Errorf("exit status %d", exit)
		}
		return stderr + stdout, err
	case "mini$":
		command = `ssh mini '` + strings.ReplaceAll(command, "'", `'\''`) + "'"
	}
	command = strings.NewReplacer(s.means...).Replace(command)
	if stands, ok := elsewhere[command]; ok {
		return stands(s)
	}
	if uses := strings.HasPrefix(command, "terraform ") && !strings.HasPrefix(command, "terraform init"); uses {
		command = "[ -d .terraform ] || terraform init >/dev/null\n" + command
	}
	cmd := exec.CommandContext(s.t.Context(), "sh", "-c", shell, "sh", command)
	cmd.Env, cmd.Stdin = s.env, strings.NewReader("yes\n")
	if ready := s.behind; ready != nil {
		s.behind = nil
		var out strings.Builder
		cmd.Stdout, cmd.Stderr = &out, &out
		s.must(cmd.Start())
		s.ending = func() string {
			_ = cmd.Wait()
			s.ending = nil
			return out.String()
		}
		s.await("nothing comes of "+command, ready)
		return "", nil
	}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// write writes a file where the session is.
func (s *session) write(name, text string) {
	s.t.Helper()
	where, err := s.run("$", "pwd")
	s.must(err)
	s.must(os.WriteFile(filepath.Join(strings.TrimSpace(where), name), []byte(strings.NewReplacer(s.means...).Replace(text)), 0o600))
}

var (
	colors = regexp.MustCompile("\x1b\\[[0-9;]*m")
	still  = regexp.MustCompile(`(?m)^.*: Still [a-z]+\.\.\. \[.*\]\n`)
)

// plain is an output as guides show it.
func (s *session) plain(said string) string {
	said = colors.ReplaceAllString(said, "")
	said = strings.ReplaceAll(said, "Enter a value: ", "Enter a value: yes\n")
	said = times.ReplaceAllString(said, "after 0s")
	said = still.ReplaceAllString(said, "")
	said = strings.NewReplacer(s.shows...).Replace(said)
	var b strings.Builder
	for line := range strings.Lines(said) {
		b.WriteString(strings.TrimRight(line, " \n") + "\n")
	}
	return b.String()
}

// validate checks the configurations that are nobody's files: each is a module of one configuration.
func (s *session) validate() {
	s.t.Helper()
	if len(s.fragments) == 0 {
		return
	}
	folder := s.path("fragments")
	var root strings.Builder
	for _, f := range s.fragments {
		name := fmt.Sprintf("line-%d", f.line)
		s.must(os.MkdirAll(filepath.Join(folder, name), 0o700))
		text := f.text
		if !strings.Contains(text, "required_providers") {
			text += "\nterraform {\n  required_providers {\n    macos = { source = \"macos-fleet/macos\" }\n  }\n}\n"
		}
		s.must(os.WriteFile(filepath.Join(folder, name, "main.tf"), []byte(text), 0o600))
		fmt.Fprintf(&root, "module %q {\n  source = \"./%[1]s\"\n}\n", name)
	}
	s.must(os.WriteFile(filepath.Join(folder, "main.tf"), []byte(root.String()), 0o600))
	for _, verb := range []string{"init", "validate"} {
		cmd := exec.CommandContext(s.t.Context(), s.cli, verb)
		cmd.Dir, cmd.Env = folder, s.env
		if out, err := cmd.CombinedOutput(); err != nil {
			s.t.Errorf("%s: the configurations of its lines are not valid:\n%s", filepath.Base(s.file), s.plain(string(out)))
			return
		}
	}
}

// await waits until something is so.
func (s *session) await(what string, so func() bool) {
	s.t.Helper()
	for end := time.Now().Add(time.Minute); !so(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			s.t.Fatalf("%s:%d: %s, for a minute", filepath.Base(s.file), s.at, what)
		}
	}
}
