package remote

import (
	"net"
	"strings"

	"github.com/Microsoft/go-winio"
)

// usualAgent is the agent where SSH_AUTH_SOCK names none: that of Windows' own OpenSSH, and 1Password answers there as well. That ssh asks
// there is documented; this was not tried on Windows.
const usualAgent = `\\.\pipe\openssh-ssh-agent`

func dialSocket(socket string) (net.Conn, error) {
	if strings.HasPrefix(strings.ReplaceAll(socket, "/", `\`), `\\.\pipe\`) {
		return winio.DialPipe(socket, nil)
	}
	return net.Dial("unix", socket)
}
