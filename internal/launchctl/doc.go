// Package launchctl works on launchd, which starts and keeps the daemons of one Mac: it reads jobs back, installs and removes
// them. All of it is /bin/launchctl and files in /Library/LaunchDaemons, in scripts that package remote carries.
//
// # A job on a Mac
//
// A job is a property list on disk, LABEL.plist, and what launchd made of it when it was loaded (bootstrapped). launchd never
// reads the file again, so the two can differ; `launchctl print` shows what it holds, though its manual says that the format is
// no interface. So few lines of it are read, those with exactly one TAB before them and two blocks, and what is not there is not
// compared. A third part is the disabled flag, which lives in a store of its own, survives the file, and can be
// set by a person in System Settings: it decides whether the job is loaded at the next boot.
//
// # The order of a change
//
// A change is made by one script, job.sh, in the words of package watchdog. The file is checked and copied while nothing has changed, then
// renamed into place. A job that is loaded is booted out, and the script waits until it is really gone: bootout answers at once,
// but the label stays until the process has ended, and loading it before that fails with error 5, which launchctl gives for almost
// anything. Whatever fails, the old file is put back and loaded again. (That a bootstrap may fail and have registered the job all the
// same has been seen; so has the reverse, a job that starts only when kicked. Both are looked at, not believed.)
//
// A job that connections to the Mac may run through, such as a VPN's, is changed under a watchdog. The new one is loaded from the
// watchdog's folder first: the disk is still the old one, so that a restart of the Mac brings the old job back. When a new connection has
// confirmed it, its file is put in place, and the same definition is loaded once more, from there. One thing is not as before if the
// Mac is restarted in between: a label that was disabled is enabled, since a disabled job cannot be loaded at all.
//
// No launchctl call has a time limit of its own, since macOS has no timeout(1): the limit is that of the whole script, see
// [remote.Target], or the watchdog's. kickstart, which is known to hang on a job that cannot be started, is not waited for.
package launchctl
