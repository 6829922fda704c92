package provider

// newLaunchdaemon is macos_launchdaemon: a job in /Library/LaunchDaemons, loaded as it stands there.
func newLaunchdaemon() *jobResource {
	return &jobResource{kind: jobKind{
		typeName: "macos_launchdaemon",
		about: "A launchd daemon of the whole Mac: its property list in `/Library/LaunchDaemons`, and the job that launchd makes of it. " +
			"launchd reads a file once, when it loads the job; what it holds is read back and compared with the file.\n\n" +
			"A change stops the job, waits until it has ended, and loads it anew. If launchd does not take the new definition, the old one is put back. " +
			"Destroying the resource stops the job and removes the file; whether the label is disabled stays as it is.\n\n" +
			"A job that this very provider may reach the Mac through, such as a VPN's, is changed under a watchdog on the Mac: see `confirm`. The new " +
			"definition is loaded from a folder that a restart empties, and only when a new connection has come through is the file put in place, and " +
			"the job loaded from there, which starts it once more. Otherwise the Mac loads the old one again.\n\n" +
			"Each key of launchd.plist(5) is an attribute, except for those that launchd does not heed any more or that only Apple's own jobs have; these are for " +
			"`plist`. What changes by itself, such as the job's process, how often it ran and how it last ended, is not here, since it would differ at every " +
			"refresh: the data source `macos_launchd_job` has it.\n\n" +
			"~> **The file is exhaustive.** A key that is not configured is removed. A job that exists already is never taken over, unless it is exactly " +
			"what is wanted: import it first.",
	}}
}
