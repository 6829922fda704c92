//go:build !windows

package remote

import "net"

// usualAgent is the agent where SSH_AUTH_SOCK names none; "": none.
const usualAgent = ""

func dialSocket(socket string) (net.Conn, error) { return net.Dial("unix", socket) }
