# HOST/LABEL for everybody's, HOST/USER/LABEL for one user's, where HOST is the Mac's name in the provider's hosts.
terraform import macos_launchagent.greeter mini-01/com.acme.greeter
terraform import macos_launchagent.sync mini-01/anna/com.acme.sync
