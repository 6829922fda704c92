package pfctl

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/macos-fleet/terraform-provider-macos/internal/macsim"
	"github.com/macos-fleet/terraform-provider-macos/internal/remote"
)

// An errand is one call of this package, with the way to the Mac: what a process needs to do it on its own.
type errand struct {
	Address, HostKey, Key string
	Confirm, Settle       time.Duration
	Connect, Command      time.Duration // 0: as remote has it
	Name, Rules           string        // without a name: Enable
	Remove                bool
	Seen                  Seen
}

// errandVar holds the errand of a process that is to do nothing else.
const errandVar = "PFCTL_TEST_ERRAND"

func TestMain(m *testing.M) {
	text, ok := os.LookupEnv(errandVar)
	if !ok {
		os.Exit(m.Run())
	}
	var e errand
	if err := json.Unmarshal([]byte(text), &e); err != nil {
		panic(err)
	}
	if err := e.run(context.Background()); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

func (e errand) run(ctx context.Context) error {
	h, err := e.host()
	if err != nil {
		return err
	}
	defer h.Close()
	switch {
	case e.Name == "":
		return Enable(ctx, h)
	case e.Remove:
		_, err = Remove(ctx, h, e.Name, e.Seen)
	default:
		_, err = Apply(ctx, h, e.Name, e.Rules, e.Seen)
	}
	return err
}

func (e errand) host() (*remote.Host, error) {
	address, port, err := net.SplitHostPort(e.Address)
	if err != nil {
		return nil, err
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		return nil, err
	}
	return remote.NewHost(remote.Target{
		Name: "mini", Address: address, Port: n, User: "admin", HostKey: e.HostKey, PrivateKey: e.Key,
		ConnectTimeout: e.Connect, CommandTimeout: e.Command, ConfirmTimeout: e.Confirm, SettleTime: e.Settle,
	}), nil
}

// to is the errand with the way to a Mac.
func (e errand) to(mac *macsim.Mac, address string) errand {
	e.Address, e.HostKey, e.Key = address, string(ssh.MarshalAuthorizedKey(mac.HostKey())), mac.ClientKey()
	return e
}

// A client is a process that does an errand.
type client struct {
	cmd  *exec.Cmd
	said bytes.Buffer // read it after wait
}

func (e errand) start() (*client, error) {
	text, err := json.Marshal(e)
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := &client{cmd: exec.Command(self)}
	c.cmd.Env = append(os.Environ(), errandVar+"="+string(text))
	c.cmd.Stdout, c.cmd.Stderr = &c.said, &c.said
	return c, c.cmd.Start()
}

// kill ends the process at once, without a word to anybody.
func (c *client) kill() { _ = c.cmd.Process.Kill() }

// wait returns when the process has ended. The error is nil only if its errand was done.
func (c *client) wait() error {
	if err := c.cmd.Wait(); err != nil {
		return fmt.Errorf("%w: %s", err, c.said.Bytes())
	}
	return nil
}

// behind is a Mac whose rules decide who gets in: connections come over Tailscale, pf is enabled.
func behind(cfg macsim.Mac) (*macsim.Mac, error) {
	cfg.Client, cfg.Server = netip.MustParseAddrPort("100.64.0.7:50000"), netip.MustParseAddrPort("100.64.0.5:22")
	mac, err := macsim.New(cfg)
	if err != nil {
		return nil, err
	}
	if err := mac.Listen("127.0.0.1:0"); err != nil {
		mac.Close()
		return nil, err
	}
	return mac, nil
}

// script runs a script at the Mac itself.
func script(mac *macsim.Mac, text string, args ...string) error {
	if _, stderr, exit := mac.Run(context.Background(), text, args...); exit != 0 {
		return fmt.Errorf("exit %d: %s\n%s", exit, stderr, text)
	}
	return nil
}
