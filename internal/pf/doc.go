// Package pf is the rule language of macOS's packet filter: it reads rule texts, prints them as pfctl does, compares them,
// and says what they do to a packet. It does no I/O and reads nothing from the machine it runs on.
//
// macOS's pf descends from OpenBSD's of early 2008, and Apple never published its pfctl. This package follows that
// release, with what is known of Apple's changes: numeric ports, scrub-anchor, dummynet, more timeouts, and where Apple
// keeps the ports in a rule. It answers to golden cases in testdata, stdout, stderr and exit status to the letter. Host
// names need [Host.Names], OS fingerprints are not checked, queues are refused, and of dummynet only what a Mac was seen to
// print is read.
//
// # Reading
//
// A text is read in one pass, as pfctl does it, since much of what it means is settled while it is read: macros are text,
// names are looked up, policies hold for the lines that follow. [Parse] takes a [Host], which is everything about a Mac
// that a text can ask for, and returns a [File]: the rules it expands to, its tables, and what pfctl -v would echo.
//
//	lexer      bytes to tokens, macros expanded (lex.go, token.go)
//	parser     tokens to one statement with its lists (parse*.go, one file for each kind of line)
//	expand     lists to rules, one for each combination, and what does not go together (expand.go)
//	optimizer  what pfctl does to filter rules unless told -o none (optimize*.go)
//	print      a rule to pfctl's line (print.go), a file to what -nvf prints (ruleset.go)
//
// The parser looks ahead no further than pfctl's does and recovers from errors in the same way, so that the same messages
// come out for the same lines: it gives up a line, goes on with the next, keeps quiet about a syntax error that follows
// another within three tokens, and skips a line after an undefined macro. An [Error] has pfctl's words; the column, the
// hint, and whether another Mac may answer otherwise are ours. Limits keep a hostile text from taking more than a second
// and 200 MB: macros expand to 8 MiB, lists to 65,536 rules, and so on.
//
// A printed rule reads back to itself, with the exceptions that pfctl has (see the fuzz test). That makes [File.Lines] a
// canonical form: two texts mean the same when they have the same lines and tables, which is what [Equal] and [Diff]
// compare.
//
// # The kernel
//
// A [Kernel] holds rulesets by the path of their anchor, tables, and states. [Kernel.Load] resolves calls of anchors as the
// kernel does, so [Kernel.Rules] prints what pfctl -s rules prints, which differs from -nvf in the names of anchors.
//
// [Kernel.Test] is the evaluation (eval*.go): skipped interfaces, then states, then the first translation rule that
// matches, then the filter rules, of which the last that matches decides. A rule matches, does not, or perhaps does: for
// what depends on chance, on routes or on the owner of a socket that is not known. It then follows both ways, and the
// verdict is [Unknown] only if they end differently. It is never guessed.
//
// # Flows
//
// A [Flow] is a set of conversations, such as all that begin in one network and go to one port. [Kernel.Converse] says what
// becomes of them: opening packet, answer, and what follows (flow_converse.go). It divides the set by what the rules compare,
// one thing after the other, with the rules only that are left to be met, and tries one conversation of each part
// (flow_search.go, flow_rules.go, flow_span.go). Where the two ends can be is settled before that, by the addresses of the
// host (flow_place.go). What is said to a person of a conversation that is cut, and the line that cures it, comes after
// (flow_why.go).
package pf
