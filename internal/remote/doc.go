// Package remote runs scripts as root on Macs over SSH.
//
// A [Host] is one Mac. It is dialled when first needed, and from then on one SSH connection, one session and one root
// shell serve everything that is done there: one login, one sudo, and one round trip for each script. (A new session
// for each script costs three round trips when something is sent on stdin, and sshd's MaxSessions of 10 is met soon.)
// The scripts of a Mac run one after the other. Those that only read are sent together, if they come while the Mac is dialled or
// another runs, and then need one round trip between them: the surveys of a plan, and its checks of rules, ten at a time. Those that
// wait when the shell is started are sent together with what starts it: a plan takes one round trip more than a login and a command, and
// another one where there is a password for sudo, which is sent when it is asked for.
//
// The Macs of one configuration are a [Fleet]: they are dialled side by side before their turn comes, and asked what the others are asked.
//
// # How a Mac is reached
//
// A [Target] and ssh's configuration make a route: a hop for each jump host, and one for the Mac. Each hop is reached over the one before
// it, or from this machine by TCP, a SOCKS server or a ProxyCommand; there SSH is spoken, the host key looked up in known_hosts files,
// and what there is to log in with is offered, one thing after the other. Where an ssh program is installed it reads the configuration
// (ssh -G); all else is done here, so that no login costs a process, and all of it is told by its [Stage] when it fails.
//
// # What is sent
//
// The SSH command is constant: a /bin/sh that reads one line, decodes it from base64 and evaluates it. It holds no
// character that zsh, bash, fish and tcsh read differently between single quotes, since the login shell parses it.
// That first line (greet.sh) turns the login user into root through sudo; the second (serve.sh) is the loop that then
// reads requests. A request is one line as well:
//
//	SECONDS BASE64-OF-SCRIPT NAME:BASE64-OF-FILE ...
//
// SECONDS is how long a script that writes may hold the Mac's lock, 0 for one that reads: applies from several machines
// write one after the other. A request that was cut short by a lost connection never runs: the shell's read fails on a
// line without an end.
// A script gets its arguments as "$1", "$2" ..., quoted by this package, and its files in "$D", a root-only folder
// under /private/var/run (which a reboot empties) that is gone when the script ends. Nothing else of what a user wrote
// ever meets a shell, and no data is in any program's argv except the arguments themselves.
//
// # What comes back
//
// A script prints with the shell function say, which starts a [Record]: a header line made of a mark that is random for
// each connection, a key and arguments; whatever is printed next is the record's body, byte for byte, until the next
// say. The exit status travels the same way, because Tailscale's SSH server reports 0 for every command on a Mac, and
// what a login shell's rc files print stands before the first mark and is ignored.
//
// # When it fails
//
// [DialError] is a Mac that could not be reached, with the stage that failed: nothing changed there. [ExitError] is a script
// that ended with another status than 0. [LostError] is a connection that broke after a script may have started:
// its outcome is unknown, and it is never sent again.
package remote
