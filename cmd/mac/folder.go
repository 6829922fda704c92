package main

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/macos-fleet/terraform-provider-macos/internal/macsim"
)

// folder is where it stands how the Mac is found: a key, files for ssh and for Terraform, and a file for a shell to read.
type folder struct {
	shown   string // as it was given
	path    string // absolute, with slashes
	private string // file of the private key that logs in
}

func newFolder(name string) (*folder, error) {
	path, err := filepath.Abs(name)
	if err != nil {
		return nil, err
	}
	return &folder{shown: name, path: filepath.ToSlash(path), private: filepath.ToSlash(filepath.Join(path, "key"))}, os.MkdirAll(path, 0o700)
}

// authorized is the public key in the file, or if that is "", one of the folder's own, which is made once.
func (f *folder) authorized(file string) (ssh.PublicKey, error) {
	if file == "" {
		return f.ownKey()
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("AUTHORIZED_KEY: %w", err)
	}
	if strings.Contains(string(text), "PRIVATE KEY") {
		return nil, fmt.Errorf("AUTHORIZED_KEY: %s is the private key; the public one is in %s.pub", file, file)
	}
	key, _, _, _, err := ssh.ParseAuthorizedKey(text)
	if err != nil {
		return nil, fmt.Errorf("AUTHORIZED_KEY: %s: %w", file, err)
	}
	private, err := filepath.Abs(strings.TrimSuffix(file, ".pub"))
	f.private = filepath.ToSlash(private)
	return key, err
}

func (f *folder) ownKey() (ssh.PublicKey, error) {
	text, err := os.ReadFile(f.private)
	if errors.Is(err, fs.ErrNotExist) {
		text, err = newKey()
		if err == nil {
			err = os.WriteFile(f.private, text, 0o600)
		}
	}
	if err != nil {
		return nil, err
	}
	signer, err := ssh.ParsePrivateKey(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.private, err)
	}
	return signer.PublicKey(), nil
}

func newKey() ([]byte, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	block, err := ssh.MarshalPrivateKey(key, "simulated Mac")
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(block), nil
}

// describe writes the files. The provider in bin, where there is one, becomes what a registry would give.
func (f *folder) describe(m *macsim.Mac) error {
	if err := f.mirror(); err != nil {
		return err
	}
	host, port, err := net.SplitHostPort(m.Addr())
	if err != nil {
		return err
	}
	for name, text := range map[string]string{
		"known_hosts": m.KnownHostsLine() + "\n",
		"ssh_config": fmt.Sprintf("Host mini\n  HostName %s\n  Port %s\n  User %s\n  IdentityFile %q\n  IdentitiesOnly yes\n  UserKnownHostsFile %q\n",
			host, port, m.User, f.private, f.path+"/known_hosts"),
		"terraform.rc": fmt.Sprintf("provider_installation {\n  filesystem_mirror {\n    path    = %q\n    include = [%s]\n  }\n  direct {\n    exclude = [%[2]s]\n  }\n}\n",
			f.path+"/mirror", `"`+registries[0]+`/macos-fleet/macos", "`+registries[1]+`/macos-fleet/macos"`),
		"env": fmt.Sprintf("# For a shell in which Terraform is to find the simulated Mac, and the provider of this checkout.\n"+
			"export MACOS_SSH_CONFIG_FILE='%[1]s/ssh_config'\nexport TF_CLI_CONFIG_FILE='%[1]s/terraform.rc'\n", f.path),
	} {
		if err := os.WriteFile(filepath.Join(f.path, name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// registries are where terraform, and where tofu, looks for what has no other address.
var registries = []string{"registry.terraform.io", "registry.opentofu.org"}

// mirror puts the provider where terraform and tofu look for it.
func (f *folder) mirror() error {
	const version = "0.1.0"
	exe := ""
	if runtime.GOOS == "windows" {
		exe = ".exe"
	}
	built, err := filepath.Abs("bin/terraform-provider-macos" + exe)
	if err != nil {
		return err
	}
	if _, err := os.Stat(built); err != nil {
		return fmt.Errorf("there is no provider: `make mac` builds it: %w", err)
	}
	if err := os.RemoveAll(filepath.Join(f.path, "mirror")); err != nil {
		return err
	}
	for _, registry := range registries {
		at := filepath.Join(f.path, "mirror", registry, "macos-fleet", "macos", version, runtime.GOOS+"_"+runtime.GOARCH)
		if err := os.MkdirAll(at, 0o755); err != nil {
			return err
		}
		if err := os.Link(built, filepath.Join(at, "terraform-provider-macos_v"+version+exe)); err != nil {
			return err
		}
	}
	return nil
}
