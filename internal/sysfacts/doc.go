// Package sysfacts is what a Mac says of itself: what it is, how it is connected, who listens there, and whether Tailscale is up. It
// only reads.
//
// Each area is one script and one answer, which all who ask share for a while (see [remote.Ask]): [LookAtHost], [LookAtNetwork],
// [LookAtListeners] and [LookAtTailscale]. A question that a Mac does not answer, because a tool is missing or speaks in other words,
// leaves a field empty: a fact that is not known is no failure.
//
// What changes from minute to minute, such as load, is left out.
package sysfacts
