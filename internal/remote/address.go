package remote

import "context"

// Address is the Mac's own address, a host name or an IP address, as the Target and ssh's configuration have it: where the last hop of the
// way there leads. Nothing is dialled.
func (h *Host) Address(ctx context.Context) (string, error) {
	r, err := findRoute(ctx, h.target, h.fleet)
	if err != nil {
		return "", err
	}
	return r.last().host, nil
}
