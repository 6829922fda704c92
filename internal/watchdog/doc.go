// Package watchdog makes changes that could cut a Mac off, and has the Mac itself undo them unless a connection that was made after
// the change has confirmed it. It knows nothing of what is changed: pf rules, a daemon that carries the connection, or whatever
// else comes with a script that can try, keep and undo it.
//
// # Why a new connection
//
// A connection that is open proves nothing. pf lets it live on its state though it would refuse the next one; and the other way
// round, enabling pf can kill it, for it has no state, though the next one would be let in. So only a connection that was dialled
// after the change may confirm, and when it can, it takes the old one's place.
//
// # Who makes the change
//
// Not the session, which the change may kill, but a job of launchd's: it outlives the client, the connection, sshd and tailscaled. (A
// process that descends from a session can die with the job that served it; at(1) never runs on macOS; `launchctl submit` starts its
// program over and over.)
// The job is a plist in a folder of root's own under /private/var/run, which launchd does not scan and a reboot empties. It is told to
// go only after it has reported, so that nothing is changed without it; and it alone makes the change, decides whether it was confirmed in
// time, and keeps or undoes it, so that the two sides cannot disagree. launchd starts it again if it is killed, and it goes on where it
// was.
//
//	client                            the Mac
//	arm    checks, files, job    ->   armed       waits for the word to go
//	go                           ->   loaded      the change is in force, and not on disk
//	(dials anew)
//	confirm over the new one     ->   kept        on disk
//	                                  undone      no confirmation by the deadline, or a step that failed
//
// Until the disk is changed, which is the last step, a reboot brings the old state back, too; each change's keep is a rename. Whether
// macOS announces a job that is loaded from such a folder as a "Background Item" is not known.
//
// # Who else is there
//
// The job holds the Mac's write lock from before the change until its end, so no other apply comes between. The lock's text says whose it
// is and until when it can hold; after that, another apply takes it over.
package watchdog
