# HOST/LABEL, where HOST is the Mac's name in the provider's hosts.
terraform import macos_launchdaemon.agent mini-01/com.acme.agent
