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
// # The order of a load
//
// Every check comes first: that the Mac is as it was planned, that pfctl accepts the rules and the main ruleset, and
// that both files fit on the disk, beside the old ones. Then the kernel gets the rules, then the call; then the files are
// renamed into place, the anchor's before pf.conf, so that pf.conf never names a file that is not there: at boot, that would
// leave the Mac without its main ruleset. A failure before the renames puts the old rules back.
//
// # What else is on the Mac
//
// An anchor is loaded with -a, which touches nothing else. The main ruleset is loaded from /etc/pf.conf only when a
// call is missing from it, because that drops the calls which system services (Internet Sharing, virtual machines, VPNs)
// inserted at run time. pf is enabled by a counted reference (-E) and released with its token (-X), never switched off (-d).
package pfctl
