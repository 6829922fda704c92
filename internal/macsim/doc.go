// Package macsim is a simulated Mac for tests, and for trying things out: an SSH server that answers as a Mac does. It
// needs no root and no container, and runs wherever Go runs.
//
//	mac := macsim.Start(t, macsim.Mac{Latency: 5 * time.Millisecond}) // the zero value is a working Mac
//	_, _, _ = mac.Run(ctx, "pfctl -a com.acme.ssh -F rules")          // somebody changes it by hand
//	want := mac.String()                                              // the whole Mac as text
//
// # What it is made of
//
// [Files] is the file system, in memory: modes and owners, links, names that differ in more than case, a sealed system
// volume, extended attributes, a disk that can be full. A [Mac] adds what is not in files: the kernel's pf rules, launchd's
// jobs, a clock. [Mac.Reboot] forgets what a restart forgets and boots as macOS does.
//
// The shell is the interpreter of mvdan.cc/sh, run on that file system. It is bash's language, which is what /bin/sh is on
// a Mac (bash 3.2 in POSIX mode). Programs are Go functions (commands, in command.go) that take the real argv, print what
// the real ones print, and fail as they fail; their options are those of macOS, others are refused with the usage text.
// Every start of a program passes through [Mac.Fail], [Mac.Hold] and [Mac.Watch], and is noted for [Mac.Calls]. What a Mac has not
// (timeout, flock, setsid, getent ...) does not exist here either.
//
// Jobs of launchd's whose programs exist here really run, are sent real signals, and are started again when they are to be kept alive. The
// Mac can lose its network ([Mac.Unplug]), sleep ([Mac.Sleep]) and be restarted ([Mac.Reboot]) at any moment; [Mac.Watch] is the lever to
// do so at each step of something.
//
// The SSH server has sshd's limits and manners: the login shell runs the command, ten sessions a connection, no variables but LANG and
// LC_*, a refused keepalive. A session with a terminal is a line editor and a cooked terminal. With Mac.TailscaleSSH it is Tailscale's,
// with its ways.
//
// pf acts on SSH connections that stand for something (Mac.Client and Server, [Mac.ListenFor]): packets that come in on the
// interface with the Mac's address, and their answers. While it is enabled each is asked about, in both directions: those of the
// handshake with SYN, all others as in the middle of a connection, which rules that keep state let pass only by a state. What
// "block" stops is held until anything about pf changes, as if both sides sent it again and again, so locking oneself out has all
// its consequences: new connections hang, old ones live on their states or stall, scripts go on without a listener. "block
// return" resets. For other services [Mac.Reaches] answers.
//
// What the programs answer is what Macs were seen to answer, or what Apple's sources and manuals say; where that is less
// than certain, a comment at the place says so. No Mac was at hand when this was written.
//
// The package shares no code with what it tests, except for the languages of package pf and package plist.
//
// # What is not modelled
//
// A program that is asked for something real, but not modelled, says "macsim: ... is not modelled" and fails; tests can look for that.
// The shell is not bash in these points, of which the first six go unsaid:
//
//   - A signal that comes while a subshell, a pipeline or a substitution runs is noticed after the words of the next command were
//     expanded; wait and read do not notice one at all. A shell that a signal ends takes the program along that it was waiting for.
//   - set -e is obeyed in a subshell or a substitution that is part of a condition.
//   - A function that has the name of a builtin (echo, test, printf ...) is not called.
//   - All shells of a Mac have one process id, that of the program that simulates it. $! is no process id.
//   - A whole script is parsed before any of it runs; one that comes on stdin is read line by line.
//   - sshd would wait for background programs that hold stdout; here the session ends with its shell.
//   - There are no file descriptors beyond 2, no noclobber, no job control; assigning a readonly variable is not fatal.
//   - fish and tcsh are names of the login shell only. They read the same language.
//   - A client that sends a signal over SSH ends its session at once, whatever that traps.
//   - On Windows the interpreter's own paths, as globbing makes them, have backslashes.
//
// Of launchd see launchdState, of sleep [Mac.FallAsleep].
//
// Nor are there hard links, access control lists, Unicode normalisation of names, TCC's protected folders, sftp, scp and port forwarding,
// or FileVault's locked state. Of pf there are no sequence numbers and no time-outs: a state lives until it is killed or flushed, or the
// Mac restarts; nor does anybody give up a connection on which nothing arrives. Disabling pf does not end it, as in xnu, where that only
// stops asking; there a connection may have moved too far meanwhile to be known again. What leaves the Mac by itself, DNS say, meets no
// pf.
package macsim
