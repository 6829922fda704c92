// Package launchctl works on launchd, which starts and keeps the daemons and agents of one Mac: it reads jobs back, installs and removes
// them. All of it is /bin/launchctl and files in the folders that launchd loads, in scripts that package remote carries.
//
// # A job on a Mac
//
// A job is a property list on disk, LABEL.plist, and what launchd made of it when it was loaded (bootstrapped). launchd never
// reads the file again, so the two can differ; `launchctl print` shows what it holds, though its manual says that the format is
// no interface. So few lines of it are read, those with exactly one TAB before them and some blocks, and what is not there is not
// compared. A third part is the disabled flag, which lives in a store of its own, survives the file, and can be
// set by a person in System Settings: it decides whether the job is loaded at the next boot or login.
//
// # Places and sessions
//
// A [Place] is a folder: /Library/LaunchDaemons, whose jobs are in the domain system; /Library/LaunchAgents, whose jobs are in the domain
// gui/UID of every user who is logged in at the screen; or a user's own Library/LaunchAgents, whose jobs are in that user's domain alone.
// A [Session] is one of these domains. A job is changed in all of its sessions or in none: each is one change of a [watchdog.Plan]. While
// there is no session, a file is all there is of an agent, launchd loads it at the next login, and nothing else can differ. Who is logged
// in is taken from the owner of the console and, after a quick switch of users, from the login windows that run; that launchd has a domain
// for each decides. What is in the domains user/UID, and at the login window, is left to macOS.
//
// # The order of a change
//
// A change is made by one script, job.sh, in the words of package watchdog. The file is checked and copied while nothing has changed, then
// renamed into place. A job that is loaded is booted out, and the script waits until it is really gone: bootout answers at once,
// but the label stays until the process has ended, and loading it before that fails with error 5, which launchctl gives for almost
// anything. Whatever fails, the old file is put back and loaded again. (That a bootstrap may fail and have registered the job all the
// same has been seen; so has the reverse, a job that starts only when kicked. Both are looked at, not believed.)
//
// A job goes on running when only its flag, its file's owner or spelling, or keys change that launchd does not read again. One that is to
// be restarted is loaded anew, too: `kickstart -k` runs the old definition, may never return, and leaves nothing to wait for.
//
// A job that connections to the Mac may run through, such as a VPN's, is changed under a watchdog. The new one is loaded from the
// watchdog's folder first: the disk is still the old one, so that a restart of the Mac brings the old job back. When a new connection has
// confirmed it, its file is put in place, and the same definition is loaded once more, from there. One thing is not as before if the
// Mac is restarted in between: a label that was disabled is enabled, since a disabled job cannot be loaded at all.
//
// # What goes wrong
//
// Each call of launchctl ends after 20 seconds (ctl.sh): kickstart is known to hang on a job that cannot be started, bootout on one that
// does not end. While launchd answers nobody, nothing is changed. When it does not load a file, what could keep it from that is looked up
// there and then: the flag, the owner and the mode, quarantine, and what plutil says. That a job is loaded does not say that it runs; why
// it does not, and the end of its log, is in [Job.Trouble].
package launchctl
