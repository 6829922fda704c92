package macsim_test

import (
	"bytes"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/macos-fleet/terraform-provider-macos/internal/macsim"
)

// A command that another SSH server hands over runs as one that came over the Mac's own.
func TestServe(t *testing.T) {
	t.Parallel()
	m := macsim.Start(t, macsim.Mac{})
	ours, theirs := net.Pipe()
	defer ours.Close()
	var out, errs bytes.Buffer
	exit := m.Serve(ours, macsim.Login{
		Command: `read -r line; echo "$USER from $SSH_CONNECTION said $line"; /bin/cat; echo oops >&2; exit 3`,
		Client:  netip.MustParseAddrPort("192.0.2.7:50000"), Server: netip.MustParseAddrPort("192.168.1.10:22"),
		Stdin: strings.NewReader("hello\nthere\n"), Stdout: &out, Stderr: &errs,
	})
	if want := "admin from 192.0.2.7 50000 192.168.1.10 22 said hello\nthere\n"; exit != 3 || out.String() != want || errs.String() != "oops\n" {
		t.Errorf("exit %d, stdout %q, stderr %q; want 3, %q and oops", exit, &out, &errs, want)
	}
	calls := m.Calls()
	if len(calls) != 1 || !calls[0].SSH || calls[0].UID != 501 {
		t.Errorf("it ran %v, want cat, over SSH, by the user", calls)
	}

	// What the Mac cuts is the connection.
	m.Fail(func([]string) *macsim.Failure { return &macsim.Failure{Cut: macsim.CutBefore} })
	exit = m.Serve(ours, macsim.Login{Command: "/bin/cat; echo unheard", Stdin: strings.NewReader(""), Stdout: &out, Stderr: &errs})
	if _, err := theirs.Read(make([]byte, 1)); exit != 255 || err != io.EOF || strings.Contains(out.String(), "unheard") {
		t.Errorf("cut off: exit %d, and the client reads %v after %q", exit, err, &out)
	}
	m.Close()
	if exit := m.Serve(theirs, macsim.Login{Command: "true"}); exit != 255 {
		t.Errorf("a Mac that is gone answers with %d", exit)
	}
}
