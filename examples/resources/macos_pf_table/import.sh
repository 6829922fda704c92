# HOST/ANCHOR/TABLE, where HOST is the Mac's name in the provider's hosts. The table's name is what follows the last slash.
terraform import macos_pf_table.admins 'mini-01/com.acme.ssh/admins'
