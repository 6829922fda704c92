// Package pfctl works on pf, the packet filter, of one Mac: it reads anchors back, loads and removes them, and takes
// references that keep pf enabled. All of it is /sbin/pfctl and a few files, in scripts that package remote carries.
//
// # An anchor on a Mac
//
// An anchor of ours is three things, and each can drift on its own:
//
//   - its file /etc/pf.anchors/NAME, the rules as the user wrote them ("/" in a name is ":" in the file's name);
//   - the rules that the kernel holds, which `pfctl -a NAME -sr` and `-sn` print;
//   - the call from the main ruleset, without which the kernel never looks at those rules. The stock /etc/pf.conf calls
//     every anchor directly under com.apple/; any other name gets its lines in blocks of ours there (see [Conf]).
//
// What a text loads to is asked of the Mac itself: `pfctl -nv` prints the rules that it would load, in the same words in
// which -sr and -sn print loaded ones, but for calls of other anchors (see [asLoaded]). Rules are loaded and
// printed with the optimizer off (-o none), which gives one line back for each rule.
//
// # How rules are changed
//
// What resources of one Mac want at the same time is one transaction, which package watchdog carries out: the anchors' rules, the
// main ruleset, anchors that go, and the enable reference, each a script with the words check, try, keep and undo. Every check
// comes first: that the Mac is as it was planned, that pfctl accepts the rules and the main ruleset, and that the disk has room. Then
// the kernel gets them, and nothing else does before a new connection has confirmed it; then files are renamed into place.
// An anchor's file comes before pf.conf calls it, so that pf.conf never names a file that is not there: at boot, that would
// leave the Mac without its main ruleset. Where an anchor needs more kinds of call than before, pf.conf comes first, so that no restart
// finds rules that are not evaluated. What fails, or is not confirmed, is undone in the other order.
//
// # Tables
//
// The addresses in a table of an anchor are a change of their own, made under the same net: the kernel first, then the file
// /etc/pf.tables/ANCHOR:TABLE, from which the boot job brings the table back, for a reboot empties it. Rules that only declare a table
// leave its addresses alone when they are loaded again. See [Table].
//
// # What else is on the Mac
//
// An anchor is loaded with -a, which touches nothing else. The main ruleset is loaded from /etc/pf.conf only when a
// call is missing from it, because that drops the calls which system services (Internet Sharing, virtual machines, VPNs)
// inserted at run time. pf is enabled by a counted reference (-E) and released with its token (-X), never switched off (-d).
//
// # What rules would do
//
// A plan judges what it is going to change before anything is changed ([Planned]). From the survey it builds the Mac as it is
// and as it will be (world): the main ruleset, every anchor as loaded, tables, interfaces; and it has package pf follow the
// conversations that matter through both. What the Mac's own pfctl made of a text is believed over what package pf makes of it. A
// line that cannot be read makes everything uncertain, and that is said; it never lets something pass.
//
// Not known are the owners of sockets, so that rules with user or group may leave a doubt; what scrubbing, dummynet and limits
// of states do; the neighbour discovery of IPv6 and DHCP, which rules can cut as well; and whether port 22 of a tailnet's address
// is Tailscale's own SSH server, whose connections never meet pf.
package pfctl
