package remote

import (
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// settle is what a configuration of this text says about mini, with or without asking ssh.
func settle(t *testing.T, text string, ssh bool) (settings, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if !ssh {
		t.Setenv("PATH", "")
	} else if _, err := exec.LookPath("ssh"); err != nil {
		t.Skip("OpenSSH's ssh is not installed")
	}
	return configure(t.Context(), file, destination{host: "mini"})
}

// What is read here and what ssh answers are the same, where both can tell.
func TestConfigure(t *testing.T) {
	user := account()
	me, home := user.Username, user.HomeDir
	t.Setenv("SSH_AUTH_SOCK", "/run/agent")
	t.Setenv("REMOTE_TEST", "/data")
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "a.conf"), []byte("Host mini\n  Port 2200\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(folder, "two words"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "two words", "b.conf"), []byte("Port 2201\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	// What a wildcard leaves out as glob(3) does, and folders, which say nothing.
	fleet := filepath.Join(folder, "fleet")
	if err := os.MkdirAll(filepath.Join(fleet, ".git"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(fleet, "archive"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{".backup": "Port 1\n", ".git/config": "Port 2\n", "macs": "Host mini\n  Port 2203\n"} {
		if err := os.WriteFile(filepath.Join(fleet, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	plain := func(change func(*settings)) settings {
		s := settings{
			host: "mini", port: "22", user: me, network: "tcp", agent: "/run/agent",
			identities: []string{home + "/.ssh/id_ed25519", home + "/.ssh/id_ecdsa", home + "/.ssh/id_rsa"}, certificates: []string{},
			knownHosts:      []string{home + "/.ssh/known_hosts", home + "/.ssh/known_hosts2", "/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2"},
			revokedHostKeys: []string{},
		}
		change(&s)
		return s
	}
	for name, test := range map[string]struct {
		text string
		want func(*settings)
	}{
		"nothing":        {"# Host mini\n#   Port 1\n", func(*settings) {}},
		"nothing-for-us": {"Host *\n  SendEnv LANG\n  ForwardX11 yes\n", func(*settings) {}},
		"for-another":    {"Host maxi\n  Port 1\nHost * !mini\n  User x\n", func(*settings) {}},
		"to-where": {
			"Host m?ni\n  HostName %h.lan\n  Port=2222\n  User admin\n  AddressFamily inet6\n",
			func(s *settings) { s.host, s.port, s.user, s.network = "mini.lan", "2222", "admin", "tcp6" },
		},
		"files": {
			"IdentityFile ~/keys/%h-%r-%p-%%\nIdentityFile \"/two words/%u\"\nIdentitiesOnly yes\nCertificateFile ${REMOTE_TEST}/cert\n",
			func(s *settings) {
				s.identities, s.named = []string{home + "/keys/mini-" + me + "-22-%", "/two words/" + me}, true
				s.certificates, s.identitiesOnly = []string{"/data/cert"}, true
			},
		},
		"one-usual-key": {
			"IdentityFile ~/.ssh/id_rsa\n",
			func(s *settings) { s.identities, s.named = []string{home + "/.ssh/id_rsa"}, true },
		},
		"keys-like-the-usual": {
			"IdentityFile ~/.ssh/id_mini\nIdentityFile ~/.ssh/id_work\nIdentityFile ~/.ssh/id_home\n",
			func(s *settings) {
				s.identities, s.named = []string{home + "/.ssh/id_mini", home + "/.ssh/id_work", home + "/.ssh/id_home"}, true
			},
		},
		"no-keys":     {"IdentityFile none\n", func(s *settings) { s.identities, s.named = []string{}, true }},
		"known-hosts": {"UserKnownHostsFile ~/a /b\nGlobalKnownHostsFile none\n", func(s *settings) { s.knownHosts = []string{home + "/a", "/b"} }},
		"known-hosts-beside": {
			"UserKnownHostsFile " + fleet + "/macs known\nGlobalKnownHostsFile ~/a .known \"/two words\" known\n",
			func(s *settings) {
				s.knownHosts = []string{fleet + "/macs", "known", home + "/a", ".known", "/two words known"}
			},
		},
		"files-of-others": {
			"IdentityFile ~" + me + "/key\nCertificateFile ~" + me + "/cert\nUserKnownHostsFile ~" + me + "/a ~" + me + "/b\n",
			func(s *settings) {
				s.identities, s.named, s.certificates = []string{home + "/key"}, true, []string{home + "/cert"}
				s.knownHosts = append([]string{home + "/a", home + "/b"}, s.knownHosts[2:]...)
			},
		},
		"revoked":        {"RevokedHostKeys ~/gone\n", func(s *settings) { s.revokedHostKeys = []string{home + "/gone"} }},
		"known-by":       {"KnownHostsCommand /bin/x %H\n", func(s *settings) { s.knownHostsCommand = "/bin/x %H" }},
		"known-by-none":  {"KnownHostsCommand none\n", func(*settings) {}},
		"lenient":        {"StrictHostKeyChecking off\n", func(s *settings) { s.lenient = "no" }},
		"lenient-at-new": {"StrictHostKeyChecking accept-new\n", func(s *settings) { s.lenient = "accept-new" }},
		"strict":         {"StrictHostKeyChecking yes\n", func(*settings) {}},
		"agent":          {"IdentityAgent \"~/Group Containers/t/agent.sock\"\n", func(s *settings) { s.agent = home + "/Group Containers/t/agent.sock" }},
		"agent-none":     {"IdentityAgent none\n", func(s *settings) { s.agent = "" }},
		"agent-usual":    {"IdentityAgent SSH_AUTH_SOCK\n", func(*settings) {}},
		"agent-named":    {"IdentityAgent $REMOTE_TEST\n", func(s *settings) { s.agent = "/data" }},
		"jump":           {"ProxyJump me@a:33,b\n", func(s *settings) { s.proxyJump = "me@a:33,b" }},
		"command":        {"ProxyCommand tailscale nc %h %p\n", func(s *settings) { s.proxyCommand = "tailscale nc %h %p" }},
		"times":          {"ConnectTimeout 7\nServerAliveInterval 1m\n", func(s *settings) { s.connectTimeout, s.aliveInterval = 7*time.Second, time.Minute }},
		"alias":          {"HostKeyAlias other\n", func(s *settings) { s.hostKeyAlias = "other" }},
		"include":        {"Include " + folder + "/*.conf\nHost mini\n  Port 1\n", func(s *settings) { s.port = "2200" }},
		"include-quoted": {"Include \"" + folder + "/two words/*.conf\"\n", func(s *settings) { s.port = "2201" }},
		"keyword-quoted": {"\"Port\" 2202\n", func(s *settings) { s.port = "2202" }},
		"host-quoted":    {"Host \"mini\" 'maxi' # ours\n  Port 2202 # and here\n", func(s *settings) { s.port = "2202" }},
		"host-case":      {"Host MINI\n  Port 1\n", func(*settings) {}},
		"value-case":     {"ADDRESSFAMILY INET\nIdentitiesOnly Yes\nProxyCommand NONE\n", func(s *settings) { s.network, s.identitiesOnly = "tcp4", true }},
		"blanks":         {"Port\t=\t2204\r\nUser a\\ b\r\n", func(s *settings) { s.port, s.user = "2204", "a b" }},
		"long-line":      {"Host " + strings.Repeat("maxi ", 1<<14) + "mini\n  Port 2205\n", func(s *settings) { s.port = "2205" }},
		"include-fleet":  {"Include " + fleet + "/* " + fleet + "/*/config\n", func(s *settings) { s.port = "2203" }},
		"include-hidden": {"Include " + fleet + "/.b*\n", func(s *settings) { s.port = "1" }},
		"include-folder": {"Include " + fleet + "\nPort 3\n", func(s *settings) { s.port = "3" }},
		"include-not-for-us": {
			"Host maxi\n  Include " + fleet + "/macs " + fleet + "/.backup\nMatch all\n  User x\n", func(s *settings) { s.user = "x" },
		},
		"days":              {"ConnectTimeout 1d2h\nServerAliveInterval 1m30\n", func(s *settings) { s.connectTimeout, s.aliveInterval = 26*time.Hour, 90*time.Second }},
		"command-then-jump": {"ProxyCommand nc %h\nProxyJump bastion\n", func(s *settings) { s.proxyCommand = "nc %h" }},
		"none-then-jump":    {"ProxyCommand none\nProxyJump bastion\n", func(*settings) {}},
		"jump-then-command": {"ProxyJump bastion\nProxyCommand nc %h\n", func(s *settings) { s.proxyJump = "bastion" }},
		"no-jump-command":   {"ProxyJump none\nProxyCommand nc %h\n", func(s *settings) { s.proxyCommand = "nc %h" }},
		"first-wins":        {"Host mini\n  Port 1\nHost *\n  Port 2\n  User x\n", func(s *settings) { s.port, s.user = "1", "x" }},
	} {
		for _, ssh := range []bool{false, true} {
			with := "alone"
			if ssh {
				with = "ssh"
			}
			t.Run(name+"-"+with, func(t *testing.T) {
				got, err := settle(t, test.text, ssh)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(plain(test.want), got, cmp.AllowUnexported(settings{})); diff != "" {
					t.Errorf("-want +got:\n%s", diff)
				}
			})
		}
	}
}

// Without a file, the user's own is read.
func TestConfigureByDefault(t *testing.T) {
	mine := account
	t.Cleanup(func() { account = mine })
	home := t.TempDir()
	account = func() *user.User { return &user.User{Username: "me", HomeDir: home} }
	if err := os.MkdirAll(filepath.Join(home, ".ssh"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(home, ".ssh", "config"), []byte("Host mini\n  Port 2200\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", "") // ssh asks the user database where the user's files are
	if s, err := configure(t.Context(), "", destination{host: "mini"}); err != nil || s.addr() != "mini:2200" || s.user != "me" {
		t.Errorf("got %v, %v", s.addr(), err)
	}
}

// Whom the user database does not know, as in a container that runs with another uid, has no name and no home. Only what needs them fails.
func TestConfigureWithoutAccount(t *testing.T) {
	mine := account
	t.Cleanup(func() { account = mine })
	account = func() *user.User { return &user.User{Uid: "12345"} }
	t.Setenv("SSH_AUTH_SOCK", "")
	file := filepath.Join(t.TempDir(), "config")
	to := destination{user: "admin", host: "mini"}
	for name, test := range map[string]struct {
		text string // "": no file is read
		d    destination
		says string
	}{
		"given":       {"", to, ""},
		"file":        {"Host mini\n  Port 7\n  IdentityFile /key-%i\n  User x\n", destination{host: "mini"}, ""},
		"no-user":     {"", destination{host: "mini"}, "not said as which user"},
		"home":        {"IdentityFile ~/key\n", to, "\"~/key\": whoever runs this process has no home folder"},
		"name":        {"IdentityFile /keys/%u\n", to, "\"/keys/%u\": %u is not supported here"},
		"known-hosts": {"UserKnownHostsFile ~/known\n", to, "\"~/known\": whoever"},
		"include":     {"Include fleet\n", to, "Include \"~/.ssh/fleet\": whoever"},
		"nobody":      {"IdentityFile ~nobody-of-that-name/key\n", to, "\"~nobody-of-that-name/key\": user: unknown user"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("PATH", "") // ssh itself does not start for such a user
			if err := os.WriteFile(file, []byte(test.text), 0o600); err != nil {
				t.Fatal(err)
			}
			from := file
			if test.text == "" {
				from = "none"
			}
			s, err := configure(t.Context(), from, test.d)
			if test.says != "" {
				if err == nil || !strings.Contains(err.Error(), test.says) {
					t.Errorf("got %v", err)
				}
				return
			}
			if err != nil || !slices.Equal(s.knownHosts, usualGlobalKnownHosts) || s.named != slices.Equal(s.identities, []string{"/key-12345"}) {
				t.Errorf("got %+v, %v", s, err)
			}
		})
	}
	if files, err := findConfig(""); err != nil || len(files) != 1 || !files[0].system {
		t.Errorf("got %v, %v", files, err)
	}
}

// What only ssh understands is refused where there is none, also in files that are included.
func TestConfigureWithoutSSH(t *testing.T) {
	included := filepath.Join(t.TempDir(), "included")
	if err := os.WriteFile(included, []byte("Match host mini exec false\n  Port 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"Match host mini\n  Port 1\n", "Match host a user root\n  Port 1\n", "Include " + included + "\n"} {
		if _, err := settle(t, text, false); err == nil || !strings.Contains(err.Error(), "only an ssh program understands") {
			t.Errorf("%q: got %v", text, err)
		}
	}
	if s, err := settle(t, "Match all\n  Port 1\n", false); err != nil || s.port != "1" {
		t.Errorf("got %v, %v", s.port, err)
	}
}

func TestConfigFiles(t *testing.T) {
	t.Parallel()
	loop := filepath.Join(t.TempDir(), "loop")
	if err := os.WriteFile(loop, []byte("Include "+loop+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{loop: "include each other", loop + "-not": "no such file"} {
		if _, err := configure(t.Context(), file, destination{host: "mini"}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v", file, err)
		}
	}
	if s, err := configure(t.Context(), "none", destination{user: "x", host: "mini", port: "7"}); err != nil || s.user != "x" || s.addr() != "mini:7" {
		t.Errorf("got %v, %v", s, err)
	}
}

func TestParseDestination(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]destination{
		"a":                    {host: "a"},
		"me@a:22":              {user: "me", host: "a", port: "22"},
		"ssh://me@a:22/":       {user: "me", host: "a", port: "22"},
		"me@corp@a":            {user: "me@corp", host: "a"},
		"[fe80::1]:2222":       {host: "fe80::1", port: "2222"},
		"fe80::1":              {host: "fe80::1"},
		"ssh://[2001:db8::1]/": {host: "2001:db8::1"},
		" a ":                  {host: "a"},
	} {
		if got := parseDestination(text); got != want || got.check() != nil {
			t.Errorf("%q: got %+v, %v", text, got, got.check())
		}
	}
	for _, text := range []string{"", "me@", "-oProxyCommand=x", "a b", "me@-x", "$(x)", "a;x", "-x@a", "`x`@a"} {
		if got := parseDestination(text); got.check() == nil {
			t.Errorf("%q: got %+v", text, got)
		}
	}
}

func TestPaths(t *testing.T) {
	t.Parallel()
	for value, want := range map[string][]string{
		"/a /b":                      {"/a", "/b"},
		"/two words/x ~/y":           {"/two words/x", "~/y"},
		"~/Library/Group Files/x /a": {"~/Library/Group Files/x", "/a"},
		"relative":                   {"relative"},
		"/a .relative":               {"/a", ".relative"},
		"none":                       {"none"},
	} {
		if diff := cmp.Diff(want, paths(value, "/home/me")); diff != "" {
			t.Errorf("%q: -want +got:\n%s", value, diff)
		}
	}
}

func TestMatchPattern(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		pattern, name string
		want          bool
	}{
		{"", "", true},
		{"a", "a", true},
		{"a", "ab", false},
		{"ab", "a", false},
		{"*", "", true},
		{"*.lan", "mini.lan", true},
		{"*.lan", ".lan", true},
		{"*.lan", "lan", false},
		{"m?ni", "mini", true},
		{"m?ni", "mni", false},
		{"[127.0.0.*]:22?2", "[127.0.0.1]:2222", true},
		{"a*b*c", "aXbYbZc", true},
		{"a*b*c", "aXcYb", false},
	} {
		if got := matchPattern(test.pattern, test.name); got != test.want {
			t.Errorf("%q with %q: got %v", test.pattern, test.name, got)
		}
	}
}

func TestNamedAgent(t *testing.T) {
	t.Setenv("SSH_AUTH_SOCK", "/run/agent")
	t.Setenv("REMOTE_TEST", "/data")
	for value, want := range map[string]string{
		"/a/100%":          "/a/100%",
		"~/a b/agent":      account().HomeDir + "/a b/agent",
		"SSH_AUTH_SOCK":    "/run/agent",
		"$REMOTE_TEST":     "/data",
		"${REMOTE_TEST}/a": "/data/a",
	} {
		if got, err := namedAgent(value); got != want || err != nil {
			t.Errorf("%q: got %q, %v", value, got, err)
		}
	}
}
