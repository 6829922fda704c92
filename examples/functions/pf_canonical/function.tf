# ["pass in inet proto tcp from 192.0.2.0/24 to any port = 22 flags S/SA keep state",
#  "pass in inet proto tcp from 192.0.2.0/24 to any port = 443 flags S/SA keep state"]
output "lines" {
  value = provider::macos::pf_canonical("pass in proto tcp from 192.0.2.0/24 to any port { 22, 443 }")
}
