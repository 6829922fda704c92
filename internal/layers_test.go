// Package internal holds no code. Its tests keep the packages below it in their layers, and their scripts within what a
// Mac and the simulated Mac understand.
package internal

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/macos-fleet/terraform-provider-macos"

// layer is a package, by its folder, and what it may import besides the standard library: modules, or packages of this one.
type layer struct {
	folder string
	is     string
	may    []string
}

// layers are all packages that there are. Each row is also a rule of depguard in .golangci.yml, which editors show sooner.
var layers = []layer{
	{".", "the program, which serves the provider and does nothing else", []string{"internal/provider"}},
	{"internal/provider", "what users see: the one package that speaks to Terraform, and that says anything to people", []string{
		"internal/pfctl", "internal/launchctl", "internal/probe", "internal/sysfacts", "internal/watchdog", "internal/remote", "internal/pf", "internal/plist",
		"github.com/hashicorp/terraform-plugin-framework", "github.com/hashicorp/terraform-plugin-framework-validators",
		"github.com/hashicorp/terraform-plugin-log", "github.com/hashicorp/terraform-plugin-go",
	}},
	{"internal/pfctl", "pf on one Mac: it has a Mac to run scripts on, and knows no other", []string{
		"internal/sysfacts", "internal/watchdog", "internal/remote", "internal/pf",
	}},
	{"internal/launchctl", "launchd on one Mac: it has a Mac to run scripts on, and knows no other", []string{
		"internal/watchdog", "internal/remote", "internal/plist",
	}},
	{"internal/sysfacts", "what a Mac says of itself: it has a Mac to ask, and changes none", []string{"internal/remote", "internal/plist"}},
	{"internal/probe", "which ports answer: it does not know whose they are", []string{"internal/remote"}},
	{"internal/watchdog", "the undoing of what cuts a Mac off: it does not know what that is", []string{"internal/remote", "internal/plist"}},
	{"internal/remote", "the wire: it carries scripts, and does not know what for", []string{
		"golang.org/x/crypto", "golang.org/x/net", "github.com/Microsoft/go-winio",
	}},
	{"internal/pf", "a language: it knows no hosts", nil},
	{"internal/plist", "a language: it knows no hosts", nil},
	{"internal/macsim", "a stand-in for Macs: it shares no code with what it is there to test, except the languages", []string{
		"internal/pf", "internal/plist", "golang.org/x/crypto", "golang.org/x/term", "mvdan.cc/sh/v3",
	}},
	{"internal/guides", "the guides, held to what they say: tests only", nil},
	{"cmd/mac", "a simulated Mac to log in to", []string{"internal/macsim", "golang.org/x/crypto"}},
	{"cmd/demo", "simulated Macs and the real CLI: it meets the provider as a user does", []string{"internal/macsim", "golang.org/x/crypto"}},
	{"cmd/bench", "simulated Macs behind OpenSSH and the real CLI: it meets the provider as a user does", []string{
		"internal/macsim", "golang.org/x/crypto",
	}},
	{"cmd/bench/idle", "the provider without Macs, to compare with", []string{
		"internal/provider", "github.com/hashicorp/terraform-plugin-go",
	}},
	{"cmd/bench/relay", "what sshd runs for a login: it leads to a simulated Mac", nil},
	{"tools/picture", "what a terminal shows, as a picture", nil},
	{"tools/schema", "the schema for the documentation", []string{
		"internal/provider", "github.com/hashicorp/terraform-plugin-framework", "github.com/hashicorp/terraform-plugin-go",
	}},
}

// TestLayers reads the imports of every file, for whatever system it is. Tests are free in what they import, but for
// those of macsim: there, as in its code, nothing may come from what it is there to test.
func TestLayers(t *testing.T) {
	unseen := map[string]bool{}
	for _, l := range layers {
		unseen[l.folder] = true
	}
	for _, file := range files(t, ".go") {
		folder := path.Dir(file)
		if folder == "internal" {
			continue // these tests
		}
		i := slices.IndexFunc(layers, func(l layer) bool { return l.folder == folder })
		if i < 0 {
			t.Errorf("%s: no layer is %s: add it to the table in internal/layers_test.go", file, folder)
			continue
		}
		unseen[folder] = false
		isTest := strings.HasSuffix(file, "_test.go")
		if isTest && folder != "internal/macsim" {
			continue
		}
		for _, imported := range imports(t, file) {
			if isTest && !strings.HasPrefix(imported, module) || layers[i].allows(imported) {
				continue
			}
			t.Errorf("%s imports %s, but %s is %s", file, imported, folder, layers[i].is)
		}
	}
	for folder, is := range unseen {
		if is {
			t.Errorf("there is no package %s any more: take it out of the table", folder)
		}
	}
}

// allows reports whether packages in this layer may import this one.
func (l layer) allows(imported string) bool {
	if first, _, _ := strings.Cut(imported, "/"); !strings.Contains(first, ".") || imported == module+"/"+l.folder {
		return true // the standard library, and a test its own package
	}
	return slices.ContainsFunc(l.may, func(may string) bool {
		if !strings.Contains(may, ".") {
			return imported == module+"/"+may
		}
		return imported == may || strings.HasPrefix(imported, may+"/")
	})
}

func TestLayersAllow(t *testing.T) {
	for _, test := range []struct {
		folder, imported string
		want             bool
	}{
		{"internal/pf", "strings", true},
		{"internal/pf", "go/token", true},
		{"internal/pf", "golang.org/x/crypto/ssh", false},
		{"internal/pfctl", module + "/internal/pf", true},
		{"internal/pfctl", module + "/internal/pfctl/more", false},
		{"internal/pfctl", module + "/internal/plist", false},
		{"internal/macsim", module + "/internal/remote", false},
		{"internal/provider", "github.com/hashicorp/terraform-plugin-frameworks", false},
	} {
		i := slices.IndexFunc(layers, func(l layer) bool { return l.folder == test.folder })
		if got := layers[i].allows(test.imported); got != test.want {
			t.Errorf("%s importing %s: got %v, want %v", test.folder, test.imported, got, test.want)
		}
	}
}

func imports(t *testing.T, file string) []string {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join("..", file), nil, parser.ImportsOnly)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, spec := range parsed.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, imported)
	}
	return all
}

// files are those in this module that end so, as slash-separated paths from its root.
func files(t *testing.T, suffix string) []string {
	t.Helper()
	var found []string
	root := os.DirFS("..")
	err := fs.WalkDir(root, ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case !entry.IsDir():
			if strings.HasSuffix(name, suffix) {
				found = append(found, name)
			}
			return nil
		case name != "." && strings.HasPrefix(entry.Name(), "."), entry.Name() == "testdata":
			return fs.SkipDir
		}
		if _, err := fs.Stat(root, path.Join(name, "go.mod")); name != "." && err == nil {
			return fs.SkipDir // another module
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
