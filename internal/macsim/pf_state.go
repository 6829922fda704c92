package macsim

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/netip"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/macos-fleet/terraform-provider-macos/internal/pf"
)

// pfState is the kernel's packet filter. Its zero value is a kernel before the com.apple.pfctl job; see boot.
type pfState struct {
	mu      sync.Mutex
	kernel  *pf.Kernel
	enabled bool
	since   time.Time   // When it was last enabled or disabled; zero if never.
	plain   int         // References of pfctl -e, which have no token.
	tokens  []reference // References of pfctl -E, oldest first.
	tables  int         // Tables the optimizer has made.

	changed chan struct{} // See changes.
	held    int           // Packets that wait for a change.
}

// changes is closed at the next change of anything that pf's verdicts depend on, or of held.
func (s *pfState) changes() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.changed == nil {
		s.changed = make(chan struct{})
	}
	return s.changed
}

// hold counts the packets that wait for a change, n more.
func (s *pfState) hold(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held += n
	s.announce()
}

// announce tells of a change. s.mu is held.
func (s *pfState) announce() {
	if s.changed != nil {
		close(s.changed)
		s.changed = nil
	}
}

// announceChange tells of a change of what else decides whether packets get through.
func (s *pfState) announceChange() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.announce()
}

// A reference keeps pf enabled until it is given back, though its process has long ended.
type reference struct {
	pid   int
	token string // An unsigned 64-bit number.
	taken time.Time
}

// boot is a restart: the kernel forgets everything, and the com.apple.pfctl job loads /etc/pf.conf without enabling pf.
func (s *pfState) boot(m *Mac) {
	s.mu.Lock()
	s.kernel, s.enabled, s.since, s.plain, s.tokens = new(pf.Kernel), false, time.Time{}, 0, nil
	s.mu.Unlock()
	p := m.process(rootCred.uid, []string{"pfctl", "-f", "/etc/pf.conf"})
	pfctl(m.running(), m, p)
}

// text is all of pf that tests compare: whether it is enabled, how many hold it, every anchor with its rules and tables. There
// are no tokens, processes and times in it. Anchors without rules and tables are not in it.
func (s *pfState) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b strings.Builder
	status := "disabled"
	if s.enabled {
		status = "enabled"
	}
	fmt.Fprintf(&b, "%s, %d references\n", status, s.plain+len(s.tokens))
	if skip := s.kernel.Skipped(); skip != nil {
		fmt.Fprintf(&b, "skip %s\n", strings.Join(skip, " "))
	}
	for _, a := range append([]string{""}, s.kernel.Anchors()...) {
		var lines []string
		for _, t := range s.kernel.Tables(a) {
			line := fmt.Sprintf("table <%s> %s {", t, s.kernel.TableFlags(a, t))
			entries, _ := s.kernel.TableEntries(a, t)
			for _, e := range entries {
				line += " " + e.String()
			}
			lines = append(lines, line+" }")
		}
		for _, kind := range []pf.Kind{pf.FilterRules, pf.NATRules, pf.DummynetRules} {
			rules, _ := s.kernel.Rules(a, kind)
			lines = append(lines, rules...)
		}
		if len(lines) == 0 {
			continue
		}
		fmt.Fprintf(&b, "%s:\n", cmp.Or(a, "main"))
		for _, line := range lines {
			fmt.Fprintf(&b, "\t%s\n", line)
		}
	}
	return b.String()
}

// enable turns pf on if it is off.
func (s *pfState) enable(now time.Time) {
	if !s.enabled {
		s.enabled, s.since = true, now
	}
}

// disable turns pf off, whoever holds it.
func (s *pfState) disable(now time.Time) {
	s.enabled, s.since, s.plain, s.tokens = false, now, 0, nil
}

// take makes a new reference.
func (s *pfState) take(now time.Time, pid int) string {
	token := fmt.Sprint(rand.Uint64()>>1 | 1<<62)
	s.tokens = append(s.tokens, reference{pid, token, now})
	s.enable(now)
	return token
}

// release gives a reference back. ok is false when nobody holds it.
func (s *pfState) release(now time.Time, token string) (left int, ok bool) {
	i := slices.IndexFunc(s.tokens, func(r reference) bool { return r.token == token })
	if i < 0 {
		return 0, false
	}
	s.tokens = slices.Delete(s.tokens, i, i+1)
	if left = s.plain + len(s.tokens); left == 0 {
		s.disable(now)
	}
	return left, true
}

// pfHost is what rule texts are read for on this Mac.
func (m *Mac) pfHost() *pf.Host {
	h := &pf.Host{
		Users: map[string]uint32{
			"root": 0, "daemon": 1, "_uucp": 4, "_mdnsresponder": 65, "_www": 70, "_mysql": 74, "_sshd": 75, "_ntp": 266,
			"alice": 501, "bob": 502, "nobody": 4294967294,
		},
		Groups: map[string]uint32{
			"wheel": 0, "daemon": 1, "everyone": 12, "staff": 20, "_mdnsresponder": 65, "_www": 70, "admin": 80, "nobody": 4294967294,
		},
		Files: func(name string) ([]byte, error) {
			text, err := m.files.Read(name)
			return []byte(text), pathReason(err)
		},
	}
	h.Users[m.User] = 501
	for _, i := range m.Interfaces {
		h.Interfaces = append(h.Interfaces, i.forPF())
	}
	return h
}

// forPF is the interface as pf sees it: a tunnel leads to its peer, everything but it and lo0 has a broadcast address.
func (i Interface) forPF() pf.Interface {
	out := pf.Interface{
		Name:         i.Name,
		Loopback:     strings.HasPrefix(i.Name, "lo"),
		PointToPoint: strings.HasPrefix(i.Name, "utun"),
	}
	out.Broadcast = !out.Loopback && !out.PointToPoint
	for _, a := range i.Addrs {
		addr := pf.InterfaceAddr{Prefix: a}
		switch {
		case out.PointToPoint:
			addr.Peer = i.peer(a.Addr())
		case out.Broadcast && a.Addr().Is4():
			addr.Broadcast = broadcast(a)
		}
		out.Addrs = append(out.Addrs, addr)
	}
	return out
}

// pathReason is an error of the file system as C's strerror says it.
func pathReason(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrNotExist):
		return errors.New("No such file or directory") //nolint:staticcheck // As the system says it.
	case errors.Is(err, fs.ErrPermission):
		return errors.New("Permission denied") //nolint:staticcheck // As the system says it.
	}
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		return pathErr.Err
	}
	return err
}

// absolute is a path as the process means it.
func (p *process) absolute(name string) string {
	if path.IsAbs(name) {
		return name
	}
	return path.Join(p.Dir, name)
}

// parseHost reads an address or network that pfctl -k is given.
func parseHost(h *pf.Host, word string) (netip.Prefix, bool) {
	entries, err := pf.ParseEntries(h, word)
	if err != nil || len(entries) != 1 {
		return netip.Prefix{}, false
	}
	return entries[0].Prefix, true
}
