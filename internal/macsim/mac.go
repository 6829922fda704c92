package macsim

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/macos-fleet/terraform-provider-macos/internal/pf"
)

// Mac is a simulated Mac. Its exported fields say what Mac it is; they are read when it starts and are not to be changed
// then. The zero value is a Mac like any other.
type Mac struct {
	Hostname string   // "mini" if empty
	Version  string   // of macOS; "15.6" if empty
	User     string   // who logs in over SSH, an administrator, uid 501; "admin" if empty
	People   []string // other accounts, from uid 502 on: people who may sit at the screen, see LogIn

	// Password is the user's, for SSH and for sudo. If it is empty the account has none that could be given.
	Password string
	// AuthorizedKeys may log in as User. With neither keys nor a password, the key of ClientKey may.
	AuthorizedKeys []ssh.PublicKey
	// Sudo says what sudo asks of User.
	Sudo Sudo

	// Interfaces are the network interfaces, in ifconfig's order; if nil: those of a Mac with a cable (en0, 192.168.1.10/24), Wi-Fi
	// (en1), virtual machines (bridge100), Tailscale (utun3, 100.64.0.5) and another VPN (utun4).
	Interfaces []Interface
	// DefaultRoutes are the names of the interfaces that default routes lead out of, the one that is taken first; if nil: the first
	// network that is neither loopback nor a tunnel; if empty: none.
	DefaultRoutes []string
	// Client and Server are the ends of the SSH connections that come to where Listen listens, as the Mac sees them; if zero, the
	// real ones. See ListenFor.
	Client, Server netip.AddrPort
	// TailscaleSSH makes tailscaled, not sshd, answer where Server is of Tailscale's addresses, or zero: as that does on a Mac with the
	// open-source tailscaled after "tailscale set --ssh". See tailscale.go.
	TailscaleSSH bool
	// Tailscale is which Tailscale there is to ask. The interface of the default Interfaces is there without.
	Tailscale Tailscale

	// About is what the Mac says of itself.
	About About
	// Sockets are the open ports of programs; if nil: mDNSResponder's and rapportd's. launchd has some for its jobs besides.
	Sockets []Socket

	Shell  string // the login shell: zsh, bash, fish or tcsh, which differ only in what they say of failures; "zsh" if empty
	NoPerl bool   // there is no /usr/bin/perl, which Apple means to leave out some day
	Noise  string // what the login shell's rc files print on stdout before the command runs
	Banner string // what sshd shows before authentication

	// Latency is how long everything that is sent over SSH travels, in each direction.
	Latency time.Duration
	// Second is how long a second of the Mac lasts: smaller makes its clock and its sleeps run faster. One second if zero.
	Second time.Duration

	*machine
}

// Interface is a network interface and its addresses.
type Interface struct {
	Name  string
	Addrs []netip.Prefix
	Peer  netip.Addr // the far end of a tunnel; if zero, its own address, as Tailscale's has it
	Over  *Carrier   // what carries a tunnel's packets; if nil, pf cannot cut it there
	// Routes are networks that are reached through it beside those of its addresses, such as those that a VPN takes.
	Routes []netip.Prefix
}

// Sudo is what sudo asks of the user.
type Sudo int

// What sudo asks of the user.
const (
	SudoFree     Sudo = iota // NOPASSWD: ALL
	SudoPassword             // the password, each time
	SudoRefused              // the user is not in the sudoers file
	SudoShell                // NOPASSWD: /bin/sh; the password for anything else
)

// machine is what a Mac has and does while it runs.
type machine struct {
	files    *Files
	users    []user
	host     *pf.Host          // what rule texts are read for
	stock    map[string]string // every file as New left it; see Snapshot
	pf       pfState
	launchd  launchdState
	pmset    pmsetState
	started  time.Time
	hostKey  ssh.Signer
	client   ed25519.PrivateKey // nil unless ClientKey may log in
	bootTime time.Time
	line     line
	slept    atomic.Int64 // a time.Duration: how far sleeping has put the clock forward

	power    sync.Mutex     // held by what turns the Mac on or off
	watching sync.WaitGroup // functions of tests that Fail and Watch were given

	mu        sync.Mutex
	nap       *nap // the next one, or the one that it takes
	off       bool // between shutdown and boot, and after Close
	ready     bool // for connections: when boot is done
	closed    bool
	up        sync.Cond       // signalled when ready or closed changes
	ctx       context.Context // ends at shutdown
	cancel    context.CancelFunc
	work      sync.WaitGroup // programs, shells and connections; added to under mu while not off
	doors     []*door
	refuses   bool // new connections
	accepting sync.WaitGroup
	wires     map[*wire]bool
	calls     []Call
	fail      func(argv []string) *Failure
	watch     func(argv []string, done bool)
	holds     map[string]*hold
	nextPID   int
}

// New makes a Mac and boots it. It answers no connection before Listen.
func New(cfg Mac) (*Mac, error) {
	m := &cfg
	m.Hostname = cmp.Or(m.Hostname, "mini")
	m.Version = cmp.Or(m.Version, "15.6")
	m.User = cmp.Or(m.User, "admin")
	m.Shell = cmp.Or(m.Shell, "zsh")
	m.Second = cmp.Or(m.Second, time.Second)
	if m.Interfaces == nil {
		m.Interfaces = []Interface{
			{Name: "lo0", Addrs: prefixes("127.0.0.1/8", "::1/128", "fe80::1/64")},
			{Name: "gif0"},
			{Name: "stf0"},
			{Name: "en0", Addrs: prefixes("fe80::1c2b:3aff:fe4d:5e6f/64", "192.168.1.10/24", "2001:db8:1::10/64")},
			{Name: "en1", Addrs: prefixes("10.0.1.5/16")},
			{Name: "en5"},
			{Name: "awdl0"},
			{Name: "bridge0"},
			{Name: "bridge100", Addrs: prefixes("192.168.64.1/24")},
			{Name: "utun0"},
			{Name: "utun3", Addrs: prefixes("100.64.0.5/32"), Routes: prefixes("100.64.0.0/10")},
			{Name: "utun4", Addrs: prefixes("10.8.0.2/32"), Peer: netip.MustParseAddr("10.8.0.1")},
			{Name: "vlan0"},
		}
	}
	m.machine = &machine{started: time.Now(), wires: map[*wire]bool{}, holds: map[string]*hold{}, nextPID: 400, off: true, nap: newNap()}
	m.up.L = &m.mu
	m.users, m.host = m.accounts(), m.pfHost()

	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	if m.hostKey, err = ssh.NewSignerFromSigner(key); err != nil {
		return nil, err
	}
	if len(m.AuthorizedKeys) == 0 && m.Password == "" {
		if _, m.client, err = ed25519.GenerateKey(rand.Reader); err != nil {
			return nil, err
		}
	}

	m.files = newFiles(m.now)
	if err := m.install(); err != nil {
		return nil, fmt.Errorf("macsim: installing macOS: %w", err)
	}
	m.stock = m.files.describe()
	m.boot()
	return m, nil
}

// TB is what Start needs of a *testing.T or *testing.B.
type TB interface {
	Helper()
	Cleanup(func())
	Fatalf(format string, args ...any)
}

// Start makes a Mac that listens on loopback, and is closed when the test ends.
func Start(t TB, cfg Mac) *Mac {
	t.Helper()
	m, err := New(cfg)
	if err == nil {
		t.Cleanup(m.Close)
		err = m.Listen("127.0.0.1:0")
	}
	if err != nil {
		t.Fatalf("macsim: %v", err)
	}
	return m
}

func prefixes(texts ...string) []netip.Prefix {
	var all []netip.Prefix
	for _, t := range texts {
		all = append(all, netip.MustParsePrefix(t))
	}
	return all
}

// Files is the Mac's file system, to look at and to change by hand.
func (m *Mac) Files() *Files { return m.files }

// Run runs a script as a person would at the Mac itself, in a root shell with the arguments $1, $2 ...; nothing goes over SSH.
func (m *Mac) Run(ctx context.Context, script string, args ...string) (stdout, stderr string, exit int) {
	running := m.running()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(running, cancel)()
	var out, errs lockedBuffer
	p := m.process(rootCred.uid, append([]string{"/bin/sh", "-c", script, "sh"}, args...))
	p.Stdout, p.Stderr = &out, &errs
	if !m.enter(ctx) {
		return "", "macsim: the Mac is off\n", 255
	}
	defer m.work.Done()
	exit = shell(ctx, m, p)
	return out.String(), errs.String(), exit
}

// process is a new process of uid in that user's home.
func (m *Mac) process(uid int, argv []string) *process {
	name, home := m.User, "/Users/"+m.User
	loginShell := "/bin/" + m.Shell
	if uid == 0 {
		name, home, loginShell = "root", "/var/root", "/bin/sh"
	}
	env := environ{"PATH": defaultPath, "HOME": home, "USER": name, "LOGNAME": name, "SHELL": loginShell}
	return &process{
		Args: argv, Dir: home, Env: env.get, UID: uid,
		Stdin: strings.NewReader(""), Stdout: io.Discard, Stderr: io.Discard,
		environ: env, umask: 0o022,
	}
}

// lockedBuffer takes the output of programs that run at once.
type lockedBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
