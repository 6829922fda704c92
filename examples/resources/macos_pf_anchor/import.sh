# HOST/NAME, where HOST is the Mac's name in the provider's hosts. What follows the first slash is the anchor's name.
terraform import macos_pf_anchor.screen_sharing 'studio/com.apple/250.screen-sharing'
