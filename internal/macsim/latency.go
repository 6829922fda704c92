package macsim

import (
	"io"
	"net"
	"sync"
	"time"
)

// delayed makes all that passes through conn take so long, in each direction, without making it less.
func delayed(conn net.Conn, latency time.Duration) *delayedConn {
	d := &delayedConn{
		Conn: conn, latency: latency, in: make(chan parcel, 1024), out: make(chan parcel, 1024),
		done: make(chan struct{}), left: make(chan struct{}),
	}
	d.work.Go(d.receive)
	d.work.Go(d.send)
	return d
}

type delayedConn struct {
	net.Conn
	latency time.Duration
	in, out chan parcel
	rest    []byte // of the parcel that Read is at
	err     error  // that ended reading
	once    sync.Once
	done    chan struct{} // closed by Close
	left    chan struct{} // closed when nothing comes in any more
	work    sync.WaitGroup
}

// parcel is data, or the error that ends it, and when it arrives.
type parcel struct {
	data []byte
	err  error
	due  time.Time
}

// receive ends when the connection does.
func (d *delayedConn) receive() {
	defer close(d.left)
	for {
		b := make([]byte, 32<<10)
		n, err := d.Conn.Read(b)
		select {
		case d.in <- parcel{b[:n], err, time.Now().Add(d.latency)}:
		case <-d.done:
			return
		}
		if err != nil {
			return
		}
	}
}

// send ends when Close was called, after what was written before, or when writing fails.
func (d *delayedConn) send() {
	defer func() { _ = d.Conn.Close() }()
	write := func(p parcel) bool {
		time.Sleep(time.Until(p.due))
		_, err := d.Conn.Write(p.data)
		return err == nil
	}
	for {
		select {
		case p := <-d.out:
			if !write(p) {
				return
			}
		case <-d.done:
			for {
				select {
				case p := <-d.out:
					if !write(p) {
						return
					}
				default:
					return
				}
			}
		}
	}
}

func (d *delayedConn) Read(b []byte) (int, error) {
	if len(d.rest) == 0 && d.err == nil {
		select {
		case p := <-d.in:
			time.Sleep(time.Until(p.due))
			d.rest, d.err = p.data, p.err
		case <-d.done:
			return 0, io.EOF
		}
	}
	if len(d.rest) == 0 {
		return 0, d.err
	}
	n := copy(b, d.rest)
	d.rest = d.rest[n:]
	return n, nil
}

func (d *delayedConn) Write(b []byte) (int, error) {
	if d.latency <= 0 {
		return d.Conn.Write(b) // Before whoever writes goes on.
	}
	select {
	case d.out <- parcel{data: append([]byte(nil), b...), due: time.Now().Add(d.latency)}:
		return len(b), nil
	case <-d.done:
		return 0, net.ErrClosed
	}
}

// Close returns at once; the connection is closed when what was written has been sent.
func (d *delayedConn) Close() error {
	d.once.Do(func() { close(d.done) })
	return nil
}

// hangUp closes what delay returned, and waits until the connection is closed.
func hangUp(conn net.Conn) {
	_ = conn.Close()
	if d, ok := conn.(*delayedConn); ok {
		d.work.Wait()
	}
}
