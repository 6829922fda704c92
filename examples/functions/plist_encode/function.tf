# A whole job as an object, with the keys of launchd.plist(5).
resource "macos_launchdaemon" "backup" {
  label = "com.acme.backup"
  plist = provider::macos::plist_encode({
    Label                 = "com.acme.backup"
    ProgramArguments      = ["/usr/local/bin/acme-backup", "--all"]
    StartCalendarInterval = { Hour = 3, Minute = 20 }
    LowPriorityIO         = true
    Debug                 = null # left out
  })
}
