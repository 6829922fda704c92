# What another project's property list says, XML or binary.
locals {
  redis = provider::macos::plist_decode(filebase64("${path.module}/homebrew.mxcl.redis.plist"))
}

output "redis_program" {
  value = local.redis.ProgramArguments[0]
}
