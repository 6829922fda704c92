package pf

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestParseFlow: what is read prints as the canonical text; "" is the text itself.
func TestParseFlow(t *testing.T) {
	tests := map[string]struct{ text, want, err string }{
		"ssh":      {text: "in proto tcp from 100.64.0.0/10 to any port 22"},
		"name":     {text: "in proto tcp from 100.64/10 to any port = ssh", want: "in proto tcp from 100.64.0.0/10 to any port 22"},
		"list":     {text: "out on en0 proto udp from any to { 10.0.0.1 fd7a::/48, 9.9.9.9/32 } port 53", want: "out on en0 proto udp from any to { 10.0.0.1, fd7a::/48, 9.9.9.9 } port 53"},
		"range":    {text: "in inet proto tcp from any port 1024:2000 to any port != 22"},
		"inside":   {text: "in inet6 proto tcp from any port 1 >< 5 to ::1 port > 80"},
		"all":      {text: "out on utun3 all", want: "out on utun3 from any to any"},
		"none":     {text: "in", want: "in from any to any"},
		"everyone": {text: "in proto tcp from 0.0.0.0/0 to ::/0", err: "column 1: the addresses, the address family and the protocol do not go together"},
		"zero":     {text: "in proto gre from 0.0.0.0/0 to any", want: "in proto 47 from 0.0.0.0/0 to any"},
		"echo":     {text: "in proto icmp6 from any to any"},
		"echo-4":   {text: "in inet proto 1 all", want: "in inet proto icmp from any to any"},
		"open":     {text: "in proto tcp from 192.0.2.7 port 50000 to 192.0.2.1 port 22 open"},

		"empty":     {text: "", err: "column 1: a flow begins with in or out"},
		"pass":      {text: "pass in all", err: "column 1: a flow begins with in or out"},
		"slip":      {text: "in prot tcp all", err: "column 4: syntax error (did you mean proto?)"},
		"no-port":   {text: "in from any to any port 22", err: "column 1: port only applies to tcp/udp"},
		"ports":     {text: "in proto tcp from any to any port { 22 80 }", err: "column 43: a flow has one port or one range of ports at each end"},
		"protos":    {text: "in proto { tcp udp } all", err: "column 20: a flow has one protocol, or any"},
		"table":     {text: "in proto tcp from <t> to any", err: "column 21: the ends of a flow are addresses, networks, or any"},
		"not":       {text: "in proto tcp from ! 10/8 to any", err: "column 24: the ends of a flow are addresses, networks, or any"},
		"self":      {text: "in proto tcp from any to self port 22", err: "column 26: no IP address found for self (a flow has addresses and networks; its own end on the Mac may be left out)"},
		"family":    {text: "in inet6 proto tcp from 10/8", err: "column 1: the addresses, the address family and the protocol do not go together"},
		"netmask":   {text: "in from 10.0.0.1/33", err: "column 18: netmask 33 invalid for IPv4 address"},
		"macro":     {text: "in on $if all", err: "column 7: macro 'if' not defined"},
		"port":      {text: "in proto tcp to port 99999", err: "column 22: illegal port value 99999"},
		"interface": {text: "in on \"en 0\" all", err: "column 7: en 0 is not the name of an interface"},
		"more":      {text: "in all all", err: "column 8: syntax error"},
		"two-lines": {text: "in all\nout all", err: "column 1: syntax error"},
		"quote":     {text: "in on \"en0", err: "column 7: reached end of file while parsing quoted string"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			f, err := ParseFlow(tt.text)
			if err != nil {
				if err.Error() != tt.err {
					t.Errorf("%v, want %v", err, tt.err)
				}
				return
			}
			if tt.err != "" {
				t.Fatalf("read as %s, want %s", f, tt.err)
			}
			want := tt.want
			if want == "" {
				want = tt.text
			}
			if f.String() != want {
				t.Errorf("%s, want %s", f, want)
			}
		})
	}
}

func TestPacketString(t *testing.T) {
	for packed, want := range map[string]string{
		"in en0 tcp 192.0.2.7:50000 > 192.0.2.1:22 SA": "in on en0 proto tcp from 192.0.2.7 port 50000 to 192.0.2.1 port 22 flags SA",
		"out utun3 udp [fd7a::1]:41641 > [fd7a::2]:53": "out on utun3 proto udp from fd7a::1 port 41641 to fd7a::2 port 53",
		"out en0 icmp 192.0.2.7:1 > 192.0.2.1:1 8":     "out on en0 proto icmp from 192.0.2.7 to 192.0.2.1",
	} {
		p := packet(t, packed)
		if p.String() != want {
			t.Errorf("%s, want %s", p, want)
		}
	}
}

// FuzzParseFlow: the canonical text of a flow reads back to the same flow.
func FuzzParseFlow(f *testing.F) {
	f.Add("in on en0 inet proto tcp from { 10.0.0.0/8, 192.0.2.7 } port 1024:65535 to any port 22 open")
	f.Add("out inet6 proto icmp6 from fd7a::/48 to any")
	f.Add("in proto udp from any port 1 <> 5 to 0/0 port >= domain")
	f.Fuzz(func(t *testing.T, text string) {
		flow, err := ParseFlow(text)
		if err != nil {
			if err.Error() == "" {
				t.Error("an error without words")
			}
			return
		}
		again, err := ParseFlow(flow.String())
		if err != nil {
			t.Fatalf("%q reads as %q, which is refused: %v", text, flow, err)
		}
		if diff := cmp.Diff(flow, again, cmp.Comparer(func(x, y netip.Prefix) bool { return x == y })); diff != "" {
			t.Errorf("(-once +twice):\n%s", diff)
		}
	})
}
