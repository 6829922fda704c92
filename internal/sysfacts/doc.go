// Package sysfacts is what a Mac says of itself: what it is, how it is connected, who listens there, and whether Tailscale is up. It
// only reads.
//
// Each area is one script and one answer, which all who ask share for a while (see [remote.Ask]): [LookAtHost], [LookAtNetwork],
// [LookAtListeners] and [LookAtTailscale]. A question that a Mac does not answer, because a tool is missing or speaks in other words,
// leaves a field empty: a fact that is not known is no failure.
//
// What changes from minute to minute, such as load, is left out.
//
// # What no Mac was asked
//
// No Mac was at hand when this was written. What pmset, fdesetup and csrutil print, how lsof shows launchd's sockets and addresses of a
// link, and the names in Tailscale's JSON were published of Macs, or stand in sources. These are only likely: ifconfig's lines, the two
// TABs of sw_vers (any blanks will do), that sysctl knows the chip of Macs with Apple silicon by the name that it has on others, that a
// UPS has a section "UPS Power" of its own in pmset, that lsof's fields are those of its other systems, and that Tailscale's apps answer
// a program that root runs for the user at the screen by sudo. TestQuestions of package provider asks a real Mac for them.
package sysfacts
